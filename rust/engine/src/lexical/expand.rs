//! One word of a query to the terms of a dictionary that it may stand for: by prefix, or by edit distance.
//!
//! The dictionary is sorted, so terms with a common beginning share their rows of the distance table, and beginnings
//! that can no longer match are skipped as a whole.

use super::dictionary::TermId;
use super::reader::Lexical;
use crate::error::Result;

/// Most terms that one word stands for: those in most rows.
pub const EXPANSIONS_MAX: usize = 64;
/// Terms stepped over before a search in the dictionary costs less.
const STEPS: usize = 24;

/// Visits all terms that begin with `prefix`, in order.
pub fn prefixed(lexical: &Lexical, prefix: &str, mut visit: impl FnMut(TermId, &str)) -> Result<()> {
    let mut terms = lexical.terms_from(prefix)?;
    while let Some((id, term)) = terms.step()? {
        if !term.starts_with(prefix) {
            break;
        }
        visit(id, term);
    }
    Ok(())
}

/// Visits all terms at most `distance` edits from `word`, in order, each with how many.
///
/// An edit adds, drops or changes a character, or swaps two neighbours (optimal string alignment).
pub fn similar(lexical: &Lexical, word: &str, distance: u8, mut visit: impl FnMut(TermId, &str, u8)) -> Result<()> {
    let mut table = Table::new(word, distance);
    let mut terms = lexical.terms_from("")?;
    // The beginning that no match can have, and how many of its terms were stepped over.
    let (mut dead, mut steps) = (String::new(), 0);
    loop {
        let Some((id, term)) = terms.step()? else { return Ok(()) };
        if !dead.is_empty() && term.starts_with(dead.as_str()) {
            steps += 1;
            if steps > STEPS {
                let Some(next) = successor(&dead) else { return Ok(()) };
                terms = lexical.terms_from(&next)?;
                dead.clear();
            }
            continue;
        }
        match table.advance(term) {
            Ok(Some(edits)) => visit(id, term, edits),
            Ok(None) => {}
            Err(end) => {
                dead.clear();
                dead.push_str(&term[..end]);
                steps = 0;
            }
        }
    }
}

/// The least string above all that begin with `prefix`.
fn successor(prefix: &str) -> Option<String> {
    let mut next = prefix.to_owned();
    while let Some(last) = next.pop() {
        if let Some(above) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            next.push(above);
            return Some(next);
        }
    }
    None
}

/// Rows of the distance table for the beginnings of the term looked at last.
struct Table {
    word: Vec<char>,
    most: u8,
    term: Vec<char>,
    /// Row i: edits between the first i characters of the term and each beginning of the word, `most + 1` for more.
    rows: Vec<Vec<u8>>,
}

impl Table {
    fn new(word: &str, most: u8) -> Self {
        let word: Vec<char> = word.chars().collect();
        let first = (0..=word.len()).map(|at| at.min(usize::from(most) + 1) as u8).collect();
        Self { word, most, term: Vec::new(), rows: vec![first] }
    }

    /// The edits to `term` if they are few enough; or, in bytes, the end of its beginning that already needs too many.
    fn advance(&mut self, term: &str) -> Result<Option<u8>, usize> {
        let shared = self.term.iter().zip(term.chars()).take_while(|(a, b)| **a == *b).count();
        self.term.truncate(shared);
        self.rows.truncate(shared + 1);
        for (at, letter) in term.char_indices().skip(shared) {
            self.push(letter);
            if self.rows[self.rows.len() - 1].iter().all(|&edits| edits > self.most) {
                return Err(at + letter.len_utf8());
            }
        }
        let edits = self.rows[self.rows.len() - 1][self.word.len()];
        Ok((edits <= self.most).then_some(edits))
    }

    fn push(&mut self, letter: char) {
        let number = self.rows.len();
        let (above, most) = (&self.rows[number - 1], self.most + 1);
        let mut row = Vec::with_capacity(self.word.len() + 1);
        row.push(number.min(usize::from(most)) as u8);
        for (at, &wanted) in self.word.iter().enumerate() {
            let change = above[at] + u8::from(wanted != letter);
            let mut least = change.min(above[at + 1] + 1).min(row[at] + 1);
            if at > 0 && number > 1 && self.word[at - 1] == letter && self.term[number - 2] == wanted {
                least = least.min(self.rows[number - 2][at - 1] + 1);
            }
            row.push(least.min(most));
        }
        self.rows.push(row);
        self.term.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::terms::RowTerms;
    use super::super::writer::LexicalWriter;
    use super::*;
    use crate::interrupt::Never;
    use crate::storage::frame::{Frame, FrameWriter, Kind, Verify};
    use crate::storage::memory::Memory;

    fn dictionary(terms: &BTreeSet<String>) -> Lexical {
        let memory = Memory::default();
        let mut frame = FrameWriter::create(&memory, "file", Kind::LexicalIndex).unwrap();
        let mut writer = LexicalWriter::new();
        let row: Vec<(String, u32)> = terms.iter().map(|term| (term.clone(), 1)).collect();
        writer.add(0, &RowTerms::of(&row)).unwrap();
        writer.finish(&mut frame, 1, &Never).unwrap();
        frame.finish().unwrap();
        let frame: Arc<Frame> = Frame::open(&memory, "file", Kind::LexicalIndex, Verify::Structure).unwrap();
        Lexical::open(&frame).unwrap()
    }

    /// Optimal string alignment, by the whole table.
    fn distance(a: &str, b: &str) -> usize {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                table[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let change = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut least = change.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(table[i - 2][j - 2] + 1);
                    }
                    least
                };
            }
        }
        table[a.len()][b.len()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        // Catches a beginning given up too early, a jump over a match, and a wrong first term of a prefix.
        #[test]
        fn expansions_are_those_of_the_definition(
            terms in prop::collection::btree_set("[abé字]{1,7}|[ab]{1,4}[cdefghijk]{1,3}", 1..200), word in "[abé字]{0,6}", most in 1u8..3
        ) {
            let lexical = dictionary(&terms);
            let mut found = Vec::new();
            similar(&lexical, &word, most, |_, term, edits| found.push((term.to_owned(), usize::from(edits)))).unwrap();
            let near = |term: &&String| distance(&word, term) <= usize::from(most);
            let expected: Vec<_> = terms.iter().filter(near).map(|term| (term.clone(), distance(&word, term))).collect();
            prop_assert_eq!(found, expected);
            let mut found = Vec::new();
            prefixed(&lexical, &word, |_, term| found.push(term.to_owned())).unwrap();
            let expected: Vec<_> = terms.iter().filter(|term| term.starts_with(&word)).cloned().collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_swap_is_one_edit() {
        // Catches a distance that takes the commonest misspelling for two edits.
        assert_eq!(Table::new("recieve", 1).advance("receive"), Ok(Some(1)));
        assert_eq!(Table::new("colour", 2).advance("color"), Ok(Some(1)));
    }

    #[test]
    fn the_end_of_the_dictionary_is_reached() {
        // Catches a jump from the last character that there is, and over the surrogates.
        assert_eq!(successor("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{10ffff}"), None);
    }
}
