//! Writes vectors and their codes into a file.

use ragstone_kernels::codes::{BLOCK_ROWS, block_bytes};

use super::codec::{Codec, Int8Factors, int8_stride};
use super::vectors::{
    Head, SECTION_BITS, SECTION_CENTER, SECTION_FACTORS, SECTION_HEAD, SECTION_INT8, SECTION_PRESENT, SECTION_VALUES,
};
use super::{check_dimension, check_unit, stride_of};
use crate::error::{Error, Result};
use crate::instructions::active_kernels;
use crate::storage::frame::FrameWriter;

/// Appends the sections of [`Vectors`](super::Vectors) to a file: `rows` rows, `row` tells the vector of each, or that
/// it has none (yet).
///
/// Vectors must be of unit length ([`unit`](super::unit)). They are written as they are, so that vectors which go from
/// segment to segment keep their bits; codes are made anew, around the centre of these rows.
pub fn write_vectors<'a>(
    writer: &mut FrameWriter,
    dimension: usize,
    rows: usize,
    row: impl Fn(usize) -> Option<&'a [f32]>,
) -> Result<()> {
    check_dimension(dimension)?;
    let count = u32::try_from(rows).map_err(|_| Error::invalid(format!("{rows} rows do not fit into one file")))?;
    let (present, vectors) = write_values(writer, dimension, rows, &row)?;
    writer.section(SECTION_PRESENT, &present)?;
    write_codes(writer, dimension, rows, row)?;
    let stride = stride_of(dimension) as u32;
    writer.section(SECTION_HEAD, &[Head { dimension: dimension as u32, stride, rows: count, vectors }])
}

/// Writes the f32 rows; returns which there are.
fn write_values<'a>(
    writer: &mut FrameWriter,
    dimension: usize,
    rows: usize,
    row: impl Fn(usize) -> Option<&'a [f32]>,
) -> Result<(Vec<u64>, u32)> {
    let kernels = active_kernels()?;
    let padding = [0.0f32; 16];
    let absent = vec![0.0f32; dimension];
    let mut present = vec![0u64; rows.div_ceil(64)];
    let mut vectors = 0;
    writer.begin(SECTION_VALUES)?;
    for number in 0..rows {
        let vector = row(number);
        if let Some(vector) = vector {
            if vector.len() != dimension {
                return Err(Error::DimensionMismatch { expected: dimension, got: vector.len() });
            }
            check_unit(kernels, vector, || format!("the vector of row {number}"))?;
            vectors += 1;
            present[number / 64] |= 1 << (number % 64);
        }
        writer.write(bytemuck::cast_slice(vector.unwrap_or(&absent)))?;
        writer.write(bytemuck::cast_slice(&padding[..stride_of(dimension) - dimension]))?;
    }
    Ok((present, vectors))
}

/// Writes the codes: the integers as they come, the blocks of bits, an eighth of their size, when all are there.
fn write_codes<'a>(
    writer: &mut FrameWriter,
    dimension: usize,
    rows: usize,
    row: impl Fn(usize) -> Option<&'a [f32]>,
) -> Result<()> {
    let Some(codec) = Codec::of_rows(active_kernels()?, dimension, rows, &row) else { return Ok(()) };
    let block = block_bytes(dimension);
    let mut blocks = vec![0u8; rows.div_ceil(BLOCK_ROWS) * block];
    let mut factors = Vec::with_capacity(rows);
    let mut int8 = vec![0i8; int8_stride(dimension)];
    let mut work = Vec::with_capacity(dimension);
    writer.begin(SECTION_INT8)?;
    for number in 0..rows {
        factors.push(Int8Factors::default());
        int8.fill(0);
        if let Some(vector) = row(number) {
            let block = &mut blocks[number / BLOCK_ROWS * block..][..block];
            factors[number] = codec.encode(vector, block, number % BLOCK_ROWS, &mut int8, &mut work);
        }
        writer.write(bytemuck::cast_slice(&int8))?;
    }
    writer.section(SECTION_FACTORS, &factors)?;
    writer.section(SECTION_BITS, &blocks)?;
    writer.section(SECTION_CENTER, codec.center())
}
