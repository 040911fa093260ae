//! What a text states, sentence by sentence, as keys: for telling whether another text states it too.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::dates;
use super::facts;
use super::keys::{Tag, key, number_key, text_key};
use super::numbers;
use super::sentences;
use super::source;
use super::tokens::{Kind as TokenKind, Token, plain, scan};
use super::units;
use crate::lexical::Analyzer;

/// What kind of fact is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A number without a unit.
    Number = 1,
    /// A number with a unit of measure.
    Quantity,
    /// An amount of money.
    Money,
    /// A percentage.
    Percentage,
    /// A date, whole or in part.
    Date,
    /// A time of day.
    Time,
    /// Letters with digits or signs in them: a version, a part number.
    Identifier,
    /// Two words of a name.
    Name,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Number,
        Self::Quantity,
        Self::Money,
        Self::Percentage,
        Self::Date,
        Self::Time,
        Self::Identifier,
        Self::Name,
    ];

    /// The kind with this number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as u8 == number)
    }

    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Quantity => "quantity",
            Self::Money => "money",
            Self::Percentage => "percentage",
            Self::Date => "date",
            Self::Time => "time",
            Self::Identifier => "identifier",
            Self::Name => "name",
        }
    }
}

/// A fact where it is stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
    /// The key of the fact written in one way only, then those of other readings.
    pub keys: Vec<u64>,
}

/// A word that is neither a stop word nor part of a quantity or a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// Hash of its stem, never 0.
    pub stem: u32,
}

/// One sentence's facts and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// First byte of the sentence.
    pub start: usize,
    /// Byte after its last.
    pub end: usize,
    /// Facts, ascending.
    pub facts: Vec<Stated>,
    /// Words, ascending.
    pub words: Vec<Word>,
    /// Whether there are names and a word for an office: `director`, `head`.
    pub office: bool,
}

/// Words for who holds an office, as far as names near them are worth remembering.
static OFFICES: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let words = "head chief director manager president chair chairman chairwoman chairperson lead leader officer owner \
        contact secretary treasurer coordinator coach captain editor dean minister mayor principal cook chef ceo cto \
        cfo coo ciso dpo supervisor founder partner representative spokesperson ombudsman auditor deputy commissioner";
    words.split_whitespace().collect()
});

/// The words of a text; numbers are facts and no words.
pub fn words(analyzer: &Analyzer, text: &str) -> Vec<Word> {
    let mut terms = Vec::new();
    source::terms(analyzer, text, 0, &mut terms);
    terms.iter().map(|term| Word { start: term.start, end: term.end, stem: ((term.key >> 32) as u32).max(1) }).collect()
}

/// What the sentences of a text state, those without facts included; questions state nothing.
pub fn statements(analyzer: &Analyzer, text: &str) -> Vec<Statement> {
    let mut reader = Reader { analyzer, text, tokens: Vec::new(), word: String::new() };
    let asked = |one: &sentences::Sentence| is_question(&text[one.start..one.end]);
    let all = sentences::split(text);
    all.iter().filter(|one| !asked(one)).map(|one| reader.statement(one, true)).collect()
}

/// The sentences of a text that have facts; `wanted` is asked for each before it is read.
pub fn facts(analyzer: &Analyzer, text: &str, wanted: &mut dyn FnMut(&str) -> bool) -> Vec<Statement> {
    let mut reader = Reader { analyzer, text, tokens: Vec::new(), word: String::new() };
    let mut found = Vec::new();
    for sentence in sentences::split(text) {
        let raw = &text[sentence.start..sentence.end];
        if wanted(raw) && may_state(raw) && !is_question(raw) {
            found.push(reader.statement(&sentence, false));
        }
    }
    found.retain(|one| !one.facts.is_empty());
    found
}

/// Visits the sentences of a text.
pub fn sentences(text: &str, visit: &mut dyn FnMut(&str)) {
    for one in sentences::split(text) {
        visit(&text[one.start..one.end]);
    }
}

fn is_question(sentence: &str) -> bool {
    sentence.trim_end_matches(['"', '\'', ')', '”', '’']).ends_with(['?', '？', '؟'])
}

/// Whether there can be a fact in a sentence, found out quickly: most have no digit and no word for a number.
fn may_state(sentence: &str) -> bool {
    if !sentence.is_ascii() || sentence.bytes().any(|byte| byte.is_ascii_digit() || byte == b'_') {
        return true;
    }
    let mut capital_before = false;
    let words = sentence.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    for word in words {
        let capital = word.starts_with(|c: char| c.is_ascii_uppercase());
        if capital && capital_before {
            return true;
        }
        capital_before = capital;
        let mut lower = [0; 12];
        let Some(lower) = lower.get_mut(..word.len()) else { continue };
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        let lower = std::str::from_utf8(lower).unwrap_or("");
        if numbers::is_word(lower) || capital && dates::is_month(lower) {
            return true;
        }
    }
    false
}

struct Reader<'r> {
    analyzer: &'r Analyzer,
    text: &'r str,
    tokens: Vec<Token>,
    word: String,
}

impl Reader<'_> {
    fn statement(&mut self, sentence: &sentences::Sentence, always: bool) -> Statement {
        let (start, end) = (sentence.start, sentence.end);
        self.tokens.clear();
        scan(self.text, start, end, &mut self.tokens);
        let mut facts = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let Some(fact) = facts::read(self.text, &self.tokens, at, &mut self.word) else {
                at += 1;
                continue;
            };
            let (start, end) = (self.tokens[at].start, self.tokens[fact.next - 1].end);
            let marked = sentence.marks.iter().any(|mark| mark.start <= start && start < mark.end);
            if fact.is_claim() && !marked {
                let (kind, keys) = fact.keys();
                facts.push(Stated { start, end, kind, keys });
            }
            at = fact.next;
        }
        let office = self.names(&mut facts);
        if facts.is_empty() && !always {
            return Statement { start, end, facts, words: Vec::new(), office };
        }
        let mut words = words(self.analyzer, &self.text[start..end]);
        for word in &mut words {
            (word.start, word.end) = (word.start + start, word.end + start);
        }
        words.retain(|word| {
            !facts.iter().any(|fact| {
                !matches!(fact.kind, Kind::Identifier | Kind::Name) && word.start < fact.end && fact.start < word.end
            })
        });
        Statement { start, end, facts, words, office }
    }

    /// Adds each two capitalised words in a row; tells whether a word for an office is among the words, if there are.
    fn names(&mut self, facts: &mut Vec<Stated>) -> bool {
        let name =
            |token: &Token| token.kind == TokenKind::Word && token.end - token.start > 1 && token.is_capital(self.text);
        let before = facts.len();
        let mut second = String::new();
        for pair in self.tokens.windows(2).filter(|pair| name(&pair[0]) && name(&pair[1])) {
            plain(pair[0].raw(self.text), &mut self.word);
            plain(pair[1].raw(self.text), &mut second);
            let key = key(Tag::Pair, &[text_key(Tag::Letters, &self.word), text_key(Tag::Letters, &second)]);
            facts.push(Stated { start: pair[0].start, end: pair[1].end, kind: Kind::Name, keys: vec![key] });
        }
        let word = &mut self.word;
        facts.len() > before
            && self.tokens.iter().filter(|token| token.kind == TokenKind::Word).any(|token| {
                plain(token.raw(self.text), word);
                OFFICES.contains(word.as_str())
            })
    }
}

impl facts::Fact {
    /// What kind of fact it is, and its keys: the one it is known by, then those of other readings.
    fn keys(&self) -> (Kind, Vec<u64>) {
        match &self.body {
            facts::Body::Number { number, unit, .. } => {
                // "1.500" may be a thousand and a half; that "1,500" is one and a half is not to be feared in amounts.
                let mut values = vec![number.value];
                values.extend(Some(number.other).filter(|&other| other > number.value));
                let bare = values.iter().map(|&value| number_key(Tag::Bare, 0, value));
                let Some((dimension, factor)) = unit else { return (Kind::Number, bare.collect()) };
                let kind = match dimension {
                    1 => Kind::Percentage,
                    100.. => Kind::Money,
                    _ => Kind::Quantity,
                };
                let mut keys = Vec::with_capacity(4);
                for value in &values {
                    keys.push(number_key(Tag::Quantity, *dimension, value * factor));
                    keys.extend(
                        units::pounds(*dimension, *factor)
                            .map(|(dimension, factor)| number_key(Tag::Quantity, dimension, value * factor)),
                    );
                }
                keys.extend(bare);
                (kind, keys)
            }
            facts::Body::Date(date) => {
                let of = |year: u32, month: u32, day: u32| {
                    key(Tag::Date, &[u64::from(year), u64::from(month), u64::from(day)])
                };
                let mut keys = vec![of(date.year, date.month, date.day)];
                if date.exchangeable {
                    keys.push(of(date.year, date.day, date.month));
                }
                if date.year > 0 && date.day > 0 {
                    keys.push(of(0, date.month, date.day));
                }
                (Kind::Date, keys)
            }
            facts::Body::Time { minutes, certain } => {
                let mut keys = vec![key(Tag::Time, &[u64::from(*minutes)])];
                if !certain {
                    keys.push(key(Tag::Time, &[u64::from((minutes + 720) % 1440)]));
                }
                (Kind::Time, keys)
            }
            facts::Body::Identifier(letters) => (Kind::Identifier, vec![*letters]),
        }
    }
}

/// Digest of a text, letter by letter.
pub fn digest(text: &str) -> u64 {
    text_key(Tag::Letters, text)
}
