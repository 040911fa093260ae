//! Rows in memory until they are written: each thread numbers the terms that it meets and grows their lists; at the end
//! the dictionaries are sorted and joined.

use std::hint::black_box;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::analyzer::Analyzer;
use super::encode::{Encoder, ROWS_MAX, prefix};
use super::feed::{Batch, feed};
use super::interner::{Interner, term_at};
use super::lists::Lists;
use super::terms::RowTerms;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::share::share;
use crate::storage::frame::FrameWriter;

/// Bytes of text that a thread takes at a time: some milliseconds of work between two looks at the interrupt.
const BYTES_AT_A_TIME: usize = 1 << 18;

/// Tokens that are numbered together.
const TOKENS_AT_A_TIME: usize = 512;

/// Collects rows and writes their inverted index, which does not depend on threads.
#[derive(Debug, Default)]
pub struct LexicalWriter {
    /// Terms and postings of some of the rows each.
    parts: Vec<Part>,
    rows: u32,
}

/// What one thread has indexed: ranges of rows, ascending.
#[derive(Debug, Default)]
struct Part {
    terms: Interner,
    lists: Lists,
    ranges: Vec<Range<u32>>,
    /// Lengths of the rows of all ranges.
    lengths: Vec<u32>,
    /// Tokens of the row at hand that have no number yet, and their terms.
    tokens: Vec<Unnumbered>,
    text: String,
    numbers: Vec<u32>,
}

/// A token on its way to its list.
#[derive(Clone, Copy, Debug)]
struct Unnumbered {
    key: u128,
    hash: u64,
    /// Where its term ends in the part's text.
    end: usize,
}

impl LexicalWriter {
    /// A writer without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Analyses and adds `count` rows on several threads; `texts` gives a row's title or headings and its chunk.
    pub fn of_texts<'a>(
        analyzer: &Analyzer,
        count: usize,
        texts: impl Fn(usize) -> [&'a str; 2] + Sync,
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<Self> {
        let rows = u32::try_from(count).ok().filter(|&rows| rows <= ROWS_MAX);
        let rows = rows.ok_or_else(|| Error::invalid(format!("{count} rows, a segment holds at most {ROWS_MAX}")))?;
        let size = |row: u32| texts(row as usize).iter().map(|text| text.len() + 1).sum::<usize>();
        let parts = Mutex::new(Vec::new());
        let held = || parts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = 0;
        // A part comes with its range, so that no part gets ranges out of order.
        let work = std::iter::from_fn(|| {
            let start = next;
            let mut bytes = 0;
            while next < rows && bytes < BYTES_AT_A_TIME {
                bytes += size(next);
                next += 1;
            }
            (start < next).then(|| (held().pop().unwrap_or_default(), start..next))
        });
        let few = (0..rows).scan(0, |bytes, row| {
            *bytes += size(row);
            Some(*bytes)
        });
        let threads = if few.into_iter().all(|bytes| bytes < BYTES_AT_A_TIME) { 1 } else { threads };
        share(work, threads, |(mut part, range): (Part, _)| {
            interrupt.check()?;
            for row in range.clone() {
                part.analyze(analyzer, row, &texts(row as usize));
            }
            part.ranges.push(range);
            part.lists.check()?;
            held().push(part);
            Ok(())
        })?;
        Ok(Self { parts: parts.into_inner().unwrap_or_else(PoisonError::into_inner), rows })
    }

    /// Number of rows so far.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Memory held, in bytes.
    pub fn bytes_used(&self) -> usize {
        self.parts.iter().map(Part::bytes_used).sum()
    }

    /// Adds the next row; `row` must be [`Self::rows`], rows without terms are added too.
    pub fn add(&mut self, row: u32, terms: &RowTerms) -> Result<()> {
        if row != self.rows() || row >= ROWS_MAX {
            return Err(Error::invalid(format!("row {row} was added where row {} is next", self.rows())));
        }
        if self.parts.is_empty() {
            self.parts.push(Part::default());
        }
        let part = &mut self.parts[0];
        for (term, count) in terms.iter() {
            let number = part.terms.intern(term);
            part.lists.add(number, row, count);
        }
        part.lengths.push(terms.length());
        part.ranges.push(row..row + 1);
        part.lists.check()?;
        self.rows += 1;
        Ok(())
    }

    /// Writes the sections `lex.*`.
    pub fn finish(self, frame: &mut FrameWriter, threads: usize, interrupt: &dyn Interrupt) -> Result<()> {
        let mut lengths = vec![0; self.rows as usize];
        for part in &self.parts {
            let mut rest = part.lengths.as_slice();
            for range in &part.ranges {
                let (these, others) = rest.split_at(range.len());
                lengths[range.start as usize..range.end as usize].copy_from_slice(these);
                rest = others;
            }
        }
        let sorted = Mutex::new(Vec::new());
        let threads_needed = threads.min(self.parts.len());
        share(self.parts.into_iter(), threads_needed, |part| {
            interrupt.check()?;
            let part = Sorted::of(part);
            sorted.lock().unwrap_or_else(PoisonError::into_inner).push(part);
            Ok(())
        })?;
        let mut parts = sorted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut encoder = Encoder::new(frame, &lengths)?;
        let threads = if parts.len() < 2 && lengths.len() < 1 << 10 { 1 } else { threads };
        feed(&mut encoder, threads, interrupt, |batch| join(&mut parts, batch))?;
        drop(parts);
        encoder.finish()
    }
}

impl Part {
    fn bytes_used(&self) -> usize {
        self.terms.bytes_used()
            + self.lists.bytes_used()
            + self.ranges.capacity() * size_of::<Range<u32>>()
            + self.lengths.capacity() * size_of::<u32>()
    }

    /// Adds a row above all before.
    fn analyze(&mut self, analyzer: &Analyzer, row: u32, texts: &[&str]) {
        let mut length = 0u32;
        for text in texts {
            analyzer.analyze(text, &mut |token| {
                length = length.saturating_add(1);
                self.text.push_str(token.term);
                let key = self.terms.key(token.term.as_bytes());
                self.tokens.push(Unnumbered { key, hash: self.terms.hash(key), end: self.text.len() });
                if self.tokens.len() == TOKENS_AT_A_TIME {
                    self.number(row);
                }
            });
        }
        self.number(row);
        self.lengths.push(length);
    }

    /// Numbers the tokens at hand and counts them. All that is known of a row's terms passes here: what else is to be
    /// indexed of a token, such as its position, belongs beside its key.
    ///
    /// Most of the time would go into waiting for memory, a token at a time. So each step is done for all tokens before
    /// the next one, and places are read before they are needed: then one wait does for many.
    fn number(&mut self, row: u32) {
        black_box(self.tokens.iter().fold(0, |sum, token| sum ^ self.terms.touch(token.hash)));
        let mut start = 0;
        for token in &self.tokens {
            self.numbers.push(self.terms.number(token.hash, token.key, &self.text[start..token.end]));
            start = token.end;
        }
        black_box(self.numbers.iter().fold(0, |sum, &number| sum ^ self.lists.touch(number)));
        for &number in &self.numbers {
            self.lists.add(number, row, 1);
        }
        self.tokens.clear();
        self.text.clear();
        self.numbers.clear();
    }
}

/// A part whose terms are visited in order.
struct Sorted {
    bytes: String,
    ends: Vec<usize>,
    lists: Lists,
    /// First bytes and number of each term, the last in order first.
    order: Vec<(u64, u32)>,
}

impl Sorted {
    fn of(part: Part) -> Self {
        let (bytes, ends) = part.terms.into_terms();
        let term = |number: u32| term_at(&bytes, &ends, number as usize);
        let mut order: Vec<(u64, u32)> =
            (0..ends.len() as u32).map(|number| (prefix(term(number).as_bytes()), number)).collect();
        order.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| term(b.1).cmp(term(a.1))));
        Self { order, lists: part.lists, bytes, ends }
    }

    /// The next term with its first bytes.
    fn head(&self) -> Option<(u64, &str)> {
        self.order.last().map(|&(prefix, number)| (prefix, term_at(&self.bytes, &self.ends, number as usize)))
    }
}

/// Fills a batch with the least terms of all parts.
fn join(parts: &mut [Sorted], batch: &mut Batch) -> Result<()> {
    let mut here = Vec::with_capacity(parts.len());
    while !batch.is_full() {
        let Some(least) = parts.iter().filter_map(Sorted::head).min() else { return Ok(()) };
        here.clear();
        here.extend((0..parts.len()).filter(|&part| parts[part].head() == Some(least)));
        batch.push(least.1, |postings| {
            for &part in &here {
                let number = parts[part].order.last().expect("it has a head").1;
                parts[part].lists.read(number, postings);
            }
            Ok(())
        })?;
        for &part in &here {
            parts[part].order.pop();
        }
    }
    Ok(())
}
