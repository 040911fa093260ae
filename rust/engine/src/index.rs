//! An index directory: open it, search it, commit to it. Everything else in the engine serves this.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use crate::error::{Error, Result};
use crate::ids::random_id;
use crate::interrupt::Interrupt;
use crate::lexical::Analyzer;
use crate::merge;
use crate::segment::write_vectors_file;
use crate::snapshot::Snapshot;
use crate::storage::disk::Disk;
use crate::storage::draft::Draft;
use crate::storage::frame::Verify;
use crate::storage::manifest::{
    EmbedderEntry, LOCK, Manifest, Settings, copy_file, generations, is_ours, retire, sweep,
};
use crate::storage::{Lock, LockGuard, Storage};
use crate::tombstones::Tombstones;
use crate::writer::{Batch, CommitReport, checked_unit, now_ms};

/// How an index is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only read: take no lock, create nothing.
    pub read_only: bool,
    /// How much of each file is checked when it is opened.
    pub verify: Verify,
    /// Threads for analysis, merges and batches.
    pub threads: usize,
    /// Merge in the background after commits.
    pub background_merges: bool,
    /// Settings of an index that does not exist yet.
    pub create: CreateOptions,
}

/// Settings of a new index.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// Language of the analyzer.
    pub language: String,
    /// BM25's k1.
    pub k1: f64,
    /// BM25's b.
    pub b: f64,
    /// The embedder of all vectors, where it is known already.
    pub embedder: Option<EmbedderEntry>,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self { language: "english".to_owned(), k1: 1.2, b: 0.75, embedder: None }
    }
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            read_only: false,
            verify: Verify::Auto,
            threads,
            background_merges: true,
            create: CreateOptions::default(),
        }
    }
}

/// Rows that wait for their vectors.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The segment's file name.
    pub segment: String,
    /// First of the rows.
    pub first_row: u32,
    /// What to embed for each row: context and text; `None` for a row that is deleted.
    pub texts: Vec<Option<(String, String)>>,
}

/// An open index.
#[derive(Debug)]
pub struct Index {
    shared: Arc<Shared>,
    merger: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    storage: Arc<dyn Storage>,
    options: Options,
    snapshot: RwLock<Arc<Snapshot>>,
    /// `None` where the index was opened only to read.
    writer: Option<Mutex<Writer>>,
    /// Set to end a merge that is under way.
    closing: AtomicBool,
    process: u32,
}

#[derive(Debug)]
struct Writer {
    poisoned: bool,
    /// Released when the index is closed.
    lock: Option<Box<dyn LockGuard>>,
}

/// Stops a merge when the index is closed.
struct Closing<'a>(&'a AtomicBool);

impl Interrupt for Closing<'_> {
    fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

impl Index {
    /// Opens the index in a directory, creating both where they do not exist; memory-mapped or on the heap.
    pub fn open_directory(path: &Path, mapped: bool, options: Options) -> Result<Self> {
        let context = format!("open {}", path.display());
        let disk = if options.read_only { Disk::open(path, mapped) } else { Disk::create(path, mapped) };
        let disk = disk.map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound { what: format!("index directory {:?}", path.display()) },
            _ => Error::Io { context, source },
        })?;
        Self::open(Arc::new(disk), options)
    }

    /// Opens the index in a storage, creating it where it does not exist.
    pub fn open(storage: Arc<dyn Storage>, options: Options) -> Result<Self> {
        let writer = if options.read_only { None } else { Some(take_lock(&*storage)?) };
        let found = Snapshot::newest(&*storage, None, options.verify)?;
        if writer.is_some() {
            sweep(&*storage, found.as_ref().map(|snapshot| &snapshot.manifest))?;
        }
        let snapshot = match found {
            Some(snapshot) => snapshot,
            None if writer.is_none() => {
                return Err(Error::NotFound { what: format!("index in {:?}", storage.describe()) });
            }
            None => create(&*storage, &options)?,
        };
        let shared = Shared {
            storage,
            options,
            snapshot: RwLock::new(Arc::new(snapshot)),
            writer: writer.map(Mutex::new),
            closing: AtomicBool::new(false),
            process: std::process::id(),
        };
        Ok(Self { shared: Arc::new(shared), merger: Mutex::new(None) })
    }

    /// The committed state that this index reads now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    /// Whether the index was opened only to read.
    pub fn read_only(&self) -> bool {
        self.shared.writer.is_none()
    }

    /// Moves a reader on to the newest commit; tells whether there was one.
    pub fn refresh(&self) -> Result<bool> {
        let known = self.snapshot();
        let newest = generations(&*self.shared.storage)?.last().copied();
        if self.shared.writer.is_some() || newest == Some(known.manifest.generation) {
            return Ok(false);
        }
        let fresh = Snapshot::newest(&*self.shared.storage, Some(&known), self.shared.options.verify)?;
        let fresh = fresh.ok_or_else(|| Error::NotFound { what: "the index, which was there before,".to_owned() })?;
        self.shared.show(fresh);
        Ok(true)
    }

    /// Commits a batch: when this returns, it is durable and visible.
    pub fn commit(&self, batch: Batch, interrupt: &dyn Interrupt) -> Result<CommitReport> {
        let mut writer = self.shared.writing()?;
        let snapshot = self.snapshot();
        let embedder = snapshot.manifest.settings.embedder.as_ref();
        let prepared = batch.prepare(embedder.map(|embedder| embedder.dimension))?;
        let threads = self.shared.options.threads;
        let draft = Draft::new(&*self.shared.storage);
        let written = writer.watch(|| prepared.write(&draft, &snapshot, threads, interrupt))?;
        let Some((manifest, report)) = written else {
            return Ok(CommitReport { generation: snapshot.manifest.generation, ..CommitReport::default() });
        };
        self.shared.publish(&mut writer, draft, manifest)?;
        drop(writer);
        self.merge_in_background();
        Ok(report)
    }

    /// Records the embedder of an index that has none yet.
    pub fn set_embedder(&self, embedder: EmbedderEntry) -> Result<()> {
        let mut writer = self.shared.writing()?;
        let mut manifest = self.snapshot().manifest.clone();
        match &manifest.settings.embedder {
            Some(known) if *known == embedder => return Ok(()),
            Some(known) => {
                return Err(Error::invalid(format!(
                    "the index has the embedder {:?}, it cannot take {:?}",
                    known.name, embedder.name
                )));
            }
            None => manifest.settings.embedder = Some(embedder),
        }
        manifest.settings.check()?;
        manifest.generation += 1;
        manifest.committed_ms = now_ms();
        self.shared.publish(&mut writer, Draft::new(&*self.shared.storage), manifest)
    }

    /// The next rows, at most `rows_max`, that wait for their vectors.
    pub fn pending(&self, rows_max: u32) -> Result<Option<Pending>> {
        let snapshot = self.snapshot();
        for segment in &snapshot.segments {
            let first_row = segment.first_pending();
            let end = segment.entry.rows.min(first_row.saturating_add(rows_max));
            if first_row >= end {
                continue;
            }
            let texts = (first_row..end)
                .map(|row| {
                    let chunk = segment.chunk(row);
                    let live = segment.live.contains(row);
                    live.then(|| Ok((chunk.context()?.to_owned(), chunk.text()?.to_owned()))).transpose()
                })
                .collect::<Result<_>>()?;
            return Ok(Some(Pending { segment: segment.entry.segment.name.clone(), first_row, texts }));
        }
        Ok(None)
    }

    /// Attaches vectors to rows from `first_row` on; `None` for a row that has none.
    pub fn attach(&self, segment: &str, first_row: u32, rows: &[Option<&[f32]>]) -> Result<()> {
        let mut writer = self.shared.writing()?;
        let snapshot = self.snapshot();
        let Some(embedder) = &snapshot.manifest.settings.embedder else {
            return Err(Error::invalid("the index has no embedder and so takes no vectors"));
        };
        let Some(place) = snapshot.segments.iter().position(|one| one.entry.segment.name == segment) else {
            return Err(Error::NotFound { what: format!("segment {segment:?}") });
        };
        let target = &snapshot.segments[place];
        let fits = u32::try_from(rows.len()).ok().and_then(|count| first_row.checked_add(count));
        if target.first_pending() != first_row || fits.is_none_or(|end| end > target.entry.rows) {
            return Err(Error::invalid(format!(
                "rows from {first_row} of segment {segment:?} do not wait for vectors"
            )));
        }
        let (draft, dimension) = (Draft::new(&*self.shared.storage), embedder.dimension as usize);
        let unit = |(row, vector): (usize, Option<&[f32]>)| -> Result<Option<Vec<f32>>> {
            vector.map(|vector| checked_unit(vector, dimension, &format!("embedding {row}"))).transpose()
        };
        let units = rows.iter().copied().enumerate().map(unit).collect::<Result<Vec<_>>>()?;
        let unit = |row: usize| units[row].as_deref();
        let part = writer.watch(|| write_vectors_file(&draft, dimension, first_row, units.len(), unit))?;
        let mut manifest = snapshot.manifest.clone();
        manifest.generation += 1;
        manifest.committed_ms = now_ms();
        manifest.segments[place].vectors.push(part);
        self.shared.publish(&mut writer, draft, manifest)?;
        drop(writer);
        self.merge_in_background();
        Ok(())
    }

    /// Merges until nothing is due; with `everything`, down to one segment and without deleted rows.
    pub fn merge(&self, everything: bool, interrupt: &dyn Interrupt) -> Result<usize> {
        let mut merges = 0;
        while self.shared.merge_once(everything, interrupt)? {
            merges += 1;
        }
        Ok(merges)
    }

    /// Checks every byte and every structure of the current state; returns the damage found, one entry a file.
    ///
    /// Files that were read when the index was opened are read again: they may have been damaged since.
    pub fn verify(&self, progress: impl FnMut(&str) -> Result<()>) -> Result<Vec<Error>> {
        // While this lock is held, no commit or merge removes a file that is being checked.
        let _writer = self.shared.writer.as_ref().map(lock);
        let (storage, snapshot) = (&*self.shared.storage, self.snapshot());
        let mut damage = snapshot.verify(progress)?;
        damage.extend(Manifest::read(storage, snapshot.manifest.generation).err());
        for segment in &snapshot.segments {
            let (documents, lexical) = (segment.segment.chunks.documents(), &segment.segment.lexical);
            if let Some(file) = &segment.entry.tombstones {
                damage.extend(Tombstones::open(storage, file, documents, lexical).err());
            }
        }
        // A writer in another process may have replaced this state meanwhile: what is gone is not damaged.
        let newest = generations(storage)?.last().copied();
        if newest != Some(snapshot.manifest.generation) {
            damage.retain(|error| !matches!(error, Error::NotFound { .. }));
        }
        Ok(damage)
    }

    /// Copies the current state to an empty storage, complete and durable.
    pub fn copy_to(&self, target: &dyn Storage, mut progress: impl FnMut(&str) -> Result<()>) -> Result<u64> {
        // While this lock is held, no commit or merge removes a file that the copy needs.
        let _writer = self.shared.writer.as_ref().map(lock);
        if target.list().map_err(Error::io("list target"))?.iter().any(|name| name != LOCK) {
            return Err(Error::invalid(format!("{} is not empty", target.describe())));
        }
        let snapshot = self.snapshot();
        let draft = Draft::new(target);
        for segment in &snapshot.segments {
            let entry = &segment.entry;
            let parts = entry.vectors.iter().map(|part| &part.file);
            for file in std::iter::once(&entry.segment).chain(parts).chain(&entry.tombstones) {
                progress(&file.name)?;
                copy_file(&*self.shared.storage, &draft, &file.name)?;
            }
        }
        snapshot.manifest.stage(&draft)?;
        draft.keep();
        snapshot.manifest.publish(target)?;
        Ok(snapshot.manifest.generation)
    }

    /// Ends background work and releases the lock; the snapshot stays readable.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        let merger = lock(&self.merger).take();
        if let Some(merger) = merger
            && self.shared.process == std::process::id()
        {
            // A merge that fails has changed nothing; it is tried again after the next commit.
            let _ = merger.join();
        }
        if let Some(writer) = &self.shared.writer {
            lock(writer).lock = None;
        }
    }

    /// Starts a merge thread unless one runs or none is due.
    fn merge_in_background(&self) {
        if !self.shared.options.background_merges || merge::due(&self.snapshot()).is_none() {
            return;
        }
        let mut merger = lock(&self.merger);
        if merger.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let work = move || {
            while matches!(shared.merge_once(false, &Closing(&shared.closing)), Ok(true)) {}
        };
        // Without a thread the merge waits for the next commit.
        *merger = std::thread::Builder::new().name("ragstone-merge".to_owned()).spawn(work).ok();
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn show(&self, snapshot: Snapshot) {
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    /// The right to write, where this process has it.
    fn writing(&self) -> Result<MutexGuard<'_, Writer>> {
        let Some(writer) = &self.writer else {
            return Err(Error::invalid("the index is open with read_only=True: open it without to write"));
        };
        if self.process != std::process::id() {
            return Err(Error::invalid("the index was opened before this process was forked: open it again to write"));
        }
        let writer = lock(writer);
        if writer.lock.is_none() {
            return Err(Error::invalid("the index is closed"));
        }
        if writer.poisoned {
            return Err(Error::Poisoned);
        }
        Ok(writer)
    }

    /// Makes a manifest the truth and shows it to readers; `draft` has its new files.
    fn publish(&self, writer: &mut Writer, draft: Draft<'_>, manifest: Manifest) -> Result<()> {
        // All files are opened before they are promised: what cannot be read back is not committed.
        let fresh = Snapshot::open(&draft, manifest, Some(&self.snapshot()), Verify::Structure)?;
        writer.watch(|| fresh.manifest.stage(&draft))?;
        // From here on the commit may be true whatever happens, so its files stay.
        draft.keep();
        if let Err(error) = fresh.manifest.publish(&*self.storage) {
            writer.poisoned = true;
            return Err(error);
        }
        retire(&*self.storage, &self.snapshot().manifest, &fresh.manifest);
        self.show(fresh);
        Ok(())
    }

    fn merge_once(&self, everything: bool, interrupt: &dyn Interrupt) -> Result<bool> {
        drop(self.writing()?);
        let snapshot = self.snapshot();
        let places = if everything { merge::all(&snapshot) } else { merge::due(&snapshot) };
        let Some(places) = places else { return Ok(false) };
        let draft = Draft::new(&*self.storage);
        // Commits go on while the merged segment is written.
        let merged = merge::write(&draft, &snapshot, &places, interrupt);
        let mut writer = self.writing()?;
        let merged = writer.watch(|| merged)?;
        let current = self.snapshot();
        let manifest = writer.watch(|| merged.manifest(&draft, &current))?;
        if let Some(manifest) = manifest {
            self.publish(&mut writer, draft, manifest)?;
        }
        Ok(true)
    }
}

impl Writer {
    /// Runs work that writes files; a failed sync in it poisons the writer.
    fn watch<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let outcome = work();
        self.poisoned |= matches!(outcome, Err(Error::SyncFailed { .. }));
        outcome
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take_lock(storage: &dyn Storage) -> Result<Writer> {
    match storage.lock(LOCK).map_err(Error::io("lock the index"))? {
        Lock::Held(guard) => Ok(Writer { poisoned: false, lock: Some(guard) }),
        Lock::Busy(pid) => Err(Error::Locked { pid }),
    }
}

/// Makes an empty index, in a directory that holds nothing else.
fn create(storage: &dyn Storage, options: &Options) -> Result<Snapshot> {
    let names = storage.list().map_err(Error::io("list directory"))?;
    if let Some(foreign) = names.iter().find(|name| !is_ours(name)) {
        return Err(Error::invalid(format!(
            "{} is not an index and not empty (it has {foreign:?}): choose a new directory",
            storage.describe()
        )));
    }
    let CreateOptions { language, k1, b, embedder } = options.create.clone();
    let analyzer = Analyzer::new(&language)?.fingerprint();
    let settings = Settings { language, analyzer, k1, b, embedder };
    settings.check()?;
    let manifest =
        Manifest { generation: 1, index_id: random_id()?, committed_ms: now_ms(), settings, segments: Vec::new() };
    let draft = Draft::new(storage);
    manifest.stage(&draft)?;
    draft.keep();
    manifest.publish(storage)?;
    Snapshot::open(storage, manifest, None, options.verify)
}
