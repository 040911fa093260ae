//! Remembers the terms of short words as they are written: text repeats its words, and stemming is slow.

use std::cell::Cell;

use super::split::{Piece, Role, Word};
use super::stem::Language;

/// Longest raw word that is remembered, in bytes; the sixteenth byte of a key is the language.
pub(super) const RAW_MAX: usize = 15;
/// A power of two. With two entries of 32 bytes each this is 1 MiB a thread, half of what a core's own cache holds.
const SETS: usize = 1 << 14;
const TERM_MAX: usize = 14;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// Sixteen bytes of a text, zeros past its end.
#[derive(Clone, Copy)]
pub(super) struct Window([u64; 2]);

/// Masks that keep the first bytes of a window.
static FIRST: [[u64; 2]; 17] = {
    let mut masks = [[0; 2]; 17];
    let mut length = 1;
    while length <= 16 {
        masks[length] = masks[length - 1];
        masks[length][(length - 1) / 8] |= 0xff << (8 * ((length - 1) % 8));
        length += 1;
    }
    masks
};

impl Window {
    #[inline]
    pub(super) fn at(text: &[u8], at: usize) -> Self {
        match text[at..].first_chunk::<16>() {
            Some(bytes) => Self::of(*bytes),
            None => Self::last(&text[at..]),
        }
    }

    #[inline]
    fn of(bytes: [u8; 16]) -> Self {
        let whole = u128::from_le_bytes(bytes);
        Self([whole as u64, (whole >> 64) as u64])
    }

    #[cold]
    fn last(rest: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes[..rest.len()].copy_from_slice(rest);
        Self::of(bytes)
    }

    /// Number of ASCII letters that it begins with, 0 to 16.
    #[inline]
    pub(super) fn letters(self) -> usize {
        let count = |word: u64| (not_letters(word).trailing_zeros() / 8) as usize;
        let low = count(self.0[0]);
        if low < 8 { low } else { 8 + count(self.0[1]) }
    }

    /// The first `length` bytes as the key of a word in a language.
    #[inline]
    pub(super) fn key(self, length: usize, language: u8) -> Key {
        let mask = FIRST[length & 15];
        Key([self.0[0] & mask[0], self.0[1] & mask[1] | u64::from(language) << 56])
    }
}

/// The highest bit of each byte that is no ASCII letter.
#[inline]
fn not_letters(word: u64) -> u64 {
    // Sums of seven-bit numbers never carry into the next byte.
    let seven = (word | (0x20 * ONES)) & !HIGH;
    let from_a = seven + (0x80 - u64::from(b'a')) * ONES;
    let past_z = seven + (0x7f - u64::from(b'z')) * ONES;
    (!from_a | past_z | word) & HIGH
}

/// A raw word of at most [`RAW_MAX`] bytes and its language.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key([u64; 2]);

impl Key {
    #[inline]
    fn set(self) -> usize {
        const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = (self.0[0] ^ self.0[1].rotate_left(29).wrapping_mul(MIX)).wrapping_mul(MIX);
        (mixed >> (64 - SETS.ilog2())) as usize
    }
}

/// How a remembered word gives its term.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A stop word or a single character.
    Nothing,
    /// The term is how the word begins.
    Begins,
    /// The term is in the entry.
    Kept,
    /// As [`Kind::Kept`], of a word that also has parts.
    Several,
}

/// A word and its term.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Entry {
    key: Key,
    term: [u8; TERM_MAX],
    length: u8,
    kind: Kind,
}

impl Entry {
    const EMPTY: Self = Self { key: Key([0; 2]), term: [0; TERM_MAX], length: 0, kind: Kind::Nothing };

    /// Nothing if the term is too long to be remembered.
    fn new(key: Key, raw: &str, term: &str, several: bool) -> Option<Self> {
        let mut entry = Self { key, length: term.len() as u8, ..Self::EMPTY };
        entry.kind = match raw.starts_with(term) {
            _ if several => Kind::Several,
            _ if term.is_empty() => return Some(entry),
            true => Kind::Begins,
            false => Kind::Kept,
        };
        if entry.kind != Kind::Begins {
            entry.term.get_mut(..term.len())?.copy_from_slice(term.as_bytes());
        }
        Some(entry)
    }

    #[inline]
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The term of `raw`, the word of this entry: empty if it has none.
    #[inline]
    pub(super) fn term<'a>(&'a self, raw: &'a str) -> &'a str {
        let length = usize::from(self.length);
        if self.kind == Kind::Begins {
            return &raw[..length];
        }
        std::str::from_utf8(&self.term[..length.min(TERM_MAX)]).expect("terms are text")
    }
}

/// Two entries that share a cache line, the one used last in front.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Set([Entry; 2]);

/// The memory of one thread.
pub(super) struct Memo {
    sets: Box<[Set; SETS]>,
    /// For terms on their way.
    scratch: String,
    /// For words on their way.
    pieces: Vec<Piece>,
    words: Vec<Word>,
}

thread_local! {
    static MEMO: Cell<Option<Memo>> = const { Cell::new(None) };
}

impl Memo {
    /// Hands the thread's memory to `work`; a fresh one where `work` of the same thread already has it.
    pub(super) fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        let mut memo = MEMO.take().unwrap_or_else(Self::new);
        let result = work(&mut memo);
        MEMO.set(Some(memo));
        result
    }

    fn new() -> Self {
        let sets = vec![Set([Entry::EMPTY; 2]); SETS].into_boxed_slice();
        let sets = sets.try_into().unwrap_or_else(|_| unreachable!("made of that many"));
        Self { sets, scratch: String::new(), pieces: Vec::new(), words: Vec::new() }
    }

    /// Lends a list out, to be given back for the next word.
    pub(super) fn take_pieces(&mut self) -> Vec<Piece> {
        std::mem::take(&mut self.pieces)
    }

    pub(super) fn give_pieces(&mut self, pieces: Vec<Piece>) {
        self.pieces = pieces;
    }

    pub(super) fn take_words(&mut self) -> Vec<Word> {
        std::mem::take(&mut self.words)
    }

    pub(super) fn give_words(&mut self, words: Vec<Word>) {
        self.words = words;
    }

    #[inline]
    pub(super) fn find(&mut self, key: Key) -> Option<&Entry> {
        let Set(entries) = &mut self.sets[key.set()];
        if entries[0].key == key {
            return Some(&entries[0]);
        }
        if entries[1].key == key {
            entries.swap(0, 1);
            return Some(&entries[0]);
        }
        None
    }

    /// The term of a raw word that is not remembered, or empty; from now on it is if it is short.
    #[cold]
    #[inline(never)]
    pub(super) fn learn(
        &mut self,
        language: &Language,
        key: Option<Key>,
        raw: &str,
        role: Role,
        several: bool,
    ) -> &str {
        self.scratch.clear();
        language.write(raw, role, &mut self.scratch);
        if let Some(key) = key
            && let Some(entry) = Entry::new(key, raw, &self.scratch, several)
        {
            let Set(entries) = &mut self.sets[key.set()];
            *entries = [entry, entries[0]];
        }
        &self.scratch
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Catches a wrong count of letters: a border missed, a carry between bytes, a byte past the text's end.
        #[test]
        fn letters_are_counted(text in "[a-zA-Z]{0,17}[\\x00-\u{ff}]{0,3}") {
            let letters = text.bytes().take(16).take_while(u8::is_ascii_alphabetic).count();
            prop_assert_eq!(Window::at(text.as_bytes(), 0).letters(), letters);
        }
    }

    #[test]
    fn every_byte_is_told_from_letters() {
        // Catches a byte at the border of the ranges.
        for byte in 0..=255u8 {
            assert_eq!(Window::at(&[byte], 0).letters() == 1, byte.is_ascii_alphabetic(), "{byte}");
        }
    }

    #[test]
    fn words_share_no_key() {
        // Catches a length, a language or a byte that the key leaves out.
        let key = |word: &str, language| Window::at(word.as_bytes(), 0).key(word.len(), language);
        let words = ["a", "b", "ab", "abcdefgh", "abcdefghi", "abcdefghijklmno", "abcdefghijklmnp"];
        for (at, one) in words.iter().enumerate() {
            for other in &words[..at] {
                assert!(key(one, 1) != key(other, 1));
            }
            assert!(key(one, 1) != key(one, 2));
        }
        assert!(Window::at(b"abcd", 0).key(2, 1) == key("ab", 1));
    }
}
