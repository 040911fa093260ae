//! An inverted index over mapped bytes: nothing is decoded before it is asked for, nothing read is trusted.

use std::sync::Arc;

use super::dictionary::{Dictionary, TermId, Terms};
use super::encode::{Container, Entry, Frequent, Head, ROWS_MAX, VERSION, WINDOW};
use super::impact::{self, Norm};
use super::postings::{Damaged, Piece, Postings, Stored};
use super::score::Bm25;
use crate::error::{Error, Result};
use crate::storage::frame::{Column, Frame};

/// The inverted index of one file.
#[derive(Clone, Debug)]
pub struct Lexical {
    frame: Arc<Frame>,
    head: Head,
    /// Impacts are stored under it.
    norm: Norm,
    dictionary: Dictionary,
    entries: Column<u64>,
    frequent: Column<Frequent>,
    flat: Column<u8>,
    postings: Column<u8>,
    windows: Column<Container>,
    greatest: Column<u8>,
    wide_keys: Column<u64>,
    wide_counts: Column<u32>,
    lengths: Column<u32>,
}

impl Lexical {
    /// Opens the sections `lex.*` of a file.
    pub fn open(frame: &Arc<Frame>) -> Result<Self> {
        let head = open_head(frame)?;
        let lexical = Self {
            frame: Arc::clone(frame),
            norm: Norm::new(Bm25 { k1: head.k1, b: head.b }, head.average_length),
            head,
            dictionary: Dictionary::open(frame, head.terms)?,
            entries: frame.column("lex.entries")?,
            frequent: frame.column("lex.frequent")?,
            flat: frame.column("lex.flat")?,
            postings: frame.column("lex.postings")?,
            windows: frame.column("lex.windows")?,
            greatest: frame.column("lex.impacts")?,
            wide_keys: frame.column("lex.wide.keys")?,
            wide_counts: frame.column("lex.wide.counts")?,
            lengths: frame.column("lex.lengths")?,
        };
        // The large columns are payload: their lengths are checked here, their values where they are used.
        for (section, got, expected) in [
            ("lex.entries", lexical.entries.len(), u64::from(head.terms)),
            ("lex.windows", lexical.windows.len(), head.containers),
            ("lex.impacts", lexical.greatest.len(), head.containers),
            ("lex.wide.keys", lexical.wide_keys.len(), head.wide),
            ("lex.wide.counts", lexical.wide_counts.len(), head.wide),
            ("lex.lengths", lexical.lengths.len(), u64::from(head.rows)),
        ] {
            if got as u64 != expected {
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
    #[inline]
    pub fn length(&self, row: u32) -> u32 {
        self.lengths.get(row as usize).copied().unwrap_or(0)
    }

    /// Number of rows that have the term, deleted ones included; 0 for a number that is no term, or damage.
    pub fn document_frequency(&self, term: TermId) -> u32 {
        match self.entries.get(term.0 as usize).and_then(|&bits| Entry::unpack(bits)) {
            Some(Entry::One { .. }) => 1,
            Some(Entry::Flat { frequency, .. }) => frequency,
            Some(Entry::Frequent { place }) => self.frequent.get(place as usize).map_or(0, |term| term.frequency),
            None => 0,
        }
    }

    /// Looks a term up.
    pub fn term(&self, term: &str) -> Result<Option<TermId>> {
        self.dictionary.find(term)
    }

    /// All terms in order.
    pub fn terms(&self) -> Terms<'_> {
        self.dictionary.iter()
    }

    /// The terms from `first` on, in order.
    pub fn terms_from(&self, first: &str) -> Result<Terms<'_>> {
        self.dictionary.iter_from(first)
    }

    /// Replaces `out` by the postings (row, count) of a term, ascending by row.
    pub fn postings(&self, term: TermId, out: &mut Vec<(u32, u32)>) -> Result<()> {
        out.clear();
        let mut previous = None;
        self.each(term, |row, stored| {
            let count = self.count(term, row, stored)?;
            if previous >= Some(row) || count == 0 {
                return Err(self.corrupt_postings("the rows of a term are out of order"));
            }
            previous = Some(row);
            out.push((row, count));
            Ok(())
        })
    }

    /// Visits the rows of a term, each one of the file, their number checked.
    pub(super) fn each(&self, term: TermId, mut visit: impl FnMut(u32, Stored) -> Result<()>) -> Result<()> {
        let postings = self.postings_of(term)?;
        let mut seen = 0;
        let mut checked = |row: u32, stored: Stored| -> Result<(), Stop> {
            seen += 1;
            if row < self.rows() { visit(row, stored).map_err(Stop::Error) } else { Err(Damaged.into()) }
        };
        let outcome = match postings {
            Postings::One { row, count } => Piece::One { row, count }.each(0, &mut checked),
            Postings::Flat { rows, impacts, .. } => Piece::Flat { rows, impacts }.each(0, &mut checked),
            Postings::Windows { containers, .. } => containers.iter().try_for_each(|&container| {
                Piece::of(container, &self.postings)?.each(u32::from(container.window), &mut checked)
            }),
        };
        match outcome {
            Ok(()) if seen == postings.frequency() => Ok(()),
            Ok(()) | Err(Stop::Damaged) => Err(self.corrupt_postings("the postings of a term contradict themselves")),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// Where the postings of a term are.
    pub(super) fn postings_of(&self, term: TermId) -> Result<Postings<'_>> {
        let bits = self.entries.get(term.0 as usize);
        let &bits =
            bits.ok_or_else(|| Error::invalid(format!("term number {} of {} terms", term.0, self.entries.len())))?;
        let read = || match Entry::unpack(bits)? {
            Entry::One { row, count } => Some(Postings::One { row, count }),
            Entry::Flat { offset, frequency, greatest } => {
                let (offset, count) = (usize::try_from(offset).ok()?, frequency as usize);
                let bytes = self.flat.get(offset..offset.checked_add(5 * count)?)?;
                let (rows, impacts) = bytes.split_at(4 * count);
                Some(Postings::Flat { rows: bytemuck::try_cast_slice(rows).ok()?, impacts, greatest })
            }
            Entry::Frequent { place } => {
                let Frequent { frequency, first, containers, ranked } = *self.frequent.get(place as usize)?;
                let range = first as usize..(first as usize).checked_add(containers as usize)?;
                let greatest = self.greatest.get(range.clone())?;
                Some(Postings::Windows { containers: self.windows.get(range)?, greatest, frequency, ranked })
            }
        };
        read().ok_or_else(|| self.frame.corrupt_section("lex.entries", "the entry of a term points to no postings"))
    }

    /// Section `lex.postings`, where containers are.
    pub(super) fn containers(&self) -> &[u8] {
        &self.postings
    }

    /// Impacts are stored under this norm, for rows of lengths between these two.
    pub(super) fn reference(&self) -> (Norm, (u32, u32)) {
        (self.norm, (self.head.shortest, self.head.longest))
    }

    /// The count of a posting of the term.
    #[inline]
    pub(super) fn count(&self, term: TermId, row: u32, stored: Stored) -> Result<u32> {
        match stored {
            Stored::Count(count) => Ok(count),
            Stored::Impact(stored) => {
                impact::count(stored, self.norm.at(self.length(row))).map_or_else(|| self.wide(term, row), Ok)
            }
        }
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
        self.frame.corrupt_section("lex.entries", message)
    }
}

fn open_head(frame: &Arc<Frame>) -> Result<Head> {
    let head = frame.checked("lex.head")?;
    let version = head.first_chunk().map_or(0, |&bytes| u32::from_le_bytes(bytes));
    if version != VERSION {
        let message = format!(
            "its inverted index has version {version}, this release reads {VERSION}: {}",
            if version > VERSION { "upgrade ragstone" } else { "rebuild the index" }
        );
        return Err(Error::Incompatible { file: frame.name().to_owned(), message });
    }
    let head = frame.column_of::<Head>("lex.head", 1)?[0];
    let sound = head.window == WINDOW
        && head.rows <= ROWS_MAX
        && head.total_length <= u64::from(head.rows) * u64::from(u32::MAX)
        && (1..=head.longest).contains(&head.shortest)
        && Bm25 { k1: head.k1, b: head.b }.check().is_ok()
        && head.average_length.is_finite()
        && head.average_length > 0.0;
    if sound { Ok(head) } else { Err(frame.corrupt_section("lex.head", "its numbers are out of range")) }
}

/// Why postings are not read on.
enum Stop {
    Damaged,
    Error(Error),
}

impl From<Damaged> for Stop {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}
