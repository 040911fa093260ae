//! An inverted index over mapped bytes: nothing is decoded before it is asked for, nothing read is trusted.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::encode::{BLOCK_TERMS, Container, FLAT_MAX, Head, ROWS_MAX, VERSION, WIDE, WINDOW};
use super::score::Bm25;
use crate::error::{Error, Result};
use crate::storage::frame::{Column, Frame};

/// Number of a term in the dictionary of one file: its rank among the sorted terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermId(pub u32);

/// The inverted index of one file.
#[derive(Clone, Debug)]
pub struct Lexical {
    frame: Arc<Frame>,
    head: Head,
    terms: Column<u8>,
    blocks: Column<u64>,
    entries: Column<u64>,
    frequencies: Column<u32>,
    flat: Column<u8>,
    postings: Column<u8>,
    windows: Column<Container>,
    impacts: Column<u8>,
    wide_keys: Column<u64>,
    wide_counts: Column<u32>,
    lengths: Column<u32>,
}

/// Postings of one term in one window, as they lie in the file; rows may be anything that fits their type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Postings<'a> {
    /// Rows of the file: 2 to 64 of them in the whole file.
    Flat { rows: &'a [u32], counts: &'a [u8] },
    /// Rows of a window.
    Window { rows: &'a [u16], counts: &'a [u8] },
    /// The only posting of a term.
    One { row: u32, count: u32 },
}

/// A [`Postings`] with its window and the greatest impact in it, in 255ths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub window: u32,
    pub impact: u8,
    pub postings: Postings<'a>,
}

impl Lexical {
    /// Opens the sections `lex.*` of a file.
    pub fn open(frame: &Arc<Frame>) -> Result<Self> {
        let head = *frame
            .column_of::<Head>("lex.head", 1)?
            .first()
            .ok_or_else(|| frame.corrupt_section("lex.head", "it is empty"))?;
        if head.version != VERSION {
            let message = format!(
                "its inverted index has version {}, this release reads {VERSION}: upgrade ragstone, or rebuild the index",
                head.version
            );
            return Err(Error::Incompatible { file: frame.name().to_owned(), message });
        }
        let sound = head.window == WINDOW
            && head.rows <= ROWS_MAX
            && head.total_length <= u64::from(head.rows) * u64::from(u32::MAX)
            && Bm25 { k1: head.k1, b: head.b }.check().is_ok()
            && head.average_length.is_finite()
            && head.average_length > 0.0;
        if !sound {
            return Err(frame.corrupt_section("lex.head", "its numbers are out of range"));
        }
        let terms = head.terms as usize;
        let size = |count: u64| {
            usize::try_from(count).map_err(|_| frame.corrupt_section("lex.head", "its numbers are out of range"))
        };
        let lexical = Self {
            frame: Arc::clone(frame),
            head,
            terms: frame.column("lex.terms")?,
            blocks: frame.column_of("lex.blocks", terms.div_ceil(BLOCK_TERMS))?,
            entries: frame.column("lex.entries")?,
            frequencies: frame.column("lex.df")?,
            flat: frame.column("lex.flat")?,
            postings: frame.column("lex.postings")?,
            windows: frame.column("lex.windows")?,
            impacts: frame.column("lex.impacts")?,
            wide_keys: frame.column("lex.wide.keys")?,
            wide_counts: frame.column("lex.wide.counts")?,
            lengths: frame.column("lex.lengths")?,
        };
        // The large columns are payload: their lengths are checked here, their values where they are used.
        for (section, got, expected) in [
            ("lex.entries", lexical.entries.len(), terms),
            ("lex.df", lexical.frequencies.len(), terms),
            ("lex.windows", lexical.windows.len(), size(head.containers)?),
            ("lex.impacts", lexical.impacts.len(), size(head.containers)?),
            ("lex.wide.keys", lexical.wide_keys.len(), size(head.wide)?),
            ("lex.wide.counts", lexical.wide_counts.len(), size(head.wide)?),
            ("lex.lengths", lexical.lengths.len(), head.rows as usize),
        ] {
            if got != expected {
                return Err(frame.corrupt_section(section, &format!("it has {got} values where {expected} belong")));
            }
        }
        Ok(lexical)
    }

    /// Number of rows.
    pub fn rows(&self) -> u32 {
        self.head.rows
    }

    /// Number of distinct terms.
    pub fn term_count(&self) -> u32 {
        self.head.terms
    }

    /// Number of pairs of a term and a row.
    pub fn posting_count(&self) -> u64 {
        self.head.postings
    }

    /// Sum of the lengths of all rows, deleted ones included.
    pub fn total_length(&self) -> u64 {
        self.head.total_length
    }

    /// Number of tokens of a row; 0 beyond the last.
    pub fn length(&self, row: u32) -> u32 {
        self.lengths.get(row as usize).copied().unwrap_or(0)
    }

    /// Number of rows that have the term, deleted ones included; 0 for a number that is no term.
    pub fn document_frequency(&self, term: TermId) -> u32 {
        self.frequencies.get(term.0 as usize).copied().unwrap_or(0)
    }

    /// Looks a term up.
    pub fn term(&self, term: &str) -> Result<Option<TermId>> {
        let term = term.as_bytes();
        let (mut low, mut high) = (0, self.blocks.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let at = self.block_start(middle)?;
            if self.entry_at(at, 0)?.1 <= term { low = middle + 1 } else { high = middle }
        }
        let Some(block) = low.checked_sub(1) else { return Ok(None) };
        let mut at = self.block_start(block)?;
        let mut name = Vec::with_capacity(64);
        for number in self.block_terms(block) {
            at = self.next_name(at, &mut name)?;
            match name.as_slice().cmp(term) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(Some(TermId(number))),
                Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    /// All terms in order.
    pub fn terms(&self) -> Terms<'_> {
        Terms { lexical: self, next: 0, at: 0, name: Vec::new() }
    }

    /// The terms from `first` on, in order.
    pub fn terms_from(&self, first: &str) -> Result<Terms<'_>> {
        let (mut low, mut high) = (0, self.blocks.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let at = self.block_start(middle)?;
            if self.entry_at(at, 0)?.1 <= first.as_bytes() { low = middle + 1 } else { high = middle }
        }
        let block = low.saturating_sub(1);
        let mut terms = Terms { lexical: self, next: (block * BLOCK_TERMS) as u32, at: 0, name: Vec::new() };
        while terms.next < self.head.terms {
            let before = (terms.next, terms.at, terms.name.clone());
            if terms.step()?.is_some_and(|(_, name)| name >= first) {
                (terms.next, terms.at, terms.name) = before;
                break;
            }
        }
        Ok(terms)
    }

    /// Replaces `out` by the postings (row, count) of a term, ascending by row.
    pub fn postings(&self, term: TermId, out: &mut Vec<(u32, u32)>) -> Result<()> {
        out.clear();
        let mut previous = None;
        self.visit(term, |piece| {
            self.each(term, &piece, |row, count| {
                if previous >= Some(row) || count == 0 {
                    return Err(self.corrupt_postings("the rows of a term are out of order"));
                }
                previous = Some(row);
                out.push((row, count));
                Ok(())
            })
        })
    }

    /// Impacts are stored under these parameters and this average length.
    pub(super) fn reference(&self) -> (Bm25, f64) {
        (Bm25 { k1: self.head.k1, b: self.head.b }, self.head.average_length)
    }

    /// Lengths of the rows.
    pub(super) fn lengths(&self) -> &[u32] {
        &self.lengths
    }

    /// Visits the pieces of a term, ascending by window, their number of postings checked.
    pub(super) fn visit<'a>(&'a self, term: TermId, mut visit: impl FnMut(Piece<'a>) -> Result<()>) -> Result<()> {
        let number = term.0 as usize;
        let (Some(&entry), Some(&frequency)) = (self.entries.get(number), self.frequencies.get(number)) else {
            return Err(Error::invalid(format!("term number {number} of {} terms", self.entries.len())));
        };
        match frequency {
            0 => Err(self.frame.corrupt_section("lex.df", "a term is in no row")),
            1 => {
                let (row, count) = (entry as u32, (entry >> 32) as u32);
                visit(Piece { window: row / WINDOW, impact: u8::MAX, postings: Postings::One { row, count } })
            }
            2..=FLAT_MAX => self.visit_flat(entry, frequency as usize, &mut visit),
            _ => self.visit_windows(entry, frequency, &mut visit),
        }
    }

    fn visit_flat<'a>(
        &'a self,
        entry: u64,
        count: usize,
        visit: &mut impl FnMut(Piece<'a>) -> Result<()>,
    ) -> Result<()> {
        let corrupt = || self.frame.corrupt_section("lex.flat", "a list lies outside of it");
        let offset = usize::try_from(entry & ((1 << 56) - 1)).map_err(|_| corrupt())?;
        let bytes = offset.checked_add(5 * count).and_then(|end| self.flat.get(offset..end)).ok_or_else(corrupt)?;
        let (rows, mut counts) = bytes.split_at(4 * count);
        let mut rows: &[u32] = bytemuck::try_cast_slice(rows).map_err(|_| corrupt())?;
        let impact = (entry >> 56) as u8;
        let mut previous = None;
        while let Some(first) = rows.first() {
            let window = first / WINDOW;
            if previous >= Some(window) {
                return Err(self.frame.corrupt_section("lex.flat", "the rows of a term are out of order"));
            }
            previous = Some(window);
            let here = rows.iter().take_while(|&&row| row / WINDOW == window).count();
            let (now, later) = rows.split_at(here);
            let (now_counts, later_counts) = counts.split_at(here);
            visit(Piece { window, impact, postings: Postings::Flat { rows: now, counts: now_counts } })?;
            (rows, counts) = (later, later_counts);
        }
        Ok(())
    }

    fn visit_windows<'a>(
        &'a self,
        entry: u64,
        frequency: u32,
        visit: &mut impl FnMut(Piece<'a>) -> Result<()>,
    ) -> Result<()> {
        let corrupt = || self.frame.corrupt_section("lex.windows", "the containers of a term contradict its entry");
        let first = usize::try_from(entry & ((1 << 40) - 1)).map_err(|_| corrupt())?;
        let end = first.checked_add((entry >> 40) as usize).ok_or_else(corrupt)?;
        let containers = self.windows.get(first..end).ok_or_else(corrupt)?;
        let impacts = self.impacts.get(first..end).ok_or_else(corrupt)?;
        let mut previous = None;
        let mut seen = 0u64;
        for (container, &impact) in containers.iter().zip(impacts) {
            let window = u32::from(container.window);
            if previous >= Some(window) || u32::from(container.last) >= WINDOW {
                return Err(corrupt());
            }
            previous = Some(window);
            let count = usize::from(container.last) + 1;
            seen += count as u64;
            let bytes = (container.half_offset as usize)
                .checked_mul(2)
                .and_then(|offset| Some((offset, offset.checked_add(3 * count)?)))
                .and_then(|(offset, end)| self.postings.get(offset..end))
                .ok_or_else(|| self.corrupt_postings("a container lies outside of it"))?;
            let (rows, counts) = bytes.split_at(2 * count);
            let rows = bytemuck::try_cast_slice(rows).map_err(|_| corrupt())?;
            visit(Piece { window, impact, postings: Postings::Window { rows, counts } })?;
        }
        if seen == u64::from(frequency) { Ok(()) } else { Err(corrupt()) }
    }

    /// Visits the postings of a piece; every row is one of the file.
    pub(super) fn each(
        &self,
        term: TermId,
        piece: &Piece<'_>,
        mut visit: impl FnMut(u32, u32) -> Result<()>,
    ) -> Result<()> {
        let outside = || self.corrupt_postings("a row lies outside the file");
        let mut checked = |row: u32, count: u32| {
            if row < self.rows() { visit(row, count) } else { Err(outside()) }
        };
        match piece.postings {
            Postings::One { row, count } => checked(row, count),
            Postings::Flat { rows, counts } => {
                rows.iter().zip(counts).try_for_each(|(&row, &count)| checked(row, self.widen(term, row, count)?))
            }
            Postings::Window { rows, counts } => rows.iter().zip(counts).try_for_each(|(&local, &count)| {
                // Windows are below 2^16 and rows in them below 2^16: the sum cannot overflow.
                let row = piece.window * WINDOW + u32::from(local);
                if u32::from(local) < WINDOW { checked(row, self.widen(term, row, count)?) } else { Err(outside()) }
            }),
        }
    }

    /// Count of a term in a row of the piece's window; `None` where it does not occur.
    pub(super) fn find(&self, term: TermId, piece: &Piece<'_>, row: u32) -> Result<Option<u32>> {
        let (at, counts) = match piece.postings {
            Postings::One { row: only, count } => return Ok((only == row).then_some(count)),
            Postings::Flat { rows, counts } => (rows.binary_search(&row), counts),
            Postings::Window { rows, counts } => (rows.binary_search(&((row % WINDOW) as u16)), counts),
        };
        at.ok().map(|at| self.widen(term, row, counts[at])).transpose()
    }

    /// A count from its byte.
    #[inline]
    pub(super) fn widen(&self, term: TermId, row: u32, count: u8) -> Result<u32> {
        if count == WIDE { self.wide(term, row) } else { Ok(u32::from(count)) }
    }

    #[cold]
    fn wide(&self, term: TermId, row: u32) -> Result<u32> {
        let key = u64::from(term.0) << 32 | u64::from(row);
        let at = self.wide_keys.binary_search(&key);
        let at = at.map_err(|_| self.frame.corrupt_section("lex.wide.keys", "the count of a posting is missing"))?;
        Ok(self.wide_counts[at])
    }

    /// A damage report in the postings.
    pub(super) fn corrupt_postings(&self, message: &str) -> Error {
        self.frame.corrupt_section("lex.postings", message)
    }

    /// A damage report in the statistics of deleted rows or of terms.
    pub(super) fn corrupt_statistics(&self, message: &str) -> Error {
        self.frame.corrupt_section("lex.df", message)
    }

    fn block_start(&self, block: usize) -> Result<usize> {
        usize::try_from(self.blocks[block]).map_err(|_| self.corrupt_terms())
    }

    fn block_terms(&self, block: usize) -> Range<u32> {
        let first = (block * BLOCK_TERMS) as u32;
        first..self.head.terms.min(first.saturating_add(BLOCK_TERMS as u32))
    }

    /// The suffix of the name at a byte of `lex.terms`, which shares `shared` bytes at most with the one before, and
    /// how many it shares, and where the next one begins.
    fn entry_at(&self, at: usize, shared_max: usize) -> Result<(usize, &[u8], usize)> {
        let read = || {
            let &[shared, length] = self.terms.get(at..at.checked_add(2)?)? else { return None };
            let end = at + 2 + usize::from(length);
            let suffix = self.terms.get(at + 2..end)?;
            (usize::from(shared) <= shared_max).then_some((usize::from(shared), suffix, end))
        };
        read().ok_or_else(|| self.corrupt_terms())
    }

    fn next_name(&self, at: usize, name: &mut Vec<u8>) -> Result<usize> {
        let (shared, suffix, end) = self.entry_at(at, name.len())?;
        name.truncate(shared);
        name.extend_from_slice(suffix);
        Ok(end)
    }

    fn corrupt_terms(&self) -> Error {
        self.frame.corrupt_section("lex.terms", "the dictionary contradicts itself")
    }
}

/// Iterates over the terms of a dictionary in order.
#[derive(Debug)]
pub struct Terms<'a> {
    lexical: &'a Lexical,
    next: u32,
    at: usize,
    name: Vec<u8>,
}

impl Terms<'_> {
    /// The next term, checked to be greater than the one before; `None` after the last.
    pub fn step(&mut self) -> Result<Option<(TermId, &str)>> {
        if self.next == self.lexical.head.terms {
            return Ok(None);
        }
        let before = self.name.clone();
        if self.next.is_multiple_of(BLOCK_TERMS as u32) {
            self.at = self.lexical.block_start(self.next as usize / BLOCK_TERMS)?;
            self.name.clear();
        }
        self.at = self.lexical.next_name(self.at, &mut self.name)?;
        let id = TermId(self.next);
        if id.0 > 0 && before >= self.name {
            return Err(self.lexical.corrupt_terms());
        }
        self.next += 1;
        let name = std::str::from_utf8(&self.name).map_err(|_| self.lexical.corrupt_terms())?;
        Ok(Some((id, name)))
    }
}

impl Iterator for Terms<'_> {
    type Item = Result<(TermId, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().map(|step| step.map(|(id, name)| (id, name.to_owned()))).transpose();
        if matches!(step, Some(Err(_))) {
            // Nothing after a damaged name can be read.
            self.next = self.lexical.head.terms;
        }
        step
    }
}
