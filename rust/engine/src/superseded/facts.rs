//! The facts of a document with their surroundings, and which of them a new version no longer states.

use std::collections::HashSet;
use std::ops::Range;

use super::blocks::{Block, blocks, cell};
use crate::grounding::stated::{Kind, Statement, Word, statements, words};
use crate::history::{CONTEXT_MAX, FACTS_MAX, Fact, Lost, RULES};
use crate::lexical::Analyzer;

/// Words of its own sentence that a fact keeps, at most; the rest is for what stands above it.
const NEAR_MAX: usize = 6;
/// Words that a column's head, a heading or a title gives, at most.
const ABOVE_MAX: usize = 3;

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
    title: Vec<Word>,
    text: &'s str,
    blocks: Vec<Block>,
}

impl<'s> Source<'s> {
    pub(super) fn new(analyzer: &'s Analyzer, title: &str, text: &'s str) -> Self {
        Self { analyzer, title: words(analyzer, title), text, blocks: blocks(text) }
    }

    /// Facts of the blocks and sentences that are wanted; with `all`, names that hold no office too.
    pub(super) fn facts(
        &self,
        all: bool,
        block: &dyn Fn(&str) -> bool,
        sentence: &mut dyn FnMut(&str) -> bool,
        visit: &mut dyn FnMut(Known),
    ) {
        for place in &self.blocks {
            let raw = &self.text[place.span.clone()];
            if !block(raw) {
                continue;
            }
            // Where a line ends, its sentence goes on.
            let raw = raw.replace(['\n', '\r'], " ");
            let mut heading = None;
            for found in statements(self.analyzer, &raw, sentence) {
                for stated in found.facts.iter().filter(|one| all || found.office || one.kind != Kind::Name) {
                    let heading = heading
                        .get_or_insert_with(|| words(self.analyzer, &self.text[place.heading.clone()]));
                    let header = cell(&self.text[place.header.clone()], &raw, stated.start);
                    let header = words(self.analyzer, header);
                    let span = stated.start..stated.end;
                    let (context, near) = context(&found, &span, &header, &[heading, &self.title]);
                    let (kind, claim) = (stated.kind as u8, stated.keys[0]);
                    let fact = Fact { kind, rules: RULES, near, claim, context };
                    visit(Known { fact, keys: stated.keys.clone() });
                }
            }
        }
    }
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

/// Digest of a text's words, however they are spaced.
fn digest(text: &str) -> u64 {
    text.split_whitespace().fold(0, |digest, word| crate::grounding::stated::digest(digest, word))
}

/// The facts that an old text states and a new one does not, as far as the sentences that differ tell.
pub fn lost(analyzer: &Analyzer, old: (&str, &str), new: (&str, &str)) -> Lost {
    if old.1 == new.1 {
        return Lost::default();
    }
    let (old, new) = (Source::new(analyzer, old.0, old.1), Source::new(analyzer, new.0, new.1));
    let digests = |source: &Source<'_>| -> HashSet<u64> {
        source.blocks.iter().map(|block| digest(&source.text[block.span.clone()])).collect()
    };
    let (old_blocks, new_blocks) = (digests(&old), digests(&new));
    let old_only = |block: &str| !new_blocks.contains(&digest(block));
    let new_only = |block: &str| !old_blocks.contains(&digest(block));
    let (mut new_sentences, mut restated) = (HashSet::new(), Vec::new());
    let mut note = |sentence: &str| {
        new_sentences.insert(digest(sentence));
        true
    };
    new.facts(true, &new_only, &mut note, &mut |known| restated.push(known));
    let mut lost = Lost::default();
    let mut absent = |sentence: &str| !new_sentences.contains(&digest(sentence));
    old.facts(false, &old_only, &mut absent, &mut |known| {
        let fact = known.fact;
        if lost.facts.contains(&fact) || restated.iter().any(|other| restates(other, &fact)) {
            return;
        }
        if lost.facts.len() == FACTS_MAX {
            lost.cut = true;
        } else {
            lost.facts.push(fact);
        }
    });
    lost
}

/// Whether a fact is an old one among the same words. In doubt it is not: who asks looks at the current text again.
fn restates(new: &Known, old: &Fact) -> bool {
    let near = &old.context[..usize::from(old.near)];
    new.keys.contains(&old.claim) && near.iter().all(|stem| new.fact.context.contains(stem))
}
