//! One suite for every instruction set of this machine: the bits of the specification, on hostile values.

use proptest::prelude::*;

use crate::dispatch::{Kernels, available};
use crate::scalar;

/// Bits, with every NaN made one: which NaN comes out is not specified.
fn bits(value: f32) -> u32 {
    if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }
}

fn every(mut check: impl FnMut(&Kernels)) {
    let mut names = Vec::new();
    for kernels in available() {
        check(kernels);
        names.push(kernels.name());
    }
    assert!(names.contains(&"scalar"), "no instruction set was tested: {names:?}");
}

/// Anything an embedding model, a user or a damaged file may hold.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -1.0f32..1.0,
        1 => prop::sample::select(vec![0.0, -0.0, f32::MIN_POSITIVE, 1e-45, -1e-40, 1e-20, f32::MAX, f32::MIN, 3e18, -7e19]),
        1 => any::<f32>(),
    ]
}

fn pair() -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    (0usize..1100)
        .prop_flat_map(|length| (prop::collection::vec(value(), length), prop::collection::vec(value(), length)))
}

proptest! {
    // Catches another order of summation, a fused step, a lost tail, or flushed denormals.
    #[test]
    fn dot_is_the_specification((a, b) in pair()) {
        every(|kernels| assert_eq!(bits(kernels.dot(&a, &b)), bits(scalar::dot(&a, &b)), "{kernels:?}"));
    }

    // Catches a tail whose padding shows.
    #[test]
    fn zero_padding_does_not_show((mut a, mut b) in pair(), padding in 0usize..70) {
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        prop_assume!(finite(&a) && finite(&b));
        let expected = bits(scalar::dot(&a, &b));
        a.resize(a.len() + padding, 0.0);
        b.resize(b.len() + padding, 0.0);
        every(|kernels| assert_eq!(bits(kernels.dot(&a, &b)), expected, "{kernels:?}"));
    }

    // Catches a wrong row, a row left out at the end of a group, or a row read past its dimension.
    #[test]
    fn rows_and_gathered_rows_are_dots(
        query in prop::collection::vec(value(), 1..150),
        gap in 0usize..20,
        seed in prop::collection::vec(value(), 1..200),
        count in 0usize..20,
        wanted in prop::collection::vec(0u32..20, 0..25),
    ) {
        let stride = query.len() + gap;
        // The last row ends with its last value, not with its gap.
        let column: Vec<f32> = seed.iter().copied().cycle().take((stride * count).saturating_sub(gap)).collect();
        let expected = |row: usize| bits(scalar::dot(&query, &column[row * stride..][..query.len()]));
        let wanted: Vec<u32> = wanted.into_iter().filter(|&row| (row as usize) < count).collect();
        every(|kernels| {
            let mut out = vec![9.0; count];
            kernels.dot_rows(&query, &column, stride, &mut out);
            assert!(out.iter().enumerate().all(|(row, &score)| bits(score) == expected(row)), "{kernels:?}");
            let mut out = vec![9.0; wanted.len()];
            kernels.dot_gather(&query, &column, stride, &wanted, &mut out);
            assert!(wanted.iter().zip(&out).all(|(&row, &score)| bits(score) == expected(row as usize)), "{kernels:?}");
        });
    }

    // Catches a specification that is not a dot product at all: lanes may lose only rounding.
    #[test]
    fn the_specification_is_close_to_f64(length in 0usize..1100, seed in any::<u32>()) {
        let noise = |step: u32| (step.wrapping_mul(2_654_435_761) ^ seed).wrapping_mul(0x9E37_79B9) as f32 / 4e9 - 0.5;
        let (a, b): (Vec<f32>, Vec<f32>) = (0..length as u32).map(|i| (noise(2 * i), noise(2 * i + 1))).unzip();
        let products = a.iter().zip(&b).map(|(&a, &b)| f64::from(a) * f64::from(b));
        let (exact, size) = products.fold((0.0, 0.0), |(sum, size), product| (sum + product, size + product.abs()));
        // Every value passes through at most length / 32 + 1 + 5 additions and one multiplication.
        let bound = size * f64::from(f32::EPSILON) * (length as f64 / 32.0 + 7.0);
        prop_assert!((f64::from(scalar::dot(&a, &b)) - exact).abs() <= bound);
    }
}

#[test]
fn the_order_of_summation_is_the_documented_one() {
    // Catches a change of the order itself, which would change scores between releases on every machine alike.
    let mut a = vec![1.0; 64];
    (a[0], a[16], a[32]) = (1e8, -1e8, 3.0);
    // Lane 0: 1e8 + 3 rounds to 1e8 (its neighbours are 8 apart) and meets lane 16, -1e8 + 1 = -1e8, at the first fold.
    every(|kernels| assert_eq!(kernels.dot(&a, &[1.0; 64]).to_bits(), 60f32.to_bits(), "{kernels:?}"));
}

#[test]
fn lengths_that_disagree_are_refused() {
    // Catches a read past the shorter slice.
    for kernels in available() {
        let panics = |call: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err();
        assert!(panics(&|| assert!(kernels.dot(&[1.0; 40], &[1.0; 39]).is_nan())), "{kernels:?}");
        assert!(panics(&|| kernels.dot_rows(&[1.0; 40], &[1.0; 119], 40, &mut [0.0; 3])), "{kernels:?}");
        assert!(panics(&|| kernels.dot_rows(&[1.0; 40], &[1.0; 120], 39, &mut [0.0; 3])), "{kernels:?}");
        assert!(panics(&|| kernels.dot_gather(&[1.0; 40], &[1.0; 119], 40, &[2], &mut [0.0])), "{kernels:?}");
        assert!(panics(&|| kernels.dot_gather(&[1.0; 40], &[1.0; 120], 40, &[2], &mut [0.0; 2])), "{kernels:?}");
        assert!(panics(&|| kernels.dot_gather(&[1.0; 40], &[1.0; 120], 40, &[u32::MAX], &mut [0.0])), "{kernels:?}");
    }
}
