//! Writes vectors into a file, row by row as they come.

use super::vectors::{Head, SECTION_HEAD, SECTION_PRESENT, SECTION_VALUES};
use super::{active_kernels, check_dimension, check_unit, stride_of};
use crate::error::{Error, Result};
use crate::storage::frame::FrameWriter;

/// Appends the sections of [`Vectors`](super::Vectors) to a file: one row for each item, `None` for a row that has no
/// vector (yet).
///
/// Vectors must be of unit length ([`unit`](super::unit)). They are written as they are, so that vectors which go from
/// segment to segment keep their bits.
pub fn write_vectors<'a>(
    writer: &mut FrameWriter,
    dimension: usize,
    rows: impl Iterator<Item = Option<&'a [f32]>>,
) -> Result<()> {
    check_dimension(dimension)?;
    let kernels = active_kernels()?;
    let stride = stride_of(dimension);
    let padding = [0.0f32; 16];
    let absent = vec![0.0f32; dimension];
    let mut present: Vec<u64> = Vec::new();
    let (mut count, mut vectors) = (0u32, 0u32);
    writer.begin(SECTION_VALUES)?;
    for vector in rows {
        let row = count;
        count = row.checked_add(1).ok_or_else(|| Error::invalid(format!("one file holds at most {row} rows")))?;
        if row.is_multiple_of(64) {
            present.push(0);
        }
        if let Some(vector) = vector {
            if vector.len() != dimension {
                return Err(Error::DimensionMismatch { expected: dimension, got: vector.len() });
            }
            check_unit(kernels, vector, || format!("the vector of row {row}"))?;
            vectors += 1;
            present[row as usize / 64] |= 1 << (row % 64);
        }
        writer.write(bytemuck::cast_slice(vector.unwrap_or(&absent)))?;
        writer.write(bytemuck::cast_slice(&padding[..stride - dimension]))?;
    }
    writer.section(SECTION_PRESENT, &present)?;
    writer.section(SECTION_HEAD, &[Head { dimension: dimension as u32, stride: stride as u32, rows: count, vectors }])
}
