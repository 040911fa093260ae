//! Terms of one row with their counts.

use super::analyzer::Analyzer;
use super::interner::{Interner, term_at};

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
    let (bytes, ends) = interner.into_terms();
    RowTerms { bytes, ends, counts, length }
}
