//! Postings as they lie in the file: one, a flat list, or containers by window; read without decoding, nothing trusted.

use bytemuck::Pod;
use ragstone_kernels::postings::{BLOCK_ROWS, BLOCKS, Bits, WINDOW_ROWS, block_pairs, set_bits};

use super::encode::{BY_BLOCKS_MAX, BY_BLOCKS_MIN, Container, WINDOW};

/// All postings of a term.
#[derive(Clone, Copy, Debug)]
pub(super) enum Postings<'a> {
    /// The only one.
    One { row: u32, count: u32 },
    /// A few, in one list, with their greatest impact.
    Flat { rows: &'a [u32], impacts: &'a [u8], greatest: u8 },
    /// Many: containers with their greatest impacts, ascending by window.
    Windows { containers: &'a [Container], greatest: &'a [u8], frequency: u32, ranked: [u8; 4] },
}

/// Postings of a term in one window; rows may be anything that fits their type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece<'a> {
    /// The only posting of a term: the row of the file, and its count.
    One { row: u32, count: u32 },
    /// Rows of the file.
    Flat { rows: &'a [u32], impacts: &'a [u8] },
    /// Rows of the window.
    Rows { rows: &'a [u16], impacts: &'a [u8] },
    /// Block by block its rows and then their impacts, beginning at twice `starts`.
    Blocks { starts: &'a [u16; BLOCKS], maxima: &'a [u8; BLOCKS], pairs: &'a [u8] },
    /// A bit for each row.
    Bits { starts: &'a [u16; BLOCKS], maxima: &'a [u8; BLOCKS], bits: &'a Bits, impacts: &'a [u8] },
}

/// What the file has of one posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Count(u32),
    Impact(u8),
}

/// What was read contradicts itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damaged;

impl<'a> Postings<'a> {
    pub(super) fn frequency(&self) -> u32 {
        match self {
            Self::One { .. } => 1,
            Self::Flat { rows, .. } => rows.len() as u32,
            Self::Windows { frequency, .. } => *frequency,
        }
    }

    /// The postings in a window, `None` if there are none; containers are looked up in `bytes`.
    pub(super) fn piece(&self, window: u32, bytes: &'a [u8]) -> Result<Option<Piece<'a>>, Damaged> {
        match *self {
            Self::One { row, count } => Ok((row / WINDOW == window).then_some(Piece::One { row, count })),
            Self::Flat { rows, impacts, .. } => {
                let start = rows.partition_point(|row| row / WINDOW < window);
                let count = rows[start..].partition_point(|row| row / WINDOW == window);
                let range = start..start + count;
                Ok((count > 0).then(|| Piece::Flat { rows: &rows[range.clone()], impacts: &impacts[range] }))
            }
            Self::Windows { containers, .. } => match place_of(containers, window) {
                Some(place) => Piece::of(containers[place], bytes).map(Some),
                None => Ok(None),
            },
        }
    }
}

/// Where the container of a window is: at once if every window has one.
pub(super) fn place_of(containers: &[Container], window: u32) -> Option<usize> {
    let there = |place: &usize| containers.get(*place).is_some_and(|found| u32::from(found.window) == window);
    Some(window as usize).filter(there).or_else(|| {
        let place = containers.partition_point(|container| u32::from(container.window) < window);
        Some(place).filter(there)
    })
}

impl<'a> Piece<'a> {
    /// The container that begins at an offset of `bytes`, section `lex.postings`.
    pub(super) fn of(container: Container, bytes: &'a [u8]) -> Result<Self, Damaged> {
        let read = || {
            let count = usize::from(container.last) + 1;
            let mut bytes = bytes.get((container.half_offset as usize).checked_mul(2)?..)?;
            if count < BY_BLOCKS_MIN {
                let rows = cast(take(&mut bytes, 2 * count)?)?;
                return Some(Self::Rows { rows, impacts: take(&mut bytes, count)? });
            }
            let starts = cast(take(&mut bytes, 2 * BLOCKS)?)?.try_into().ok()?;
            let maxima = take(&mut bytes, BLOCKS)?.try_into().ok()?;
            if count <= BY_BLOCKS_MAX {
                return Some(Self::Blocks { starts, maxima, pairs: take(&mut bytes, 2 * count)? });
            }
            let bits = take(&mut bytes, WINDOW_ROWS / 8)?.try_into().ok()?;
            Some(Self::Bits { starts, maxima, bits, impacts: take(&mut bytes, count)? })
        };
        read().ok_or(Damaged)
    }

    /// What is stored of a row of the piece's window; `None` if the term does not occur in it.
    pub(super) fn find(&self, row: u32) -> Result<Option<Stored>, Damaged> {
        let local = (row % WINDOW) as u16;
        let (block, in_block) = (usize::from(local) / BLOCK_ROWS, local as u8);
        let found = match *self {
            Self::One { row: only, count } => return Ok((only == row).then_some(Stored::Count(count))),
            Self::Flat { rows, impacts } => rows.binary_search(&row).ok().map(|at| impacts[at]),
            Self::Rows { rows, impacts } => rows.binary_search(&local).ok().map(|at| impacts[at]),
            Self::Blocks { starts, pairs, .. } => {
                let (rows, impacts) = block_pairs(starts, pairs, block).ok_or(Damaged)?;
                rows.binary_search(&in_block).ok().map(|at| impacts[at])
            }
            Self::Bits { starts, bits, impacts, .. } => {
                let words = &bits.as_chunks::<8>().0.as_chunks::<{ BLOCK_ROWS / 64 }>().0[block];
                let (word, bit) = (usize::from(in_block) / 64, in_block % 64);
                let here = u64::from_le_bytes(words[word]);
                if here >> bit & 1 == 0 {
                    return Ok(None);
                }
                let before: u32 = words[..word].iter().map(|&word| u64::from_le_bytes(word).count_ones()).sum();
                let rank = before + (here & ((1 << bit) - 1)).count_ones();
                Some(*impacts.get(usize::from(starts[block]) + rank as usize).ok_or(Damaged)?)
            }
        };
        Ok(found.map(Stored::Impact))
    }

    /// Visits (row of the file, stored) of all postings of the window `window`.
    pub(super) fn each<E: From<Damaged>>(
        &self,
        window: u32,
        mut visit: impl FnMut(u32, Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        // Windows are below 2^16 and rows in them below 2^14: the sum cannot overflow.
        let first = window * WINDOW;
        match *self {
            Self::One { row, count } => visit(row, Stored::Count(count)),
            Self::Flat { rows, impacts } => {
                rows.iter().zip(impacts).try_for_each(|(&row, &impact)| visit(row, Stored::Impact(impact)))
            }
            Self::Rows { rows, impacts } => rows.iter().zip(impacts).try_for_each(|(&local, &impact)| {
                if u32::from(local) >= WINDOW {
                    return Err(Damaged.into());
                }
                visit(first + u32::from(local), Stored::Impact(impact))
            }),
            Self::Blocks { starts, pairs, .. } => {
                for block in 0..BLOCKS {
                    let (rows, impacts) = block_pairs(starts, pairs, block).ok_or(Damaged)?;
                    for (&row, &impact) in rows.iter().zip(impacts) {
                        visit(first + (block * BLOCK_ROWS) as u32 + u32::from(row), Stored::Impact(impact))?;
                    }
                }
                Ok(())
            }
            Self::Bits { bits, impacts, .. } => {
                let mut impacts = impacts.iter();
                for (word, &bytes) in bits.as_chunks::<8>().0.iter().enumerate() {
                    for bit in set_bits(u64::from_le_bytes(bytes)) {
                        let &impact = impacts.next().ok_or(Damaged)?;
                        visit(first + (64 * word + bit) as u32, Stored::Impact(impact))?;
                    }
                }
                if impacts.next().is_some() { Err(Damaged.into()) } else { Ok(()) }
            }
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    bytes.split_off(..count)
}

fn cast<T: Pod>(bytes: &[u8]) -> Option<&[T]> {
    bytemuck::try_cast_slice(bytes).ok()
}
