//! The facts of a document with their surroundings, and which of them a new version no longer states.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::blocks::{Block, blocks, cell};
use crate::grounding::stated::{self, Kind, Statement, Word, digest, words};
use crate::history::{CONTEXT_MAX, FACTS_MAX, Fact, Lost, RULES};
use crate::lexical::Analyzer;

/// Words of its own sentence that a fact keeps, at most; the rest is for what stands above it.
const NEAR_MAX: usize = 6;
/// Words that a column's head, a heading or a title gives, at most.
const ABOVE_MAX: usize = 3;
/// Facts of one value in the new text that an old one is compared with, at most.
const SAME_MAX: usize = 64;

/// A fact of a document, with all its keys.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// As it would be recorded.
    pub(super) fact: Fact,
    /// What else it could mean.
    pub(super) keys: Vec<u64>,
}

/// A text whose facts can be read, block by block.
pub(super) struct Source<'s> {
    analyzer: &'s Analyzer,
    title: &'s str,
    text: &'s str,
    blocks: Vec<Block>,
}

impl<'s> Source<'s> {
    pub(super) fn new(analyzer: &'s Analyzer, title: &'s str, text: &'s str) -> Self {
        Self { analyzer, title, text, blocks: blocks(text) }
    }

    /// Digests of the blocks.
    fn digests(&self) -> HashSet<u64> {
        self.blocks.iter().map(|block| digest(&self.text[block.span.clone()])).collect()
    }

    /// Digests of the sentences of the blocks that are wanted.
    fn sentences(&self, block: &dyn Fn(&str) -> bool) -> HashSet<u64> {
        let mut found = HashSet::new();
        for raw in self.blocks.iter().map(|place| &self.text[place.span.clone()]).filter(|raw| block(raw)) {
            stated::sentences(&one_line(raw), &mut |sentence| {
                found.insert(digest(sentence));
            });
        }
        found
    }

    /// Facts of the blocks and sentences that are wanted; with `all`, names that hold no office too.
    pub(super) fn facts(
        &self,
        all: bool,
        block: &dyn Fn(&str) -> bool,
        sentence: &mut dyn FnMut(&str) -> bool,
        visit: &mut dyn FnMut(Known),
    ) {
        let mut title = None;
        for place in &self.blocks {
            let raw = &self.text[place.span.clone()];
            if !block(raw) {
                continue;
            }
            let raw = one_line(raw);
            let mut heading = None;
            for found in stated::facts(self.analyzer, &raw, sentence) {
                for stated in found.facts.iter().filter(|one| all || found.office || one.kind != Kind::Name) {
                    let heading =
                        heading.get_or_insert_with(|| words(self.analyzer, &self.text[place.heading.clone()]));
                    let title = title.get_or_insert_with(|| words(self.analyzer, self.title));
                    let header = cell(&self.text[place.header.clone()], &raw, stated.start);
                    let header = words(self.analyzer, header);
                    let span = stated.start..stated.end;
                    let (context, near) = context(&found, &span, &header, &[heading, title]);
                    let (kind, claim) = (stated.kind as u8, stated.keys[0]);
                    let fact = Fact { kind, rules: RULES, near, claim, context };
                    visit(Known { fact, keys: stated.keys.clone() });
                }
            }
        }
    }
}

/// A block's text: where a line ends, its sentence goes on.
fn one_line(raw: &str) -> Cow<'_, str> {
    if raw.contains(['\n', '\r']) { Cow::Owned(raw.replace(['\n', '\r'], " ")) } else { Cow::Borrowed(raw) }
}

/// The stems around a fact and how many are near: the head of its column and the nearest words of its sentence, then
/// the first words of what stands above it.
fn context(found: &Statement, span: &Range<usize>, header: &[Word], above: &[&[Word]]) -> ([u32; CONTEXT_MAX], u8) {
    let distance = |word: &Word| {
        if word.end <= span.start { span.start - word.end } else { word.start.saturating_sub(span.end) }
    };
    let outside = |word: &&Word| word.end <= span.start || span.end <= word.start;
    let mut words: Vec<&Word> = found.words.iter().filter(outside).collect();
    words.sort_by_key(|word| distance(word));
    let mut context = [0; CONTEXT_MAX];
    let mut count = 0;
    let mut add = |words: &mut dyn Iterator<Item = &Word>, more: usize, most: usize| {
        let most = most.min(count + more);
        for word in words {
            if count < most && !context[..count].contains(&word.stem) {
                context[count] = word.stem;
                count += 1;
            }
        }
        count
    };
    add(&mut header.iter(), ABOVE_MAX, NEAR_MAX);
    let near = add(&mut words.into_iter(), NEAR_MAX, NEAR_MAX);
    for above in above {
        add(&mut above.iter(), ABOVE_MAX, CONTEXT_MAX);
    }
    (context, near as u8)
}

/// The facts that an old text states and a new one does not, as far as the sentences that differ tell.
pub fn lost(analyzer: &Analyzer, old: (&str, &str), new: (&str, &str)) -> Lost {
    let mut lost = Lost::default();
    if old.1 == new.1 {
        return lost;
    }
    let (old, new) = (Source::new(analyzer, old.0, old.1), Source::new(analyzer, new.0, new.1));
    let (old_blocks, new_blocks) = (old.digests(), new.digests());
    let old_only = |block: &str| !new_blocks.contains(&digest(block));
    let new_only = |block: &str| !old_blocks.contains(&digest(block));
    let new_sentences = new.sentences(&new_only);
    let (mut gone, mut claims) = (Vec::new(), HashMap::new());
    let mut absent = |sentence: &str| !new_sentences.contains(&digest(sentence));
    old.facts(false, &old_only, &mut absent, &mut |known| {
        claims.insert(known.fact.claim, Vec::new());
        gone.push(known.fact);
    });
    if gone.is_empty() {
        return lost;
    }
    let old_sentences = old.sentences(&old_only);
    let mut fresh = |sentence: &str| !old_sentences.contains(&digest(sentence));
    new.facts(true, &new_only, &mut fresh, &mut |known| {
        for key in &known.keys {
            if let Some(same) = claims.get_mut(key).filter(|same| same.len() < SAME_MAX) {
                same.push(known.fact);
            }
        }
    });
    for fact in gone {
        if lost.facts.contains(&fact) || claims[&fact.claim].iter().any(|new| restates(new, &fact)) {
            continue;
        }
        if lost.facts.len() == FACTS_MAX {
            lost.cut = true;
            break;
        }
        lost.facts.push(fact);
    }
    lost
}

/// Whether a fact of one value is an old one among the same words. In doubt it is not: who asks looks at the current
/// text again.
fn restates(new: &Fact, old: &Fact) -> bool {
    let near = &old.context[..usize::from(old.near).min(CONTEXT_MAX)];
    near.iter().all(|stem| new.context.contains(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost_of(old: &str, new: &str) -> Lost {
        lost(&Analyzer::new("english").unwrap(), ("Returns", old), ("Returns", new))
    }

    // Catches facts of sentences that did not change, facts that are stated again, and lost ones that are forgotten.
    #[test]
    fn only_what_is_gone_is_recorded() {
        let old = "Goods may be returned within 30 days. The fee is 15 %. Parcels weigh at most 20 kg.";
        let new = "Goods may be returned within 45 days. The fee is 15 %. At most parcels weigh twenty kilograms!";
        let found = lost_of(old, new);
        assert_eq!(found.facts.iter().map(|fact| fact.kind).collect::<Vec<_>>(), [Kind::Quantity as u8]);
        assert_eq!(lost_of(old, old), Lost::default());
        assert_eq!(lost_of(old, &old.replace(". ", ".\n\n")), Lost::default());
        assert_eq!(lost_of(old, "").facts.len(), 3);
    }

    // Catches a change that fills the history.
    #[test]
    fn a_change_keeps_so_many_facts() {
        let old: Vec<String> = (0..2000).map(|number| format!("- room {number}x holds {number} people")).collect();
        let found = lost_of(&old.join("\n"), "closed");
        assert_eq!((found.facts.len(), found.cut), (FACTS_MAX, true));
    }

    // Catches a column whose head is not among the words of its cells.
    #[test]
    fn cells_know_their_column() {
        let analyzer = Analyzer::new("english").unwrap();
        for table in [
            "Zone | Standard | Express\n1 | 9 euros | 24 euros",
            "| Zone | Standard | Express |\n|---|---|---|\n| 1 | 9 euros | 24 euros |",
        ] {
            let mut found = Vec::new();
            Source::new(&analyzer, "", table)
                .facts(true, &|_| true, &mut |_| true, &mut |known| found.push(known.fact));
            let stem = |word: &str| words(&analyzer, word)[0].stem;
            let money: Vec<u32> =
                found.iter().filter(|one| one.kind == Kind::Money as u8).map(|one| one.context[0]).collect();
            assert_eq!(money, [stem("standard"), stem("express")]);
        }
    }
}
