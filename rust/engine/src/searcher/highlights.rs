//! Where the words of a query stand in the text of a hit.

use crate::lexical::Phrase;
use crate::snapshot::Snapshot;

/// What is marked: words by their terms, phrases as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Highlights {
    /// Sorted.
    pub terms: Vec<String>,
    /// Marked from their first to their last word.
    pub phrases: Vec<Phrase>,
}

impl Snapshot {
    /// Spans in a text, in characters, ascending and apart from each other.
    pub fn highlights(&self, text: &str, wanted: &Highlights) -> Vec<(u64, u64)> {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        if !wanted.terms.is_empty() {
            self.analyzer.analyze(text, &mut |token| {
                if wanted.terms.binary_search_by(|term| term.as_str().cmp(token.term)).is_ok() {
                    spans.push((token.start, token.end));
                }
            });
        }
        for phrase in &wanted.phrases {
            phrase.each(&self.analyzer, text, |start, end| spans.push((start, end)));
        }
        spans.sort_unstable();
        // A whole identifier and its parts are one span, and so are phrases that share a word.
        spans.dedup_by(|next, last| {
            let overlap = next.0 < last.1;
            if overlap {
                last.1 = last.1.max(next.1);
            }
            overlap
        });
        characters(text, &spans)
    }
}

/// Byte spans, ascending and apart, as character spans.
fn characters(text: &str, spans: &[(usize, usize)]) -> Vec<(u64, u64)> {
    let (mut at, mut count) = (0, 0u64);
    let mut character = |byte: usize| {
        count += text[at..byte].chars().count() as u64;
        at = byte;
        count
    };
    spans.iter().map(|&(start, end)| (character(start), character(end))).collect()
}
