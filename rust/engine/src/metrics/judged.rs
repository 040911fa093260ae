//! The relevant documents of many queries, as a run ranks them: all that any metric depends on.

use super::metric::Metric;

/// One query: how many documents were returned, and the relevant ones of these and of all.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Documents that the run has.
    pub retrieved: usize,
    /// Rank, from 1, and grade of each relevant document that the run has, by rank.
    pub found: &'a [(usize, i64)],
    /// The positive grades of all relevant documents, greatest first.
    pub ideal: &'a [i64],
}

/// A run joined with its judgements.
#[derive(Debug, Default)]
pub struct Judged {
    /// Of each query: documents returned, and the ends of its parts of `found` and `ideal`.
    queries: Vec<(usize, usize, usize)>,
    found: Vec<(usize, i64)>,
    ideal: Vec<i64>,
}

impl Judged {
    /// Appends a query: how many documents the run has for it, its relevant documents among these as rank and grade,
    /// and the grades of all its relevant documents, both in any order.
    pub fn push(
        &mut self,
        retrieved: usize,
        found: impl IntoIterator<Item = (usize, i64)>,
        ideal: impl IntoIterator<Item = i64>,
    ) {
        let (from, ideal_from) = (self.found.len(), self.ideal.len());
        self.found.extend(found);
        self.found[from..].sort_unstable();
        self.ideal.extend(ideal);
        self.ideal[ideal_from..].sort_unstable_by(|a, b| b.cmp(a));
        self.queries.push((retrieved, self.found.len(), self.ideal.len()));
    }

    /// How many queries there are.
    pub fn len(&self) -> usize {
        self.queries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// The queries, in the order in which they came.
    pub fn queries(&self) -> impl Iterator<Item = Query<'_>> {
        let (mut from, mut ideal_from) = (0, 0);
        self.queries.iter().map(move |&(retrieved, end, ideal_end)| {
            let query = Query { retrieved, found: &self.found[from..end], ideal: &self.ideal[ideal_from..ideal_end] };
            (from, ideal_from) = (end, ideal_end);
            query
        })
    }

    /// The value of each metric for each query: all metrics of the first query, then those of the second.
    pub fn values(&self, metrics: &[Metric]) -> Vec<f64> {
        self.queries().flat_map(|query| metrics.iter().map(move |metric| metric.value(query))).collect()
    }

    /// The greatest grade, 0 where nothing is relevant.
    pub fn greatest_grade(&self) -> i64 {
        self.ideal.iter().copied().max().unwrap_or(0)
    }
}
