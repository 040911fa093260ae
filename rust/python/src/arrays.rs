//! `_core.DenseIndex` and `_core.LexicalIndex`: arrays in, arrays out, no documents.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use numpy::ndarray::{Array2, ShapeError};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods, ToPyArray};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use ragstone_engine::bitmap::Passing;
use ragstone_engine::dense::{DenseIndex as Dense, Matrix};
use ragstone_engine::error::Error;
use ragstone_engine::lexical::{Bm25, LexicalIndex as Lexical};
use ragstone_engine::storage::disk::Disk;
use ragstone_engine::storage::frame::Verify;

use crate::error::{invalid, raise};
use crate::index::matrix;
use crate::interrupt::detached;

type Found<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f32>>);

fn reading<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn writing<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// A file as the engine names it: its folder as a storage, and its name therein.
fn place(path: &Path) -> Result<(Disk, String), Error> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::invalid(format!("path {:?} does not name a file", path.display())))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = Disk::open(folder, true).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { what: format!("folder {:?}", folder.display()) },
        _ => Error::io(format!("open {}", folder.display()))(source),
    })?;
    Ok((disk, name.to_owned()))
}

fn numbers(ids: Option<PyReadonlyArray1<'_, i64>>) -> Option<Vec<i64>> {
    ids.map(|ids| ids.as_array().to_vec())
}

fn rectangle(py: Python<'_>, found: (Vec<i64>, Vec<f32>), rows: usize, top_k: usize) -> PyResult<Found<'_>> {
    let shape = |error: ShapeError| invalid(error.to_string());
    let ids = Array2::from_shape_vec((rows, top_k), found.0).map_err(shape)?;
    let scores = Array2::from_shape_vec((rows, top_k), found.1).map_err(shape)?;
    Ok((ids.into_pyarray(py), scores.into_pyarray(py)))
}

/// The ids that may be found, as Python gives them.
#[derive(FromPyObject)]
enum FilterIds<'py> {
    Ids(PyReadonlyArray1<'py, i64>),
    Bits(PyReadonlyArray1<'py, u64>),
}

/// The same, copied before the interpreter is left.
enum Copied {
    Ids(Vec<i64>),
    Bits(Vec<u64>),
}

impl FilterIds<'_> {
    fn copy(self) -> Copied {
        match self {
            Self::Ids(ids) => Copied::Ids(ids.as_array().to_vec()),
            Self::Bits(bits) => Copied::Bits(bits.as_array().to_vec()),
        }
    }
}

impl Copied {
    fn passing(&self) -> Passing<'_> {
        match self {
            Self::Ids(ids) => Passing::Ids(ids),
            Self::Bits(bits) => Passing::Bits(bits),
        }
    }
}

/// Vectors with numeric ids.
#[pyclass(frozen, module = "ragstone._core")]
pub(crate) struct DenseIndex {
    engine: RwLock<Dense>,
}

#[pymethods]
impl DenseIndex {
    #[new]
    fn new(dimension: usize) -> PyResult<Self> {
        Ok(Self { engine: RwLock::new(Dense::new(dimension).map_err(raise)?) })
    }

    /// Opens a saved index, memory-mapped.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let engine = detached(py, None, |_| {
            let (disk, name) = place(&path)?;
            Dense::open(&disk, &name, Verify::Auto)
        })?;
        Ok(Self { engine: RwLock::new(engine) })
    }

    #[getter]
    fn dimension(&self, py: Python<'_>) -> usize {
        py.detach(|| reading(&self.engine).dimension())
    }

    // Whoever holds the lock may wait for the interpreter, to look at signals: waiting for the lock lets go of it.
    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| reading(&self.engine).len())
    }

    #[pyo3(signature = (vectors, ids=None))]
    fn add<'py>(
        &self,
        py: Python<'py>,
        vectors: PyReadonlyArray2<'py, f32>,
        ids: Option<PyReadonlyArray1<'py, i64>>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let dimension = vectors.shape()[1];
        let (values, ids) = (matrix(&vectors)?, numbers(ids));
        let added =
            detached(py, None, |_| writing(&self.engine).add(Matrix { values: &values, dimension }, ids.as_deref()))?;
        Ok(added.to_pyarray(py))
    }

    fn remove(&self, py: Python<'_>, ids: PyReadonlyArray1<'_, i64>) -> usize {
        let ids = ids.as_array().to_vec();
        py.detach(|| writing(&self.engine).remove(&ids))
    }

    /// `filter_ids` are ids as int64, or bits as uint64: 64 ids a word, from 0 on, least significant first.
    #[pyo3(signature = (queries, *, top_k, exact, filter_ids, threads))]
    fn search<'py>(
        &self,
        py: Python<'py>,
        queries: PyReadonlyArray2<'py, f32>,
        top_k: usize,
        exact: bool,
        filter_ids: Option<FilterIds<'py>>,
        threads: usize,
    ) -> PyResult<Found<'py>> {
        let (rows, dimension) = (queries.shape()[0], queries.shape()[1]);
        let (values, filter_ids) = (matrix(&queries)?, filter_ids.map(FilterIds::copy));
        let found = detached(py, None, |watch| {
            let matrix = Matrix { values: &values, dimension };
            let passing = filter_ids.as_ref().map(Copied::passing);
            reading(&self.engine).search(matrix, top_k, exact, passing, threads, watch)
        })?;
        rectangle(py, found, rows, top_k)
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        detached(py, None, |_| {
            let (disk, name) = place(&path)?;
            reading(&self.engine).save(&disk, &name).map(drop)
        })
    }
}

/// Texts with numeric ids.
#[pyclass(frozen, module = "ragstone._core")]
pub(crate) struct LexicalIndex {
    engine: RwLock<Lexical>,
}

#[pymethods]
impl LexicalIndex {
    #[new]
    fn new(language: &str, k1: f64, b: f64) -> PyResult<Self> {
        Ok(Self { engine: RwLock::new(Lexical::new(language, Bm25 { k1, b }).map_err(raise)?) })
    }

    /// Opens a saved index, memory-mapped.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let engine = detached(py, None, |_| {
            let (disk, name) = place(&path)?;
            Lexical::open(&disk, &name)
        })?;
        Ok(Self { engine: RwLock::new(engine) })
    }

    // Whoever holds the lock may wait for the interpreter, to look at signals: waiting for the lock lets go of it.
    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| reading(&self.engine).len())
    }

    #[pyo3(signature = (texts, ids=None, *, threads))]
    fn add<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<PyBackedStr>,
        ids: Option<PyReadonlyArray1<'py, i64>>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let ids = numbers(ids);
        let added = detached(py, None, |watch| writing(&self.engine).add(&texts, ids.as_deref(), threads, watch))?;
        Ok(added.to_pyarray(py))
    }

    #[pyo3(signature = (ids, *, threads))]
    fn remove(&self, py: Python<'_>, ids: PyReadonlyArray1<'_, i64>, threads: usize) -> PyResult<usize> {
        let ids = ids.as_array().to_vec();
        detached(py, None, |watch| writing(&self.engine).remove(&ids, threads, watch))
    }

    #[pyo3(signature = (queries, *, top_k, filter_ids, threads))]
    fn search<'py>(
        &self,
        py: Python<'py>,
        queries: Vec<PyBackedStr>,
        top_k: usize,
        filter_ids: Option<FilterIds<'py>>,
        threads: usize,
    ) -> PyResult<Found<'py>> {
        let filter_ids = filter_ids.map(FilterIds::copy);
        let found = detached(py, None, |watch| {
            let passing = filter_ids.as_ref().map(Copied::passing);
            reading(&self.engine).search(&queries, top_k, passing, threads, watch)
        })?;
        rectangle(py, found, queries.len(), top_k)
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        detached(py, None, |_| {
            let (disk, name) = place(&path)?;
            reading(&self.engine).save(&disk, &name).map(drop)
        })
    }
}

/// Name of the instruction set in use; `RAGSTONE_ISA` forces one.
#[pyfunction]
pub(crate) fn instruction_set() -> PyResult<&'static str> {
    ragstone_kernels::dispatch::active()
        .map(ragstone_kernels::dispatch::Kernels::name)
        .map_err(|error| invalid(error.to_string()))
}

/// Names of the instruction sets that this machine has, best first.
#[pyfunction]
pub(crate) fn instruction_sets() -> Vec<&'static str> {
    ragstone_kernels::dispatch::available().map(ragstone_kernels::dispatch::Kernels::name).collect()
}

/// Name of the language that most of some texts are in, `"none"` if that is unclear.
#[pyfunction]
pub(crate) fn detect_language(texts: Vec<PyBackedStr>) -> &'static str {
    ragstone_engine::lexical::detect(texts.iter().map(|text| &**text))
}
