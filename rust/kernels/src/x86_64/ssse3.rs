//! SSSE3, which every x86-64 processor since 2008 has: four floats or 16 table look-ups a register.

use std::arch::x86_64::{
    __m128, __m128i, _mm_add_epi8, _mm_add_epi16, _mm_add_epi32, _mm_add_ps, _mm_add_ss, _mm_and_si128,
    _mm_castsi128_ps, _mm_cmpge_ps, _mm_cvtepi32_ps, _mm_cvtsi128_si32, _mm_cvtss_f32, _mm_loadl_epi64, _mm_loadu_ps,
    _mm_loadu_si128, _mm_madd_epi16, _mm_movehl_ps, _mm_movemask_ps, _mm_mul_ps, _mm_mulhi_epu16, _mm_set1_epi8,
    _mm_set1_epi16, _mm_set1_epi32, _mm_set1_ps, _mm_setzero_ps, _mm_setzero_si128, _mm_shuffle_epi8,
    _mm_shuffle_epi32, _mm_shuffle_ps, _mm_slli_epi16, _mm_slli_epi32, _mm_srai_epi16, _mm_srli_epi16, _mm_srli_epi32,
    _mm_storeu_ps, _mm_storeu_si128, _mm_sub_epi16, _mm_unpackhi_epi8, _mm_unpacklo_epi8,
};

use super::prefetch;
use crate::codes::{AHEAD, BLOCK_ROWS, CodeQuery, GROUP, each, fill_nibbles as fill};
use crate::postings::EXPANSIONS;

kernels! {
    name: "ssse3",
    feature: "ssse3",
    available: is_x86_feature_detected!("ssse3"),
    register: __m128,
    width: 4,
    rows: 1,
    int8_register: __m128i,
    int8_width: 16,
    table_bytes: 96,
}

#[inline]
#[target_feature(enable = "ssse3")]
fn load(values: &[f32; 4]) -> Register {
    // SAFETY: the reference is to 4 initialised floats, and this load needs no alignment.
    unsafe { _mm_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "ssse3")]
fn zero() -> Register {
    _mm_setzero_ps()
}

#[inline]
#[target_feature(enable = "ssse3")]
fn step(lanes: Register, a: Register, b: Register) -> Register {
    _mm_add_ps(lanes, _mm_mul_ps(a, b))
}

/// Adds upper half to lower half until one lane is left.
#[inline]
#[target_feature(enable = "ssse3")]
fn sum(mut lanes: [Register; REGISTERS]) -> f32 {
    let mut half = REGISTERS / 2;
    while half > 0 {
        for register in 0..half {
            lanes[register] = _mm_add_ps(lanes[register], lanes[register + half]);
        }
        half /= 2;
    }
    let two = _mm_add_ps(lanes[0], _mm_movehl_ps(lanes[0], lanes[0]));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}

#[inline]
#[target_feature(enable = "ssse3")]
fn int8_zero() -> __m128i {
    _mm_setzero_si128()
}

#[inline]
#[target_feature(enable = "ssse3")]
fn int8_step(sums: __m128i, row: &[i8; 16], query: &[i16; 16]) -> __m128i {
    let query = query.as_chunks::<8>().0;
    // SAFETY: the references are to 16 bytes each, and these loads need no alignment.
    let (row, low, high) = unsafe {
        let low = _mm_loadu_si128(query[0].as_ptr().cast());
        (_mm_loadu_si128(row.as_ptr().cast()), low, _mm_loadu_si128(query[1].as_ptr().cast()))
    };
    // A byte in the upper half of 16 bits, shifted down with its sign.
    let first = _mm_madd_epi16(_mm_srai_epi16::<8>(_mm_unpacklo_epi8(row, row)), low);
    let second = _mm_madd_epi16(_mm_srai_epi16::<8>(_mm_unpackhi_epi8(row, row)), high);
    _mm_add_epi32(sums, _mm_add_epi32(first, second))
}

#[inline]
#[target_feature(enable = "ssse3")]
fn int8_sum(sums: __m128i) -> i32 {
    let two = _mm_add_epi32(sums, _mm_shuffle_epi32::<0b01_00_11_10>(sums));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)))
}

#[inline]
#[target_feature(enable = "ssse3")]
fn bytes(from: &[u8; 16]) -> __m128i {
    // SAFETY: the reference is to 16 bytes, and this load needs no alignment.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

#[target_feature(enable = "ssse3")]
fn estimate(queries: &[&CodeQuery], blocks: &[u8], floors: &[f32], hits: &mut [u64], estimates: &mut [f32]) {
    for (query, floor, hits, estimates) in each(queries, floors, hits, estimates) {
        let tables = query.tables().as_chunks::<16>().0.as_chunks().0;
        let tables = &tables[..query.code_bytes / GROUP];
        let blocks = blocks.as_chunks::<64>().0.chunks_exact(query.code_bytes + 4);
        let out = estimates.as_chunks_mut::<BLOCK_ROWS>().0;
        for ((lines, hits), out) in blocks.zip(hits).zip(out) {
            let (codes, factors) = lines.split_at(query.code_bytes);
            *hits = 0;
            for quarter in 0..4 {
                let sums = widen(look_up(codes, tables, quarter));
                *hits |= scores(sums, quarter, factors, query, floor, out);
            }
        }
    }
}

/// The estimates of those rows whose places are a quarter of the 64, and which of them reach the floor.
#[inline]
#[target_feature(enable = "ssse3")]
fn scores(
    sums: [__m128i; 4],
    quarter: usize,
    factors: &[[u8; 64]],
    query: &CodeQuery,
    floor: f32,
    out: &mut [f32; 64],
) -> u64 {
    let (scale, bias, floor) = (_mm_set1_ps(query.scale), _mm_set1_ps(query.bias), _mm_set1_ps(floor));
    let mut hits = 0;
    for sixteen in 0..4 {
        // Rows 4 `four` to 4 `four` + 3.
        let four = 4 * sixteen + quarter;
        let packed = bytes(&factors[sixteen].as_chunks().0[quarter]);
        let factor = _mm_castsi128_ps(_mm_and_si128(packed, _mm_set1_epi32(!0xFFFF)));
        let offset = _mm_castsi128_ps(_mm_slli_epi32::<16>(packed));
        let product = _mm_add_ps(_mm_mul_ps(_mm_cvtepi32_ps(sums[sixteen]), scale), bias);
        let estimate = _mm_add_ps(_mm_mul_ps(product, factor), offset);
        hits |= (_mm_movemask_ps(_mm_cmpge_ps(estimate, floor)) as u64) << (4 * four);
        let out: &mut [f32; 4] = &mut out.as_chunks_mut().0[four];
        // SAFETY: the reference is to 4 floats, and this store needs no alignment.
        unsafe { _mm_storeu_ps(out.as_mut_ptr(), estimate) }
    }
    hits
}

/// Sums of table entries for a quarter of the 64 places: all sums modulo 2¹⁶ with the next row's times 256 added to the
/// even places, and the sums of the odd places.
#[inline]
#[target_feature(enable = "ssse3")]
fn look_up(codes: &[[u8; 64]], tables: &[[[u8; 16]; 2 * GROUP]], quarter: usize) -> [__m128i; 2] {
    let four_bits = _mm_set1_epi8(0b1111);
    let mut sums = [_mm_setzero_si128(); 2];
    let groups = &codes.as_chunks::<GROUP>().0[..tables.len()];
    for group in 0..tables.len() {
        let mut entries = _mm_setzero_si128();
        for byte in 0..GROUP {
            if quarter == 0 {
                prefetch(&groups[group][byte], AHEAD);
            }
            let codes = bytes(&groups[group][byte].as_chunks().0[quarter]);
            let (lower, upper) = (bytes(&tables[group][2 * byte]), bytes(&tables[group][2 * byte + 1]));
            let low = _mm_shuffle_epi8(lower, _mm_and_si128(codes, four_bits));
            let high = _mm_shuffle_epi8(upper, _mm_and_si128(_mm_srli_epi16::<4>(codes), four_bits));
            // Six entries of at most 40 fit a byte.
            entries = _mm_add_epi8(entries, _mm_add_epi8(low, high));
        }
        sums = [_mm_add_epi16(sums[0], entries), _mm_add_epi16(sums[1], _mm_srli_epi16::<8>(entries))];
    }
    sums
}

/// The 16 sums of a quarter as 32-bit integers: four rows each of the four sixteens.
#[inline]
#[target_feature(enable = "ssse3")]
fn widen([all, odd]: [__m128i; 2]) -> [__m128i; 4] {
    let even = _mm_sub_epi16(all, _mm_slli_epi16::<8>(odd));
    let lower = _mm_set1_epi32(0xFFFF);
    [_mm_and_si128(even, lower), _mm_and_si128(odd, lower), _mm_srli_epi32::<16>(even), _mm_srli_epi32::<16>(odd)]
}

#[inline]
#[target_feature(enable = "ssse3")]
fn add_word(sums: &mut [u16; 64], word: u64, impacts: &[u8; 64], weight: u16) {
    let weight = _mm_set1_epi16(weight.cast_signed());
    let mut at = 0usize;
    for (sums, bits) in sums.as_chunks_mut::<8>().0.iter_mut().zip(word.to_le_bytes()) {
        let eight: &[u8; 8] = impacts[at.min(56)..].first_chunk().expect("eight impacts");
        at += bits.count_ones() as usize;
        // SAFETY: the references are to 8 bytes, 8 bytes and 16 bytes; these loads and this store need no alignment.
        unsafe {
            let order = _mm_loadl_epi64(EXPANSIONS[usize::from(bits)].as_ptr().cast());
            let expanded = _mm_shuffle_epi8(_mm_loadl_epi64(eight.as_ptr().cast()), order);
            // Each impact in the upper half of 16 bits.
            let added = _mm_mulhi_epu16(_mm_unpacklo_epi8(_mm_setzero_si128(), expanded), weight);
            let old = _mm_loadu_si128(sums.as_ptr().cast());
            _mm_storeu_si128(sums.as_mut_ptr().cast(), _mm_add_epi16(old, added));
        }
    }
}
