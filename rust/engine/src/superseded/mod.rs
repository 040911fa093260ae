//! What an indexed document once stated and its later version no longer states: recorded as fingerprints when it is
//! replaced, found again in other texts.
//!
//! A fact is known by its value, however it is written, and by the words around it: "30 days" of delivery is not
//! "30 days" of refunds. Where the current version of the document, or another document, states the same with as many
//! of the words, nothing is superseded.

mod blocks;
mod facts;
mod words;

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::grounding::stated::{Kind, Stated, statements};
use crate::history::Fact;
use crate::interrupt::Interrupt;
use crate::snapshot::{LostFact, Snapshot};
use facts::Source;
use words::Words;

pub use facts::lost;

/// Bytes of one text, at most.
pub const BYTES_MAX: usize = 64 << 20;
/// Current versions whose facts are held at once.
const CURRENT_MAX: usize = 1024;

/// A span of a text that states what is no longer so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// What it states.
    pub kind: Kind,
    /// The document that once stated it.
    pub document_id: String,
    /// The commit that replaced it.
    pub generation: u64,
    /// When that was, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
}

/// Finds passages for a sentence: title and text of each.
pub type Passages<'p> = dyn Fn(&str) -> Result<Vec<(String, String)>> + 'p;

/// The superseded facts of each text, ascending; `elsewhere` finds what the index says about a sentence.
pub fn find(
    snapshot: &Snapshot,
    texts: &[String],
    elsewhere: &Passages<'_>,
    interrupt: &dyn Interrupt,
) -> Result<Vec<Vec<Superseded>>> {
    if let Some(long) = texts.iter().find(|text| text.len() > BYTES_MAX) {
        return Err(Error::invalid(format!("a text has {} bytes, at most {BYTES_MAX} can be checked", long.len())));
    }
    let light = words::light(&snapshot.analyzer);
    let mut search = Search { snapshot, lost: snapshot.lost()?, elsewhere, interrupt, light, current: HashMap::new() };
    let mut found = Vec::with_capacity(texts.len());
    for text in texts {
        interrupt.check()?;
        found.push(search.text(text)?);
    }
    Ok(found)
}

struct Search<'s> {
    snapshot: &'s Snapshot,
    /// Sorted by claim.
    lost: &'s [LostFact],
    elsewhere: &'s Passages<'s>,
    interrupt: &'s dyn Interrupt,
    light: Vec<u32>,
    /// Facts of current versions, by key.
    current: HashMap<&'s str, Facts>,
}

/// Facts by key.
type Facts = HashMap<u64, Vec<Fact>>;

impl<'s> Search<'s> {
    fn text(&mut self, text: &str) -> Result<Vec<Superseded>> {
        let mut found: Vec<Superseded> = Vec::new();
        if self.lost.is_empty() {
            return Ok(found);
        }
        let all = statements(&self.snapshot.analyzer, text);
        let mut around: Vec<u32> = all.iter().flat_map(|one| &one.words).map(|word| word.stem).collect();
        around.sort_unstable();
        let light = std::mem::take(&mut self.light);
        for statement in &all {
            self.interrupt.check()?;
            let words = Words::new(statement, &around, &light);
            for stated in &statement.facts {
                let Some((lost, sum)) = self.best(text, stated, &words)? else { continue };
                let sentence = &text[statement.start..statement.end];
                if self.stated_elsewhere(sentence, stated, &words, sum)? {
                    continue;
                }
                let Stated { start, end, kind, .. } = *stated;
                let (document_id, generation, time_ms) = (lost.document_id.to_string(), lost.generation, lost.time_ms);
                found.push(Superseded { start, end, kind, document_id, generation, time_ms });
            }
        }
        self.light = light;
        // Two words of a name of three overlap.
        found.sort_by_key(|one| (one.start, one.end));
        let mut end = 0;
        found.retain(|one| {
            let apart = one.start >= end;
            end = end.max(one.end);
            apart
        });
        Ok(found)
    }

    /// The lost fact that is meant by what is stated, if there is one that its document does not state again, and how
    /// far the words around it agree.
    fn best(&mut self, text: &str, stated: &Stated, words: &Words<'_>) -> Result<Option<(&'s LostFact, f32)>> {
        let raw = &text[stated.start..stated.end];
        let mut best: Option<(&LostFact, f32)> = None;
        for &key in &stated.keys {
            let first = self.lost.partition_point(|lost| lost.fact.claim < key);
            for lost in self.lost[first..].iter().take_while(|lost| lost.fact.claim == key) {
                let found = words.agreement(&lost.fact);
                let better = best.is_none_or(|(other, most)| (found.sum, lost.generation) > (most, other.generation));
                if better && words.agree(found, stated.kind, raw) && !self.stated_again(lost, key, words, found.sum)? {
                    best = Some((lost, found.sum));
                }
            }
        }
        Ok(best)
    }

    /// Whether the current version of a lost fact's document states it again; an identifier anywhere, anything else
    /// among as many of the words.
    fn stated_again(&mut self, lost: &'s LostFact, key: u64, words: &Words<'_>, sum: f32) -> Result<bool> {
        if !self.current.contains_key(&*lost.document_id) {
            if self.current.len() >= CURRENT_MAX {
                self.current.clear();
            }
            let facts = match self.snapshot.document(&lost.document_id)? {
                Some(document) => self.facts(document.title()?, document.text()?),
                None => Facts::new(),
            };
            self.current.insert(&lost.document_id, facts);
        }
        let same = self.current[&*lost.document_id].get(&key).map_or(&[][..], Vec::as_slice);
        let anywhere = lost.fact.kind == Kind::Identifier as u8 && !same.is_empty();
        Ok(anywhere || same.iter().any(|fact| words.agreement(fact).sum >= sum))
    }

    /// Whether another passage states the same among as many of the words.
    fn stated_elsewhere(&self, sentence: &str, stated: &Stated, words: &Words<'_>, sum: f32) -> Result<bool> {
        for (title, text) in (self.elsewhere)(sentence)? {
            let facts = self.facts(&title, &text);
            let mut same = stated.keys.iter().filter_map(|key| facts.get(key)).flatten();
            if same.any(|fact| words.agreement(fact).sum >= sum) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn facts(&self, title: &str, text: &str) -> Facts {
        let mut facts = Facts::new();
        Source::new(&self.snapshot.analyzer, title, text).facts(true, &|_| true, &mut |_| true, &mut |known| {
            for &key in &known.keys {
                facts.entry(key).or_default().push(known.fact);
            }
        });
        facts
    }
}
