//! What the attacks run on: small documents made from their names, a script of steps, and all that can be seen of a state.

use std::collections::BTreeMap;
use std::sync::Arc;

use ragstone_engine::chunks::{ChunkInput, DocumentInput, DocumentView};
use ragstone_engine::error::{Error, Result};
use ragstone_engine::fusion::Rule;
use ragstone_engine::history::Change;
use ragstone_engine::index::{CreateOptions, Index, Options};
use ragstone_engine::interrupt::Never;
use ragstone_engine::searcher::{Mode, Query, Words};
use ragstone_engine::snapshot::Snapshot;
use ragstone_engine::storage::Storage;
use ragstone_engine::storage::frame::Verify;
use ragstone_engine::storage::manifest::EmbedderEntry;
use ragstone_engine::writer::Batch;

/// The least that has codes.
pub(crate) const DIMENSION: usize = 16;
const WORDS: [&str; 12] =
    ["anchor", "basalt", "copper", "delta", "ember", "fjord", "granite", "harbour", "iris", "jetty", "kelp", "lagoon"];
/// Texts that are searched for, with vectors made from them.
pub(crate) const QUERIES: [&str; 2] = ["copper granite", "lagoon iris delta kelp"];

/// Numbers that depend on a name and nothing else.
pub(crate) fn numbers(name: &str) -> impl Iterator<Item = u64> + use<> {
    let mut state = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    })
}

/// How many times over the attacks are run: 1, or what `RAGSTONE_FAULTS` says.
pub(crate) fn times() -> u64 {
    std::env::var("RAGSTONE_FAULTS").map_or(1, |times| times.parse().expect("RAGSTONE_FAULTS is a number"))
}

/// A document of one to three chunks; another version has another text.
pub(crate) fn document(document_id: &str, version: u32) -> DocumentInput {
    let mut numbers = numbers(&format!("{document_id} {version}"));
    let mut next = |limit: usize| (numbers.next().unwrap() % limit as u64) as usize;
    let mut text = String::new();
    let mut chunks = Vec::new();
    for _ in 0..=next(3) {
        let start = text.chars().count() as u64;
        for _ in 0..3 + next(6) {
            text.push_str(WORDS[next(WORDS.len())]);
            text.push(' ');
        }
        let end = text.chars().count() as u64;
        text.push('ä');
        chunks.push(ChunkInput { start, end, context: document_id.to_owned(), ..ChunkInput::default() });
    }
    let metadata = serde_json::json!({"version": version, "name": document_id, "tags": ["a", WORDS[next(3)]]});
    DocumentInput {
        document_id: document_id.to_owned(),
        title: format!("The {document_id}"),
        text,
        metadata: metadata.as_object().unwrap().clone(),
        acl: (next(5) == 0).then(|| vec!["staff".to_owned()]),
        chunks,
        ..DocumentInput::default()
    }
}

/// A vector that depends on a text alone.
pub(crate) fn vector(text: &str) -> Vec<f32> {
    numbers(text).take(DIMENSION).map(|number| (number % 2001) as f32 / 1000.0 - 1.0 + 0.0003).collect()
}

/// Vectors of all chunks of some documents.
pub(crate) fn vectors(documents: &[DocumentInput]) -> Vec<f32> {
    let of = |document: &DocumentInput| {
        let text: Vec<char> = document.text.chars().collect();
        let chunk = |chunk: &ChunkInput| text[chunk.start as usize..chunk.end as usize].iter().collect::<String>();
        document.chunks.iter().flat_map(|one| vector(&chunk(one))).collect::<Vec<_>>()
    };
    documents.iter().flat_map(of).collect()
}

pub(crate) fn embedder() -> EmbedderEntry {
    EmbedderEntry { name: "test".to_owned(), fingerprint: "test-1".to_owned(), dimension: DIMENSION as u32 }
}

pub(crate) fn options() -> Options {
    Options { verify: Verify::Full, threads: 1, background_merges: false, ..Options::default() }
}

pub(crate) fn reading() -> Options {
    Options { read_only: true, ..options() }
}

pub(crate) fn embedding() -> Options {
    Options { create: CreateOptions { embedder: Some(embedder()), ..CreateOptions::default() }, ..options() }
}

/// One acknowledged call.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Open,
    Commit { upserts: Vec<(&'static str, u32)>, deletes: Vec<&'static str>, embedded: bool },
    SetEmbedder,
    Attach(u32),
    Merge,
}

/// A script that touches every kind of file and every kind of change.
pub(crate) fn script() -> Vec<Step> {
    let commit = |upserts: &[(&'static str, u32)], deletes: &[&'static str], embedded| Step::Commit {
        upserts: upserts.to_vec(),
        deletes: deletes.to_vec(),
        embedded,
    };
    vec![
        Step::Open,
        commit(&[("ant", 1), ("bee", 1), ("cat", 1), ("dog", 1)], &[], false),
        Step::SetEmbedder,
        Step::Attach(2),
        Step::Attach(100),
        commit(&[("eel", 1), ("fox", 1), ("gnu", 1)], &[], true),
        commit(&[("ant", 2), ("dog", 2)], &["fox", "nobody"], true),
        commit(&[], &["bee", "eel"], false),
        commit(&[("hen", 1), ("cat", 2)], &[], false),
        Step::Merge,
        Step::Attach(100),
        Step::Merge,
        Step::Open,
        commit(&[("ibis", 1), ("hen", 2), ("ant", 3)], &["gnu"], true),
        Step::Merge,
        commit(&[], &["ant", "cat", "dog", "hen"], false),
        Step::Merge,
    ]
}

/// Names for [`longer_script`].
const HERD: [&str; 6] = ["ibis", "jay", "koi", "lynx", "mole", "newt"];

/// The script with some more commits, chosen by chance but always the same for a seed.
pub(crate) fn longer_script(seed: u64) -> Vec<Step> {
    let mut numbers = numbers(&format!("longer {seed}"));
    let mut next = |limit: usize| (numbers.next().unwrap() % limit as u64) as usize;
    let mut steps = if seed == 0 { script() } else { vec![Step::Open, Step::SetEmbedder] };
    for version in 10..26 {
        let upserts: BTreeMap<&str, u32> = (0..next(4)).map(|_| (HERD[next(HERD.len())], version)).collect();
        let deletes = (0..next(3)).map(|_| HERD[next(HERD.len())]).collect();
        let embedded = next(2) == 0;
        steps.push(Step::Commit { upserts: upserts.into_iter().collect(), deletes, embedded });
        match next(7) {
            0 => steps.push(Step::Merge),
            1 => steps.push(Step::Attach(1 + next(4) as u32)),
            2 if seed > 0 => steps.push(Step::Open),
            _ => {}
        }
    }
    steps
}

pub(crate) fn act(index: &Index, step: &Step) -> Result<()> {
    match step {
        Step::Open => Ok(()),
        Step::Commit { upserts, deletes, embedded } => {
            let upserts: Vec<DocumentInput> = upserts.iter().map(|&(name, version)| document(name, version)).collect();
            let vectors = embedded.then(|| vectors(&upserts));
            let deletes = deletes.iter().map(ToString::to_string).collect();
            index.commit(Batch { upserts, deletes, vectors, changed_ms: None }, &Never).map(drop)
        }
        Step::SetEmbedder => index.set_embedder(embedder()),
        Step::Attach(rows_max) => {
            let Some(pending) = index.pending(*rows_max)? else { return Ok(()) };
            let vectors: Vec<Option<Vec<f32>>> =
                pending.texts.iter().map(|text| text.as_ref().map(|(_, text)| vector(text))).collect();
            let rows: Vec<Option<&[f32]>> = vectors.iter().map(Option::as_deref).collect();
            index.attach(&pending.segment, pending.first_row, &rows)
        }
        Step::Merge => index.merge(true, &Never).map(drop),
    }
}

/// Does a step on the index, which is opened again where the step says so.
pub(crate) fn advance(storage: &Arc<dyn Storage>, index: &mut Option<Index>, step: &Step) -> Result<()> {
    if matches!(step, Step::Open) || index.is_none() {
        // The lock goes first.
        drop(index.take());
        *index = Some(Index::open(Arc::clone(storage), options())?);
    }
    act(index.as_ref().expect("it was just opened"), step)
}

/// A document as it was read: text, metadata, access list, chunk spans and texts.
type Read = (String, String, Option<Vec<String>>, Vec<((u64, u64), String)>);

/// All that can be seen of a state.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) documents: BTreeMap<String, Read>,
    history: Vec<Change>,
    /// For each query and mode the chunks found and the bits of their scores.
    pub(crate) hits: Vec<Vec<(String, u32)>>,
}

pub(crate) fn documents(snapshot: &Snapshot) -> Result<BTreeMap<String, Read>> {
    let mut all = BTreeMap::new();
    for segment in &snapshot.segments {
        for number in (0..segment.segment.chunks.documents()).filter(|&one| !segment.tombstones.documents.contains(one))
        {
            let document: DocumentView<'_> = segment.segment.chunks.document(number);
            let (first, end) = document.rows();
            let chunks = (first..end)
                .map(|row| segment.chunk(row))
                .map(|chunk| Ok((chunk.span(), chunk.text()?.to_owned())))
                .collect::<Result<_>>()?;
            let metadata = serde_json::to_string(&document.metadata()?).expect("JSON");
            let read = (document.text()?.to_owned(), metadata, document.acl()?, chunks);
            let document_id = document.document_id()?;
            if all.insert(document_id.to_owned(), read).is_some() {
                return Err(Error::corrupt(segment.segment.frame.name(), 0, format!("{document_id:?} is there twice")));
            }
        }
    }
    Ok(all)
}

pub(crate) fn hits(snapshot: &Snapshot, mode: Mode, text: &str) -> Result<Vec<(String, u32)>> {
    let vector = vector(text);
    let principals = ["staff".to_owned()];
    let query = Query {
        words: Some(Words::Text(text)),
        vector: Some(&vector),
        mode,
        exact: false,
        threads: 1,
        top_k: 20,
        filter: None,
        principals: &principals,
        explain: false,
        evidence: false,
        without: &[],
    };
    let outcome = snapshot.search_to_end(&query)?;
    outcome.found.iter().map(|hit| Ok((snapshot.chunk(hit).chunk_id()?, hit.score.to_bits()))).collect()
}

pub(crate) const MODES: [Mode; 3] = [Mode::Bm25, Mode::Dense, Mode::Hybrid(Rule::SelfScaling { weight: 2.0 })];

pub(crate) fn view(snapshot: &Snapshot) -> Result<View> {
    let queries = QUERIES.iter().flat_map(|text| MODES.map(|mode| (mode, text)));
    Ok(View {
        documents: documents(snapshot)?,
        history: snapshot.history(None)?,
        hits: queries.map(|(mode, text)| hits(snapshot, mode, text)).collect::<Result<_>>()?,
    })
}

/// The file names that a state needs, and no others.
pub(crate) fn needed(snapshot: &Snapshot) -> Vec<String> {
    let mut names: Vec<String> = snapshot.manifest.files().collect();
    names.sort();
    names
}

/// Opens an index for writing and checks all of it: it is one of the states, undamaged, and takes another commit that
/// is there after the next opening.
pub(crate) fn check(storage: &Arc<dyn Storage>, states: &[&View]) -> Result<(), String> {
    let fault = |what: &'static str| move |error: Error| format!("{what}: {error}");
    let index = Index::open(Arc::clone(storage), options()).map_err(fault("open"))?;
    let snapshot = index.snapshot();
    let seen = view(&snapshot).map_err(fault("read"))?;
    if !states.contains(&&seen) {
        let names = |view: &View| view.documents.keys().cloned().collect::<Vec<_>>();
        let expected: Vec<_> = states.iter().map(|state| names(state)).collect();
        return Err(format!("documents {:?} where {expected:?} were committed", names(&seen)));
    }
    if let Some(damage) = snapshot.verify(|_| Ok(())).map_err(fault("verify"))?.first() {
        return Err(format!("verify: {damage}"));
    }
    let mut names = storage.list().map_err(|error| error.to_string())?;
    names.sort();
    if names != needed(&snapshot) {
        return Err(format!("files {names:?} where {:?} are needed", needed(&snapshot)));
    }
    let batch = Batch { upserts: vec![document("zebra", 1)], ..Batch::default() };
    index.commit(batch, &Never).map_err(fault("commit"))?;
    drop(index);
    let again = Index::open(Arc::clone(storage), reading()).map_err(fault("open again"))?;
    let documents = documents(&again.snapshot()).map_err(fault("read again"))?;
    if documents.len() == seen.documents.len() + 1 && documents.contains_key("zebra") {
        Ok(())
    } else {
        Err(format!("documents {:?} after one more commit", documents.keys()))
    }
}
