//! One writer, many readers, each on one state; and what a directory must be to count as an index.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ragstone_engine::chunks::DocumentInput;
use ragstone_engine::error::{Error, Result};
use ragstone_engine::index::{Index, Options};
use ragstone_engine::interrupt::{Interrupt, Never};
use ragstone_engine::storage::disk::Disk;
use ragstone_engine::storage::memory::Memory;
use ragstone_engine::storage::{Bytes, Lock, Storage, StorageFile};
use ragstone_engine::writer::Batch;

use crate::workload::{document, documents, embedding, options, reading, vectors, view};

fn batch(names: &[String], version: u32) -> Batch {
    let upserts: Vec<DocumentInput> = names.iter().map(|name| document(name, version)).collect();
    Batch { vectors: Some(vectors(&upserts)), upserts, ..Batch::default() }
}

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(ToString::to_string).collect()
}

fn on_disk(directory: &tempfile::TempDir, mapped: bool) -> Arc<dyn Storage> {
    Arc::new(Disk::create(directory.path(), mapped).unwrap())
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    // Catches a lock that is not taken, not released, or taken by readers.
    let directory = tempfile::tempdir().unwrap();
    for storage in [Arc::new(Memory::default()) as Arc<dyn Storage>, on_disk(&directory, true)] {
        let first = Index::open(Arc::clone(&storage), embedding()).unwrap();
        first.commit(batch(&names(&["ant"]), 1), &Never).unwrap();
        let second = Index::open(Arc::clone(&storage), options());
        assert!(matches!(second, Err(Error::Locked { pid: Some(pid) }) if pid == std::process::id()), "{second:?}");
        let reader = Index::open(Arc::clone(&storage), reading()).unwrap();
        assert!(reader.commit(batch(&names(&["bee"]), 1), &Never).is_err());
        assert_eq!(view(&reader.snapshot()).unwrap(), view(&first.snapshot()).unwrap());
        first.close();
        assert!(first.commit(batch(&names(&["bee"]), 1), &Never).is_err(), "a closed index took a commit");
        drop(first);
        Index::open(storage, options()).unwrap();
    }
}

#[test]
fn readers_keep_their_state_while_others_are_committed() {
    // Catches files that are removed, reused or changed under a reader, and a reader that sees half of a commit or
    // fails because a commit overtook it. Real files, mapped and not, with merges in the background.
    const COMMITS: u32 = 60;
    for mapped in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let storage = on_disk(&directory, mapped);
        let merging = Options { background_merges: true, ..embedding() };
        let writer = Index::open(Arc::clone(&storage), merging).unwrap();
        let all = names(&["ant", "bee", "cat", "dog"]);
        writer.commit(batch(&all, 0), &Never).unwrap();
        let done = AtomicBool::new(false);
        let (refreshes, opens) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // Every document of a state has the same version: each commit replaces all of them.
        let whole = |index: &Index| {
            let documents = documents(&index.snapshot()).unwrap();
            let versions: BTreeSet<String> = documents
                .values()
                .map(|read| serde_json::from_str::<serde_json::Value>(&read.1).unwrap()["version"].to_string())
                .collect();
            assert_eq!((documents.len(), versions.len()), (4, 1), "half a commit was seen: {versions:?}");
        };
        std::thread::scope(|scope| {
            let pinned = || {
                let index = Index::open(Arc::clone(&storage), reading()).unwrap();
                let snapshot = index.snapshot();
                let before = view(&snapshot).unwrap();
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(view(&snapshot).unwrap(), before, "a state changed under its reader");
                }
            };
            let refreshing = || {
                let index = Index::open(Arc::clone(&storage), reading()).unwrap();
                while !done.load(Ordering::Relaxed) {
                    refreshes.fetch_add(usize::from(index.refresh().unwrap()), Ordering::Relaxed);
                    whole(&index);
                }
            };
            let opening = || {
                while !done.load(Ordering::Relaxed) {
                    whole(&Index::open(Arc::clone(&storage), reading()).unwrap());
                    opens.fetch_add(1, Ordering::Relaxed);
                }
            };
            let readers = [scope.spawn(pinned), scope.spawn(refreshing), scope.spawn(opening)];
            let read = || refreshes.load(Ordering::Relaxed) > 0 && opens.load(Ordering::Relaxed) > 0;
            // On a busy machine readers may get their turn late.
            for version in (1..=50 * COMMITS).take_while(|&version| version <= COMMITS || !read()) {
                writer.commit(batch(&all, version), &Never).unwrap();
                if readers.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                    break;
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!(refreshes.into_inner() > 0 && opens.into_inner() > 0, "the readers did not run beside the writer");
    }
}

/// Commits a batch at the first look of a merge.
struct Meanwhile<'a> {
    index: &'a Index,
    batch: std::sync::Mutex<Option<Batch>>,
}

impl Interrupt for Meanwhile<'_> {
    fn check(&self) -> Result<()> {
        let batch = self.batch.lock().unwrap().take();
        batch.map_or(Ok(()), |batch| self.index.commit(batch, &Never).map(drop))
    }
}

#[test]
fn a_merge_keeps_documents_that_were_replaced_before_it_began() {
    // Catches a merge that carries over, with the deletes made meanwhile, those that were made before: the former
    // version of a document in one segment would take the present one in another with it.
    let index = Index::open(Arc::new(Memory::default()), embedding()).unwrap();
    index.commit(batch(&names(&["ant", "bee", "cat"]), 1), &Never).unwrap();
    index.commit(batch(&names(&["ant"]), 2), &Never).unwrap();
    let delete = Batch { deletes: names(&["bee"]), ..Batch::default() };
    index.merge(true, &Meanwhile { index: &index, batch: Some(delete).into() }).unwrap();
    let snapshot = index.snapshot();
    let found: Vec<String> = documents(&snapshot).unwrap().into_keys().collect();
    assert_eq!(found, ["ant", "cat"]);
}

#[test]
fn a_merge_takes_over_what_was_committed_meanwhile() {
    // Catches a merge that loses or resurrects a document changed while it ran, and files that it leaves.
    let changes: [(&[&str], &[&str]); 4] =
        [(&["ant"], &[]), (&[], &["ant", "bee"]), (&["dog", "cat"], &["ant"]), (&["dog"], &[])];
    for (upserts, deletes) in changes {
        let storage = Arc::new(Memory::default());
        let index = Index::open(storage.clone(), embedding()).unwrap();
        index.commit(batch(&names(&["ant", "bee"]), 1), &Never).unwrap();
        index.commit(batch(&names(&["cat"]), 1), &Never).unwrap();
        let mut meanwhile = batch(&names(upserts), 2);
        meanwhile.deletes = names(deletes);
        index.merge(true, &Meanwhile { index: &index, batch: Some(meanwhile.clone()).into() }).unwrap();

        let plain = Index::open(Arc::new(Memory::default()), embedding()).unwrap();
        plain.commit(batch(&names(&["ant", "bee", "cat"]), 1), &Never).unwrap();
        plain.commit(meanwhile, &Never).unwrap();
        let (seen, expected) = (view(&index.snapshot()).unwrap(), view(&plain.snapshot()).unwrap());
        assert_eq!((seen.documents, seen.hits), (expected.documents, expected.hits), "{upserts:?} {deletes:?}");
        let mut files = storage.list().unwrap();
        files.sort();
        assert_eq!(files, crate::workload::needed(&index.snapshot()));
    }
}

#[test]
fn an_interrupted_merge_leaves_nothing() {
    // Catches files of a merge that was stopped: they would stay until the index is opened again.
    struct After(AtomicUsize);
    impl Interrupt for After {
        fn check(&self) -> Result<()> {
            if self.0.fetch_sub(1, Ordering::Relaxed) == 0 { Err(Error::Interrupted) } else { Ok(()) }
        }
    }
    let storage = Arc::new(Memory::default());
    let index = Index::open(storage.clone(), embedding()).unwrap();
    for name in ["ant", "bee", "cat"] {
        index.commit(batch(&names(&[name]), 1), &Never).unwrap();
    }
    let before = view(&index.snapshot()).unwrap();
    let stopped = |looks: usize| {
        let outcome = index.merge(true, &After(looks.into()));
        let mut files = storage.list().unwrap();
        files.sort();
        assert_eq!(files, crate::workload::needed(&index.snapshot()), "after {looks} looks");
        assert_eq!(view(&index.snapshot()).unwrap(), before);
        matches!(outcome, Err(Error::Interrupted))
    };
    let looks = (0..1000).take_while(|&looks| stopped(looks)).count();
    assert!(looks > 2, "the merge was stopped in {looks} places only");
}

#[test]
fn remains_of_an_index_are_not_taken_for_an_empty_directory() {
    // Catches an index whose manifests are gone being replaced by a new, empty one, its segments swept away.
    let storage = Memory::default();
    let index = Index::open(Arc::new(storage.clone()), embedding()).unwrap();
    index.commit(batch(&names(&["ant"]), 1), &Never).unwrap();
    drop(index);
    let manifests: Vec<String> =
        storage.list().unwrap().into_iter().filter(|name| name.starts_with("manifest-")).collect();
    for name in manifests {
        storage.remove(&name).unwrap();
    }
    let before = storage.list().unwrap();
    for options in [options(), reading()] {
        let opened = Index::open(Arc::new(storage.clone()), options);
        assert!(matches!(opened, Err(Error::Corrupt { .. })), "{opened:?}");
    }
    assert_eq!(storage.list().unwrap(), before);
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    // Catches an index that is made among a user's own files, or that sweeps them away.
    let storage = Memory::default();
    storage.create("thesis.txt").unwrap().append(b"important").unwrap();
    assert!(matches!(Index::open(Arc::new(storage.clone()), options()), Err(Error::InvalidInput { .. })));
    storage.remove("thesis.txt").unwrap();
    drop(Index::open(Arc::new(storage.clone()), options()).unwrap());
    storage.create("thesis.txt").unwrap().append(b"important").unwrap();
    storage.create("seg-notes").unwrap().sync().unwrap();
    drop(Index::open(Arc::new(storage.clone()), options()).unwrap());
    assert_eq!(&*storage.read("thesis.txt").unwrap(), b"important");
    assert!(storage.read("seg-notes").is_ok());
}

/// A reader's storage, in which a writer commits just before a call.
#[derive(Debug)]
struct Overtaken {
    storage: Memory,
    writer: Index,
    /// Calls of `read` before the commit.
    reads: AtomicUsize,
    /// Listings that miss every manifest: the old one was removed before they came to it, the new one came after.
    blind: AtomicUsize,
}

/// Takes one away; false where none is left.
fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

impl Storage for Overtaken {
    fn create(&self, _: &str) -> io::Result<Box<dyn StorageFile>> {
        unreachable!("a reader creates nothing")
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        if !take(&self.reads) && self.writer.snapshot().manifest.generation < 4 {
            self.writer.commit(batch(&names(&["ant", "bee"]), 2), &Never).unwrap();
            self.writer.merge(true, &Never).unwrap();
        }
        self.storage.read(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = self.storage.list()?;
        if take(&self.blind) {
            names.retain(|name| !name.starts_with("manifest-"));
        }
        Ok(names)
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        unreachable!("a reader renames nothing")
    }

    fn replace(&self, _: &str, _: &str) -> io::Result<()> {
        unreachable!("a reader replaces nothing")
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        unreachable!("a reader removes nothing")
    }

    fn sync_directory(&self) -> io::Result<()> {
        unreachable!("a reader syncs nothing")
    }

    fn lock(&self, _: &str) -> io::Result<Lock> {
        unreachable!("a reader locks nothing")
    }

    fn describe(&self) -> String {
        "overtaken".to_owned()
    }
}

#[test]
fn a_reader_that_a_commit_overtakes_sees_the_new_state() {
    // Catches a reader that fails, or calls the index damaged or absent, because a commit came between two of its
    // calls and took away what it was about to read.
    for (reads, blind) in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 2)] {
        let storage = Memory::default();
        let writer = Index::open(Arc::new(storage.clone()), embedding()).unwrap();
        writer.commit(batch(&names(&["ant"]), 1), &Never).unwrap();
        let overtaken = Overtaken { storage, writer, reads: reads.into(), blind: blind.into() };
        let reader = Index::open(Arc::new(overtaken), reading());
        let found = documents(&reader.unwrap_or_else(|error| panic!("{reads} {blind}: {error}")).snapshot()).unwrap();
        assert_eq!(found.len(), 2, "{reads} {blind}");
    }
}
