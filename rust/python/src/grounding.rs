//! `_core.Grounder`: whether an answer says what its sources say.

use pyo3::prelude::*;
use ragstone_engine::grounding::{FEATURES, Grounder as Engine, Model, Sentence};

use crate::characters::Characters;
use crate::error::invalid;
use crate::interrupt::detached;

/// Start, end; what it is.
type Unsupported = (usize, usize, &'static str);
/// Sources, unknown numbers, score, supported, relevant.
type Cited = (Vec<usize>, Vec<u32>, f64, bool, Vec<bool>);
/// Start, end, spans of marks, why it cannot be checked; score, supported, sources, features; unsupported; cited.
type Checked = (
    (usize, usize, Vec<(usize, usize)>, Option<&'static str>),
    (f64, bool, Vec<usize>, Vec<f64>),
    Vec<Unsupported>,
    Cited,
);

/// Fitted weights and a language's analyzer.
#[pyclass(frozen, module = "ragstone._core")]
pub(crate) struct Grounder {
    engine: Engine,
}

#[pymethods]
impl Grounder {
    /// The features that `weights` weigh, in order.
    #[classattr]
    #[allow(non_snake_case)]
    fn FEATURES() -> Vec<&'static str> {
        FEATURES.to_vec()
    }

    #[new]
    fn new(
        py: Python<'_>,
        language: &str,
        weights: Vec<f64>,
        bias: f64,
        threshold: f64,
        background: Vec<String>,
    ) -> PyResult<Self> {
        let count = weights.len();
        let Ok(weights) = weights.try_into() else {
            return Err(invalid(format!("{count} weights were given for {} features", FEATURES.len())));
        };
        let engine = detached(py, None, |_| {
            let background: Vec<&str> = background.iter().map(String::as_str).collect();
            let engine = Engine::new(language, Model { weights, bias, threshold })?;
            Ok(if background.is_empty() { engine } else { engine.with_background(&background) })
        })?;
        Ok(Self { engine })
    }

    /// Every sentence of the answer; spans in characters.
    fn check(&self, py: Python<'_>, answer: &str, sources: Vec<String>) -> PyResult<Vec<Checked>> {
        detached(py, None, |watch| {
            let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
            let mut characters = Characters::new(answer);
            Ok(self
                .engine
                .check(answer, &sources, watch)?
                .into_iter()
                .map(|one| checked(one, &mut characters))
                .collect())
        })
    }
}

fn checked(one: Sentence, characters: &mut Characters<'_>) -> Checked {
    let start = characters.at(one.start);
    let marks = one.marks.iter().map(|mark| (characters.at(mark.start), characters.at(mark.end))).collect();
    let spans = one.unsupported.iter();
    let unsupported =
        spans.map(|span| (characters.at(span.start), characters.at(span.end), span.what.name())).collect();
    let end = characters.at(one.end);
    let cited = one.cited;
    (
        (start, end, marks, one.uncheckable),
        (one.score, one.supported, one.sources, one.features.to_vec()),
        unsupported,
        (cited.sources, cited.unknown, cited.score, cited.supported, cited.relevant),
    )
}
