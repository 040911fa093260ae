//! Codes against the vectors they stand for: bounds that hold, plans that agree, collections that do not depend on order.

use proptest::prelude::*;
use ragstone_kernels::dispatch::{Kernels, available};
use ragstone_kernels::scalar;
use ragstone_kernels::top::{Scored, Top};

use super::codec::Codec;
use super::estimated::Estimated;
use super::sieve::Sieve;
use super::tests::{noise, random_unit, store};
use super::tiers::{Effort, Exact, exact_rank, exact_score};
use super::*;
use crate::bitmap::Bitmap;
use crate::interrupt::Never;

/// Vectors as they come from text: around centres, some of them twice, some with one large value.
fn clustered(rows: usize, dimension: usize, state: &mut u64) -> Vec<Vec<f32>> {
    let centers: Vec<_> = (0..8).map(|_| random_unit(dimension, state)).collect();
    let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(rows);
    for row in 0..rows {
        let near = |vector: &[f32], spread: f32, state: &mut u64| {
            let noisy: Vec<f32> = vector.iter().map(|value| value + spread * noise(state)).collect();
            unit(&noisy, "a vector near a centre").unwrap()
        };
        let vector = match row % 10 {
            0 if row > 0 => vectors[row / 2].clone(),
            1 => {
                let mut spike = vec![1e-4; dimension];
                spike[row % dimension] = 1.0;
                unit(&spike, "a spike").unwrap()
            }
            _ => near(&centers[row % centers.len()], 1.5 / (dimension as f32).sqrt(), state),
        };
        vectors.push(vector);
    }
    vectors
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    // Catches a bound that a rounding, a far centre or a spike can break: exact answers rest on it alone.
    #[test]
    fn integers_bound_the_cosine(seed in any::<u64>(), dimension in prop_oneof![16usize..80, Just(384)]) {
        let state = &mut { seed };
        let vectors = clustered(60, dimension, state);
        let kernels = available().last().unwrap();
        for center in [vec![0.0; dimension], vectors[2].clone(), vectors[1].clone()] {
            let codec = Codec::new(kernels, center).unwrap();
            let (mut block, mut work) = (vec![0; ragstone_kernels::codes::block_bytes(dimension)], Vec::new());
            let mut int8 = vec![0; codec::int8_stride(dimension)];
            for query in vectors.iter().take(12) {
                let coded = codec.int8_query(query);
                for vector in &vectors {
                    let factors = codec.encode(vector, &mut block, 5, &mut int8, &mut work);
                    let mut sum = [0];
                    kernels.int8_rows(&coded.values, &int8, int8.len(), &mut sum);
                    let (cosine, error) = coded.cosine(sum[0], factors);
                    let truth = scalar_wide(vector, query);
                    prop_assert!((cosine - truth).abs() <= error, "{} is not within {} of {}", cosine, error, truth);
                    prop_assert!(error < 0.05, "a bound of {} says nothing", error);
                }
            }
        }
    }

    // Catches a plan, an instruction set or a number of threads that changes ids or scores, a wrong score, or a row that
    // the filter excludes; and a list with a hit missing more often than promised.
    #[test]
    fn estimates_find_the_best_on_every_instruction_set(
        seed in any::<u64>(),
        dimension in prop_oneof![40usize..80, Just(384)],
        rows in 600usize..1500,
        k in 1usize..30,
        dense in any::<bool>(),
    ) {
        let state = &mut { seed };
        let vectors: Vec<_> = clustered(rows, dimension, state).into_iter().map(Some).collect();
        let mut allowed = Bitmap::full(rows as u32);
        for row in (0..rows as u32).filter(|row| !dense && row % 3 != 0) {
            allowed.remove(row);
        }
        let query = random_unit(dimension, state);
        let mut answers = Vec::new();
        for kernels in available() {
            let reader = Vectors::open(&store(&vectors, dimension)).unwrap().with_kernels(kernels);
            let (wanted, padded) = (reader.wanted(0, Some(&allowed)).unwrap(), reader.padded(&query).unwrap());
            let damage = |row| Error::invalid(format!("row {row}"));
            let mut tiers = reader.tiers(&damage, &|_, _| ()).unwrap();
            tiers.few = 0;
            for threads in [1, 2] {
                let (mut top, effort) = (Top::new(k), Effort { threads, interrupt: &Never });
                tiers.search(&wanted, &padded, &|row| row, std::slice::from_mut(&mut top), effort).unwrap();
                answers.push(top.into_sorted());
            }
        }
        prop_assert!(answers.iter().all(|answer| *answer == answers[0]));
        let mut truth: Vec<Scored> = (0..rows as u32)
            .filter(|&row| allowed.contains(row))
            .map(|row| Scored { score: scalar::dot(vectors[row as usize].as_ref().unwrap(), &query), row })
            .collect();
        truth.sort_by(Scored::rank);
        truth.truncate(k);
        let found = answers[0].iter().filter(|hit| truth.contains(hit)).count();
        prop_assert!(found + 1 + truth.len() / 20 >= truth.len(), "{} of {}", found, truth.len());
        for hit in &answers[0] {
            prop_assert!(allowed.contains(hit.row));
            let score = scalar::dot(vectors[hit.row as usize].as_ref().unwrap(), &query);
            prop_assert_eq!(hit.score.to_bits(), score.to_bits());
        }
    }

    // Catches an exact answer that is not the one of comparing all vectors in f64, with equal ones by row.
    #[test]
    fn exact_is_comparing_everything_in_f64(
        seed in any::<u64>(),
        dimension in prop_oneof![1usize..40, Just(384)],
        rows in 1usize..900,
        k in 0usize..40,
        share in prop::sample::select(vec![1u32, 2, 9, 400]),
    ) {
        let state = &mut { seed };
        let vectors: Vec<_> = clustered(rows, dimension, state).into_iter().map(Some).collect();
        let mut allowed = Bitmap::empty(rows as u32);
        (0..rows as u32).filter(|row| row % share == 0).for_each(|row| allowed.insert(row));
        let query = if seed % 2 == 0 { random_unit(dimension, state) } else { vectors[rows / 2].clone().unwrap() };
        let mut truth: Vec<(u32, f64)> = allowed.iter().map(|row| (row, scalar_wide(vectors[row as usize].as_ref().unwrap(), &query))).collect();
        truth.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        truth.truncate(k);
        let reader = Vectors::open(&store(&vectors, dimension)).unwrap();
        for kernels in available() {
            let reader = reader.clone().with_kernels(kernels);
            let mut top: Top<Exact<u32>> = Top::new(k);
            reader.search_exact(&query, 0, Some(&allowed), &mut top, &Never).unwrap();
            let found: Vec<(u32, f64)> = top.into_sorted().iter().map(|hit| (hit.row.1, exact_score(&hit.row))).collect();
            prop_assert_eq!(&found, &truth, "{:?}", kernels);
        }
    }

    // Catches a row that was dropped although its score, anywhere within its bound, could be among the best.
    #[test]
    fn a_sieve_keeps_whatever_can_be_among_the_best(
        rows in prop::collection::vec((-1.0f64..1.0, 0.0f64..0.3, -1.0f64..=1.0), 0..300),
        k in 0usize..20,
    ) {
        let mut sieve = Sieve::new(k);
        let mut truth = Vec::new();
        for (row, &(score, error, off)) in rows.iter().enumerate() {
            assert!(sieve.offer(row as u32, score + off * error, error + 1e-6));
            truth.push((row as u32, score));
        }
        truth.sort_by(|a, b| b.1.total_cmp(&a.1));
        let kept = sieve.into_rows();
        for (row, score) in truth.iter().take(k) {
            prop_assert!(kept.contains(row), "row {} with {}", row, score);
        }
        prop_assert!(k > 0 || kept.is_empty());
        assert!(!Sieve::new(3).offer(0, f64::NAN, 0.1));
    }

    // Catches a collection that depends on the order of rows or on how they were shared out.
    #[test]
    fn a_collection_does_not_depend_on_order(
        estimates in prop::collection::vec(0u8..100, 64..600),
        k in 1usize..40,
        distance in 0u8..30,
        cut in any::<prop::sample::Index>(),
    ) {
        let estimates: Vec<f32> = estimates[..estimates.len() / 64 * 64].iter().map(|&value| f32::from(value)).collect();
        let blocks = estimates.len() / 64;
        let collect = |blocks: &mut dyn Iterator<Item = usize>| {
            let mut collected = Estimated::best(k, f32::from(distance));
            for block in blocks {
                let estimates = &estimates[block * 64..][..64];
                let hits = estimates.iter().rev().fold(0, |hits, &one| hits << 1 | u64::from(one >= collected.floor));
                collected.keep(block, &[hits], &[u64::MAX], estimates);
            }
            collected
        };
        let finish = |collected: Estimated| {
            let (floor, mut rows) = collected.finish();
            rows.sort_by(Scored::rank);
            (floor, rows)
        };
        let expected = finish(collect(&mut (0..blocks)));
        prop_assert_eq!(&finish(collect(&mut (0..blocks).rev())), &expected);
        let cut = cut.index(blocks);
        let mut merged = collect(&mut (cut..blocks));
        merged.merge(collect(&mut (0..cut)));
        prop_assert_eq!(&finish(merged), &expected);
        let mut sorted = estimates.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let floor = sorted.get(k - 1).map_or(f32::NEG_INFINITY, |worst| worst - f32::from(distance));
        prop_assert_eq!(expected.0.to_bits(), floor.to_bits());
        prop_assert_eq!(expected.1.len(), estimates.iter().filter(|&&one| one >= floor).count());
    }

    // Catches an order of f64 scores that is not their order, or a score that does not come back.
    #[test]
    fn exact_ranks_are_scores(a in -1.0f64..1.0, b in -1.0f64..1.0) {
        let (left, right) = (exact_rank(a, 0), exact_rank(b, 0));
        prop_assert_eq!(left.cmp(&right), b.total_cmp(&a));
        prop_assert_eq!(exact_score(&left).to_bits(), a.to_bits());
    }
}

fn scalar_wide(a: &[f32], b: &[f32]) -> f64 {
    let scalar: &Kernels = available().last().unwrap();
    scalar.dot_wide(a, b)
}

#[test]
fn rows_in_memory_are_coded_like_rows_in_a_file() {
    // Catches codes of a replaced row that stay, a slab border, a centre that moved without its codes, or a slab that ends
    // in the middle of a run.
    let (dimension, state) = (64, &mut 11);
    let vectors = clustered(9000, dimension, state);
    let values = vectors.concat();
    let mut grown = DenseIndex::new(dimension).unwrap();
    for part in values.chunks(1700 * dimension) {
        grown.add(Matrix { values: part, dimension }, None).unwrap();
    }
    // Every third is replaced by another and then by itself again; every fifth is removed and comes back in another row.
    let ids = |step: usize| (0..9000i64).step_by(step).collect::<Vec<_>>();
    let of = |ids: &[i64], shift: i64| {
        ids.iter().flat_map(|&id| vectors[((id + shift) % 9000) as usize].clone()).collect::<Vec<f32>>()
    };
    for shift in [17, 0] {
        grown.add(Matrix { values: &of(&ids(3), shift), dimension }, Some(&ids(3))).unwrap();
    }
    assert_eq!(grown.remove(&ids(5)), 1800);
    let backwards: Vec<i64> = ids(5).into_iter().rev().collect();
    grown.add(Matrix { values: &of(&backwards, 0), dimension }, Some(&backwards)).unwrap();
    let queries: Vec<f32> = (0..40).flat_map(|_| random_unit(dimension, state)).collect();
    let queries = Matrix { values: &queries, dimension };
    let exact = grown.search(queries, 10, true, None, 1, &Never).unwrap();
    let truth: Vec<i64> = queries
        .rows(dimension)
        .unwrap()
        .flat_map(|query| {
            let query = unit(query, "query").unwrap();
            let mut all: Vec<(f64, i64)> =
                vectors.iter().zip(0..).map(|(vector, id)| (-scalar_wide(vector, &query), id)).collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            all.truncate(10);
            all.into_iter().map(|(_, id)| id)
        })
        .collect();
    assert_eq!(exact.0, truth);
    let recall = |found: &[i64]| {
        let pairs = found.chunks(10).zip(truth.chunks(10));
        pairs.map(|(found, truth)| truth.iter().filter(|id| found.contains(id)).count()).sum::<usize>()
    };
    for threads in [1, 3] {
        let found = grown.search(queries, 10, false, None, threads, &Never).unwrap();
        assert!(recall(&found.0) >= 398, "{} of 400", recall(&found.0));
    }
}
