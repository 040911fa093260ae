//! The terms of one file, sorted, with shared beginnings left out; a look-up halves over the first bytes of blocks.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::encode::{BLOCK_TERMS, prefix};
use crate::error::{Error, Result};
use crate::storage::frame::{Column, Frame};

/// Number of a term in the dictionary of one file: its rank among the sorted terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermId(pub u32);

#[derive(Clone, Debug)]
pub(super) struct Dictionary {
    count: u32,
    names: Column<u8>,
    /// Offset of each block in `names`.
    blocks: Column<u64>,
    /// First bytes of the first term of each block.
    prefixes: Column<u64>,
    /// Every [`STEP`]-th of them, close together: a look-up in a large file waits for memory less often.
    steps: Arc<[u64]>,
}

const STEP: usize = 64;

impl Dictionary {
    pub(super) fn open(frame: &Arc<Frame>, count: u32) -> Result<Self> {
        let blocks = (count as usize).div_ceil(BLOCK_TERMS);
        let prefixes = frame.column_of::<u64>("lex.prefixes", blocks)?;
        Ok(Self {
            count,
            names: frame.column("lex.terms")?,
            blocks: frame.column_of("lex.blocks", blocks)?,
            steps: prefixes.iter().step_by(STEP).copied().collect(),
            prefixes,
        })
    }

    /// Looks a term up.
    pub(super) fn find(&self, term: &str) -> Result<Option<TermId>> {
        let term = term.as_bytes();
        let Some(block) = self.block_of(term)? else { return Ok(None) };
        let mut at = self.block_start(block)?;
        // How many bytes the last name and `term` have in common: enough to compare without putting names together.
        let mut equal = 0;
        for number in self.block_terms(block) {
            let (shared, suffix, next) = self.entry_at(at, usize::from(u8::MAX))?;
            at = next;
            match shared.cmp(&equal) {
                // It differs from `term` where the name before does, which was less.
                Ordering::Greater => {}
                // It differs earlier, from a lesser name: it is greater.
                Ordering::Less => return Ok(None),
                Ordering::Equal => {
                    let rest = &term[equal..];
                    let more = rest.iter().zip(suffix).take_while(|(a, b)| a == b).count();
                    match suffix[more..].cmp(&rest[more..]) {
                        Ordering::Less => equal += more,
                        Ordering::Equal => return Ok(Some(TermId(number))),
                        Ordering::Greater => return Ok(None),
                    }
                }
            }
        }
        Ok(None)
    }

    /// The terms from `first` on, in order.
    pub(super) fn iter_from(&self, first: &str) -> Result<Terms<'_>> {
        let block = self.block_of(first.as_bytes())?.unwrap_or(0);
        let mut terms = Terms { dictionary: self, next: (block * BLOCK_TERMS) as u32, at: 0, name: Vec::new() };
        while terms.next < self.count {
            let before = (terms.next, terms.at, terms.name.clone());
            if terms.step()?.is_some_and(|(_, name)| name >= first) {
                (terms.next, terms.at, terms.name) = before;
                break;
            }
        }
        Ok(terms)
    }

    /// The last block that begins with `term` or a lesser one.
    fn block_of(&self, term: &[u8]) -> Result<Option<usize>> {
        let key = prefix(term);
        // Blocks that begin with the same bytes are told apart by their first terms.
        let mut low = self.first_not_less(key);
        let same = self.prefixes.get(low) == Some(&key);
        let mut high = if same { low + self.prefixes[low..].partition_point(|&prefix| prefix == key) } else { low };
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.entry_at(self.block_start(middle)?, 0)?.1 <= term { low = middle + 1 } else { high = middle }
        }
        Ok(low.checked_sub(1))
    }

    /// The first block that begins with these bytes or greater ones.
    fn first_not_less(&self, key: u64) -> usize {
        let from = STEP * self.steps.partition_point(|&prefix| prefix < key).saturating_sub(1);
        let to = self.prefixes.len().min(from + STEP);
        from + self.prefixes[from..to].partition_point(|&prefix| prefix < key)
    }

    /// All terms in order.
    pub(super) fn iter(&self) -> Terms<'_> {
        Terms { dictionary: self, next: 0, at: 0, name: Vec::new() }
    }

    fn block_start(&self, block: usize) -> Result<usize> {
        usize::try_from(self.blocks[block]).map_err(|_| self.corrupt())
    }

    fn block_terms(&self, block: usize) -> Range<u32> {
        let first = (block * BLOCK_TERMS) as u32;
        first..self.count.min(first.saturating_add(BLOCK_TERMS as u32))
    }

    /// The name at a byte of `names`: how many bytes it shares with the one before, at most `shared_max`, its further
    /// bytes, and where the next one begins.
    fn entry_at(&self, at: usize, shared_max: usize) -> Result<(usize, &[u8], usize)> {
        let read = || {
            let &[shared, length] = self.names.get(at..at.checked_add(2)?)? else { return None };
            let end = at + 2 + usize::from(length);
            let suffix = self.names.get(at + 2..end)?;
            (usize::from(shared) <= shared_max).then_some((usize::from(shared), suffix, end))
        };
        read().ok_or_else(|| self.corrupt())
    }

    fn corrupt(&self) -> Error {
        self.names.frame().corrupt_section("lex.terms", "the dictionary contradicts itself")
    }
}

/// Iterates over the terms of a dictionary in order.
#[derive(Debug)]
pub struct Terms<'a> {
    dictionary: &'a Dictionary,
    next: u32,
    at: usize,
    name: Vec<u8>,
}

impl Terms<'_> {
    /// The next term, checked to be greater than the one before; `None` after the last.
    pub fn step(&mut self) -> Result<Option<(TermId, &str)>> {
        let dictionary = self.dictionary;
        if self.next == dictionary.count {
            return Ok(None);
        }
        let first_of_block = self.next.is_multiple_of(BLOCK_TERMS as u32);
        if first_of_block {
            self.at = dictionary.block_start(self.next as usize / BLOCK_TERMS)?;
        }
        let shared_max = if first_of_block { 0 } else { self.name.len() };
        let (shared, suffix, next) = dictionary.entry_at(self.at, shared_max)?;
        let ordered = if first_of_block {
            self.name.as_slice() < suffix || self.name.is_empty()
        } else {
            self.name[shared..] < *suffix
        };
        if !ordered {
            return Err(dictionary.corrupt());
        }
        self.name.truncate(shared);
        self.name.extend_from_slice(suffix);
        let id = TermId(self.next);
        (self.at, self.next) = (next, self.next + 1);
        let name = std::str::from_utf8(&self.name).map_err(|_| dictionary.corrupt())?;
        Ok(Some((id, name)))
    }
}

impl Iterator for Terms<'_> {
    type Item = Result<(TermId, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().map(|step| step.map(|(id, name)| (id, name.to_owned()))).transpose();
        if matches!(step, Some(Err(_))) {
            // Nothing after a damaged name can be read.
            self.next = self.dictionary.count;
        }
        step
    }
}
