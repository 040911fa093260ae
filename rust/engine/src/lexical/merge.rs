//! Joins inverted indexes into one without looking at texts again.

use super::dictionary::{TermId, Terms};
use super::encode::{Encoder, ROWS_MAX};
use super::reader::Lexical;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::storage::frame::FrameWriter;

/// In a map of rows: the row is left out.
pub const DROPPED: u32 = u32::MAX;

/// Writes the sections `lex.*` of one inverted index from several.
///
/// `maps[i][r]` is the row in the result of row `r` of `inputs[i]`, or [`DROPPED`]. Together the maps must name each
/// row below `rows` exactly once. The result is byte for byte that of a [`super::LexicalWriter`] given the same rows.
pub fn merge(
    inputs: &[&Lexical],
    maps: &[Vec<u32>],
    rows: u32,
    frame: &mut FrameWriter,
    interrupt: &dyn Interrupt,
) -> Result<()> {
    let lengths = merged_lengths(inputs, maps, rows)?;
    let mut encoder = Encoder::new(frame, &lengths)?;
    let mut sources: Vec<Source<'_>> = inputs.iter().map(|input| Source { terms: input.terms(), now: None }).collect();
    for source in &mut sources {
        source.step()?;
    }
    let (mut postings, mut some) = (Vec::new(), Vec::new());
    let mut term = String::new();
    for step in 0u64.. {
        if step % 4096 == 0 {
            interrupt.check()?;
        }
        let Some(least) = sources.iter().filter_map(|source| source.now.as_ref()).map(|(_, name)| name).min() else {
            break;
        };
        term.clone_from(least);
        postings.clear();
        for (source, (input, map)) in sources.iter_mut().zip(inputs.iter().zip(maps)) {
            let Some((id, _)) = source.now.as_ref().filter(|(_, name)| *name == term) else { continue };
            input.postings(*id, &mut some)?;
            let kept = some.iter().map(|&(row, count)| (map[row as usize], count));
            postings.extend(kept.filter(|&(row, _)| row != DROPPED));
            source.step()?;
        }
        if !postings.is_empty() {
            postings.sort_unstable();
            encoder.push(&term, &postings)?;
        }
    }
    encoder.finish()
}

struct Source<'a> {
    terms: Terms<'a>,
    now: Option<(TermId, String)>,
}

impl Source<'_> {
    fn step(&mut self) -> Result<()> {
        self.now = self.terms.next().transpose()?;
        Ok(())
    }
}

fn merged_lengths(inputs: &[&Lexical], maps: &[Vec<u32>], rows: u32) -> Result<Vec<u32>> {
    let fits = inputs.len() == maps.len() && rows <= ROWS_MAX;
    if !fits || inputs.iter().zip(maps).any(|(input, map)| input.rows() as usize != map.len()) {
        return Err(Error::invalid("a merge needs one map per input with one entry per row"));
    }
    let mut lengths = vec![0; rows as usize];
    let mut named = vec![false; rows as usize];
    for (input, map) in inputs.iter().zip(maps) {
        for (old, &new) in map.iter().enumerate().filter(|&(_, &new)| new != DROPPED) {
            match named.get_mut(new as usize) {
                Some(named) if !*named => *named = true,
                _ => return Err(Error::invalid(format!("row {new} of a merge is named twice or beyond {rows} rows"))),
            }
            lengths[new as usize] = input.length(old as u32);
        }
    }
    match named.iter().position(|&named| !named) {
        Some(row) => Err(Error::invalid(format!("row {row} of a merge is named by no map"))),
        None => Ok(lengths),
    }
}
