//! Text to terms, the same for documents and queries by construction.
//!
//! Words are those of Unicode Standard Annex #29; scripts without spaces give pairs of characters. A word that is
//! written as several (`ERR_CONN_RESET`, `parseHeader`, `FY2018`, `v1.2.3`) gives a term for the whole, for each run
//! between its signs and for each part of a run. Words become lower-case, lose their diacritics and are stemmed;
//! whatever has digits or signs in it keeps its letters. Stop words and single characters give no term.

use std::fmt;

use super::fold::{fold, is_attached};
use super::split::{self, Word};
use super::stem::Language;
use crate::error::Result;

/// Goes up whenever the same text would give other terms.
const VERSION: u32 = 1;

/// A term where it stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What is indexed: 1 to 255 bytes.
    pub term: &'a str,
    /// Byte where the word begins in the text.
    pub start: usize,
    /// Byte after the word's end in the text.
    pub end: usize,
    /// Number of the word in the text: stop words have one too, a whole shares that of its first part.
    pub position: u32,
}

/// A term of a query with how often it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryTerm {
    /// The term.
    pub term: String,
    /// Occurrences in the query.
    pub count: u32,
}

/// Turns texts into terms by the rules of one language.
pub struct Analyzer {
    language: Language,
}

impl fmt::Debug for Analyzer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Analyzer({:?})", self.fingerprint())
    }
}

impl Analyzer {
    /// An analyzer for a language by its lower-case English name, or `"none"`: no stemming, no stop words.
    pub fn new(language: &str) -> Result<Self> {
        Language::new(language).map(|language| Self { language })
    }

    /// Name of the language.
    pub fn language(&self) -> &'static str {
        self.language.name()
    }

    /// Equal for two analyzers exactly if they give the same terms for every text.
    pub fn fingerprint(&self) -> String {
        format!("ragstone-analyzer-{VERSION}:{}", self.language())
    }

    /// Visits the tokens of `text`, ascending by start; a whole before its parts.
    pub fn analyze(&self, text: &str, emit: &mut impl FnMut(Token<'_>)) {
        self.walk(text, emit, &mut |_| ());
    }

    /// The terms of a query, sorted by term.
    ///
    /// Neighbouring words that `exists` knows as one term add it: "data base" finds "database".
    pub fn query(&self, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<QueryTerm> {
        let mut terms = Vec::new();
        let mut joins = Vec::new();
        let (mut before, mut now, mut joined) = (String::new(), String::new(), String::new());
        let mut join = |run: &str| {
            now.clear();
            self.language.normal(run, &mut now);
            if !before.is_empty() && before.len() + now.len() <= super::fold::TERM_BYTES_MAX {
                joined.clone_from(&before);
                joined.push_str(&now);
                self.language.term(&mut joined);
                if !joined.is_empty() && exists(&joined) {
                    joins.push(joined.clone());
                }
            }
            std::mem::swap(&mut before, &mut now);
        };
        self.walk(text, &mut |token| terms.push(token.term.to_owned()), &mut join);
        terms.append(&mut joins);
        terms.sort_unstable();
        let equal = terms.chunk_by(|a, b| a == b);
        equal.map(|terms| QueryTerm { term: terms[0].clone(), count: terms.len() as u32 }).collect()
    }

    /// The form in which the beginning of a word is compared with terms: folded, neither stemmed nor split.
    pub fn normal(&self, word: &str) -> String {
        let (mut normal, mut folded) = (String::new(), String::new());
        self.language.normal(word, &mut normal);
        fold(&normal, &mut folded);
        folded
    }

    /// Visits tokens, and each run of a spaced word as written.
    fn walk(&self, text: &str, emit: &mut impl FnMut(Token<'_>), on_run: &mut impl FnMut(&str)) {
        let mut term = String::new();
        let mut position = 0;
        split::words(text, &mut |word| match word {
            Word::Plain(range) => {
                on_run(&text[range.clone()]);
                self.token(text, range.start, range.end, position, &mut term, emit);
                position += 1;
            }
            Word::Mixed(range) => self.mixed(text, range.start, range.end, &mut position, &mut term, emit, on_run),
            Word::Spaceless(range) => pairs(text, range.start, range.end, &mut position, &mut term, emit),
        });
    }

    #[allow(clippy::too_many_arguments, reason = "one walk, taken apart for reading")]
    fn mixed(
        &self,
        text: &str,
        start: usize,
        end: usize,
        position: &mut u32,
        term: &mut String,
        emit: &mut impl FnMut(Token<'_>),
        on_run: &mut impl FnMut(&str),
    ) {
        let word = &text[start..end];
        // Trailing and leading joiners are no part of a name; the apostrophes of a language make none.
        let inner = word.trim_matches(|c| c == '_');
        if inner.contains(|c| split::is_sign(c) && !split::is_apostrophe(c)) {
            let from = start + (inner.as_ptr() as usize - word.as_ptr() as usize);
            self.token(text, from, from + inner.len(), *position, term, emit);
        }
        split::runs(word, &mut |run| {
            let (from, to) = (start + run.start, start + run.end);
            on_run(&text[from..to]);
            self.token(text, from, to, *position, term, emit);
            let whole = &text[from..to];
            split::parts(whole, &mut |part| {
                if part.len() < whole.len() {
                    self.token(text, from + part.start, from + part.end, *position, term, emit);
                }
            });
            *position += 1;
        });
    }

    fn token(
        &self,
        text: &str,
        start: usize,
        end: usize,
        position: u32,
        term: &mut String,
        emit: &mut impl FnMut(Token<'_>),
    ) {
        term.clear();
        self.language.normal(&text[start..end], term);
        self.language.term(term);
        if !term.is_empty() {
            emit(Token { term, start, end, position });
        }
    }
}

/// Emits each pair of neighbouring characters of a run without spaces, or its only character.
fn pairs(
    text: &str,
    start: usize,
    end: usize,
    position: &mut u32,
    term: &mut String,
    emit: &mut impl FnMut(Token<'_>),
) {
    let run = &text[start..end];
    let mut borders = run.char_indices().filter(|&(_, c)| !is_attached(c)).map(|(at, _)| start + at).skip(1);
    let mut from = start;
    let mut middle = borders.next();
    loop {
        let to = borders.next();
        term.clear();
        let pair_end = to.unwrap_or(end);
        fold(&text[from..pair_end], term);
        if !term.is_empty() {
            emit(Token { term, start: from, end: pair_end, position: *position });
        }
        *position += 1;
        let (Some(next), Some(_)) = (middle, to) else { return };
        from = next;
        middle = to;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        Analyzer::new("english").unwrap().analyze(text, &mut |token| all.push(token.term.to_owned()));
        all
    }

    #[test]
    fn names_are_found_whole_and_in_parts() {
        // Catches lower-casing before splitting, a lost whole, and stemming of a name.
        assert_eq!(terms("report_2018_Q2"), ["report_2018_q2", "report", "2018", "q2"]);
        assert_eq!(terms("ERR_CONN_RESET"), ["err_conn_reset", "err", "conn", "reset"]);
        assert_eq!(terms("FY2018 v1.2.3"), ["fy2018", "fy", "2018", "v1.2.3", "v1"]);
        assert_eq!(terms("getHTTPHeaders()"), ["gethttphead", "get", "http", "header"]);
        assert_eq!(terms("__init__ numpy.linalg"), ["init", "numpy.linalg", "numpi", "linalg"]);
        assert_eq!(terms("1,000 runs"), ["1,000", "000", "run"]);
    }

    #[test]
    fn sentences_give_their_words() {
        // Catches stop words or possessives that stay, and marks that split a word.
        assert_eq!(terms("The patient's Résumés weren't IN the files."), ["patient", "resum", "file"]);
        assert_eq!(terms("l’eau d'été"), ["eau", "ete"]);
        assert_eq!(terms("vitamin C"), ["vitamin"]);
        assert_eq!(terms("東京都に"), ["東京", "京都", "都に"]);
        assert_eq!(terms("漢 字"), ["漢", "字"]);
        assert_eq!(terms(" \u{301} ... 😀"), Vec::<String>::new());
    }

    #[test]
    fn queries_count_sort_and_join() {
        // Catches a join that no document has, and counts of repeated words.
        let analyzer = Analyzer::new("english").unwrap();
        let query = analyzer.query("data base of data bases", &|term| term == "databas");
        let pairs: Vec<_> = query.iter().map(|term| (term.term.as_str(), term.count)).collect();
        assert_eq!(pairs, [("base", 2), ("data", 2), ("databas", 2)]);
        assert_eq!(analyzer.query("the", &|_| true), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
        // Catches a panic on hostile text, an offset inside a character, and an empty or overlong term.
        #[test]
        fn tokens_lie_in_the_text(text in "\\PC{0,60}|[\\x00-\u{17f}\u{300}-\u{310}\u{e00}-\u{e50}一-丂가-각ｱ-ﾞ\u{fb00}-\u{fb06}_.:'’\u{200d}]{0,60}") {
            for language in ["english", "none", "german", "turkish", "tamil"] {
                let mut last = 0;
                Analyzer::new(language).unwrap().analyze(&text, &mut |token| {
                    assert!(token.start >= last && token.start < token.end);
                    assert!(!text[token.start..token.end].is_empty());
                    assert!((1..=255).contains(&token.term.len()));
                    last = token.start;
                });
            }
        }

        // Catches a query whose terms are not those of the same text in a document.
        #[test]
        fn a_query_has_the_terms_of_its_text(text in "[a-zA-Z0-9_.' é東京]{0,40}") {
            let analyzer = Analyzer::new("english").unwrap();
            let mut all = Vec::new();
            analyzer.analyze(&text, &mut |token| all.push(token.term.to_owned()));
            all.sort_unstable();
            let query = analyzer.query(&text, &|_| false);
            let repeated: Vec<String> =
                query.into_iter().flat_map(|term| std::iter::repeat_n(term.term, term.count as usize)).collect();
            prop_assert_eq!(repeated, all);
        }
    }

    #[test]
    fn time_is_linear_on_hostile_text() {
        // Catches work that grows with the square of a word's length: these would take minutes.
        for unit in ["a", "aB", "a_", "é", "é1", "a.", "字", "\u{301}", "a\u{301}B", "'", "1,", "APIs"] {
            let mut count = 0usize;
            Analyzer::new("english").unwrap().analyze(&unit.repeat(300_000), &mut |_| count += 1);
            assert!(count <= 1_200_000);
        }
    }
}
