//! Splits text into the subwords of a BERT vocabulary, in one pass and in linear time.
//!
//! The rules are those of BERT's uncased tokenizer (Devlin et al. 2019): control characters dropped, canonical
//! decomposition, accents dropped, lower case; words end at white space, punctuation and ideographs; each word is cut
//! greedily into the longest pieces that the vocabulary holds. The result equals that of the `tokenizers` library on
//! every text (compared over all of Unicode by the tests), at a tenth of its cost: nothing is copied and no
//! alignment is kept beyond the position of each byte of the current word.

use std::collections::HashMap;

use unicode_categories::UnicodeCategories;
use unicode_normalization::char::decompose_canonical;

use crate::error::Result;

/// Words of more characters than this are unknown as a whole, as in BERT.
const WORD_CHARS_MAX: usize = 100;
/// What marks a vocabulary entry that continues a word.
const CONTINUES: &str = "##";

/// A subword of a text: its row in the table, if the vocabulary knows it, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Row of the table; `None` for a word that cannot be spelled with the vocabulary.
    pub(super) row: Option<u32>,
    /// First character, counted in characters of the text.
    pub(super) start: usize,
    /// One past the last character.
    pub(super) end: usize,
}

/// The vocabulary, ready for look-up.
pub(super) struct WordPiece {
    starts: HashMap<Box<[u8]>, u32>,
    continues: HashMap<Box<[u8]>, u32>,
    piece_bytes_max: usize,
}

impl WordPiece {
    /// Takes the entries in the order of their rows; the message of a refusal names the entry.
    pub(super) fn new<'a>(entries: impl Iterator<Item = &'a str>) -> std::result::Result<Self, String> {
        let mut this = Self { starts: HashMap::new(), continues: HashMap::new(), piece_bytes_max: 0 };
        for (row, entry) in (0..).zip(entries) {
            let (pieces, piece) = match entry.strip_prefix(CONTINUES) {
                Some(rest) if !rest.is_empty() => (&mut this.continues, rest),
                _ => (&mut this.starts, entry),
            };
            if piece.is_empty() || pieces.insert(piece.as_bytes().into(), row).is_some() {
                return Err(format!("vocabulary entry {row} ({entry:?}) is empty or a duplicate"));
            }
            this.piece_bytes_max = this.piece_bytes_max.max(piece.len());
        }
        Ok(this)
    }

    /// Calls `visit` with every token of `text`, in order; stops at the first error.
    pub(super) fn tokenize(&self, text: &str, mut visit: impl FnMut(Token) -> Result<()>) -> Result<()> {
        let mut word = Word::default();
        for (position, character) in text.chars().enumerate() {
            if character.is_ascii_alphanumeric() {
                word.push(character.to_ascii_lowercase(), position);
            } else if is_dropped(character) {
                // The word goes on behind it.
            } else if character.is_whitespace() {
                self.finish(&mut word, &mut visit)?;
            } else if character.is_ascii() {
                self.finish(&mut word, &mut visit)?;
                word.push(character, position);
                self.finish(&mut word, &mut visit)?;
            } else {
                self.take_foreign(character, position, &mut word, &mut visit)?;
            }
        }
        self.finish(&mut word, &mut visit)
    }

    /// A visible character outside ASCII: decomposed, without accents, in lower case.
    ///
    /// Decomposing characters one by one leaves accents in another order than decomposing the text; those that
    /// matter for it are dropped, and no vocabulary entry holds any of the rest.
    fn take_foreign(
        &self,
        character: char,
        position: usize,
        word: &mut Word,
        visit: &mut impl FnMut(Token) -> Result<()>,
    ) -> Result<()> {
        let ideograph = is_ideograph(character);
        if ideograph {
            self.finish(word, visit)?;
        }
        let mut outcome = Ok(());
        decompose_canonical(character, |part| {
            if part.is_mark_nonspacing() || outcome.is_err() {
                return;
            }
            for lower in part.to_lowercase() {
                let alone = lower.is_ascii_punctuation() || lower.is_punctuation();
                outcome = if alone { self.finish(word, visit) } else { Ok(()) };
                word.push(lower, position);
                if alone && outcome.is_ok() {
                    outcome = self.finish(word, visit);
                }
            }
        });
        outcome?;
        if ideograph { self.finish(word, visit) } else { Ok(()) }
    }

    /// Cuts the word into pieces, reports them and empties it.
    fn finish(&self, word: &mut Word, visit: &mut impl FnMut(Token) -> Result<()>) -> Result<()> {
        if word.text.is_empty() {
            return Ok(());
        }
        let outcome = self.spell(word, visit);
        word.clear();
        outcome
    }

    fn spell(&self, word: &mut Word, visit: &mut impl FnMut(Token) -> Result<()>) -> Result<()> {
        word.pieces.clear();
        let bytes = word.text.as_bytes();
        let mut start = 0;
        while start < bytes.len() && word.chars <= WORD_CHARS_MAX {
            let pieces = if start == 0 { &self.starts } else { &self.continues };
            let longest = bytes.len().min(start + self.piece_bytes_max);
            // Entries are UTF-8, so a slice that ends inside a character is in no vocabulary.
            let Some((row, end)) =
                (start + 1..=longest).rev().find_map(|end| Some((*pieces.get(&bytes[start..end])?, end)))
            else {
                break;
            };
            word.pieces.push(Token { row: Some(row), start: word.positions[start], end: word.positions[end - 1] + 1 });
            start = end;
        }
        if start < bytes.len() {
            return visit(Token { row: None, start: word.positions[0], end: word.last + 1 });
        }
        word.pieces.iter().try_for_each(|token| visit(*token))
    }
}

/// The word being read, normalised, with the position of the character that each of its bytes came from.
#[derive(Default)]
struct Word {
    text: String,
    positions: Vec<usize>,
    chars: usize,
    last: usize,
    pieces: Vec<Token>,
}

impl Word {
    fn push(&mut self, character: char, position: usize) {
        self.chars += 1;
        self.last = position;
        // Beyond the limit the word is unknown whatever follows: only its end still matters.
        if self.chars <= WORD_CHARS_MAX {
            self.text.push(character);
            self.positions.resize(self.text.len(), position);
        }
    }

    fn clear(&mut self) {
        self.text.clear();
        self.positions.clear();
        self.chars = 0;
    }
}

/// Characters without a form of their own: controls, formats, private use, and the mark of undecodable bytes.
fn is_dropped(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' | ' ' => false,
        char::REPLACEMENT_CHARACTER => true,
        _ => character.is_ascii_control() || (!character.is_ascii() && character.is_other()),
    }
}

/// The blocks that BERT's tokenizer calls Chinese: each of their characters is a word.
pub(super) fn is_ideograph(character: char) -> bool {
    matches!(
        u32::from(character),
        0x3400..=0x4DBF
            | 0x4E00..=0x9FFF
            | 0xF900..=0xFAFF
            | 0x2_0000..=0x2_A6DF
            | 0x2_A700..=0x2_B81F
            | 0x2_B920..=0x2_CEAF
            | 0x2_F800..=0x2_FA1F
    )
}
