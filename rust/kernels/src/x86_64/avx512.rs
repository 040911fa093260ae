//! AVX-512 with byte permutations (Ice Lake, Zen 4 and later): sixteen floats or 64 table look-ups a register.

use std::arch::x86_64::{
    __m512, __m512i, _CMP_GE_OQ, _mm256_add_ps, _mm256_castpd_ps, _mm256_loadu_si256, _mm512_add_epi8,
    _mm512_add_epi16, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castps_pd, _mm512_castps512_ps256,
    _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi8_epi16, _mm512_cvtepi32_ps, _mm512_extractf64x4_pd,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_mul_ps, _mm512_permutexvar_epi8,
    _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_slli_epi16, _mm512_slli_epi32, _mm512_srli_epi16, _mm512_srli_epi32, _mm512_storeu_ps,
    _mm512_sub_epi16, _mm512_ternarylogic_epi32,
};

use super::avx2::sum_register;
use super::prefetch;
use crate::codes::{BLOCK_ROWS, CodeQuery, GROUP, fill_table};

kernels! {
    name: "avx512",
    feature: "avx512f,avx512bw,avx512vbmi",
    available: is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi"),
    register: __m512,
    width: 16,
    rows: 4,
    int8_register: __m512i,
    int8_width: 32,
    table_bytes: 256,
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn load(values: &[f32; 16]) -> Register {
    // SAFETY: the reference is to 16 initialised floats, and this load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn zero() -> Register {
    _mm512_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn step(lanes: Register, a: Register, b: Register) -> Register {
    _mm512_add_ps(lanes, _mm512_mul_ps(a, b))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn sum(lanes: [Register; REGISTERS]) -> f32 {
    let lanes = _mm512_add_ps(lanes[0], lanes[1]);
    let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(lanes)));
    sum_register(_mm256_add_ps(_mm512_castps512_ps256(lanes), upper))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn int8_zero() -> __m512i {
    _mm512_setzero_si512()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn int8_step(sums: __m512i, row: &[i8; 32], query: &[i16; 32]) -> __m512i {
    // SAFETY: the references are to 32 bytes and 64 bytes, and these loads need no alignment.
    let (row, query) = unsafe { (_mm256_loadu_si256(row.as_ptr().cast()), _mm512_loadu_si512(query.as_ptr().cast())) };
    _mm512_add_epi32(sums, _mm512_madd_epi16(_mm512_cvtepi8_epi16(row), query))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn int8_sum(sums: __m512i) -> i32 {
    _mm512_reduce_add_epi32(sums)
}

/// Four tables of 64 entries: for the lower six bits of each byte, and for the upper two bits of all three.
fn fill(levels: &[i8; 8 * GROUP], tables: &mut [u8]) {
    let tables = tables.as_chunks_mut::<64>().0;
    for byte in 0..GROUP {
        fill_table(levels[8 * byte..][..6].iter().copied(), &mut tables[byte]);
    }
    fill_table((0..GROUP).flat_map(|byte| levels[8 * byte + 6..][..2].iter().copied()), &mut tables[GROUP]);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn bytes(from: &[u8; 64]) -> __m512i {
    // SAFETY: the reference is to 64 bytes, and this load needs no alignment.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn estimate(query: &CodeQuery, blocks: &[u8], floor: f32, hits: &mut [u64], estimates: &mut [f32]) {
    let block = query.code_bytes + 4;
    let tables = query.tables().as_chunks::<64>().0;
    let tables = &tables.as_chunks::<4>().0[..query.code_bytes / GROUP];
    let blocks = blocks.as_chunks::<64>().0;
    let (scale, bias, floor) = (_mm512_set1_ps(query.scale), _mm512_set1_ps(query.bias), _mm512_set1_ps(floor));
    for (index, (hits, estimates)) in hits.iter_mut().zip(estimates.as_chunks_mut::<BLOCK_ROWS>().0).enumerate() {
        let lines = &blocks[index * block..][..block];
        for ahead in blocks.iter().skip((index + 2) * block).take(block) {
            prefetch(ahead);
        }
        let (codes, factors) = lines.split_at(query.code_bytes);
        let sums = widen(look_up(codes, tables));
        *hits = 0;
        for quarter in 0..4 {
            let packed = bytes(&factors[quarter]);
            let factor = _mm512_castsi512_ps(_mm512_and_si512(packed, _mm512_set1_epi32(!0xFFFF)));
            let offset = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(packed));
            let product = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums[quarter]), scale), bias);
            let estimate = _mm512_add_ps(_mm512_mul_ps(product, factor), offset);
            *hits |= u64::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(estimate, floor)) << (16 * quarter);
            let out: &mut [f32; 16] = &mut estimates.as_chunks_mut().0[quarter];
            // SAFETY: the reference is to 16 floats, and this store needs no alignment.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), estimate) }
        }
    }
}

/// Sums of table entries, 64 rows at once: all sums modulo 2¹⁶ with the next row's times 256 added to the even places,
/// and the sums of the odd places.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up(codes: &[[u8; 64]], tables: &[[[u8; 64]; 4]]) -> [__m512i; 2] {
    let (two_bits, four_bits) = (_mm512_set1_epi8(0b11), _mm512_set1_epi8(0b1111));
    let (mut all, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    let groups = &codes.as_chunks::<GROUP>().0[..tables.len()];
    for group in 0..tables.len() {
        let [first, second, third] = [bytes(&groups[group][0]), bytes(&groups[group][1]), bytes(&groups[group][2])];
        let tables = &tables[group];
        // The upper two bits of three bytes side by side; 0xCA is "where the mask has a bit, the first, else the second".
        let (low, high) = (_mm512_srli_epi16::<6>(first), _mm512_srli_epi16::<4>(second));
        let upper = _mm512_ternarylogic_epi32::<0xCA>(two_bits, low, high);
        let upper = _mm512_ternarylogic_epi32::<0xCA>(four_bits, upper, _mm512_srli_epi16::<2>(third));
        // Look-ups read the lower six bits of an index.
        let left = _mm512_add_epi8(
            _mm512_permutexvar_epi8(first, bytes(&tables[0])),
            _mm512_permutexvar_epi8(second, bytes(&tables[1])),
        );
        let right = _mm512_add_epi8(
            _mm512_permutexvar_epi8(third, bytes(&tables[2])),
            _mm512_permutexvar_epi8(upper, bytes(&tables[3])),
        );
        let sum = _mm512_add_epi8(left, right);
        all = _mm512_add_epi16(all, sum);
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(sum));
    }
    [all, odd]
}

/// The 64 sums as 32-bit integers in the order of rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn widen([all, odd]: [__m512i; 2]) -> [__m512i; 4] {
    let even = _mm512_sub_epi16(all, _mm512_slli_epi16::<8>(odd));
    let lower = _mm512_set1_epi32(0xFFFF);
    [
        _mm512_and_si512(even, lower),
        _mm512_and_si512(odd, lower),
        _mm512_srli_epi32::<16>(even),
        _mm512_srli_epi32::<16>(odd),
    ]
}
