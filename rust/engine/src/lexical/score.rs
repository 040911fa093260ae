//! BM25 in the Lucene form, exact: sums in f64 in the order of the query's terms, rounded once to f32.
//!
//! Robertson, Zaragoza: The Probabilistic Relevance Framework (2009); without the constant factor k1 + 1. Statistics
//! are the caller's, over all segments, so a score does not depend on how rows are spread over them.
//!
//! A search visits windows of rows by descending bound and stops where no window can reach the worst of the best k.
//! Inside a window, terms that together cannot lift a row over that score are only looked up for rows that others
//! bring near it.

use std::cell::RefCell;
use std::ops::Range;

use ragstone_kernels::top::Top;

use super::encode::WINDOW;
use super::reader::{Lexical, Piece, Postings, TermId};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

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

/// The part of the formula that depends on the length of a row: k1 (1 - b + b length / average).
#[derive(Clone, Copy, Debug)]
pub(super) struct Norm {
    base: f64,
    slope: f64,
}

impl Norm {
    pub(super) fn new(bm25: Bm25, average_length: f64) -> Self {
        Self { base: bm25.k1 * (1.0 - bm25.b), slope: bm25.k1 * bm25.b / average_length }
    }

    /// count / (count + norm)
    #[inline]
    pub(super) fn saturation(&self, count: u32, length: u32) -> f64 {
        let count = f64::from(count);
        count / (count + (self.base + self.slope * f64::from(length)))
    }

    /// Upper bounds of the saturation for every stored impact.
    ///
    /// An impact x was taken under another norm. The quotient of the norms, two straight lines over the length, is
    /// nowhere below c, the lesser quotient of their coefficients; so the count over its norm grew by 1 / c at most.
    fn bounds(&self, reference: Self) -> [f64; 256] {
        let quotient = |new: f64, old: f64| if old > 0.0 { new / old } else { f64::INFINITY };
        let least = quotient(self.base, reference.base).min(quotient(self.slope, reference.slope));
        std::array::from_fn(|impact| {
            let stored = impact as f64 / 255.0;
            let bound = stored / (stored + (1.0 - stored) * least);
            // Covers the rounding of both sides; an impact or quotient without meaning bounds nothing.
            if bound > 0.0 && least.is_finite() { (bound * (1.0 + 1e-9)).min(1.0) } else { 1.0 }
        })
    }
}

/// Whether a row whose score is bounded so can still be among the best: at `floor` a lesser row number decides.
fn reaches(bound: f64, floor: f32) -> bool {
    // Rounding to f32 keeps order; the factor covers the roundings of the sums, in whatever order they were taken.
    (bound * (1.0 + 1e-9)) as f32 >= floor
}

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
        let plan = Plan::new(self, query, average_length, bm25)?;
        let mut scratch = SCRATCH.take();
        scratch.fit((self.rows().min(WINDOW)) as usize);
        let mut pass = Pass { plan: &plan, allowed: allowed.map(Bitmap::words), first_row, scratch };
        for window in &plan.windows {
            if !reaches(window.bound, top.floor()) {
                break;
            }
            interrupt.check()?;
            pass.window(window, top)?;
        }
        // Only a search that ended well leaves its scratch clean.
        SCRATCH.set(pass.scratch);
        Ok(())
    }

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

struct PlannedTerm<'a> {
    name: &'a str,
    id: TermId,
    weight: f64,
}

/// A piece of the postings of `terms[term]` with the most that it can add to a score.
struct PlannedPiece<'a> {
    term: usize,
    bound: f64,
    piece: Piece<'a>,
}

struct PlannedWindow {
    window: u32,
    bound: f64,
    pieces: Range<usize>,
}

/// A query resolved in one inverted index.
struct Plan<'a> {
    lexical: &'a Lexical,
    norm: Norm,
    terms: Vec<PlannedTerm<'a>>,
    /// By window, then in the order of the terms.
    pieces: Vec<PlannedPiece<'a>>,
    /// By descending bound.
    windows: Vec<PlannedWindow>,
}

impl<'a> Plan<'a> {
    fn new(lexical: &'a Lexical, query: &'a [WeightedTerm], average_length: f64, bm25: Bm25) -> Result<Self> {
        bm25.check()?;
        if !(average_length.is_finite() && average_length > 0.0) {
            return Err(Error::invalid(format!("average length must be positive, got {average_length}")));
        }
        let norm = Norm::new(bm25, average_length);
        let (reference, reference_average) = lexical.reference();
        let bounds = norm.bounds(Norm::new(reference, reference_average));
        let (mut terms, mut pieces) = (Vec::new(), Vec::new());
        for WeightedTerm { term: name, weight } in query {
            if !(0.0..f64::INFINITY).contains(weight) {
                return Err(Error::invalid(format!(
                    "weight of {name:?} must be finite and not negative, got {weight}"
                )));
            }
            let Some(id) = lexical.term(name)? else { continue };
            let term = terms.len();
            terms.push(PlannedTerm { name, id, weight: *weight });
            lexical.visit(id, |piece| {
                pieces.push(PlannedPiece { term, bound: weight * bounds[usize::from(piece.impact)], piece });
                Ok(())
            })?;
        }
        pieces.sort_by_key(|planned| planned.piece.window);
        let mut windows = Vec::new();
        let mut start = 0;
        for here in pieces.chunk_by(|a, b| a.piece.window == b.piece.window) {
            let bound = here.iter().map(|planned| planned.bound).sum();
            windows.push(PlannedWindow { window: here[0].piece.window, bound, pieces: start..start + here.len() });
            start += here.len();
        }
        windows.sort_by(|a, b| b.bound.total_cmp(&a.bound));
        Ok(Self { lexical, norm, terms, pieces, windows })
    }

    /// Visits the terms that occur in `row` in their order, with count and contribution.
    fn each(&self, row: u32, visit: impl FnMut(&PlannedTerm<'a>, u32, f64)) -> Result<()> {
        let window = row / WINDOW;
        let start = self.pieces.partition_point(|planned| planned.piece.window < window);
        let end = start + self.pieces[start..].partition_point(|planned| planned.piece.window == window);
        self.each_of(&self.pieces[start..end], row, visit)
    }

    fn each_of(
        &self,
        pieces: &[PlannedPiece<'a>],
        row: u32,
        mut visit: impl FnMut(&PlannedTerm<'a>, u32, f64),
    ) -> Result<()> {
        let length = self.lexical.length(row);
        for planned in pieces {
            let term = &self.terms[planned.term];
            if let Some(count) = self.lexical.find(term.id, &planned.piece, row)? {
                visit(term, count, term.weight * self.norm.saturation(count, length));
            }
        }
        Ok(())
    }

    fn score(&self, row: u32) -> Result<f64> {
        let mut sum = 0.0;
        self.each(row, |_, _, contribution| sum += contribution)?;
        Ok(sum)
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Sums of the rows of one window; all zero between windows.
#[derive(Default)]
struct Scratch {
    sums: Vec<f64>,
    /// One bit per row that has a sum.
    seen: Vec<u64>,
    /// Indices of a window's pieces by ascending bound.
    order: Vec<usize>,
}

impl Scratch {
    fn fit(&mut self, rows: usize) {
        if self.sums.len() < rows {
            self.sums.resize(rows, 0.0);
            self.seen.resize(rows.div_ceil(64), 0);
        }
    }
}

/// One search on its way through the windows.
struct Pass<'a> {
    plan: &'a Plan<'a>,
    allowed: Option<&'a [u64]>,
    first_row: u32,
    scratch: Scratch,
}

impl<'a> Pass<'a> {
    fn window(&mut self, window: &PlannedWindow, top: &mut Top) -> Result<()> {
        let plan = self.plan;
        let pieces = &plan.pieces[window.pieces.clone()];
        let base = window.window * WINDOW;
        let allowed = self.allowed.map(|words| window_words(words, window.window));
        let allowed_count: Option<u32> = allowed.map(|words| words.iter().map(|word| word.count_ones()).sum());
        if allowed_count == Some(0) {
            return Ok(());
        }
        // The pieces of least bound that cannot bring a row to the floor together.
        let floor = top.floor();
        let order = &mut self.scratch.order;
        order.clear();
        order.extend(0..pieces.len());
        order.sort_by(|&a, &b| pieces[a].bound.total_cmp(&pieces[b].bound));
        let (mut rest, mut idle) = (0.0, 0);
        while idle < order.len() && !reaches(rest + pieces[order[idle]].bound, floor) {
            rest += pieces[order[idle]].bound;
            idle += 1;
        }
        let postings = |order: &[usize]| order.iter().map(|&at| pieces[at].piece.len()).sum::<usize>();
        let (idle_postings, busy_postings) = (postings(&order[..idle]), postings(&order[idle..]));

        // A look-up costs as much as some tens of postings in a row.
        if let (Some(words), Some(count)) = (allowed, allowed_count)
            && count as usize * pieces.len() * LOOKUP < idle_postings + busy_postings
        {
            return bits(words, |local| self.offer_exactly(pieces, base + local, top));
        }
        let mut partial = idle > 0 && busy_postings * 2 < idle_postings;
        if partial {
            // Kept in the order of the terms although a partial sum is only compared, never returned.
            self.scratch.order.drain(..idle);
            self.scratch.order.sort_unstable();
            for at in 0..self.scratch.order.len() {
                self.add(&pieces[self.scratch.order[at]])?;
            }
            // Where too many rows come near the floor, looking them up would cost more than adding everything.
            let near = self.scratch.sums.iter().filter(|&&sum| sum > 0.0 && reaches(sum + rest, floor)).count();
            if near * pieces.len() * LOOKUP > idle_postings + busy_postings {
                self.scratch.sums.fill(0.0);
                self.scratch.seen.fill(0);
                partial = false;
            }
        }
        if !partial {
            pieces.iter().try_for_each(|planned| self.add(planned))?;
        }
        let words = self.scratch.seen.len().min(WINDOW as usize / 64);
        for at in 0..words {
            let seen = std::mem::take(&mut self.scratch.seen[at]);
            let wanted = allowed.map_or(seen, |words| seen & words.get(at).copied().unwrap_or(0));
            bits(&[seen], |bit| {
                let local = at as u32 * 64 + bit;
                let sum = std::mem::take(&mut self.scratch.sums[local as usize]);
                if wanted >> bit & 1 == 0 {
                    return Ok(());
                }
                if partial {
                    return if reaches(sum + rest, top.floor()) {
                        self.offer_exactly(pieces, base + local, top)
                    } else {
                        Ok(())
                    };
                }
                self.offer(sum, base + local, top);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn offer(&self, sum: f64, row: u32, top: &mut Top) {
        if sum > 0.0 {
            top.push(sum as f32, self.first_row + row);
        }
    }

    fn offer_exactly(&self, pieces: &[PlannedPiece<'a>], row: u32, top: &mut Top) -> Result<()> {
        let mut sum = 0.0;
        self.plan.each_of(pieces, row, |_, _, contribution| sum += contribution)?;
        self.offer(sum, row, top);
        Ok(())
    }

    /// Adds what a piece contributes to the sums of its rows.
    fn add(&mut self, planned: &PlannedPiece<'_>) -> Result<()> {
        let Plan { lexical, norm, terms, .. } = self.plan;
        let PlannedTerm { id, weight, .. } = terms[planned.term];
        let base = planned.piece.window * WINDOW;
        let lengths = lexical.lengths().get(base as usize..).unwrap_or_default();
        let lengths = &lengths[..lengths.len().min(WINDOW as usize)];
        let sums = &mut self.scratch.sums[..lengths.len()];
        let seen = &mut self.scratch.seen;
        let outside = || lexical.corrupt_postings("a row lies outside the file");
        let mut put = |local: usize, count: u32| {
            let (Some(sum), Some(&length)) = (sums.get_mut(local), lengths.get(local)) else { return false };
            *sum += weight * norm.saturation(count, length);
            seen[local / 64] |= 1 << (local % 64);
            true
        };
        match planned.piece.postings {
            Postings::One { row, count } => {
                if !put((row - base) as usize, count) {
                    return Err(outside());
                }
            }
            Postings::Flat { rows, counts } => {
                for (&row, &count) in rows.iter().zip(counts) {
                    if !put((row - base) as usize, lexical.widen(id, row, count)?) {
                        return Err(outside());
                    }
                }
            }
            Postings::Window { rows, counts } => {
                for (&local, &count) in rows.iter().zip(counts) {
                    let count = lexical.widen(id, base.wrapping_add(u32::from(local)), count)?;
                    if !put(usize::from(local), count) {
                        return Err(outside());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Postings read one after another in the time of one look-up.
const LOOKUP: usize = 16;

impl Piece<'_> {
    fn len(&self) -> usize {
        match self.postings {
            Postings::One { .. } => 1,
            Postings::Flat { counts, .. } | Postings::Window { counts, .. } => counts.len(),
        }
    }
}

/// The words of one window in a bitmap over all rows.
fn window_words(words: &[u64], window: u32) -> &[u64] {
    let size = WINDOW as usize / 64;
    let start = (window as usize * size).min(words.len());
    &words[start..words.len().min(start + size)]
}

/// Visits the numbers of the set bits in order.
fn bits(words: &[u64], mut visit: impl FnMut(u32) -> Result<()>) -> Result<()> {
    for (at, &word) in words.iter().enumerate() {
        let mut left = word;
        while left != 0 {
            visit(at as u32 * 64 + left.trailing_zeros())?;
            left &= left - 1;
        }
    }
    Ok(())
}
