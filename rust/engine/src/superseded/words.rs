//! How well the words around two statements of one value agree: whether they state the same fact.

use crate::grounding::stated::{Kind, Statement, words};
use crate::history::Fact;
use crate::lexical::Analyzer;

/// What a word counts that stands above a fact: in its heading, its title.
const ABOVE: f32 = 0.6;
/// What a word counts that stands in another sentence of the text.
const AROUND: f32 = 0.5;
/// What a word counts that goes with any number.
const LIGHT: f32 = 0.5;
/// Sum from which on words agree about a value that could be anything: `30 days`.
const ENOUGH: f32 = 1.5;
/// Sum that is enough where the value is rare, or where the sentence has hardly any other word.
const ENOUGH_SURELY: f32 = 1.0;
/// Share of a sentence's words that leave hardly any other.
const MOST: f32 = 0.5;

/// Words that go with any number.
const LIGHT_WORDS: &str = "cost take last hold keep get give have make use need go come run start begin open close work \
    pay charge cover reach carry receive allow permit limit require include own total least most time";

/// Stems of words that go with any number, sorted.
pub(super) fn light(analyzer: &Analyzer) -> Vec<u32> {
    let mut light: Vec<u32> = words(analyzer, LIGHT_WORDS).iter().map(|word| word.stem).collect();
    light.sort_unstable();
    light
}

/// Stems of the sentence that states a fact, and of its whole text.
pub(super) struct Words<'w> {
    own: Vec<u32>,
    /// Words of the sentence that do not go with any number.
    telling: usize,
    /// Sorted.
    around: &'w [u32],
    light: &'w [u32],
}

/// How many of the words around a fact were met.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Agreement {
    /// All of them.
    pub(super) sum: f32,
    /// Those of its sentence that are in the stating sentence.
    near: f32,
}

impl<'w> Words<'w> {
    pub(super) fn new(statement: &Statement, around: &'w [u32], light: &'w [u32]) -> Self {
        let mut own: Vec<u32> = statement.words.iter().map(|word| word.stem).collect();
        own.sort_unstable();
        own.dedup();
        let telling = own.iter().filter(|stem| light.binary_search(stem).is_err()).count();
        Self { own, telling, around, light }
    }

    /// How far these words are those around a fact.
    pub(super) fn agreement(&self, fact: &Fact) -> Agreement {
        let mut found = Agreement::default();
        for (place, stem) in fact.context.iter().enumerate().filter(|&(_, &stem)| stem != 0) {
            let near = place < usize::from(fact.near);
            let weight = if self.light.binary_search(stem).is_ok() { LIGHT } else { 1.0 };
            let weight = if near { weight } else { weight * ABOVE };
            if self.own.binary_search(stem).is_ok() {
                found.sum += weight;
                found.near += if near { weight } else { 0.0 };
            } else if self.around.binary_search(stem).is_ok() {
                found.sum += weight * AROUND;
            }
        }
        found
    }

    /// Whether that is enough to mean a fact of this kind, written so.
    pub(super) fn agree(&self, found: Agreement, kind: Kind, raw: &str) -> bool {
        let sure = || is_rare(kind, raw) || found.near >= MOST * self.telling as f32;
        found.sum >= ENOUGH || found.near >= ENOUGH_SURELY && sure()
    }
}

/// Whether a value is unlikely to be met by chance: three digits that count, cents, a full date, an identifier.
fn is_rare(kind: Kind, raw: &str) -> bool {
    let digits = raw.chars().filter(char::is_ascii_digit).collect::<String>();
    let counting = digits.trim_matches('0').len();
    match kind {
        Kind::Identifier | Kind::Name => true,
        Kind::Time => !digits.ends_with('0'),
        Kind::Date => digits.len() >= 5,
        Kind::Money => counting >= 3 || raw.contains(['.', ',']) && !digits.ends_with("00"),
        Kind::Number | Kind::Quantity | Kind::Percentage => counting >= 3,
    }
}
