//! `_core.Router`: which path a query takes; and the features that its weights are trained on.

use std::path::PathBuf;
use std::time::Instant;

use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use ragstone_engine::error::Error;
use ragstone_engine::routing::{Router as Engine, features, fingerprint, rule_names};

use crate::interrupt::detached;

type Explained<'a> = (usize, usize, &'a str, f32, &'static str);
type Routed<'a> = (&'static str, f64, f64, bool, Vec<Explained<'a>>);
type Batch<'py> =
    (Bound<'py, PyArray1<u8>>, Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<bool>>);
type Sparse<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<f32>>);

/// Trained weights.
#[pyclass(frozen, module = "ragstone._core")]
pub(crate) struct Router {
    engine: Engine,
}

#[pymethods]
impl Router {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let engine = detached(py, None, |_| {
            let bytes = std::fs::read(&path).map_err(Error::io(format!("read {}", path.display())))?;
            Engine::load(&bytes)
        })?;
        Ok(Self { engine })
    }

    /// The path, both probabilities, whether it is uncertain, and the reasons; spans in characters.
    fn route<'a>(&self, query: &'a str) -> Routed<'a> {
        let routed = self.engine.route(query);
        let ascii = query.is_ascii();
        let character = |byte: usize| if ascii { byte } else { query[..byte].chars().count() };
        let reasons = routed
            .reasons
            .iter()
            .map(|one| (character(one.start), character(one.end), &query[one.start..one.end], one.weight, one.rule));
        (routed.path.name(), routed.p_behaviour, routed.p_facts, routed.uncertain, reasons.collect())
    }

    /// Codes of the paths, both probabilities and whether they are uncertain, by up to `threads` threads.
    fn route_batch<'py>(&self, py: Python<'py>, queries: Vec<PyBackedStr>, threads: usize) -> PyResult<Batch<'py>> {
        let found = detached(py, None, |_| Ok(self.engine.decide_all(&queries, threads)))?;
        Ok((
            found.iter().map(|one| one.path as u8).collect::<Vec<_>>().into_pyarray(py),
            found.iter().map(|one| one.p_behaviour as f32).collect::<Vec<_>>().into_pyarray(py),
            found.iter().map(|one| one.p_facts as f32).collect::<Vec<_>>().into_pyarray(py),
            found.iter().map(|one| one.uncertain).collect::<Vec<_>>().into_pyarray(py),
        ))
    }

    /// Nanoseconds that deciding each query took, one after the other, in the last of `rounds` rounds.
    fn nanoseconds<'py>(
        &self,
        py: Python<'py>,
        queries: Vec<PyBackedStr>,
        rounds: usize,
    ) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let taken = detached(py, None, |_| {
            let mut taken = vec![0; queries.len()];
            for _ in 0..rounds {
                for (query, taken) in queries.iter().zip(&mut taken) {
                    let begin = Instant::now();
                    std::hint::black_box(self.engine.decide(std::hint::black_box(query)));
                    *taken = u32::try_from(begin.elapsed().as_nanos()).unwrap_or(u32::MAX);
                }
            }
            Ok(taken)
        })?;
        Ok(taken.into_pyarray(py))
    }
}

/// Sparse features of each text, as rows of a compressed matrix: begins, columns, values.
#[pyfunction]
pub(crate) fn route_features(py: Python<'_>, texts: Vec<PyBackedStr>) -> PyResult<Sparse<'_>> {
    let (begins, columns, values) = detached(py, None, |_| {
        let (mut begins, mut columns, mut values) = (vec![0_i64], Vec::new(), Vec::new());
        for text in &texts {
            for feature in features(text) {
                columns.push(feature.index);
                values.push(feature.value);
            }
            begins.push(i64::try_from(columns.len()).unwrap_or(i64::MAX));
        }
        Ok((begins, columns, values))
    })?;
    Ok((begins.into_pyarray(py), columns.into_pyarray(py), values.into_pyarray(py)))
}

/// The fingerprint that weights have to carry, and the names of the rules in the order of their features.
#[pyfunction]
pub(crate) fn route_rules() -> (u32, Vec<&'static str>) {
    (fingerprint(), rule_names().collect())
}
