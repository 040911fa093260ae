//! `_core.StaticEmbedder`: the built-in table.

use std::path::PathBuf;

use numpy::{PyArray2, PyArrayMethods, ToPyArray};
use pyo3::prelude::*;
use ragstone_engine::embedding::StaticEmbedder as Engine;

use crate::interrupt::detached;

/// A static token table.
#[pyclass(frozen, module = "ragstone._core")]
pub(crate) struct StaticEmbedder {
    engine: Engine,
}

#[pymethods]
impl StaticEmbedder {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Ok(Self { engine: detached(py, None, |_| Engine::open(&path))? })
    }

    #[getter]
    fn dimension(&self) -> usize {
        self.engine.dimension()
    }

    #[getter]
    fn fingerprint(&self) -> &str {
        self.engine.fingerprint()
    }

    fn embed<'py>(&self, py: Python<'py>, texts: Vec<String>, threads: usize) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let (rows, dimension) = (texts.len(), self.engine.dimension());
        let vectors = detached(py, None, |watch| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut vectors = vec![0.0; rows * dimension];
            self.engine.embed(&texts, threads.max(1), watch, &mut vectors)?;
            Ok(vectors)
        })?;
        vectors.to_pyarray(py).reshape([rows, dimension])
    }

    fn count_tokens(&self, py: Python<'_>, texts: Vec<String>) -> Vec<usize> {
        py.detach(|| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            self.engine.count_tokens(&texts)
        })
    }

    fn token_spans(&self, py: Python<'_>, text: String) -> Vec<(usize, usize)> {
        py.detach(|| self.engine.token_spans(&text))
    }
}
