//! A sentence as parts that a source can have or lack: terms, terms in a row, facts, words of names.

use std::borrow::Cow;

use super::facts::{self, Alternatives};
use super::keys::{Postings, Tag, number_key, text_key};
use super::names;
use super::score::Sums;
use super::sentences::{Sentence, uncheckable};
use super::source::{self, Term};
use super::tokens::{Kind, Token, plain, scan};
use super::{Grounder, Unsupported, What};

/// One part of a sentence and the sources that have it.
#[derive(Debug)]
pub(super) struct Part<'p> {
    /// 0 to 2 terms, pairs, triples; 3 facts; 4 names.
    pub(super) channel: usize,
    pub(super) weight: f32,
    pub(super) sources: Cow<'p, [u32]>,
    start: usize,
    end: usize,
    what: What,
    /// Whether it is a further word of the name before it.
    goes_on: bool,
}

/// A sentence, taken apart.
#[derive(Debug)]
pub(super) struct Claim<'p> {
    pub(super) parts: Vec<Part<'p>>,
    pub(super) total: Sums,
    /// Number of terms.
    pub(super) terms: usize,
    pub(super) uncheckable: Option<&'static str>,
}

impl Claim<'_> {
    /// What no source has, neighbours joined; ordinary words only if asked for.
    pub(super) fn unsupported(&self, words: bool) -> Vec<Unsupported> {
        let mut spans: Vec<Unsupported> = Vec::new();
        let mut lacking: Vec<&Part<'_>> =
            self.parts.iter().filter(|part| part.sources.is_empty() && part.channel >= 3).collect();
        let facts = lacking.len();
        if words {
            let outside =
                |part: &&Part<'_>| !lacking[..facts].iter().any(|fact| part.start < fact.end && fact.start < part.end);
            let words: Vec<_> =
                self.parts.iter().filter(|part| part.sources.is_empty() && part.channel == 0).filter(outside).collect();
            lacking.extend(words);
        }
        lacking.sort_by_key(|part| (part.start, part.end));
        for part in lacking {
            // Words of one name, or words with little between them, are one span.
            let near = match part.what {
                What::Name if part.goes_on => 8,
                What::Words => 12,
                _ => 0,
            };
            match spans.last_mut() {
                Some(last) if last.what == part.what && near > 0 && part.start <= last.end + near => {
                    last.end = last.end.max(part.end)
                }
                Some(last) if part.start < last.end => {}
                _ => spans.push(Unsupported { start: part.start, end: part.end, what: part.what }),
            }
        }
        spans
    }
}

/// Takes sentences of one answer apart; its buffers are used again.
pub(super) struct Reader<'r> {
    answer: &'r str,
    tokens: Vec<Token>,
    terms: Vec<Term>,
    places: Vec<usize>,
    word: String,
}

impl<'r> Reader<'r> {
    pub(super) fn new(answer: &'r str) -> Self {
        Self { answer, tokens: Vec::new(), terms: Vec::new(), places: Vec::new(), word: String::new() }
    }

    /// The parts of one sentence, its marks left out.
    pub(super) fn claim<'p>(&mut self, grounder: &Grounder, postings: &'p Postings, sentence: &Sentence) -> Claim<'p> {
        let mut bare = String::with_capacity(sentence.end - sentence.start);
        let mut parts = Vec::new();
        self.tokens.clear();
        let mut all = Vec::new();
        let mut from = sentence.start;
        let ends = sentence.marks.iter().map(|mark| (mark.start, mark.end)).chain([(sentence.end, sentence.end)]);
        for (end, next) in ends {
            if from < end {
                bare.push_str(&self.answer[from..end]);
                scan(self.answer, from, end, &mut self.tokens);
                source::terms(&grounder.analyzer, &self.answer[from..end], from, &mut self.terms);
                all.append(&mut self.terms);
            }
            from = next;
        }
        self.terms = all;
        self.overlap(grounder, postings, &mut parts);
        self.facts(postings, &mut parts);
        let mut total = Sums::default();
        parts.iter().for_each(|part| total.add(part.channel, part.weight));
        let empty = parts.is_empty().then_some("empty");
        Claim { parts, total, terms: self.terms.len(), uncheckable: uncheckable(&bare).or(empty) }
    }

    fn overlap<'p>(&self, grounder: &Grounder, postings: &'p Postings, parts: &mut Vec<Part<'p>>) {
        let weights: Vec<f32> = self.terms.iter().map(|term| grounder.weight(term.key)).collect();
        for count in 1..=3 {
            for (at, terms) in self.terms.windows(count).enumerate() {
                let key = match count {
                    1 => terms[0].key,
                    2 => source::pair(terms),
                    _ => source::triple(terms),
                };
                parts.push(Part {
                    channel: count - 1,
                    weight: weights[at..at + count].iter().sum(),
                    sources: Cow::Borrowed(postings.of(key)),
                    start: terms[0].start,
                    end: terms[count - 1].end,
                    what: What::Words,
                    goes_on: false,
                });
            }
        }
    }

    fn facts<'p>(&mut self, postings: &'p Postings, parts: &mut Vec<Part<'p>>) {
        // In a heading every word may have a capital.
        let heading = self.tokens.last().is_some_and(|last| last.is(self.answer, ':'));
        let mut taken = vec![false; self.tokens.len()];
        let mut at = 0;
        while at < self.tokens.len() {
            let Some(fact) = facts::read(self.answer, &self.tokens, at, &mut self.word) else {
                at += 1;
                continue;
            };
            taken[at..fact.next].fill(true);
            if fact.is_claim() {
                parts.push(Part {
                    channel: 3,
                    weight: 1.0,
                    sources: Cow::Owned(supporters(postings, &fact.alternatives())),
                    start: self.tokens[at].start,
                    end: self.tokens[fact.next - 1].end,
                    what: fact.what(),
                    goes_on: false,
                });
            }
            at = fact.next;
        }
        let mut at = 0;
        while at < self.tokens.len() && !heading {
            at = if taken[at] { at + 1 } else { self.name(postings, at, &taken, parts) };
        }
    }

    /// The name that begins at token `at`, if one does; the token after it, or after `at`.
    fn name<'p>(&mut self, postings: &'p Postings, at: usize, taken: &[bool], parts: &mut Vec<Part<'p>>) -> usize {
        let token = self.tokens[at];
        if token.kind != Kind::Word || !token.is_capital(self.answer) {
            return at + 1;
        }
        let mut places = std::mem::take(&mut self.places);
        names::run(self.answer, &self.tokens, at, &mut places);
        let free = places.iter().take_while(|&&place| !taken[place]).count();
        places.truncate(free);
        let acronym = (places.len() > 1)
            .then(|| names::initials_key(Tag::Acronym, self.answer, &self.tokens, &places, &mut self.word));
        for (number, &place) in places.iter().enumerate() {
            if number == 0 && self.begins(place) && !self.is_name(place, places.len() > 1) {
                continue;
            }
            self.word_of_name(postings, place, acronym, number > 0, parts);
        }
        let next = places.last().map_or(at, |&last| last) + 1;
        self.places = places;
        next
    }

    /// Whether a word stands where any word has a capital.
    fn begins(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else { return true };
        let token = &self.tokens[before];
        token.kind == Kind::Sign && !matches!(token.raw(self.answer), "," | "-" | "&" | "'" | "’" | "/" | "+")
    }

    /// Whether a word that has its capital from the sentence's beginning is a name all the same, `more` of it behind.
    fn is_name(&mut self, at: usize, more: bool) -> bool {
        let raw = self.tokens[at].raw(self.answer);
        if raw.chars().skip(1).any(char::is_uppercase) || raw.ends_with("'s") || raw.ends_with("’s") {
            return true;
        }
        plain(raw, &mut self.word);
        if names::is_opener(&self.word) {
            return false;
        }
        let next = self.tokens.get(at + 1).map_or("", |next| next.raw(self.answer));
        // An answer of one word, or the subject of a verb without an article.
        more || names::is_verb(next) || self.tokens[at + 1..].iter().all(|next| next.kind == Kind::Sign)
    }

    fn word_of_name<'p>(
        &mut self,
        postings: &'p Postings,
        place: usize,
        acronym: Option<u64>,
        goes_on: bool,
        parts: &mut Vec<Part<'p>>,
    ) {
        let token = self.tokens[place];
        let raw = token.raw(self.answer);
        let first = self.terms.partition_point(|term| term.start < token.start);
        let own: Vec<u64> =
            self.terms[first..].iter().take_while(|term| term.end <= token.end).take(2).map(|term| term.key).collect();
        // Stop words, single letters and eras are no names.
        if own.is_empty() || token.end - token.start < 2 || matches!(raw, "CE" | "BCE" | "BC" | "AD") {
            return;
        }
        let mut ways = vec![[own[0], 0]];
        plain(raw, &mut self.word);
        ways.push([text_key(Tag::Letters, &self.word), 0]);
        names::places(&self.word, true, &mut |key| ways.push([key, 0]));
        if names::is_acronym(raw) {
            ways.push([names::acronym_key(Tag::Initials, raw, &mut self.word), 0]);
        }
        ways.extend(acronym.map(|key| [key, 0]));
        ways.extend(names::roman(raw).map(|value| [number_key(Tag::Number, 0, value), 0]));
        parts.push(Part {
            channel: 4,
            weight: 1.0,
            sources: Cow::Owned(supporters(postings, &Alternatives(ways))),
            start: token.start,
            end: token.end,
            what: What::Name,
            goes_on,
        });
    }
}

/// The sources that support one of the alternatives, ascending.
fn supporters(postings: &Postings, alternatives: &Alternatives) -> Vec<u32> {
    let mut sources: Vec<u32> = Vec::new();
    for &[first, second] in &alternatives.0 {
        let found = postings.of(first);
        if second == 0 {
            sources.extend(found);
        } else {
            let other = postings.of(second);
            sources.extend(found.iter().filter(|source| other.binary_search(source).is_ok()));
        }
    }
    sources.sort_unstable();
    sources.dedup();
    sources
}
