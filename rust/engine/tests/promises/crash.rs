//! Power cuts and kills before every operation that changes the disk: what was acknowledged is there, nothing is half.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ragstone_engine::dense::{DenseIndex, Matrix};
use ragstone_engine::error::{Error, Result};
use ragstone_engine::index::Index;
use ragstone_engine::interrupt::Never;
use ragstone_engine::lexical::{Bm25, LexicalIndex};
use ragstone_engine::storage::faulty::{Faulty, Moment};
use ragstone_engine::storage::frame::Verify;
use ragstone_engine::storage::{Bytes, Lock, Storage, StorageFile};

use crate::workload::{Step, View, advance, check, longer_script, options, script, times, view};

/// Surviving states that are tried at each moment.
const SEEDS: u64 = 40;
/// The same after a second crash, during recovery from the first.
const SEEDS_AGAIN: u64 = 3;

/// A script as it was run: the disk before each operation, and what could be seen after each step.
struct Run {
    moments: Vec<Moment>,
    views: Vec<View>,
}

impl Run {
    /// Runs a script on a disk that `wrap` may spoil.
    fn new(steps: &[Step], wrap: impl FnOnce(Faulty) -> Arc<dyn Storage>) -> Self {
        let disk = Faulty::default();
        let storage = wrap(disk.clone());
        disk.record();
        let mut index = None;
        // Before the index exists, opening it makes it empty.
        let empty = Index::open(Arc::new(Faulty::default()), options()).unwrap();
        let mut views = vec![view(&empty.snapshot()).unwrap()];
        for (number, step) in (1..).zip(steps) {
            advance(&storage, &mut index, step).unwrap();
            disk.label(number);
            views.push(view(&index.as_ref().unwrap().snapshot()).unwrap());
        }
        Self { moments: disk.moments(), views }
    }

    /// What may be seen after a crash: the last acknowledged state, and the one that was being written.
    fn allowed(&self, moment: &Moment) -> Vec<&View> {
        self.views.iter().skip(moment.label).take(2).collect()
    }
}

/// Checks images, each once.
#[derive(Default)]
struct Checker {
    seen: HashSet<(usize, u64)>,
    violations: Vec<String>,
}

impl Checker {
    fn check(&mut self, disk: &Faulty, label: usize, allowed: &[&View], what: impl FnOnce() -> String) {
        let mut hash = DefaultHasher::new();
        for name in disk.list().unwrap() {
            (&name, &*disk.read(&name).unwrap()).hash(&mut hash);
        }
        if self.seen.insert((label, hash.finish())) {
            let storage: Arc<dyn Storage> = Arc::new(disk.clone());
            if let Err(violation) = check(&storage, allowed) {
                self.violations.push(format!("{}: {violation}", what()));
            }
        }
    }
}

#[test]
fn every_power_cut_keeps_what_was_acknowledged() {
    // Catches any missing or misplaced sync, a half batch, and remains of a crash that stop the next opening.
    let run = Run::new(&longer_script(), |disk| Arc::new(disk));
    let mut checker = Checker::default();
    for (number, moment) in run.moments.iter().enumerate() {
        for seed in 0..SEEDS * times() {
            let what = || format!("power cut at {number} before {:?}, seed {seed}", moment.next);
            // The same seed at another moment is another throw.
            let disk = moment.power_cut(if seed < 2 { seed } else { seed + 1000 * number as u64 });
            checker.check(&disk, moment.label, &run.allowed(moment), what);
        }
    }
    println!("{} images of {} moments, {} violations", checker.seen.len(), run.moments.len(), checker.violations.len());
    assert_eq!(checker.violations, Vec::<String>::new());
    assert!(checker.seen.len() >= 2_000, "only {} images were checked", checker.seen.len());
}

#[test]
fn a_second_crash_during_recovery_loses_nothing() {
    // Catches a recovery that removes the old state before the new one is durable.
    let run = Run::new(&script(), |disk| Arc::new(disk));
    let mut checker = Checker::default();
    for (number, moment) in run.moments.iter().enumerate() {
        let firsts = [("kill", moment.kill()), ("power cut", moment.power_cut(2 + 1000 * number as u64))];
        for (first, disk) in firsts {
            disk.record();
            let reopened = Index::open(Arc::new(disk.clone()), options());
            assert!(reopened.is_ok(), "{first} at {number} before {:?}: {reopened:?}", moment.next);
            drop(reopened);
            for (again, recovery) in disk.moments().iter().enumerate() {
                for seed in 0..SEEDS_AGAIN * times() {
                    let what = || {
                        format!("{first} at {number} before {:?}, then power cut at {again}, seed {seed}", moment.next)
                    };
                    let disk = recovery.power_cut(if seed < 2 { seed } else { seed + 1000 * (number + again) as u64 });
                    checker.check(&disk, moment.label, &run.allowed(moment), what);
                }
            }
        }
    }
    println!("{} images after two crashes, {} violations", checker.seen.len(), checker.violations.len());
    assert_eq!(checker.violations, Vec::<String>::new());
    assert!(checker.seen.len() >= 400, "only {} images were checked", checker.seen.len());
}

#[test]
fn a_saved_index_is_the_old_one_or_the_new_one() {
    // Catches a save that leaves neither, that fails where there is a file already, or whose acknowledgement is early.
    let rows = |count: usize| (0..count).map(|row| if row % 2 == 0 { "kelp" } else { "iris kelp" }).collect::<Vec<_>>();
    let saved = |count: usize, storage: &dyn Storage| {
        let mut lexical = LexicalIndex::new("english", Bm25::default()).unwrap();
        lexical.add(&rows(count), None, 1, &Never).unwrap();
        lexical.save(storage, "lexical").unwrap();
        let mut dense = DenseIndex::new(1).unwrap();
        dense.add(Matrix { values: &vec![1.0; count], dimension: 1 }, None).unwrap();
        dense.save(storage, "dense").unwrap();
    };
    let disk = Faulty::default();
    disk.record();
    for (number, count) in (1..).zip([3, 5, 900]) {
        saved(count, &disk);
        disk.label(number);
    }
    let counts = [None, Some(3), Some(5), Some(900)];
    let mut images = 0;
    for (number, moment) in disk.moments().iter().enumerate() {
        for seed in 0..SEEDS {
            let disk = moment.power_cut(if seed < 2 { seed } else { seed + 1000 * number as u64 });
            let count = |opened: Result<usize>| match opened {
                Ok(count) => Some(count),
                Err(Error::NotFound { .. }) => None,
                Err(error) => panic!("power cut at {number} before {:?}, seed {seed}: {error}", moment.next),
            };
            let lexical = count(LexicalIndex::open(&disk, "lexical").map(|index| index.len()));
            let dense = count(DenseIndex::open(&disk, "dense", Verify::Full).map(|index| index.len()));
            let allowed = &counts[moment.label..counts.len().min(moment.label + 2)];
            assert!(allowed.contains(&lexical) && allowed.contains(&dense), "{lexical:?} {dense:?}, {allowed:?}");
            images += 1;
        }
    }
    println!("{images} images of saved indexes");
}

/// A call that a careless engine would leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skip {
    FileSync,
    ManifestSync,
    DirectorySyncBeforeRename,
    DirectorySyncAfterRename,
}

/// A disk used by an engine with one mistake in its order of calls.
#[derive(Debug)]
struct Careless {
    disk: Faulty,
    skip: Skip,
    renamed: AtomicBool,
}

impl Storage for Careless {
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let file = self.disk.create(name)?;
        let skips = match self.skip {
            Skip::FileSync => !name.starts_with("tmp-"),
            Skip::ManifestSync => name.starts_with("tmp-"),
            _ => false,
        };
        if skips { Ok(Box::new(Unsynced(file))) } else { Ok(file) }
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        self.disk.read(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.renamed.store(true, Ordering::Relaxed);
        self.disk.rename(from, to)
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.replace(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        let after = self.renamed.swap(false, Ordering::Relaxed);
        match self.skip {
            Skip::DirectorySyncBeforeRename if !after => Ok(()),
            Skip::DirectorySyncAfterRename if after => Ok(()),
            _ => self.disk.sync_directory(),
        }
    }

    fn lock(&self, name: &str) -> io::Result<Lock> {
        self.disk.lock(name)
    }

    fn describe(&self) -> String {
        format!("careless disk without {:?}", self.skip)
    }
}

#[derive(Debug)]
struct Unsynced(Box<dyn StorageFile>);

impl StorageFile for Unsynced {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_harness_sees_every_missing_sync() {
    // Catches a crash model that is too kind to find the bugs it is there for.
    let steps: Vec<Step> = script().into_iter().take(8).collect();
    let skips = [Skip::FileSync, Skip::ManifestSync, Skip::DirectorySyncBeforeRename, Skip::DirectorySyncAfterRename];
    for skip in skips {
        let run = Run::new(&steps, |disk| Arc::new(Careless { disk, skip, renamed: AtomicBool::new(false) }));
        let mut checker = Checker::default();
        for (number, moment) in run.moments.iter().enumerate() {
            for seed in 0..8 {
                let disk = moment.power_cut(if seed < 2 { seed } else { seed + 1000 * number as u64 });
                checker.check(&disk, moment.label, &run.allowed(moment), String::new);
            }
        }
        println!("without {skip:?}: {} images, {} violations", checker.seen.len(), checker.violations.len());
        assert!(!checker.violations.is_empty(), "an engine without {skip:?} was not caught");
    }
}
