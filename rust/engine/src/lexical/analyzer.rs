//! Text to terms, the same for documents and queries by construction.
//!
//! Words are those of Unicode Standard Annex #29; scripts without spaces give pairs of characters. A word that is
//! written as several (`ERR_CONN_RESET`, `parseHeader`, `FY2018`, `v1.2.3`) gives a term for the whole, for each run
//! between its signs and for each part of a run. Words joined by hyphens with digits among them (`AB-1234/56`,
//! `COVID-19`, `2018-01-31`), or of which one is a letter (`e-mail`), give a term together and one each. Thousands and
//! acronyms lose their signs (`1,000`, `U.S.A`); `C++` and `C#` are names. Words become lower-case, lose their
//! diacritics and are stemmed; whatever has digits or signs in it keeps its letters. Stop words and single characters
//! give no term.
//!
//! # Positions
//! Each part takes one, and so does each run or word without parts and each character of a script without spaces;
//! stop words and single characters too, though they give no token. So words that follow each other in a text have
//! positions that do, however they are written: `ERR CONN RESET` is a phrase of `err_conn_reset`, `FY 2018` of `FY2018`.
//! What is made of several stands at the position of its first part and is as wide as all of them. What a possessive
//! or contraction puts behind its apostrophe takes none: `nurse's station` has the phrase `nurses station`.

use std::fmt;

use super::fold::{fold, is_attached};
use super::memo::{Key, Kind, Memo, RAW_MAX, Window};
use super::split::{self, Ascii, Role, Word};
use super::stem::Language;
use crate::error::Result;

/// Goes up whenever the same text would give other terms.
const VERSION: u32 = 3;

/// A term where it stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What is indexed: 1 to 255 bytes.
    pub term: &'a str,
    /// Byte where the word begins in the text.
    pub start: usize,
    /// Byte after the word's end in the text.
    pub end: usize,
    /// Number of the position where the word begins in the text.
    pub position: u32,
    /// Positions that it takes: more than one if it is a whole with parts.
    pub width: u32,
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

    /// Visits the tokens of `text`, ascending by start; a whole before its parts. Returns how many positions it takes.
    pub fn analyze(&self, text: &str, emit: &mut impl FnMut(Token<'_>)) -> u32 {
        self.walk(text, emit, &mut |_| ())
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
        terms.sort_unstable();
        joins.retain(|join| terms.binary_search(join).is_err());
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

    /// Visits tokens, and each run of a spaced word as written; returns how many positions the text takes.
    fn walk(&self, text: &str, emit: &mut impl FnMut(Token<'_>), on_run: &mut impl FnMut(&str)) -> u32 {
        Memo::with(|memo| {
            let language = &self.language;
            let mut walk = Walk { text, language, number: language.number(), memo, position: 0, emit, on_run };
            walk.text();
            walk.position
        })
    }
}

/// One text on its way to tokens.
struct Walk<'w, E, R> {
    text: &'w str,
    language: &'w Language,
    number: u8,
    memo: &'w mut Memo,
    position: u32,
    emit: &'w mut E,
    on_run: &'w mut R,
}

impl<E: FnMut(Token<'_>), R: FnMut(&str)> Walk<'_, E, R> {
    /// Most words are a few letters of ASCII with a space behind: these are found sixteen bytes at a time and looked up
    /// as they are written.
    fn text(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let window = Window::at(bytes, at);
            let letters = window.letters();
            if letters == 0 && split::is_between_words(bytes[at]) {
                at += 1;
                continue;
            }
            let end = at + letters;
            let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
            at = if (1..=RAW_MAX).contains(&letters) && split::ends_letters(byte(end), byte(end + 1)) {
                self.letters(window.key(letters, self.number), at, end);
                end
            } else if letters > 0 && split::joins(byte(end)) {
                self.piece(at)
            } else {
                self.other(at)
            };
        }
    }

    /// A word of few letters.
    #[inline]
    fn letters(&mut self, key: Key, start: usize, end: usize) {
        let raw = &self.text[start..end];
        let Some(entry) = self.memo.find(key) else { return self.unknown(key, start, end) };
        if entry.kind() == Kind::Several {
            return self.name(start, end);
        }
        (self.on_run)(raw);
        if entry.kind() != Kind::Nothing {
            let term = entry.term(raw);
            (self.emit)(Token { term, start, end, position: self.position, width: 1 });
        }
        self.position += 1;
    }

    #[cold]
    #[inline(never)]
    fn unknown(&mut self, key: Key, start: usize, end: usize) {
        let raw = &self.text[start..end];
        if let Ascii::Mixed(_) = split::ascii_word(raw.as_bytes(), 0) {
            return self.name(start, end);
        }
        (self.on_run)(raw);
        let term = self.memo.learn(self.language, Some(key), raw, Role::Run, false);
        if !term.is_empty() {
            (self.emit)(Token { term, start, end, position: self.position, width: 1 });
        }
        self.position += 1;
    }

    /// Whatever begins at `start`; returns where to go on.
    #[inline(never)]
    fn other(&mut self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        match split::ascii_word(bytes, start) {
            Ascii::Nothing(end) => end.max(start + 1),
            Ascii::Plain(end) if !split::goes_on(bytes, end) => {
                self.plain(start, end);
                end
            }
            Ascii::Mixed(end) if !split::goes_on(bytes, end) => {
                self.name(start, end);
                end
            }
            _ => self.piece(start),
        }
    }

    /// All words from `start` up to the next white space.
    fn piece(&mut self, start: usize) -> usize {
        let mut words = self.memo.take_words();
        let end = split::piece(self.text, start, &mut words);
        let mut rest = &words[..];
        while !rest.is_empty() {
            let (chain, later) = rest.split_at(split::chain(self.text, rest));
            if split::is_compound(self.text, chain) {
                self.compound(chain);
            }
            for word in chain {
                if let Some(end) = split::signed(self.text, word.range()) {
                    self.token(Role::Signed, word.range().start, end, 0, 1);
                }
                match word {
                    Word::Plain(range) => self.plain(range.start, range.end),
                    Word::Mixed(range) => self.name(range.start, range.end),
                    Word::Spaceless(range) => self.pairs(range.start, range.end),
                }
            }
            rest = later;
        }
        self.memo.give_words(words);
        end
    }

    /// The words of a chain as one.
    fn compound(&mut self, words: &[Word]) {
        let mut pieces = self.memo.take_pieces();
        let positions = |word: &Word| match word {
            Word::Mixed(range) => split::cut(&self.text[range.clone()], &mut pieces),
            _ => 1,
        };
        let width = words.iter().map(positions).sum();
        self.memo.give_pieces(pieces);
        self.token(Role::Compound, words[0].range().start, words[words.len() - 1].range().end, 0, width);
    }

    /// A word that has one piece.
    fn plain(&mut self, start: usize, end: usize) {
        (self.on_run)(&self.text[start..end]);
        self.token(Role::Run, start, end, 0, 1);
        self.position += 1;
    }

    /// A word that may have several pieces.
    fn name(&mut self, start: usize, end: usize) {
        let mut pieces = self.memo.take_pieces();
        let positions = split::cut(&self.text[start..end], &mut pieces);
        for piece in &pieces {
            let (from, to) = (start + piece.start, start + piece.end);
            if matches!(piece.role, Role::Run | Role::Plain) {
                (self.on_run)(&self.text[from..to]);
            }
            self.token(piece.role, from, to, piece.position, piece.width);
        }
        self.position += positions;
        self.memo.give_pieces(pieces);
    }

    /// A stretch that is looked up as one, some positions from here.
    fn token(&mut self, role: Role, start: usize, end: usize, position: u32, width: u32) {
        let raw = &self.text[start..end];
        let position = self.position + position;
        let key = (raw.len() <= RAW_MAX).then(|| Window::at(self.text.as_bytes(), start).key(raw.len(), self.number));
        let known = key.and_then(|key| self.memo.find(key));
        let term = match known {
            Some(entry) => entry.term(raw),
            None => self.memo.learn(self.language, key, raw, role, role == Role::Run && width > 1),
        };
        if !term.is_empty() {
            (self.emit)(Token { term, start, end, position, width });
        }
    }

    /// Each pair of neighbouring characters of a run without spaces, or its only character.
    fn pairs(&mut self, start: usize, end: usize) {
        let run = &self.text[start..end];
        // Words on both sides of it are no neighbours.
        (self.on_run)("");
        let mut borders = run.char_indices().filter(|&(_, c)| !is_attached(c)).map(|(at, _)| start + at).skip(1);
        let mut from = start;
        let mut middle = borders.next();
        let mut term = String::new();
        loop {
            let to = borders.next();
            term.clear();
            let end = to.unwrap_or(end);
            self.language.write(&self.text[from..end], Role::Pair, &mut term);
            if !term.is_empty() {
                (self.emit)(Token { term: &term, start: from, end, position: self.position, width: 1 });
            }
            self.position += 1;
            let (Some(next), Some(_)) = (middle, to) else { break };
            from = next;
            middle = to;
        }
        // The last pair stands for two characters.
        self.position += u32::from(middle.is_some());
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
    }

    /// Whether a text's tokens that a query asks for stand as they do in the query: a phrase is found.
    fn is_found(query: &str, text: &str) -> bool {
        let analyzer = Analyzer::new("english").unwrap();
        let places = |text: &str| {
            let mut all: Vec<(String, u32)> = Vec::new();
            analyzer.analyze(text, &mut |token| all.push((token.term.to_owned(), token.position)));
            all
        };
        let (asked, there) = (places(query), places(text));
        let is_at = |from: u32| asked.iter().all(|(term, at)| there.contains(&(term.clone(), from + at)));
        !asked.is_empty() && (0..50).any(is_at)
    }

    #[test]
    fn codes_are_found_as_people_write_them() {
        // Catches a spelling that finds nothing: codes whole and by part, compounds, numbers, acronyms, names with signs.
        assert_eq!(terms("AB-1234/56"), ["ab123456", "ab", "1234", "56"]);
        assert_eq!(terms("AB1234/56")[0], "ab123456");
        assert_eq!(terms("COVID-19"), ["covid19", "covid", "19"]);
        assert_eq!(terms("2018-01-31, 24/7"), ["2018-01-31", "2018", "01", "31", "24/7", "24"]);
        assert_eq!(terms("usr/lib/x-y-z"), ["usr", "lib"]);
        assert_eq!(terms("e-mail X-rays t-x"), ["email", "mail", "xray", "ray"]);
        assert_eq!(terms("co\u{2010}operate well-known"), ["co", "oper", "well", "known"]);
        assert_eq!(terms("out-of-date"), ["date"]);
        assert_eq!(terms("1,000 runs, 1000.5"), ["1000", "run", "1000.5", "1000"]);
        assert_eq!(terms("12,50 U.S.A. e.g."), ["12,50", "12", "50", "usa"]);
        assert_eq!(terms("C++17 and C#, a+b, page#x"), ["c++", "17", "c#", "page"]);
    }

    #[test]
    fn phrases_meet_what_is_written_otherwise() {
        // Catches a position that a stop word, a single character or a whole breaks, takes or leaves out.
        for (query, text) in [
            ("ERR CONN RESET", "an err_conn_reset came"),
            ("err_conn_reset came", "an ERR_CONN_RESET came"),
            ("FY 2018", "in FY2018"),
            ("FY2018 report", "the FY2018 report"),
            ("v1.2.3 released", "we released v1.2.3 released today"),
            ("state of the art", "the state of the art"),
            ("vitamin c dose", "a vitamin C dose"),
            ("nurses station", "at the nurse's station"),
            ("e mail address", "your e-mail address"),
            ("1000 runs", "after 1,000 runs"),
            ("AB 1234 56 fits", "AB-1234/56 fits"),
            ("get http headers", "call getHTTPHeaders now"),
            ("東京都", "これは東京都です"),
        ] {
            assert!(is_found(query, text), "{query:?} in {text:?}");
        }
        for (query, text) in [
            ("state art", "the state of the art"),
            ("vitamin dose", "a vitamin C dose"),
            ("conn err", "an err_conn_reset came"),
            ("v1.2.3 today", "v1.2.3 released today"),
            ("京東", "これは東京都です"),
        ] {
            assert!(!is_found(query, text), "{query:?} in {text:?}");
        }
    }

    #[test]
    fn positions_count_what_gives_no_token() {
        // Catches a count that leaves out what stands at the end, which the next text's positions begin behind.
        let count = |text: &str| Analyzer::new("english").unwrap().analyze(text, &mut |_| ());
        assert_eq!([count(""), count("the"), count("red and a"), count("v1.2"), count("東京都")], [0, 1, 3, 3, 3]);
    }

    #[test]
    fn other_languages_lose_their_stop_words() {
        // Catches stop words compared with or without accents on one side only.
        let terms = |language: &str, text: &str| {
            let mut all = Vec::new();
            Analyzer::new(language).unwrap().analyze(text, &mut |token| all.push(token.term.to_owned()));
            all
        };
        assert_eq!(terms("german", "Für die Häuser und FUR"), ["haus"]);
        assert_eq!(terms("french", "Qu'est-ce que l'école dans la maison"), ["ecol", "maison"]);
        assert_eq!(terms("russian", "книга не для него"), ["книг"]);
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
        // A compound is no join of its own words; words with others between them are no neighbours.
        let terms = |text: &str| -> Vec<(String, u32)> {
            let all = analyzer.query(text, &|term| ["email", "databas"].contains(&term));
            all.into_iter().map(|term| (term.term, term.count)).collect()
        };
        let of =
            |terms: &[(&str, u32)]| terms.iter().map(|&(term, count)| (term.to_owned(), count)).collect::<Vec<_>>();
        assert_eq!(terms("e mail"), of(&[("email", 1), ("mail", 1)]));
        assert_eq!(terms("e-mail"), of(&[("email", 1), ("mail", 1)]));
        assert_eq!(terms("data 東京 base"), of(&[("base", 1), ("data", 1), ("東京", 1)]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
        // Catches a panic on hostile text, an offset inside a character, and an empty or overlong term.
        #[test]
        fn tokens_lie_in_the_text(text in "\\PC{0,60}|[\\x00-\u{17f}\u{300}-\u{310}\u{e00}-\u{e50}一-丂가-각ｱ-ﾞ\u{fb00}-\u{fb06}_.:'’\u{200d}]{0,60}") {
            for language in ["english", "none", "german", "turkish", "tamil"] {
                let mut last = 0;
                let mut before = 0;
                let mut reach = 0;
                let positions = Analyzer::new(language).unwrap().analyze(&text, &mut |token| {
                    assert!(token.position + 1 >= before && token.width > 0);
                    (before, reach) = (token.position, reach.max(token.position + token.width));
                    assert!(token.start >= last && token.start < token.end);
                    assert!(!text[token.start..token.end].is_empty());
                    assert!((1..=255).contains(&token.term.len()));
                    last = token.start;
                });
                assert!(reach <= positions);
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
        for unit in [
            "a",
            "aB",
            "a_",
            "é",
            "é1",
            "a.",
            "字",
            "\u{301}",
            "a\u{301}B",
            "'",
            "1,",
            "APIs",
            "a-",
            "1-",
            "1/",
            "a-é",
            "C+",
            "c#",
            "the ",
        ] {
            let mut count = 0usize;
            Analyzer::new("english").unwrap().analyze(&unit.repeat(300_000), &mut |_| count += 1);
            assert!(count <= 1_200_000);
        }
    }
}
