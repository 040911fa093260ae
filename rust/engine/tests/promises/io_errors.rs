//! Every call to the disk fails once: a typed error, readers that stay right, and a writer that goes on or says why not.

use std::io::ErrorKind;
use std::sync::Arc;

use ragstone_engine::error::Error;
use ragstone_engine::index::Index;
use ragstone_engine::interrupt::Never;
use ragstone_engine::storage::Storage;
use ragstone_engine::storage::faulty::{Fault, Faulty, Operation};
use ragstone_engine::writer::Batch;

use crate::workload::{Step, View, advance, check, document, needed, options, reading, script, view};

/// The calls of a script, and what could be seen after each step.
fn rehearse(steps: &[Step]) -> (u64, Vec<View>) {
    let disk = Faulty::default();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut index = None;
    let mut views = Vec::new();
    for step in steps {
        advance(&storage, &mut index, step).unwrap();
        views.push(view(&index.as_ref().unwrap().snapshot()).unwrap());
    }
    (disk.operations(), views)
}

fn commit_of(name: &str) -> Batch {
    Batch { upserts: vec![document(name, 1)], ..Batch::default() }
}

/// What the history adds to a view is when; that differs from run to run.
fn assert_same(seen: &View, expected: &View, what: &str) {
    assert_eq!((&seen.documents, &seen.hits), (&expected.documents, &expected.hits), "{what}");
}

fn run_with(steps: &[Step], views: &[View], at: u64, fault: Fault) {
    let what = format!("{fault:?} in call {at}");
    let disk = Faulty::default();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    disk.fail_at(at, fault);
    let mut index = None;
    for (number, step) in steps.iter().enumerate() {
        let before = number.checked_sub(1).map(|before| &views[before]);
        let Err(error) = advance(&storage, &mut index, step) else { continue };
        let struck = disk.struck().unwrap_or_else(|| panic!("{what}: {error} without a fault"));
        let what = format!("{what}, {struck:?}, step {number}");
        let typed = matches!(error, Error::Io { .. } | Error::SyncFailed { .. });
        assert!(typed, "{what}: {error:?}");
        // A full disk is full for whoever wants to write; readers do not notice.
        if let Some(index) = &index {
            assert_same(&view(&index.snapshot()).unwrap(), before.unwrap(), &what);
        }
        disk.heal();
        // Another process sees the old state, or the new one where only its last sync failed.
        let published = struck == Operation::SyncDirectory;
        if let Some(before) = before {
            let reader = Index::open(Arc::clone(&storage), reading()).unwrap();
            let seen = view(&reader.snapshot()).unwrap();
            let same = |one: &View| (&one.documents, &one.hits) == (&seen.documents, &seen.hits);
            assert!(same(before) || published && same(&views[number]), "{what}: another state");
        }
        let Some(open) = &index else {
            advance(&storage, &mut index, step).unwrap_or_else(|error| panic!("{what}, opened again: {error}"));
            continue;
        };
        if matches!(struck, Operation::Sync | Operation::SyncDirectory | Operation::Rename) {
            let refused = open.commit(commit_of("never"), &Never);
            assert!(matches!(refused, Err(Error::Poisoned)), "{what}: {refused:?}");
            assert!(matches!(open.merge(true, &Never), Err(Error::Poisoned)), "{what}");
            break;
        }
        let mut files = storage.list().unwrap();
        files.sort();
        assert_eq!(files, needed(&open.snapshot()), "{what}: files of the failed call stay");
        advance(&storage, &mut index, step).unwrap_or_else(|error| panic!("{what}, tried again: {error}"));
        assert_same(&view(&index.as_ref().unwrap().snapshot()).unwrap(), &views[number], &what);
    }
    disk.heal();
    drop(index);
    let open = Index::open(Arc::clone(&storage), options()).unwrap_or_else(|error| panic!("{what}, at last: {error}"));
    let last = view(&open.snapshot()).unwrap();
    assert!(views.iter().any(|one| (&one.documents, &one.hits) == (&last.documents, &last.hits)), "{what}");
    drop(open);
    for seed in [0, 1, 2] {
        let after: Arc<dyn Storage> = Arc::new(disk.moments().last().unwrap().power_cut(seed));
        check(&after, &[&last]).unwrap_or_else(|error| panic!("{what}, power cut {seed}: {error}"));
    }
}

#[test]
fn every_call_may_fail() {
    // Catches an error that is swallowed or has the wrong type, a writer that goes on after a failed sync or stops
    // after a full disk, files that a failed commit leaves, and a reader that notices any of it.
    let steps: Vec<Step> = script().into_iter().take(12).collect();
    let (calls, views) = rehearse(&steps);
    assert!(calls > 100, "the script makes only {calls} calls");
    let faults = [Fault::Error(ErrorKind::Other), Fault::ShortWrite, Fault::Full];
    for at in 0..calls {
        for fault in faults {
            run_with(&steps, &views, at, fault);
        }
    }
    println!("{} failures", calls * faults.len() as u64);
}

#[test]
fn a_full_disk_stops_writing_and_nothing_else() {
    // Catches a writer that has to be opened again, or readers that fail, after the disk was full for a while.
    let disk = Faulty::default();
    let index = Index::open(Arc::new(disk.clone()), options()).unwrap();
    index.commit(commit_of("ant"), &Never).unwrap();
    let before = view(&index.snapshot()).unwrap();
    disk.fail_at(0, Fault::Full);
    for _ in 0..3 {
        let refused = index.commit(commit_of("bee"), &Never);
        assert!(matches!(&refused, Err(Error::Io { source, .. }) if source.kind() == ErrorKind::StorageFull));
        assert_eq!(view(&index.snapshot()).unwrap(), before);
        let reader = Index::open(Arc::new(disk.clone()), reading()).unwrap();
        assert_eq!(view(&reader.snapshot()).unwrap(), before);
    }
    disk.heal();
    index.commit(commit_of("bee"), &Never).unwrap();
    assert_eq!(index.snapshot().documents().count(), 2);
}
