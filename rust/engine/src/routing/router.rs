//! The decision: which path a query takes, how sure that is, and which spans decided.

use super::book::{book, rule_names};
use super::features::{BUCKETS, Collected, Feature, emit};
use super::linear::{Heads, Pair, Weighing, probability};
use super::scan::Scan;
use crate::error::Result;
use crate::share::share;

/// Runs of wording that are reported one by one; the others are summed up.
const RUNS_MAX: usize = 4;
/// Log-odds below which a run of wording, or a rule, is not worth a line.
const RUN_MIN: f32 = 0.1;

/// Queries that a thread takes at a time.
const PIECE: usize = 512;

/// Where a query goes; the number is its code in arrays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Path {
    /// Neither: chat, arithmetic, code, actions.
    #[default]
    Pass = 0,
    /// It prescribes behaviour: advise on fine-tuning.
    AdvisoryFinetune = 1,
    /// It needs facts: search the corpus.
    Retrieve = 2,
    /// Both.
    Hybrid = 3,
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

/// The decision for one query, unexplained.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Decision {
    /// The path.
    pub path: Path,
    /// Calibrated probability that the query prescribes behaviour.
    pub p_behaviour: f64,
    /// Calibrated probability that it needs facts.
    pub p_facts: f64,
    /// Whether a probability is so near its threshold that the path is a guess.
    pub uncertain: bool,
}

/// The decision for one query, explained.
#[derive(Debug, Clone, PartialEq)]
pub struct Routed {
    /// Calibrated probability that the query prescribes behaviour.
    pub p_behaviour: f64,
    /// Calibrated probability that it needs facts.
    pub p_facts: f64,
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

    /// The decision without the explanation.
    pub fn decide(&self, query: &str) -> Decision {
        self.decide_with(query, &mut Scan::default())
    }

    /// The decisions for many queries, by up to `threads` threads.
    pub fn decide_all<Text: AsRef<str> + Sync>(&self, queries: &[Text], threads: usize) -> Vec<Decision> {
        let mut decisions = vec![Decision::default(); queries.len()];
        let pieces = queries.chunks(PIECE).zip(decisions.chunks_mut(PIECE));
        let threads = threads.min(queries.len().div_ceil(PIECE));
        let done = share(pieces, threads, |(queries, decisions)| {
            let mut scan = Scan::default();
            for (query, decision) in queries.iter().zip(decisions) {
                *decision = self.decide_with(query.as_ref(), &mut scan);
            }
            Ok(())
        });
        debug_assert!(done.is_ok(), "deciding cannot fail");
        decisions
    }

    fn decide_with(&self, query: &str, scan: &mut Scan) -> Decision {
        scan.read(query, book());
        let mut weighing = Weighing::new(&self.heads);
        emit(scan, &mut weighing);
        self.decision(weighing.logits(), scan)
    }

    fn decision(&self, logits: Pair, scan: &Scan) -> Decision {
        let (p_behaviour, p_facts) = (probability(logits.behaviour), probability(logits.facts));
        let threshold = (f64::from(self.heads.threshold.behaviour), f64::from(self.heads.threshold.facts));
        let path = match (p_facts >= threshold.1, p_behaviour >= threshold.0) {
            (false, false) => Path::Pass,
            (false, true) => Path::AdvisoryFinetune,
            (true, false) => Path::Retrieve,
            (true, true) => Path::Hybrid,
        };
        let near = (p_behaviour - threshold.0).abs().min((p_facts - threshold.1).abs());
        Decision {
            path,
            p_behaviour,
            p_facts,
            uncertain: scan.tokens().is_empty() || near < f64::from(self.heads.margin),
        }
    }

    /// Decides and explains.
    pub fn route(&self, query: &str) -> Routed {
        let mut scan = Scan::default();
        scan.read(query, book());
        let mut sinks = (Weighing::new(&self.heads), Collected::default());
        emit(&scan, &mut sinks);
        let Decision { path, p_behaviour, p_facts, uncertain } = self.decision(sinks.0.logits(), &scan);
        let words: Vec<_> = scan.tokens().iter().map(|token| (token.start as usize, token.end as usize)).collect();
        Routed { p_behaviour, p_facts, uncertain, path, reasons: self.reasons(&sinks.1.finish(), &words) }
    }

    fn reasons(&self, features: &[Feature], words: &[(usize, usize)]) -> Vec<Reason> {
        let reason = |start, end, sum: Pair, rule| Reason { start, end, weight: sum.behaviour, facts: sum.facts, rule };
        let mut reasons = vec![reason(0, 0, self.heads.bias, "prior")];
        let mut of_word = vec![Pair::default(); words.len()];
        let mut rest = Pair::default();
        for feature in features {
            let contribution = self.heads.contribution(feature);
            if let Some(rule) = (feature.index as usize).checked_sub(BUCKETS) {
                if contribution.behaviour.abs().max(contribution.facts.abs()) < RUN_MIN {
                    rest += contribution;
                    continue;
                }
                reasons.push(reason(feature.start, feature.end, contribution, self.names[rule]));
            } else {
                divide(feature, contribution, words, &mut of_word);
            }
        }
        let mut runs = runs(words, &of_word);
        runs.sort_by(|a, b| strength(b).total_cmp(&strength(a)).then(a.start.cmp(&b.start)));
        let kept = runs.iter().take(RUNS_MAX).take_while(|run| strength(run) >= RUN_MIN).count();
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
fn divide(feature: &Feature, contribution: Pair, words: &[(usize, usize)], of_word: &mut [Pair]) {
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
