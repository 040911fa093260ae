//! Power cuts and kills before every operation that changes the disk: what was acknowledged is there, nothing is half.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ragstone_engine::dense::{DenseIndex, Matrix};
use ragstone_engine::error::{Error, Result};
use ragstone_engine::index::Index;
use ragstone_engine::interrupt::Never;
use ragstone_engine::lexical::{Bm25, LexicalIndex};
use ragstone_engine::storage::Storage;
use ragstone_engine::storage::faulty::{Faulty, Moment};
use ragstone_engine::storage::frame::Verify;

use crate::workload::{Step, View, act, advance, check, longer_script, options, reading, times, view};

/// Scripts that are crashed, and surviving states that are tried at each of their moments.
const SCRIPTS: u64 = 8;
const SEEDS: u64 = 60;
/// The same for a second crash, during recovery from the first.
const SCRIPTS_AGAIN: u64 = 1;
const SEEDS_AGAIN: u64 = 3;

/// A script as it was run: the disk before each operation, and what could be seen after each step.
pub(crate) struct Run {
    pub(crate) moments: Vec<Moment>,
    views: Vec<View>,
}

impl Run {
    /// Runs a script on a disk that `wrap` may spoil.
    pub(crate) fn new(steps: &[Step], wrap: impl FnOnce(Faulty) -> Arc<dyn Storage>) -> Self {
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
    pub(crate) fn allowed(&self, moment: &Moment) -> Vec<&View> {
        self.views.iter().skip(moment.label).take(2).collect()
    }
}

/// Checks images, each once for what may be seen in it.
#[derive(Default)]
pub(crate) struct Checker {
    drawn: u64,
    pub(crate) seen: HashSet<(usize, u64)>,
    pub(crate) violations: Vec<String>,
}

impl Checker {
    pub(crate) fn check(&mut self, disk: &Faulty, label: usize, allowed: &[&View], what: impl FnOnce() -> String) {
        let mut hash = DefaultHasher::new();
        for name in disk.list().unwrap() {
            (&name, &*disk.read(&name).unwrap()).hash(&mut hash);
        }
        self.drawn += 1;
        if self.seen.insert((label, hash.finish())) {
            let storage: Arc<dyn Storage> = Arc::new(disk.clone());
            if let Err(violation) = check(&storage, allowed) {
                self.violations.push(format!("{}: {violation}", what()));
            }
        }
    }
}

/// What several checkers counted, on all cores.
#[derive(Default)]
struct Total {
    drawn: AtomicU64,
    images: AtomicU64,
    violations: Mutex<Vec<String>>,
}

impl Total {
    /// Attacks scripts 0 to `scripts`, shared among threads.
    fn attack(scripts: u64, attack: impl Fn(u64, &mut Checker) + Sync) -> Self {
        let (total, next) = (Self::default(), AtomicU64::new(0));
        let work = || loop {
            let script = next.fetch_add(1, Ordering::Relaxed);
            if script >= scripts {
                break;
            }
            let mut checker = Checker::default();
            attack(script, &mut checker);
            total.drawn.fetch_add(checker.drawn, Ordering::Relaxed);
            total.images.fetch_add(checker.seen.len() as u64, Ordering::Relaxed);
            total.violations.lock().unwrap().extend(checker.violations);
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
                scope.spawn(work);
            }
        });
        total
    }

    /// States the figures; nothing may be violated, and enough images must have been looked at.
    fn report(&self, what: &str, started: Instant, least: u64) {
        let violations = self.violations.lock().unwrap();
        let images = self.images.load(Ordering::Relaxed);
        println!("\nfigure {what}.drawn {}", self.drawn.load(Ordering::Relaxed));
        println!("figure {what}.images {images}");
        println!("figure {what}.violations {}", violations.len());
        println!("figure {what}.seconds {}", started.elapsed().as_secs());
        assert_eq!(&violations[..violations.len().min(5)], &[] as &[String]);
        assert!(images >= least, "only {images} images were checked");
    }
}

/// The same seed at another moment is another throw, except for 0 and 1: nothing more than was synced, and everything.
pub(crate) fn throw(seed: u64, moment: usize) -> u64 {
    if seed < 2 { seed } else { seed + 1_000_003 * moment as u64 }
}

#[test]
fn every_power_cut_keeps_what_was_acknowledged() {
    // Catches any missing or misplaced sync, a half batch, and remains of a crash that stop the next opening.
    let started = Instant::now();
    let total = Total::attack(SCRIPTS * times(), |script, checker| {
        let run = Run::new(&longer_script(script), |disk| Arc::new(disk));
        for (number, moment) in run.moments.iter().enumerate() {
            for seed in 0..SEEDS {
                let what = || format!("script {script}, power cut at {number} before {:?}, seed {seed}", moment.next);
                checker.check(&moment.power_cut(throw(seed, number)), moment.label, &run.allowed(moment), what);
            }
        }
    });
    total.report("crash", started, 20_000 * times());
}

#[test]
fn a_second_crash_during_recovery_loses_nothing() {
    // Catches a recovery that removes the old state before the new one is durable, and a first commit after it that
    // builds on what a second crash can still take away.
    let started = Instant::now();
    let total = Total::attack(SCRIPTS_AGAIN * times(), |script, checker| {
        let run = Run::new(&longer_script(script), |disk| Arc::new(disk));
        for (number, moment) in run.moments.iter().enumerate() {
            let firsts = [("kill", moment.kill()), ("power cut", moment.power_cut(throw(2 + script, number)))];
            for (first, disk) in firsts {
                let at = format!("script {script}, {first} at {number} before {:?}", moment.next);
                crash_again(&disk, number, &run.allowed(moment), &at, checker);
            }
        }
    });
    total.report("recovery", started, 3_000 * times());
}

/// Opens an index after a crash, commits, and crashes before every operation of both.
fn crash_again(disk: &Faulty, number: usize, allowed: &[&View], at: &str, checker: &mut Checker) {
    disk.record();
    let reopened = Index::open(Arc::new(disk.clone()), options()).unwrap_or_else(|error| panic!("{at}: {error}"));
    let yak = Step::Commit { upserts: vec![("yak", 1)], deletes: Vec::new(), embedded: false };
    act(&reopened, &yak).unwrap_or_else(|error| panic!("{at}, next commit: {error}"));
    disk.label(1);
    let new = view(&reopened.snapshot()).unwrap();
    drop(reopened);
    let before: Vec<&View> = allowed.iter().copied().chain([&new]).collect();
    for (again, recovery) in disk.moments().iter().enumerate() {
        for seed in 0..SEEDS_AGAIN {
            let what = || format!("{at}, then power cut at {again} before {:?}, seed {seed}", recovery.next);
            let acknowledged = recovery.label == 1;
            let allowed = if acknowledged { std::slice::from_ref(before.last().unwrap()) } else { &before[..] };
            // What may be seen differs with the first crash too.
            let label = 2 * number + usize::from(acknowledged);
            checker.check(&recovery.power_cut(throw(seed, again + number)), label, allowed, what);
        }
    }
}

#[test]
fn a_copy_is_refused_or_whole() {
    // Catches a snapshot whose manifest can be there before its files, or that is acknowledged before it is durable.
    let (mut images, mut whole) = (0, 0);
    for script in 0..times() {
        let disk: Arc<dyn Storage> = Arc::new(Faulty::default());
        let mut index = None;
        for step in longer_script(script) {
            advance(&disk, &mut index, &step).unwrap();
            let index = index.as_ref().unwrap();
            let expected = view(&index.snapshot()).unwrap();
            let target = Faulty::default();
            target.record();
            index.copy_to(&target, |_| Ok(())).unwrap();
            target.label(1);
            for (number, moment) in target.moments().iter().enumerate() {
                for seed in 0..12 {
                    let copy: Arc<dyn Storage> = Arc::new(moment.power_cut(throw(seed, number)));
                    match Index::open(copy, reading()) {
                        Ok(copy) => {
                            assert_eq!(view(&copy.snapshot()).unwrap(), expected, "copy at {number}, seed {seed}");
                            assert!(copy.snapshot().verify(|_| Ok(())).unwrap().is_empty());
                            whole += 1;
                        }
                        // Nothing, or some of its files and no manifest.
                        Err(Error::NotFound { .. } | Error::Corrupt { .. }) if moment.label == 0 => {}
                        Err(error) => panic!("copy at {number} before {:?}, seed {seed}: {error}", moment.next),
                    }
                    images += 1;
                }
            }
        }
    }
    println!("\nfigure copy.images {images}\nfigure copy.violations 0");
    assert!(whole > 100 && images > 2 * whole, "{whole} of {images} copies were whole");
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
        for seed in 0..SEEDS * times() {
            let disk = moment.power_cut(throw(seed, number));
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
    println!("\nfigure saved.images {images}\nfigure saved.violations 0");
}
