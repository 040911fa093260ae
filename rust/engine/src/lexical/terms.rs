//! Terms of one row with their counts, and the table that gives each distinct term a number.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::analyzer::Analyzer;

/// Numbers distinct terms in the order of their first appearance.
#[derive(Clone, Debug, Default)]
pub(super) struct Interner {
    bytes: String,
    /// End of each term in `bytes`.
    ends: Vec<usize>,
    /// Open addressing: upper half of the hash above the term's number plus one; 0 is free.
    table: Vec<u64>,
    /// Keyed by chance, so that no text can be written to collide.
    hasher: RandomState,
}

impl Interner {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn term(&self, number: u32) -> &str {
        term_at(&self.bytes, &self.ends, number as usize)
    }

    pub(super) fn bytes_used(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>() + self.table.capacity() * size_of::<u64>()
    }

    /// Number of `term`, a new one if it was not seen before.
    pub(super) fn intern(&mut self, term: &str) -> u32 {
        if self.ends.len() * 2 >= self.table.len() {
            self.grow();
        }
        let hash = self.hasher.hash_one(term) & TAG;
        let mask = self.table.len() - 1;
        let mut slot = (hash >> 32) as usize & mask;
        loop {
            let entry = self.table[slot];
            if entry == 0 {
                let number = u32::try_from(self.ends.len()).expect("fewer than 2^32 distinct terms fit in memory");
                self.bytes.push_str(term);
                self.ends.push(self.bytes.len());
                self.table[slot] = hash | (u64::from(number) + 1);
                return number;
            }
            let number = (entry & !TAG) as u32 - 1;
            if entry & TAG == hash && self.term(number) == term {
                return number;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(64);
        let mask = size - 1;
        for entry in std::mem::replace(&mut self.table, vec![0; size]) {
            if entry != 0 {
                let mut slot = (entry >> 32) as usize & mask;
                while self.table[slot] != 0 {
                    slot = (slot + 1) & mask;
                }
                self.table[slot] = entry;
            }
        }
    }
}

const TAG: u64 = 0xffff_ffff_0000_0000;

fn term_at<'a>(bytes: &'a str, ends: &[usize], number: usize) -> &'a str {
    let start = if number == 0 { 0 } else { ends[number - 1] };
    &bytes[start..ends[number]]
}

/// The distinct terms of one row, in the order of their first appearance, each with its count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowTerms {
    bytes: String,
    ends: Vec<usize>,
    counts: Vec<u32>,
    length: u32,
}

impl RowTerms {
    /// Number of tokens, repeated ones counted as often as they stand.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// A row of these terms, each distinct, for tests that are not about analysis.
    #[cfg(test)]
    pub(super) fn of(terms: &[(String, u32)]) -> Self {
        let mut row = Self::default();
        for (term, count) in terms {
            row.bytes.push_str(term);
            row.ends.push(row.bytes.len());
            row.counts.push(*count);
            row.length += count;
        }
        row
    }

    /// Distinct terms with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.counts.iter().enumerate().map(|(number, &count)| (term_at(&self.bytes, &self.ends, number), count))
    }
}

/// Analyses the texts of one row one after another: title or headings first, then the chunk.
pub fn analyze_row(analyzer: &Analyzer, texts: &[&str]) -> RowTerms {
    let mut interner = Interner::default();
    let mut counts: Vec<u32> = Vec::new();
    let mut length = 0u32;
    for text in texts {
        analyzer.analyze(text, &mut |token| {
            let number = interner.intern(token.term) as usize;
            if number == counts.len() {
                counts.push(0);
            }
            counts[number] = counts[number].saturating_add(1);
            length = length.saturating_add(1);
        });
    }
    RowTerms { bytes: interner.bytes, ends: interner.ends, counts, length }
}
