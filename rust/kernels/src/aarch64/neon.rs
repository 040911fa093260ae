//! NEON: four floats a register.

use std::arch::aarch64::{
    float32x4_t, vadd_f32, vaddq_f32, vdupq_n_f32, vget_high_f32, vget_lane_f32, vget_low_f32, vld1q_f32, vmulq_f32,
};
use std::arch::is_aarch64_feature_detected;

kernels! {
    name: "neon",
    feature: "neon",
    available: is_aarch64_feature_detected!("neon"),
    register: float32x4_t,
    width: 4,
    rows: 2,
}

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
