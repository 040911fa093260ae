//! What every word of a query added to a score, in the words of the asker.

use super::{Found, LexicalHalf, with_addition};
use crate::error::Result;
use crate::snapshot::Snapshot;

/// What one word, phrase or expanded term added to the BM25 score of a hit.
#[derive(Clone, Debug, PartialEq)]
pub struct TermPart {
    /// As the query has it: a word, `"a phrase"`, `prefix*`, `fuzzy~1`, `title:word`.
    pub name: String,
    /// The term of the index that was found, where it is one.
    pub term: Option<String>,
    /// Occurrences in the chunk, weighted where fields have factors.
    pub count: f64,
    /// Its part of the BM25 score, which is their sum.
    pub bm25: f64,
}

impl Snapshot {
    /// BM25 scores of rows of a segment; 0 for those that do not fit the query.
    pub(super) fn bm25_scores(&self, half: &LexicalHalf, segment: usize, rows: &[u32]) -> Result<Vec<f32>> {
        let lexical = &self.segments[segment].segment.lexical;
        let mut scores = lexical.scores(&half.compiled.terms, self.average_length(), self.bm25(), rows)?;
        for (score, &row) in scores.iter_mut().zip(rows) {
            if !half.fits(segment, row) {
                *score = 0.0;
            } else if let Some(addition) = half.additions[segment].get(&row) {
                *score = with_addition(*score, *addition);
            }
        }
        Ok(scores)
    }

    /// What the words of a query added to the BM25 score of a hit, the most first.
    pub(super) fn explain(&self, half: &LexicalHalf, found: &Found) -> Result<Vec<TermPart>> {
        let number = found.segment as usize;
        if !half.fits(number, found.row) {
            return Ok(Vec::new());
        }
        let (compiled, lexical) = (&half.compiled, &self.segments[number].segment.lexical);
        let scored = lexical.explain(&compiled.terms, self.average_length(), self.bm25(), found.row)?;
        let mut parts: Vec<TermPart> = scored
            .into_iter()
            .map(|part| {
                let names = compiled.asked.get(&part.term).map(|asked| &asked.names);
                let name = names.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
                TermPart { name, term: Some(part.term), count: f64::from(part.count), bm25: part.contribution }
            })
            .collect();
        for list in compiled.lists.iter().filter(|list| list.weight > 0.0) {
            if let Some(listed) = list.at(number, found.row) {
                let name = if list.whole { list.name.clone() } else { format!("{} (field boost)", list.name) };
                parts.push(TermPart { name, term: None, count: listed.count, bm25: listed.contribution });
            }
        }
        parts.retain(|part| part.bm25 != 0.0);
        parts.sort_by(|a, b| b.bm25.total_cmp(&a.bm25));
        Ok(parts)
    }
}

impl LexicalHalf {
    fn fits(&self, segment: usize, row: u32) -> bool {
        let rows = self.compiled.words.get(segment).and_then(Option::as_ref);
        rows.is_none_or(|rows| rows.contains(row))
    }
}
