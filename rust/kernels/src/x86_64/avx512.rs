//! AVX-512 with byte permutations (Ice Lake, Zen 4 and later): sixteen floats or 64 table look-ups a register.

use std::arch::x86_64::{
    __m512, __m512i, _CMP_GE_OQ, _mm256_add_ps, _mm256_castpd_ps, _mm256_loadu_si256, _mm512_add_epi8,
    _mm512_add_epi16, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castps_pd, _mm512_castps512_ps256,
    _mm512_castsi512_ps, _mm512_castsi512_si256, _mm512_cmp_ps_mask, _mm512_cvtepi8_epi16, _mm512_cvtepi32_ps,
    _mm512_cvtepu8_epi16, _mm512_extractf64x4_pd, _mm512_extracti64x4_epi64, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_madd_epi16, _mm512_maskz_expand_epi8, _mm512_mul_ps, _mm512_mulhi_epu16, _mm512_permutexvar_epi8,
    _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_slli_epi16, _mm512_slli_epi32, _mm512_srli_epi16, _mm512_srli_epi32, _mm512_storeu_ps,
    _mm512_storeu_si512, _mm512_sub_epi16, _mm512_ternarylogic_epi32,
};

use super::avx2::sum_register;
use super::prefetch;
use crate::codes::{AHEAD, BLOCK_ROWS, CodeQuery, GROUP, each, fill_table};

kernels! {
    name: "avx512",
    feature: "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt",
    available: is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("popcnt"),
    register: __m512,
    width: 16,
    rows: 4,
    int8_register: __m512i,
    int8_width: 32,
    table_bytes: 256,
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn load(values: &[f32; 16]) -> Register {
    // SAFETY: the reference is to 16 initialised floats, and this load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn zero() -> Register {
    _mm512_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn step(lanes: Register, a: Register, b: Register) -> Register {
    _mm512_add_ps(lanes, _mm512_mul_ps(a, b))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn sum(lanes: [Register; REGISTERS]) -> f32 {
    let lanes = _mm512_add_ps(lanes[0], lanes[1]);
    let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(lanes)));
    sum_register(_mm256_add_ps(_mm512_castps512_ps256(lanes), upper))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn int8_zero() -> __m512i {
    _mm512_setzero_si512()
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn int8_step(sums: __m512i, row: &[i8; 32], query: &[i16; 32]) -> __m512i {
    // SAFETY: the references are to 32 bytes and 64 bytes, and these loads need no alignment.
    let (row, query) = unsafe { (_mm256_loadu_si256(row.as_ptr().cast()), _mm512_loadu_si512(query.as_ptr().cast())) };
    _mm512_add_epi32(sums, _mm512_madd_epi16(_mm512_cvtepi8_epi16(row), query))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn int8_sum(sums: __m512i) -> i32 {
    _mm512_reduce_add_epi32(sums)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn add_word(sums: &mut [u16; 64], word: u64, impacts: &[u8; 64], weight: u16) {
    let expanded = _mm512_maskz_expand_epi8(word, bytes(impacts));
    let halves = [_mm512_castsi512_si256(expanded), _mm512_extracti64x4_epi64::<1>(expanded)];
    let weight = _mm512_set1_epi16(weight.cast_signed());
    for (sums, half) in sums.as_chunks_mut::<32>().0.iter_mut().zip(halves) {
        let added = _mm512_mulhi_epu16(_mm512_slli_epi16::<8>(_mm512_cvtepu8_epi16(half)), weight);
        // SAFETY: the reference is to 64 bytes, and this load and store need no alignment.
        unsafe {
            let old = _mm512_loadu_si512(sums.as_ptr().cast());
            _mm512_storeu_si512(sums.as_mut_ptr().cast(), _mm512_add_epi16(old, added));
        }
    }
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
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn bytes(from: &[u8; 64]) -> __m512i {
    // SAFETY: the reference is to 64 bytes, and this load needs no alignment.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// Queries that share the work on codes: as many as their sums fit in registers beside it.
const TOGETHER: usize = 4;

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn estimate(queries: &[&CodeQuery], blocks: &[u8], floors: &[f32], hits: &mut [u64], estimates: &mut [f32]) {
    let share = hits.len() / queries.len();
    let (groups, rest) = queries.as_chunks::<TOGETHER>();
    let (group_floors, rest_floors) = floors.as_chunks::<TOGETHER>();
    let (group_hits, rest_hits) = hits.split_at_mut(groups.len() * TOGETHER * share);
    let (group_estimates, rest_estimates) = estimates.split_at_mut(group_hits.len() * BLOCK_ROWS);
    let mut hits = group_hits.chunks_exact_mut(share);
    let mut estimates = group_estimates.chunks_exact_mut(share * BLOCK_ROWS);
    for (queries, &floors) in groups.iter().zip(group_floors) {
        let mut hits = std::array::from_fn(|_| hits.next().expect("hits for each query"));
        let mut estimates = std::array::from_fn(|_| estimates.next().expect("estimates for each query"));
        estimate_together(*queries, blocks, floors, &mut hits, &mut estimates);
    }
    if rest.is_empty() {
        return;
    }
    for (query, floor, hits, estimates) in each(rest, rest_floors, rest_hits, rest_estimates) {
        estimate_together([query], blocks, [floor], &mut [hits], &mut [estimates]);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn estimate_together<const N: usize>(
    queries: [&CodeQuery; N],
    blocks: &[u8],
    floors: [f32; N],
    hits: &mut [&mut [u64]; N],
    estimates: &mut [&mut [f32]; N],
) {
    let code_bytes = queries[0].code_bytes;
    let block = code_bytes + 4;
    let mut tables = [&[][..]; N];
    for query in 0..N {
        tables[query] = &queries[query].tables().as_chunks::<64>().0.as_chunks().0[..code_bytes / GROUP];
    }
    for (index, lines) in blocks.as_chunks::<64>().0.chunks_exact(block).enumerate() {
        let (codes, factors) = lines.split_at(code_bytes);
        let sums = look_up(codes, tables);
        for query in 0..N {
            let out = estimates[query][index * BLOCK_ROWS..].first_chunk_mut().expect("a block of estimates");
            hits[query][index] = scores(widen(sums[query]), factors, queries[query], floors[query], out);
        }
    }
}

/// The estimates of a block's rows, and which of them reach the floor.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn scores(sums: [__m512i; 4], factors: &[[u8; 64]], query: &CodeQuery, floor: f32, out: &mut [f32; 64]) -> u64 {
    let (scale, bias, floor) = (_mm512_set1_ps(query.scale), _mm512_set1_ps(query.bias), _mm512_set1_ps(floor));
    let mut hits = 0;
    for quarter in 0..4 {
        let packed = bytes(&factors[quarter]);
        let factor = _mm512_castsi512_ps(_mm512_and_si512(packed, _mm512_set1_epi32(!0xFFFF)));
        let offset = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(packed));
        let product = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums[quarter]), scale), bias);
        let estimate = _mm512_add_ps(_mm512_mul_ps(product, factor), offset);
        hits |= u64::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(estimate, floor)) << (16 * quarter);
        let out: &mut [f32; 16] = &mut out.as_chunks_mut().0[quarter];
        // SAFETY: the reference is to 16 floats, and this store needs no alignment.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), estimate) }
    }
    hits
}

/// Sums of table entries, 64 rows at once, for each query: all sums modulo 2¹⁶ with the next row's times 256 added to
/// the even places, and the sums of the odd places.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn look_up<const N: usize>(codes: &[[u8; 64]], tables: [&[[[u8; 64]; 4]]; N]) -> [[__m512i; 2]; N] {
    let mut sums = [[_mm512_setzero_si512(); 2]; N];
    let (pairs, last) = codes.as_chunks::<{ 2 * GROUP }>();
    let mut group = 0;
    for codes in pairs {
        let mut entries = [_mm512_setzero_si512(); N];
        for half in 0..2 {
            let indexes = indexes(&codes.as_chunks().0[half]);
            for query in 0..N {
                // The entries of two groups fit a byte.
                entries[query] = _mm512_add_epi8(entries[query], entry(indexes, &tables[query][group]));
            }
            group += 1;
        }
        for query in 0..N {
            sums[query] = add(sums[query], entries[query]);
        }
    }
    if let Some(codes) = last.first_chunk() {
        let indexes = indexes(codes);
        for query in 0..N {
            sums[query] = add(sums[query], entry(indexes, &tables[query][group]));
        }
    }
    sums
}

/// Four indexes of six bits in the lower bits of as many bytes, out of three bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn indexes(codes: &[[u8; 64]; GROUP]) -> [__m512i; 4] {
    let (two_bits, four_bits) = (_mm512_set1_epi8(0b11), _mm512_set1_epi8(0b1111));
    // A line with each line: all at once, more than the processor can wait for, would hold up the look-ups.
    for byte in codes {
        prefetch(byte, AHEAD);
    }
    let [first, second, third] = [bytes(&codes[0]), bytes(&codes[1]), bytes(&codes[2])];
    // The upper two bits of three bytes side by side; 0xCA is "where the mask has a bit, the first, else the second".
    let (low, high) = (_mm512_srli_epi16::<6>(first), _mm512_srli_epi16::<4>(second));
    let upper = _mm512_ternarylogic_epi32::<0xCA>(two_bits, low, high);
    let upper = _mm512_ternarylogic_epi32::<0xCA>(four_bits, upper, _mm512_srli_epi16::<2>(third));
    [first, second, third, upper]
}

/// The sum of four table entries; look-ups read the lower six bits of an index.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn entry(indexes: [__m512i; 4], tables: &[[u8; 64]; 4]) -> __m512i {
    // No closure: one that is not inlined would move every register through memory.
    let first = _mm512_permutexvar_epi8(indexes[0], bytes(&tables[0]));
    let second = _mm512_permutexvar_epi8(indexes[1], bytes(&tables[1]));
    let third = _mm512_permutexvar_epi8(indexes[2], bytes(&tables[2]));
    let fourth = _mm512_permutexvar_epi8(indexes[3], bytes(&tables[3]));
    _mm512_add_epi8(_mm512_add_epi8(first, second), _mm512_add_epi8(third, fourth))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
fn add([all, odd]: [__m512i; 2], entries: __m512i) -> [__m512i; 2] {
    [_mm512_add_epi16(all, entries), _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(entries))]
}

/// The 64 sums as 32-bit integers in the order of rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
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
