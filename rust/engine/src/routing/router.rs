//! The decision: which path a query takes, how sure that is, and which spans decided.

use super::features::{BUCKETS, Feature, features, features_and_words};
use super::linear::{Heads, Pair, probability};
use super::rules::rule_names;
use crate::error::Result;

/// Runs of wording that are reported one by one; the others are summed up.
const RUNS_MAX: usize = 6;
/// Log-odds below which a run of wording is not worth a line.
const RUN_MIN: f32 = 0.1;

/// Where a query goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// It needs facts: search the corpus.
    Retrieve,
    /// It prescribes behaviour: advise on fine-tuning.
    AdvisoryFinetune,
    /// Both.
    Hybrid,
    /// Neither: chat, arithmetic, code, actions.
    Pass,
}

impl Path {
    /// The name in the public contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retrieve => "retrieve",
            Self::AdvisoryFinetune => "advisory_finetune",
            Self::Hybrid => "hybrid",
            Self::Pass => "pass",
        }
    }
}

/// A span of the query (byte offsets) and what it adds to the log-odds of each head.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// First byte.
    pub start: usize,
    /// One past the last byte; equal to `start` for what has no place (`prior`, `rest`).
    pub end: usize,
    /// Log-odds added to the behaviour head: positive speaks for behaviour.
    pub weight: f32,
    /// Log-odds added to the facts head.
    pub facts: f32,
    /// Name of the rule; `wording` for what the words themselves say.
    pub rule: &'static str,
}

/// The decision for one query.
#[derive(Debug, Clone, PartialEq)]
pub struct Routed {
    /// Calibrated probability that the query prescribes behaviour.
    pub p_behaviour: f32,
    /// Calibrated probability that it needs facts.
    pub p_facts: f32,
    /// Whether a probability is so near its threshold that the path is a guess.
    pub uncertain: bool,
    /// The path.
    pub path: Path,
    /// Rules that fired and words that weighed, strongest first. With `prior` and `rest` among them, the weights sum to
    /// the log-odds of `p_behaviour`, and their facts to those of `p_facts`.
    pub reasons: Vec<Reason>,
}

/// Routes queries; immutable and shared freely between threads.
#[derive(Debug)]
pub struct Router {
    heads: Heads,
    names: Vec<&'static str>,
}

impl Router {
    /// Takes weights as written by `python/models/train_router.py`; any other bytes give a typed error.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        Ok(Self { heads: Heads::load(bytes)?, names: rule_names().collect() })
    }

    /// Probabilities of behaviour and of facts, without the explanation.
    pub fn probabilities(&self, query: &str) -> Pair {
        let logits = self.heads.logits(&features(query));
        Pair { behaviour: probability(logits.behaviour), facts: probability(logits.facts) }
    }

    /// Decides and explains.
    pub fn route(&self, query: &str) -> Routed {
        let (features, words) = features_and_words(query);
        let logits = self.heads.logits(&features);
        let (p_behaviour, p_facts) = (probability(logits.behaviour), probability(logits.facts));
        let threshold = self.heads.threshold;
        let path = match (p_facts >= threshold.facts, p_behaviour >= threshold.behaviour) {
            (true, false) => Path::Retrieve,
            (false, true) => Path::AdvisoryFinetune,
            (true, true) => Path::Hybrid,
            (false, false) => Path::Pass,
        };
        let near = (p_behaviour - threshold.behaviour).abs().min((p_facts - threshold.facts).abs());
        let uncertain = words.is_empty() || near < self.heads.margin;
        Routed { p_behaviour, p_facts, uncertain, path, reasons: self.reasons(&features, &words) }
    }

    fn reasons(&self, features: &[Feature], words: &[(usize, usize)]) -> Vec<Reason> {
        let reason = |start, end, sum: Pair, rule| Reason { start, end, weight: sum.behaviour, facts: sum.facts, rule };
        let mut reasons = vec![reason(0, 0, self.heads.bias, "prior")];
        let mut of_word = vec![Pair::default(); words.len()];
        for feature in features {
            let contribution = self.heads.contribution(feature);
            if let Some(rule) = (feature.index as usize).checked_sub(BUCKETS) {
                reasons.push(reason(feature.start, feature.end, contribution, self.names[rule]));
            } else {
                share(feature, contribution, words, &mut of_word);
            }
        }
        let mut runs = runs(words, &of_word);
        runs.sort_by(|a, b| strength(b).total_cmp(&strength(a)).then(a.start.cmp(&b.start)));
        let kept = runs.iter().take(RUNS_MAX).take_while(|run| strength(run) >= RUN_MIN).count();
        let mut rest = Pair::default();
        for run in runs.drain(kept..) {
            rest += Pair { behaviour: run.weight, facts: run.facts };
        }
        reasons.append(&mut runs);
        if rest != Pair::default() {
            reasons.push(reason(0, 0, rest, "rest"));
        }
        reasons
            .sort_by(|a, b| strength(b).total_cmp(&strength(a)).then(a.start.cmp(&b.start)).then(a.rule.cmp(b.rule)));
        reasons
    }
}

fn strength(reason: &Reason) -> f32 {
    reason.weight.abs().max(reason.facts.abs())
}

/// Divides an n-gram's contribution evenly among its words.
fn share(feature: &Feature, contribution: Pair, words: &[(usize, usize)], of_word: &mut [Pair]) {
    let first = words.partition_point(|&(start, _)| start < feature.start);
    let count = words[first..].iter().take_while(|&&(_, end)| end <= feature.end).count().max(1);
    for sum in of_word.iter_mut().skip(first).take(count) {
        *sum += contribution.times(1.0 / count as f32);
    }
}

/// Neighbouring words that pull the same way, as one reason each.
fn runs(words: &[(usize, usize)], of_word: &[Pair]) -> Vec<Reason> {
    let mut runs: Vec<Reason> = Vec::new();
    for (&(start, end), sum) in words.iter().zip(of_word) {
        match runs.last_mut() {
            Some(last) if (last.weight < 0.0) == (sum.behaviour < 0.0) => {
                last.end = end;
                last.weight += sum.behaviour;
                last.facts += sum.facts;
            }
            _ => runs.push(Reason { start, end, weight: sum.behaviour, facts: sum.facts, rule: "wording" }),
        }
    }
    runs
}
