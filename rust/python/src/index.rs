//! `_core.Index`: an index directory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use ragstone_engine::chunks::{ChunkInput, DocumentInput, MetadataMap};
use ragstone_engine::filter::{self, Filter};
use ragstone_engine::fusion::Rule;
use ragstone_engine::ids::hexadecimal;
use ragstone_engine::index::{CreateOptions, Index as Engine, Options};
use ragstone_engine::interrupt::Interrupt;
use ragstone_engine::lexical::query::{self, Node};
use ragstone_engine::searcher::{Evidence, Found, Highlights, Mode, Outcome, Query, Stages, TermPart, Words};
use ragstone_engine::snapshot::Snapshot;
use ragstone_engine::storage::disk::Disk;
use ragstone_engine::storage::frame::Verify;
use ragstone_engine::storage::manifest::EmbedderEntry;
use ragstone_engine::superseded::{self, Superseded};
use ragstone_engine::writer::Batch;

use crate::characters::Characters;
use crate::error::{invalid, raise};
use crate::interrupt::detached;

type ChunkTuple = (u64, u64, Vec<String>, String, Option<u32>);
type DocumentTuple = (String, String, String, String, String, Option<Vec<String>>, String, Vec<ChunkTuple>);
type HitTuple = (
    (String, String, String, String),
    String,
    f32,
    String,
    Vec<String>,
    Option<u32>,
    (u64, u64),
    Vec<(u64, u64)>,
    (f64, f64, f32, Option<f32>, Option<u32>, Option<u32>),
    Vec<(String, Option<String>, f64, f64)>,
);

/// Hits and warnings.
type Answer = (Vec<HitTuple>, Vec<String>);

/// Seconds to filter, to search by BM25 and by cosine, to fuse, and to look up the texts of hits.
type StageTuple = (f64, f64, f64, f64, f64);

/// Hits, evidence, generation, warnings and stages.
type Single<'py> = (Vec<HitTuple>, Bound<'py, PyDict>, u64, Vec<String>, StageTuple);

/// Start, end, text, kind, document id, generation, time.
type SupersededTuple = (usize, usize, String, &'static str, String, u64, u64);

/// Passages that are asked what they say about a sentence.
const PASSAGES: usize = 5;

/// An open index directory.
#[pyclass(frozen, module = "ragstone._core")]
pub(crate) struct Index {
    engine: Engine,
    threads: usize,
}

fn document(tuple: DocumentTuple) -> PyResult<DocumentInput> {
    let (document_id, title, source, text, metadata, acl, digest, chunks) = tuple;
    let metadata: MetadataMap = serde_json::from_str(&metadata)
        .map_err(|error| invalid(format!("metadata of document {document_id:?} is not a JSON object: {error}")))?;
    let chunks = chunks
        .into_iter()
        .map(|(start, end, headings, context, page)| ChunkInput { start, end, headings, context, page })
        .collect();
    let content_sha256 = parse_digest(&digest, &document_id)?;
    Ok(DocumentInput { document_id, title, source, text, metadata, acl, content_sha256, chunks })
}

/// The passages that have most of a sentence's words, each with the title of its document.
fn passages(
    snapshot: &Snapshot,
    sentence: &str,
    watch: &dyn Interrupt,
) -> ragstone_engine::error::Result<Vec<(String, String)>> {
    let query = Query {
        words: Some(Words::Text(sentence)),
        vector: None,
        mode: Mode::Bm25,
        exact: false,
        threads: 1,
        top_k: PASSAGES,
        filter: None,
        without: &[],
        principals: &[],
        explain: false,
        evidence: false,
    };
    let found = snapshot.search(&query, watch)?.found;
    let passage = |hit: &Found| {
        let chunk = snapshot.chunk(hit);
        Ok((chunk.context()?.to_owned(), chunk.text()?.to_owned()))
    };
    found.iter().map(passage).collect()
}

fn parse_digest(digits: &str, document_id: &str) -> PyResult<Option<[u8; 32]>> {
    if digits.is_empty() {
        return Ok(None);
    }
    let wrong = || invalid(format!("content_sha256 of document {document_id:?} is not 64 hexadecimal digits"));
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(wrong());
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(Some(bytes))
}

/// Rows of a two-dimensional array, copied before the interpreter is left.
pub(crate) fn matrix(array: &PyReadonlyArray2<'_, f32>) -> PyResult<Vec<f32>> {
    array.as_slice().map(<[f32]>::to_vec).map_err(|_| {
        let shape = array.shape();
        invalid(format!("array of shape {shape:?} is not contiguous: pass numpy.ascontiguousarray(array)"))
    })
}

fn hit(
    snapshot: &Snapshot,
    found: &Found,
    highlights: &Highlights,
    words: Option<&Vec<TermPart>>,
) -> ragstone_engine::error::Result<HitTuple> {
    let chunk = snapshot.chunk(found);
    let document = chunk.document();
    let text = chunk.text()?;
    let names = (
        chunk.chunk_id()?,
        document.document_id()?.to_owned(),
        document.title()?.to_owned(),
        document.source()?.to_owned(),
    );
    let parts = (
        found.parts.bm25,
        found.parts.dense,
        found.candidate.bm25,
        found.candidate.cosine,
        found.candidate.bm25_rank,
        found.candidate.dense_rank,
    );
    let words = words.into_iter().flatten();
    Ok((
        names,
        text.to_owned(),
        found.score,
        document.metadata_json()?.to_owned(),
        chunk.headings()?,
        chunk.page(),
        chunk.span(),
        snapshot.highlights(text, highlights),
        parts,
        words.map(|part| (part.name.clone(), part.term.clone(), part.count, part.bm25)).collect(),
    ))
}

fn hits(snapshot: &Snapshot, outcome: &Outcome) -> ragstone_engine::error::Result<Vec<HitTuple>> {
    let words = |number: usize| outcome.explanations.get(number);
    let hits = outcome.found.iter().enumerate();
    hits.map(|(number, found)| hit(snapshot, found, &outcome.highlights, words(number))).collect()
}

fn evidence<'py>(py: Python<'py>, evidence: &Evidence) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("terms", evidence.terms)?;
    dict.set_item("terms_known", evidence.terms_known)?;
    dict.set_item("idf_sum", evidence.idf_sum)?;
    dict.set_item("bm25", &evidence.bm25)?;
    dict.set_item("bm25_spread", evidence.bm25_spread)?;
    dict.set_item("cosine", &evidence.cosine)?;
    dict.set_item("cosine_mean", evidence.cosine_mean)?;
    dict.set_item("cosine_spread", evidence.cosine_spread)?;
    dict.set_item("agree", evidence.agree)?;
    dict.set_item("shared", evidence.shared)?;
    dict.set_item("hit_bm25", &evidence.reading.bm25)?;
    dict.set_item("hit_cosine", &evidence.reading.cosine)?;
    dict.set_item("covered", &evidence.reading.covered)?;
    dict.set_item("covered_sentence", evidence.reading.covered_sentence)?;
    dict.set_item("names", evidence.reading.names)?;
    dict.set_item("names_covered", evidence.reading.names_covered)?;
    Ok(dict)
}

/// What all searches are told, as a dict.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Arguments {
    mode: String,
    fusion: String,
    weight: f64,
    exact: bool,
    top_k: usize,
    filter: Option<String>,
    principals: Vec<String>,
    timeout_s: Option<f64>,
    explain: bool,
    evidence: bool,
    without: Vec<String>,
}

impl Arguments {
    fn mode(&self) -> PyResult<Mode> {
        let rule = match self.fusion.as_str() {
            "self_scaling" => Rule::SelfScaling { weight: self.weight },
            "convex" => Rule::Convex { weight: self.weight },
            "rrf" => Rule::ReciprocalRank,
            other => return Err(invalid(format!("fusion is {other:?}: use \"self_scaling\", \"convex\" or \"rrf\""))),
        };
        match self.mode.as_str() {
            "hybrid" => Ok(Mode::Hybrid(rule)),
            "dense" => Ok(Mode::Dense),
            "bm25" => Ok(Mode::Bm25),
            other => Err(invalid(format!("mode is {other:?}: use \"hybrid\", \"dense\" or \"bm25\""))),
        }
    }

    fn filter(&self) -> PyResult<Option<Filter>> {
        self.filter.as_deref().map(filter::parse).transpose().map_err(raise)
    }
}

/// A text, or the JSON form of a structured query and `true`.
type Asked = (String, bool);

/// The words of a query, structured ones read.
enum Ask {
    Text(String),
    Structured(Node),
}

impl Ask {
    fn new((text, structured): Asked) -> PyResult<Self> {
        if structured { query::parse(&text).map(Self::Structured).map_err(raise) } else { Ok(Self::Text(text)) }
    }

    fn words(&self) -> Words<'_> {
        match self {
            Self::Text(text) => Words::Text(text),
            Self::Structured(node) => Words::Structured(node),
        }
    }
}

/// Many queries with the same arguments.
struct Queries {
    asked: Vec<Ask>,
    vectors: Option<Vec<f32>>,
    dimension: usize,
    mode: Mode,
    filter: Option<Filter>,
    arguments: Arguments,
}

impl Queries {
    fn new(asked: Vec<Asked>, vectors: Option<PyReadonlyArray2<'_, f32>>, arguments: Arguments) -> PyResult<Self> {
        let rows = vectors.as_ref().map_or(asked.len(), |array| array.shape()[0]);
        if rows != asked.len() {
            return Err(invalid(format!("{rows} vectors were given for {} queries", asked.len())));
        }
        let asked = asked.into_iter().map(Ask::new).collect::<PyResult<_>>()?;
        let dimension = vectors.as_ref().map_or(0, |array| array.shape()[1]);
        let vectors = vectors.as_ref().map(matrix).transpose()?;
        Ok(Self { asked, vectors, dimension, mode: arguments.mode()?, filter: arguments.filter()?, arguments })
    }

    fn queries(&self) -> Vec<Query<'_>> {
        let vector =
            |row: usize| self.vectors.as_ref().map(|values| &values[row * self.dimension..(row + 1) * self.dimension]);
        let query = |(row, words)| Query {
            words: Some(words),
            vector: vector(row),
            mode: self.mode,
            exact: self.arguments.exact,
            threads: 1,
            top_k: self.arguments.top_k,
            filter: self.filter.as_ref(),
            principals: &self.arguments.principals,
            explain: self.arguments.explain,
            evidence: false,
            without: &self.arguments.without,
        };
        self.asked.iter().map(Ask::words).enumerate().map(query).collect()
    }
}

#[pymethods]
impl Index {
    /// Opens the index in a directory, creating it unless `read_only`.
    #[new]
    #[pyo3(signature = (path, *, read_only, mmap, verify, threads, background_merges, language, k1, b, embedder))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        read_only: bool,
        mmap: bool,
        verify: &str,
        threads: usize,
        background_merges: bool,
        language: String,
        k1: f64,
        b: f64,
        embedder: Option<(String, String, u32)>,
    ) -> PyResult<Self> {
        let verify = match verify {
            "auto" => Verify::Auto,
            "full" => Verify::Full,
            "structure" => Verify::Structure,
            other => return Err(invalid(format!("verify is {other:?}: use \"auto\", \"full\" or \"structure\""))),
        };
        let embedder = embedder.map(|(name, fingerprint, dimension)| EmbedderEntry { name, fingerprint, dimension });
        let create = CreateOptions { language, k1, b, embedder };
        let options = Options { read_only, verify, threads: threads.max(1), background_merges, create };
        let engine = detached(py, None, |_| Engine::open_directory(&path, mmap, options))?;
        Ok(Self { engine, threads: threads.max(1) })
    }

    /// Number of the commit that is being read.
    #[getter]
    fn generation(&self) -> u64 {
        self.engine.snapshot().manifest.generation
    }

    /// Whether the index was opened only to read.
    #[getter]
    fn read_only(&self) -> bool {
        self.engine.read_only()
    }

    /// (name, fingerprint, dimension) of the embedder, where one is known.
    #[getter]
    fn embedder(&self) -> Option<(String, String, u32)> {
        let snapshot = self.engine.snapshot();
        let embedder = snapshot.manifest.settings.embedder.clone();
        embedder.map(|embedder| (embedder.name, embedder.fingerprint, embedder.dimension))
    }

    /// Records the embedder of an index that has none yet.
    fn set_embedder(&self, py: Python<'_>, name: String, fingerprint: String, dimension: u32) -> PyResult<()> {
        detached(py, None, |_| self.engine.set_embedder(EmbedderEntry { name, fingerprint, dimension }))
    }

    /// Commits documents and deletes; (generation, added, replaced, deleted, chunks).
    #[pyo3(signature = (documents, deletes, vectors=None, changed_ms=None))]
    fn commit(
        &self,
        py: Python<'_>,
        documents: Vec<DocumentTuple>,
        deletes: Vec<String>,
        vectors: Option<PyReadonlyArray2<'_, f32>>,
        changed_ms: Option<u64>,
    ) -> PyResult<(u64, usize, usize, usize, usize)> {
        let upserts = documents.into_iter().map(document).collect::<PyResult<_>>()?;
        let vectors = vectors.as_ref().map(matrix).transpose()?;
        let batch = Batch { upserts, deletes, vectors, changed_ms };
        let report = detached(py, None, |watch| self.engine.commit(batch, watch))?;
        Ok((report.generation, report.added, report.replaced, report.deleted, report.chunks))
    }

    /// Answers one query: (hits, evidence, generation, warnings, stages).
    fn search<'py>(
        &self,
        py: Python<'py>,
        asked: Option<Asked>,
        vector: Option<Bound<'py, PyArray1<f32>>>,
        arguments: Arguments,
    ) -> PyResult<Single<'py>> {
        let asked = asked.map(Ask::new).transpose()?;
        let (mode, filter) = (arguments.mode()?, arguments.filter()?);
        let vector: Option<Vec<f32>> = vector.map(|vector| vector.to_vec()).transpose()?;
        let snapshot = self.engine.snapshot();
        let (hits, outcome, looked_up) = detached(py, arguments.timeout_s, |watch| {
            let query = Query {
                words: asked.as_ref().map(Ask::words),
                vector: vector.as_deref(),
                mode,
                exact: arguments.exact,
                threads: self.threads,
                top_k: arguments.top_k,
                filter: filter.as_ref(),
                principals: &arguments.principals,
                explain: arguments.explain,
                evidence: arguments.evidence,
                without: &arguments.without,
            };
            let outcome = snapshot.search(&query, watch)?;
            let found = Instant::now();
            Ok((hits(&snapshot, &outcome)?, outcome, found.elapsed().as_secs_f64()))
        })?;
        let Stages { filter, lexical, dense, fuse } = outcome.stages;
        let stages = (filter, lexical, dense, fuse, looked_up);
        Ok((hits, evidence(py, &outcome.evidence)?, snapshot.manifest.generation, outcome.warnings, stages))
    }

    /// Answers many queries on several threads: (list of (hits, warnings), generation).
    fn search_batch(
        &self,
        py: Python<'_>,
        asked: Vec<Asked>,
        vectors: Option<PyReadonlyArray2<'_, f32>>,
        arguments: Arguments,
    ) -> PyResult<(Vec<Answer>, u64)> {
        let batch = Queries::new(asked, vectors, arguments)?;
        let snapshot: Arc<Snapshot> = self.engine.snapshot();
        let answers = detached(py, batch.arguments.timeout_s, |watch| {
            let outcomes = snapshot.search_batch(&batch.queries(), self.threads, watch)?;
            let answer = |outcome: Outcome| Ok((hits(&snapshot, &outcome)?, outcome.warnings));
            outcomes.into_iter().map(answer).collect::<Result<Vec<Answer>, _>>()
        })?;
        Ok((answers, snapshot.manifest.generation))
    }

    /// For each of many queries the documents of its best chunks, each once, as (id, score), best first.
    fn rank_documents(
        &self,
        py: Python<'_>,
        asked: Vec<Asked>,
        vectors: Option<PyReadonlyArray2<'_, f32>>,
        arguments: Arguments,
    ) -> PyResult<Vec<Vec<(String, f32)>>> {
        let batch = Queries::new(asked, vectors, arguments)?;
        let snapshot: Arc<Snapshot> = self.engine.snapshot();
        detached(py, batch.arguments.timeout_s, |watch| {
            let outcomes = snapshot.search_batch(&batch.queries(), self.threads, watch)?;
            outcomes.iter().map(|outcome| snapshot.documents_of(outcome)).collect()
        })
    }

    /// The next rows that wait for vectors: the segment, its first such row, and (context, text) or None of each.
    #[allow(clippy::type_complexity, reason = "the tuple is what Python takes apart; a name would hide it")]
    fn pending(&self, py: Python<'_>, rows_max: u32) -> PyResult<Option<(String, u32, Vec<Option<(String, String)>>)>> {
        let pending = detached(py, None, |_| self.engine.pending(rows_max))?;
        Ok(pending.map(|pending| (pending.segment, pending.first_row, pending.texts)))
    }

    /// Attaches vectors to those of `row_count` rows from `first_row` on that `present` marks.
    fn attach(
        &self,
        py: Python<'_>,
        segment: &str,
        first_row: u32,
        present: Vec<bool>,
        vectors: PyReadonlyArray2<'_, f32>,
    ) -> PyResult<()> {
        let (rows, dimension) = (vectors.shape()[0], vectors.shape()[1]);
        let wanted = present.iter().filter(|&&present| present).count();
        if rows != wanted {
            return Err(invalid(format!("{rows} vectors were given for {wanted} rows")));
        }
        let values = matrix(&vectors)?;
        detached(py, None, |_| {
            let mut vectors = values.chunks_exact(dimension.max(1));
            let rows: Vec<Option<&[f32]>> =
                present.iter().map(|&present| if present { vectors.next() } else { None }).collect();
            self.engine.attach(segment, first_row, &rows)
        })
    }

    /// Id, source and digest of the source's bytes of all live documents.
    fn documents(&self, py: Python<'_>) -> PyResult<Vec<(String, String, String)>> {
        let snapshot = self.engine.snapshot();
        detached(py, None, |_| {
            snapshot
                .documents()
                .map(|document| {
                    let digest = document.content_sha256().map_or_else(String::new, |digest| hexadecimal(&digest));
                    Ok((document.document_id()?.to_owned(), document.source()?.to_owned(), digest))
                })
                .collect()
        })
    }

    /// Ids of the live documents that pass a filter.
    fn matching(&self, py: Python<'_>, filter: &str) -> PyResult<Vec<String>> {
        let filter = filter::parse(filter).map_err(raise)?;
        let snapshot = self.engine.snapshot();
        detached(py, None, |_| snapshot.matching(&filter))
    }

    /// One live document as it was committed.
    fn document(&self, py: Python<'_>, document_id: &str) -> PyResult<Option<DocumentTuple>> {
        let snapshot = self.engine.snapshot();
        detached(py, None, |_| {
            let Some(found) = snapshot.document(document_id)? else { return Ok(None) };
            let metadata = found.metadata_json()?.to_owned();
            let input = found.to_input()?;
            let digest = input.content_sha256.map_or_else(String::new, |digest| hexadecimal(&digest));
            let chunks = input
                .chunks
                .into_iter()
                .map(|chunk| (chunk.start, chunk.end, chunk.headings, chunk.context, chunk.page))
                .collect();
            let DocumentInput { document_id, title, source, text, acl, .. } = input;
            Ok(Some((document_id, title, source, text, metadata, acl, digest, chunks)))
        })
    }

    /// Changes of one document or of all, oldest first, as JSON.
    fn history(&self, py: Python<'_>, document_id: Option<&str>) -> PyResult<String> {
        let snapshot = self.engine.snapshot();
        let changes = detached(py, None, |_| snapshot.history(document_id))?;
        Ok(serde_json::to_string(&changes).expect("changes always become JSON"))
    }

    /// For each text the spans that state what a later version of its document no longer states, in characters.
    fn superseded(&self, py: Python<'_>, texts: Vec<String>) -> PyResult<Vec<Vec<SupersededTuple>>> {
        let snapshot = self.engine.snapshot();
        detached(py, None, |watch| {
            let elsewhere = |sentence: &str| passages(&snapshot, sentence, watch);
            let found = superseded::find(&snapshot, &texts, &elsewhere, watch)?;
            let spans = texts.iter().zip(found).map(|(text, found)| {
                let mut characters = Characters::new(text);
                let tuple = |one: Superseded| {
                    let span = (characters.at(one.start), characters.at(one.end));
                    let Superseded { start, end, kind, document_id, generation, time_ms } = one;
                    (span.0, span.1, text[start..end].to_owned(), kind.name(), document_id, generation, time_ms)
                };
                found.into_iter().map(tuple).collect()
            });
            Ok(spans.collect())
        })
    }

    /// Numbers that describe the index, as JSON.
    fn statistics(&self, py: Python<'_>) -> PyResult<String> {
        let snapshot = self.engine.snapshot();
        let statistics = detached(py, None, |_| Ok(snapshot.statistics()))?;
        Ok(serde_json::to_string(&statistics).expect("statistics always become JSON"))
    }

    /// Vectors of chunks drawn evenly from the whole index, by a draw that depends on the chunks alone: (n, dimension).
    fn sample<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let snapshot = self.engine.snapshot();
        let drawn = detached(py, None, |_| snapshot.sample().map(<[Vec<f32>]>::to_vec))?;
        let dimension = drawn.first().map_or(0, Vec::len);
        drawn.concat().to_pyarray(py).reshape([drawn.len(), dimension])
    }

    /// Checks every byte; the damage found, one line a file.
    fn verify(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let damage = detached(py, None, |watch| self.engine.verify(|_| Interrupt::check(watch)))?;
        Ok(damage.iter().map(ToString::to_string).collect())
    }

    /// Merges what is due, or everything into one segment; the number of merges.
    fn merge(&self, py: Python<'_>, everything: bool) -> PyResult<usize> {
        detached(py, None, |watch| self.engine.merge(everything, watch))
    }

    /// Moves a reader on to the newest commit; whether there was one.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        detached(py, None, |_| self.engine.refresh())
    }

    /// Copies the current state into an empty or new directory; the generation copied.
    fn copy_to(&self, py: Python<'_>, path: PathBuf) -> PyResult<u64> {
        detached(py, None, |watch| {
            let context = format!("create {}", path.display());
            let target = Disk::create(&path, false).map_err(ragstone_engine::error::Error::io(context))?;
            self.engine.copy_to(&target, |_| Interrupt::check(watch))
        })
    }

    /// Ends background work and releases the writer's lock.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.engine.close());
    }
}
