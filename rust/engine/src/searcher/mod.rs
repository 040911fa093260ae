//! Answers a query from one snapshot: dense and lexical lists, fused, in a total order.
//!
//! Ranks by score, ties by (`document_id`, ordinal). Because rows ascend in that order within a segment, each segment's
//! own ranking is right and only the segments' best lists have to be merged.

mod compile;
mod explain;
mod highlights;
mod reading;
mod rows;
mod stages;
mod tree;

use std::collections::{BTreeMap, HashSet};

use ragstone_kernels::top::Top;

use crate::bitmap::Bitmap;
use crate::chunks::ChunkView;
use crate::dense::{Effort, Exact, exact_score};
use crate::error::Result;
use crate::filter::Filter;
use crate::fusion::{self, Candidate, DenseScale, LexicalScale, Parts, Rule};
use crate::instructions::active_kernels;
use crate::interrupt::{Interrupt, Never};
use crate::lexical::{Bm25, idf};
use crate::segment::LiveSegment;
use crate::snapshot::Snapshot;
use crate::writer::checked_unit;

pub use compile::Words;
pub use explain::TermPart;
pub use highlights::Highlights;
pub use reading::Reading;
pub use stages::Stages;

use compile::Compiled;
use stages::Laps;

/// Best scores of each list that are reported with an answer, for judging whether it is one.
const EVIDENCE: usize = 10;
/// Deepest list that plain convex fusion scales by; with a shallower one the worst of few good hits would count 0.
const CONVEX_DEPTH: usize = 1000;

/// Which halves search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Both, fused by a rule.
    Hybrid(Rule),
    /// Cosine alone.
    Dense,
    /// BM25 alone.
    Bm25,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Words for BM25.
    pub words: Option<Words<'a>>,
    /// Unit vector for the dense half.
    pub vector: Option<&'a [f32]>,
    /// Which halves search.
    pub mode: Mode,
    /// Whether the dense list is certain, at the price of reading eight times as much.
    pub exact: bool,
    /// Threads that may share this query, where a segment is large enough.
    pub threads: usize,
    /// Most hits wanted.
    pub top_k: usize,
    /// Which documents may be found.
    pub filter: Option<&'a Filter>,
    /// Documents that may not be found, by id; unknown ones are no error.
    pub without: &'a [String],
    /// Who asks.
    pub principals: &'a [String],
    /// Whether each hit is told what every word added to its score.
    pub explain: bool,
    /// Whether the best hits are read for what they have of the query, which [`Evidence::reading`] tells.
    pub evidence: bool,
}

/// A row of a segment of the snapshot.
type Place = (u32, u32);

/// One hit.
#[derive(Clone, Debug)]
pub struct Found {
    /// Segment, by place in the snapshot.
    pub segment: u32,
    /// Row in the segment.
    pub row: u32,
    /// Higher is better.
    pub score: f32,
    /// What each half adds to the score.
    pub parts: Parts,
    /// Exact scores and ranks in both halves.
    pub candidate: Candidate,
}

/// What a query looked like to the index: the raw material of answerability.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Distinct terms of the query.
    pub terms: usize,
    /// Those that occur in the index.
    pub terms_known: usize,
    /// Sum of idf over all terms; one that is unknown counts as if it occurred once.
    pub idf_sum: f64,
    /// The best BM25 scores, best first.
    pub bm25: Vec<f32>,
    /// Spread of the query's BM25 scores over the corpus.
    pub bm25_spread: f64,
    /// The best cosines, best first.
    pub cosine: Vec<f32>,
    /// Mean cosine with the sample of the corpus.
    pub cosine_mean: f64,
    /// Standard deviation of the cosine with the sample of the corpus.
    pub cosine_spread: f64,
    /// Whether both halves have the same best hit.
    pub agree: bool,
    /// How many of the best ten hits of one half are among those of the other.
    pub shared: usize,
    /// What the best hits have of the query, where that was asked for.
    pub reading: Reading,
}

/// The answer to a query.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Hits, best first.
    pub found: Vec<Found>,
    /// What of the query is marked in texts.
    pub highlights: Highlights,
    /// What the query looked like to the index.
    pub evidence: Evidence,
    /// For each hit what its words added to its BM25 score, where that was asked for.
    pub explanations: Vec<Vec<TermPart>>,
    /// What the asker should know about the query.
    pub warnings: Vec<String>,
    /// Where the time went.
    pub stages: Stages,
}

/// Rows with their scores, best first. BM25 and fast cosines are f32, which f64 holds without loss.
type Ranked = Vec<(Place, f64)>;

/// The lexical half of a query.
struct LexicalHalf {
    compiled: Compiled,
    /// By segment, what lists add to the scores of rows.
    additions: Vec<BTreeMap<u32, f64>>,
    scale: LexicalScale,
    list: Ranked,
}

/// The dense half of a query.
struct DenseHalf {
    scale: DenseScale,
    list: Ranked,
}

struct Search<'a> {
    snapshot: &'a Snapshot,
    allowed: Vec<Option<Bitmap>>,
    interrupt: &'a dyn Interrupt,
}

impl Snapshot {
    /// Answers a query.
    pub fn search(&self, query: &Query<'_>, interrupt: &dyn Interrupt) -> Result<Outcome> {
        let mut laps = Laps::start();
        let mut stages = Stages::default();
        let mut search = Search { snapshot: self, allowed: self.allowed(query)?, interrupt };
        stages.filter = laps.next();
        let depth = match query.mode {
            Mode::Hybrid(Rule::Convex { .. }) => CONVEX_DEPTH.max(query.top_k),
            Mode::Hybrid(_) => fusion::DEPTH.max(query.top_k),
            Mode::Dense | Mode::Bm25 => query.top_k.max(EVIDENCE),
        };
        // No list can be longer than the index, and a hostile top_k must not size anything.
        let depth = depth.min(usize::try_from(self.rows).unwrap_or(usize::MAX));
        let mut evidence = Evidence::default();
        let dimension = self.manifest.settings.embedder.as_ref().map(|embedder| embedder.dimension as usize);
        let unit = match (query.vector, dimension) {
            (Some(vector), Some(dimension)) => Some(checked_unit(vector, dimension, "query vector")?),
            // An index without an embedder has no vectors to find.
            _ => None,
        };
        let vector = unit.as_deref();
        let lexical = match (query.mode, query.words) {
            (_, None) | (Mode::Dense, Some(Words::Text(_))) => None,
            (_, Some(words)) => Some(search.lexical(words, query, depth, &mut evidence)?),
        };
        if let Some(half) = &lexical {
            // What the structured form demands binds vectors too.
            for (allowed, demanded) in search.allowed.iter_mut().zip(&half.compiled.demanded) {
                *allowed = both(allowed.take(), demanded.as_ref());
            }
        }
        stages.lexical = laps.next();
        let dense = match (query.mode, vector) {
            (Mode::Bm25, _) | (_, None) => None,
            (_, Some(vector)) => Some(search.dense(vector, depth, query, &mut evidence)?),
        };
        stages.dense = laps.next();
        if let (Some(lexical), Some(dense)) = (&lexical, &dense) {
            evidence.agree = lexical.list.first().map(|hit| hit.0) == dense.list.first().map(|hit| hit.0);
            let best: HashSet<Place> = lexical.list.iter().take(EVIDENCE).map(|hit| hit.0).collect();
            evidence.shared = dense.list.iter().take(EVIDENCE).filter(|hit| best.contains(&hit.0)).count();
        }
        let mut found = match query.mode {
            Mode::Hybrid(rule) => search.fuse(rule, vector, lexical.as_ref(), dense.as_ref())?,
            Mode::Dense => dense.iter().flat_map(DenseHalf::found).collect(),
            Mode::Bm25 => lexical.iter().flat_map(LexicalHalf::found).collect(),
        };
        if query.evidence {
            let mean = dense.as_ref().map(|half| half.scale.mean);
            evidence.reading = search.read(query.words, lexical.as_ref(), mean, &found)?;
        }
        found.truncate(query.top_k);
        stages.fuse = laps.next();
        let mut explanations = Vec::new();
        if let Some(half) = lexical.as_ref().filter(|_| query.explain) {
            explanations = found.iter().map(|one| self.explain(half, one)).collect::<Result<_>>()?;
        }
        let (highlights, warnings) =
            lexical.map_or_else(Default::default, |half| (half.compiled.highlights, half.compiled.warnings));
        Ok(Outcome { found, highlights, evidence, explanations, warnings, stages })
    }

    /// The rows of each segment that may be found; `None` where all may.
    fn allowed(&self, query: &Query<'_>) -> Result<Vec<Option<Bitmap>>> {
        let allowed = |segment: &LiveSegment| {
            let metadata = &segment.segment.metadata;
            let mut documents = query.filter.map(|filter| metadata.matching(filter));
            if metadata.has_restricted() {
                let visible = metadata.visible_to(query.principals);
                match &mut documents {
                    Some(documents) => documents.intersect(&visible),
                    None => documents = Some(visible),
                }
            }
            let all_live = segment.live.count() == segment.entry.rows;
            match documents {
                None if all_live => None,
                None => Some((*segment.live).clone()),
                Some(documents) => {
                    let mut rows = segment.segment.chunks.rows_of(&documents);
                    rows.intersect(&segment.live);
                    Some(rows)
                }
            }
        };
        let mut rows: Vec<Option<Bitmap>> = self.segments.iter().map(allowed).collect();
        for document_id in query.without {
            for (segment, rows) in self.segments.iter().zip(&mut rows) {
                let chunks = &segment.segment.chunks;
                if let Some(number) = chunks.find(document_id)? {
                    let (start, end) = chunks.document(number).rows();
                    let rows = rows.get_or_insert_with(|| Bitmap::full(segment.entry.rows));
                    (start..end).for_each(|row| rows.remove(row));
                }
            }
        }
        Ok(rows)
    }

    /// The chunk of a hit.
    pub fn chunk(&self, found: &Found) -> ChunkView<'_> {
        self.segments[found.segment as usize].chunk(found.row)
    }

    /// The documents of an outcome's hits with the score of their best chunk, best first.
    pub fn documents_of(&self, outcome: &Outcome) -> Result<Vec<(String, f32)>> {
        let mut seen = HashSet::new();
        let mut documents = Vec::new();
        for found in &outcome.found {
            let document_id = self.chunk(found).document().document_id()?;
            if seen.insert(document_id) {
                documents.push((document_id.to_owned(), found.score));
            }
        }
        Ok(documents)
    }

    fn bm25(&self) -> Bm25 {
        Bm25 { k1: self.manifest.settings.k1, b: self.manifest.settings.b }
    }

    /// Whether one chunk stands before another where their scores are equal.
    fn tie(&self, a: Place, b: Place) -> Result<std::cmp::Ordering> {
        if a.0 == b.0 {
            return Ok(a.1.cmp(&b.1));
        }
        let key = |place: Place| -> Result<(&str, u32)> {
            let chunk = self.segments[place.0 as usize].chunk(place.1);
            Ok((chunk.document().document_id()?, chunk.ordinal()))
        };
        Ok(key(a)?.cmp(&key(b)?))
    }

    /// Sorts by score, ties by chunk.
    fn rank<T>(&self, list: &mut [T], key: impl Fn(&T) -> (f64, Place)) -> Result<()> {
        let mut damage = None;
        list.sort_by(|a, b| {
            let ((a_score, a_place), (b_score, b_place)) = (key(a), key(b));
            b_score.total_cmp(&a_score).then_with(|| {
                self.tie(a_place, b_place).unwrap_or_else(|error| {
                    damage = Some(error);
                    std::cmp::Ordering::Equal
                })
            })
        });
        damage.map_or(Ok(()), Err)
    }
}

/// A score with what lists add; 0 where a field's factor of 0 took away all but the rounding.
fn with_addition(score: f32, addition: f64) -> f32 {
    let sum = f64::from(score) + addition;
    if sum > 1e-6 * addition.abs() { sum as f32 } else { 0.0 }
}

/// The rows in both sets; `None` is all of them.
fn both(one: Option<Bitmap>, other: Option<&Bitmap>) -> Option<Bitmap> {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            one.intersect(other);
            Some(one)
        }
        (one, other) => one.or_else(|| other.cloned()),
    }
}

impl Search<'_> {
    fn lexical(
        &self,
        words: Words<'_>,
        query: &Query<'_>,
        depth: usize,
        evidence: &mut Evidence,
    ) -> Result<LexicalHalf> {
        let snapshot = self.snapshot;
        let live = || snapshot.segments.iter().map(|segment| Some((*segment.live).clone()));
        let compiled = match words {
            Words::Text(text) => Compiled::of_text(snapshot, text, query.explain)?,
            Words::Structured(tree) => {
                let vectors = query.mode != Mode::Bm25;
                // Fused scores must not move with a filter: what they are made of is taken from all live rows.
                let base = if vectors { live().collect() } else { self.allowed.clone() };
                Compiled::of_tree(snapshot, tree, base, vectors, self.interrupt)?
            }
        };
        let mut spread = Vec::new();
        for asked in compiled.asked.values() {
            evidence.terms += 1;
            evidence.idf_sum += idf(snapshot.rows, asked.frequency.max(1));
            if asked.frequency > 0 {
                evidence.terms_known += 1;
                spread.push((asked.weight, asked.frequency as f64 / snapshot.rows as f64));
            }
        }
        for list in compiled.lists.iter().filter(|list| list.whole) {
            evidence.terms += 1;
            evidence.terms_known += usize::from(list.len() > 0);
            evidence.idf_sum += list.weight;
            spread.push((list.weight, list.len() as f64 / snapshot.rows.max(1) as f64));
        }
        let additions = (0..snapshot.segments.len()).map(|segment| compiled.additions(segment)).collect();
        let mut half = LexicalHalf { compiled, additions, scale: LexicalScale::default(), list: Ranked::new() };
        half.list = self.bm25_list(&half, &self.allowed, depth)?;
        let filtered = self
            .allowed
            .iter()
            .zip(&snapshot.segments)
            .any(|(allowed, segment)| allowed.as_ref().is_some_and(|allowed| allowed != &*segment.live));
        let best = if filtered {
            self.bm25_list(&half, &live().collect::<Vec<_>>(), 1)?.first().map(|hit| hit.1)
        } else {
            half.list.first().map(|hit| hit.1)
        };
        half.scale = LexicalScale::new(spread.into_iter(), best.unwrap_or(0.0));
        evidence.bm25 = half.list.iter().take(EVIDENCE).map(|hit| hit.1 as f32).collect();
        evidence.bm25_spread = half.scale.spread;
        Ok(half)
    }

    fn bm25_list(&self, half: &LexicalHalf, allowed: &[Option<Bitmap>], depth: usize) -> Result<Ranked> {
        let (snapshot, compiled) = (self.snapshot, &half.compiled);
        self.list(depth, |number, segment, floor| {
            let lexical = &segment.segment.lexical;
            let (terms, average, bm25) = (&compiled.terms, snapshot.average_length(), snapshot.bm25());
            let mut top = Top::above(depth, floor as f32);
            let (additions, words) = (&half.additions[number], compiled.words.get(number).and_then(Option::as_ref));
            let narrowed = words.and_then(|words| both(allowed[number].clone(), Some(words)));
            let mut allowed = narrowed.as_ref().or(allowed[number].as_ref());
            let mut others;
            if !additions.is_empty() {
                // Rows that lists add to are scored one by one, all others as ever.
                others = allowed.cloned().unwrap_or_else(|| Bitmap::full(segment.entry.rows));
                let rows: Vec<u32> = additions.keys().copied().filter(|&row| others.contains(row)).collect();
                for (&row, score) in rows.iter().zip(lexical.scores(terms, average, bm25, &rows)?) {
                    let score = with_addition(score, additions[&row]);
                    if score > 0.0 {
                        top.push(score, row);
                    }
                    others.remove(row);
                }
                allowed = Some(&others);
            }
            lexical.search(terms, average, bm25, allowed, 0, &mut top, self.interrupt)?;
            Ok(scores(top))
        })
    }

    fn dense(&self, vector: &[f32], depth: usize, query: &Query<'_>, evidence: &mut Evidence) -> Result<DenseHalf> {
        let effort = Effort { threads: query.threads, interrupt: self.interrupt };
        let list = self.list(depth, |number, segment, _| {
            let allowed = self.allowed[number].as_ref();
            let parts = segment.vectors.iter().map(|part| (&part.vectors, part.entry.first_row));
            if query.exact {
                let mut top: Top<Exact<u32>> = Top::new(depth);
                for (vectors, first_row) in parts {
                    vectors.search_exact(vector, first_row, allowed, &mut top, self.interrupt)?;
                }
                return Ok(top.into_sorted().into_iter().map(|hit| (hit.row.1, exact_score(&hit.row))).collect());
            }
            let mut top = Top::new(depth);
            for (vectors, first_row) in parts {
                vectors.search(vector, first_row, allowed, &mut top, effort)?;
            }
            Ok(scores(top))
        })?;
        let kernels = active_kernels()?;
        let cosines: Vec<f32> = self.snapshot.sample()?.iter().map(|drawn| kernels.dot(vector, drawn)).collect();
        let scale = DenseScale::of(&cosines);
        evidence.cosine = list.iter().take(EVIDENCE).map(|hit| hit.1 as f32).collect();
        (evidence.cosine_mean, evidence.cosine_spread) = (scale.mean, scale.spread);
        Ok(DenseHalf { scale, list })
    }

    /// The best `depth` rows over all segments, of the best rows of each.
    ///
    /// `search` is told the segment, its number and a score below which no row of it is wanted.
    fn list(
        &self,
        depth: usize,
        search: impl Fn(usize, &LiveSegment, f64) -> Result<Vec<(u32, f64)>>,
    ) -> Result<Ranked> {
        let mut all: Ranked = Vec::new();
        for (number, segment) in self.snapshot.segments.iter().enumerate() {
            self.interrupt.check()?;
            let mut floor = f64::NEG_INFINITY;
            if (1..=all.len()).contains(&depth) {
                floor = all.select_nth_unstable_by(depth - 1, |a, b| b.1.total_cmp(&a.1)).1.1;
                all.retain(|&(_, score)| score >= floor);
            }
            let found = search(number, segment, floor)?;
            all.extend(found.into_iter().map(|(row, score)| ((number as u32, row), score)));
        }
        if self.snapshot.segments.len() > 1 {
            self.snapshot.rank(&mut all, |&(place, score)| (score, place))?;
            all.truncate(depth);
        }
        Ok(all)
    }

    fn fuse(
        &self,
        rule: Rule,
        vector: Option<&[f32]>,
        lexical: Option<&LexicalHalf>,
        dense: Option<&DenseHalf>,
    ) -> Result<Vec<Found>> {
        let lexical = lexical.filter(|half| !half.list.is_empty());
        let dense = dense.filter(|half| !half.list.is_empty());
        let mut candidates: BTreeMap<Place, Candidate> = BTreeMap::new();
        for (rank, &(place, _)) in (1..).zip(lexical.iter().flat_map(|half| &half.list)) {
            candidates.entry(place).or_default().bm25_rank = Some(rank);
        }
        for (rank, &(place, _)) in (1..).zip(dense.iter().flat_map(|half| &half.list)) {
            candidates.entry(place).or_default().dense_rank = Some(rank);
        }
        self.complete(&mut candidates, vector.filter(|_| dense.is_some()), lexical)?;
        let places: Vec<Place> = candidates.keys().copied().collect();
        let candidates: Vec<Candidate> = candidates.into_values().collect();
        let parts = fusion::fuse(rule, lexical.map(|half| half.scale), dense.map(|half| half.scale), &candidates);
        let mut found: Vec<Found> = places
            .into_iter()
            .zip(candidates)
            .zip(parts)
            .map(|(((segment, row), candidate), parts)| Found { segment, row, score: parts.score(), parts, candidate })
            .collect();
        self.snapshot.rank(&mut found, |one| (f64::from(one.score), (one.segment, one.row)))?;
        Ok(found)
    }

    /// Gives every candidate its exact score in both halves.
    fn complete(
        &self,
        candidates: &mut BTreeMap<Place, Candidate>,
        vector: Option<&[f32]>,
        lexical: Option<&LexicalHalf>,
    ) -> Result<()> {
        let (snapshot, kernels) = (self.snapshot, active_kernels()?);
        for (number, segment) in snapshot.segments.iter().enumerate() {
            let range = (number as u32, 0)..=(number as u32, u32::MAX);
            let rows: Vec<u32> = candidates.range(range.clone()).map(|((_, row), _)| *row).collect();
            if rows.is_empty() {
                continue;
            }
            let bm25 = match lexical {
                Some(half) => snapshot.bm25_scores(half, number, &rows)?,
                None => vec![0.0; rows.len()],
            };
            for (((_, candidate), bm25), row) in candidates.range_mut(range).zip(bm25).zip(rows) {
                candidate.bm25 = bm25;
                candidate.cosine =
                    vector.and_then(|vector| segment.vector(row).map(|stored| kernels.dot(vector, stored)));
            }
        }
        Ok(())
    }
}

fn scores(top: Top) -> Vec<(u32, f64)> {
    top.into_sorted().into_iter().map(|hit| (hit.row, f64::from(hit.score))).collect()
}

impl LexicalHalf {
    fn found(&self) -> impl Iterator<Item = Found> {
        (1..).zip(&self.list).map(|(rank, &((segment, row), score))| Found {
            segment,
            row,
            score: score as f32,
            parts: Parts { bm25: score, dense: 0.0 },
            candidate: Candidate { bm25: score as f32, bm25_rank: Some(rank), ..Candidate::default() },
        })
    }
}

impl DenseHalf {
    fn found(&self) -> impl Iterator<Item = Found> {
        (1..).zip(&self.list).map(|(rank, &((segment, row), score))| Found {
            segment,
            row,
            score: score as f32,
            parts: Parts { bm25: 0.0, dense: score },
            candidate: Candidate { cosine: Some(score as f32), dense_rank: Some(rank), ..Candidate::default() },
        })
    }
}

impl Snapshot {
    /// Answers many queries on several threads; the results are those of [`Self::search`], whatever the threads.
    pub fn search_batch(
        &self,
        queries: &[Query<'_>],
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<Vec<Outcome>> {
        let share = queries.len().div_ceil(threads.max(1)).max(1);
        let run =
            |part: &[Query<'_>]| part.iter().map(|query| self.search(query, interrupt)).collect::<Result<Vec<_>>>();
        if queries.len() <= share {
            return run(queries);
        }
        // The caller's thread takes the first part itself: it is the one that an interrupt can reach.
        let (own, others) = queries.split_at(share);
        let parts: Vec<Result<Vec<Outcome>>> = std::thread::scope(|scope| {
            let workers: Vec<_> = others.chunks(share).map(|part| scope.spawn(move || run(part))).collect();
            let first = std::iter::once(run(own));
            let rest = workers.into_iter().map(|worker| worker.join().expect("a search does not panic"));
            first.chain(rest).collect()
        });
        let outcomes = parts.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Answers a query without a way to stop it.
    pub fn search_to_end(&self, query: &Query<'_>) -> Result<Outcome> {
        self.search(query, &Never)
    }
}
