//! Turns a query into sparse features with spans: n-grams of words, of letters and of the query's skeleton, its first
//! and last words, and the rules that fire, alone and in pairs.
//!
//! Case, apostrophes, most punctuation, polite phrases and slips of typing are gone before anything is counted, so
//! that they cannot change a decision. Time is linear in the text; of a text longer than [`MAX_BYTES`] only the head
//! and the tail are read, where instructions stand.

use super::book::{Book, Pattern, book, mix, rule_count};
pub use super::scan::MAX_BYTES;
use super::scan::{Scan, Token, ending};

/// Buckets of the hashed features; features from here on are rules.
pub const BUCKETS: usize = 1 << 16;
/// Counted up whenever the scanner gives other features for the same text and rule book.
pub(super) const VERSION: u32 = 2;

/// Features of shape, which stand after the rules of the rule book.
pub(super) const SHAPES: &[&str] = &[
    "shape.keywords",
    "shape.single",
    "shape.short",
    "shape.long",
    "arithmetic.digits",
    "given.colon",
    "given.quote",
    "given.block",
    "given.items",
    "given.after",
    "clause.question",
    "clause.task",
    "clause.demand",
];

/// Hashed features come in groups; the Euclidean length of a group does not grow with the query.
const LENGTHS: [f32; GROUPS] = [1.0, 0.5, 1.0, 1.0, 1.0];
pub(super) const GROUPS: usize = 5;
const WORDS: usize = 0;
const LETTERS: usize = 1;
const SKELETON: usize = 2;
const ENDS: usize = 3;
const PAIRS: usize = 4;
/// Rules that are paired with each other, at most.
const PAIRED: usize = 12;
/// Shapes at the end of [`SHAPES`] that hang on punctuation: they stay alone, so that little hangs on them.
const MARKED: usize = 8;

/// One feature of a query; `start` and `end` are byte offsets into it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// Bucket below [`BUCKETS`], or [`BUCKETS`] plus the rule's position in `rule_names`.
    pub index: u32,
    /// How much of it there is.
    pub value: f32,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// What takes features as they are found.
pub(super) trait Sink {
    /// A hashed feature of a group.
    fn hashed(&mut self, group: usize, bucket: u32, start: u32, end: u32);
    /// A rule that fired.
    fn rule(&mut self, rule: usize, start: u32, end: u32);
}

/// The features of `text`, in order of their kind and place; the same text always gives the same features.
pub fn features(text: &str) -> Vec<Feature> {
    let mut scan = Scan::default();
    scan.read(text, book());
    let mut sink = Collected::default();
    emit(&scan, &mut sink);
    sink.finish()
}

/// Keeps the features with their places.
#[derive(Default)]
pub(super) struct Collected {
    features: Vec<Feature>,
    groups: Vec<u8>,
    counts: [u32; GROUPS],
}

const RULE: u8 = GROUPS as u8;

impl Sink for Collected {
    fn hashed(&mut self, group: usize, index: u32, start: u32, end: u32) {
        self.features.push(Feature { index, value: 0.0, start: start as usize, end: end as usize });
        self.groups.push(group as u8);
        self.counts[group] += 1;
    }

    fn rule(&mut self, rule: usize, start: u32, end: u32) {
        let index = (BUCKETS + rule) as u32;
        self.features.push(Feature { index, value: 1.0, start: start as usize, end: end as usize });
        self.groups.push(RULE);
    }
}

impl Collected {
    /// The features with their values.
    pub(super) fn finish(mut self) -> Vec<Feature> {
        for (feature, &group) in self.features.iter_mut().zip(&self.groups) {
            if group != RULE {
                feature.value = value(usize::from(group), self.counts[usize::from(group)]);
            }
        }
        self.features
    }
}

/// The value of each of `count` features of a group; bounded where one word is repeated a thousand times.
pub(super) fn value(group: usize, count: u32) -> f32 {
    let count = count as f32;
    LENGTHS[group] * (1.0 / count.sqrt()).min(16.0 / count)
}

fn bucket(hash: u64) -> u32 {
    (mix(hash) >> 48) as u32
}

/// Gives `sink` every feature of what was read.
pub(super) fn emit(scan: &Scan, sink: &mut impl Sink) {
    let book = book();
    let tokens = scan.tokens();
    word_grams(tokens, sink);
    letter_grams(scan, book, sink);
    skeleton(tokens, book, scan, sink);
    ends(tokens, sink);
    let mut fired = Fired::default();
    fire_rules(tokens, book, &mut fired);
    shapes(tokens, scan, book, &mut fired);
    for &(rule, start, end) in &fired.found[..fired.count] {
        sink.rule(usize::from(rule), start, end);
    }
    pairs(&fired, sink);
}

/// Word 1-, 2- and 3-grams, the start of the query counting as a word in the latter two.
fn word_grams(tokens: &[Token], sink: &mut impl Sink) {
    let mut before = [(START, 0), (0, 0)];
    for (at, token) in tokens.iter().enumerate() {
        sink.hashed(WORDS, bucket(token.hash), token.start, token.end);
        let pair = token.hash ^ before[0].0.rotate_left(21).wrapping_mul(3);
        let begin = |index: usize| if at > index { before[index].1 } else { tokens[0].start };
        sink.hashed(WORDS, bucket(pair), begin(0), token.end);
        if at > 0 {
            let three = pair ^ before[1].0.rotate_left(42).wrapping_mul(5);
            sink.hashed(WORDS, bucket(three), begin(1), token.end);
        }
        before = [(token.hash, token.start), before[0]];
    }
}

const START: u64 = 0x9e37_79b9_7f4a_7c15;

/// Four-byte grams inside longer words: what is left of a word that nobody knows when it is mistyped.
fn letter_grams(scan: &Scan, book: &Book, sink: &mut impl Sink) {
    for token in scan.tokens() {
        let word = scan.text(token, book);
        if word.len() < 5 {
            continue;
        }
        // Longer than any real word: not worth a feature each.
        for gram in word.windows(4).take(24) {
            let hash = u64::from(u32::from_le_bytes([gram[0], gram[1], gram[2], gram[3]]));
            sink.hashed(LETTERS, bucket(hash.wrapping_mul(START)), token.start, token.end);
        }
    }
}

/// 2-, 3- and 4-grams of the query's skeleton: words of form as they are, others as their class or ending. What is
/// asked stays, what it is about goes, so that it holds for topics never seen.
fn skeleton(tokens: &[Token], book: &Book, scan: &Scan, sink: &mut impl Sink) {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
    let mut window = [(1_u64, first.start); 4];
    let mut length = 1;
    let stop = (2, last.end, last.end);
    let symbols = tokens.iter().map(|token| (symbol(token, book, scan), token.start, token.end));
    for (symbol, start, end) in symbols.chain([stop]) {
        let symbol = mix(u64::from(symbol) + 7);
        window.rotate_right(1);
        window[0] = (symbol, start);
        length = (length + 1).min(4);
        let mut hash = symbol;
        for (step, &(other, start)) in window[..length].iter().enumerate().skip(1) {
            hash = (hash.rotate_left(17) ^ other).wrapping_mul(0x2545_f491_4f6c_dd1d);
            sink.hashed(SKELETON, bucket(hash ^ step as u64), start, end);
        }
    }
}

/// What stands for a word in the skeleton.
fn symbol(token: &Token, book: &Book, scan: &Scan) -> u32 {
    if let Some(word) = book.words.get(token.word as usize)
        && word.symbol != 0
    {
        return word.symbol;
    }
    if token.classes != 0 {
        return 16 + token.classes.trailing_zeros();
    }
    ending(scan.text(token, book))
}

/// The first words together, and the last ones: where the demand stands in a long query.
fn ends(tokens: &[Token], sink: &mut impl Sink) {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
    let mut hash = 0x5bd1_e995_u64;
    for token in &tokens[..tokens.len().min(4)] {
        hash = (hash.rotate_left(11) ^ token.hash).wrapping_mul(START);
        sink.hashed(ENDS, bucket(hash), first.start, token.end);
    }
    let mut hash = 0xc2b2_ae35_u64;
    for token in tokens.iter().rev().take(3) {
        hash = (hash.rotate_left(11) ^ token.hash).wrapping_mul(START);
        sink.hashed(ENDS, bucket(hash), token.start, last.end);
    }
}

/// Rules that fired, in order of their place in the book, with the span of the first match.
struct Fired {
    seen: u128,
    found: [(u16, u32, u32); 128],
    count: usize,
}

impl Default for Fired {
    fn default() -> Self {
        Self { seen: 0, found: [(0, 0, 0); 128], count: 0 }
    }
}

impl Fired {
    fn add(&mut self, rule: usize, start: u32, end: u32) {
        self.seen |= 1 << rule;
        self.found[self.count] = (rule as u16, start, end);
        self.count += 1;
    }
}

/// Each rule that matches, once, with the span of its first match.
fn fire_rules(tokens: &[Token], book: &Book, fired: &mut Fired) {
    for (at, token) in tokens.iter().enumerate() {
        let candidates = match book.words.get(token.word as usize) {
            Some(word) => &word.patterns,
            None if token.classes & book.year.0 != 0 => &book.year.1,
            None if token.classes & book.number.0 != 0 => &book.number.1,
            None if token.classes & book.identifier.0 != 0 => &book.identifier.1,
            None => continue,
        };
        for &number in candidates {
            let pattern = &book.patterns[usize::from(number)];
            if fired.seen >> pattern.rule & 1 == 1 || pattern.anchored && at > 0 {
                continue;
            }
            if let Some(last) = find(pattern, tokens, at) {
                fired.add(pattern.rule, token.start, tokens[last].end);
            }
        }
    }
    fired.found[..fired.count].sort_unstable_by_key(|&(rule, ..)| rule);
}

/// Last token of the match of `pattern` that begins at token `at`: each step takes the nearest token that fits.
fn find(pattern: &Pattern, tokens: &[Token], at: usize) -> Option<usize> {
    pattern.steps[1..].iter().try_fold(at, |last, step| {
        let window = tokens.get(last + 1..)?;
        let offset = window.iter().take(step.gap + 1).position(|token| step.fits(token.classes, token.word))?;
        Some(last + 1 + offset)
    })
}

/// What the form of the query tells: keywords only, supplied text, a row of items, arithmetic, its length.
fn shapes(tokens: &[Token], scan: &Scan, book: &Book, fired: &mut Fired) {
    let first = rule_count() - SHAPES.len();
    let (Some(head), Some(tail)) = (tokens.first(), tokens.last()) else { return };
    let (all, marks) = ((head.start, tail.end), &scan.marks);
    // A mark that only a polite phrase follows separates nothing.
    let inner = |mark: Option<(u32, u32)>| mark.filter(|&(start, _)| start < tail.start);
    let keywords = tokens.len() <= 6 && tokens.iter().all(|token| token.classes & book.sentence == 0);
    let opens = |classes: u128| {
        let found = tokens.iter().skip(1).find(|token| token.clause && token.classes & classes != 0);
        found.map(|token| (token.start, token.end))
    };
    let [question, task, demand] = book.openers;
    let spans = [
        keywords.then_some(all),
        (tokens.len() == 1).then_some(all),
        (2..=4).contains(&tokens.len()).then_some(all),
        (tokens.len() > 40).then_some(all),
        marks.digits,
        inner(marks.colon),
        inner(marks.quote),
        inner(marks.block),
        items(tokens),
        inner(marks.question),
        opens(question),
        opens(task),
        opens(demand),
    ];
    for (position, span) in spans.into_iter().enumerate() {
        if let Some((start, end)) = span {
            fired.add(first + position, start, end);
        }
    }
}

/// A row of three or more short items with commas or line breaks between them.
fn items(tokens: &[Token]) -> Option<(u32, u32)> {
    let mut begin: Option<usize> = None;
    let (mut last, mut count) = (0, 0);
    // What stands before the first word separates it from nothing but a polite phrase.
    for (at, token) in tokens.iter().enumerate().skip(1) {
        if token.item {
            if begin.is_none() || at - last > 3 {
                (begin, count) = (Some(at), 0);
            }
            (last, count) = (at, count + 1);
            if count >= 2 {
                return Some((tokens[begin.unwrap_or(0).saturating_sub(1)].start, token.end));
            }
        }
    }
    None
}

/// Pairs of rules that fired: a question and a format say more together than apart.
fn pairs(fired: &Fired, sink: &mut impl Sink) {
    let marked = rule_count() - MARKED;
    let found = &fired.found[..fired.count];
    let found = &found[..found.partition_point(|&(rule, ..)| usize::from(rule) < marked).min(PAIRED)];
    for (position, &(left, start, end)) in found.iter().enumerate() {
        for &(right, from, to) in &found[position + 1..] {
            let hash = (u64::from(left) << 16 | u64::from(right)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            sink.hashed(PAIRS, bucket(hash), start.min(from), end.max(to));
        }
    }
}

impl<First: Sink, Second: Sink> Sink for (First, Second) {
    fn hashed(&mut self, group: usize, bucket: u32, start: u32, end: u32) {
        self.0.hashed(group, bucket, start, end);
        self.1.hashed(group, bucket, start, end);
    }

    fn rule(&mut self, rule: usize, start: u32, end: u32) {
        self.0.rule(rule, start, end);
        self.1.rule(rule, start, end);
    }
}
