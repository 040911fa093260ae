//! AVX2: eight floats a register.

use std::arch::x86_64::{
    __m256, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_shuffle_ps, _mm256_add_ps,
    _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_loadu_ps, _mm256_mul_ps, _mm256_setzero_ps,
};

kernels! {
    name: "avx2",
    feature: "avx2",
    available: is_x86_feature_detected!("avx2"),
    register: __m256,
    width: 8,
    rows: 3,
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(values: &[f32; 8]) -> Register {
    // SAFETY: the reference is to 8 initialised floats, and this load needs no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn zero() -> Register {
    _mm256_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx2")]
fn step(lanes: Register, a: Register, b: Register) -> Register {
    _mm256_add_ps(lanes, _mm256_mul_ps(a, b))
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum(lanes: [Register; REGISTERS]) -> f32 {
    let even = _mm256_add_ps(lanes[0], lanes[2]);
    let odd = _mm256_add_ps(lanes[1], lanes[3]);
    sum_register(_mm256_add_ps(even, odd))
}

/// Adds upper half to lower half until one lane is left.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_register(lanes: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}
