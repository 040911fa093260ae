//! `_core.Router`: which path a query takes.

use std::path::PathBuf;

use pyo3::prelude::*;
use ragstone_engine::error::Error;
use ragstone_engine::routing::Router as Engine;

use crate::interrupt::detached;

type Routed = (&'static str, f32, f32, bool, Vec<(usize, usize, f32, &'static str)>);

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
    fn route(&self, query: &str) -> Routed {
        let routed = self.engine.route(query);
        let character = |byte: usize| query[..byte].chars().count();
        let reasons = routed.reasons.iter();
        let reasons = reasons.map(|one| (character(one.start), character(one.end), one.weight, one.rule)).collect();
        (routed.path.name(), routed.p_behaviour, routed.p_facts, routed.uncertain, reasons)
    }
}
