//! AVX2: eight floats a register.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _CMP_GE_OQ, _mm_add_epi32, _mm_add_ps, _mm_add_ss, _mm_cvtsi128_si32, _mm_cvtss_f32,
    _mm_loadl_epi64, _mm_loadu_si128, _mm_movehl_ps, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_shuffle_ps,
    _mm_unpacklo_epi64, _mm256_add_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256,
    _mm256_broadcastsi128_si256, _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmp_ps,
    _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_extractf128_ps, _mm256_extracti128_si256,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_movemask_ps, _mm256_mul_ps, _mm256_mulhi_epu16,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_slli_epi32, _mm256_srli_epi16, _mm256_srli_epi32, _mm256_storeu_ps,
    _mm256_storeu_si256, _mm256_sub_epi16,
};

use super::prefetch;
use crate::codes::{AHEAD, BLOCK_ROWS, CodeQuery, GROUP, each, fill_nibbles as fill};
use crate::postings::EXPANSIONS;

kernels! {
    name: "avx2",
    feature: "avx2,popcnt",
    available: is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt"),
    register: __m256,
    width: 8,
    rows: 3,
    int8_register: __m256i,
    int8_width: 16,
    table_bytes: 96,
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

#[inline]
#[target_feature(enable = "avx2")]
fn int8_zero() -> __m256i {
    _mm256_setzero_si256()
}

#[inline]
#[target_feature(enable = "avx2")]
fn int8_step(sums: __m256i, row: &[i8; 16], query: &[i16; 16]) -> __m256i {
    // SAFETY: the references are to 16 bytes and 32 bytes, and these loads need no alignment.
    let (row, query) = unsafe { (_mm_loadu_si128(row.as_ptr().cast()), _mm256_loadu_si256(query.as_ptr().cast())) };
    _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_cvtepi8_epi16(row), query))
}

#[inline]
#[target_feature(enable = "avx2")]
fn int8_sum(sums: __m256i) -> i32 {
    let four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)))
}

#[inline]
#[target_feature(enable = "avx2,popcnt")]
fn add_word(sums: &mut [u16; 64], word: u64, impacts: &[u8; 64], weight: u16) {
    let weight = _mm256_set1_epi16(weight.cast_signed());
    let mut at = 0;
    for (sums, bits) in sums.as_chunks_mut::<16>().0.iter_mut().zip(word.to_le_bytes().as_chunks::<2>().0) {
        let low = eight(bits[0], impacts, at);
        at += bits[0].count_ones() as usize;
        let high = eight(bits[1], impacts, at);
        at += bits[1].count_ones() as usize;
        let wide = _mm256_slli_epi16::<8>(_mm256_cvtepu8_epi16(_mm_unpacklo_epi64(low, high)));
        let added = _mm256_mulhi_epu16(wide, weight);
        // SAFETY: the reference is to 32 bytes, and this load and store need no alignment.
        unsafe {
            let old = _mm256_loadu_si256(sums.as_ptr().cast());
            _mm256_storeu_si256(sums.as_mut_ptr().cast(), _mm256_add_epi16(old, added));
        }
    }
}

/// The impacts of eight rows in the lower half, zero where the row's bit is not set; the first one is at `at`.
#[inline]
#[target_feature(enable = "avx2,popcnt")]
fn eight(bits: u8, impacts: &[u8; 64], at: usize) -> __m128i {
    let impacts: &[u8; 8] = impacts[at.min(56)..].first_chunk().expect("eight impacts");
    // SAFETY: the references are to 8 bytes each, and these loads need no alignment.
    let (impacts, order) = unsafe {
        (_mm_loadl_epi64(impacts.as_ptr().cast()), _mm_loadl_epi64(EXPANSIONS[usize::from(bits)].as_ptr().cast()))
    };
    _mm_shuffle_epi8(impacts, order)
}

#[inline]
#[target_feature(enable = "avx2")]
fn bytes(from: &[u8; 32]) -> __m256i {
    // SAFETY: the reference is to 32 bytes, and this load needs no alignment.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

/// A table of 16 entries in both halves of a register.
#[inline]
#[target_feature(enable = "avx2")]
fn table(from: &[u8; 16]) -> __m256i {
    // SAFETY: the reference is to 16 bytes, and this load needs no alignment.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(from.as_ptr().cast()) })
}

#[target_feature(enable = "avx2")]
fn estimate(queries: &[&CodeQuery], blocks: &[u8], floors: &[f32], hits: &mut [u64], estimates: &mut [f32]) {
    for (query, floor, hits, estimates) in each(queries, floors, hits, estimates) {
        let tables = query.tables().as_chunks::<16>().0.as_chunks().0;
        let tables = &tables[..query.code_bytes / GROUP];
        let blocks = blocks.as_chunks::<64>().0.chunks_exact(query.code_bytes + 4);
        let out = estimates.as_chunks_mut::<BLOCK_ROWS>().0;
        for ((lines, hits), out) in blocks.zip(hits).zip(out) {
            let (codes, factors) = lines.split_at(query.code_bytes);
            *hits = scores(look_up(codes, tables), factors, query, floor, out);
        }
    }
}

/// The estimates of a block's rows, and which of them reach the floor.
#[inline]
#[target_feature(enable = "avx2")]
fn scores(sums: [[__m256i; 2]; 2], factors: &[[u8; 64]], query: &CodeQuery, floor: f32, out: &mut [f32; 64]) -> u64 {
    let (scale, bias, floor) = (_mm256_set1_ps(query.scale), _mm256_set1_ps(query.bias), _mm256_set1_ps(floor));
    let sums = [widen(sums[0]), widen(sums[1])];
    let mut hits = 0;
    for eighth in 0..8 {
        // A half of the places holds the even or the odd eighths of the rows.
        let sum = sums[eighth % 2][eighth / 2];
        let packed = bytes(&factors[eighth / 2].as_chunks().0[eighth % 2]);
        let factor = _mm256_castsi256_ps(_mm256_and_si256(packed, _mm256_set1_epi32(!0xFFFF)));
        let offset = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(packed));
        let product = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale), bias);
        let estimate = _mm256_add_ps(_mm256_mul_ps(product, factor), offset);
        let reached = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(estimate, floor));
        hits |= (reached as u64) << (8 * eighth);
        let out: &mut [f32; 8] = &mut out.as_chunks_mut().0[eighth];
        // SAFETY: the reference is to 8 floats, and this store needs no alignment.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), estimate) }
    }
    hits
}

/// Sums of table entries for each half of the 64 places: all sums modulo 2¹⁶ with the next row's times 256 added to
/// the even places, and the sums of the odd places.
#[inline]
#[target_feature(enable = "avx2")]
fn look_up(codes: &[[u8; 64]], tables: &[[[u8; 16]; 2 * GROUP]]) -> [[__m256i; 2]; 2] {
    let four_bits = _mm256_set1_epi8(0b1111);
    let mut sums = [[_mm256_setzero_si256(); 2]; 2];
    let groups = &codes.as_chunks::<GROUP>().0[..tables.len()];
    for group in 0..tables.len() {
        let mut entries = [_mm256_setzero_si256(); 2];
        for byte in 0..GROUP {
            prefetch(&groups[group][byte], AHEAD);
            let (lower, upper) = (table(&tables[group][2 * byte]), table(&tables[group][2 * byte + 1]));
            for (half, entries) in entries.iter_mut().enumerate() {
                let codes = bytes(&groups[group][byte].as_chunks().0[half]);
                let low = _mm256_shuffle_epi8(lower, _mm256_and_si256(codes, four_bits));
                let high = _mm256_shuffle_epi8(upper, _mm256_and_si256(_mm256_srli_epi16::<4>(codes), four_bits));
                // Six entries of at most 40 fit a byte.
                *entries = _mm256_add_epi8(*entries, _mm256_add_epi8(low, high));
            }
        }
        for half in 0..2 {
            sums[half][0] = _mm256_add_epi16(sums[half][0], entries[half]);
            sums[half][1] = _mm256_add_epi16(sums[half][1], _mm256_srli_epi16::<8>(entries[half]));
        }
    }
    sums
}

/// The 32 sums of a half as 32-bit integers: eight rows each of the four quarters.
#[inline]
#[target_feature(enable = "avx2")]
fn widen([all, odd]: [__m256i; 2]) -> [__m256i; 4] {
    let even = _mm256_sub_epi16(all, _mm256_slli_epi16::<8>(odd));
    let lower = _mm256_set1_epi32(0xFFFF);
    [
        _mm256_and_si256(even, lower),
        _mm256_and_si256(odd, lower),
        _mm256_srli_epi32::<16>(even),
        _mm256_srli_epi32::<16>(odd),
    ]
}
