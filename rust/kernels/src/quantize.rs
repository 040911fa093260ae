//! Shorter codes of vectors: a rotation that spreads a vector over all its dimensions, and 8-bit integers.
//!
//! Plain loops, compiled once for every instruction set: each value goes through the same additions and
//! multiplications in the same order, however many of them one instruction does at a time, so codes have the same bits
//! everywhere.

use crate::scalar::{LANES, sum};

/// Rounds of signs and Hadamard transforms: enough that a vector with one value that is not zero ends up spread evenly,
/// also where the windows of the transforms only overlap.
const ROUNDS: usize = 4;
/// Seed of the signs. It belongs to the file format: codes made with other signs mean something else.
const SEED: u64 = 0x5241_4753_544F_4E45;
/// Adding it to a value below 2²² in size rounds the value to an integer, ties to even.
const ROUND: f32 = 12_582_912.0;

/// A fixed rotation of vectors of one dimension: random signs, then a Walsh–Hadamard transform, [`ROUNDS`] times, over
/// the first and the last 2ⁿ values in turn.
///
/// It is orthogonal (lengths and dot products stay), and afterwards the values of any vector look as if drawn from one
/// normal distribution, which is what makes a sign or a small integer a good code for them (Ailon and Chazelle 2009;
/// for 1-bit codes Gao and Long 2024).
#[derive(Clone, Debug)]
pub struct Rotation {
    dimension: usize,
    window: usize,
    /// For each round and each value of its window, ±1/√window.
    signs: Vec<f32>,
}

impl Rotation {
    /// The rotation for vectors of `dimension` values.
    pub fn new(dimension: usize) -> Self {
        assert!(dimension > 0, "a rotation of nothing");
        let window = 1 << dimension.ilog2();
        let scale = (1.0 / (window as f64).sqrt()) as f32;
        let sign = |index: usize| if mix(index as u64) & 1 == 0 { scale } else { -scale };
        Self { dimension, window, signs: (0..ROUNDS * window).map(sign).collect() }
    }

    /// Values in a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Largest length of the difference between what [`Kernels::rotate`](crate::dispatch::Kernels::rotate) computes and
    /// the exact rotation, for a vector of length 1.
    ///
    /// Each level of a transform and each multiplication with a sign rounds every value once: by at most 2⁻²⁴ of its
    /// size, so the whole vector by at most 2⁻²⁴ of its length; a rounded 1/√window adds as much again.
    pub fn error(&self) -> f64 {
        let roundings = ROUNDS * (self.window.ilog2() as usize + 2);
        // Errors made early are carried on by vectors that are a little too long: far less than a percent.
        roundings as f64 * 2f64.powi(-24) * 1.01
    }
}

/// A bit mixer (Steele, Lea and Flood 2014).
fn mix(index: u64) -> u64 {
    let mut state = SEED.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

#[inline(always)]
pub(crate) fn rotate(rotation: &Rotation, values: &mut [f32]) {
    let last = rotation.dimension - rotation.window;
    for (round, signs) in rotation.signs.chunks_exact(rotation.window).enumerate() {
        let window = &mut values[if round % 2 == 0 { 0 } else { last }..][..rotation.window];
        for index in 0..window.len() {
            window[index] *= signs[index];
        }
        hadamard(window);
    }
}

/// Walsh–Hadamard transform of 2ⁿ values, not scaled.
#[inline(always)]
fn hadamard(values: &mut [f32]) {
    let mut half = 1;
    if values.len() >= 16 {
        for row in values.as_chunks_mut::<16>().0 {
            *row = butterflies::<8>(butterflies::<4>(butterflies::<2>(butterflies::<1>(*row))));
        }
        half = 16;
    }
    // Two levels a pass: what they read and write is most of their time.
    while 2 * half < values.len() {
        for four in values.chunks_exact_mut(4 * half) {
            let (front, back) = four.split_at_mut(2 * half);
            let ((first, second), (third, fourth)) = (front.split_at_mut(half), back.split_at_mut(half));
            for index in 0..half {
                let (a, b) = (first[index] + second[index], first[index] - second[index]);
                let (c, d) = (third[index] + fourth[index], third[index] - fourth[index]);
                (first[index], second[index], third[index], fourth[index]) = (a + c, b + d, a - c, b - d);
            }
        }
        half *= 4;
    }
    if half < values.len() {
        let (left, right) = values.split_at_mut(half);
        for index in 0..half {
            (left[index], right[index]) = (left[index] + right[index], left[index] - right[index]);
        }
    }
}

/// One level within 16 values, written so that all 16 results are one addition of two shuffled registers.
#[inline(always)]
fn butterflies<const HALF: usize>(row: [f32; 16]) -> [f32; 16] {
    let (mut left, mut right) = ([0.0; 16], [0.0; 16]);
    for index in 0..16 {
        left[index] = row[index & !HALF];
        right[index] = if index & HALF == 0 { row[index | HALF] } else { -row[index | HALF] };
    }
    let mut sums = [0.0; 16];
    for index in 0..16 {
        sums[index] = left[index] + right[index];
    }
    sums
}

/// What became of a vector when it was rounded to 8-bit integers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rounded {
    /// Value of one step: a value is about its integer times this.
    pub scale: f32,
    /// Squared length of what rounding took away.
    pub residual_square: f32,
    /// Squared length of the vector.
    pub square: f32,
    /// Sum of the sizes of its values.
    pub sum_of_sizes: f32,
}

/// Rounds `values` to integers from −127 to 127 times a scale; `codes` is at least as long, its rest becomes zero.
#[inline(always)]
pub(crate) fn round(values: &[f32], codes: &mut [i8]) -> Rounded {
    let (steps, tail) = values.as_chunks::<LANES>();
    let (mut largest, mut sizes, mut squares) = ([0.0f32; LANES], [0.0; LANES], [0.0; LANES]);
    let mut padded = [0.0; LANES];
    padded[..tail.len()].copy_from_slice(tail);
    for index in 0..=steps.len() {
        let step = if index < steps.len() { &steps[index] } else { &padded };
        for lane in 0..LANES {
            let size = step[lane].abs();
            largest[lane] = if size > largest[lane] { size } else { largest[lane] };
            sizes[lane] += size;
            squares[lane] += step[lane] * step[lane];
        }
    }
    let largest = largest.iter().fold(0.0f32, |all, &lane| if lane > all { lane } else { all });
    // A vector of nothing, or of hardly anything, has no steps to count.
    let scale = if largest > 1e-30 { largest / 127.0 } else { 0.0 };
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let mut residuals = [0.0; LANES];
    let (out, out_tail) = codes.as_chunks_mut::<LANES>();
    for index in 0..steps.len() {
        round_step(&steps[index], inverse, scale, &mut out[index], &mut residuals);
    }
    let mut last = [0; LANES];
    round_step(&padded, inverse, scale, &mut last, &mut residuals);
    for (index, step) in out.iter_mut().enumerate().skip(steps.len()) {
        *step = if index == steps.len() { last } else { [0; LANES] };
    }
    let taken = if out.len() > steps.len() { 0 } else { out_tail.len() };
    out_tail.fill(0);
    out_tail[..taken].copy_from_slice(&last[..taken]);
    Rounded { scale, residual_square: sum(residuals), square: sum(squares), sum_of_sizes: sum(sizes) }
}

#[inline(always)]
fn round_step(step: &[f32; LANES], inverse: f32, scale: f32, codes: &mut [i8; LANES], residuals: &mut [f32; LANES]) {
    for lane in 0..LANES {
        let shifted = step[lane] * inverse + ROUND;
        let code = shifted.to_bits().wrapping_sub(ROUND.to_bits());
        codes[lane] = code as i8;
        let residual = step[lane] - (shifted - ROUND) * scale;
        residuals[lane] += residual * residual;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signs_are_the_stored_ones() {
        // Catches a change of the rotation, which would make every stored code mean something else.
        let rotation = Rotation::new(32);
        let bits = |signs: &[f32]| signs.iter().rev().fold(0u32, |bits, sign| bits << 1 | u32::from(*sign < 0.0));
        assert_eq!([bits(&rotation.signs[..32]), bits(&rotation.signs[96..])], [738_248_092, 1_027_238_610]);
    }

    #[test]
    fn a_rotation_spreads_whatever_it_gets() {
        // Catches windows that never meet, or rounds that undo each other.
        for dimension in [64, 100, 256, 384, 768, 1000] {
            let rotation = Rotation::new(dimension);
            for at in [0, dimension / 2, dimension - 1] {
                let mut values = vec![0.0; dimension];
                values[at] = 1.0;
                rotate(&rotation, &mut values);
                let square: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
                assert!((square - 1.0).abs() < 1e-5, "{dimension}: {square}");
                let largest = values.iter().fold(0.0f32, |all, value| all.max(value.abs()));
                assert!(f64::from(largest) < 6.0 / (dimension as f64).sqrt(), "{dimension}, {at}: {largest}");
            }
        }
    }
}
