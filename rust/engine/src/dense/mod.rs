//! Dense search: unit vectors in aligned rows, and the rows whose cosine with a query is highest.
//!
//! [`writer`] puts the vectors of a segment into a file, [`Vectors`] searches them there, [`DenseIndex`] is the same for
//! people who bring vectors with ids of their own. A score is the cosine: the dot product of two unit vectors, in the
//! one order of summation that all instruction sets share, so scores are equal to the bit everywhere.

mod codec;
mod estimated;
mod heap;
pub mod index;
mod scan;
mod sieve;
mod tiers;
pub mod vectors;
pub mod writer;

use ragstone_kernels::dispatch::Kernels;

pub use index::DenseIndex;
pub use tiers::{Effort, Exact, exact_score};
pub use vectors::Vectors;
pub use writer::write_vectors;

use crate::error::{Error, Result};

/// Largest dimension of a vector: far above any embedding model, and it keeps every size calculation small.
pub const DIMENSION_MAX: usize = 1 << 16;

/// How far the squared length of a vector that counts as unit may be from 1: rounding stays far below.
const UNIT_TOLERANCE: f32 = 1e-3;

/// Vectors in rows, one after another.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// All values, row by row.
    pub values: &'a [f32],
    /// Values in a row.
    pub dimension: usize,
}

impl<'a> Matrix<'a> {
    /// The rows, after checking that they have `dimension` values each.
    fn rows(self, dimension: usize) -> Result<impl ExactSizeIterator<Item = &'a [f32]> + Clone> {
        if self.dimension != dimension {
            return Err(Error::DimensionMismatch { expected: dimension, got: self.dimension });
        }
        if !self.values.len().is_multiple_of(dimension) {
            let count = self.values.len();
            return Err(Error::invalid(format!("{count} values do not make whole vectors of {dimension} dimensions")));
        }
        Ok(self.values.chunks_exact(dimension))
    }
}

/// The vector of length 1 in the direction of `vector`; `what` names it in the message if it has no direction.
///
/// The length is summed in `f64` in a fixed order, so that the result has the same bits on every machine.
///
/// ```
/// use ragstone_engine::dense::unit;
///
/// assert_eq!(unit(&[3.0, 4.0], "vector 0")?, [0.6, 0.8]);
/// let message = unit(&[0.0, f32::NAN], "vector 7").unwrap_err().to_string();
/// assert_eq!(message, "vector 7 has NaN at position 1: every value must be finite");
/// # Ok::<(), ragstone_engine::error::Error>(())
/// ```
pub fn unit(vector: &[f32], what: &str) -> Result<Vec<f32>> {
    let scale = unit_scale(vector, || what.to_owned())?;
    Ok(scaled(vector, scale).collect())
}

/// What to multiply the values of `vector` by to give it length 1.
fn unit_scale(vector: &[f32], what: impl Fn() -> String) -> Result<f64> {
    // Not even 65,536 squares of the largest f32 overflow an f64, so a sum that is not finite has a culprit.
    let mut lanes = [0.0f64; 8];
    for values in vector.chunks(lanes.len()) {
        for (lane, &value) in lanes.iter_mut().zip(values) {
            *lane += f64::from(value) * f64::from(value);
        }
    }
    let square: f64 = lanes.iter().sum();
    if let Some(position) = vector.iter().position(|value| !value.is_finite()).filter(|_| !square.is_finite()) {
        let value = vector[position];
        return Err(Error::invalid(format!(
            "{} has {value} at position {position}: every value must be finite",
            what()
        )));
    }
    if square == 0.0 {
        let message = format!("{} has only zeros, so it has no direction to compare: leave it out", what());
        return Err(Error::invalid(message));
    }
    Ok(1.0 / square.sqrt())
}

fn scaled(vector: &[f32], scale: f64) -> impl Iterator<Item = f32> {
    vector.iter().map(move |&value| (f64::from(value) * scale) as f32)
}

/// Refuses a vector that did not come from [`unit`].
fn check_unit(kernels: &Kernels, vector: &[f32], what: impl Fn() -> String) -> Result<()> {
    let square = kernels.dot(vector, vector);
    if (square - 1.0).abs() <= UNIT_TOLERANCE {
        return Ok(());
    }
    Err(Error::invalid(format!("{} has squared length {square} where 1 belongs: normalise it first", what())))
}

/// Whether two unit vectors can have this score: false of NaN too, so a damaged column cannot pass for an answer.
fn is_cosine(score: f32) -> bool {
    score.abs() <= 1.0 + UNIT_TOLERANCE
}

/// Values in a stored row: the dimension, padded so that every row starts at a 64-byte boundary.
fn stride_of(dimension: usize) -> usize {
    dimension.next_multiple_of(16)
}

fn check_dimension(dimension: usize) -> Result<()> {
    if (1..=DIMENSION_MAX).contains(&dimension) {
        return Ok(());
    }
    Err(Error::invalid(format!("dimension is {dimension}: it must be from 1 to {DIMENSION_MAX}")))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tiers_tests;
