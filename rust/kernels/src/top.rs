//! Bounded selection: the best k of many scored rows, in a total order.
//!
//! Order: score descending, then row ascending (or, with [`Top<i64>`](Top), id ascending). Because the order is total, the result does not depend on the order
//! in which rows are offered, and so not on threads or instruction sets.

use std::cmp::Ordering;

/// A row with its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored<R = u32> {
    /// Higher is better; never NaN.
    pub score: f32,
    /// Number of the row, or whatever else names it and breaks ties.
    pub row: R,
}

impl<R: Ord> Scored<R> {
    /// Ascending from best to worst.
    #[inline]
    pub fn rank(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.row.cmp(&other.row))
    }
}

/// Keeps the best `k` rows offered to it, in memory proportional to `k`.
#[derive(Clone, Debug)]
pub struct Top<R = u32> {
    k: usize,
    /// Up to `2 k` candidates; cut back to the best `k` whenever it fills.
    candidates: Vec<Scored<R>>,
    /// The worst of the best `k`, once `k` were seen at a cut: anything that ranks behind it is refused at once.
    threshold: Option<Scored<R>>,
}

impl Top {
    /// A selection of at most `k` rows that refuses scores below `floor` from the first on.
    pub fn above(k: usize, floor: f32) -> Self {
        let worst = Scored { score: floor, row: u32::MAX };
        Self { threshold: (floor > f32::NEG_INFINITY).then_some(worst), ..Self::new(k) }
    }
}

impl<R: Copy + Ord> Top<R> {
    /// A selection of at most `k` rows.
    pub fn new(k: usize) -> Self {
        // A hostile k must not allocate before there are rows to fill it.
        Self { k, candidates: Vec::with_capacity(k.saturating_mul(2).min(4096)), threshold: None }
    }

    /// Offers a row.
    #[inline]
    pub fn push(&mut self, score: f32, row: R) {
        let candidate = Scored { score, row };
        if self.threshold.is_none_or(|worst| candidate.rank(&worst).is_lt()) {
            self.keep(candidate);
        }
    }

    /// How many rows are kept.
    pub fn k(&self) -> usize {
        self.k
    }

    /// As [`Self::floor`], made as high as what was offered so far allows.
    pub fn settle(&mut self) -> f32 {
        if self.k > 0 {
            self.cut();
        }
        self.floor()
    }

    /// A score that a row must reach to have a chance; negative infinity while anything is welcome.
    #[inline]
    pub fn floor(&self) -> f32 {
        self.threshold.map_or(f32::NEG_INFINITY, |worst| worst.score)
    }

    /// The best rows, best first.
    pub fn into_sorted(mut self) -> Vec<Scored<R>> {
        self.settle();
        self.candidates.truncate(self.k);
        self.candidates.sort_unstable_by(Scored::rank);
        self.candidates
    }

    fn keep(&mut self, candidate: Scored<R>) {
        if self.k == 0 {
            return;
        }
        self.candidates.push(candidate);
        if self.candidates.len() >= self.k.saturating_mul(2).max(64) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.candidates.len() > self.k {
            self.candidates.select_nth_unstable_by(self.k - 1, Scored::rank);
            self.candidates.truncate(self.k);
        }
        if self.candidates.len() == self.k {
            self.threshold = self.candidates.iter().copied().max_by(Scored::rank);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Catches a candidate lost at a cut, or a tie broken by arrival.
        #[test]
        fn equals_a_full_sort(scores in prop::collection::vec(0u8..20, 0..500), k in 0usize..80) {
            let mut top = Top::new(k);
            let mut all: Vec<Scored> = Vec::new();
            for (row, &score) in scores.iter().enumerate().rev() {
                let scored = Scored { score: f32::from(score) - 10.0, row: row as u32 };
                top.push(scored.score, scored.row);
                all.push(scored);
            }
            let mut above = Top::above(k, 3.0);
            for scored in &all {
                above.push(scored.score, scored.row);
            }
            all.sort_by(Scored::rank);
            all.truncate(k);
            prop_assert_eq!(top.into_sorted(), all.clone());
            all.retain(|scored| scored.score >= 3.0);
            prop_assert_eq!(above.into_sorted(), all);
        }
    }
}
