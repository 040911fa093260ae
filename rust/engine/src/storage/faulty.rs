//! [`Storage`] that fails on purpose: a disk in memory that forgets what was not synced, and calls that return errors.
//!
//! The disk keeps two states: what running programs see, and what is on the medium. Its rules are looser than those of
//! any file system in use, so that nothing is right by luck:
//! - Appended bytes are on the medium once the file was synced. Of bytes that were not, any number may be there, each
//!   sector of 512 bytes whole or as zeros.
//! - Creations, renames, replacements and removals are on the medium once the directory was synced. Of those that were
//!   not, any may be there and any may not, in whatever order they were made; each of them wholly or not at all.
//! - A failed sync of a file loses the bytes that it should have written: later syncs succeed and do not bring them
//!   back, as on Linux. They stay readable until the power is cut. A failed sync of the directory leaves its operations
//!   as they were.
//! - A call that returns an error has not happened; [`Fault::ShortWrite`] alone leaves half of its bytes.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Bytes, Lock, LockGuard, Storage, StorageFile};

/// Bytes that reach the medium together or not at all.
const SECTOR: usize = 512;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails with this error (`EIO` is [`io::ErrorKind::Other`] here), the next ones succeed.
    Error(io::ErrorKind),
    /// An append writes half of its bytes and fails; another call just fails.
    ShortWrite,
    /// From this call on nothing can be created or appended, until [`Faulty::heal`].
    Full,
}

/// A call of [`Storage`] or [`StorageFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the call of the same name")]
pub enum Operation {
    Create,
    Append,
    Sync,
    Rename,
    Replace,
    Remove,
    SyncDirectory,
    Read,
    List,
    Lock,
}

/// A disk in memory that can lose power and fail; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Faulty {
    disk: Arc<Mutex<Disk>>,
}

/// The disk just before an operation.
#[derive(Clone, Debug)]
pub struct Moment {
    /// What [`Faulty::label`] said last.
    pub label: usize,
    /// The operation that comes next.
    pub next: Operation,
    medium: Medium,
}

#[derive(Debug, Default)]
struct Disk {
    medium: Medium,
    operations: u64,
    fault: Option<(u64, Fault)>,
    struck: Option<Operation>,
    locked: bool,
    label: usize,
    recorded: Option<Vec<Moment>>,
}

#[derive(Clone, Debug, Default)]
struct Medium {
    files: Vec<Content>,
    /// What running programs see.
    names: BTreeMap<String, usize>,
    /// What the directory on the medium says.
    durable: BTreeMap<String, usize>,
    /// Operations since the directory was synced: which names each gives to which files.
    pending: Vec<Vec<(String, Option<usize>)>>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Arc<Vec<u8>>,
    /// So many bytes are on the medium,
    synced: usize,
    /// except these, whose sync failed.
    lost: Vec<Range<usize>>,
}

impl Faulty {
    /// Calls so far.
    pub fn operations(&self) -> u64 {
        self.held().operations
    }

    /// Lets the call with this number, from 0, go wrong.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.held().fault = Some((operation, fault));
    }

    /// The call that went wrong first.
    pub fn struck(&self) -> Option<Operation> {
        self.held().struck
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.held().fault = None;
    }

    /// From now on remembers the disk before every call that changes it.
    pub fn record(&self) {
        self.held().recorded = Some(Vec::new());
    }

    /// Marks what follows, for whoever looks at the recorded moments.
    pub fn label(&self, label: usize) {
        self.held().label = label;
    }

    /// The disk before every recorded call, and as it is now.
    pub fn moments(&self) -> Vec<Moment> {
        let disk = self.held();
        let now = Moment { label: disk.label, next: Operation::Read, medium: disk.medium.clone() };
        disk.recorded.iter().flatten().cloned().chain([now]).collect()
    }

    fn of(medium: Medium) -> Self {
        Self { disk: Arc::new(Mutex::new(Disk { medium, ..Disk::default() })) }
    }

    fn held(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, operation: Operation) -> Result<MutexGuard<'_, Disk>, (MutexGuard<'_, Disk>, Fault)> {
        let mut disk = self.held();
        match disk.begin(operation) {
            Some(fault) => Err((disk, fault)),
            None => Ok(disk),
        }
    }

    fn call(&self, operation: Operation) -> io::Result<MutexGuard<'_, Disk>> {
        self.begin(operation).map_err(|(_, fault)| fault.into())
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Error(kind) => Self::new(kind, "injected fault"),
            Fault::ShortWrite | Fault::Full => Self::new(io::ErrorKind::StorageFull, "injected full disk"),
        }
    }
}

impl Disk {
    /// Counts a call, remembers the disk before it, and tells how it goes wrong.
    fn begin(&mut self, operation: Operation) -> Option<Fault> {
        let reads = matches!(operation, Operation::Read | Operation::List | Operation::Lock);
        if let (Some(recorded), false) = (&mut self.recorded, reads) {
            recorded.push(Moment { label: self.label, next: operation, medium: self.medium.clone() });
        }
        let number = self.operations;
        self.operations += 1;
        let grows = matches!(operation, Operation::Create | Operation::Append);
        let fault = match self.fault {
            Some((at, Fault::Full)) if number >= at => grows.then_some(Fault::Full),
            Some((at, fault)) if number == at => Some(fault),
            _ => None,
        };
        if fault.is_some() && self.struck.is_none() {
            self.struck = Some(operation);
        }
        fault
    }
}

impl Medium {
    fn change(&mut self, change: Vec<(String, Option<usize>)>) {
        apply(&mut self.names, &change);
        self.pending.push(change);
    }

    fn number(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn refuse_existing(&self, name: &str) -> io::Result<()> {
        if self.names.contains_key(name) { Err(io::ErrorKind::AlreadyExists.into()) } else { Ok(()) }
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: &[(String, Option<usize>)]) {
    for (name, file) in change {
        match file {
            Some(file) => names.insert(name.clone(), *file),
            None => names.remove(name),
        };
    }
}

impl Moment {
    /// The disk as a new program finds it after this one was killed: nothing is lost, and nothing more is synced.
    pub fn kill(&self) -> Faulty {
        Faulty::of(self.medium.clone())
    }

    /// The disk after the power was cut: one of the many states that the rules allow. Seed 0 keeps only what was
    /// synced, seed 1 everything, every other seed something between.
    pub fn power_cut(&self, seed: u64) -> Faulty {
        let mut dice = Dice(seed);
        let mut names = self.medium.durable.clone();
        let kept_of_four = 1 + dice.below(3);
        // Every fourth seed keeps the first few operations, as a journal does; the others any.
        let prefix = (seed % 4 == 3).then(|| dice.below(self.medium.pending.len() as u64 + 1));
        for (number, change) in (0..).zip(&self.medium.pending) {
            let kept = match (seed, prefix) {
                (0 | 1, _) => seed == 1,
                (_, Some(prefix)) => number < prefix,
                _ => dice.below(4) < kept_of_four,
            };
            if kept {
                apply(&mut names, change);
            }
        }
        let mut files = Vec::with_capacity(names.len());
        for file in names.values_mut() {
            files.push(self.medium.files[*file].after_power_cut(seed, &mut dice));
            *file = files.len() - 1;
        }
        Faulty::of(Medium { files, durable: names.clone(), names, pending: Vec::new() })
    }
}

impl Content {
    fn after_power_cut(&self, seed: u64, dice: &mut Dice) -> Self {
        let unsynced = self.bytes.len() - self.synced;
        let end = match seed {
            0 => self.synced,
            1 => self.bytes.len(),
            _ => self.synced + dice.below(unsynced as u64 + 1) as usize,
        };
        let mut bytes = self.bytes[..end].to_vec();
        let mut at = self.synced;
        while at < end {
            let next = end.min((at / SECTOR + 1) * SECTOR);
            if seed > 1 && dice.below(4) == 0 {
                bytes[at..next].fill(0);
            }
            at = next;
        }
        for lost in &self.lost {
            bytes[lost.start.min(end)..lost.end.min(end)].fill(0);
        }
        Self { synced: bytes.len(), bytes: Arc::new(bytes), lost: Vec::new() }
    }
}

/// `SplitMix64`: the same numbers for the same seed everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ bits >> 31) % limit
    }
}

impl Storage for Faulty {
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let mut disk = self.call(Operation::Create)?;
        disk.medium.refuse_existing(name)?;
        let number = disk.medium.files.len();
        disk.medium.files.push(Content::default());
        disk.medium.change(vec![(name.to_owned(), Some(number))]);
        Ok(Box::new(FaultyFile { disk: self.clone(), number }))
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        let disk = self.call(Operation::Read)?;
        let number = disk.medium.number(name)?;
        Ok(Bytes::copy(&disk.medium.files[number].bytes))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.call(Operation::List)?.medium.names.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.call(Operation::Rename)?;
        disk.medium.refuse_existing(to)?;
        let number = disk.medium.number(from)?;
        disk.medium.change(vec![(from.to_owned(), None), (to.to_owned(), Some(number))]);
        Ok(())
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.call(Operation::Replace)?;
        let number = disk.medium.number(from)?;
        disk.medium.change(vec![(from.to_owned(), None), (to.to_owned(), Some(number))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.call(Operation::Remove)?;
        disk.medium.number(name)?;
        disk.medium.change(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let medium = &mut self.call(Operation::SyncDirectory)?.medium;
        medium.durable.clone_from(&medium.names);
        medium.pending.clear();
        Ok(())
    }

    fn lock(&self, _name: &str) -> io::Result<Lock> {
        let mut disk = self.call(Operation::Lock)?;
        if disk.locked {
            return Ok(Lock::Busy(Some(std::process::id())));
        }
        disk.locked = true;
        Ok(Lock::Held(Box::new(FaultyLock { disk: self.clone() })))
    }

    fn describe(&self) -> String {
        "faulty disk".to_owned()
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: Faulty,
    number: usize,
}

impl StorageFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let extend = |mut disk: MutexGuard<'_, Disk>, bytes| {
            Arc::make_mut(&mut disk.medium.files[self.number].bytes).extend_from_slice(bytes);
        };
        match self.disk.begin(Operation::Append) {
            Ok(disk) => {
                extend(disk, bytes);
                Ok(())
            }
            Err((disk, fault)) => {
                if fault == Fault::ShortWrite {
                    extend(disk, &bytes[..bytes.len() / 2]);
                }
                Err(fault.into())
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let (mut disk, fault) = match self.disk.begin(Operation::Sync) {
            Ok(disk) => (disk, None),
            Err((disk, fault)) => (disk, Some(fault)),
        };
        let file = &mut disk.medium.files[self.number];
        let unsynced = file.synced..file.bytes.len();
        file.synced = file.bytes.len();
        match fault {
            None => Ok(()),
            Some(fault) => {
                file.lost.push(unsynced);
                Err(fault.into())
            }
        }
    }
}

#[derive(Debug)]
struct FaultyLock {
    disk: Faulty,
}

impl LockGuard for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        self.disk.held().locked = false;
    }
}
