//! Fuses the two halves of a hybrid search into one ranking.
//!
//! The default rule is linear and scales each half by its own spread over the corpus, because no fixed weight is safe:
//!
//! ```text
//! spread_bm25 = 0.5 sqrt( sum_t qtf_t² idf_t² p_t (1 - p_t) ),  p_t = df_t / N     from document frequencies alone
//! scale_bm25  = min( 1 / spread_bm25, 12 / best_bm25 )                             the best hit counts 12 at most
//! score       = scale_bm25 · bm25(d) + weight · (cos(q, d) - mean) / spread        mean, spread over a fixed sample
//! ```
//!
//! Over the union of both lists, each with exact scores of the other half. A half that finds nothing drops out.

/// Chunks in each list whose union is fused.
pub const DEPTH: usize = 100;
/// Chunks drawn for the mean and spread of the cosine.
pub const SAMPLE: usize = 256;
/// Most that the best BM25 score of the corpus counts, in spreads.
const CAP: f64 = 12.0;
/// Rank constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009).
const RECIPROCAL: f64 = 60.0;

/// How two rankings become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// The self-scaling rule; `weight` is how much a spread of the cosine counts against a spread of BM25.
    SelfScaling {
        /// 2 suits all-MiniLM-L6-v2; weaker embedders want less.
        weight: f64,
    },
    /// Both halves scaled to 0..1, then `weight` for the dense one and `1 - weight` for BM25.
    Convex {
        /// Share of the dense half, from 0 to 1.
        weight: f64,
    },
    /// Sum over both rankings of `1 / (60 + rank)`.
    ReciprocalRank,
}

/// What the lexical half knows of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LexicalScale {
    /// Spread of the query's BM25 scores over the corpus, from document frequencies.
    pub spread: f64,
    /// Best BM25 score of any live chunk, whatever the filter: scores must not move with it.
    pub best: f64,
}

/// What the dense half knows of a query: cosines with the fixed sample of the corpus.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DenseScale {
    /// Mean of the cosines.
    pub mean: f64,
    /// Their standard deviation.
    pub spread: f64,
}

impl LexicalScale {
    /// From (qtf · idf, p) of each term, p its document frequency over the number of chunks.
    pub fn new(terms: impl Iterator<Item = (f64, f64)>, best: f64) -> Self {
        let variance: f64 = terms.map(|(weight, p)| weight * weight * p * (1.0 - p)).sum();
        Self { spread: 0.5 * variance.max(0.0).sqrt(), best }
    }

    fn factor(self) -> f64 {
        if self.best > 0.0 { (1.0 / self.spread.max(1e-9)).min(CAP / self.best) } else { 0.0 }
    }
}

impl DenseScale {
    /// Mean and population standard deviation of a sample of cosines.
    pub fn of(sample: &[f32]) -> Self {
        if sample.is_empty() {
            return Self::default();
        }
        let count = sample.len() as f64;
        let mean = sample.iter().map(|&cosine| f64::from(cosine)).sum::<f64>() / count;
        let variance = sample.iter().map(|&cosine| (f64::from(cosine) - mean).powi(2)).sum::<f64>() / count;
        Self { mean, spread: variance.sqrt() }
    }
}

/// A chunk in the union of both lists, with its exact scores and its places in the lists, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Candidate {
    /// BM25 score, 0 where no term occurs.
    pub bm25: f32,
    /// Cosine, `None` where the chunk has no vector yet.
    pub cosine: Option<f32>,
    /// Place in the BM25 list.
    pub bm25_rank: Option<u32>,
    /// Place in the dense list.
    pub dense_rank: Option<u32>,
}

/// The two parts of a fused score; they add up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// What BM25 adds.
    pub bm25: f64,
    /// What the cosine adds.
    pub dense: f64,
}

impl Parts {
    /// The fused score.
    pub fn score(self) -> f32 {
        (self.bm25 + self.dense) as f32
    }
}

/// Fused parts of each candidate. `lexical` or `dense` is `None` where that half found nothing.
pub fn fuse(
    rule: Rule,
    lexical: Option<LexicalScale>,
    dense: Option<DenseScale>,
    candidates: &[Candidate],
) -> Vec<Parts> {
    match rule {
        Rule::SelfScaling { weight } => self_scaling(weight, lexical, dense, candidates),
        Rule::Convex { weight } => convex(weight, lexical, dense.is_some(), candidates),
        Rule::ReciprocalRank => {
            let part = |rank: Option<u32>| rank.map_or(0.0, |rank| 1.0 / (RECIPROCAL + f64::from(rank)));
            let parts =
                |candidate: &Candidate| Parts { bm25: part(candidate.bm25_rank), dense: part(candidate.dense_rank) };
            candidates.iter().map(parts).collect()
        }
    }
}

fn self_scaling(
    weight: f64,
    lexical: Option<LexicalScale>,
    dense: Option<DenseScale>,
    candidates: &[Candidate],
) -> Vec<Parts> {
    let factor = lexical.map_or(0.0, LexicalScale::factor);
    // A spread of rounding noise says nothing about which chunk is nearer.
    let dense = dense.filter(|scale| scale.spread > 1e-6);
    let parts = |candidate: &Candidate| Parts {
        bm25: factor * f64::from(candidate.bm25),
        // A chunk without a vector counts as an average one.
        dense: match (dense, candidate.cosine) {
            (Some(scale), Some(cosine)) => weight * (f64::from(cosine) - scale.mean) / scale.spread,
            _ => 0.0,
        },
    };
    candidates.iter().map(parts).collect()
}

fn convex(weight: f64, lexical: Option<LexicalScale>, dense: bool, candidates: &[Candidate]) -> Vec<Parts> {
    let cosines = || candidates.iter().filter_map(|candidate| candidate.cosine);
    let (low, high) = (cosines().fold(f32::INFINITY, f32::min), cosines().fold(f32::NEG_INFINITY, f32::max));
    let best = lexical.map_or(0.0, |scale| scale.best);
    let (lexical_weight, dense_weight) = match (lexical.is_some(), dense) {
        (true, true) => (1.0 - weight, weight),
        (lexical, dense) => (f64::from(u8::from(lexical)), f64::from(u8::from(dense))),
    };
    let parts = |candidate: &Candidate| Parts {
        bm25: if best > 0.0 { lexical_weight * f64::from(candidate.bm25) / best } else { 0.0 },
        dense: match candidate.cosine {
            Some(cosine) if high > low => dense_weight * f64::from((cosine - low) / (high - low)),
            Some(_) => dense_weight,
            None => 0.0,
        },
    };
    candidates.iter().map(parts).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates(scores: &[(f32, f32)]) -> Vec<Candidate> {
        let make = |&(bm25, cosine): &(f32, f32)| Candidate { bm25, cosine: Some(cosine), ..Candidate::default() };
        scores.iter().map(make).collect()
    }

    fn ranking(parts: &[Parts]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by(|&a, &b| parts[b].score().total_cmp(&parts[a].score()).then(a.cmp(&b)));
        order
    }

    proptest! {
        // Catches a rule whose ranking depends on the scale or the origin of an embedder's cosines.
        #[test]
        fn ranking_is_invariant_to_the_cosine_scale(
            scores in prop::collection::vec((0u8..50, 0u8..50), 1..30), factor in 1u8..8, shift in 0u8..4
        ) {
            let lexical = Some(LexicalScale { spread: 2.0, best: 50.0 });
            let rule = Rule::SelfScaling { weight: 2.0 };
            let run = |scale: f32, origin: f32| {
                let of = |value: u8| f32::from(value) * scale + origin;
                let list: Vec<(f32, f32)> = scores.iter().map(|&(a, b)| (f32::from(a), of(b))).collect();
                let sample: Vec<f32> = (0..40u8).map(of).collect();
                ranking(&fuse(rule, lexical, Some(DenseScale::of(&sample)), &candidates(&list)))
            };
            // Powers of two keep the arithmetic exact, so that ties stay ties.
            prop_assert_eq!(run(1.0, 0.0), run(f32::from(factor).exp2(), f32::from(shift) * 64.0));
        }

        // Catches a half that found nothing and still moves the other half's ranking.
        #[test]
        fn an_empty_half_leaves_the_other_alone(scores in prop::collection::vec((0u16..500, 0u16..500), 1..30)) {
            let list: Vec<(f32, f32)> = scores.iter().map(|&(a, b)| (f32::from(a), f32::from(b))).collect();
            let by = |key: fn(&(f32, f32)) -> f32| {
                let mut order: Vec<usize> = (0..list.len()).collect();
                order.sort_by(|&a, &b| key(&list[b]).total_cmp(&key(&list[a])).then(a.cmp(&b)));
                order
            };
            let lexical = Some(LexicalScale { spread: 2.0, best: 500.0 });
            let dense = Some(DenseScale { mean: 1.0, spread: 0.5 });
            for rule in [Rule::SelfScaling { weight: 2.0 }, Rule::Convex { weight: 0.5 }] {
                let only_bm25: Vec<Candidate> =
                    candidates(&list).into_iter().map(|one| Candidate { cosine: None, ..one }).collect();
                prop_assert_eq!(ranking(&fuse(rule, lexical, None, &only_bm25)), by(|pair| pair.0));
                let only_dense: Vec<Candidate> =
                    candidates(&list).into_iter().map(|one| Candidate { bm25: 0.0, ..one }).collect();
                prop_assert_eq!(ranking(&fuse(rule, None, dense, &only_dense)), by(|pair| pair.1));
            }
        }
    }
}
