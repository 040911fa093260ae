//! Whether an answer says what its sources say, sentence by sentence, by words and facts alone.
//!
//! [`sentences`] cuts the answer and reads its citation marks. [`tokens`], [`numbers`], [`dates`], [`units`], [`facts`]
//! and [`names`] read what can be checked to the letter; [`source`] turns all sources into [`keys`]; [`score`] weighs
//! what was found. This is the tier T0: it sees wrong numbers, names, dates and foreign words, and neither negation nor
//! who did what to whom. Nothing here uses another module of the engine but errors, interrupts and the analyzer of
//! [`crate::lexical`], and nothing is read from disk.
//!
//! Time is linear in the texts, but for a sort of the sources' keys and for each of a sentence's terms the number of
//! sources that have it.

mod claim;
mod dates;
mod facts;
mod keys;
mod names;
mod numbers;
mod score;
mod sentences;
mod source;
pub mod stated;
mod tokens;
mod units;

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::lexical::Analyzer;
use claim::{Claim, Reader};
use score::Sums;

pub use facts::What;
pub use score::{FEATURES, Model};
pub use sentences::Mark;

/// Bytes of all sources together, and of an answer, at most.
pub const BYTES_MAX: usize = 64 << 20;
/// Sources whose words are put together to support one sentence, at most.
pub const TOGETHER_MAX: usize = 3;
/// What a further source has to add to the score: several wrong ones have some words of anything.
const GAIN_MIN: f64 = 0.1;

/// What no source supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// First byte in the answer.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// What it is.
    pub what: What,
}

/// How the sources that a sentence cites support it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cited {
    /// The sources, from 0, in order of first mention.
    pub sources: Vec<usize>,
    /// Numbers in marks that name no source.
    pub unknown: Vec<u32>,
    /// Score by all of them together; 0 if there are none.
    pub score: f64,
    /// Whether all of them together support the sentence.
    pub supported: bool,
    /// For each source, whether it supports the sentence alone or is needed for the others to do so (Gao et al. 2023,
    /// "Enabling Large Language Models to Generate Text with Citations").
    pub relevant: Vec<bool>,
}

/// One sentence of an answer and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// First byte in the answer.
    pub start: usize,
    /// Byte after the last; marks behind the full stop are inside.
    pub end: usize,
    /// Its citation marks.
    pub marks: Vec<Mark>,
    /// Why it cannot be checked: `question`, `greeting`, `meta`, `empty`; `None` if it can.
    pub uncheckable: Option<&'static str>,
    /// Probability that the sources support it, from 0 to 1.
    pub score: f64,
    /// Whether they do: the score reaches the model's threshold and no fact is missing.
    pub supported: bool,
    /// The sources that support it best, from 0, the best first; at most [`TOGETHER_MAX`].
    pub sources: Vec<usize>,
    /// What the score was made of.
    pub features: [f64; FEATURES.len()],
    /// What no source supports, ascending; words only where the score is below the threshold.
    pub unsupported: Vec<Unsupported>,
    /// Support by what it cites.
    pub cited: Cited,
}

/// Checks answers; cheap to share between threads.
pub struct Grounder {
    analyzer: Analyzer,
    model: Model,
    /// Weight of each term of the background, by key; all weigh the same without one.
    weights: Vec<(u64, f32)>,
    /// Weight of a term that the background does not have.
    unknown: f32,
}

impl Grounder {
    /// A checker with a language's analyzer and fitted weights.
    pub fn new(language: &str, model: Model) -> Result<Self> {
        let finite = model.weights.iter().chain([&model.bias]).all(|weight| weight.is_finite());
        if !finite || !(0.0..=1.0).contains(&model.threshold) {
            return Err(Error::invalid(format!(
                "the model's weights must be finite and its threshold {} from 0 to 1",
                model.threshold
            )));
        }
        Ok(Self { analyzer: Analyzer::new(language)?, model, weights: Vec::new(), unknown: 1.0 })
    }

    /// Weighs terms by how few of these texts have them: ln(1 + (n − df + ½) / (df + ½)).
    #[must_use]
    pub fn with_background(mut self, texts: &[&str]) -> Self {
        let (mut keys, mut terms) = (Vec::new(), Vec::new());
        for text in texts {
            source::terms(&self.analyzer, text, 0, &mut terms);
            let mut own: Vec<u64> = terms.iter().map(|term| term.key).collect();
            own.sort_unstable();
            own.dedup();
            keys.append(&mut own);
        }
        keys.sort_unstable();
        let count = texts.len() as f32;
        let weight = |frequency: f32| (1.0 + (count - frequency + 0.5) / (frequency + 0.5)).ln();
        self.weights = keys.chunk_by(|a, b| a == b).map(|equal| (equal[0], weight(equal.len() as f32))).collect();
        self.unknown = if texts.is_empty() { 1.0 } else { weight(0.0) };
        self
    }

    /// Checks an answer against its sources: every sentence in order, with spans in bytes.
    pub fn check(&self, answer: &str, sources: &[&str], watch: &dyn Interrupt) -> Result<Vec<Sentence>> {
        let bytes: usize = sources.iter().map(|source| source.len()).sum();
        for (what, bytes) in [("the answer has", answer.len()), ("all sources together have", bytes)] {
            if bytes > BYTES_MAX {
                return Err(Error::invalid(format!(
                    "{what} {bytes} bytes, at most {BYTES_MAX} can be checked at once"
                )));
            }
        }
        let postings = source::read(&self.analyzer, sources, watch)?;
        let mut reader = Reader::new(answer);
        let mut work = Work { grounder: self, sums: vec![Sums::default(); sources.len()], touched: Vec::new() };
        let mut checked = Vec::new();
        for (number, sentence) in sentences::split(answer).into_iter().enumerate() {
            if number % 64 == 0 {
                watch.check()?;
            }
            let claim = reader.claim(self, &postings, &sentence);
            checked.push(work.check(sentence, &claim));
        }
        Ok(checked)
    }

    /// Weight of a term.
    fn weight(&self, key: u64) -> f32 {
        self.weights.binary_search_by_key(&key, |&(key, _)| key).map_or(self.unknown, |at| self.weights[at].1)
    }

    fn supports(&self, claim: &Claim<'_>, found: &Sums) -> (f64, bool) {
        let score = self.model.score(&score::features(&claim.total, found, claim.terms));
        let missing = claim.total.lacking(found);
        (score, score >= self.model.threshold && missing[0] + missing[1] < 0.5)
    }
}

/// Buffers for one answer.
struct Work<'w> {
    grounder: &'w Grounder,
    /// What each source adds; zero but for those in `touched`.
    sums: Vec<Sums>,
    touched: Vec<u32>,
}

impl Work<'_> {
    fn check(&mut self, sentence: sentences::Sentence, claim: &Claim<'_>) -> Sentence {
        let (sources, found) = self.best(claim);
        let features = score::features(&claim.total, &found, claim.terms);
        let (score, _) = self.grounder.supports(claim, &found);
        let missing = claim.parts.iter().any(|part| part.channel >= 3 && part.sources.is_empty());
        let supported = score >= self.grounder.model.threshold && !missing;
        // Words are told where there are too few of them, not where a fact alone is wrong.
        let words = score < self.grounder.model.threshold;
        let unsupported = if claim.uncheckable.is_some() { Vec::new() } else { claim.unsupported(words) };
        let cited = self.cited(&sentence.marks, claim);
        let sentences::Sentence { start, end, marks } = sentence;
        let uncheckable = claim.uncheckable;
        Sentence { start, end, marks, uncheckable, score, supported, sources, features, unsupported, cited }
    }

    /// The source with the best score, then each that adds most to it.
    fn best(&mut self, claim: &Claim<'_>) -> (Vec<usize>, Sums) {
        let mut covered = vec![false; claim.parts.len()];
        let (mut chosen, mut found, mut score) = (Vec::new(), Sums::default(), None::<f64>);
        while chosen.len() < TOGETHER_MAX {
            for (part, _) in claim.parts.iter().zip(&covered).filter(|&(_, &covered)| !covered) {
                for &source in part.sources.iter() {
                    let sums = &mut self.sums[source as usize];
                    if *sums == Sums::default() {
                        self.touched.push(source);
                    }
                    sums.add(part.channel, part.weight);
                }
            }
            let mut best = None::<(f64, u32)>;
            for &source in &self.touched {
                let sums = found.plus(&self.sums[source as usize]);
                let (score, _) = self.grounder.supports(claim, &sums);
                if best.is_none_or(|(most, first)| score > most || (score.total_cmp(&most).is_eq() && source < first)) {
                    best = Some((score, source));
                }
            }
            let taken = best.filter(|&(best, _)| score.is_none_or(|score| best >= score + GAIN_MIN));
            if let Some((best, source)) = taken {
                score = Some(best);
                found = found.plus(&self.sums[source as usize]);
                chosen.push(source as usize);
                for (part, covered) in claim.parts.iter().zip(&mut covered) {
                    *covered |= part.sources.binary_search(&source).is_ok();
                }
            }
            for source in self.touched.drain(..) {
                self.sums[source as usize] = Sums::default();
            }
            if taken.is_none() {
                break;
            }
        }
        (chosen, found)
    }

    /// Support by the cited sources: together, each alone, and all but each.
    fn cited(&self, marks: &[Mark], claim: &Claim<'_>) -> Cited {
        let (mut sources, mut unknown) = (Vec::new(), Vec::new());
        for &number in marks.iter().flat_map(|mark| &mark.numbers) {
            let source = number as usize - 1;
            if source >= self.sums.len() {
                unknown.push(number);
            } else if !sources.contains(&source) {
                sources.push(source);
            }
        }
        let mut together = Sums::default();
        let (mut alone, mut only) = (vec![Sums::default(); sources.len()], vec![Sums::default(); sources.len()]);
        for part in &claim.parts {
            let mut first = None;
            let mut count = 0;
            for (at, &source) in sources.iter().enumerate() {
                if part.sources.binary_search(&(source as u32)).is_ok() {
                    alone[at].add(part.channel, part.weight);
                    first = Some(at);
                    count += 1;
                }
            }
            if let Some(at) = first {
                together.add(part.channel, part.weight);
                if count == 1 {
                    only[at].add(part.channel, part.weight);
                }
            }
        }
        let (score, supported) =
            if sources.is_empty() { (0.0, false) } else { self.grounder.supports(claim, &together) };
        let supports = |sums: &Sums| self.grounder.supports(claim, sums).1;
        let relevant = alone.iter().zip(&only);
        let relevant = relevant
            .map(|(alone, only)| {
                supported && (supports(alone) || !supports(&together.minus(only)) || sources.len() == 1)
            })
            .collect();
        Cited { sources, unknown, score, supported, relevant }
    }
}

#[cfg(test)]
mod tests;
