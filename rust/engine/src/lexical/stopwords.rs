//! Words too common to tell documents apart, by language.
//!
//! The lists but that for English are those of the Snowball project as the natural language toolkit (NLTK) keeps them,
//! from the crate `stop-words`; its version is pinned, since another list would give other terms. There is none for
//! Tamil.

use std::collections::HashSet;

use super::fold::fold;

/// With what contractions leave behind when cut at the apostrophe.
const ENGLISH: &[&str] = &[
    "a", "about", "above", "after", "again", "ain", "all", "also", "am", "an", "and", "any", "are", "aren", "as", "at",
    "be", "because", "been", "before", "being", "between", "both", "but", "by", "can", "couldn", "did", "didn", "do",
    "does", "doesn", "doing", "during", "each", "eg", "for", "from", "further", "had", "hadn", "has", "hasn", "have",
    "haven", "having", "he", "her", "here", "hers", "him", "his", "how", "i", "ie", "if", "in", "into", "is", "isn",
    "it", "its", "just", "ll", "me", "more", "most", "my", "no", "nor", "not", "of", "on", "once", "only", "or",
    "other", "our", "ours", "out", "over", "own", "re", "same", "she", "should", "shouldn", "so", "some", "such",
    "than", "that", "the", "their", "theirs", "them", "then", "there", "these", "they", "this", "those", "through",
    "to", "too", "under", "until", "up", "ve", "very", "was", "wasn", "we", "were", "weren", "what", "when", "where",
    "which", "while", "who", "whom", "why", "will", "with", "wouldn", "you", "your", "yours",
];

/// The stop words of one language, told apart from most other words at a glance.
pub(super) struct Stops {
    words: HashSet<String>,
    /// For each first byte the lengths that words with it have.
    lengths: [u64; 256],
}

impl Stops {
    /// Those of a language by its name.
    pub(super) fn new(language: &str) -> Self {
        let given = match language {
            "english" => ENGLISH,
            language => code(language).map_or(&[][..], stop_words::get),
        };
        let mut stops = Self { words: HashSet::new(), lengths: [0; 256] };
        // A text's words are cut at the apostrophes that some on the lists have.
        for word in given.iter().flat_map(|word| word.split(|c: char| !c.is_alphanumeric() && c.is_ascii())) {
            let mut normal = String::new();
            fold(word, &mut normal);
            let Some(first) = normal.bytes().next() else { continue };
            stops.lengths[usize::from(first)] |= 1 << normal.len().min(63);
            stops.words.insert(normal);
        }
        stops
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether a folded word is one: no two words that differ in accents alone can be told apart in an index.
    pub(super) fn contains(&self, word: &str) -> bool {
        let lengths = word.bytes().next().map_or(0, |first| self.lengths[usize::from(first)]);
        lengths >> word.len().min(63) & 1 == 1 && self.words.contains(word)
    }
}

/// Code of a language by ISO 639-1 if there is a list for it.
fn code(language: &str) -> Option<&'static str> {
    Some(match language {
        "arabic" => "ar",
        "danish" => "da",
        "dutch" => "nl",
        "finnish" => "fi",
        "french" => "fr",
        "german" => "de",
        "greek" => "el",
        "hungarian" => "hu",
        "italian" => "it",
        "norwegian" => "no",
        "portuguese" => "pt",
        "romanian" => "ro",
        "russian" => "ru",
        "spanish" => "es",
        "swedish" => "sv",
        "turkish" => "tr",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_its_common_words() {
        // Catches a list wired to another language, one not normal, and a word cut at its apostrophe that stays.
        for (language, words) in [
            ("arabic", "من على"),
            ("danish", "og ikke"),
            ("dutch", "het niet"),
            ("english", "the of"),
            ("finnish", "ja että"),
            ("french", "même dans qu"),
            ("german", "für nicht"),
            ("greek", "και δεν"),
            ("hungarian", "és hogy"),
            ("italian", "della perché dell"),
            ("norwegian", "og ikke"),
            ("portuguese", "não uma"),
            ("romanian", "este pentru"),
            ("russian", "что не"),
            ("spanish", "también los"),
            ("swedish", "och för"),
            ("turkish", "için çok"),
        ] {
            let stops = Stops::new(language);
            for word in words.split(' ') {
                let mut folded = String::new();
                fold(word, &mut folded);
                assert!(stops.contains(&folded), "{language}: {word}");
            }
            assert!(!stops.contains("kubernetes") && !stops.contains(""));
        }
        assert!(!Stops::new("none").contains("the") && !Stops::new("tamil").contains("the"));
    }

    #[test]
    fn the_lists_are_those_of_this_version() {
        // Catches another edition of a list, which needs another version of the analyzer.
        let sum = |stops: Stops| stops.words.iter().fold(0, |sum, word| sum ^ crc32fast::hash(word.as_bytes()));
        let sums =
            ["german", "russian", "greek", "french", "turkish", "english"].map(|language| sum(Stops::new(language)));
        assert_eq!(sums, [3_894_130_990, 4_165_324_757, 182_756_978, 3_738_135_497, 3_151_469_626, 3_722_170_226]);
    }
}
