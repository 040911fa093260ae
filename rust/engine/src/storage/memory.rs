//! [`Storage`] in memory: for tests, and for indexes that are never saved.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Bytes, Lock, LockGuard, Storage, StorageFile};

type Content = Arc<Mutex<State>>;

/// Bytes of a file; reading freezes them without a copy, so that only appending to a file that was read copies.
#[derive(Debug)]
enum State {
    Growing(Vec<u8>),
    Whole(Bytes),
}

impl Default for State {
    fn default() -> Self {
        Self::Growing(Vec::new())
    }
}

/// A directory that lives as long as its clones.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: Arc<Mutex<BTreeMap<String, Content>>>,
    locked: Arc<Mutex<bool>>,
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Storage for Memory {
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let mut files = held(&self.files);
        if files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let content = Content::default();
        files.insert(name.to_owned(), Arc::clone(&content));
        Ok(Box::new(MemoryFile { content }))
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        let content = held(&self.files).get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        let state = &mut *held(&content);
        let bytes = match state {
            State::Growing(bytes) => Bytes::own(std::mem::take(bytes)),
            State::Whole(bytes) => return Ok(bytes.clone()),
        };
        *state = State::Whole(bytes.clone());
        Ok(bytes)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(held(&self.files).keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = held(&self.files);
        if files.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = held(&self.files);
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        held(&self.files).remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _name: &str) -> io::Result<Lock> {
        let mut locked = held(&self.locked);
        if *locked {
            return Ok(Lock::Busy(Some(std::process::id())));
        }
        *locked = true;
        Ok(Lock::Held(Box::new(MemoryLock { locked: Arc::clone(&self.locked) })))
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

#[derive(Debug)]
struct MemoryFile {
    content: Content,
}

impl StorageFile for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let state = &mut *held(&self.content);
        if let State::Whole(frozen) = state {
            *state = State::Growing(frozen.to_vec());
        }
        if let State::Growing(content) = state {
            content.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryLock {
    locked: Arc<Mutex<bool>>,
}

impl LockGuard for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        *held(&self.locked) = false;
    }
}
