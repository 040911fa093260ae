//! One suite for every instruction set of this machine: the bits of the specification, on hostile values.

use proptest::prelude::*;

use crate::codes::{self, BLOCK_ROWS};
use crate::dispatch::{Kernels, available};
use crate::postings::{self, BLOCKS, WINDOW_ROWS};
use crate::quantize::Rotation;
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

/// Two vectors of harmless values.
fn noise(length: usize, seed: u32) -> (Vec<f32>, Vec<f32>) {
    let noise = |step: u32| (step.wrapping_mul(2_654_435_761) ^ seed).wrapping_mul(0x9E37_79B9) as f32 / 4e9 - 0.5;
    (0..length as u32).map(|index| (noise(2 * index), noise(2 * index + 1))).unzip()
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

    // Catches another order of summation, a lost tail, or a product that was rounded.
    #[test]
    fn wide_dots_are_the_specification((a, b) in pair()) {
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        let expected = scalar::dot_wide(&a, &b);
        every(|kernels| assert!(same(kernels.dot_wide(&a, &b), expected), "{kernels:?}"));
    }

    // Catches a wrong row, a row left out at the end of a group, or a sum that saturates.
    #[test]
    fn sums_of_integers_are_exact(
        steps in 0usize..6,
        gap in 0usize..40,
        query in prop::collection::vec(prop_oneof![any::<i16>(), Just(i16::MAX), Just(-i16::MAX)], 192),
        values in prop::collection::vec(prop_oneof![-127i8..=127, Just(127), Just(-127)], 1..200),
        count in 0usize..15,
        wanted in prop::collection::vec(0u32..15, 0..40),
    ) {
        let query = &query[..32 * steps];
        let stride = query.len() + gap;
        let column: Vec<i8> = values.iter().copied().cycle().take(stride * count).collect();
        let expected = |row: usize| query.iter().zip(&column[row * stride..]).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>();
        let wanted: Vec<u32> = wanted.into_iter().filter(|&row| (row as usize) < count).collect();
        every(|kernels| {
            let mut out = vec![9; count];
            kernels.int8_rows(query, &column, stride, &mut out);
            assert!(out.iter().enumerate().all(|(row, &sum)| sum == expected(row)), "{kernels:?}");
            let mut out = vec![9; wanted.len()];
            kernels.int8_gather(query, &column, stride, &wanted, &mut out);
            assert!(wanted.iter().zip(&out).all(|(&row, &sum)| sum == expected(row as usize)), "{kernels:?}");
        });
    }

    // Catches a transform whose values depend on how many are computed at a time, and one that changes lengths.
    #[test]
    fn rotations_agree_and_keep_products(dimension in 1usize..1100, seed in any::<u32>()) {
        let (a, b) = noise(dimension, seed);
        let rotation = Rotation::new(dimension);
        let rotated = |kernels: &Kernels, values: &[f32]| {
            let mut values = values.to_vec();
            kernels.rotate(&rotation, &mut values);
            values
        };
        let scalar = available().last().unwrap();
        let (a_rotated, b_rotated) = (rotated(scalar, &a), rotated(scalar, &b));
        every(|kernels| assert_eq!(rotated(kernels, &a), a_rotated, "{kernels:?}"));
        let (before, after) = (scalar::dot_wide(&a, &b), scalar::dot_wide(&a_rotated, &b_rotated));
        let lengths = (scalar::dot_wide(&a, &a) * scalar::dot_wide(&b, &b)).sqrt();
        prop_assert!((before - after).abs() <= 2.1 * rotation.error() * lengths, "{before} became {after}");
    }

    // Catches codes out of range or beside the nearest step, residuals that are too small, and instruction sets that differ.
    #[test]
    fn rounding_agrees_and_reports_what_it_lost(
        values in prop::collection::vec(-1.0f32..1.0, 0..200),
        padding in 0usize..70,
        size in prop::sample::select(vec![1.0f32, 1e-8, 0.0]),
    ) {
        let values: Vec<f32> = values.into_iter().map(|value| value * size).collect();
        let run = |kernels: &Kernels| {
            let mut codes = vec![9i8; values.len() + padding];
            let rounded = kernels.round(&values, &mut codes);
            (rounded, codes)
        };
        let (rounded, codes) = run(available().last().unwrap());
        every(|kernels| assert_eq!(run(kernels), (rounded, codes.clone()), "{kernels:?}"));
        prop_assert!(codes[values.len()..].iter().all(|&code| code == 0));
        let (mut residual, mut square, mut sizes) = (0.0, 0.0, 0.0);
        for (&value, &code) in values.iter().zip(&codes) {
            let lost = f64::from(value) - f64::from(code) * f64::from(rounded.scale);
            prop_assert!(rounded.scale == 0.0 || lost.abs() <= f64::from(rounded.scale) * 0.5001, "{value} as {code}");
            residual += lost * lost;
            square += f64::from(value) * f64::from(value);
            sizes += f64::from(value.abs());
        }
        let near = |found: f32, true_value: f64| (f64::from(found) - true_value).abs() <= 1e-4 * true_value + 1e-38;
        // Each value's residual is off by a rounding of the value itself.
        let off = f64::from(rounded.residual_square).sqrt() - residual.sqrt();
        prop_assert!(off.abs() <= 2f64.powi(-23) * square.sqrt() + 1e-5 * residual.sqrt(), "{rounded:?} for {residual}");
        prop_assert!(near(rounded.square, square) && near(rounded.sum_of_sizes, sizes));
    }

    // Catches a row in a wrong place, sums that overflow, and instruction sets that find other sums of the same levels.
    #[test]
    fn estimates_agree_and_are_near_the_signs_product(
        dimension in prop_oneof![1usize..200, Just(384), Just(1000), Just(codes::DIMENSION_MAX)],
        blocks in 0usize..3,
        seed in any::<u32>(),
        floor in prop::sample::select(vec![f32::NEG_INFINITY, -0.1, 0.0, 0.3, f32::INFINITY]),
        one_sided in any::<bool>(),
    ) {
        let (mut query, _) = noise(dimension, seed);
        if one_sided {
            // All signs and all levels at their largest: the sums at their limit.
            query.fill(1.0);
        }
        let block = codes::block_bytes(dimension);
        let mut stored = vec![0xAA; blocks * block];
        let mut expected = Vec::new();
        for row in 0..blocks * BLOCK_ROWS {
            let (mut rotated, _) = noise(dimension, seed ^ ((row as u32 + 1) * 77));
            if one_sided {
                rotated.fill(1.0);
            }
            let (factor, offset) = (1.0 + row as f32 / 64.0, row as f32 / 128.0 - 0.5);
            codes::put(&mut stored[row / 64 * block..][..block], row % 64, &rotated, factor, offset);
            let signs = rotated.iter().map(|&value| if value.is_sign_negative() { -1.0 } else { 1.0 });
            let product: f64 = signs.zip(&query).map(|(sign, &value)| sign * f64::from(value)).sum();
            expected.push(f64::from(factor) * (product + 0.25) + f64::from(offset));
        }
        let run = |kernels: &Kernels| {
            let (mut hits, mut estimates) = (vec![7; blocks], vec![9.0f32; blocks * BLOCK_ROWS]);
            kernels.estimate(&[&kernels.code_query(&query, 0.25)], &stored, &[floor], &mut hits, &mut estimates);
            (hits, estimates)
        };
        let (hits, estimates) = run(available().last().unwrap());
        every(|kernels| assert_eq!(run(kernels), (hits.clone(), estimates.clone()), "{kernels:?}"));
        // Several queries at once, one of them a spike that needs smaller levels.
        let mut spike = vec![0.01; dimension];
        spike[..dimension.min(60)].fill(1.0);
        let (other, _) = noise(dimension, seed ^ 1);
        let queries = [&query, &spike, &other, &query, &spike, &query, &other];
        every(|kernels| {
            let coded: Vec<_> = queries.iter().map(|query| kernels.code_query(query, 0.25)).collect();
            let coded: Vec<_> = coded.iter().collect();
            let (mut hits, mut estimates) = (vec![7; 7 * blocks], vec![9.0f32; 7 * blocks * BLOCK_ROWS]);
            kernels.estimate(&coded, &stored, &[floor; 7], &mut hits, &mut estimates);
            for (index, query) in queries.iter().enumerate() {
                let (mut own_hits, mut own) = (vec![7; blocks], vec![9.0f32; blocks * BLOCK_ROWS]);
                let scalar = available().last().unwrap();
                scalar.estimate(&[&scalar.code_query(query, 0.25)], &stored, &[floor], &mut own_hits, &mut own);
                assert_eq!(&hits[index * blocks..][..blocks], own_hits, "{kernels:?}");
                assert_eq!(&estimates[index * blocks * BLOCK_ROWS..][..own.len()], own, "{kernels:?}");
            }
        });
        for (row, (&estimate, &expected)) in estimates.iter().zip(&expected).enumerate() {
            prop_assert_eq!(hits[row / 64] >> (row % 64) & 1 == 1, estimate >= floor);
            // A level is off by half a step or cut where a value is large; factors keep eight bits.
            let allowed = (0.6 * (dimension as f64).sqrt() + 0.02 * expected.abs()) * 4.0 + 0.01;
            prop_assert!((f64::from(estimate) - expected).abs() <= allowed, "row {row}: {estimate} for {expected}");
        }
    }

    // Catches a specification that is not a dot product at all: lanes may lose only rounding.
    #[test]
    fn the_specification_is_close_to_f64(length in 0usize..1100, seed in any::<u32>()) {
        let (a, b) = noise(length, seed);
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

/// The same postings as bits of the window and as rows in blocks.
struct Postings {
    bits: [u8; WINDOW_ROWS / 8],
    starts: [u16; BLOCKS],
    rows: Vec<u8>,
    impacts: Vec<u8>,
    pairs: Vec<u8>,
}

impl Postings {
    fn new(chosen: impl Fn(usize) -> bool, impact: impl Fn(usize) -> u8) -> Self {
        let mut all = Self {
            bits: [0; WINDOW_ROWS / 8],
            starts: [0; BLOCKS],
            rows: Vec::new(),
            impacts: Vec::new(),
            pairs: Vec::new(),
        };
        for row in 0..WINDOW_ROWS {
            if row.is_multiple_of(postings::BLOCK_ROWS) {
                all.starts[row / postings::BLOCK_ROWS] = all.rows.len() as u16;
            }
            if chosen(row) {
                all.bits[row / 8] |= 1 << (row % 8);
                all.rows.push(row as u8);
                all.impacts.push(impact(row));
            }
        }
        for block in 0..BLOCKS {
            let range = postings::block_range(&all.starts, block, all.rows.len());
            all.pairs.extend_from_slice(&all.rows[range.clone()]);
            all.pairs.extend_from_slice(&all.impacts[range]);
        }
        all
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    // Catches an impact given to another row, a block that should have been left alone, a product rounded otherwise,
    // a bound below a sum, and a read past the last impact.
    #[test]
    fn sums_of_impacts_are_the_specification(
        seed in any::<u32>(), dense in 1u32..40, weight in prop_oneof![any::<u16>(), Just(u16::MAX), Just(0)],
        blocks in prop_oneof![any::<u64>(), Just(u64::MAX), Just(1 << 63)],
    ) {
        let noise = |row: usize| (row as u32 ^ seed).wrapping_mul(2_654_435_761).rotate_left(9).wrapping_mul(0x9E37_79B9) >> 8;
        let given = Postings::new(|row| noise(row) % 40 < dense, |row| noise(row + WINDOW_ROWS) as u8);
        let fresh = || -> Box<postings::Sums> { vec![7; WINDOW_ROWS].try_into().unwrap() };
        let mut expected = fresh();
        let mut greatest = [0u8; BLOCKS];
        let mut impacts = given.impacts.iter();
        for (row, sum) in expected.iter_mut().enumerate() {
            if given.bits[row / 8] >> (row % 8) & 1 == 1 {
                let impact = *impacts.next().unwrap();
                let block = row / postings::BLOCK_ROWS;
                greatest[block] = greatest[block].max(impact);
                if blocks >> block & 1 == 1 {
                    *sum = sum.wrapping_add((u32::from(impact) * u32::from(weight) / 256) as u16);
                }
            }
        }
        let rows: Vec<u16> =
            (0..WINDOW_ROWS as u16).filter(|&row| given.bits[usize::from(row) / 8] >> (row % 8) & 1 == 1).collect();
        let maximum = |block: usize| {
            let range = block * postings::BLOCK_ROWS..(block + 1) * postings::BLOCK_ROWS;
            *expected[range].iter().max().unwrap()
        };
        let maxima: [u16; BLOCKS] = std::array::from_fn(|block| if blocks >> block & 1 == 1 { maximum(block) } else { 7 });
        every(|kernels| {
            let (mut sums, mut found) = (fresh(), [7; BLOCKS]);
            assert!(kernels.add_bits(&mut sums, &mut found, &given.starts, &given.bits, &given.impacts, weight, blocks));
            assert!(sums == expected && found == maxima, "{kernels:?} bits");
            let (mut sums, mut found) = (fresh(), [0; BLOCKS]);
            assert!(kernels.add_blocks(&mut sums, &mut found, &given.starts, &given.pairs, weight, blocks));
            assert!(sums == expected, "{kernels:?} blocks");
            let (mut sums, mut found) = (fresh(), [0; BLOCKS]);
            kernels.add_rows(&mut sums, &mut found, &rows, &given.impacts, weight, blocks);
            assert!(sums == expected, "{kernels:?} rows");
            for (block, &found) in found.iter().enumerate() {
                let range = block * postings::BLOCK_ROWS..(block + 1) * postings::BLOCK_ROWS;
                let here = rows.iter().map(|&row| usize::from(row)).filter(|row| range.contains(row));
                assert_eq!(found, here.map(|row| expected[row]).max().unwrap_or(0), "{kernels:?} {block}");
            }
            let mut bounds = [1; BLOCKS];
            kernels.add_bounds(&mut bounds, &greatest, weight);
            for block in 0..BLOCKS {
                assert_eq!(bounds[block], 1u16.wrapping_add((u32::from(greatest[block]) * u32::from(weight) / 256) as u16));
            }
            let reaching = kernels.reaching(&maxima, &bounds, maxima[3].saturating_add(bounds[3]));
            for block in 0..BLOCKS {
                let reaches = maxima[block].saturating_add(bounds[block]) >= maxima[3].saturating_add(bounds[3]);
                assert_eq!(reaching >> block & 1 == 1, reaches, "{kernels:?} {block}");
            }
            kernels.take_bounds(&mut bounds, &greatest, weight);
            assert_eq!(bounds, [1; BLOCKS]);
            // Starts that do not fit are told, whatever is added.
            let mut starts = given.starts;
            starts[5] = u16::MAX;
            assert!(!kernels.add_bits(&mut sums, &mut found, &starts, &given.bits, &given.impacts, weight, u64::MAX));
            assert!(!kernels.add_blocks(&mut sums, &mut found, &starts, &given.pairs, weight, u64::MAX));
        });
    }
}
