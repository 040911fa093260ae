//! What deleted rows take out of the statistics, so that scores equal those of an index without them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use super::dictionary::TermId;
use super::reader::Lexical;
use super::terms::RowTerms;
use crate::error::Result;
use crate::storage::frame::{Frame, FrameWriter};

/// Statistics of the deleted rows of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrections {
    rows: u32,
    total_length: u64,
    frequencies: BTreeMap<TermId, u32>,
}

/// Section `del.head`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Head {
    rows: u32,
    terms: u32,
    total_length: u64,
}

impl Corrections {
    /// Number of deleted rows.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Sum of the lengths of the deleted rows.
    pub fn total_length(&self) -> u64 {
        self.total_length
    }

    /// Memory held, in bytes, roughly.
    pub fn bytes_used(&self) -> usize {
        self.frequencies.len() * 16
    }

    /// Takes out one more row by its terms, which must be what was indexed.
    pub fn add_row(&mut self, lexical: &Lexical, terms: &RowTerms) -> Result<()> {
        let more = |id: TermId| self.frequencies.get(&id).copied().unwrap_or(0) + 1;
        let ids = terms.iter().map(|(term, _)| match lexical.term(term)? {
            Some(id) if more(id) <= lexical.document_frequency(id) => Ok(id),
            _ => Err(lexical.corrupt_statistics(&format!("term {term:?} of a deleted row was not indexed"))),
        });
        let ids = ids.collect::<Result<Vec<_>>>()?;
        self.rows += 1;
        self.total_length += u64::from(terms.length());
        for id in ids {
            *self.frequencies.entry(id).or_default() += 1;
        }
        Ok(())
    }

    /// Adds the corrections for other rows of the same segment.
    pub fn merge(&mut self, other: &Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.total_length = self.total_length.saturating_add(other.total_length);
        for (&term, &count) in &other.frequencies {
            let mine = self.frequencies.entry(term).or_default();
            *mine = mine.saturating_add(count);
        }
    }

    /// Number of rows that have the term and are not deleted.
    pub fn document_frequency_live(&self, lexical: &Lexical, term: TermId) -> u32 {
        let deleted = self.frequencies.get(&term).copied().unwrap_or(0);
        lexical.document_frequency(term).saturating_sub(deleted)
    }

    /// Writes the sections `del.*`.
    pub fn write(&self, frame: &mut FrameWriter) -> Result<()> {
        let terms: Vec<u32> = self.frequencies.keys().map(|term| term.0).collect();
        let counts: Vec<u32> = self.frequencies.values().copied().collect();
        let head = Head { rows: self.rows, terms: terms.len() as u32, total_length: self.total_length };
        frame.section("del.head", &[head])?;
        frame.section("del.terms", &terms)?;
        frame.section("del.counts", &counts)
    }

    /// Reads the sections `del.*` of a file that belongs to `lexical`.
    pub fn open(frame: &Arc<Frame>, lexical: &Lexical) -> Result<Self> {
        let head = frame.column_of::<Head>("del.head", 1)?[0];
        let terms = frame.column_of::<u32>("del.terms", head.terms as usize)?;
        let counts = frame.column_of::<u32>("del.counts", head.terms as usize)?;
        if !terms.is_sorted_by(|a, b| a < b) {
            return Err(frame.corrupt_section("del.terms", "its terms are out of order"));
        }
        let frequencies = terms.iter().map(|&term| TermId(term)).zip(counts.iter().copied()).collect();
        let corrections = Self { rows: head.rows, total_length: head.total_length, frequencies };
        corrections.check(lexical).map_err(|_| frame.corrupt_section("del.head", "more was deleted than was there"))?;
        Ok(corrections)
    }

    fn check(&self, lexical: &Lexical) -> Result<()> {
        let fits = |(&term, &count): (&TermId, &u32)| (1..=lexical.document_frequency(term)).contains(&count);
        if self.rows <= lexical.rows()
            && self.total_length <= lexical.total_length()
            && self.frequencies.iter().all(fits)
        {
            return Ok(());
        }
        Err(lexical.corrupt_statistics("more was deleted than was there"))
    }
}
