//! What removed rows take out of the statistics, found out term by term when a query asks.
//!
//! To know the terms of a removed row takes its text or all postings. A query asks for a few terms: of each, the removed
//! rows are looked up in its postings, and the answer is kept until more rows are removed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::dictionary::TermId;
use super::encode::WINDOW;
use super::reader::Lexical;
use crate::bitmap::Bitmap;
use crate::error::Result;

/// Terms whose answers are kept; beyond, all are found out anew.
const KNOWN_MAX: usize = 1 << 16;
/// To look a row up among a term's postings takes as long as to pass over so many of them.
const LOOK_UP: usize = 32;

/// The removed rows of one block.
#[derive(Debug, Default)]
pub(super) struct Removed {
    /// In the order of their removal.
    rows: Vec<u32>,
    total_length: u64,
    /// For a term, how many of the first so many removed rows have it.
    known: Mutex<HashMap<TermId, Known>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    seen: usize,
    count: u32,
}

impl Removed {
    /// Number of removed rows.
    pub(super) fn rows(&self) -> u32 {
        self.rows.len() as u32
    }

    /// Sum of their lengths.
    pub(super) fn total_length(&self) -> u64 {
        self.total_length
    }

    /// Removes a row from those that are live; tells whether it was.
    pub(super) fn add(&mut self, row: u32, lexical: &Lexical, live: &mut Bitmap) -> bool {
        let was_live = live.contains(row);
        if was_live {
            live.remove(row);
            self.rows.push(row);
            self.total_length += u64::from(lexical.length(row));
        }
        was_live
    }

    /// Brings back all but the first `rows` removed ones.
    pub(super) fn restore(&mut self, rows: u32, lexical: &Lexical, live: &mut Bitmap) {
        for row in self.rows.drain(rows as usize..) {
            live.insert(row);
            self.total_length -= u64::from(lexical.length(row));
        }
        self.known.get_mut().unwrap_or_else(PoisonError::into_inner).retain(|_, known| known.seen <= rows as usize);
    }

    /// Number of live rows that have a term.
    pub(super) fn live_frequency(&self, lexical: &Lexical, live: &Bitmap, term: TermId) -> Result<u32> {
        let frequency = lexical.document_frequency(term);
        if self.rows.is_empty() {
            return Ok(frequency);
        }
        let held = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = held().get(&term).copied().unwrap_or_default();
        let further = &self.rows[known.seen..];
        if !further.is_empty() {
            if further.len().saturating_mul(LOOK_UP) < frequency as usize {
                known.count += among(lexical, term, further)?;
            } else {
                known.count = dead(lexical, term, live)?;
            }
            known.seen = self.rows.len();
            let mut all = held();
            if all.len() >= KNOWN_MAX {
                all.clear();
            }
            all.insert(term, known);
        }
        Ok(frequency.saturating_sub(known.count))
    }
}

/// How many of some rows have a term.
fn among(lexical: &Lexical, term: TermId, rows: &[u32]) -> Result<u32> {
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    let postings = lexical.postings_of(term)?;
    let damaged = |_| lexical.corrupt_postings("the postings of a term contradict themselves");
    let mut count = 0;
    for here in rows.chunk_by(|a, b| a / WINDOW == b / WINDOW) {
        let Some(piece) = postings.piece(here[0] / WINDOW, lexical.containers()).map_err(damaged)? else { continue };
        for &row in here {
            count += u32::from(piece.find(row).map_err(damaged)?.is_some());
        }
    }
    Ok(count)
}

/// How many rows that are not live have a term.
fn dead(lexical: &Lexical, term: TermId, live: &Bitmap) -> Result<u32> {
    let mut count = 0;
    lexical.each(term, |row, _| {
        count += u32::from(!live.contains(row));
        Ok(())
    })?;
    Ok(count)
}
