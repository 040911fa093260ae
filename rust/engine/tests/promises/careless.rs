//! Engines with one mistake in their order of calls: the crash model has to find each of them.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ragstone_engine::storage::faulty::Faulty;
use ragstone_engine::storage::{Bytes, Lock, Storage, StorageFile};

use crate::crash::{Checker, Run, throw};
use crate::workload::{Step, script};

/// What a careless engine leaves out, or does too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    NoFileSync,
    NoManifestSync,
    NoDirectorySyncBeforeRename,
    NoDirectorySyncAfterRename,
    RenameBeforeSync,
    EarlyAcknowledgement,
}

const MISTAKES: [(Mistake, &str); 6] = [
    (Mistake::NoFileSync, "no_file_sync"),
    (Mistake::NoManifestSync, "no_manifest_sync"),
    (Mistake::NoDirectorySyncBeforeRename, "no_directory_sync_before_rename"),
    (Mistake::NoDirectorySyncAfterRename, "no_directory_sync_after_rename"),
    (Mistake::RenameBeforeSync, "rename_before_sync"),
    (Mistake::EarlyAcknowledgement, "early_acknowledgement"),
];

type File = Arc<Mutex<Box<dyn StorageFile>>>;

/// A disk used by an engine with one mistake.
#[derive(Debug)]
struct Careless {
    disk: Faulty,
    mistake: Mistake,
    renamed: AtomicBool,
    /// Renames so far, which is commits so far.
    commits: AtomicUsize,
    /// Files whose sync was put off.
    waiting: Arc<Mutex<Vec<File>>>,
}

impl Careless {
    fn new(disk: Faulty, mistake: Mistake) -> Self {
        let (renamed, commits) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self { disk, mistake, renamed, commits, waiting: Arc::default() }
    }
}

impl Storage for Careless {
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let file = self.disk.create(name)?;
        let is_manifest = name.starts_with("tmp-");
        let waiting = match self.mistake {
            Mistake::NoFileSync if !is_manifest => Some(Arc::default()),
            Mistake::NoManifestSync if is_manifest => Some(Arc::default()),
            Mistake::RenameBeforeSync if is_manifest => Some(Arc::clone(&self.waiting)),
            _ => None,
        };
        Ok(match waiting {
            Some(waiting) => Box::new(Unsynced { file: Arc::new(Mutex::new(file)), waiting }),
            None => file,
        })
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        self.disk.read(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.renamed.store(true, Ordering::Relaxed);
        self.disk.rename(from, to)?;
        let commits = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
        if self.mistake == Mistake::EarlyAcknowledgement {
            self.disk.label(commits);
        }
        self.waiting.lock().unwrap().drain(..).try_for_each(|file| file.lock().unwrap().sync())
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.replace(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        let after = self.renamed.swap(false, Ordering::Relaxed);
        match self.mistake {
            Mistake::NoDirectorySyncBeforeRename if !after => Ok(()),
            Mistake::NoDirectorySyncAfterRename if after => Ok(()),
            _ => self.disk.sync_directory(),
        }
    }

    fn lock(&self, name: &str) -> io::Result<Lock> {
        self.disk.lock(name)
    }

    fn describe(&self) -> String {
        format!("careless disk: {:?}", self.mistake)
    }
}

/// A file whose sync only notes that it should be done.
#[derive(Debug)]
struct Unsynced {
    file: File,
    waiting: Arc<Mutex<Vec<File>>>,
}

impl StorageFile for Unsynced {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.lock().unwrap().append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.waiting.lock().unwrap().push(Arc::clone(&self.file));
        Ok(())
    }
}

#[test]
fn the_harness_sees_every_mistake() {
    // Catches a crash model that is too kind to find the bugs it is there for.
    let mut steps: Vec<Step> = script().into_iter().take(9).collect();
    // So that a commit's number is its step's: opening makes the first one.
    steps.retain(|step| !matches!(step, Step::Attach(100)));
    for (mistake, name) in MISTAKES {
        let run = Run::new(&steps, |disk| Arc::new(Careless::new(disk, mistake)));
        let mut checker = Checker::default();
        for (number, moment) in run.moments.iter().enumerate() {
            for seed in 0..8 {
                checker.check(&moment.power_cut(throw(seed, number)), moment.label, &run.allowed(moment), String::new);
            }
        }
        println!("\nfigure {name}.images {}", checker.seen.len());
        println!("figure {name}.violations {}", checker.violations.len());
        assert!(!checker.violations.is_empty(), "an engine with {mistake:?} was not caught");
    }
    // Without a mistake the same attack finds nothing.
    let run = Run::new(&steps, |disk| Arc::new(disk));
    let mut checker = Checker::default();
    for (number, moment) in run.moments.iter().enumerate() {
        for seed in 0..8 {
            checker.check(&moment.power_cut(throw(seed, number)), moment.label, &run.allowed(moment), String::new);
        }
    }
    assert_eq!(checker.violations, Vec::<String>::new());
}
