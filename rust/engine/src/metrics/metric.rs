//! The metrics by name: what each one is worth for one query.

use std::sync::LazyLock;

use super::judged::Query;
use crate::error::{Error, Result};

/// The largest cut that is understood: nine digits.
const CUT_DIGITS: usize = 9;
/// Grades above this have no exponential gain in 64 bits with room to add some up.
const EXPONENT_MAX: i64 = 1000;
/// Names, for messages.
const KNOWN: &str = "nDCG[@k], nDCG(gain=exp)[@k], AP[@k], RR[@k], P@k, R@k, Success@k, ContextPrecision[@k]";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    Ndcg { exponential: bool },
    AveragePrecision,
    ReciprocalRank,
    Precision,
    Recall,
    Success,
    ContextPrecision,
}

use Measure::{AveragePrecision, ContextPrecision, Ndcg, Precision, Recall, ReciprocalRank, Success};

/// A metric and the rank down to which it looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    measure: Measure,
    cut: usize,
}

impl Metric {
    /// The metric of a name such as `nDCG@10`.
    pub fn parse(name: &str) -> Result<Self> {
        let unknown =
            || Error::invalid(format!("unknown metric '{name}': known are {KNOWN}, with k from 1, such as 'nDCG@10'"));
        let (base, cut) = match name.split_once('@') {
            None => (name, None),
            Some((base, digits)) => {
                let right = !digits.starts_with('0') && digits.len() <= CUT_DIGITS;
                let right = right && digits.bytes().all(|byte| byte.is_ascii_digit());
                (base, Some(digits.parse().ok().filter(|_| right).ok_or_else(unknown)?))
            }
        };
        let measure = match base {
            "nDCG" | "nDCG(gain=lin)" | "nDCG(dcg='log2')" => Ndcg { exponential: false },
            "nDCG(gain=exp)" | "nDCG(dcg='exp-log2')" => Ndcg { exponential: true },
            "AP" => AveragePrecision,
            "RR" => ReciprocalRank,
            "P" => Precision,
            "R" => Recall,
            "Success" | "success" => Success,
            "ContextPrecision" => ContextPrecision,
            _ => return Err(unknown()),
        };
        match (measure, cut) {
            (Precision | Recall | Success, None) => {
                Err(Error::invalid(format!("metric '{name}' needs a cut: write '{name}@10'")))
            }
            (_, cut) => Ok(Self { measure, cut: cut.unwrap_or(usize::MAX) }),
        }
    }

    /// Refuses a grade that this metric has no gain for.
    pub fn check_grade(self, greatest: i64) -> Result<()> {
        if self.measure == (Ndcg { exponential: true }) && greatest > EXPONENT_MAX {
            return Err(Error::invalid(format!(
                "a document has grade {greatest}, exponential gain goes to {EXPONENT_MAX}: use linear gain, 'nDCG'"
            )));
        }
        Ok(())
    }

    /// Its value for one query, 0 where nothing is relevant or nothing was returned.
    pub fn value(self, query: Query<'_>) -> f64 {
        let found = &query.found[..query.found.partition_point(|&(rank, _)| rank <= self.cut)];
        let (hits, relevant) = (found.len() as f64, query.ideal.len() as f64);
        // What is divided by is zero only where what is divided is too.
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        match self.measure {
            Precision => hits / self.cut as f64,
            Recall => share(hits, relevant),
            Success => f64::from(u8::from(!found.is_empty())),
            ContextPrecision => share(hits, query.retrieved.min(self.cut) as f64),
            ReciprocalRank => found.first().map_or(0.0, |&(rank, _)| 1.0 / rank as f64),
            AveragePrecision => {
                let precisions = (1_u32..).zip(found).map(|(hits, &(rank, _))| f64::from(hits) / rank as f64);
                share(precisions.sum(), relevant)
            }
            Ndcg { exponential } => {
                let gain = |grade: i64| if exponential { (grade as f64).exp2() - 1.0 } else { grade as f64 };
                let part = |(rank, grade): (usize, i64)| gain(grade) / discount(rank);
                let ideal = (1..=self.cut).zip(query.ideal.iter().copied());
                share(found.iter().copied().map(part).sum(), ideal.map(part).sum())
            }
        }
    }
}

/// The logarithm to base 2 of the rank plus one.
fn discount(rank: usize) -> f64 {
    static FIRST: LazyLock<[f64; 1024]> = LazyLock::new(|| std::array::from_fn(|rank| ((rank + 1) as f64).log2()));
    FIRST.get(rank).copied().unwrap_or_else(|| ((rank + 1) as f64).log2())
}
