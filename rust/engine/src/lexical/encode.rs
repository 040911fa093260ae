//! The sections `lex.*`: constants and plain structures, and the encoder that writes them term by term.
//!
//! `storage/FORMAT.md` has the layout byte by byte.

use bytemuck::{Pod, Zeroable};
use ragstone_kernels::postings::{BLOCK_ROWS, BLOCKS, WINDOW_ROWS, block_range};

use super::impact::{self, Norm};
use super::score::{Bm25, average_length};
use crate::error::{Error, Result};
use crate::storage::frame::FrameWriter;

/// Rows per window: postings are cut into containers at multiples of it.
pub const WINDOW: u32 = WINDOW_ROWS as u32;
/// Terms per block of the dictionary.
pub(super) const BLOCK_TERMS: usize = 16;
/// Containers with so many postings have them by blocks, those with fewer as a plain list.
pub(super) const BY_BLOCKS_MIN: usize = 256;
/// Containers with more postings than this have them as a bitmap.
pub(super) const BY_BLOCKS_MAX: usize = 2048;
/// Rows that one file can hold: window numbers are 16 bits wide.
pub(super) const ROWS_MAX: u32 = 1 << 30;
/// Version of these sections.
pub(super) const VERSION: u32 = 2;
/// Parameters under which impacts are stored; a search with others scales them.
pub(super) const REFERENCE: Bm25 = Bm25 { k1: 1.2, b: 0.75 };
/// A frequent term has the impact of its postings of these ranks.
pub(super) const RANKS: [u32; 4] = [10, 20, 100, 1000];

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
    /// Lengths of the shortest and longest of all rows that have a term.
    pub shortest: u32,
    pub longest: u32,
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

/// One element of section `lex.frequent`: a term whose postings are in containers.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Frequent {
    pub frequency: u32,
    /// Place of the first container in `lex.windows`.
    pub first: u32,
    pub containers: u32,
    /// Impacts of the postings of the [`RANKS`], counted from the greatest; 0 where there are fewer.
    pub ranked: [u8; 4],
}

/// Where the postings of a term are, as 64 bits of section `lex.entries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    One { row: u32, count: u32 },
    Flat { offset: u64, frequency: u32, greatest: u8 },
    Frequent { place: u32 },
}

impl Entry {
    pub(super) fn pack(self) -> u64 {
        match self {
            Self::One { row, count } => u64::from(row) | u64::from(count) << 30,
            Self::Flat { offset, frequency, greatest } => {
                1 << 62 | (offset / 4) | u64::from(frequency - 1) << 40 | u64::from(greatest) << 48
            }
            Self::Frequent { place } => 2 << 62 | u64::from(place),
        }
    }

    /// `None` for bits that mean nothing.
    pub(super) fn unpack(bits: u64) -> Option<Self> {
        match bits >> 62 {
            0 => Some(Self::One { row: bits as u32 & (ROWS_MAX - 1), count: (bits >> 30) as u32 }),
            1 => Some(Self::Flat {
                offset: (bits & ((1 << 40) - 1)) * 4,
                frequency: u32::from((bits >> 40) as u8) + 1,
                greatest: (bits >> 48) as u8,
            }),
            2 => Some(Self::Frequent { place: bits as u32 }),
            _ => None,
        }
    }
}

/// Terms with at most so many postings have them in one flat list: containers of few postings each cost more.
pub(super) fn flat_max(rows: u32) -> usize {
    (4 * rows.div_ceil(WINDOW) as usize).clamp(4, 256)
}

/// The first eight bytes of a term as a number that orders like them.
pub(super) fn prefix(term: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = term.len().min(8);
    bytes[..length].copy_from_slice(&term[..length]);
    u64::from_be_bytes(bytes)
}

/// Writes the sections of one inverted index from its terms in order.
pub(super) struct Encoder<'a> {
    frame: &'a mut FrameWriter,
    lengths: &'a [u32],
    norm: Norm,
    /// Impacts of counts 1 and 2 in each row, 0 where they do not name their count.
    common: Vec<[u8; 2]>,
    flat_max: usize,
    head: Head,
    previous: String,
    terms: Vec<u8>,
    blocks: Vec<u64>,
    prefixes: Vec<u64>,
    entries: Vec<u64>,
    frequent: Vec<Frequent>,
    flat: Vec<u8>,
    windows: Vec<Container>,
    greatest: Vec<u8>,
    wide_keys: Vec<u64>,
    wide_counts: Vec<u32>,
    /// Impacts of the term being written, and bytes on their way to the file.
    impacts: Vec<u8>,
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
        let norm = Norm::new(REFERENCE, average_length);
        let clear = |count, norm| impact::count(impact::impact(count, norm), norm).is_some();
        let common = |&length: &u32| {
            let norm = norm.at(length);
            [1, 2].map(|count| if clear(count, norm) { impact::impact(count, norm) } else { 0 })
        };
        frame.begin("lex.postings")?;
        let filled = || lengths.iter().copied().filter(|&length| length > 0);
        let head = Head {
            version: VERSION,
            window: WINDOW,
            rows: lengths.len() as u32,
            terms: 0,
            total_length,
            postings: 0,
            containers: 0,
            wide: 0,
            shortest: filled().min().unwrap_or(1),
            longest: filled().max().unwrap_or(1),
            k1: REFERENCE.k1,
            b: REFERENCE.b,
            average_length,
        };
        Ok(Self {
            frame,
            lengths,
            norm,
            common: lengths.iter().map(common).collect(),
            flat_max: flat_max(lengths.len() as u32),
            head,
            previous: String::new(),
            terms: Vec::new(),
            blocks: Vec::new(),
            prefixes: Vec::new(),
            entries: Vec::new(),
            frequent: Vec::new(),
            flat: Vec::new(),
            windows: Vec::new(),
            greatest: Vec::new(),
            wide_keys: Vec::new(),
            wide_counts: Vec::new(),
            impacts: Vec::new(),
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
        self.head.postings += postings.len() as u64;
        let entry = match postings {
            &[(row, count)] => Entry::One { row, count },
            few if few.len() <= self.flat_max => self.push_flat(number, few),
            many => self.push_containers(number, many)?,
        };
        self.entries.push(entry.pack());
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
        self.frame.section("lex.prefixes", &self.prefixes)?;
        self.frame.section("lex.entries", &self.entries)?;
        self.frame.section("lex.frequent", &self.frequent)?;
        self.frame.section("lex.windows", &self.windows)?;
        self.frame.section("lex.impacts", &self.greatest)?;
        self.frame.section("lex.wide.keys", &self.wide_keys)?;
        self.frame.section("lex.wide.counts", &self.wide_counts)?;
        self.frame.section("lex.lengths", self.lengths)?;
        self.frame.section("lex.head", &[self.head])
    }

    fn push_name(&mut self, term: &str) {
        let first = self.entries.len().is_multiple_of(BLOCK_TERMS);
        if first {
            self.blocks.push(self.terms.len() as u64);
            self.prefixes.push(prefix(term.as_bytes()));
        }
        let equal = self.previous.bytes().zip(term.bytes()).take_while(|(a, b)| a == b).count();
        let shared = if first { 0 } else { equal };
        let suffix = &term.as_bytes()[shared..];
        self.terms.extend_from_slice(&[shared as u8, suffix.len() as u8]);
        self.terms.extend_from_slice(suffix);
        term.clone_into(&mut self.previous);
    }

    /// Replaces `impacts` by those of some postings, and notes the counts that these do not name.
    fn take_impacts(&mut self, number: u32, postings: &[(u32, u32)]) {
        self.impacts.clear();
        for &(row, count) in postings {
            let known = self.common[row as usize].get(count as usize - 1).copied().unwrap_or(0);
            if known > 0 {
                self.impacts.push(known);
                continue;
            }
            let norm = self.norm.at(self.lengths[row as usize]);
            let stored = impact::impact(count, norm);
            if impact::count(stored, norm).is_none() {
                self.wide_keys.push(u64::from(number) << 32 | u64::from(row));
                self.wide_counts.push(count);
            }
            self.impacts.push(stored);
        }
    }

    fn push_flat(&mut self, number: u32, postings: &[(u32, u32)]) -> Entry {
        let offset = self.flat.len() as u64;
        self.take_impacts(number, postings);
        self.flat.extend(postings.iter().flat_map(|(row, _)| row.to_le_bytes()));
        self.flat.extend_from_slice(&self.impacts);
        self.flat.resize(self.flat.len().next_multiple_of(4), 0);
        Entry::Flat { offset, frequency: postings.len() as u32, greatest: greatest_of(&self.impacts) }
    }

    fn push_containers(&mut self, number: u32, postings: &[(u32, u32)]) -> Result<Entry> {
        let first = self.windows.len();
        let mut histogram = [0u32; 256];
        for part in postings.chunk_by(|a, b| a.0 / WINDOW == b.0 / WINDOW) {
            let half_offset = u32::try_from(self.frame.section_len() / 2)
                .map_err(|_| Error::invalid("the postings of a segment exceed 8 GiB: use more segments"))?;
            let window = (part[0].0 / WINDOW) as u16;
            self.windows.push(Container { half_offset, window, last: (part.len() - 1) as u16 });
            self.take_impacts(number, part);
            self.impacts.iter().for_each(|&impact| histogram[usize::from(impact)] += 1);
            self.greatest.push(greatest_of(&self.impacts));
            self.buffer.clear();
            let local = part.iter().map(|(row, _)| (row % WINDOW) as u16);
            container(local, &self.impacts, &mut self.buffer);
            self.frame.write(&self.buffer)?;
        }
        let place = u32::try_from(self.frequent.len()).expect("fewer terms than 2^32");
        let end = u32::try_from(self.windows.len());
        let end = end.map_err(|_| Error::invalid("a segment has too many postings: use more segments"))?;
        let first = first as u32;
        self.frequent.push(Frequent {
            frequency: postings.len() as u32,
            first,
            containers: end - first,
            ranked: RANKS.map(|rank| ranked(&histogram, rank)),
        });
        Ok(Entry::Frequent { place })
    }
}

/// Appends the postings of one term in one window, in the form that their number asks for.
fn container(rows: impl ExactSizeIterator<Item = u16> + Clone, impacts: &[u8], out: &mut Vec<u8>) {
    let count = impacts.len();
    if count < BY_BLOCKS_MIN {
        out.extend(rows.flat_map(u16::to_le_bytes));
    } else {
        let mut starts = [0u16; BLOCKS];
        let mut maxima = [0u8; BLOCKS];
        for (row, &impact) in rows.clone().zip(impacts) {
            let block = usize::from(row) / BLOCK_ROWS;
            maxima[block] = maxima[block].max(impact);
            if let Some(next) = starts.get_mut(block + 1) {
                *next += 1;
            }
        }
        for block in 1..BLOCKS {
            starts[block] += starts[block - 1];
        }
        out.extend(starts.into_iter().flat_map(u16::to_le_bytes));
        out.extend_from_slice(&maxima);
        if count <= BY_BLOCKS_MAX {
            let rows: Vec<u8> = rows.map(|row| row as u8).collect();
            for block in 0..BLOCKS {
                let range = block_range(&starts, block, count);
                out.extend_from_slice(&rows[range.clone()]);
                out.extend_from_slice(&impacts[range]);
            }
            return;
        }
        let mut bits = [0u8; WINDOW_ROWS / 8];
        rows.for_each(|row| bits[usize::from(row) / 8] |= 1 << (row % 8));
        out.extend_from_slice(&bits);
    }
    out.extend_from_slice(impacts);
    out.resize(out.len().next_multiple_of(2), 0);
}

fn greatest_of(impacts: &[u8]) -> u8 {
    impacts.iter().copied().fold(0, u8::max)
}

/// The impact that `rank` postings reach; 0 if there are fewer.
fn ranked(histogram: &[u32; 256], rank: u32) -> u8 {
    let mut seen = 0;
    let reached = histogram.iter().enumerate().rev().find(|&(_, &count)| {
        seen += count;
        seen >= rank
    });
    reached.map_or(0, |(impact, _)| impact as u8)
}
