//! Where bytes live: the [`Storage`] trait, its implementations, and the one file layout ([`frame`]) they all hold.
//!
//! A directory of write-once files. Nothing that an index publishes is ever overwritten, truncated or renamed over; only
//! a file that a user saves under a name of their own may be replaced, whole. The format is described byte by byte in
//! `FORMAT.md` beside this file.

pub mod disk;
pub mod draft;
pub mod faulty;
pub mod frame;
pub mod manifest;
pub mod map;
pub mod memory;

use std::fmt::Debug;
use std::io;

pub use map::Bytes;

/// A flat directory of files with explicit durability: the engine does all its input and output through this.
///
/// The rules that an implementation keeps, and that a crash-model implementation may exploit:
/// - bytes appended to a file are durable only after [`StorageFile::sync`] returned;
/// - a created, renamed or removed *name* is durable only after [`Storage::sync_directory`] returned;
/// - a failed sync leaves the durable state unknown: it is never retried.
pub trait Storage: Debug + Send + Sync {
    /// Creates a file that must not exist yet.
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>>;

    /// The whole content of a file, aligned to 64 bytes. It stays readable after the name is removed.
    fn read(&self, name: &str) -> io::Result<Bytes>;

    /// Names of all files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Gives a file a new name that must not exist yet.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Gives a file another name in one step; a file that had this name loses it, but stays whole for its readers.
    fn replace(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals durable.
    fn sync_directory(&self) -> io::Result<()>;

    /// Takes the writer's lock, or says who holds it. Dropping the guard, or the end of the process, releases it.
    fn lock(&self, name: &str) -> io::Result<Lock>;

    /// Where the files live, for messages.
    fn describe(&self) -> String;
}

/// A file being written: bytes are only ever appended.
pub trait StorageFile: Debug + Send {
    /// Appends all of `bytes`.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all appended bytes durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// Outcome of [`Storage::lock`].
#[derive(Debug)]
pub enum Lock {
    /// The lock is held until the guard is dropped.
    Held(Box<dyn LockGuard>),
    /// Another writer holds it; its process id where known.
    Busy(Option<u32>),
}

/// Holds the writer's lock until dropped.
pub trait LockGuard: Debug + Send + Sync {}
