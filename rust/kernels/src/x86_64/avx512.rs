//! AVX-512, of which the foundation is enough: sixteen floats a register.

use std::arch::x86_64::{
    __m512, _mm256_add_ps, _mm256_castpd_ps, _mm512_add_ps, _mm512_castps_pd, _mm512_castps512_ps256,
    _mm512_extractf64x4_pd, _mm512_loadu_ps, _mm512_mul_ps, _mm512_setzero_ps,
};

use super::avx2::sum_register;

kernels! {
    name: "avx512",
    feature: "avx512f",
    available: is_x86_feature_detected!("avx512f"),
    register: __m512,
    width: 16,
    rows: 4,
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &[f32; 16]) -> Register {
    // SAFETY: the reference is to 16 initialised floats, and this load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zero() -> Register {
    _mm512_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx512f")]
fn step(lanes: Register, a: Register, b: Register) -> Register {
    _mm512_add_ps(lanes, _mm512_mul_ps(a, b))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sum(lanes: [Register; REGISTERS]) -> f32 {
    let lanes = _mm512_add_ps(lanes[0], lanes[1]);
    let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(lanes)));
    sum_register(_mm256_add_ps(_mm512_castps512_ps256(lanes), upper))
}
