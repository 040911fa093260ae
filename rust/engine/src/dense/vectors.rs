//! Reads and searches the vectors of a file.
//!
//! Sections, all numbers little-endian:
//!
//! | section | content |
//! |---|---|
//! | `vec.head` | four u32: dimension, values in a stored row, rows, rows that have a vector |
//! | `vec.present` | one u64 for every 64 rows, least significant bit first: which rows have a vector |
//! | `vec.f32` | the rows as f32: unit vectors, zero from the dimension to the next multiple of 16; zero where absent |
//! | `vec.center` | the mean vector that codes are relative to, f32 |
//! | `vec.bits` | blocks of 64 rows: a bit for each dimension, a factor and an offset for each row |
//! | `vec.int8` | the rows as i8, padded with zeros to a multiple of 64 |
//! | `vec.int8.factors` | two f32 for each row: the value of one step, and the length of what rounding took away |
//!
//! The last four are codes of the first: all or none of them are there. A reader ignores sections that it does not know.

use std::sync::Arc;

use ragstone_kernels::codes::{BLOCK_ROWS, block_bytes};
use ragstone_kernels::dispatch::Kernels;
use ragstone_kernels::top::Top;

use super::codec::{Codec, Int8Factors, int8_stride};
use super::tiers::{Effort, Exact, Fetch, INTEGER_ROWS, Run, Tier, Tiers, Wanted};
use super::{DIMENSION_MAX, check_unit, is_cosine, scan, stride_of};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::instructions::active_kernels;
use crate::interrupt::Interrupt;
use crate::storage::frame::{Column, Frame};

pub(super) const SECTION_HEAD: &str = "vec.head";
pub(super) const SECTION_PRESENT: &str = "vec.present";
pub(super) const SECTION_VALUES: &str = "vec.f32";
pub(super) const SECTION_CENTER: &str = "vec.center";
pub(super) const SECTION_BITS: &str = "vec.bits";
pub(super) const SECTION_INT8: &str = "vec.int8";
pub(super) const SECTION_FACTORS: &str = "vec.int8.factors";

/// Content of `vec.head`.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Head {
    pub(super) dimension: u32,
    pub(super) stride: u32,
    pub(super) rows: u32,
    pub(super) vectors: u32,
}

/// The vectors of a file, kept where they are mapped.
#[derive(Clone, Debug)]
pub struct Vectors {
    values: Column<f32>,
    present: Bitmap,
    dimension: usize,
    stride: usize,
    kernels: &'static Kernels,
    codes: Option<Codes>,
}

/// The codes of the rows.
#[derive(Clone, Debug)]
struct Codes {
    codec: Codec,
    int8: Column<i8>,
    factors: Column<Int8Factors>,
    blocks: Column<u8>,
}

impl Codes {
    fn open(frame: &Arc<Frame>, kernels: &'static Kernels, dimension: usize, rows: usize) -> Result<Option<Self>> {
        if !frame.has(SECTION_BITS) {
            return Ok(None);
        }
        let center = frame.column_of::<f32>(SECTION_CENTER, dimension)?.to_vec();
        // A mean of unit vectors; anything else makes estimates that exclude everything.
        let square = kernels.dot(&center, &center);
        let codec = Codec::new(kernels, center).filter(|_| square <= 1.01);
        let Some(codec) = codec else {
            let message = format!("the centre has squared length {square} in {dimension} dimensions");
            return Err(frame.corrupt_section(SECTION_CENTER, &message));
        };
        let (int8, factors) = (frame.column(SECTION_INT8)?, frame.column(SECTION_FACTORS)?);
        let blocks = frame.column(SECTION_BITS)?;
        let check = |section, found: usize, expected: Option<usize>| {
            if Some(found) == expected {
                return Ok(());
            }
            Err(frame.corrupt_section(section, &format!("{found} values for {rows} rows of {dimension} dimensions")))
        };
        check(SECTION_INT8, int8.len(), rows.checked_mul(int8_stride(dimension)))?;
        check(SECTION_FACTORS, factors.len(), Some(rows))?;
        check(SECTION_BITS, blocks.len(), rows.div_ceil(BLOCK_ROWS).checked_mul(block_bytes(dimension)))?;
        // The first query reads all of them; what it reads of the rest is little, and not yet known.
        blocks.will_need(0..blocks.len());
        Ok(Some(Self { codec, int8, factors, blocks }))
    }
}

impl Vectors {
    /// Opens the vectors in a file. Their structure is checked here, their values as far as the file was opened with.
    pub fn open(frame: &Arc<Frame>) -> Result<Self> {
        let corrupt = |section, message: String| frame.corrupt_section(section, &message);
        let Head { dimension, stride, rows, vectors } = frame.column_of::<Head>(SECTION_HEAD, 1)?[0];
        let (dimension, stride) = (dimension as usize, stride as usize);
        if !(1..=DIMENSION_MAX).contains(&dimension) || stride != stride_of(dimension) {
            return Err(corrupt(SECTION_HEAD, format!("rows of {stride} values for dimension {dimension}")));
        }
        let words = frame.column_of::<u64>(SECTION_PRESENT, (rows as usize).div_ceil(64))?.to_vec();
        let present = Bitmap::from_words(rows, words)
            .filter(|present| present.count() == vectors)
            .ok_or_else(|| corrupt(SECTION_PRESENT, format!("the bits are not {vectors} of {rows} rows")))?;
        let values = frame.column::<f32>(SECTION_VALUES)?;
        if Some(values.len()) != (rows as usize).checked_mul(stride) {
            let count = values.len();
            return Err(corrupt(SECTION_VALUES, format!("{count} values for {rows} rows of {stride}")));
        }
        let kernels = active_kernels()?;
        let codes = Codes::open(frame, kernels, dimension, rows as usize)?;
        Ok(Self { values, present, dimension, stride, kernels, codes })
    }

    /// The same vectors, searched with another instruction set: for tests and measurements.
    #[must_use]
    pub fn with_kernels(self, kernels: &'static Kernels) -> Self {
        let codes = self.codes.map(|codes| Codes { codec: codes.codec.with_kernels(kernels), ..codes });
        Self { kernels, codes, ..self }
    }

    /// Values in a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of rows, with and without a vector.
    pub fn rows(&self) -> u32 {
        self.present.len()
    }

    /// The rows that have a vector.
    pub fn present(&self) -> &Bitmap {
        &self.present
    }

    /// The vector of a row, where it has one.
    pub fn row(&self, row: u32) -> Option<&[f32]> {
        self.present.contains(row).then(|| &self.values[row as usize * self.stride..][..self.dimension])
    }

    /// Offers to `top` the rows that have a vector, are allowed, and can be among its best, with their cosines to
    /// `query`, a unit vector.
    ///
    /// Row `i` of this file is called `first_row + i`, in `allowed` as well as in `top`. The result is that of comparing
    /// all rows where few are wanted, and where many are it misses less than one in a thousand of the best.
    pub fn search(
        &self,
        query: &[f32],
        first_row: u32,
        allowed: Option<&Bitmap>,
        top: &mut Top,
        effort: Effort<'_>,
    ) -> Result<()> {
        let (query, wanted) = (self.padded(query)?, self.wanted(first_row, allowed)?);
        self.search_wanted(&wanted, &query, &|row| first_row + row, std::slice::from_mut(top), effort)
    }

    /// As [`Self::search`], and exact: the best by cosines computed in f64, whatever the number of rows.
    pub fn search_exact(
        &self,
        query: &[f32],
        first_row: u32,
        allowed: Option<&Bitmap>,
        top: &mut Top<Exact<u32>>,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let (query, wanted) = (self.padded(query)?, self.wanted(first_row, allowed)?);
        self.search_wanted_exact(&wanted, &query, &|row| first_row + row, top, interrupt)
    }

    pub(super) fn wanted(&self, first_row: u32, allowed: Option<&Bitmap>) -> Result<Wanted> {
        if first_row.checked_add(self.rows()).is_none() {
            let (rows, max) = (self.rows(), u32::MAX);
            return Err(Error::invalid(format!("{rows} rows from row {first_row} on are more than {max}")));
        }
        let word = |(index, &present): (usize, &u64)| {
            allowed.map_or(present, |allowed| present & allowed.word_at(u64::from(first_row) + index as u64 * 64))
        };
        Ok(Wanted::new(self.present.words().iter().enumerate().map(word).collect()))
    }

    /// Cosines of some rows with `query`, a unit vector; `None` for a row that has no vector or does not exist.
    pub fn scores(&self, query: &[f32], rows: &[u32]) -> Result<Vec<Option<f32>>> {
        let query = self.padded(query)?;
        let found: Vec<u32> = rows.iter().copied().filter(|&row| self.present.contains(row)).collect();
        let mut scores = vec![0.0; found.len()];
        self.kernels.dot_gather(&query, &self.values, self.stride, &found, &mut scores);
        if let Some(at) = scores.iter().position(|&score| !is_cosine(score)) {
            return Err(self.damage(found[at]));
        }
        let mut scores = scores.into_iter();
        Ok(rows.iter().map(|&row| if self.present.contains(row) { scores.next() } else { None }).collect())
    }

    /// As [`Self::search`], for padded queries, with rows called what `name` says.
    pub(super) fn search_wanted<R: Copy + Ord>(
        &self,
        wanted: &Wanted,
        queries: &[f32],
        name: &dyn Fn(u32) -> R,
        tops: &mut [Top<R>],
        effort: Effort<'_>,
    ) -> Result<()> {
        let (damage, fetch) = (|row| self.damage(row), |tier, rows: &[u32]| self.fetch(tier, rows));
        match self.tiers(&damage, &fetch) {
            Some(tiers) => tiers.search(wanted, queries, name, tops, effort),
            None => self.column(&damage).scan(wanted, queries, name, tops, effort.interrupt),
        }
    }

    /// As [`Self::search_exact`], for a padded query, with rows called what `name` says.
    pub(super) fn search_wanted_exact<R: Copy + Ord>(
        &self,
        wanted: &Wanted,
        query: &[f32],
        name: &dyn Fn(u32) -> R,
        top: &mut Top<Exact<R>>,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let (damage, fetch) = (|row| self.damage(row), |tier, rows: &[u32]| self.fetch(tier, rows));
        match self.tiers(&damage, &fetch) {
            Some(tiers) => tiers.search_exact(wanted, query, name, top, interrupt),
            None => self.column(&damage).scan_exact(wanted, query, name, top, interrupt),
        }
    }

    fn fetch(&self, tier: Tier, rows: &[u32]) {
        let range = |row: u32, stride: usize| row as usize * stride..(row as usize + 1) * stride;
        for &row in rows {
            match (tier, &self.codes) {
                (Tier::Values, _) => self.values.will_need(range(row, self.stride)),
                (Tier::Int8, Some(codes)) => codes.int8.will_need(range(row, int8_stride(self.dimension))),
                (Tier::Int8, None) => {}
            }
        }
    }

    pub(super) fn tiers<'a>(
        &'a self,
        damage: &'a (dyn Fn(u32) -> Error + Sync),
        fetch: &'a Fetch<'a>,
    ) -> Option<Tiers<'a>> {
        let codes = self.codes.as_ref()?;
        let run = Run { values: &self.values, int8: &codes.int8, factors: &codes.factors, blocks: &codes.blocks };
        Some(Tiers {
            kernels: self.kernels,
            codec: &codes.codec,
            dimension: self.dimension,
            runs: vec![run],
            run_rows: (self.rows() as usize).next_multiple_of(64).max(64),
            damage,
            fetch: Some(fetch),
            few: INTEGER_ROWS,
        })
    }

    fn column<'a>(&'a self, damage: &'a (dyn Fn(u32) -> Error + Sync)) -> scan::Column<'a> {
        scan::Column { kernels: self.kernels, values: &self.values, stride: self.stride, damage }
    }

    fn damage(&self, row: u32) -> Error {
        self.values.frame().corrupt_section(SECTION_VALUES, &format!("row {row} is not a vector of unit length"))
    }

    pub(super) fn padded(&self, query: &[f32]) -> Result<Vec<f32>> {
        if query.len() != self.dimension {
            return Err(Error::DimensionMismatch { expected: self.dimension, got: query.len() });
        }
        check_unit(self.kernels, query, || "the query".to_owned())?;
        let mut padded = query.to_vec();
        padded.resize(self.stride, 0.0);
        Ok(padded)
    }
}
