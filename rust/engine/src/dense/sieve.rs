//! Which rows can be among the best, given for each a score and how far it can be off: no row that is gets lost.

use ragstone_kernels::top::Top;

/// Candidates kept before those that have become impossible are dropped for the first time.
const KEPT: usize = 4096;

/// Rows whose best case reaches the worst case of at least `k` others.
pub(super) struct Sieve {
    k: usize,
    /// The best worst cases.
    lower: Top<u32>,
    kept: Vec<Kept>,
    limit: usize,
}

#[derive(Clone, Copy)]
struct Kept {
    row: u32,
    upper: f32,
}

impl Sieve {
    pub(super) fn new(k: usize) -> Self {
        Self { k, lower: Top::new(k), kept: Vec::new(), limit: KEPT }
    }

    /// Offers a row whose score is within `error` of `score`; says no if that is no number.
    ///
    /// Scores are near 1 at most and errors carry slack, so that rounding them to f32 here does no harm.
    #[inline]
    pub(super) fn offer(&mut self, row: u32, score: f64, error: f64) -> bool {
        let upper = (score + error) as f32;
        if upper < self.lower.floor() {
            return true;
        }
        if !upper.is_finite() {
            return false;
        }
        self.lower.push((score - error) as f32, row);
        self.kept.push(Kept { row, upper });
        if self.kept.len() >= self.limit {
            let floor = self.lower.floor();
            self.kept.retain(|kept| kept.upper >= floor);
            self.limit = (2 * self.kept.len()).max(KEPT);
        }
        true
    }

    /// A score that `k` rows reach for certain; negative infinity while there are fewer.
    pub(super) fn floor(&mut self) -> f32 {
        self.lower.settle()
    }

    /// The rows that can be among the best `k`.
    pub(super) fn into_rows(mut self) -> Vec<u32> {
        let floor = self.floor();
        if self.k == 0 {
            return Vec::new();
        }
        self.kept.into_iter().filter(|kept| kept.upper >= floor).map(|kept| kept.row).collect()
    }
}
