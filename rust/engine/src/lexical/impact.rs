//! Impacts: the share of its term's weight that a posting contributes, in 255ths, rounded up; and the way back from
//! an impact to the count that it was made of.

use super::score::Bm25;

/// The part of the formula that depends on the length of a row: k1 (1 - b + b length / average).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Norm {
    base: f64,
    slope: f64,
}

impl Norm {
    pub(super) fn new(bm25: Bm25, average_length: f64) -> Self {
        Self { base: bm25.k1 * (1.0 - bm25.b), slope: bm25.k1 * bm25.b / average_length }
    }

    #[inline]
    pub(super) fn at(&self, length: u32) -> f64 {
        self.base + self.slope * f64::from(length)
    }

    /// Least and greatest quotient of this norm to another one over a range of lengths.
    ///
    /// Both are straight lines that are nowhere negative, so their quotient is monotone.
    pub(super) fn quotients(&self, other: Self, lengths: (u32, u32)) -> (f64, f64) {
        if *self == other {
            return (1.0, 1.0);
        }
        let quotient = |length: u32| {
            let (new, old) = (self.at(length), other.at(length));
            if old > 0.0 { new / old } else { f64::INFINITY }
        };
        let (a, b) = (quotient(lengths.0), quotient(lengths.1));
        // Covers the roundings on the way.
        (a.min(b) * (1.0 - 1e-9), a.max(b) * (1.0 + 1e-9))
    }
}

/// What a term that occurs `count` times contributes of its weight.
#[inline]
pub(super) fn saturation(count: u32, norm: f64) -> f64 {
    let count = f64::from(count);
    count / (count + norm)
}

/// The impact of a count: a bound of its saturation from above.
#[inline]
pub(super) fn impact(count: u32, norm: f64) -> u8 {
    (saturation(count, norm) * 255.0 + ROUNDING).ceil().min(255.0) as u8
}

/// Lifts an impact over the rounding of a saturation.
const ROUNDING: f64 = 1e-9;

/// The count of an impact; `None` if it has none or several.
#[inline]
pub(super) fn count(stored: u8, norm: f64) -> Option<u32> {
    let below = (f64::from(stored) - 1.0) / 255.0;
    // No count below this one saturates enough; a hostile norm may ask for any number.
    let least = (norm * below / (1.0 - below)).floor().clamp(1.0, 4e9) as u32;
    let count = (least..least + 3).find(|&count| impact(count, norm) == stored)?;
    (impact(count + 1, norm) != stored).then_some(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Catches an impact below the saturation, one that stands for two counts, and a count that does not come back.
        #[test]
        fn an_impact_bounds_its_saturation_and_names_its_count(
            occurrences in prop_oneof![1u32..20, 200u32..400, any::<u32>().prop_map(|x| x.max(1))],
            length in prop_oneof![1u32..300, 60_000u32..70_000, any::<u32>()], average in 0.5f64..3000.0,
        ) {
            let norm = Norm::new(Bm25::default(), average).at(length);
            let stored = impact(occurrences, norm);
            let exact = saturation(occurrences, norm);
            prop_assert!(f64::from(stored) / 255.0 >= exact && stored >= 1);
            prop_assert!(stored == 1 || (f64::from(stored) - 1.0) / 255.0 <= exact);
            if let Some(found) = count(stored, norm) {
                prop_assert_eq!(found, occurrences);
            } else {
                let near = |other: u32| impact(other, norm) == stored;
                prop_assert!(near(occurrences.saturating_add(1)) || near(occurrences - 1));
            }
        }

        // Catches a quotient that some length within the range exceeds.
        #[test]
        fn quotients_hold_for_every_length(
            k1 in 0.0f64..3.0, b in 0.0f64..=1.0, new in 1.0f64..500.0, old in 1.0f64..500.0,
            shortest in 1u32..100, more in 0u32..70_000, at in 0.0f64..=1.0,
        ) {
            let (ours, other) = (Norm::new(Bm25 { k1, b }, new), Norm::new(Bm25::default(), old));
            let (least, greatest) = ours.quotients(other, (shortest, shortest + more));
            let length = shortest + (f64::from(more) * at) as u32;
            let quotient = ours.at(length) / other.at(length);
            prop_assert!(least <= quotient && quotient <= greatest);
        }
    }
}
