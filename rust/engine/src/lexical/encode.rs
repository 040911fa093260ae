//! The sections `lex.*`: constants and plain structures, and the encoder that writes them term by term.
//!
//! `storage/FORMAT.md` has the layout byte by byte.

use bytemuck::{Pod, Zeroable};

use super::score::{Bm25, Norm, average_length};
use crate::error::{Error, Result};
use crate::storage::frame::FrameWriter;

/// Rows per window: postings are cut into containers at multiples of it.
pub const WINDOW: u32 = 1 << 14;
/// Terms per block of the dictionary.
pub(super) const BLOCK_TERMS: usize = 16;
/// Terms in at most so many rows have one flat list instead of containers.
pub(super) const FLAT_MAX: u32 = 64;
/// Count in a byte that sends the reader to `lex.wide.*`.
pub(super) const WIDE: u8 = u8::MAX;
/// Rows that one file can hold: window numbers are 16 bits wide.
pub(super) const ROWS_MAX: u32 = 1 << 30;
/// Version of these sections.
pub(super) const VERSION: u32 = 1;
/// Parameters under which impacts are stored; a search with others scales them.
pub(super) const REFERENCE: Bm25 = Bm25 { k1: 1.2, b: 0.75 };

/// Section `lex.head`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Head {
    pub version: u32,
    pub window: u32,
    pub rows: u32,
    pub terms: u32,
    pub total_length: u64,
    pub postings: u64,
    pub containers: u64,
    pub wide: u64,
    pub k1: f64,
    pub b: f64,
    pub average_length: f64,
}

/// One element of section `lex.windows`: where the postings of a term in one window are.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Container {
    /// Byte offset in `lex.postings`, halved.
    pub half_offset: u32,
    /// Number of the window.
    pub window: u16,
    /// Number of postings less one.
    pub last: u16,
}

/// Writes the sections of one inverted index from its terms in order.
pub(super) struct Encoder<'a> {
    frame: &'a mut FrameWriter,
    lengths: &'a [u32],
    norm: Norm,
    head: Head,
    previous: String,
    terms: Vec<u8>,
    blocks: Vec<u64>,
    entries: Vec<u64>,
    frequencies: Vec<u32>,
    flat: Vec<u8>,
    windows: Vec<Container>,
    impacts: Vec<u8>,
    wide_keys: Vec<u64>,
    wide_counts: Vec<u32>,
    buffer: Vec<u8>,
}

impl<'a> Encoder<'a> {
    /// Begins an inverted index over rows of these lengths.
    pub(super) fn new(frame: &'a mut FrameWriter, lengths: &'a [u32]) -> Result<Self> {
        if lengths.len() > ROWS_MAX as usize {
            return Err(Error::invalid(format!("a segment holds at most {ROWS_MAX} rows, got {}", lengths.len())));
        }
        let total_length: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
        let average_length = average_length(total_length, lengths.len() as u64);
        frame.begin("lex.postings")?;
        let head = Head {
            version: VERSION,
            window: WINDOW,
            rows: lengths.len() as u32,
            terms: 0,
            total_length,
            postings: 0,
            containers: 0,
            wide: 0,
            k1: REFERENCE.k1,
            b: REFERENCE.b,
            average_length,
        };
        Ok(Self {
            frame,
            lengths,
            norm: Norm::new(REFERENCE, average_length),
            head,
            previous: String::new(),
            terms: Vec::new(),
            blocks: Vec::new(),
            entries: Vec::new(),
            frequencies: Vec::new(),
            flat: Vec::new(),
            windows: Vec::new(),
            impacts: Vec::new(),
            wide_keys: Vec::new(),
            wide_counts: Vec::new(),
            buffer: Vec::new(),
        })
    }

    /// Appends a term, greater than the one before, with its postings (row, count) ascending by row.
    pub(super) fn push(&mut self, term: &str, postings: &[(u32, u32)]) -> Result<()> {
        debug_assert!(!postings.is_empty() && postings.is_sorted_by(|a, b| a.0 < b.0));
        debug_assert!(self.entries.is_empty() || self.previous.as_str() < term);
        let number = u32::try_from(self.entries.len()).ok().filter(|&number| number < u32::MAX);
        let number =
            number.ok_or_else(|| Error::invalid("a segment holds fewer than 2^32 terms: use more segments"))?;
        self.push_name(term);
        self.frequencies.push(postings.len() as u32);
        self.head.postings += postings.len() as u64;
        let entry = match postings {
            [(row, count)] => u64::from(*row) | u64::from(*count) << 32,
            few if few.len() <= FLAT_MAX as usize => self.push_flat(number, few),
            many => self.push_containers(number, many)?,
        };
        self.entries.push(entry);
        Ok(())
    }

    /// Writes everything that was not written yet.
    pub(super) fn finish(mut self) -> Result<()> {
        self.head.terms = self.entries.len() as u32;
        self.head.containers = self.windows.len() as u64;
        self.head.wide = self.wide_keys.len() as u64;
        self.frame.section("lex.flat", &self.flat)?;
        self.frame.section("lex.terms", &self.terms)?;
        self.frame.section("lex.blocks", &self.blocks)?;
        self.frame.section("lex.entries", &self.entries)?;
        self.frame.section("lex.df", &self.frequencies)?;
        self.frame.section("lex.windows", &self.windows)?;
        self.frame.section("lex.impacts", &self.impacts)?;
        self.frame.section("lex.wide.keys", &self.wide_keys)?;
        self.frame.section("lex.wide.counts", &self.wide_counts)?;
        self.frame.section("lex.lengths", self.lengths)?;
        self.frame.section("lex.head", &[self.head])
    }

    fn push_name(&mut self, term: &str) {
        let first = self.entries.len().is_multiple_of(BLOCK_TERMS);
        if first {
            self.blocks.push(self.terms.len() as u64);
        }
        let equal = self.previous.bytes().zip(term.bytes()).take_while(|(a, b)| a == b).count();
        let shared = if first { 0 } else { equal };
        let suffix = &term.as_bytes()[shared..];
        self.terms.extend_from_slice(&[shared as u8, suffix.len() as u8]);
        self.terms.extend_from_slice(suffix);
        term.clone_into(&mut self.previous);
    }

    fn push_flat(&mut self, number: u32, postings: &[(u32, u32)]) -> u64 {
        let offset = self.flat.len() as u64;
        self.flat.extend(postings.iter().flat_map(|(row, _)| row.to_le_bytes()));
        let counts: Vec<u8> = postings.iter().map(|&(row, count)| self.narrow(number, row, count)).collect();
        self.flat.extend_from_slice(&counts);
        self.flat.resize(self.flat.len().next_multiple_of(4), 0);
        offset | u64::from(self.impact(postings)) << 56
    }

    fn push_containers(&mut self, number: u32, postings: &[(u32, u32)]) -> Result<u64> {
        let first = self.windows.len() as u64;
        let mut count = 0;
        for part in postings.chunk_by(|a, b| a.0 / WINDOW == b.0 / WINDOW) {
            let half_offset = u32::try_from(self.frame.section_len() / 2)
                .map_err(|_| Error::invalid("the postings of a segment exceed 8 GiB: use more segments"))?;
            let window = (part[0].0 / WINDOW) as u16;
            self.windows.push(Container { half_offset, window, last: (part.len() - 1) as u16 });
            self.impacts.push(self.impact(part));
            self.buffer.clear();
            self.buffer.extend(part.iter().flat_map(|(row, _)| ((row % WINDOW) as u16).to_le_bytes()));
            for &(row, count) in part {
                let narrow = self.narrow(number, row, count);
                self.buffer.push(narrow);
            }
            self.buffer.resize(self.buffer.len().next_multiple_of(2), 0);
            self.frame.write(&self.buffer)?;
            count += 1;
        }
        Ok(first | count << 40)
    }

    fn narrow(&mut self, number: u32, row: u32, count: u32) -> u8 {
        if count < u32::from(WIDE) {
            return count as u8;
        }
        self.wide_keys.push(u64::from(number) << 32 | u64::from(row));
        self.wide_counts.push(count);
        WIDE
    }

    /// Greatest count / (count + norm) of the postings in 255ths, rounded up.
    fn impact(&self, postings: &[(u32, u32)]) -> u8 {
        let saturation = |&(row, count): &(u32, u32)| self.norm.saturation(count, self.lengths[row as usize]);
        let greatest = postings.iter().map(saturation).fold(0.0, f64::max);
        (greatest * 255.0 + 1e-9).ceil().min(255.0) as u8
    }
}
