//! Turns a query into sparse features with spans: hashed word and character n-grams, and the rules that fire.
//!
//! Case, apostrophes, most punctuation and polite phrases are gone before anything is counted, so that they cannot
//! change a decision. Time is linear in the text; of a text longer than [`MAX_BYTES`] only the head and the tail are
//! read, where instructions stand.

use super::rules::{Book, Pattern, book};

/// Buckets of the hashed n-grams; features from here on are rules.
pub const BUCKETS: usize = 1 << 16;
/// Bytes of a query that are read: the first three quarters of this, and the last quarter.
pub const MAX_BYTES: usize = 2048;
/// Counted up whenever the scanner gives other features for the same text and rule book.
pub(super) const VERSION: u32 = 1;

/// Features of shape, which stand after the rules of the rule book.
pub(super) const SHAPES: &[&str] =
    &["shape.keywords", "shape.single", "given.colon", "given.quote", "given.block", "arithmetic.digits"];

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

/// A word: its place in the query, its folded text in the scratch buffer, its hash and classes.
#[derive(Clone, Copy)]
struct Token {
    start: usize,
    end: usize,
    from: usize,
    to: usize,
    hash: u64,
    classes: u128,
}

/// What stands between words and matters: text that seems to be supplied rather than asked.
#[derive(Default)]
struct Marks {
    colon: Option<(usize, usize)>,
    quote: Option<(usize, usize)>,
    block: Option<(usize, usize)>,
    digits: Option<(usize, usize)>,
}

/// The features of `text`, in order of their kind and place; the same text always gives the same features.
pub fn features(text: &str) -> Vec<Feature> {
    features_and_words(text).0
}

/// The features, and the spans of the words that they were made from.
pub(super) fn features_and_words(text: &str) -> (Vec<Feature>, Vec<(usize, usize)>) {
    let book = book();
    let mut folded = Vec::with_capacity(text.len().min(MAX_BYTES) + 8);
    let mut tokens = Vec::with_capacity(32);
    let mut marks = Marks::default();
    for (from, to) in cut(text) {
        scan(text, from, to, book, &mut folded, &mut tokens, &mut marks);
    }
    let tokens = without_politeness(&tokens, book);
    let mut out = Vec::with_capacity(tokens.len() * 8 + 16);
    word_grams(tokens, &mut out);
    character_grams(tokens, &folded, &mut out);
    fire_rules(tokens, book, &mut out);
    shapes(tokens, &marks, book, &mut out);
    (out, tokens.iter().map(|token| (token.start, token.end)).collect())
}

/// The parts of a text that are read.
fn cut(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let (mut head, mut tail) = (text.len(), text.len());
    if text.len() > MAX_BYTES {
        head = MAX_BYTES / 4 * 3;
        tail = text.len() - MAX_BYTES / 4;
        while !text.is_char_boundary(head) {
            head -= 1;
        }
        while !text.is_char_boundary(tail) {
            tail += 1;
        }
    }
    [(0, head), (tail, text.len())].into_iter().filter(|(from, to)| from < to)
}

/// Hash of a folded word.
pub(super) fn hash_word(word: &str) -> u64 {
    mix(word.bytes().fold(SEED, hash_byte))
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

fn hash_byte(state: u64, byte: u8) -> u64 {
    (state.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517c_c1b7_2722_0a95)
}

fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

fn bucket(hash: u64) -> u32 {
    (mix(hash) >> 48) as u32
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Splits `text[from..to]` into folded words and notes the marks between them.
fn scan(
    text: &str,
    from: usize,
    to: usize,
    book: &Book,
    folded: &mut Vec<u8>,
    tokens: &mut Vec<Token>,
    marks: &mut Marks,
) {
    let mut rest = text[from..to].char_indices().map(|(at, character)| (from + at, character)).peekable();
    let mut quote_open: Option<usize> = None;
    while let Some((start, character)) = rest.next() {
        if !is_word(character) {
            mark(character, start, to, marks, &mut quote_open);
            continue;
        }
        let begin = folded.len();
        let (mut letters, mut digits, mut joins) = (0_usize, 0_usize, false);
        let (mut end, mut current) = (start, Some(character));
        while let Some(character) = current {
            end += character.len_utf8();
            letters += usize::from(character.is_alphabetic());
            digits += usize::from(character.is_ascii_digit());
            joins |= character == '_';
            fold(character, folded);
            current = match rest.peek() {
                Some(&(_, next)) if is_word(next) => rest.next().map(|(_, next)| next),
                Some(&(at, '\'' | '’')) if text[at..to].chars().nth(1).is_some_and(char::is_alphabetic) => {
                    end += rest.next().map_or(0, |(_, quote)| quote.len_utf8());
                    rest.next().map(|(_, next)| next)
                }
                _ => None,
            };
        }
        let hash = mix(folded[begin..].iter().copied().fold(SEED, hash_byte));
        let mut classes = book.classes(hash);
        if letters == 0 && digits > 0 {
            classes |= book.number;
            classes |= if digits == 4 && matches!(folded[begin], b'1' | b'2') { book.year } else { 0 };
        } else if joins && letters + digits > 1 || letters > 0 && digits > 0 && !is_ordinal(&folded[begin..]) {
            classes |= book.identifier;
        }
        tokens.push(Token { start, end, from: begin, to: folded.len(), hash, classes });
        if letters == 0 && digits > 0 && arithmetic_follows(&text[end..to]) {
            marks.digits.get_or_insert((start, end));
        }
    }
}

fn fold(character: char, folded: &mut Vec<u8>) {
    if character.is_ascii() {
        folded.push(character.to_ascii_lowercase() as u8);
    } else {
        let mut bytes = [0; 4];
        for lower in character.to_lowercase() {
            folded.extend_from_slice(lower.encode_utf8(&mut bytes).as_bytes());
        }
    }
}

/// `1st`, `20th`, `60s`: letters and digits, yet no identifier.
fn is_ordinal(folded: &[u8]) -> bool {
    let digits = folded.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && matches!(&folded[digits..], b"st" | b"nd" | b"rd" | b"th" | b"s" | b"k" | b"m" | b"am" | b"pm" | b"x")
}

/// Whether an operator and a digit follow: `12 * 7`, `3+4`.
fn arithmetic_follows(rest: &str) -> bool {
    let mut characters = rest.chars().take(4).filter(|character| *character != ' ');
    matches!(characters.next(), Some('+' | '*' | '×' | '/' | '^' | '=' | '-' | '−' | '÷'))
        && characters.next().is_some_and(|character| character.is_ascii_digit() || character == '(')
        && !rest.starts_with('-')
        && !rest.starts_with('/')
}

fn mark(character: char, at: usize, to: usize, marks: &mut Marks, quote_open: &mut Option<usize>) {
    let after = at + character.len_utf8();
    match character {
        ':' if after < to => marks.colon = marks.colon.or(Some((at, after))),
        '\n' if to - after >= 24 => marks.block = marks.block.or(Some((at, after))),
        '"' | '“' | '”' | '`' => match quote_open.take() {
            Some(open) if at - open >= 16 => marks.quote = marks.quote.or(Some((open, after))),
            Some(_) => {}
            None => *quote_open = Some(at),
        },
        _ => {}
    }
}

/// The words that are left when leading and trailing polite phrases are taken off; never none of them.
fn without_politeness<'a>(mut tokens: &'a [Token], book: &Book) -> &'a [Token] {
    let same = |tokens: &[Token], phrase: &[u64]| tokens.iter().map(|token| token.hash).eq(phrase.iter().copied());
    // Each round drops a word, and one is always left; the bound keeps `please please …` linear.
    for _ in 0..8 {
        let head =
            book.heads.iter().find(|phrase| tokens.len() > phrase.len() && same(&tokens[..phrase.len()], phrase));
        let Some(phrase) = head else { break };
        tokens = &tokens[phrase.len()..];
    }
    for _ in 0..2 {
        let tail = book
            .tails
            .iter()
            .find(|phrase| tokens.len() > phrase.len() && same(&tokens[tokens.len() - phrase.len()..], phrase));
        let Some(phrase) = tail else { break };
        tokens = &tokens[..tokens.len() - phrase.len()];
    }
    tokens
}

/// Word 1-, 2- and 3-grams, the start of the query counting as a word in the latter two.
fn word_grams(tokens: &[Token], out: &mut Vec<Feature>) {
    let first = out.len();
    let (mut before, mut before_that) = ((SEED, None), None);
    for token in tokens {
        let mut push = |hash, start| out.push(Feature { index: bucket(hash), value: 1.0, start, end: token.end });
        push(token.hash, token.start);
        let pair = token.hash ^ u64::rotate_left(before.0, 21).wrapping_mul(3);
        push(pair, before.1.unwrap_or(token.start));
        if let Some((hash, start)) = before_that {
            let start: Option<usize> = start;
            push(pair ^ u64::rotate_left(hash, 42).wrapping_mul(5), start.unwrap_or(token.start));
        }
        before_that = Some(before);
        before = (token.hash, Some(token.start));
    }
    scale(&mut out[first..], 1.0);
}

/// Four-byte grams inside longer words: what is left of a word when it is mistyped.
fn character_grams(tokens: &[Token], folded: &[u8], out: &mut Vec<Feature>) {
    let first = out.len();
    for token in tokens {
        let word = &folded[token.from..token.to];
        // Longer than any real word: not worth a feature each.
        for gram in word.windows(4).take(24).filter(|_| word.len() >= 5) {
            let hash = u64::from(u32::from_le_bytes([gram[0], gram[1], gram[2], gram[3]]));
            let index = bucket(hash.wrapping_mul(SEED));
            out.push(Feature { index, value: 1.0, start: token.start, end: token.end });
        }
    }
    scale(&mut out[first..], 0.5);
}

/// Makes the Euclidean length of a group `length`, repeated features counted apart.
fn scale(group: &mut [Feature], length: f32) {
    let value = length / (group.len() as f32).sqrt();
    for feature in group {
        feature.value = value;
    }
}

/// Each rule that matches, once, with the span of its first match.
fn fire_rules(tokens: &[Token], book: &Book, out: &mut Vec<Feature>) {
    let mut fired = 0_u128;
    let first = out.len();
    for at in 0..tokens.len() {
        let mut classes = tokens[at].classes;
        while classes != 0 {
            let class = classes.trailing_zeros() as usize;
            classes &= classes - 1;
            for &number in &book.by_class[class] {
                let pattern = &book.patterns[usize::from(number)];
                if fired >> pattern.rule & 1 == 1 || pattern.anchored && at > 0 {
                    continue;
                }
                if let Some(last) = find(pattern, tokens, at) {
                    fired |= 1 << pattern.rule;
                    let (start, end) = (tokens[at].start, tokens[last].end);
                    out.push(Feature { index: (BUCKETS + pattern.rule) as u32, value: 1.0, start, end });
                }
            }
        }
    }
    out[first..].sort_unstable_by_key(|feature| feature.index);
}

/// Last token of the match of `pattern` that begins at token `at`: each step takes the nearest token that fits.
fn find(pattern: &Pattern, tokens: &[Token], at: usize) -> Option<usize> {
    let (first, others) = pattern.steps.split_first()?;
    if !first.fits(tokens[at].classes, tokens[at].hash) {
        return None;
    }
    others.iter().try_fold(at, |last, step| {
        let window = tokens.get(last + 1..)?;
        let offset = window.iter().take(step.gap + 1).position(|token| step.fits(token.classes, token.hash))?;
        Some(last + 1 + offset)
    })
}

/// What the form of the query tells: keywords only, supplied text, arithmetic.
fn shapes(tokens: &[Token], marks: &Marks, book: &Book, out: &mut Vec<Feature>) {
    let first = (BUCKETS + super::rules::rule_names().count() - SHAPES.len()) as u32;
    let (Some(head), Some(tail)) = (tokens.first(), tokens.last()) else { return };
    let all = (head.start, tail.end);
    let keywords = tokens.len() <= 6 && tokens.iter().all(|token| token.classes & book.sentence == 0);
    let spans = [
        keywords.then_some(all),
        (tokens.len() == 1).then_some(all),
        marks.colon,
        marks.quote,
        marks.block,
        marks.digits,
    ];
    for (position, span) in spans.into_iter().enumerate() {
        if let Some((start, end)) = span {
            out.push(Feature { index: first + position as u32, value: 1.0, start, end });
        }
    }
}
