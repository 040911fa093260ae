//! [`Storage`] on a directory of the file system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::{Bytes, Lock, LockGuard, Storage, StorageFile};

/// A directory of the file system.
#[derive(Debug)]
pub struct Disk {
    directory: PathBuf,
    mapped: bool,
}

impl Disk {
    /// Uses an existing directory; `mapped` says whether files are memory-mapped or read to the heap.
    pub fn open(directory: impl Into<PathBuf>, mapped: bool) -> io::Result<Self> {
        let directory = directory.into();
        if !fs::metadata(&directory)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { directory, mapped })
    }

    /// Creates the directory where it does not exist, durably, then uses it.
    pub fn create(directory: impl Into<PathBuf>, mapped: bool) -> io::Result<Self> {
        let directory = directory.into();
        create_durably(&directory)?;
        Self::open(directory, mapped)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Creates a directory and its missing parents, each made durable in its own parent.
fn create_durably(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_durably(parent)?;
    match fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
        outcome => outcome?,
    }
    sync_directory(parent)
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    // Windows makes directory entries durable with the file itself and has no call for it.
    Ok(())
}

impl Storage for Disk {
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().write(true).create_new(true).open(self.path(name))?;
        Ok(Box::new(DiskFile { file }))
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        let mut file = File::open(self.path(name))?;
        if self.mapped {
            return Bytes::map(&file);
        }
        let len = file.metadata()?.len();
        Bytes::read(&mut file, len)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            // A name that is not UTF-8 cannot be one of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let to = self.path(to);
        if to.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(self.path(from), to)
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        sync_directory(&self.directory)
    }

    fn lock(&self, name: &str) -> io::Result<Lock> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.path(name))?;
        match file.try_lock() {
            Ok(()) => {
                // The number only helps a person to find the holder, the lock itself is the descriptor: on a full disk
                // there may be no room for it.
                let _ = file.set_len(0).and_then(|()| file.rewind());
                let _ = write!(file, "{}", std::process::id());
                Ok(Lock::Held(Box::new(DiskLock { file, process: std::process::id() })))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = Read::by_ref(&mut file).take(32).read_to_string(&mut text);
                Ok(Lock::Busy(read.ok().and_then(|_| text.trim().parse().ok())))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn describe(&self) -> String {
        self.directory.display().to_string()
    }
}

#[derive(Debug)]
struct DiskFile {
    file: File,
}

impl StorageFile for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[derive(Debug)]
struct DiskLock {
    file: File,
    process: u32,
}

impl Drop for DiskLock {
    fn drop(&mut self) {
        // A forked child has a copy of the descriptor: it must not end the lock, nor keep it once its parent is done.
        if self.process == std::process::id() {
            let _ = self.file.unlock();
        }
    }
}

impl LockGuard for DiskLock {}
