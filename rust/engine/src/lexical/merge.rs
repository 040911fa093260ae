//! Joins inverted indexes into one without looking at texts again.

use super::dictionary::{TermId, Terms};
use super::encode::{Encoder, ROWS_MAX};
use super::feed::{Batch, feed};
use super::impact;
use super::postings::Stored;
use super::reader::Lexical;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::storage::frame::FrameWriter;

/// In a map of rows: the row is left out.
pub const DROPPED: u32 = u32::MAX;

/// Below so many rows a second thread costs more than it does.
const FEW: u32 = 1 << 12;

/// Writes the sections `lex.*` of one inverted index from several.
///
/// `maps[i][r]` is the row in the result of row `r` of `inputs[i]`, or [`DROPPED`]. Together the maps must name each
/// row below `rows` exactly once. The result is byte for byte that of a [`super::LexicalWriter`] given the same rows.
/// It is quickest where rows keep their order.
pub fn merge(
    inputs: &[&Lexical],
    maps: &[Vec<u32>],
    rows: u32,
    frame: &mut FrameWriter,
    threads: usize,
    interrupt: &dyn Interrupt,
) -> Result<()> {
    let lengths = merged_lengths(inputs, maps, rows)?;
    let mut encoder = Encoder::new(frame, &lengths)?;
    let mut sources: Vec<Source<'_>> =
        inputs.iter().zip(maps).map(|(input, map)| Source::new(input, map)).collect::<Result<_>>()?;
    let threads = if rows < FEW { 1 } else { threads };
    feed(&mut encoder, threads, interrupt, |batch| join(&mut sources, batch))?;
    encoder.finish()
}

/// Fills a batch with the least terms of all sources.
fn join(sources: &mut [Source<'_>], batch: &mut Batch) -> Result<()> {
    let mut here = Vec::with_capacity(sources.len());
    while !batch.is_full() {
        let Some(least) = sources.iter().filter(|source| source.id.is_some()).map(|source| &source.name).min() else {
            return Ok(());
        };
        here.clear();
        here.extend((0..sources.len()).filter(|&at| sources[at].id.is_some() && sources[at].name == *least));
        batch.push(least, |postings| here.iter().try_for_each(|&at| sources[at].read(postings)))?;
        for &at in &here {
            sources[at].step()?;
        }
    }
    Ok(())
}

/// What becomes of a row.
struct Moved {
    row: u32,
    /// The impacts that stand for counts 1 to 4, 0 where one does not: most postings have one of these, and to find out
    /// which count an impact stands for takes divisions.
    impacts: [u8; 4],
}

struct Source<'a> {
    input: &'a Lexical,
    rows: Vec<Moved>,
    terms: Terms<'a>,
    /// The term that is next; `None` after the last.
    id: Option<TermId>,
    name: String,
}

impl<'a> Source<'a> {
    fn new(input: &'a Lexical, map: &'a [u32]) -> Result<Self> {
        let (norm, _) = input.reference();
        let moved = |(old, &row): (usize, &u32)| {
            let norm = norm.at(input.length(old as u32));
            let impacts = [1, 2, 3, 4].map(|count| {
                let stored = impact::impact(count, norm);
                if impact::count(stored, norm) == Some(count) { stored } else { 0 }
            });
            Moved { row, impacts }
        };
        let rows = map.iter().enumerate().map(moved).collect();
        let mut source = Self { input, rows, terms: input.terms(), id: None, name: String::new() };
        source.step()?;
        Ok(source)
    }

    /// Appends the postings of the term that is next, with their new rows.
    fn read(&self, postings: &mut Vec<(u32, u32)>) -> Result<()> {
        let Some(id) = self.id else { return Ok(()) };
        let mut previous = None;
        self.input.each(id, |row, stored| {
            let moved = &self.rows[row as usize];
            let known = |stored: u8| moved.impacts.iter().position(|&impact| impact == stored && stored > 0);
            let place = if let Stored::Impact(stored) = stored { known(stored) } else { None };
            let count = place.map_or_else(|| self.input.count(id, row, stored), |place| Ok(place as u32 + 1))?;
            if previous >= Some(row) || count == 0 {
                return Err(self.input.corrupt_postings("the rows of a term are out of order"));
            }
            previous = Some(row);
            if moved.row != DROPPED {
                postings.push((moved.row, count));
            }
            Ok(())
        })
    }

    fn step(&mut self) -> Result<()> {
        self.id = match self.terms.step()? {
            Some((id, name)) => {
                name.clone_into(&mut self.name);
                Some(id)
            }
            None => None,
        };
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
