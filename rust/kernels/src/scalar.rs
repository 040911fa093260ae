//! The specification: what every instruction set has to compute, to the bit.
//!
//! A dot product is summed in [`LANES`] lanes. Element `i` is multiplied, rounded, and added to lane `i % LANES`; then
//! the upper half of the lanes is added to the lower half until one is left. This order is free of dependencies for
//! 512-bit, 256-bit and 128-bit registers alike. Multiplication and addition stay separate: a fused multiply-add
//! rounds once instead of twice, so it gives other bits, and plain processors can only emulate it, slowly. Lanes start
//! at +0 and therefore never become −0, which makes zero padding of both arguments invisible in the result.
//!
//! A result that is not a number is some NaN; which one is not specified.

use crate::dispatch::Kernels;

/// Number of partial sums of a dot product.
pub const LANES: usize = 32;

pub(crate) const KERNELS: Kernels = Kernels { name: "scalar", is_available: || true, dot, dot_rows, dot_gather };

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

fn sum(mut lanes: [f32; LANES]) -> f32 {
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
