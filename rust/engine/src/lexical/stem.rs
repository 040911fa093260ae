//! Languages and their stemmers.

use rust_stemmers::{Algorithm, Stemmer};

use super::english;
use super::fold::{fold, lower, truncate};
use super::split::{self, Role};
use super::stopwords::Stops;
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
    stems: Stems,
    stops: Stops,
    /// Whether words of the language are written with a letter: anything else would be stemmed by accident.
    writes: fn(char) -> bool,
}

/// How words are stemmed.
enum Stems {
    Not,
    English,
    By(Stemmer),
}

impl Language {
    pub(super) fn new(name: &str) -> Result<Self> {
        if name == "none" {
            let number = NAMES.len() as u8 + 1;
            return Ok(Self { number, name: "none", stems: Stems::Not, stops: Stops::new(name), writes: |_| false });
        }
        let at = NAMES.iter().position(|&known| known == name).ok_or_else(|| {
            Error::invalid(format!("language {name:?} is not known: use \"none\" or one of {}", NAMES.join(", ")))
        })?;
        Ok(Self {
            number: at as u8 + 1,
            name: NAMES[at],
            stems: if name == "english" { Stems::English } else { Stems::By(Stemmer::create(ALGORITHMS[at])) },
            stops: Stops::new(name),
            writes: match name {
                "english" => |c| c.is_ascii_lowercase(),
                "russian" => |c| matches!(c, 'а'..='я' | 'ё'),
                "greek" => |c| matches!(c, '\u{370}'..='\u{3ff}') && c.is_alphabetic(),
                "arabic" => |c| matches!(c, '\u{620}'..='\u{65f}' | '\u{670}'..='\u{6d3}'),
                "tamil" => |c| matches!(c, '\u{b80}'..='\u{bff}'),
                _ => |c| c.is_alphabetic() && matches!(c, 'a'..='z' | '\u{df}'..='\u{24f}'),
            },
        })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// From 1 up, different for each language.
    pub(super) fn number(&self) -> u8 {
        self.number
    }

    /// Writes what a raw word is compared by: in English and without a language folded at once, else still with its
    /// accents, which the stemmers of other languages need.
    pub(super) fn normal(&self, raw: &str, out: &mut String) {
        if matches!(self.stems, Stems::By(_)) {
            lower(raw, self.name == "turkish", out);
        } else {
            fold(raw, out);
        }
    }

    /// Appends the term of a raw stretch of text to nothing; leaves nothing of a stop word or a single character.
    pub(super) fn write(&self, raw: &str, role: Role, out: &mut String) {
        match role {
            Role::Pair => return fold(raw, out),
            Role::Plain if raw.starts_with(|c: char| c.is_ascii_digit()) => out.extend(raw.split(',')),
            Role::Plain => raw.split('.').for_each(|letter| self.normal(letter, out)),
            Role::Compound if raw.contains(char::is_alphabetic) => {
                raw.split(split::is_hyphen).for_each(|word| self.normal(word, out));
                truncate(out, 0);
            }
            _ => self.normal(raw, out),
        }
        self.term(out);
    }

    fn is_stop(&self, word: &str) -> bool {
        if word.is_ascii() || self.stops.is_empty() {
            return self.stops.contains(word);
        }
        let mut folded = String::new();
        fold(word, &mut folded);
        self.stops.contains(&folded)
    }

    /// Replaces a normal word by its term; leaves nothing of a stop word or a single character.
    pub(super) fn term(&self, word: &mut String) {
        let single = word.chars().nth(1).is_none();
        if single || self.is_stop(word) {
            word.clear();
            return;
        }
        let stems = word.len() <= STEM_BYTES_MAX && word.chars().all(self.writes);
        match &self.stems {
            Stems::English if stems => english::stem(word),
            Stems::By(stemmer) if stems => {
                let stem = stemmer.stem(word).into_owned();
                if !stem.is_empty() {
                    *word = stem;
                }
            }
            _ => {}
        }
        if !word.is_ascii() {
            let accented = std::mem::take(word);
            fold(&accented, word);
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
