//! BM25 in the Lucene form, exact: sums in f64 in the order of the query's terms, rounded once to f32.
//!
//! Robertson, Zaragoza: The Probabilistic Relevance Framework (2009); without the constant factor k1 + 1. Statistics
//! are the caller's, over all segments, so a score does not depend on how rows are spread over them.

use super::dictionary::TermId;
use super::impact::{Norm, saturation};
use super::postings::{Damaged, Piece, Postings, Stored};
use super::reader::Lexical;
use crate::error::{Error, Result};

/// Parameters of BM25.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bm25 {
    /// How fast repeated terms stop counting: 0 or more.
    pub k1: f64,
    /// How much long rows are held back: 0 to 1.
    pub b: f64,
}

impl Default for Bm25 {
    fn default() -> Self {
        Self { k1: 1.2, b: 0.75 }
    }
}

impl Bm25 {
    /// Refuses parameters outside their range.
    pub fn check(self) -> Result<()> {
        if (0.0..=1e6).contains(&self.k1) && (0.0..=1.0).contains(&self.b) {
            return Ok(());
        }
        let message = format!("k1 must be within 0 to 1e6 and b within 0 to 1, got k1={} b={}", self.k1, self.b);
        Err(Error::invalid(message))
    }
}

/// A term of a query with its weight: occurrences in the query times [`idf`].
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedTerm {
    /// The term.
    pub term: String,
    /// Finite and not negative.
    pub weight: f64,
}

/// What one term adds to the score of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct TermScore {
    /// The term.
    pub term: String,
    /// Its occurrences in the row.
    pub count: u32,
    /// Its part of the score, which is the sum of these rounded to f32.
    pub contribution: f64,
}

/// ln(1 + (rows - df + 0.5) / (df + 0.5)), never negative.
pub fn idf(rows: u64, df: u64) -> f64 {
    (1.0 + (rows.saturating_sub(df) as f64 + 0.5) / (df as f64 + 0.5)).ln()
}

/// Mean length of rows over all segments, as [`Lexical::search`] wants it: 1 where there are none, so that nothing is
/// ever divided by zero.
pub fn average_length(total_length: u64, rows: u64) -> f64 {
    if total_length == 0 || rows == 0 { 1.0 } else { total_length as f64 / rows as f64 }
}

impl Lexical {
    /// Exact scores of given rows, in their order; 0 where no term occurs.
    pub fn scores(&self, query: &[WeightedTerm], average_length: f64, bm25: Bm25, rows: &[u32]) -> Result<Vec<f32>> {
        let plan = Plan::new(self, query, average_length, bm25)?;
        rows.iter().map(|&row| self.check_row(row).and_then(|()| Ok(plan.score(row)? as f32))).collect()
    }

    /// What each term adds to the score of a row; terms that do not occur in it are left out.
    pub fn explain(&self, query: &[WeightedTerm], average_length: f64, bm25: Bm25, row: u32) -> Result<Vec<TermScore>> {
        self.check_row(row)?;
        let plan = Plan::new(self, query, average_length, bm25)?;
        let mut parts = Vec::new();
        plan.each(row, |term, count, contribution| {
            parts.push(TermScore { term: term.name.to_owned(), count, contribution });
        })?;
        Ok(parts)
    }

    fn check_row(&self, row: u32) -> Result<()> {
        if row < self.rows() {
            return Ok(());
        }
        Err(Error::invalid(format!("row {row} of {} rows", self.rows())))
    }
}

/// A term of a query that occurs in the file.
pub(super) struct PlannedTerm<'a> {
    name: &'a str,
    pub(super) id: TermId,
    pub(super) weight: f64,
    pub(super) postings: Postings<'a>,
}

/// A query resolved in one inverted index.
pub(super) struct Plan<'a> {
    pub(super) lexical: &'a Lexical,
    pub(super) norm: Norm,
    pub(super) terms: Vec<PlannedTerm<'a>>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        lexical: &'a Lexical,
        query: &'a [WeightedTerm],
        average_length: f64,
        bm25: Bm25,
    ) -> Result<Self> {
        bm25.check()?;
        if !(average_length.is_finite() && average_length > 0.0) {
            return Err(Error::invalid(format!("average length must be positive, got {average_length}")));
        }
        let mut terms = Vec::with_capacity(query.len());
        for WeightedTerm { term: name, weight } in query {
            if !(0.0..f64::INFINITY).contains(weight) {
                let message = format!("weight of {name:?} must be finite and not negative, got {weight}");
                return Err(Error::invalid(message));
            }
            if let Some(id) = lexical.term(name)? {
                terms.push(PlannedTerm { name, id, weight: *weight, postings: lexical.postings_of(id)? });
            }
        }
        Ok(Self { lexical, norm: Norm::new(bm25, average_length), terms })
    }

    /// Postings of a term in a window.
    pub(super) fn piece(&self, term: &PlannedTerm<'a>, window: u32) -> Result<Option<Piece<'a>>> {
        term.postings.piece(window, self.lexical.containers()).map_err(|damage| self.corrupt(damage))
    }

    /// What a posting of the term adds to the score of its row, and its count.
    pub(super) fn contribution(&self, term: &PlannedTerm<'a>, row: u32, stored: Stored) -> Result<(u32, f64)> {
        let count = self.lexical.count(term.id, row, stored)?;
        Ok((count, term.weight * saturation(count, self.norm.at(self.lexical.length(row)))))
    }

    /// Exact score of a row; 0 where no term occurs.
    pub(super) fn score(&self, row: u32) -> Result<f64> {
        let mut sum = 0.0;
        self.each(row, |_, _, contribution| sum += contribution)?;
        Ok(sum)
    }

    pub(super) fn corrupt(&self, _: Damaged) -> Error {
        self.lexical.corrupt_postings("the postings of a term contradict themselves")
    }

    /// Visits the terms that occur in `row` in their order, with count and contribution.
    fn each(&self, row: u32, mut visit: impl FnMut(&PlannedTerm<'a>, u32, f64)) -> Result<()> {
        for term in &self.terms {
            let Some(piece) = self.piece(term, row / super::WINDOW)? else { continue };
            if let Some(stored) = piece.find(row).map_err(|damage| self.corrupt(damage))? {
                let (count, contribution) = self.contribution(term, row, stored)?;
                visit(term, count, contribution);
            }
        }
        Ok(())
    }
}
