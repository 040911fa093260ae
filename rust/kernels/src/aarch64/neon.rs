//! NEON: four floats or 16 table look-ups a register.

use std::arch::aarch64::{
    float32x4_t, int32x4_t, uint8x16_t, uint16x8_t, uint32x4_t, vadd_f32, vaddq_f32, vaddq_u8, vaddq_u16, vaddvq_s32,
    vaddvq_u32, vandq_u8, vandq_u32, vcgeq_f32, vcombine_u16, vcvtq_f32_u32, vdup_n_u16, vdupq_n_f32, vdupq_n_s32,
    vdupq_n_u8, vdupq_n_u16, vdupq_n_u32, vget_high_f32, vget_high_u16, vget_lane_f32, vget_low_f32, vget_low_s8,
    vget_low_s16, vget_low_u16, vld1_u8, vld1q_f32, vld1q_s8, vld1q_s16_x2, vld1q_u8, vld1q_u16, vld1q_u32,
    vmlal_high_s16, vmlal_s16, vmovl_high_s8, vmovl_s8, vmovl_u8, vmull_u16, vmulq_f32, vqtbl1q_u8,
    vreinterpretq_f32_u32, vreinterpretq_u16_u8, vreinterpretq_u32_u8, vreinterpretq_u32_u16, vshlq_n_u16, vshlq_n_u32,
    vshrn_n_u32, vshrq_n_u8, vshrq_n_u32, vsraq_n_u16, vst1q_f32, vst1q_u16, vsubq_u16, vtbl1_u8,
};
use std::arch::is_aarch64_feature_detected;

use crate::codes::{BLOCK_ROWS, CodeQuery, GROUP, each, fill_nibbles as fill};
use crate::postings::EXPANSIONS;

kernels! {
    name: "neon",
    feature: "neon",
    available: is_aarch64_feature_detected!("neon"),
    register: float32x4_t,
    width: 4,
    rows: 2,
    int8_register: int32x4_t,
    int8_width: 16,
    table_bytes: 96,
}

/// Does nothing: there is no stable intrinsic for a hint to the caches.
#[inline(always)]
fn prefetch<T>(_line: &[T], _ahead: usize) {}

#[inline]
#[target_feature(enable = "neon")]
fn load(values: &[f32; 4]) -> Register {
    // SAFETY: the reference is to 4 initialised floats, and this load needs no alignment beyond theirs.
    unsafe { vld1q_f32(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn zero() -> Register {
    vdupq_n_f32(0.0)
}

#[inline]
#[target_feature(enable = "neon")]
fn step(lanes: Register, a: Register, b: Register) -> Register {
    vaddq_f32(lanes, vmulq_f32(a, b))
}

/// Adds upper half to lower half until one lane is left.
#[inline]
#[target_feature(enable = "neon")]
fn sum(mut lanes: [Register; REGISTERS]) -> f32 {
    let mut half = REGISTERS / 2;
    while half > 0 {
        for register in 0..half {
            lanes[register] = vaddq_f32(lanes[register], lanes[register + half]);
        }
        half /= 2;
    }
    let two = vadd_f32(vget_low_f32(lanes[0]), vget_high_f32(lanes[0]));
    vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
}

#[inline]
#[target_feature(enable = "neon")]
fn int8_zero() -> int32x4_t {
    vdupq_n_s32(0)
}

#[inline]
#[target_feature(enable = "neon")]
fn int8_step(sums: int32x4_t, row: &[i8; 16], query: &[i16; 16]) -> int32x4_t {
    // SAFETY: the references are to 16 bytes and 16 integers, and these loads need no alignment beyond theirs.
    let (row, query) = unsafe { (vld1q_s8(row.as_ptr()), vld1q_s16_x2(query.as_ptr())) };
    let [lower, upper] = [vmovl_s8(vget_low_s8(row)), vmovl_high_s8(row)];
    let sums = vmlal_s16(sums, vget_low_s16(lower), vget_low_s16(query.0));
    let sums = vmlal_high_s16(sums, lower, query.0);
    let sums = vmlal_s16(sums, vget_low_s16(upper), vget_low_s16(query.1));
    vmlal_high_s16(sums, upper, query.1)
}

#[inline]
#[target_feature(enable = "neon")]
fn int8_sum(sums: int32x4_t) -> i32 {
    vaddvq_s32(sums)
}

#[inline]
#[target_feature(enable = "neon")]
fn bytes(from: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the reference is to 16 bytes, and this load needs no alignment.
    unsafe { vld1q_u8(from.as_ptr()) }
}

#[target_feature(enable = "neon")]
fn estimate(queries: &[&CodeQuery], blocks: &[u8], floors: &[f32], hits: &mut [u64], estimates: &mut [f32]) {
    for (query, floor, hits, estimates) in each(queries, floors, hits, estimates) {
        estimate_one(query, blocks, floor, hits, estimates);
    }
}

#[target_feature(enable = "neon")]
fn estimate_one(query: &CodeQuery, blocks: &[u8], floor: f32, hits: &mut [u64], estimates: &mut [f32]) {
    let block = query.code_bytes + 4;
    let tables = query.tables().as_chunks::<16>().0;
    let tables = &tables.as_chunks::<{ 2 * GROUP }>().0[..query.code_bytes / GROUP];
    let blocks = blocks.as_chunks::<16>().0.as_chunks::<4>().0;
    let (scale, bias, floor) = (vdupq_n_f32(query.scale), vdupq_n_f32(query.bias), vdupq_n_f32(floor));
    for (index, (hits, estimates)) in hits.iter_mut().zip(estimates.as_chunks_mut::<BLOCK_ROWS>().0).enumerate() {
        let (codes, factors) = blocks[index * block..][..block].split_at(query.code_bytes);
        let (factors, estimates) = (factors.as_flattened(), estimates.as_chunks_mut::<4>().0);
        *hits = 0;
        for (quarter, sums) in look_up(codes, tables).into_iter().enumerate() {
            for (sixteen, sum) in widen(sums).into_iter().enumerate() {
                // Rows 4 `four` to 4 `four` + 3.
                let four = 4 * sixteen + quarter;
                let packed = vreinterpretq_u32_u8(bytes(&factors[four]));
                let factor = vreinterpretq_f32_u32(vandq_u32(packed, vdupq_n_u32(!0xFFFF)));
                let offset = vreinterpretq_f32_u32(vshlq_n_u32::<16>(packed));
                let product = vaddq_f32(vmulq_f32(vcvtq_f32_u32(sum), scale), bias);
                let estimate = vaddq_f32(vmulq_f32(product, factor), offset);
                *hits |= u64::from(lanes_set(vcgeq_f32(estimate, floor))) << (4 * four);
                // SAFETY: the reference is to 4 floats, and this store needs no alignment beyond theirs.
                unsafe { vst1q_f32(estimates[four].as_mut_ptr(), estimate) }
            }
        }
    }
}

/// A bit for each lane that is all ones.
#[inline]
#[target_feature(enable = "neon")]
fn lanes_set(lanes: uint32x4_t) -> u32 {
    // SAFETY: the reference is to 4 integers, and this load needs no alignment beyond theirs.
    let bits = unsafe { vld1q_u32([1, 2, 4, 8].as_ptr()) };
    vaddvq_u32(vandq_u32(lanes, bits))
}

/// Sums of table entries for each quarter of the 64 places: all sums modulo 2¹⁶ with the next row's times 256 added to
/// the even places, and the sums of the odd places.
#[inline]
#[target_feature(enable = "neon")]
fn look_up(codes: &[[[u8; 16]; 4]], tables: &[[[u8; 16]; 2 * GROUP]]) -> [[uint16x8_t; 2]; 4] {
    let four_bits = vdupq_n_u8(0b1111);
    let mut sums = [[vdupq_n_u16(0); 2]; 4];
    for (group, tables) in codes.as_chunks::<GROUP>().0.iter().zip(tables) {
        let mut entries = [vdupq_n_u8(0); 4];
        for byte in 0..GROUP {
            let (lower, upper) = (bytes(&tables[2 * byte]), bytes(&tables[2 * byte + 1]));
            for (codes, entries) in group[byte].iter().zip(&mut entries) {
                let codes = bytes(codes);
                let low = vqtbl1q_u8(lower, vandq_u8(codes, four_bits));
                let high = vqtbl1q_u8(upper, vshrq_n_u8::<4>(codes));
                // Six entries of at most 40 fit a byte.
                *entries = vaddq_u8(*entries, vaddq_u8(low, high));
            }
        }
        for (sums, entries) in sums.iter_mut().zip(entries) {
            let entries = vreinterpretq_u16_u8(entries);
            sums[0] = vaddq_u16(sums[0], entries);
            sums[1] = vsraq_n_u16::<8>(sums[1], entries);
        }
    }
    sums
}

/// The 16 sums of a quarter as 32-bit integers: four rows of each sixteen.
#[inline]
#[target_feature(enable = "neon")]
fn widen([all, odd]: [uint16x8_t; 2]) -> [uint32x4_t; 4] {
    let even = vreinterpretq_u32_u16(vsubq_u16(all, vshlq_n_u16::<8>(odd)));
    let odd = vreinterpretq_u32_u16(odd);
    let lower = vdupq_n_u32(0xFFFF);
    [vandq_u32(even, lower), vandq_u32(odd, lower), vshrq_n_u32::<16>(even), vshrq_n_u32::<16>(odd)]
}

#[inline]
#[target_feature(enable = "neon")]
fn add_word(sums: &mut [u16; 64], word: u64, impacts: &[u8; 64], weight: u16) {
    let weight = vdup_n_u16(weight);
    let mut at = 0usize;
    for (sums, bits) in sums.as_chunks_mut::<8>().0.iter_mut().zip(word.to_le_bytes()) {
        let eight: &[u8; 8] = impacts[at.min(56)..].first_chunk().expect("eight impacts");
        at += bits.count_ones() as usize;
        // SAFETY: the references are to 8 bytes, 8 bytes and 8 integers; these loads need no alignment beyond theirs.
        let (eight, order, old) = unsafe {
            (vld1_u8(eight.as_ptr()), vld1_u8(EXPANSIONS[usize::from(bits)].as_ptr()), vld1q_u16(sums.as_ptr()))
        };
        let expanded = vmovl_u8(vtbl1_u8(eight, order));
        let low = vshrn_n_u32::<8>(vmull_u16(vget_low_u16(expanded), weight));
        let high = vshrn_n_u32::<8>(vmull_u16(vget_high_u16(expanded), weight));
        let added = vaddq_u16(old, vcombine_u16(low, high));
        // SAFETY: the reference is to 8 integers, and this store needs no alignment beyond theirs.
        unsafe { vst1q_u16(sums.as_mut_ptr(), added) }
    }
}
