//! What the sources say, as keys: terms, pairs and triples of terms, facts, and other names of names.

use super::facts;
use super::keys::{Postings, Tag, key, number_key, text_key};
use super::names;
use super::numbers;
use super::tokens::{Kind, Token, plain, scan};
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::lexical::Analyzer;

/// A term of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) key: u64,
}

/// The terms of a text; numbers are facts and no terms.
pub(super) fn terms(analyzer: &Analyzer, text: &str, from: usize, terms: &mut Vec<Term>) {
    terms.clear();
    analyzer.analyze(text, &mut |token| {
        if !token.term.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')) {
            let key = text_key(Tag::Term, token.term);
            terms.push(Term { start: from + token.start, end: from + token.end, key });
        }
    });
}

/// Keys of two and of three terms in a row.
pub(super) fn pair(terms: &[Term]) -> u64 {
    key(Tag::Pair, &[terms[0].key, terms[1].key])
}

/// See [`pair`].
pub(super) fn triple(terms: &[Term]) -> u64 {
    key(Tag::Triple, &[terms[0].key, terms[1].key, terms[2].key])
}

/// Reads all sources.
pub(super) fn read(analyzer: &Analyzer, sources: &[&str], watch: &dyn Interrupt) -> Result<Postings> {
    let mut keys = Vec::with_capacity(sources.iter().map(|source| source.len()).sum::<usize>().min(1 << 22));
    let mut reader = Reader::default();
    for (number, source) in sources.iter().enumerate() {
        watch.check()?;
        reader.source(analyzer, source, &mut |key| keys.push((key, number as u32)));
    }
    watch.check()?;
    Ok(Postings::new(keys))
}

/// Buffers, used again for each source.
#[derive(Default)]
struct Reader {
    terms: Vec<Term>,
    tokens: Vec<Token>,
    places: Vec<usize>,
    word: String,
    joined: String,
}

impl Reader {
    fn source(&mut self, analyzer: &Analyzer, text: &str, emit: &mut impl FnMut(u64)) {
        terms(analyzer, text, 0, &mut self.terms);
        self.terms.iter().for_each(|term| emit(term.key));
        self.terms.windows(2).for_each(|terms| emit(pair(terms)));
        self.terms.windows(3).for_each(|terms| emit(triple(terms)));
        self.tokens.clear();
        scan(text, 0, text.len(), &mut self.tokens);
        let mut behind = 0;
        for at in 0..self.tokens.len() {
            if at >= behind {
                behind = at + 1;
                if let Some(fact) = facts::read(text, &self.tokens, at, &mut self.word) {
                    fact.supports(emit);
                    behind = fact.next;
                }
            }
            if self.tokens[at].kind != Kind::Sign {
                self.word(text, at, emit);
            }
        }
    }

    /// One word: its letters, alone and with the next word's, and what it means as a name or a number.
    fn word(&mut self, text: &str, at: usize, emit: &mut impl FnMut(u64)) {
        let token = self.tokens[at];
        let raw = token.raw(text);
        plain(raw, &mut self.word);
        emit(text_key(Tag::Letters, &self.word));
        if let Some(value) = numbers::implied(&self.word) {
            emit(number_key(Tag::Number, 0, value));
            emit(number_key(Tag::Bare, 0, value));
        }
        let capital = token.kind == Kind::Word && token.is_capital(text);
        if capital {
            names::places(&self.word, false, emit);
        }
        std::mem::swap(&mut self.word, &mut self.joined);
        let after = at + 1 + usize::from(self.tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Sign));
        if let Some(next) = self.tokens.get(after).filter(|next| next.kind != Kind::Sign) {
            plain(next.raw(text), &mut self.word);
            self.joined.push_str(&self.word);
            emit(text_key(Tag::Letters, &self.joined));
            if capital && matches!(self.joined.as_str(), "unitedstates" | "unitedkingdom") {
                names::places(&self.joined, false, emit);
            }
        }
        if !capital {
            return;
        }
        if let Some(value) = names::roman(raw) {
            emit(number_key(Tag::Number, 0, value));
        }
        if names::is_acronym(raw) {
            emit(names::acronym_key(Tag::Acronym, raw, &mut self.word));
        }
        names::run(text, &self.tokens, at, &mut self.places);
        for count in 2..=self.places.len().min(6) {
            emit(names::initials_key(Tag::Initials, text, &self.tokens, &self.places[..count], &mut self.word));
        }
    }
}
