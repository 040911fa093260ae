//! What the best hits have of a query: read from their texts, so that an answer can be told from mere likeness.

use std::collections::{HashMap, HashSet};

use super::compile::Words;
use super::{EVIDENCE, Found, LexicalHalf, Search};
use crate::error::Result;
use crate::lexical::{Analyzer, idf};

/// Hits whose texts are read.
const READ: usize = 5;
/// Bytes of each text that are read, at most: hits can be whole books.
const READ_BYTES: usize = 8192;

/// What the best hits have of a query; idf are sums over distinct terms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// BM25 score of the best hits, in their order.
    pub bm25: Vec<f32>,
    /// Their cosines; the mean of the corpus for a hit without a vector; empty where vectors were not searched.
    pub cosine: Vec<f32>,
    /// For each hit that was read the idf of what it has of the query.
    pub covered: Vec<f64>,
    /// The greatest idf of what a single sentence of these hits has.
    pub covered_sentence: f64,
    /// Terms of the query that are written with a capital letter within it, or with a digit.
    pub names: usize,
    /// Those of them that the best hit has.
    pub names_covered: usize,
}

/// Terms of a query by weight.
type Weights<'a> = HashMap<&'a str, f64>;

impl Search<'_> {
    /// Reads the best hits; `mean` is the cosine that one without a vector is taken to have.
    pub(super) fn read(
        &self,
        words: Option<Words<'_>>,
        lexical: Option<&LexicalHalf>,
        mean: Option<f64>,
        found: &[Found],
    ) -> Result<Reading> {
        let best = &found[..found.len().min(EVIDENCE)];
        let cosine = |mean: f64| best.iter().map(|hit| hit.candidate.cosine.unwrap_or(mean as f32)).collect();
        let mut reading = Reading {
            bm25: best.iter().map(|hit| hit.candidate.bm25).collect(),
            cosine: mean.map_or_else(Vec::new, cosine),
            ..Reading::default()
        };
        if let Some(half) = lexical {
            self.read_texts(half, words, &best[..best.len().min(READ)], &mut reading)?;
        }
        Ok(reading)
    }

    fn read_texts(
        &self,
        half: &LexicalHalf,
        words: Option<Words<'_>>,
        best: &[Found],
        reading: &mut Reading,
    ) -> Result<()> {
        let (snapshot, compiled) = (self.snapshot, &half.compiled);
        let weight = |frequency: u64| idf(snapshot.rows, frequency.max(1));
        let weights: Weights<'_> =
            compiled.asked.iter().map(|(term, asked)| (term.as_str(), weight(asked.frequency))).collect();
        let names = match words {
            Some(Words::Text(text)) => names(&snapshot.analyzer, text),
            _ => HashSet::new(),
        };
        reading.names = names.len();
        for (number, hit) in best.iter().enumerate() {
            self.interrupt.check()?;
            let (segment, row) = (hit.segment as usize, hit.row);
            let lexical = &snapshot.segments[segment].segment.lexical;
            let scored = lexical.explain(&compiled.terms, snapshot.average_length(), snapshot.bm25(), row)?;
            // Added up in the order of the terms, so that the sum is the same to the bit wherever it is made.
            let mut covered: f64 = scored.iter().filter_map(|part| weights.get(part.term.as_str())).sum();
            let lists = compiled.lists.iter().filter(|list| list.whole && list.at(segment, row).is_some());
            covered += lists.map(|list| list.weight).sum::<f64>();
            if number == 0 {
                reading.names_covered = scored.iter().filter(|part| names.contains(&part.term)).count();
            }
            reading.covered.push(covered);
            let sentence = best_sentence(&snapshot.analyzer, beginning(snapshot.chunk(hit).text()?), &weights);
            reading.covered_sentence = reading.covered_sentence.max(sentence);
        }
        Ok(())
    }
}

/// As much of a text as is read.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(READ_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Terms that stand for names and numbers: written with a digit, or with a capital after the first word.
fn names(analyzer: &Analyzer, text: &str) -> HashSet<String> {
    let mut names = HashSet::new();
    let first = text.len() - text.trim_start().len();
    analyzer.analyze(text, &mut |token| {
        let written = &text[token.start..token.end];
        let capital = token.start > first && written.chars().any(char::is_uppercase);
        if capital || written.bytes().any(|byte| byte.is_ascii_digit()) {
            names.insert(token.term.to_owned());
        }
    });
    names
}

/// The greatest weight of distinct terms in one sentence: up to a line's end, or a mark of its end before a space.
fn best_sentence(analyzer: &Analyzer, text: &str, weights: &Weights<'_>) -> f64 {
    let (mut best, mut sum, mut seen) = (0.0f64, 0.0, HashSet::new());
    let mut end = 0;
    analyzer.analyze(text, &mut |token| {
        if token.start > end && ends_sentence(&text[end..token.start]) {
            (sum, best) = (0.0, best.max(sum));
            seen.clear();
        }
        end = end.max(token.end);
        if let Some((&term, &weight)) = weights.get_key_value(token.term)
            && seen.insert(term)
        {
            sum += weight;
        }
    });
    best.max(sum)
}

/// Whether what stands between two words ends a sentence.
fn ends_sentence(between: &str) -> bool {
    between.contains('\n') || between.contains(['。', '！', '？']) || {
        let mut marks = between.char_indices().filter(|(_, mark)| matches!(mark, '.' | '!' | '?'));
        marks.any(|(at, _)| between[at + 1..].starts_with(char::is_whitespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn analyzer() -> Analyzer {
        Analyzer::new("english").unwrap()
    }

    /// Catches words of two sentences counted as one, and a word counted twice.
    #[test]
    fn the_best_sentence_counts_each_of_its_terms_once() {
        let weights = Weights::from([("refund", 2.0), ("day", 1.0), ("paid", 4.0)]);
        let read = |text| best_sentence(&analyzer(), text, &weights).to_string();
        assert_eq!(read("Refunds of a refund take days. They are paid."), "4");
        assert_eq!(read("Refunds take 30 days\nand nothing."), "3");
        assert_eq!(read("Version 1.5 refunds, paid in e.g.days!"), "7");
        assert_eq!(read(""), "0");
    }

    /// Catches the first word of every question taken for a name, and a part number overlooked.
    #[test]
    fn names_are_capitalised_within_a_query_or_have_digits() {
        let found = names(&analyzer(), " When did Anna ship part 4711?");
        assert_eq!(found, HashSet::from(["anna".to_owned(), "4711".to_owned()]));
        assert!(names(&analyzer(), "Refund rules").is_empty());
    }

    /// Catches a panic where the limit falls inside a character.
    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = "é".repeat(READ_BYTES);
        assert_eq!(beginning(&text).len(), READ_BYTES);
        assert_eq!(beginning(&format!("a{text}")).len(), READ_BYTES - 1);
    }
}
