//! Two linear heads over sparse features: weights from a checked file, logits as exact sums of contributions.
//!
//! The file, little-endian: magic `RSROUTE1`; u32 fingerprint of the rule book; u32 buckets; u32 rules; f32 decision
//! thresholds of behaviour and facts; f32 margin of certainty; f32 biases; f32 scales of the int8 weights; then for
//! each rule two f32, for each bucket two int8 (behaviour, facts); then the CRC-32 of all before. Calibration is
//! already multiplied into biases, scales and weights.

use super::book::{fingerprint, rule_names};
use super::features::{BUCKETS, Feature, GROUPS, Sink, value};
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"RSROUTE1";
const HEADER: usize = 48;
const FILE: &str = "router weights";

/// A value for each head.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pair {
    /// Does the query prescribe how to answer?
    pub behaviour: f32,
    /// Does it need particular facts?
    pub facts: f32,
}

impl std::ops::AddAssign for Pair {
    fn add_assign(&mut self, other: Self) {
        self.behaviour += other.behaviour;
        self.facts += other.facts;
    }
}

impl Pair {
    /// Both values times `factor`.
    #[must_use]
    pub fn times(self, factor: f32) -> Self {
        Self { behaviour: self.behaviour * factor, facts: self.facts * factor }
    }
}

/// The weights of both heads and the rule that turns probabilities into decisions.
#[derive(Debug)]
pub struct Heads {
    pub(super) threshold: Pair,
    pub(super) margin: f32,
    pub(super) bias: Pair,
    scale: Pair,
    rules: Vec<Pair>,
    buckets: Vec<[i8; 2]>,
}

impl Heads {
    /// Reads weights from bytes that may be hostile: sizes, checksum, finiteness and the rule book's fingerprint are checked.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        let rule_count = rule_names().count();
        let expected = HEADER + rule_count * 8 + BUCKETS * 2 + 4;
        if bytes.get(..8) != Some(MAGIC) {
            return Err(Error::corrupt(FILE, 0, "the file does not begin with RSROUTE1"));
        }
        if bytes.len() < HEADER {
            return Err(Error::corrupt(FILE, bytes.len() as u64, "the header is cut short"));
        }
        let found = (word(bytes, 8), word(bytes, 12), word(bytes, 16));
        let wanted = (fingerprint(), BUCKETS as u32, rule_count as u32);
        if found != wanted {
            return Err(Error::Incompatible {
                file: FILE.to_owned(),
                message: format!(
                    "(fingerprint, buckets, rules) is {found:?}, this release reads {wanted:?}: train the router again with python/models/train_router.py"
                ),
            });
        }
        if bytes.len() != expected {
            let message = format!("{} bytes long, expected {expected}", bytes.len());
            return Err(Error::corrupt(FILE, bytes.len() as u64, message));
        }
        if crc32fast::hash(&bytes[..expected - 4]) != word(bytes, expected - 4) {
            return Err(Error::corrupt(FILE, (expected - 4) as u64, "the checksum does not match"));
        }
        let heads = Self {
            threshold: pair(bytes, 20),
            margin: float(bytes, 28),
            bias: pair(bytes, 32),
            scale: pair(bytes, 40),
            rules: (0..rule_count).map(|rule| pair(bytes, HEADER + rule * 8)).collect(),
            buckets: bytes[HEADER + rule_count * 8..expected - 4]
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&[behaviour, facts]| [behaviour.cast_signed(), facts.cast_signed()])
                .collect(),
        };
        heads.check_finite()
    }

    /// A checksum does not tell that the writer was sane.
    fn check_finite(self) -> Result<Self> {
        let pairs = [self.threshold, self.bias, self.scale];
        let all = pairs.iter().chain(&self.rules).flat_map(|pair| [pair.behaviour, pair.facts]).chain([self.margin]);
        // A bound on each weight keeps every sum over a query's few thousand features finite.
        if all.into_iter().all(|value| value.abs() < 1e6) {
            Ok(self)
        } else {
            Err(Error::corrupt(FILE, 20, "a weight is not finite or absurdly large"))
        }
    }

    /// What a feature adds to each head's log-odds.
    pub fn contribution(&self, feature: &Feature) -> Pair {
        let index = feature.index as usize;
        if let Some(&[behaviour, facts]) = self.buckets.get(index) {
            let factor = feature.value;
            Pair {
                behaviour: f32::from(behaviour) * self.scale.behaviour * factor,
                facts: f32::from(facts) * self.scale.facts * factor,
            }
        } else {
            self.rules.get(index - BUCKETS).copied().unwrap_or_default().times(feature.value)
        }
    }
}

/// Sums up log-odds while features are found: whole numbers for each group, so that their order does not matter.
pub(super) struct Weighing<'a> {
    heads: &'a Heads,
    groups: [(i32, i32, u32); GROUPS],
    rules: Pair,
}

impl<'a> Weighing<'a> {
    pub(super) fn new(heads: &'a Heads) -> Self {
        Self { heads, groups: [(0, 0, 0); GROUPS], rules: Pair::default() }
    }

    /// Log-odds of both heads for all that was found.
    pub(super) fn logits(&self) -> Pair {
        let mut sum = self.heads.bias;
        sum += self.rules;
        for (group, &(behaviour, facts, count)) in self.groups.iter().enumerate() {
            if count > 0 {
                let value = value(group, count);
                sum += Pair {
                    behaviour: behaviour as f32 * self.heads.scale.behaviour * value,
                    facts: facts as f32 * self.heads.scale.facts * value,
                };
            }
        }
        sum
    }
}

impl Sink for Weighing<'_> {
    fn hashed(&mut self, group: usize, bucket: u32, _start: u32, _end: u32) {
        let [behaviour, facts] = self.heads.buckets[bucket as usize];
        let sums = &mut self.groups[group];
        *sums = (sums.0 + i32::from(behaviour), sums.1 + i32::from(facts), sums.2 + 1);
    }

    fn rule(&mut self, rule: usize, _start: u32, _end: u32) {
        self.rules += self.heads.rules[rule];
    }
}

/// The logistic function; in double precision, so that no query is decided with certainty.
pub fn probability(logit: f32) -> f64 {
    1.0 / (1.0 + f64::from(-logit.clamp(-30.0, 30.0)).exp())
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn float(bytes: &[u8], at: usize) -> f32 {
    f32::from_bits(word(bytes, at))
}

fn pair(bytes: &[u8], at: usize) -> Pair {
    Pair { behaviour: float(bytes, at), facts: float(bytes, at + 4) }
}
