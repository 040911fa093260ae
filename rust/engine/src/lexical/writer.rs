//! Rows in memory until they are written: postings are sorted and packed as soon as a window of rows is full.

use std::collections::HashMap;

use super::analyzer::Analyzer;
use super::encode::{Encoder, ROWS_MAX, WINDOW};
use super::terms::{Interner, RowTerms, analyze_row};
use crate::error::{Error, Result};
use crate::storage::frame::FrameWriter;

/// Count in a byte that stands for one in `wide`.
const WIDE: u8 = u8::MAX;

/// Collects rows and writes their inverted index.
#[derive(Debug, Default)]
pub struct LexicalWriter {
    terms: Interner,
    lengths: Vec<u32>,
    /// Postings of the last window: term number, row in the window, count in a byte, from the highest bits down.
    open: Vec<u64>,
    full: Vec<PackedWindow>,
    /// Counts that do not fit a byte, by term number and row.
    wide: HashMap<(u32, u32), u32>,
}

/// Postings of one window by term number: terms[i] has rows and counts at starts[i]..starts[i + 1].
#[derive(Debug)]
struct PackedWindow {
    terms: Vec<u32>,
    starts: Vec<u32>,
    rows: Vec<u16>,
    counts: Vec<u8>,
}

impl LexicalWriter {
    /// A writer without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of rows so far.
    pub fn rows(&self) -> u32 {
        self.lengths.len() as u32
    }

    /// Memory held, in bytes.
    pub fn bytes_used(&self) -> usize {
        let packed = |window: &PackedWindow| {
            4 * (window.terms.capacity() + window.starts.capacity())
                + 2 * window.rows.capacity()
                + window.counts.capacity()
        };
        self.terms.bytes_used()
            + 4 * self.lengths.capacity()
            + 8 * self.open.capacity()
            + 16 * self.wide.capacity()
            + self.full.iter().map(packed).sum::<usize>()
    }

    /// Analyses and adds the next row: title or headings, then the chunk.
    pub fn add_row(&mut self, analyzer: &Analyzer, row: u32, texts: &[&str]) -> Result<()> {
        self.add(row, &analyze_row(analyzer, texts))
    }

    /// Adds the next row; `row` must be [`Self::rows`], rows without terms are added too.
    pub fn add(&mut self, row: u32, terms: &RowTerms) -> Result<()> {
        if row != self.rows() || row >= ROWS_MAX {
            return Err(Error::invalid(format!("row {row} was added where row {} is next", self.rows())));
        }
        for (term, count) in terms.iter() {
            let number = self.terms.intern(term);
            let narrow = count.min(u32::from(WIDE));
            if narrow == u32::from(WIDE) {
                self.wide.insert((number, row), count);
            }
            self.open.push(u64::from(number) << 32 | u64::from(row % WINDOW) << 8 | u64::from(narrow));
        }
        self.lengths.push(terms.length());
        if self.rows().is_multiple_of(WINDOW) {
            self.pack();
        }
        Ok(())
    }

    /// Writes the sections `lex.*`.
    pub fn finish(mut self, frame: &mut FrameWriter) -> Result<()> {
        self.pack();
        self.open = Vec::new();
        let (starts, places) = self.places();
        let mut order: Vec<u32> = (0..self.terms.len() as u32).collect();
        order.sort_unstable_by_key(|&number| self.terms.term(number));
        let mut encoder = Encoder::new(frame, &self.lengths)?;
        let mut postings = Vec::new();
        for number in order {
            postings.clear();
            for &(window, place) in &places[starts[number as usize]..starts[number as usize + 1]] {
                self.unpack(number, window, place as usize, &mut postings);
            }
            encoder.push(self.terms.term(number), &postings)?;
        }
        encoder.finish()
    }

    fn pack(&mut self) {
        if self.open.is_empty() && !self.rows().is_multiple_of(WINDOW) {
            return;
        }
        self.open.sort_unstable();
        let (mut terms, mut starts) = (Vec::new(), Vec::new());
        for (at, posting) in self.open.iter().enumerate() {
            let number = (posting >> 32) as u32;
            if terms.last() != Some(&number) {
                terms.push(number);
                starts.push(at as u32);
            }
        }
        starts.push(self.open.len() as u32);
        terms.shrink_to_fit();
        starts.shrink_to_fit();
        let rows = self.open.iter().map(|posting| (posting >> 8) as u16).collect();
        let counts = self.open.iter().map(|&posting| posting as u8).collect();
        self.full.push(PackedWindow { terms, starts, rows, counts });
        self.open.clear();
    }

    /// For each term number where its places begin, and the places: (window, index in its terms), by window.
    fn places(&self) -> (Vec<usize>, Vec<(u32, u32)>) {
        let mut starts = vec![0; self.terms.len() + 1];
        for &number in self.full.iter().flat_map(|window| &window.terms) {
            starts[number as usize + 1] += 1;
        }
        for number in 0..self.terms.len() {
            starts[number + 1] += starts[number];
        }
        let mut next = starts.clone();
        let mut places = vec![(0, 0); starts[self.terms.len()]];
        for (window, packed) in self.full.iter().enumerate() {
            for (place, &number) in packed.terms.iter().enumerate() {
                places[next[number as usize]] = (window as u32, place as u32);
                next[number as usize] += 1;
            }
        }
        (starts, places)
    }

    fn unpack(&self, number: u32, window: u32, place: usize, postings: &mut Vec<(u32, u32)>) {
        let packed = &self.full[window as usize];
        let range = packed.starts[place] as usize..packed.starts[place + 1] as usize;
        postings.extend(packed.rows[range.clone()].iter().zip(&packed.counts[range]).map(|(&local, &narrow)| {
            let row = window * WINDOW + u32::from(local);
            let count = if narrow == WIDE { self.wide[&(number, row)] } else { u32::from(narrow) };
            (row, count)
        }));
    }
}
