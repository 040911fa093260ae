//! Reads and searches the vectors of a file.
//!
//! Sections, all numbers little-endian:
//!
//! | section | content |
//! |---|---|
//! | `vec.head` | four u32: dimension, values in a stored row, rows, rows that have a vector |
//! | `vec.present` | one u64 for every 64 rows, least significant bit first: which rows have a vector |
//! | `vec.f32` | the rows as f32: unit vectors, zero from the dimension to the next multiple of 16; zero where absent |
//!
//! The names `vec.int8`, `vec.int8.factors`, `vec.bits` and `vec.bits.factors` are kept for shorter codes of the same
//! rows. A reader ignores sections that it does not know.

use std::sync::Arc;

use ragstone_kernels::dispatch::Kernels;
use ragstone_kernels::top::Top;

use super::{DIMENSION_MAX, active_kernels, check_unit, is_cosine, scan, stride_of};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::storage::frame::{Column, Frame};

pub(super) const SECTION_HEAD: &str = "vec.head";
pub(super) const SECTION_PRESENT: &str = "vec.present";
pub(super) const SECTION_VALUES: &str = "vec.f32";

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
        Ok(Self { values, present, dimension, stride, kernels: active_kernels()? })
    }

    /// The same vectors, searched with another instruction set: for tests and measurements.
    #[must_use]
    pub fn with_kernels(self, kernels: &'static Kernels) -> Self {
        Self { kernels, ..self }
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

    /// Offers to `top` every row that has a vector and is allowed, with its cosine to `query`, a unit vector.
    ///
    /// Row `i` of this file is called `first_row + i`, in `allowed` as well as in `top`. Only allowed rows are read when
    /// few are.
    pub fn search(
        &self,
        query: &[f32],
        first_row: u32,
        allowed: Option<&Bitmap>,
        top: &mut Top,
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let query = self.padded(query)?;
        if first_row.checked_add(self.rows()).is_none() {
            let (rows, max) = (self.rows(), u32::MAX);
            return Err(Error::invalid(format!("{rows} rows from row {first_row} on are more than {max}")));
        }
        let wanted = |word: usize| {
            let present = self.present.words()[word];
            allowed.map_or(present, |allowed| present & allowed.word_at(u64::from(first_row) + word as u64 * 64))
        };
        self.scan(wanted, &|row| first_row + row, &query, std::slice::from_mut(top), interrupt)
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

    /// [`scan::Column::scan`] over these vectors.
    pub(super) fn scan<R: Copy + Ord>(
        &self,
        wanted: impl Fn(usize) -> u64,
        name: &dyn Fn(u32) -> R,
        queries: &[f32],
        tops: &mut [Top<R>],
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let damage = |row| self.damage(row);
        let column =
            scan::Column { kernels: self.kernels, values: &self.values, stride: self.stride, name, damage: &damage };
        column.scan(wanted, queries, tops, interrupt)
    }

    fn damage(&self, row: u32) -> Error {
        self.values.frame().corrupt_section(SECTION_VALUES, &format!("row {row} is not a vector of unit length"))
    }

    fn padded(&self, query: &[f32]) -> Result<Vec<f32>> {
        if query.len() != self.dimension {
            return Err(Error::DimensionMismatch { expected: self.dimension, got: query.len() });
        }
        check_unit(self.kernels, query, || "the query".to_owned())?;
        let mut padded = query.to_vec();
        padded.resize(self.stride, 0.0);
        Ok(padded)
    }
}
