//! Languages and their stemmers.

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
            return Ok(Self { number: NAMES.len() as u8 + 1, name: "none", stemmer: None });
        }
        let number = NAMES.iter().position(|&known| known == name).ok_or_else(|| {
            Error::invalid(format!("language {name:?} is not known: use \"none\" or one of {}", NAMES.join(", ")))
        })?;
        Ok(Self { number: number as u8 + 1, name: NAMES[number], stemmer: Some(Stemmer::create(ALGORITHMS[number])) })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// From 1 up, different for each language.
    pub(super) fn number(&self) -> u8 {
        self.number
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
