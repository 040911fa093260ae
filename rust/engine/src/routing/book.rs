//! The rule book and the word list compiled: one table from a word to its classes, its symbol and its rules, and the
//! correction of typing errors.
//!
//! A word that is not known is read as a known one that one error of typing away: a letter dropped, doubled, added,
//! mistaken or changed places with its neighbour. Candidates are found by deletion neighbourhoods (Garbe 2012, "symmetric
//! delete"): both words with one letter left out meet in the same entry.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::rules::{CLASSES, POLITE_HEADS, POLITE_TAILS, RULES};

/// Common words of queries, most telling first: up to the blank line words of form, which stay themselves in the
/// skeleton of a query; then words known to be spelled right. Made by `python/models/router_words.py`.
const WORDS: &str = include_str!("words.txt");
/// What stands for a word that is not in the table.
pub(super) const UNKNOWN: u32 = u32::MAX;
/// Letters of the longest word that is corrected.
const LONGEST: usize = 20;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

pub(super) fn hash_byte(state: u64, byte: u8) -> u64 {
    (state.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517c_c1b7_2722_0a95)
}

pub(super) fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

/// Hash of a folded word.
pub(super) fn hash_word(word: &[u8]) -> u64 {
    mix(word.iter().copied().fold(SEED, hash_byte))
}

/// One alternative set of a pattern: a token matches by class or by literal word, after at most `gap` others.
pub(super) struct Step {
    classes: u128,
    literals: Vec<u32>,
    pub(super) gap: usize,
}

impl Step {
    /// Whether a token of these classes and this word fits.
    pub(super) fn fits(&self, classes: u128, word: u32) -> bool {
        self.classes & classes != 0 || self.literals.contains(&word)
    }
}

/// A compiled pattern and the rule that it belongs to.
pub(super) struct Pattern {
    pub(super) rule: usize,
    pub(super) anchored: bool,
    pub(super) steps: Vec<Step>,
}

/// What is known of a word.
pub(super) struct Word {
    pub(super) hash: u64,
    pub(super) classes: u128,
    /// What stands for it in the skeleton of a query.
    pub(super) symbol: u32,
    /// Patterns that may begin with it.
    pub(super) patterns: Vec<u16>,
    /// Whether a polite phrase begins, or ends, with it.
    pub(super) polite: (bool, bool),
    text: Box<[u8]>,
}

impl Word {
    /// Its letters.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }
}

/// The compiled rule book.
pub(super) struct Book {
    pub(super) words: Vec<Word>,
    /// Open addressing, a power of two long: hash and number of a word; empty where the number is [`UNKNOWN`].
    slots: Vec<(u64, u32)>,
    /// The same for words with one letter left out.
    near: Vec<(u64, u32)>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) heads: Vec<Vec<u32>>,
    pub(super) tails: Vec<Vec<u32>>,
    /// For classes that are seen by shape, not by word: the class and the patterns that may begin with it.
    pub(super) number: (u128, Vec<u16>),
    pub(super) year: (u128, Vec<u16>),
    pub(super) identifier: (u128, Vec<u16>),
    /// Classes that make a short query more than a row of keywords.
    pub(super) sentence: u128,
    /// Classes that open a question, a task, a demand on the form: seen at the head of a later clause.
    pub(super) openers: [u128; 3],
}

impl Book {
    /// The number of a word, or [`UNKNOWN`].
    pub(super) fn find(&self, hash: u64) -> u32 {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let (known, word) = self.slots[slot];
            if word == UNKNOWN || known == hash {
                return word;
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The known word that `word` was probably meant to be, or [`UNKNOWN`].
    pub(super) fn correct(&self, word: &[u8]) -> u32 {
        if !(2..=LONGEST).contains(&word.len()) || !word.is_ascii() {
            return UNKNOWN;
        }
        let mut best = UNKNOWN;
        let mut consider = |hash: u64| {
            let mask = self.near.len() - 1;
            let mut slot = hash as usize & mask;
            while self.near[slot].1 != UNKNOWN {
                let (known, number) = self.near[slot];
                // Words are numbered from the commonest.
                if known == hash && number < best && is_slip(word, &self.words[number as usize].text) {
                    best = number;
                }
                slot = (slot + 1) & mask;
            }
        };
        consider(hash_word(word));
        for hash in shortened(word) {
            consider(hash);
        }
        best
    }
}

/// Hashes of a word with one letter left out, the first excepted: people rarely mistype it.
fn shortened(word: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let mut before = SEED;
    (0..word.len()).filter_map(move |out| {
        let state = before;
        before = hash_byte(before, word[out]);
        // Leaving out either of two equal neighbours gives the same.
        let new = out > 0 && (out + 1 == word.len() || word[out] != word[out + 1]);
        new.then(|| mix(word[out + 1..].iter().copied().fold(state, hash_byte)))
    })
}

/// Whether one typing error turns `meant` into `typed`; the shorter the word, the fewer kinds of error are believed.
fn is_slip(typed: &[u8], meant: &[u8]) -> bool {
    let same = typed.iter().zip(meant).take_while(|(left, right)| left == right).count();
    if same == 0 {
        return false;
    }
    let (typed_rest, meant_rest) = (&typed[same..], &meant[same..]);
    match meant.len().cast_signed() - typed.len().cast_signed() {
        // Two neighbours changed places, or one letter was mistaken for another.
        0 => {
            typed_rest.len() >= 2
                && typed_rest[0] == meant_rest[1]
                && typed_rest[1] == meant_rest[0]
                && typed_rest[2..] == meant_rest[2..]
                || meant.len() >= 6 && typed_rest.len() > 1 && typed_rest[1..] == meant_rest[1..]
        }
        1 => meant_rest.len() > 1 && *typed_rest == meant_rest[1..],
        -1 => {
            let doubled = typed_rest[0] == typed[same - 1];
            (meant.len() >= 5 || doubled && meant.len() >= 3) && typed_rest[1..] == *meant_rest
        }
        _ => false,
    }
}

/// The rule book, compiled at first use.
pub(super) fn book() -> &'static Book {
    static BOOK: OnceLock<Book> = OnceLock::new();
    BOOK.get_or_init(|| Compiler::default().compile())
}

/// Digest of all that decides which features a text has: weights belong to exactly one.
pub fn fingerprint() -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for (name, text) in CLASSES.iter().chain(RULES) {
        hasher.update(name.as_bytes());
        hasher.update(text.as_bytes());
    }
    for text in POLITE_HEADS.iter().chain(POLITE_TAILS).chain(super::features::SHAPES) {
        hasher.update(text.as_bytes());
    }
    hasher.update(WORDS.as_bytes());
    hasher.update(&super::features::VERSION.to_le_bytes());
    hasher.finalize()
}

/// Names of the rules in the order of their features.
pub fn rule_names() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(name, _)| *name).chain(super::features::SHAPES.iter().copied())
}

/// How many rules there are.
pub(super) fn rule_count() -> usize {
    RULES.len() + super::features::SHAPES.len()
}

#[derive(Default)]
struct Compiler {
    words: Vec<Word>,
    numbers: HashMap<String, u32>,
    bits: HashMap<&'static str, u128>,
}

impl Compiler {
    fn compile(mut self) -> Book {
        let (form, _) = WORDS.split_once("\n\n").expect("the word list has two parts");
        for text in WORDS.split_whitespace() {
            self.number(text);
        }
        for (position, (name, members)) in CLASSES.iter().enumerate() {
            self.bits.insert(name, 1 << position);
            for text in members.split_whitespace() {
                let number = self.number(text) as usize;
                self.words[number].classes |= 1 << position;
            }
        }
        self.bits.insert("YEAR4", 1 << CLASSES.len());
        let patterns: Vec<Pattern> = RULES
            .iter()
            .enumerate()
            .flat_map(|(rule, (_, alternatives))| alternatives.split(';').map(move |text| (rule, text.trim())))
            .map(|(rule, text)| self.pattern(rule, text))
            .collect();
        let (heads, tails) = (self.phrases(POLITE_HEADS), self.phrases(POLITE_TAILS));
        for (number, word) in self.words.iter_mut().enumerate() {
            word.patterns = beginning(&patterns, word.classes, number as u32);
            let is = |phrase: Option<&u32>| phrase == Some(&(number as u32));
            word.polite = (heads.iter().any(|phrase| is(phrase.first())), tails.iter().any(|phrase| is(phrase.last())));
        }
        for text in form.split_whitespace() {
            let word = &mut self.words[self.numbers[text] as usize];
            word.symbol = word.hash as u32 | 1 << 31;
        }
        let by_shape = |name| {
            let class = self.bits[name];
            (class, beginning(&patterns, class, UNKNOWN))
        };
        Book {
            slots: table(self.words.iter().enumerate().map(|(number, word)| (word.hash, number as u32)).collect()),
            near: table(near(&self.words)),
            number: by_shape("NUM"),
            year: (self.bits["YEAR4"], beginning(&patterns, self.bits["YEAR4"] | self.bits["NUM"], UNKNOWN)),
            identifier: by_shape("IDENT"),
            sentence: self.any(SENTENCE),
            openers: [
                self.any(&["WH", "AUX"]),
                self.any(&["TELL", "WRITE", "MAKE", "REWRITE", "TRANSLATE", "SUMMARISE", "CLASSIFY", "EXTRACT"]),
                self.any(&["WITH", "NOT", "INCLUDE", "LIMIT", "NUM", "RESPOND", "TONE", "MARKUP", "STYLE"]),
            ],
            words: self.words,
            patterns,
            heads,
            tails,
        }
    }

    fn any(&self, names: &[&str]) -> u128 {
        names.iter().fold(0, |all, name| all | self.bits[name])
    }

    /// The number of a word, new or known.
    fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.words.len() as u32;
        self.numbers.insert(text.to_owned(), number);
        let hash = hash_word(text.as_bytes());
        let polite = (false, false);
        let text = text.as_bytes().into();
        self.words.push(Word { hash, classes: 0, symbol: 0, patterns: Vec::new(), polite, text });
        number
    }

    fn pattern(&mut self, rule: usize, text: &str) -> Pattern {
        let anchored = text.starts_with('^');
        let (mut steps, mut gap) = (Vec::new(), 0);
        for part in text.trim_start_matches('^').split_whitespace() {
            if let Some(count) = part.strip_prefix('~') {
                gap = count.parse().expect("a gap is a number");
                continue;
            }
            let mut step = Step { classes: 0, literals: Vec::new(), gap };
            for name in part.split('|') {
                if name.starts_with(|first: char| first.is_ascii_uppercase()) {
                    step.classes |= self.bits.get(name).expect("a pattern names only known classes");
                } else {
                    step.literals.push(self.number(name));
                }
            }
            steps.push(step);
            gap = 0;
        }
        Pattern { rule, anchored, steps }
    }

    /// Longest first, so that `thank you very much` is taken whole.
    fn phrases(&mut self, texts: &[&str]) -> Vec<Vec<u32>> {
        let mut all: Vec<Vec<u32>> =
            texts.iter().map(|text| text.split_whitespace().map(|word| self.number(word)).collect()).collect();
        all.sort_by_key(|phrase: &Vec<u32>| std::cmp::Reverse(phrase.len()));
        all
    }
}

const SENTENCE: &[&str] = &[
    "WRITE",
    "WH",
    "AUX",
    "TELL",
    "REWRITE",
    "TRANSLATE",
    "SUMMARISE",
    "CLASSIFY",
    "EXTRACT",
    "GREET",
    "YOU",
    "ACT",
    "MATH",
    "MY",
    "PRONOUN",
];

/// Numbers of the patterns that may begin with a word of these classes.
fn beginning(patterns: &[Pattern], classes: u128, word: u32) -> Vec<u16> {
    let fits = |pattern: &Pattern| pattern.steps[0].fits(classes, word);
    patterns.iter().enumerate().filter(|(_, pattern)| fits(pattern)).map(|(number, _)| number as u16).collect()
}

/// Every known word under its own hash and the hashes of its shortened forms.
fn near(words: &[Word]) -> Vec<(u64, u32)> {
    let mut all = Vec::new();
    for (number, word) in words.iter().enumerate() {
        if (3..=LONGEST).contains(&word.text.len()) {
            all.push((word.hash, number as u32));
            all.extend(shortened(&word.text).map(|hash| (hash, number as u32)));
        }
    }
    all
}

fn table(entries: Vec<(u64, u32)>) -> Vec<(u64, u32)> {
    let mut slots = vec![(0, UNKNOWN); (entries.len() * 2).next_power_of_two()];
    let mask = slots.len() - 1;
    for (hash, number) in entries {
        let mut slot = hash as usize & mask;
        while slots[slot].1 != UNKNOWN {
            slot = (slot + 1) & mask;
        }
        slots[slot] = (hash, number);
    }
    slots
}
