//! The best rows of a query: bounds in integers say where to look, exact scores in f64 decide.
//!
//! Impacts (8 bits) times weights (16 bits, of all terms together below 2¹⁶) bound what a posting adds to a score, to a
//! known error. Windows of rows are visited by descending bound. In a window, terms are added up one after another, rare
//! and weighty ones first; a block of 256 rows is left as soon as its greatest sum, with the greatest impacts of the terms
//! still to come in it, stays below the k-th best sum of rows seen so far. What comes within the error of the k-th best
//! sum is scored exactly at the end.
//!
//! Turtle and Flood, Query evaluation: strategies and optimizations (1995), for bounds of terms;
//! Ding and Suel, Faster top-k document retrieval using block-max indexes (2011), for bounds of blocks.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ragstone_kernels::dispatch::Kernels;
use ragstone_kernels::postings::{BLOCK_ROWS, BLOCKS, Maxima, Sums, WINDOW_ROWS, contribution, set_bits};
use ragstone_kernels::top::Top;

use super::encode::{RANKS, WINDOW};
use super::exhaustive;
use super::impact::impact;
use super::postings::{Damaged, Piece, Postings, place_of};
use super::reader::Lexical;
use super::score::{Bm25, Plan, WeightedTerm};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::instructions::active_kernels;
use crate::interrupt::Interrupt;

/// With more results or terms than these, bounds save nothing.
const RESULTS_MAX: usize = 1 << 14;
const TERMS_MAX: usize = 1 << 10;
/// Up to so many terms, each row that has one of them has a sum above 0.
const SURE_TERMS_MAX: usize = 32;
/// Bounds may be so many times too great before they are not worth having.
const LIFT_MAX: f64 = 8.0;
/// Rows of so few postings are all scored.
const FEW_POSTINGS: u64 = 256;
/// A look-up of a row in a term costs as much as a search by bounds spends on so many of the term's postings, most of
/// which it never sees.
const LOOKUP: u64 = 256;
/// Finding the postings of a block in a sorted list costs as much as so many postings in a row.
const BLOCK_SEARCH: usize = 32;
/// Blocks of a window that are added up first, while nothing is known of good rows.
const PROMISING: usize = 8;

impl Lexical {
    /// Offers `top` each row that has a term of the query, is in `allowed` and can be among the best; `first_row` is
    /// added to its number. A row is offered with its exact score.
    ///
    /// The query's terms must be distinct and, for equal results whatever the segments, sorted.
    #[allow(clippy::too_many_arguments, reason = "one flat call from the searcher; each has its own source there")]
    pub fn search(
        &self,
        query: &[WeightedTerm],
        average_length: f64,
        bm25: Bm25,
        allowed: Option<&Bitmap>,
        first_row: u32,
        top: &mut Top,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        if let Some(allowed) = allowed.filter(|allowed| allowed.len() != self.rows()) {
            return Err(Error::invalid(format!("filter has {} rows, segment has {}", allowed.len(), self.rows())));
        }
        if first_row.checked_add(self.rows()).is_none() {
            return Err(Error::invalid("rows of all segments exceed 2^32"));
        }
        interrupt.check()?;
        let mut plan = Plan::new(self, query, average_length, bm25)?;
        plan.terms.retain(|term| term.weight > 0.0);
        let allowed_rows = allowed.map_or(self.rows(), Bitmap::count);
        if plan.terms.is_empty() || top.k() == 0 || allowed_rows == 0 {
            return Ok(());
        }
        let postings: u64 = plan.terms.iter().map(|term| u64::from(term.postings.frequency())).sum();
        let lookups = u64::from(allowed_rows) * plan.terms.len() as u64 * LOOKUP;
        if let Some(allowed) = allowed.filter(|_| lookups < postings) {
            return score_all(&plan, allowed.iter(), first_row, top);
        }
        if postings <= FEW_POSTINGS {
            let rows = exhaustive::rows(&plan)?;
            return score_all(
                &plan,
                rows.filter(|&row| allowed.is_none_or(|allowed| allowed.contains(row))),
                first_row,
                top,
            );
        }
        let bounded = top.k() <= RESULTS_MAX && plan.terms.len() <= TERMS_MAX;
        if let Some(scale) = Some(()).filter(|()| bounded).and_then(|()| Scale::new(&plan))
            && by_bounds(&plan, scale, allowed, self.rows() - allowed_rows, first_row, top, interrupt)?
        {
            return Ok(());
        }
        exhaustive::search(&plan, allowed, first_row, top, interrupt)
    }
}

/// Searches by bounds; tells whether no row can have been missed.
fn by_bounds(
    plan: &Plan<'_>,
    scale: Scale,
    allowed: Option<&Bitmap>,
    missing: u32,
    first_row: u32,
    top: &mut Top,
    interrupt: &dyn Interrupt,
) -> Result<bool> {
    let mut scratch = SCRATCH.take().unwrap_or_default();
    let mut pass = Pass::new(plan, scale, allowed, missing, top, &mut scratch)?;
    let windows = pass.windows();
    pass.gather(windows.first().map(|&(_, window)| window))?;
    for (at, &(bound, window)) in windows.iter().enumerate() {
        if bound < pass.floor {
            break;
        }
        interrupt.check()?;
        std::mem::swap(&mut pass.pieces, &mut pass.ahead);
        // Of the next window, while this one is added up: its postings are on their way from memory meanwhile.
        pass.gather(windows.get(at + 1).map(|&(_, window)| window))?;
        pass.window(window)?;
    }
    let floor = pass.floor;
    scratch.hits.retain(|&(sum, _)| u32::from(sum) >= floor);
    scratch.hits.sort_unstable_by_key(|&(_, row)| row);
    let complete = floor > 1 || plan.terms.len() <= SURE_TERMS_MAX;
    if complete {
        score_all(plan, scratch.hits.iter().map(|&(_, row)| row), first_row, top)?;
    }
    // Only a search that ended well leaves its scratch clean.
    scratch.hits.clear();
    SCRATCH.set(Some(scratch));
    Ok(complete)
}

/// Offers rows with their exact scores.
fn score_all(plan: &Plan<'_>, rows: impl Iterator<Item = u32>, first_row: u32, top: &mut Top) -> Result<()> {
    for row in rows {
        let score = plan.score(row)?;
        if score > 0.0 {
            top.push(score as f32, first_row + row);
        }
    }
    Ok(())
}

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = RefCell::default();
}

/// Memory of a search: kept by its thread.
struct Scratch {
    /// All zero between windows.
    sums: Box<Sums>,
    /// Sums and rows that came within reach of the best.
    hits: Vec<(u16, u32)>,
    /// The best sums.
    best: BinaryHeap<Reverse<u16>>,
}

impl Default for Scratch {
    fn default() -> Self {
        let sums = vec![0; WINDOW_ROWS].try_into().expect("as many sums as rows");
        Self { sums, hits: Vec::new(), best: BinaryHeap::new() }
    }
}

/// How integers relate to scores. With s a score times `per_score`, a row's sum lies within
/// `s - slack < sum <= s + excess`.
struct Scale {
    per_score: f64,
    slack: u32,
    excess: f64,
    weights: Vec<u16>,
}

impl Scale {
    /// `None` if the norm has so little to do with the stored one that nothing can be bounded.
    fn new(plan: &Plan<'_>) -> Option<Self> {
        let (reference, lengths) = plan.lexical.reference();
        let (least, greatest) = plan.norm.quotients(reference, lengths);
        // A saturation x under the stored norm is x / (x + (1 - x) q) under another one that is q times as large:
        // at most x times this.
        let lift = (1.0 / least).max(1.0);
        if !(0.0..=LIFT_MAX).contains(&lift) {
            return None;
        }
        // The most by which an impact, lifted so, exceeds the saturation that it stands for.
        let excess = |impact: u8| {
            let stored = (f64::from(impact) - 1.0).max(0.0) / 255.0;
            let exact = stored / (stored + (1.0 - stored) * greatest.max(1e-300));
            lift * f64::from(impact) / 256.0 - exact * 255.0 / 256.0
        };
        let total: f64 = plan.terms.iter().map(|term| term.weight).sum();
        let count = plan.terms.len();
        // With this weight the least impact adds 1, so that no row that has a term is without a sum.
        let least_weight = if count <= SURE_TERMS_MAX { 256.0 } else { 1.0 };
        let units = (f64::from(u16::MAX) - (least_weight + 1.0) * count as f64) / (total * lift);
        let exact = |term: &super::score::PlannedTerm<'_>| term.weight * lift * units;
        let weights: Vec<u16> = plan.terms.iter().map(|term| exact(term).ceil().max(least_weight) as u16).collect();
        let rounded: f64 = plan.terms.iter().zip(&weights).map(|(term, &weight)| f64::from(weight) - exact(term)).sum();
        let excess = (1..=u8::MAX).map(excess).fold(0.0, f64::max) * total * units + rounded + 1.0;
        Some(Self { per_score: units * 255.0 / 256.0, slack: count as u32, excess, weights })
    }

    /// Sums below this one belong to rows that rank behind one whose sum is `sum`.
    fn floor_of_sum(&self, sum: u16) -> u32 {
        self.floor((f64::from(sum) - self.excess).floor())
    }

    /// Sums below this one belong to rows whose score is below `score`.
    fn floor_of_score(&self, score: f32) -> u32 {
        // Rounding a score to f32 may have lifted it.
        self.floor((f64::from(score) * self.per_score * (1.0 - 1e-6)).floor())
    }

    fn floor(&self, least: f64) -> u32 {
        // One more for scores that differ by less than f32 tells, and are ranked by their rows.
        ((least - 1.0).max(0.0) as u32).saturating_sub(self.slack).max(1)
    }
}

/// One search on its way through the windows.
struct Pass<'a, 'p> {
    plan: &'p Plan<'a>,
    kernels: &'static Kernels,
    scale: Scale,
    allowed: Option<&'p [u64]>,
    k: usize,
    /// Rows with a smaller sum are not among the best.
    floor: u32,
    scratch: &'p mut Scratch,
    /// Of the window being added up, and of the next one.
    pieces: Vec<Planned<'a>>,
    ahead: Vec<Planned<'a>>,
}

/// Postings of a term in the window, with its weight and the most that one of them adds.
#[derive(Clone, Copy)]
struct Planned<'a> {
    weight: u16,
    bound: u16,
    piece: Piece<'a>,
}

impl<'a> Planned<'a> {
    /// The greatest impact in each block, for postings that have it.
    fn greatest(&self) -> Option<&'a [u8; BLOCKS]> {
        match self.piece {
            Piece::Blocks { maxima, .. } | Piece::Bits { maxima, .. } => Some(maxima),
            _ => None,
        }
    }
}

impl<'a, 'p> Pass<'a, 'p> {
    fn new(
        plan: &'p Plan<'a>,
        scale: Scale,
        allowed: Option<&'p Bitmap>,
        missing: u32,
        top: &Top,
        scratch: &'p mut Scratch,
    ) -> Result<Self> {
        scratch.best.clear();
        let mut floor = scale.floor_of_score(top.floor().max(0.0));
        // Where one term alone gives enough rows a sum, no other row has a chance with less.
        let wanted = top.k().saturating_add(missing as usize);
        for (term, &weight) in plan.terms.iter().zip(&scale.weights) {
            floor = floor.max(scale.floor_of_sum(contribution(reached(&term.postings, wanted), weight)));
        }
        Ok(Self {
            plan,
            kernels: active_kernels()?,
            scale,
            allowed: allowed.map(Bitmap::words),
            k: top.k(),
            floor,
            scratch,
            pieces: Vec::with_capacity(plan.terms.len()),
            ahead: Vec::with_capacity(plan.terms.len()),
        })
    }

    /// Bounds and numbers of the windows in which a row can be among the best, by descending bound.
    fn windows(&self) -> Vec<(u32, u32)> {
        let mut bounds = vec![0u32; self.plan.lexical.rows().div_ceil(WINDOW) as usize];
        let mut add = |window: u32, impact: u8, weight: u16| {
            if let Some(bound) = bounds.get_mut(window as usize) {
                *bound += u32::from(contribution(impact, weight));
            }
        };
        for (term, &weight) in self.plan.terms.iter().zip(&self.scale.weights) {
            match term.postings {
                Postings::One { row, .. } => add(row / WINDOW, u8::MAX, weight),
                Postings::Flat { rows, greatest, .. } => {
                    let mut last = u32::MAX;
                    for window in rows.iter().map(|row| row / WINDOW) {
                        if window != last {
                            add(window, greatest, weight);
                            last = window;
                        }
                    }
                }
                Postings::Windows { containers, greatest, .. } => {
                    for (container, &impact) in containers.iter().zip(greatest) {
                        add(u32::from(container.window), impact, weight);
                    }
                }
            }
        }
        let mut windows: Vec<(u32, u32)> = (0..).zip(bounds).map(|(window, bound)| (bound, window)).collect();
        windows.retain(|&(bound, _)| bound >= self.floor);
        windows.sort_unstable_by_key(|&(bound, window)| (Reverse(bound), window));
        windows
    }

    fn window(&mut self, window: u32) -> Result<()> {
        // What terms that were not added yet add at most: in each block, and those that tell nothing of blocks anywhere.
        let (mut bounds, mut anywhere) = ([0; BLOCKS], 0);
        for planned in &self.pieces {
            match planned.greatest() {
                Some(greatest) => self.kernels.add_bounds(&mut bounds, greatest, planned.weight),
                None => anywhere += planned.bound,
            }
        }
        let mut rest = self.allowed_blocks(window);
        if self.scratch.best.len() < self.k {
            // Nothing is known yet of what good rows reach: a few blocks show that before the others are looked at.
            let first = promising(&bounds);
            self.blocks(window, rest & first, bounds, anywhere)?;
            rest &= !first;
        }
        self.blocks(window, rest, bounds, anywhere)
    }

    /// Adds up some blocks of a window.
    fn blocks(&mut self, window: u32, blocks: u64, mut bounds: Maxima, mut anywhere: u16) -> Result<()> {
        let mut maxima = [0; BLOCKS];
        let mut open = blocks & self.open(&maxima, &bounds, anywhere);
        for at in 0..self.pieces.len() {
            if open == 0 {
                break;
            }
            let planned = self.pieces[at];
            self.add(planned, &mut maxima, open)?;
            match planned.greatest() {
                Some(greatest) => self.kernels.take_bounds(&mut bounds, greatest, planned.weight),
                None => anywhere -= planned.bound,
            }
            open &= self.open(&maxima, &bounds, anywhere);
        }
        for block in set_bits(open) {
            if u32::from(maxima[block]) >= self.floor {
                self.harvest(window, block)?;
            }
        }
        let blocks = self.scratch.sums.as_chunks_mut::<BLOCK_ROWS>().0;
        for block in (0..BLOCKS).filter(|&block| maxima[block] > 0) {
            blocks[block].fill(0);
        }
        Ok(())
    }

    /// The blocks in which a row can still reach the floor.
    fn open(&self, maxima: &Maxima, bounds: &Maxima, anywhere: u16) -> u64 {
        match u16::try_from(self.floor.saturating_sub(u32::from(anywhere))) {
            Ok(least) => self.kernels.reaching(maxima, bounds, least),
            Err(_) => 0,
        }
    }

    /// Finds the postings of all terms in a window, in the order in which they are added: those that are quick to add
    /// first, then by descending bound.
    fn gather(&mut self, window: Option<u32>) -> Result<()> {
        self.ahead.clear();
        let Some(window) = window else { return Ok(()) };
        for (term, &weight) in self.plan.terms.iter().zip(&self.scale.weights) {
            let Some(piece) = self.plan.piece(term, window)? else { continue };
            let greatest = match (&term.postings, &piece) {
                (Postings::Windows { containers, greatest, .. }, _) => {
                    let place = place_of(containers, window);
                    place.and_then(|place| greatest.get(place)).copied().unwrap_or(u8::MAX)
                }
                (_, Piece::Flat { impacts, .. }) => impacts.iter().copied().fold(0, u8::max),
                _ => u8::MAX,
            };
            match piece {
                Piece::Rows { rows, impacts } => {
                    self.kernels.prefetch(bytemuck::cast_slice(rows));
                    self.kernels.prefetch(impacts);
                }
                Piece::Blocks { starts, maxima, .. } | Piece::Bits { starts, maxima, .. } => {
                    self.kernels.prefetch(bytemuck::cast_slice(starts));
                    self.kernels.prefetch(maxima);
                }
                Piece::One { .. } | Piece::Flat { .. } => {}
            }
            self.ahead.push(Planned { weight, bound: contribution(greatest, weight), piece });
        }
        self.ahead.sort_unstable_by_key(|planned| (planned.greatest().is_some(), Reverse(planned.bound)));
        Ok(())
    }

    /// The blocks of a window that have an allowed row.
    fn allowed_blocks(&self, window: u32) -> u64 {
        let Some(words) = self.allowed else { return !0 };
        let words = window_words(words, window);
        let blocks = words.chunks(BLOCK_ROWS / 64).enumerate();
        blocks.fold(0, |open, (block, words)| open | u64::from(words.iter().any(|&word| word != 0)) << block)
    }

    /// Adds the postings of a term in some blocks to the sums of their rows.
    fn add(&mut self, planned: Planned<'a>, maxima: &mut Maxima, blocks: u64) -> Result<()> {
        let lexical = self.plan.lexical;
        let (sums, weight) = (&mut self.scratch.sums, planned.weight);
        let mut one = |row: u32, impact: u8| {
            let local = (row % WINDOW) as usize;
            let block = local / BLOCK_ROWS;
            if blocks >> block & 1 == 1 {
                sums[local] = sums[local].wrapping_add(contribution(impact, weight));
                maxima[block] = maxima[block].max(sums[local]);
            }
        };
        let sound = match planned.piece {
            // It has no stored impact, and its greatest possible one would be no sum within the scale's error.
            Piece::One { row, count } => {
                let known = row < lexical.rows();
                if known {
                    one(row, impact(count, lexical.reference().0.at(lexical.length(row))));
                }
                known
            }
            Piece::Flat { rows, impacts } => {
                rows.iter().zip(impacts).for_each(|(&row, &impact)| one(row, impact));
                true
            }
            Piece::Rows { rows, impacts } => {
                if blocks.count_ones() as usize * BLOCK_SEARCH < rows.len() {
                    for block in set_bits(blocks) {
                        let start = rows.partition_point(|&row| usize::from(row) < block * BLOCK_ROWS);
                        let count = rows[start..].partition_point(|&row| usize::from(row) < (block + 1) * BLOCK_ROWS);
                        let range = start..start + count;
                        rows[range.clone()]
                            .iter()
                            .zip(&impacts[range])
                            .for_each(|(&row, &impact)| one(row.into(), impact));
                    }
                } else {
                    self.kernels.add_rows(sums, maxima, rows, impacts, weight, blocks);
                }
                true
            }
            Piece::Blocks { starts, pairs, .. } => self.kernels.add_blocks(sums, maxima, starts, pairs, weight, blocks),
            Piece::Bits { starts, bits, impacts, .. } => {
                self.kernels.add_bits(sums, maxima, starts, bits, impacts, weight, blocks)
            }
        };
        if sound { Ok(()) } else { Err(self.plan.corrupt(Damaged)) }
    }

    /// Notes the rows of a block whose sums reach the floor.
    fn harvest(&mut self, window: u32, block: usize) -> Result<()> {
        let first = (block * BLOCK_ROWS) as u32;
        for (part, first) in (0..BLOCK_ROWS / 32).zip((first..).step_by(32)) {
            let sums = &self.scratch.sums.as_chunks::<32>().0[block * (BLOCK_ROWS / 32) + part];
            if u32::from(sums.iter().copied().fold(0, u16::max)) < self.floor {
                continue;
            }
            for (local, sum) in (first..).zip(*sums) {
                if u32::from(sum) >= self.floor {
                    self.note(window * WINDOW + local, sum)?;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, row: u32, sum: u16) -> Result<()> {
        if row >= self.plan.lexical.rows() {
            return Err(self.plan.corrupt(Damaged));
        }
        if self.allowed.is_some_and(|words| words[row as usize / 64] >> (row % 64) & 1 == 0) {
            return Ok(());
        }
        let Scratch { hits, best, .. } = &mut *self.scratch;
        hits.push((sum, row));
        if best.len() < self.k {
            best.push(Reverse(sum));
        } else if best.peek().is_some_and(|least| sum > least.0) {
            best.pop();
            best.push(Reverse(sum));
        } else {
            return Ok(());
        }
        if best.len() == self.k
            && let Some(&Reverse(least)) = best.peek()
        {
            self.floor = self.floor.max(self.scale.floor_of_sum(least));
        }
        Ok(())
    }
}

/// The blocks of greatest bounds: at least [`PROMISING`].
fn promising(bounds: &Maxima) -> u64 {
    let mut sorted = *bounds;
    let least = *sorted.select_nth_unstable(BLOCKS - PROMISING).1;
    (0..BLOCKS).fold(0, |blocks, block| blocks | u64::from(bounds[block] >= least) << block)
}

/// An impact that at least `wanted` postings of a term reach; 0 if that is not known.
fn reached(postings: &Postings<'_>, wanted: usize) -> u8 {
    match postings {
        Postings::One { .. } => 0,
        Postings::Flat { impacts, .. } => match wanted.checked_sub(1).filter(|&at| at < impacts.len()) {
            Some(at) => {
                let mut sorted = [0; 256];
                let sorted = &mut sorted[..impacts.len()];
                sorted.copy_from_slice(impacts);
                *sorted.select_nth_unstable_by(at, |a, b| b.cmp(a)).1
            }
            None => 0,
        },
        Postings::Windows { ranked, .. } => {
            let rank = RANKS.iter().position(|&rank| rank as usize >= wanted);
            rank.map_or(0, |rank| ranked[rank])
        }
    }
}

/// The words of one window in a bitmap over all rows.
fn window_words(words: &[u64], window: u32) -> &[u64] {
    let size = WINDOW_ROWS / 64;
    let start = (window as usize * size).min(words.len());
    &words[start..words.len().min(start + size)]
}
