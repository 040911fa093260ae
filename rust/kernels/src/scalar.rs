//! The specification: what every instruction set has to compute, to the bit.
//!
//! A dot product is summed in [`LANES`] lanes. Element `i` is multiplied, rounded, and added to lane `i % LANES`; then
//! the upper half of the lanes is added to the lower half until one is left. This order is free of dependencies for
//! 512-bit, 256-bit and 128-bit registers alike. Multiplication and addition stay separate: a fused multiply-add
//! rounds once instead of twice, so it gives other bits, and plain processors can only emulate it, slowly. Lanes start
//! at +0 and therefore never become −0, which makes zero padding of both arguments invisible in the result.
//!
//! A result that is not a number is some NaN; which one is not specified.
//!
//! Sums of 8-bit products are integers, so they have no order. What runs as it stands here on every instruction set
//! (rotating, rounding to 8 bits, the wide dot product) is compiled for each from the same loops.

use crate::codes;
use crate::dispatch::Kernels;
use crate::postings::{self, BLOCKS, Bits, Maxima, Sums, add_word};
use crate::quantize;

/// Number of partial sums of a dot product.
pub const LANES: usize = 32;

/// Number of partial sums of a wide dot product.
const WIDE_LANES: usize = 16;

pub(crate) const KERNELS: Kernels = Kernels {
    name: "scalar",
    is_available: || true,
    dot,
    dot_rows,
    dot_gather,
    dot_wide: |a, b| dot_wide(a, b),
    int8_rows,
    int8_gather,
    rotate: |rotation, values| quantize::rotate(rotation, values),
    round: |values, codes| quantize::round(values, codes),
    add_rows: |sums, maxima, rows, impacts, weight, blocks| {
        postings::add_rows(sums, maxima, rows, impacts, weight, blocks);
    },
    add_blocks: |sums, maxima, starts, rows, impacts, weight, blocks| {
        postings::add_blocks(sums, maxima, starts, rows, impacts, weight, blocks)
    },
    add_bits,
    add_bounds: |bounds, greatest, weight| postings::add_bounds(bounds, greatest, weight),
    take_bounds: |bounds, greatest, weight| postings::take_bounds(bounds, greatest, weight),
    reaching: |maxima, bounds, least| postings::reaching(maxima, bounds, least),
    estimate: codes::estimate,
    fill: codes::fill_bytes,
    table_bytes: codes::GROUP * 256,
};

/// Sum of the products of two slices of one length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "dot product of slices of different lengths");
    let ((a_steps, a_tail), (b_steps, b_tail)) = (a.as_chunks(), b.as_chunks());
    let mut lanes = whole_steps(a_steps, b_steps);
    for index in 0..a_tail.len() {
        lanes[index] += a_tail[index] * b_tail[index];
    }
    sum(lanes)
}

// Apart from the rest, because the compiler uses vectors only where lanes are never taken one by one.
#[inline(never)]
fn whole_steps(a: &[[f32; LANES]], b: &[[f32; LANES]]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    let b = &b[..a.len()];
    for step in 0..a.len() {
        for lane in 0..LANES {
            lanes[lane] += a[step][lane] * b[step][lane];
        }
    }
    lanes
}

pub(crate) fn sum(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

fn dot_rows(query: &[f32], rows: &[f32], stride: usize, out: &mut [f32]) {
    for (index, out) in out.iter_mut().enumerate() {
        *out = dot(query, &rows[index * stride..][..query.len()]);
    }
}

fn dot_gather(query: &[f32], column: &[f32], stride: usize, wanted: &[u32], out: &mut [f32]) {
    for (out, &row) in out.iter_mut().zip(wanted) {
        *out = dot(query, &column[row as usize * stride..][..query.len()]);
    }
}

/// Sum of the products of two slices of one length, in f64: every product is exact, only the additions round.
#[inline(always)]
pub(crate) fn dot_wide(a: &[f32], b: &[f32]) -> f64 {
    let ((a_steps, a_tail), (b_steps, b_tail)) = (a.as_chunks::<WIDE_LANES>(), b.as_chunks::<WIDE_LANES>());
    let b_steps = &b_steps[..a_steps.len()];
    let mut lanes = [0.0f64; WIDE_LANES];
    for step in 0..a_steps.len() {
        for lane in 0..WIDE_LANES {
            lanes[lane] += f64::from(a_steps[step][lane]) * f64::from(b_steps[step][lane]);
        }
    }
    for index in 0..a_tail.len() {
        lanes[index] += f64::from(a_tail[index]) * f64::from(b_tail[index]);
    }
    let mut half = WIDE_LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Sum of the products of a row of 8-bit integers with a query of 16-bit ones; the caller keeps it within 32 bits.
pub(crate) fn int8_dot(query: &[i16], row: &[i8]) -> i32 {
    query.iter().zip(row).fold(0i32, |sum, (&a, &b)| sum.wrapping_add(i32::from(a) * i32::from(b)))
}

fn int8_rows(query: &[i16], rows: &[i8], stride: usize, out: &mut [i32]) {
    for (index, out) in out.iter_mut().enumerate() {
        *out = int8_dot(query, &rows[index * stride..][..query.len()]);
    }
}

fn int8_gather(query: &[i16], column: &[i8], stride: usize, wanted: &[u32], out: &mut [i32]) {
    for (out, &row) in out.iter_mut().zip(wanted) {
        *out = int8_dot(query, &column[row as usize * stride..][..query.len()]);
    }
}

fn add_bits(
    sums: &mut Sums,
    maxima: &mut Maxima,
    starts: &[u16; BLOCKS],
    bits: &Bits,
    impacts: &[u8],
    weight: u16,
    blocks: u64,
) -> bool {
    postings::add_bits!(sums, maxima, starts, bits, impacts, weight, blocks)
}
