//! From what was found of a sentence to the probability that it is supported.

/// Names of the features, in order; a model has a weight for each.
///
/// All that were found enter with weights of one sign, all that miss with the other, so that more sources never lower a
/// score: the share of terms enters squared, for the first half of a sentence's words says little.
pub const FEATURES: [&str; 8] = [
    "pairs found",
    "triples found",
    "terms found, squared",
    "a number is missing",
    "a name is missing",
    "share of facts missing",
    "log of terms",
    "terms found, times log of terms",
];

/// How much of a sentence there is, or was found: sums over its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    /// Weights of terms, of pairs and of triples of terms.
    pub(super) overlap: [f32; 3],
    /// Numbers, dates and identifiers; names.
    pub(super) facts: [f32; 2],
}

impl Sums {
    /// Adds one part of the sentence.
    pub(super) fn add(&mut self, channel: usize, weight: f32) {
        match channel {
            0..=2 => self.overlap[channel] += weight,
            _ => self.facts[channel - 3] += weight,
        }
    }

    /// Both together.
    pub(super) fn plus(mut self, other: &Self) -> Self {
        (0..3).for_each(|at| self.overlap[at] += other.overlap[at]);
        (0..2).for_each(|at| self.facts[at] += other.facts[at]);
        self
    }

    /// What is left after taking `other` away.
    pub(super) fn minus(mut self, other: &Self) -> Self {
        (0..3).for_each(|at| self.overlap[at] -= other.overlap[at]);
        (0..2).for_each(|at| self.facts[at] -= other.facts[at]);
        self
    }

    /// Facts of `self` that `found` lacks.
    pub(super) fn lacking(&self, found: &Self) -> [f32; 2] {
        [0, 1].map(|at| (self.facts[at] - found.facts[at]).max(0.0))
    }
}

/// Weights of the features, and from which probability on a sentence counts as supported.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// One weight for each of [`FEATURES`].
    pub weights: [f64; FEATURES.len()],
    /// Added to the weighted sum.
    pub bias: f64,
    /// Probability from 0 to 1.
    pub threshold: f64,
}

/// The features of a sentence of which `found` was found; `terms` counts its terms.
pub(super) fn features(total: &Sums, found: &Sums, terms: usize) -> [f64; FEATURES.len()] {
    let share = |at: usize| {
        (total.overlap[at] > 0.0).then(|| f64::from((found.overlap[at] / total.overlap[at]).clamp(0.0, 1.0)))
    };
    let facts = total.facts[0] + total.facts[1];
    let missing = total.lacking(found);
    let missing_share = if facts > 0.0 { f64::from((missing[0] + missing[1]) / facts) } else { 0.0 };
    // A sentence without any term is all facts; one without pairs has no order to compare.
    let one = share(0).unwrap_or(1.0 - missing_share);
    let two = share(1).unwrap_or(one);
    let three = share(2).unwrap_or(two);
    let length = (terms as f64).ln_1p();
    let flag = |missing: f32| if missing > 0.5 { 1.0 } else { 0.0 };
    [two, three, one * one, flag(missing[0]), flag(missing[1]), missing_share, length, one * length]
}

impl Model {
    /// Probability that a sentence with these features is supported.
    pub(super) fn score(&self, features: &[f64; FEATURES.len()]) -> f64 {
        let sum: f64 = self.weights.iter().zip(features).map(|(weight, feature)| weight * feature).sum();
        1.0 / (1.0 + (-(sum + self.bias).clamp(-60.0, 60.0)).exp())
    }
}
