//! Splits a query into folded, spelled-right words without its polite phrases, and notes the marks between them.

use super::book::{Book, UNKNOWN, Word, hash_byte, hash_word, mix};

/// Bytes of a query that are read: the first three quarters of this, and the last quarter.
pub const MAX_BYTES: usize = 2048;
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// A word: its place in the query, its folded text in the scratch buffer, what is known of it.
#[derive(Clone, Copy)]
pub(super) struct Token {
    pub(super) start: u32,
    pub(super) end: u32,
    from: u32,
    to: u32,
    pub(super) hash: u64,
    /// Number in the book, or [`UNKNOWN`].
    pub(super) word: u32,
    pub(super) classes: u128,
    /// A comma, semicolon or line break stands before it.
    pub(super) item: bool,
    /// Any mark but a hyphen, an apostrophe or a bracket stands before it.
    pub(super) clause: bool,
}

/// What stands between words and matters: text that seems to be supplied rather than asked.
#[derive(Default, Clone, Copy)]
pub(super) struct Marks {
    pub(super) colon: Option<(u32, u32)>,
    pub(super) quote: Option<(u32, u32)>,
    pub(super) block: Option<(u32, u32)>,
    pub(super) digits: Option<(u32, u32)>,
    /// A question mark with words behind it.
    pub(super) question: Option<(u32, u32)>,
    quote_open: Option<u32>,
}

/// The words of one query; used again for the next one, so that nothing is allocated.
#[derive(Default)]
pub(super) struct Scan {
    folded: Vec<u8>,
    all: Vec<Token>,
    kept: (usize, usize),
    pub(super) marks: Marks,
}

impl Scan {
    /// Reads `text`, forgetting what was read before.
    pub(super) fn read(&mut self, text: &str, book: &Book) {
        self.folded.clear();
        self.all.clear();
        self.marks = Marks::default();
        let (head, tail) = cut(text);
        self.part(text, 0, head, book);
        if tail > head {
            self.part(text, tail, text.len(), book);
        }
        self.kept = without_politeness(&self.all, book);
    }

    /// The words without polite phrases at either end.
    pub(super) fn tokens(&self) -> &[Token] {
        &self.all[self.kept.0..self.kept.1]
    }

    /// The folded text of a word, spelled right where that is known.
    pub(super) fn text<'a>(&'a self, token: &Token, book: &'a Book) -> &'a [u8] {
        book.words.get(token.word as usize).map_or(&self.folded[token.from as usize..token.to as usize], Word::text)
    }

    fn part(&mut self, text: &str, from: usize, to: usize, book: &Book) {
        let bytes = &text.as_bytes()[..to];
        let (mut at, mut item, mut clause) = (from, false, false);
        while at < to {
            let kind = KINDS[usize::from(bytes[at])];
            if kind == SPACE {
                at += 1;
                continue;
            }
            if kind == MARK {
                item |= matches!(bytes[at], b',' | b';' | b'\n');
                clause |= matches!(bytes[at], b',' | b';' | b'\n' | b'.' | b':' | b'?' | b'!');
                self.mark(u32::from(bytes[at]), at, at + 1, to);
                at += 1;
                continue;
            }
            if kind == OTHER {
                let character = text[at..].chars().next().unwrap_or(' ');
                let after = at + character.len_utf8();
                if !character.is_alphanumeric() {
                    self.mark(character as u32, at, after, to);
                    at = after;
                    continue;
                }
            }
            let (count, last) = (self.all.len(), self.all.last().map(|token| (token.item, token.clause)));
            at = self.word(text, at, to, book);
            // A word put together with the one before keeps what stood before that.
            let before = if self.all.len() > count { Some((item, clause)) } else { last };
            if let (Some(token), Some(before)) = (self.all.last_mut(), before) {
                (token.item, token.clause) = before;
            }
            (item, clause) = (false, false);
        }
    }

    /// Reads the word at `start`; its end.
    fn word(&mut self, text: &str, start: usize, to: usize, book: &Book) -> usize {
        let bytes = &text.as_bytes()[..to];
        let (mut at, begin, mut hash) = (start, self.folded.len(), SEED);
        let (mut letters, mut digits, mut joins) = (0_usize, 0_usize, 0_usize);
        while at < to {
            let byte = bytes[at];
            match KINDS[usize::from(byte)] {
                LETTER => letters += 1,
                DIGIT => digits += 1,
                JOIN => joins += 1,
                OTHER => {
                    let character = text[at..].chars().next().unwrap_or(' ');
                    let after = at + character.len_utf8();
                    if character.is_alphanumeric() {
                        letters += usize::from(character.is_alphabetic());
                        for lower in character.to_lowercase() {
                            for &byte in lower.encode_utf8(&mut [0; 4]).as_bytes() {
                                self.folded.push(byte);
                                hash = hash_byte(hash, byte);
                            }
                        }
                    } else if character != '’' || !letter_at(text, after, to) {
                        break;
                    }
                    at = after;
                    continue;
                }
                _ if byte == b'\'' && letter_at(text, at + 1, to) => {
                    at += 1;
                    continue;
                }
                _ => break,
            }
            let lower = byte | (u8::from(byte.is_ascii_uppercase()) << 5);
            self.folded.push(lower);
            hash = hash_byte(hash, lower);
            at += 1;
        }
        let (begin, start, hash) = self.rejoined(text, begin, start, mix(hash));
        let folded = &self.folded[begin..];
        let (mut hash, mut classes, mut word) = (hash, 0, UNKNOWN);
        if letters == 0 && digits > 0 {
            classes = book.number.0;
            // Long numbers and names of parts are all alike; so are words that nobody knows, but for their ending.
            if digits > 2 {
                hash = mix(digits.min(9) as u64);
            }
            classes |= if digits == 4 && matches!(folded[0], b'1' | b'2') { book.year.0 } else { 0 };
            if arithmetic_follows(&text[at..to]) {
                self.marks.digits.get_or_insert((start as u32, at as u32));
            }
        } else if joins > 0 && letters + digits > 1 || letters > 0 && digits > 0 && !is_ordinal(folded) {
            classes = book.identifier.0;
            hash = mix(10);
        } else {
            word = book.find(hash);
            if word == UNKNOWN {
                word = book.correct(folded);
            }
            if let Some(known) = book.words.get(word as usize) {
                (hash, classes) = (known.hash, known.classes);
            } else {
                hash = mix(u64::from(ending(folded)));
            }
        }
        let (from, end) = (begin as u32, self.folded.len() as u32);
        let (start, to) = (start as u32, end);
        self.all.push(Token { start, end: at as u32, from, to, hash, word, classes, item: false, clause: false });
        at
    }

    /// Puts `don t` together again, as people write who write without apostrophes: where the word begins, in the buffer
    /// and in the text, and its hash.
    fn rejoined(&mut self, text: &str, begin: usize, start: usize, hash: u64) -> (usize, usize, u64) {
        let same = (begin, start, hash);
        let ending = &self.folded[begin..];
        if ending.len() > 2 || !ENDINGS.contains(&ending) {
            return same;
        }
        let Some(before) = self.all.last() else { return same };
        let (from, first, end) = (before.from as usize, before.start as usize, before.end as usize);
        if &text[end..start] != " " || !self.folded[from..begin].iter().all(u8::is_ascii_alphabetic) {
            return same;
        }
        self.all.pop();
        (from, first, hash_word(&self.folded[from..]))
    }

    fn mark(&mut self, mark: u32, at: usize, after: usize, to: usize) {
        let place = (at as u32, after as u32);
        let marks = &mut self.marks;
        match char::from_u32(mark).unwrap_or(' ') {
            ':' if after < to => marks.colon = marks.colon.or(Some(place)),
            '?' if to - after >= 4 => marks.question = marks.question.or(Some(place)),
            '\n' if to - after >= 24 => marks.block = marks.block.or(Some(place)),
            '"' | '“' | '”' | '`' => match marks.quote_open.take() {
                Some(open) if place.0 - open >= 16 => marks.quote = marks.quote.or(Some((open, place.1))),
                Some(_) => {}
                None => marks.quote_open = Some(place.0),
            },
            _ => {}
        }
    }
}

/// What follows an apostrophe.
const ENDINGS: [&[u8]; 7] = [b"s", b"t", b"m", b"d", b"re", b"ve", b"ll"];

const SPACE: u8 = 0;
const MARK: u8 = 1;
const LETTER: u8 = 2;
const DIGIT: u8 = 3;
const JOIN: u8 = 4;
const OTHER: u8 = 5;

/// The kind of each byte; those of characters beyond ASCII are looked at one by one.
static KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut kinds = [OTHER; 256];
    let mut byte = 0;
    while byte < 128 {
        kinds[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'_' => JOIN,
            b' ' | b'\t' | b'\r' => SPACE,
            _ => MARK,
        };
        byte += 1;
    }
    kinds
}

/// What a word that nobody knows looks like by its ending.
pub(super) fn ending(folded: &[u8]) -> u32 {
    match folded {
        [.., b'i', b'n', b'g'] => 11,
        [.., b'l', b'y'] => 12,
        [.., b'e', b'd'] => 13,
        [.., b's', b's'] => 14,
        [.., b's'] => 15,
        _ => 14,
    }
}

/// Where the parts of a text that are read end and begin: `0..head` and `tail..`.
fn cut(text: &str) -> (usize, usize) {
    if text.len() <= MAX_BYTES {
        return (text.len(), text.len());
    }
    let (mut head, mut tail) = (MAX_BYTES / 4 * 3, text.len() - MAX_BYTES / 4);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    (head, tail)
}

fn letter_at(text: &str, at: usize, to: usize) -> bool {
    text.get(at..to).and_then(|rest| rest.chars().next()).is_some_and(char::is_alphabetic)
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

/// Where the words begin and end when leading and trailing polite phrases are taken off; one is always left.
fn without_politeness(tokens: &[Token], book: &Book) -> (usize, usize) {
    let same = |tokens: &[Token], phrase: &[u32]| tokens.iter().map(|token| token.word).eq(phrase.iter().copied());
    let polite = |at: usize| book.words.get(tokens[at].word as usize).map_or((false, false), |word| word.polite);
    let (mut from, mut to) = (0, tokens.len());
    // The bound keeps `please please …` linear.
    for _ in 0..8 {
        if from >= to || !polite(from).0 {
            break;
        }
        let fits = |phrase: &&Vec<u32>| to - from > phrase.len() && same(&tokens[from..from + phrase.len()], phrase);
        let Some(phrase) = book.heads.iter().find(fits) else { break };
        from += phrase.len();
    }
    for _ in 0..2 {
        if from >= to || !polite(to - 1).1 {
            break;
        }
        let fits = |phrase: &&Vec<u32>| to - from > phrase.len() && same(&tokens[to - phrase.len()..to], phrase);
        let Some(phrase) = book.tails.iter().find(fits) else { break };
        to -= phrase.len();
    }
    (from, to)
}
