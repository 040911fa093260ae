//! Languages and their stemmers, with a small cache: text repeats its words.

use std::cell::RefCell;

use rust_stemmers::{Algorithm, Stemmer};

use super::fold::{fold, lower};
use super::stopwords;
use crate::error::{Error, Result};

/// Names in the order of [`ALGORITHMS`].
const NAMES: [&str; 18] = [
    "arabic",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
];
const ALGORITHMS: [Algorithm; 18] = [
    Algorithm::Arabic,
    Algorithm::Danish,
    Algorithm::Dutch,
    Algorithm::English,
    Algorithm::Finnish,
    Algorithm::French,
    Algorithm::German,
    Algorithm::Greek,
    Algorithm::Hungarian,
    Algorithm::Italian,
    Algorithm::Norwegian,
    Algorithm::Portuguese,
    Algorithm::Romanian,
    Algorithm::Russian,
    Algorithm::Spanish,
    Algorithm::Swedish,
    Algorithm::Tamil,
    Algorithm::Turkish,
];
/// Longest word that is stemmed, in bytes; longer ones are no words of a language.
const STEM_BYTES_MAX: usize = 96;

/// What depends on the language: lower-casing, stop words, stemming, and whether accents matter to the stemmer.
pub(super) struct Language {
    number: u8,
    name: &'static str,
    stemmer: Option<Stemmer>,
}

impl Language {
    pub(super) fn new(name: &str) -> Result<Self> {
        if name == "none" {
            return Ok(Self { number: u8::MAX, name: "none", stemmer: None });
        }
        let number = NAMES.iter().position(|&known| known == name).ok_or_else(|| {
            Error::invalid(format!("language {name:?} is not known: use \"none\" or one of {}", NAMES.join(", ")))
        })?;
        Ok(Self { number: number as u8, name: NAMES[number], stemmer: Some(Stemmer::create(ALGORITHMS[number])) })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// Writes what a raw word is compared by: in English and without a language folded at once, else still with its
    /// accents, which the stemmers of other languages need.
    pub(super) fn normal(&self, raw: &str, out: &mut String) {
        if self.is("english") || self.stemmer.is_none() {
            fold(raw, out);
        } else {
            lower(raw, self.is("turkish"), out);
        }
    }

    /// Replaces a normal word by its term; leaves nothing of a stop word or a single character.
    pub(super) fn term(&self, word: &mut String) {
        CACHE.with_borrow_mut(|cache| {
            let slot = &mut cache[slot_of(word.as_bytes())];
            if slot.holds(self.number, word.as_bytes()) {
                word.clear();
                word.push_str(slot.value());
                return;
            }
            let key = Entry::key(self.number, word.as_bytes());
            self.term_uncached(word);
            if let Some(entry) = key.and_then(|key| key.with(word)) {
                *slot = entry;
            }
        });
    }

    fn term_uncached(&self, word: &mut String) {
        let single = word.chars().nth(1).is_none();
        if single || self.is("english") && stopwords::ENGLISH.binary_search(&word.as_str()).is_ok() {
            word.clear();
            return;
        }
        let Some(stemmer) = &self.stemmer else { return };
        if word.len() <= STEM_BYTES_MAX && word.chars().all(|c| self.writes(c)) {
            let stem = stemmer.stem(word).into_owned();
            if !stem.is_empty() {
                *word = stem;
            }
        }
        if !word.is_ascii() {
            let accented = std::mem::take(word);
            fold(&accented, word);
        }
    }

    /// Whether words of the language are written with `c`: anything else would be stemmed by accident.
    fn writes(&self, c: char) -> bool {
        match self.name {
            "english" => c.is_ascii_lowercase(),
            "russian" => matches!(c, 'а'..='я' | 'ё'),
            "greek" => matches!(c, '\u{370}'..='\u{3ff}') && c.is_alphabetic(),
            "arabic" => matches!(c, '\u{620}'..='\u{65f}' | '\u{670}'..='\u{6d3}'),
            "tamil" => matches!(c, '\u{b80}'..='\u{bff}'),
            _ => c.is_alphabetic() && matches!(c, 'a'..='z' | '\u{df}'..='\u{24f}'),
        }
    }
}

/// 1 MiB a thread: a quarter of it made analysis a fifth slower.
const SLOTS: usize = 1 << 14;
const INLINE: usize = 30;

thread_local! {
    static CACHE: RefCell<Vec<Entry>> = RefCell::new(vec![Entry::EMPTY; SLOTS]);
}

/// One line of the cache: a word, and its term in place of it.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Entry {
    language: u8,
    word_len: u8,
    term_len: u8,
    word: [u8; INLINE],
    term: [u8; INLINE],
}

impl Entry {
    const EMPTY: Self = Self { language: 0, word_len: 0, term_len: 0, word: [0; INLINE], term: [0; INLINE] };

    fn key(language: u8, word: &[u8]) -> Option<Self> {
        let mut entry = Self { language, word_len: word.len() as u8, ..Self::EMPTY };
        entry.word.get_mut(..word.len())?.copy_from_slice(word);
        Some(entry)
    }

    fn with(mut self, term: &str) -> Option<Self> {
        self.term.get_mut(..term.len())?.copy_from_slice(term.as_bytes());
        self.term_len = term.len() as u8;
        Some(self)
    }

    fn holds(&self, language: u8, word: &[u8]) -> bool {
        self.language == language
            && usize::from(self.word_len) == word.len()
            && !word.is_empty()
            && self.word[..word.len()] == *word
    }

    fn value(&self) -> &str {
        std::str::from_utf8(&self.term[..usize::from(self.term_len)]).expect("terms are text")
    }
}

fn slot_of(word: &[u8]) -> usize {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let (chunks, rest) = word.as_chunks::<8>();
    let mut tail = [0; 8];
    tail[..rest.len()].copy_from_slice(rest);
    let mut hash = word.len() as u64;
    for chunk in chunks.iter().chain(std::iter::once(&tail)) {
        hash = (hash ^ u64::from_le_bytes(*chunk)).wrapping_mul(MIX);
        hash ^= hash >> 29;
    }
    (hash.wrapping_mul(MIX) >> (64 - SLOTS.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn term(language: &str, word: &str) -> String {
        let language = Language::new(language).unwrap();
        let mut out = String::new();
        language.normal(word, &mut out);
        language.term(&mut out);
        out
    }

    #[test]
    fn words_of_one_family_share_a_term() {
        // Catches folding before a stemmer that needs accents, or a language wired to another's rules.
        for (language, a, b) in [
            ("english", "connections", "connected"),
            ("german", "Häuser", "hauses"),
            ("french", "étudiantes", "étudiant"),
            ("russian", "КНИГАМИ", "книга"),
            ("spanish", "canciones", "canción"),
            ("turkish", "KAPILAR", "kapılar"),
        ] {
            assert_eq!(term(language, a), term(language, b), "{language}");
        }
        assert_eq!(term("none", "Connections"), "connections");
        assert_eq!(term("english", "The"), "");
        assert!(Language::new("klingon").is_err());
    }

    #[test]
    fn the_cache_tells_languages_apart() {
        // Catches a stem of one language handed out in another.
        for _ in 0..2 {
            assert_eq!(term("none", "running"), "running");
            assert_eq!(term("english", "running"), "run");
        }
    }

    fn hostile() -> impl Strategy<Value = String> {
        let letters = "[a-zäöüßéèçñøåæőűğışţșăâîêôαβγςσάωабвгёйщьءآأبتثةىيஅஆகங்ாிு\u{df}-\u{24f}]{0,14}";
        prop_oneof![Just(letters).prop_flat_map(|pattern| pattern), "\\PC{0,12}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        // Catches a stemmer that panics on letters it was not made for, and a term that is too long.
        #[test]
        fn no_word_breaks_a_stemmer(word in hostile()) {
            for language in NAMES {
                prop_assert!(term(language, &word).len() <= super::super::fold::TERM_BYTES_MAX);
            }
        }
    }
}
