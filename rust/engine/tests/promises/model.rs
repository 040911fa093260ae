//! Random sequences of calls against a map: documents, and scores to the bit, are those of an index built at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use ragstone_engine::chunks::DocumentInput;
use ragstone_engine::fusion::Rule;
use ragstone_engine::index::Index;
use ragstone_engine::interrupt::Never;
use ragstone_engine::searcher::Mode;
use ragstone_engine::storage::memory::Memory;
use ragstone_engine::writer::Batch;

use crate::workload::{document, documents, embedding, hits, vector, vectors};

const NAMES: [&str; 8] = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"];
const QUERIES: [&str; 3] = ["copper granite kelp", "lagoon", "anchor basalt copper delta ember fjord nothing"];
const MODES: [Mode; 5] = [
    Mode::Bm25,
    Mode::Dense,
    Mode::Hybrid(Rule::SelfScaling { weight: 2.0 }),
    Mode::Hybrid(Rule::Convex { weight: 0.5 }),
    Mode::Hybrid(Rule::ReciprocalRank),
];

#[derive(Clone, Debug)]
enum Call {
    Commit { puts: BTreeMap<usize, u32>, deletes: Vec<usize>, embedded: bool },
    Attach(u32),
    Merge,
    Reopen,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let puts = prop::collection::btree_map(0..NAMES.len(), 0u32..50, 0..4);
    let deletes = prop::collection::vec(0..NAMES.len(), 0..3);
    let commit = (puts, deletes, any::<bool>());
    let call = prop_oneof![
        5 => commit.prop_map(|(puts, deletes, embedded)| Call::Commit { puts, deletes, embedded }),
        2 => (1u32..9).prop_map(Call::Attach),
        2 => Just(Call::Merge),
        1 => Just(Call::Reopen),
    ];
    prop::collection::vec(call, 1..14)
}

/// What should be there: for each document its version and how many of its chunks, from the first, have vectors.
type Model = BTreeMap<String, (u32, usize)>;

fn apply(index: &mut Option<Index>, storage: &Memory, model: &mut Model, call: &Call) {
    let open = index.as_ref().unwrap();
    match call {
        Call::Commit { puts, deletes, embedded } => {
            let upserts: Vec<DocumentInput> =
                puts.iter().map(|(&name, &version)| document(NAMES[name], version)).collect();
            for &name in deletes {
                model.remove(NAMES[name]);
            }
            for (document, &version) in upserts.iter().zip(puts.values()) {
                let chunks = if *embedded { document.chunks.len() } else { 0 };
                model.insert(document.document_id.clone(), (version, chunks));
            }
            let vectors = embedded.then(|| vectors(&upserts));
            let deletes = deletes.iter().map(|&name| NAMES[name].to_owned()).collect();
            open.commit(Batch { upserts, deletes, vectors, changed_ms: None }, &Never).unwrap();
        }
        Call::Attach(rows_max) => {
            let Some(pending) = open.pending(*rows_max).unwrap() else { return };
            let mut rows = Vec::new();
            for text in &pending.texts {
                // The context of a chunk is the name of its document.
                if let Some((name, _)) = text {
                    model.get_mut(name).unwrap().1 += 1;
                }
                rows.push(text.as_ref().map(|(_, text)| vector(text)));
            }
            let rows: Vec<Option<&[f32]>> = rows.iter().map(Option::as_deref).collect();
            open.attach(&pending.segment, pending.first_row, &rows).unwrap();
        }
        Call::Merge => drop(open.merge(true, &Never).unwrap()),
        Call::Reopen => {
            drop(index.take());
            *index = Some(Index::open(Arc::new(storage.clone()), embedding()).unwrap());
        }
    }
}

/// The same documents in one commit, the same chunks embedded.
fn rebuilt(model: &Model) -> Index {
    let index = Index::open(Arc::new(Memory::default()), embedding()).unwrap();
    let upserts: Vec<DocumentInput> = model.iter().map(|(name, &(version, _))| document(name, version)).collect();
    index.commit(Batch { upserts, ..Batch::default() }, &Never).unwrap();
    let Some(pending) = index.pending(u32::MAX).unwrap() else { return index };
    let mut left: BTreeMap<&String, usize> = model.iter().map(|(name, &(_, embedded))| (name, embedded)).collect();
    let rows: Vec<Option<Vec<f32>>> = pending
        .texts
        .iter()
        .map(|text| {
            let (name, text) = text.as_ref()?;
            let left = left.get_mut(name)?;
            *left = left.checked_sub(1)?;
            Some(vector(text))
        })
        .collect();
    let rows: Vec<Option<&[f32]>> = rows.iter().map(Option::as_deref).collect();
    index.attach(&pending.segment, pending.first_row, &rows).unwrap();
    index
}

fn compare(index: &Index, model: &Model) {
    let (snapshot, fresh) = (index.snapshot(), rebuilt(model).snapshot());
    assert_eq!(documents(&snapshot).unwrap(), documents(&fresh).unwrap());
    assert_eq!(documents(&snapshot).unwrap().keys().collect::<Vec<_>>(), model.keys().collect::<Vec<_>>());
    let (seen, expected) = (snapshot.statistics(), fresh.statistics());
    assert_eq!((seen.chunks, seen.tokens), (expected.chunks, expected.tokens));
    assert_eq!(seen.chunks_embedded, expected.chunks_embedded);
    for query in QUERIES {
        for mode in MODES {
            let seen = hits(&snapshot, mode, query).unwrap();
            assert_eq!(seen, hits(&fresh, mode, query).unwrap(), "{mode:?} {query:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // Catches any dependence of documents, statistics, samples or scores on how the documents came in: on the order
    // of commits, on deletes that are corrected for, on attached vectors, on merges and on reopening.
    #[test]
    fn an_index_is_what_was_put_into_it(calls in calls()) {
        let storage = Memory::default();
        let mut index = Some(Index::open(Arc::new(storage.clone()), embedding()).unwrap());
        let mut model = Model::new();
        for call in &calls {
            apply(&mut index, &storage, &mut model, call);
            compare(index.as_ref().unwrap(), &model);
        }
        prop_assert!(index.unwrap().snapshot().verify(|_| Ok(())).unwrap().is_empty());
    }
}
