//! The planner: which codes of the rows answer a query, and in which order.
//!
//! Rows come in three tiers, each an order of magnitude larger than the one before: bits, 8-bit integers, f32. Few
//! wanted rows are compared by their integers, whose bounds lose nothing, and those that can be among the best by their
//! f32: exact. Many wanted rows are first estimated by their bits, and compared as far as estimates can be trusted: all
//! rows whose estimate, at best, reaches the score of the worst hit. Which rows that are does not depend on the order in
//! which they were met, nor on threads. `exact` leaves the bits out.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use ragstone_kernels::codes::{BLOCK_ROWS, CodeQuery, block_bytes};
use ragstone_kernels::dispatch::Kernels;
use ragstone_kernels::top::{Scored, Top};

use super::codec::{Codec, Int8Factors, Int8Query, int8_stride};
use super::estimated::Estimated;
use super::sieve::Sieve;
use super::{is_cosine, scan, stride_of};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

/// Fewer wanted rows than this are compared by their f32 at once.
const PLAIN_ROWS: usize = 48;
/// Up to this many wanted rows are compared by their integers: preparing estimates would take longer.
pub(super) const INTEGER_ROWS: usize = 4096;
/// The same for one of this many rows: estimating a row costs so much less than fetching its integers.
const INTEGER_SHARE: usize = 10;
/// Candidates with the best estimates that are compared first, to know what the others have to reach: for each hit, and
/// at least.
const FIRST: (usize, usize) = (2, 64);
/// Blocks estimated by one call: they stay in the second-level cache while several queries pass over them.
const RUN_BLOCKS: usize = 16;
/// Queries that go into one call.
const TOGETHER: usize = 4;
/// Runs between two looks at the interrupt: well below a millisecond.
const RUNS_PER_CHECK: usize = 64;
/// Rows compared by their integers between two looks at the interrupt.
const BATCH: usize = 1024;
/// Random rows read to see whether they are in memory.
const PROBE: usize = 4;
/// In memory, so many rows take microseconds.
const FROM_DISK: Duration = Duration::from_micros(500);
/// Rows from which on one query is worth several threads.
const ROWS_PER_THREAD: usize = 1 << 17;

/// A score and a row whose ties in f32 are broken by the score in f64.
pub type Exact<R> = (Reverse<u64>, R);

/// The bits of a score in f64 as an integer that ascends with it.
pub(super) fn exact_rank<R>(score: f64, row: R) -> Exact<R> {
    let bits = score.to_bits();
    (Reverse(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }), row)
}

/// The score in f64 again.
pub fn exact_score<R>(exact: &Exact<R>) -> f64 {
    let bits = exact.0.0;
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

/// Rows one after another, in every tier.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) values: &'a [f32],
    pub(super) int8: &'a [i8],
    pub(super) factors: &'a [Int8Factors],
    pub(super) blocks: &'a [u8],
}

/// Runs of rows with their codes.
pub(super) struct Tiers<'a> {
    pub(super) kernels: &'static Kernels,
    pub(super) codec: &'a Codec,
    pub(super) dimension: usize,
    /// All but the last have `run_rows` rows, a multiple of 64.
    pub(super) runs: Vec<Run<'a>>,
    pub(super) run_rows: usize,
    /// Says that a row does not hold a unit vector, or no code of it.
    pub(super) damage: &'a (dyn Fn(u32) -> Error + Sync),
    /// Fetches rows of a tier from where they are stored, if that can be elsewhere than in memory.
    pub(super) fetch: Option<&'a Fetch<'a>>,
    /// Up to this many wanted rows are compared by their integers: [`INTEGER_ROWS`], but for tests.
    pub(super) few: usize,
}

/// Fetches rows of a tier.
pub(super) type Fetch<'a> = dyn Fn(Tier, &[u32]) + Sync + 'a;

/// What random rows are read of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tier {
    Int8,
    Values,
}

/// How a query is answered.
#[derive(Clone, Copy)]
pub struct Effort<'a> {
    /// Threads that may share one query; the answer is the same for any number.
    pub threads: usize,
    /// Asked whether to go on.
    pub interrupt: &'a dyn Interrupt,
}

impl std::fmt::Debug for Effort<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Effort({} threads)", self.threads)
    }
}

/// The rows that may be found, and how many they are.
pub(super) struct Wanted {
    words: Vec<u64>,
    count: usize,
}

impl Wanted {
    /// `words` has a bit for every row.
    pub(super) fn new(words: Vec<u64>) -> Self {
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        Self { words, count }
    }

    /// Bits of 64 rows each.
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    /// The rows, ascending.
    pub(super) fn rows(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let row = (left != 0).then(|| index as u32 * 64 + left.trailing_zeros());
                left &= left.wrapping_sub(1);
                row
            })
        })
    }
}

impl Tiers<'_> {
    /// Offers to each query's selection the wanted rows that can be among its best, with their cosines.
    ///
    /// `queries` are unit vectors padded to the stride of rows.
    pub(super) fn search<R: Copy + Ord>(
        &self,
        wanted: &Wanted,
        queries: &[f32],
        name: &dyn Fn(u32) -> R,
        tops: &mut [Top<R>],
        effort: Effort<'_>,
    ) -> Result<()> {
        let stride = stride_of(self.dimension);
        let k = tops.first().map_or(0, Top::k);
        let mut pairs = queries.chunks_exact(stride).zip(tops);
        if k == 0 {
            return Ok(());
        }
        if wanted.count <= PLAIN_ROWS.max(k) {
            let rows: Vec<u32> = wanted.rows().collect();
            return pairs.try_for_each(|(query, top)| self.offer(&rows, query, name, top));
        }
        let few = wanted.count <= self.few.max(self.rows() / INTEGER_SHARE);
        if few {
            return pairs.try_for_each(|(query, top)| {
                let coded = self.codec.int8_query(&query[..self.dimension]);
                let rows = self.compared(wanted, &coded, k, effort.interrupt)?;
                self.offer(&rows, query, name, top)
            });
        }
        let coded = queries.chunks_exact(stride).map(|query| self.codec.code_query(&query[..self.dimension]));
        let (bits, estimated): (Vec<CodeQuery>, Vec<Estimated>) =
            coded.map(|(bits, distance)| (bits, Estimated::best(k, distance))).unzip();
        let estimated = self.estimate(wanted, &bits, estimated, effort)?;
        for ((bits, estimated), (query, top)) in bits.iter().zip(estimated).zip(pairs) {
            let coded = self.codec.int8_query(&query[..self.dimension]);
            let rows = self.survivors(wanted, bits, &coded, estimated, k, effort)?;
            self.offer(&rows, query, name, top)?;
        }
        Ok(())
    }

    /// As [`Self::search`] for one query, exact whatever the number of rows, by cosines in f64.
    pub(super) fn search_exact<R: Copy + Ord>(
        &self,
        wanted: &Wanted,
        query: &[f32],
        name: &dyn Fn(u32) -> R,
        top: &mut Top<Exact<R>>,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let query = &query[..self.dimension];
        for row in self.compared(wanted, &self.codec.int8_query(query), top.k(), interrupt)? {
            let (run, row_in_run) = self.place(row);
            let stored = &run.values[row_in_run * stride_of(self.dimension)..][..self.dimension];
            let score = self.kernels.dot_wide(query, stored);
            if !is_cosine(score as f32) {
                return Err((self.damage)(row));
            }
            top.push(score as f32, exact_rank(score, name(row)));
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.runs.iter().map(|run| run.factors.len()).sum()
    }

    fn place(&self, row: u32) -> (&Run<'_>, usize) {
        (&self.runs[row as usize / self.run_rows], row as usize % self.run_rows)
    }

    /// Rows that can be among the best `k`, as far as estimates can be trusted.
    fn survivors(
        &self,
        wanted: &Wanted,
        bits: &CodeQuery,
        query: &Int8Query,
        estimated: Estimated,
        k: usize,
        effort: Effort<'_>,
    ) -> Result<Vec<u32>> {
        let (floor, mut candidates) = estimated.finish();
        let mut sieve = Sieve::new(k);
        let first = (FIRST.0 * k).max(FIRST.1).min(candidates.len());
        if first < candidates.len() {
            candidates.select_nth_unstable_by(first, Scored::rank);
        }
        let (promising, others) = candidates.split_at(first);
        self.compare_scattered(promising.iter().map(|one| one.row), query, &mut sieve)?;
        let needed = (f64::from(sieve.floor()) - query.offset) as f32;
        let others = others.iter().filter(|one| one.score >= needed).map(|one| one.row);
        if floor <= needed {
            self.compare_scattered(others, query, &mut sieve)?;
            return Ok(sieve.into_rows());
        }
        // The best estimates were luckier than usual: rows below the floor may matter too. Now it is known which.
        let again = vec![Estimated::above(needed)];
        let (_, candidates) = self
            .estimate(wanted, std::slice::from_ref(bits), again, effort)?
            .pop()
            .expect("one for each query")
            .finish();
        if candidates.len() > wanted.count / INTEGER_SHARE {
            return self.compared(wanted, query, k, effort.interrupt);
        }
        let mut sieve = Sieve::new(k);
        self.compare_scattered(candidates.iter().map(|one| one.row), query, &mut sieve)?;
        Ok(sieve.into_rows())
    }

    /// Rows whose best case reaches the worst of the best `k`, by the integers of all wanted rows: none is lost.
    fn compared(&self, wanted: &Wanted, query: &Int8Query, k: usize, interrupt: &dyn Interrupt) -> Result<Vec<u32>> {
        let mut sieve = Sieve::new(k);
        let mut rows = Vec::with_capacity(BATCH + 64);
        for (run, words) in wanted.words.chunks(self.run_rows / 64).enumerate() {
            interrupt.check()?;
            for (index, &word) in words.iter().enumerate().filter(|(_, word)| **word != 0) {
                scan::push_rows(word, (run * self.run_rows + index * 64) as u32, &mut rows);
                if rows.len() >= BATCH {
                    interrupt.check()?;
                    self.compare(&rows, query, &mut sieve)?;
                    rows.clear();
                }
            }
            self.compare(&rows, query, &mut sieve)?;
            rows.clear();
        }
        Ok(sieve.into_rows())
    }

    /// Estimates all wanted rows and has each query's collection keep the best.
    fn estimate(
        &self,
        wanted: &Wanted,
        queries: &[CodeQuery],
        mut estimated: Vec<Estimated>,
        effort: Effort<'_>,
    ) -> Result<Vec<Estimated>> {
        let blocks = wanted.words.len();
        let threads = if queries.len() == 1 { effort.threads.min(self.rows() / ROWS_PER_THREAD).max(1) } else { 1 };
        let share = blocks.div_ceil(threads).next_multiple_of(RUN_BLOCKS);
        let part = |first: usize, mut estimated: Vec<Estimated>| {
            let range = first..(first + share).min(blocks);
            self.estimate_blocks(wanted, range, queries, &mut estimated, effort.interrupt).map(|()| estimated)
        };
        std::thread::scope(|scope| {
            let (part, fresh) = (&part, estimated.clone());
            let others: Vec<_> = (0..blocks)
                .step_by(share)
                .skip(1)
                .map(|first| {
                    let fresh = fresh.clone();
                    scope.spawn(move || part(first, fresh))
                })
                .collect();
            estimated = part(0, std::mem::take(&mut estimated))?;
            for other in others {
                let other = other.join().expect("an estimate does not panic")?;
                for (one, other) in estimated.iter_mut().zip(other) {
                    one.merge(other);
                }
            }
            Ok(estimated)
        })
    }

    fn estimate_blocks(
        &self,
        wanted: &Wanted,
        range: std::ops::Range<usize>,
        queries: &[CodeQuery],
        estimated: &mut [Estimated],
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let block = block_bytes(self.dimension);
        let mut hits = [0; TOGETHER * RUN_BLOCKS];
        let mut scores = [0.0; TOGETHER * RUN_BLOCKS * BLOCK_ROWS];
        let mut at = range.start;
        let mut step = 0usize;
        while at < range.end {
            if step.is_multiple_of(RUNS_PER_CHECK) {
                interrupt.check()?;
            }
            step += 1;
            if wanted.words[at] == 0 {
                at += 1;
                continue;
            }
            let (run, row) = self.place((at * BLOCK_ROWS) as u32);
            let first = row / BLOCK_ROWS;
            let stored = run.factors.len().div_ceil(BLOCK_ROWS);
            // Short runs at first: the floor rises with the first rows.
            let count = (at - range.start + 1).min(RUN_BLOCKS).min(range.end - at).min(stored - first);
            let blocks = &run.blocks[first * block..][..count * block];
            let parts = queries.chunks(TOGETHER).zip(estimated.chunks_mut(TOGETHER));
            for (queries, estimated) in parts {
                let (mut bits, mut floors) = ([&queries[0]; TOGETHER], [0.0; TOGETHER]);
                for (index, (query, estimated)) in queries.iter().zip(&*estimated).enumerate() {
                    (bits[index], floors[index]) = (query, estimated.floor);
                }
                let together = queries.len();
                let (hits, scores) = (&mut hits[..count * together], &mut scores[..count * together * BLOCK_ROWS]);
                self.kernels.estimate(&bits[..together], blocks, &floors[..together], hits, scores);
                let parts = hits.chunks(count).zip(scores.chunks(count * BLOCK_ROWS));
                for (estimated, (hits, scores)) in estimated.iter_mut().zip(parts) {
                    estimated.keep(at, hits, &wanted.words[at..], scores);
                }
            }
            at += count;
        }
        Ok(())
    }

    /// Compares rows in any order by their integers.
    fn compare_scattered(&self, rows: impl Iterator<Item = u32>, query: &Int8Query, sieve: &mut Sieve) -> Result<()> {
        let rows: Vec<u32> = rows.collect();
        let mut compare = |rows: &[u32]| self.compare(rows, query, sieve);
        self.probed(Tier::Int8, rows, |rows| self.by_run(rows, &mut compare))
    }

    /// Acts on a few rows first. If that takes as long as only a disk does, all others are fetched at once.
    fn probed(&self, tier: Tier, rows: Vec<u32>, mut act: impl FnMut(Vec<u32>) -> Result<()>) -> Result<()> {
        let (Some(fetch), true) = (self.fetch, rows.len() > PROBE) else { return act(rows) };
        let started = Instant::now();
        let rest = rows[PROBE..].to_vec();
        act(rows[..PROBE].to_vec())?;
        if started.elapsed() >= FROM_DISK {
            fetch(tier, &rest);
        }
        act(rest)
    }

    /// Compares rows of one run by their integers.
    fn compare(&self, rows: &[u32], query: &Int8Query, sieve: &mut Sieve) -> Result<()> {
        let Some(&first) = rows.first() else { return Ok(()) };
        let (run, _) = self.place(first);
        let stride = int8_stride(self.dimension);
        let base = first as usize / self.run_rows * self.run_rows;
        let mut sums = [0; BATCH];
        for rows in rows.chunks(BATCH) {
            let sums = &mut sums[..rows.len()];
            let start = rows[0] as usize - base;
            if rows[rows.len() - 1] as usize - base == start + rows.len() - 1 && rows.is_sorted() {
                self.kernels.int8_rows(&query.values, &run.int8[start * stride..][..rows.len() * stride], stride, sums);
            } else if base == 0 {
                self.kernels.int8_gather(&query.values, run.int8, stride, rows, sums);
            } else {
                let local: Vec<u32> = rows.iter().map(|&row| row - base as u32).collect();
                self.kernels.int8_gather(&query.values, run.int8, stride, &local, sums);
            }
            let may_reach = query.may_reach(sieve.floor());
            for (&row, &sum) in rows.iter().zip(&*sums) {
                if !may_reach(sum, run.factors[row as usize - base]) {
                    continue;
                }
                let (cosine, error) = query.cosine(sum, run.factors[row as usize - base]);
                if !sieve.offer(row, cosine, error) {
                    return Err((self.damage)(row));
                }
            }
        }
        Ok(())
    }

    /// Offers rows with their cosines.
    fn offer<R: Copy + Ord>(
        &self,
        rows: &[u32],
        query: &[f32],
        name: &dyn Fn(u32) -> R,
        top: &mut Top<R>,
    ) -> Result<()> {
        let stride = stride_of(self.dimension);
        let mut scores = Vec::new();
        let mut offer = |rows: &[u32]| {
            let (run, _) = self.place(rows[0]);
            let base = (rows[0] as usize / self.run_rows * self.run_rows) as u32;
            let local: Vec<u32> = rows.iter().map(|&row| row - base).collect();
            scores.resize(rows.len(), 0.0);
            self.kernels.dot_gather(query, run.values, stride, &local, &mut scores);
            for (&row, &score) in rows.iter().zip(&scores) {
                if !is_cosine(score) {
                    return Err((self.damage)(row));
                }
                top.push(score, name(row));
            }
            Ok(())
        };
        self.probed(Tier::Values, rows.to_vec(), |rows| self.by_run(rows, &mut offer))
    }

    /// Calls `act` with the rows of each run that has any.
    fn by_run(&self, rows: Vec<u32>, mut act: impl FnMut(&[u32]) -> Result<()>) -> Result<()> {
        if self.runs.len() == 1 {
            return if rows.is_empty() { Ok(()) } else { act(&rows) };
        }
        let mut parts = vec![Vec::new(); self.runs.len()];
        for row in rows {
            parts[row as usize / self.run_rows].push(row);
        }
        parts.iter().filter(|part| !part.is_empty()).try_for_each(|part| act(part))
    }
}
