//! `_core.Judged`: a run joined with its judgements, read straight from Python's dictionaries.

use std::borrow::Cow;

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyMapping, PyString};
use ragstone_engine::metrics::{Judged as Engine, Metric, Query, ranks};

use crate::error::{invalid, raise};

/// Queries between two looks at the interpreter's signals.
const SIGNALS_QUERIES: usize = 1024;

type Document<'py> = Bound<'py, PyString>;

/// The relevant documents of a run, by rank and grade.
#[pyclass(frozen, module = "ragstone._core")]
pub(crate) struct Judged {
    engine: Engine,
}

#[pymethods]
impl Judged {
    /// Joins `{query: {document: score}}` with `{query: {document: grade}}`, in the order of the latter.
    #[new]
    fn new(py: Python<'_>, run: &Bound<'_, PyDict>, qrels: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut engine = Engine::default();
        // Kept from query to query, so that each needs no memory of its own.
        let mut own = Ranking::default();
        for (number, (query, judged)) in qrels.iter().enumerate() {
            if number % SIGNALS_QUERIES == 0 {
                py.check_signals()?;
            }
            own.judge(&query, &judged)?;
            let ranks = run.get_item(&query)?.map(|scored| own.rank(&query, &scored)).transpose()?.unwrap_or_default();
            let grades = own.relevant.iter().map(|(_, grade)| *grade);
            let found = own.asked.iter().map(|&one| own.relevant[one].1);
            engine.push(own.scores.len(), ranks.into_iter().zip(found), grades);
        }
        Ok(Self { engine })
    }

    fn __len__(&self) -> usize {
        self.engine.len()
    }

    /// Documents that the run has for each query.
    #[getter]
    fn retrieved<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.count(py, |query| query.retrieved)
    }

    /// Relevant documents of each query.
    #[getter]
    fn relevant<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.count(py, |query| query.ideal.len())
    }

    /// The value of each metric (columns) for each query (rows).
    fn values<'py>(&self, py: Python<'py>, metrics: Vec<String>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let parsed: Vec<Metric> =
            metrics.iter().map(|name| Metric::parse(name)).collect::<Result<_, _>>().map_err(raise)?;
        let greatest = self.engine.greatest_grade();
        parsed.iter().try_for_each(|metric| metric.check_grade(greatest)).map_err(raise)?;
        let values = py.detach(|| self.engine.values(&parsed));
        let shaped = Array2::from_shape_vec((self.engine.len(), parsed.len()), values);
        Ok(shaped.map_err(|error| invalid(error.to_string()))?.into_pyarray(py))
    }
}

impl Judged {
    fn count<'py>(&self, py: Python<'py>, of: impl Fn(Query<'_>) -> usize) -> Bound<'py, PyArray1<i64>> {
        self.engine
            .queries()
            .map(|query| i64::try_from(of(query)).unwrap_or(i64::MAX))
            .collect::<Vec<_>>()
            .into_pyarray(py)
    }
}

/// One query's judgements and run.
#[derive(Default)]
struct Ranking<'py> {
    /// The documents with a positive grade.
    relevant: Vec<(Document<'py>, i64)>,
    /// The scores of all documents that the run has.
    scores: Vec<f32>,
    /// Which of the relevant documents the run has, and their scores.
    asked: Vec<usize>,
    own: Vec<f32>,
}

impl<'py> Ranking<'py> {
    /// Begins with the judgements of a query.
    fn judge(&mut self, query: &Bound<'py, PyAny>, judged: &Bound<'py, PyAny>) -> PyResult<()> {
        self.relevant.clear();
        self.scores.clear();
        self.asked.clear();
        self.own.clear();
        for (document, grade) in inner(query, judged, "qrels", "grades")?.iter() {
            let Some(value) = integer(&grade)? else {
                let (document, query, grade) = (document.repr()?, query.repr()?, grade.repr()?);
                let message = format!("grade of document {document} for query {query} is {grade}, expected an integer");
                return Err(invalid(message));
            };
            let document = name(query, document)?;
            if value > 0 {
                self.relevant.push((document, value));
            }
        }
        Ok(())
    }

    /// The ranks of those relevant documents that the run has.
    fn rank(&mut self, query: &Bound<'py, PyAny>, scored: &Bound<'py, PyAny>) -> PyResult<Vec<usize>> {
        let ranking = inner(query, scored, "run", "scores")?;
        self.scores.reserve(ranking.len());
        for (document, score) in ranking.iter() {
            // trec_eval stores scores in 32 bits, which makes ties of what differs beyond them.
            let value = number(&score).unwrap_or(f64::NAN) as f32;
            if value.is_nan() {
                let (document, query, score) = (document.repr()?, query.repr()?, score.repr()?);
                let message = format!("score of document {document} for query {query} is {score}, expected a number");
                return Err(invalid(message));
            }
            if !document.is_instance_of::<PyString>() {
                name(query, document)?;
            }
            self.scores.push(value);
        }
        for (one, (document, _)) in self.relevant.iter().enumerate() {
            if let Some(score) = ranking.get_item(document)? {
                self.asked.push(one);
                self.own.push(number(&score).unwrap_or(f64::NAN) as f32);
            }
        }
        // The ids that `ranks` sorts are borrowed from here.
        let mut documents: Vec<Document<'py>> = Vec::new();
        let all = &mut documents;
        ranks(&self.scores, &self.own, || {
            *all = ranking.keys().iter().map(|document| name(query, document)).collect::<PyResult<_>>()?;
            let own = self.asked.iter().map(|&one| bytes(&self.relevant[one].0)).collect::<PyResult<Vec<_>>>()?;
            Ok((all.iter().map(bytes).collect::<PyResult<Vec<_>>>()?, own))
        })
    }
}

/// The documents of one query as a dictionary: another mapping is copied into one.
fn inner<'py>(
    query: &Bound<'py, PyAny>,
    given: &Bound<'py, PyAny>,
    what: &str,
    values: &str,
) -> PyResult<Bound<'py, PyDict>> {
    if let Ok(dictionary) = given.cast::<PyDict>() {
        return Ok(dictionary.clone());
    }
    let (query, kind) = (query.repr()?, given.get_type().name()?);
    let mapping = given.cast::<PyMapping>();
    mapping.map_err(|_| invalid(format!("{what} of query {query} must map documents to {values}, got {kind}")))?;
    Ok(given.py().get_type::<PyDict>().call1((given,))?.cast_into()?)
}

/// A document's id, which must be text.
fn name<'py>(query: &Bound<'py, PyAny>, document: Bound<'py, PyAny>) -> PyResult<Document<'py>> {
    document.cast_into().or_else(|error| {
        let document = error.into_inner();
        let (shown, query, kind) = (document.repr()?, query.repr()?, document.get_type().name()?);
        Err(invalid(format!("document {shown} of query {query} is of type {kind}, expected str")))
    })
}

/// Bytes that compare as Python compares text: UTF-8, with lone surrogates as if they were characters.
fn bytes<'a>(document: &'a Document<'_>) -> PyResult<Cow<'a, [u8]>> {
    if let Ok(text) = document.to_str() {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let encoded = document.call_method1("encode", ("utf-8", "surrogatepass"))?;
    Ok(Cow::Owned(encoded.cast::<PyBytes>()?.as_bytes().to_vec()))
}

/// A score as Python's float, or as any other real number; `None` for what is none.
fn number(score: &Bound<'_, PyAny>) -> Option<f64> {
    static REAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Ok(float) = score.cast_exact::<PyFloat>() {
        return Some(float.value());
    }
    let real = REAL.import(score.py(), "numbers", "Real").ok()?;
    let is_number = score.is_exact_instance_of::<PyInt>() || score.is_instance(real).ok()?;
    is_number.then(|| score.extract().ok()).flatten()
}

/// A grade as Python's integer or another integral type's; `None` for what is none or needs more than 64 bits.
fn integer(grade: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    static INTEGRAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let is_integer = grade.is_exact_instance_of::<PyInt>()
        || grade.is_instance(INTEGRAL.import(grade.py(), "numbers", "Integral")?)?;
    Ok(if is_integer { grade.extract().ok() } else { None })
}
