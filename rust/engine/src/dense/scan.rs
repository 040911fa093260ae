//! The scan: scores of all wanted rows of a column, block by block, for one or more queries.

use ragstone_kernels::dispatch::Kernels;
use ragstone_kernels::top::Top;

use super::is_cosine;
use super::tiers::{Exact, Wanted, exact_rank};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

/// About what a block of rows occupies: it stays in the second-level cache while several queries pass over it, and is
/// scanned in tens of microseconds.
const BLOCK_BYTES: usize = 256 * 1024;

/// A block is scored whole when at least this share of its rows is wanted. Scoring scattered rows costs up
/// to 1.1 times as much a row as scoring all (`rust/kernels/benches/dense_scan.rs`), so skipping pays almost at once.
const WHOLE_PERCENT: usize = 90;

/// A column of unit vectors without codes, and how to report its rows.
pub(super) struct Column<'a> {
    pub(super) kernels: &'static Kernels,
    /// Rows of `stride` values, zero from the dimension on.
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
    /// Says that a row does not hold a unit vector.
    pub(super) damage: &'a (dyn Fn(u32) -> Error + Sync),
}

impl Column<'_> {
    /// Offers every wanted row to the selection of every query, called what `name` says.
    ///
    /// `queries` are unit vectors padded to the stride, one for each of `tops`.
    pub(super) fn scan<R: Copy + Ord>(
        &self,
        wanted: &Wanted,
        queries: &[f32],
        name: &dyn Fn(u32) -> R,
        tops: &mut [Top<R>],
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let rows = self.values.len() / self.stride;
        let words_per_block = (BLOCK_BYTES / size_of::<f32>() / self.stride / 64).max(1);
        let rows_per_block = words_per_block * 64;
        let mut scores = vec![0.0; rows_per_block];
        let mut block_rows = Vec::with_capacity(rows_per_block);
        let mut scattered = Vec::with_capacity(2 * rows_per_block);
        for (block, first) in (0..rows).step_by(rows_per_block).enumerate() {
            // Blocks without a wanted row cost nanoseconds: a look at the clock each would cost more.
            if block.is_multiple_of(4096) {
                interrupt.check()?;
            }
            let count = rows_per_block.min(rows - first);
            block_rows.clear();
            for word in first / 64..(first + count).div_ceil(64) {
                push_rows(wanted.words()[word], word as u32 * 64, &mut block_rows);
            }
            if block_rows.len() * 100 < count * WHOLE_PERCENT {
                scattered.append(&mut block_rows);
                if scattered.len() >= rows_per_block {
                    self.score_scattered(&scattered, queries, name, tops, &mut scores)?;
                    scattered.clear();
                    interrupt.check()?;
                }
                continue;
            }
            interrupt.check()?;
            let values = &self.values[first * self.stride..][..count * self.stride];
            for (query, top) in queries.chunks_exact(self.stride).zip(&mut *tops) {
                self.kernels.dot_rows(query, values, self.stride, &mut scores[..count]);
                self.offer(block_rows.iter().map(|&row| (row, scores[row as usize - first])), name, top)?;
            }
        }
        self.score_scattered(&scattered, queries, name, tops, &mut scores)
    }

    /// As [`Self::scan`] for one query, by cosines computed in f64.
    pub(super) fn scan_exact<R: Copy + Ord>(
        &self,
        wanted: &Wanted,
        query: &[f32],
        name: &dyn Fn(u32) -> R,
        top: &mut Top<Exact<R>>,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        for (index, row) in wanted.rows().enumerate() {
            if index.is_multiple_of(1024) {
                interrupt.check()?;
            }
            let score = self.kernels.dot_wide(query, &self.values[row as usize * self.stride..][..self.stride]);
            if !is_cosine(score as f32) {
                return Err((self.damage)(row));
            }
            top.push(score as f32, exact_rank(score, name(row)));
        }
        Ok(())
    }

    fn score_scattered<R: Copy + Ord>(
        &self,
        rows: &[u32],
        queries: &[f32],
        name: &dyn Fn(u32) -> R,
        tops: &mut [Top<R>],
        scores: &mut [f32],
    ) -> Result<()> {
        for rows in rows.chunks(scores.len()) {
            let scores = &mut scores[..rows.len()];
            for (query, top) in queries.chunks_exact(self.stride).zip(&mut *tops) {
                self.kernels.dot_gather(query, self.values, self.stride, rows, scores);
                self.offer(rows.iter().copied().zip(scores.iter().copied()), name, top)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn offer<R: Copy + Ord>(
        &self,
        candidates: impl Iterator<Item = (u32, f32)>,
        name: &dyn Fn(u32) -> R,
        top: &mut Top<R>,
    ) -> Result<()> {
        for (row, score) in candidates {
            if score < top.floor() {
                continue;
            }
            if !is_cosine(score) {
                return Err((self.damage)(row));
            }
            top.push(score, name(row));
        }
        Ok(())
    }
}

/// Appends the rows whose bits are set.
pub(super) fn push_rows(mut word: u64, first: u32, rows: &mut Vec<u32>) {
    if word == u64::MAX {
        rows.extend(first..first + 64);
        return;
    }
    while word != 0 {
        rows.push(first + word.trailing_zeros());
        word &= word - 1;
    }
}
