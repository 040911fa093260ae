//! The rows of one query whose estimates are worth a closer look.

use ragstone_kernels::codes::BLOCK_ROWS;
use ragstone_kernels::top::{Scored, Top};

/// Rows kept before those that fell below the floor are dropped for the first time.
const KEPT: usize = 4096;

/// All rows whose estimate reaches a floor. The floor either stands, or follows the worst of the best `k` estimates at a
/// distance; either way the rows above its last value are the same in whatever order rows come, and from whatever parts.
#[derive(Clone)]
pub(super) struct Estimated {
    /// What an estimate must reach.
    pub(super) floor: f32,
    best: Option<Top<u32>>,
    distance: f32,
    kept: Vec<Scored>,
    limit: usize,
}

impl Estimated {
    /// Keeps the rows at most `distance` below the worst of the best `k` estimates.
    pub(super) fn best(k: usize, distance: f32) -> Self {
        Self { floor: f32::NEG_INFINITY, best: Some(Top::new(k)), distance, kept: Vec::new(), limit: KEPT }
    }

    /// Keeps the rows with at least this estimate.
    pub(super) fn above(floor: f32) -> Self {
        Self { floor, best: None, distance: 0.0, kept: Vec::new(), limit: KEPT }
    }

    /// Keeps those of some blocks' rows that are wanted, among the `hits` that reached the floor.
    pub(super) fn keep(&mut self, first_block: usize, hits: &[u64], wanted: &[u64], estimates: &[f32]) {
        let before = self.kept.len();
        for (index, (&hits, &wanted)) in hits.iter().zip(wanted).enumerate() {
            let mut left = hits & wanted;
            while left != 0 {
                let row = index * BLOCK_ROWS + left.trailing_zeros() as usize;
                self.kept.push(Scored { score: estimates[row], row: (first_block * BLOCK_ROWS + row) as u32 });
                left &= left - 1;
            }
        }
        if self.kept.len() > before {
            self.raise(before);
        }
    }

    fn raise(&mut self, before: usize) {
        let Some(best) = &mut self.best else { return };
        for one in &self.kept[before..] {
            best.push(one.score, one.row);
        }
        self.floor = best.settle() - self.distance;
        if self.kept.len() > self.limit {
            self.kept.retain(|one| one.score >= self.floor);
            self.limit = (2 * self.kept.len()).max(KEPT);
        }
    }

    /// Takes over what was collected of other rows.
    pub(super) fn merge(&mut self, other: Self) {
        let before = self.kept.len();
        self.kept.extend(other.kept);
        self.raise(before);
    }

    /// The floor, and the rows above it.
    pub(super) fn finish(mut self) -> (f32, Vec<Scored>) {
        self.kept.retain(|one| one.score >= self.floor);
        (self.floor, self.kept)
    }
}
