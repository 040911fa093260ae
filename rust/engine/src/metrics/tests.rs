//! Would catch ranks that a sort would not give, and values that drift from their definitions.

use std::convert::Infallible;

use proptest::prelude::*;

use super::{Judged, Metric, ranks};

/// The whole ranking, sorted.
fn sorted(scores: &[f32], ids: &[String]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap().then_with(|| ids[b].cmp(&ids[a])));
    order
}

proptest! {
    /// Another rank than a sort gives: ties, signed zeros, infinities, few documents asked for and many.
    #[test]
    fn ranks_are_those_of_a_sort(
        scores in prop::collection::vec(prop::sample::select(vec![
            0.0_f32, -0.0, 1.0, 1.5, 2.0, -3.0, f32::INFINITY, f32::NEG_INFINITY,
        ]), 1..60),
        distinct in any::<bool>(),
        share in 1_usize..4,
    ) {
        let scores: Vec<f32> = if distinct {
            scores.iter().enumerate().map(|(row, score)| score + row as f32).collect()
        } else {
            scores
        };
        let ids: Vec<String> = (0..scores.len()).map(|row| format!("d{}", row * 7919 % 1009)).collect();
        let order = sorted(&scores, &ids);
        let asked: Vec<f32> = scores.iter().copied().step_by(share).collect();
        let own = ids.iter().step_by(share).collect();
        let found = ranks(&scores, &asked, || Ok::<_, Infallible>((ids.iter().collect(), own))).unwrap();
        let expected: Vec<usize> = (0..scores.len())
            .step_by(share)
            .map(|row| order.iter().position(|&other| other == row).unwrap() + 1)
            .collect();
        prop_assert_eq!(found, expected);
    }
}

/// Ids are asked for where no score is shared: most of the time would go there.
#[test]
fn ids_are_only_needed_for_ties() {
    let ids = || -> Result<(Vec<&str>, Vec<&str>), &str> { Err("asked for ids") };
    assert_eq!(ranks(&[1.0, 3.0, 2.0, 2.0], &[3.0, 1.0], ids), Ok(vec![1, 4]));
    assert_eq!(ranks(&[1.0, 3.0, 2.0, 2.0], &[2.0], ids), Err("asked for ids"));
}

/// A wrong gain, discount, cut or denominator.
#[test]
fn values_equal_a_hand_calculation() {
    let mut judged = Judged::default();
    judged.push(4, [(4, 1), (2, 2)], [1, 3, 2]);
    judged.push(0, [], [1]);
    judged.push(3, [], []);
    let log3 = 3.0_f64.log2();
    let expected = [
        ("P@2", 1.0 / 2.0),
        ("P@10", 2.0 / 10.0),
        ("R@2", 1.0 / 3.0),
        ("Success@1", 0.0),
        ("RR", 1.0 / 2.0),
        ("RR@1", 0.0),
        ("AP", (1.0 / 2.0 + 2.0 / 4.0) / 3.0),
        ("AP@3", (1.0 / 2.0) / 3.0),
        ("ContextPrecision", 2.0 / 4.0),
        ("ContextPrecision@3", 1.0 / 3.0),
        ("ContextPrecision@10", 2.0 / 4.0),
        ("nDCG@2", (2.0 / log3) / (3.0 + 2.0 / log3)),
        ("nDCG(gain=exp)@2", (3.0 / log3) / (7.0 + 3.0 / log3)),
    ];
    let metrics: Vec<Metric> = expected.iter().map(|(name, _)| Metric::parse(name).unwrap()).collect();
    let values = judged.values(&metrics);
    for ((name, expected), value) in expected.iter().zip(&values) {
        assert!((value - expected).abs() < 1e-15, "{name}: {value}, expected {expected}");
    }
    assert!(values[expected.len()..].iter().all(|value| *value == 0.0), "queries without a hit are worth nothing");
}

/// Far ranks and huge grades that end in NaN or a panic.
#[test]
fn extremes_stay_numbers() {
    let mut judged = Judged::default();
    judged.push(usize::MAX, [(1 << 40, 1000), (5000, i64::MAX)], [1000, i64::MAX]);
    for name in ["nDCG", "AP", "RR", "P@999999999", "R@999999999", "ContextPrecision"] {
        let value = judged.values(&[Metric::parse(name).unwrap()])[0];
        assert!((0.0..=1.0).contains(&value), "{name} is {value}");
    }
    let exponential = Metric::parse("nDCG(gain=exp)").unwrap();
    assert!(exponential.check_grade(judged.greatest_grade()).is_err());
    assert!(exponential.check_grade(1000).is_ok());
}

/// A name that is nearly right taken for one that is.
#[test]
fn names_are_read_strictly() {
    for name in
        ["", "P", "R", "Success", "MRR", "nDCG@", "nDCG@0", "nDCG@01", "nDCG@+1", "P@1.5", "P@1234567890", "RR@1 "]
    {
        assert!(Metric::parse(name).is_err(), "{name:?} was taken");
    }
    assert_eq!(Metric::parse("nDCG(dcg='exp-log2')@5").unwrap(), Metric::parse("nDCG(gain=exp)@5").unwrap());
}
