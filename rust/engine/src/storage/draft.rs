//! Files that are written for a commit and go again if the commit does not come about.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::frame::FileEntry;
use super::{Bytes, Lock, Storage, StorageFile};
use crate::error::{Error, Result};
use crate::ids::random_id;

/// A [`Storage`] over another one: what is created through it is removed when it is dropped without [`Draft::keep`].
///
/// So a full disk gets its space back at once, and a failed call leaves no file behind. What cannot be removed goes
/// when the index is next opened for writing.
#[derive(Debug)]
pub struct Draft<'a> {
    storage: &'a dyn Storage,
    created: Mutex<Vec<String>>,
}

impl<'a> Draft<'a> {
    /// A draft in `storage` without files.
    pub fn new(storage: &'a dyn Storage) -> Self {
        Self { storage, created: Mutex::default() }
    }

    /// Lets the files stay.
    pub fn keep(self) {
        self.created().clear();
    }

    fn created(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a file as `write` does under the name that it is given, then gives it its own, durably; a file of this name is
/// replaced in one step.
///
/// A crash leaves the old file or the new one, and at worst a file `<name>.saving-<id>` that can be removed.
pub fn save(
    storage: &dyn Storage,
    name: &str,
    write: impl FnOnce(&dyn Storage, &str) -> Result<FileEntry>,
) -> Result<FileEntry> {
    let temporary = format!("{name}.saving-{}", random_id()?);
    let draft = Draft::new(storage);
    let entry = write(&draft, &temporary)?;
    storage.replace(&temporary, name).map_err(Error::io(format!("rename {temporary} to {name}")))?;
    draft.keep();
    storage.sync_directory().map_err(Error::sync(format!("sync the directory of {name}")))?;
    Ok(FileEntry { name: name.to_owned(), ..entry })
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        for name in self.created().drain(..) {
            let _ = self.storage.remove(&name);
        }
    }
}

impl Storage for Draft<'_> {
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let file = self.storage.create(name)?;
        self.created().push(name.to_owned());
        Ok(file)
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        self.storage.read(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.storage.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.replace(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.storage.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.storage.sync_directory()
    }

    fn lock(&self, name: &str) -> io::Result<Lock> {
        self.storage.lock(name)
    }

    fn describe(&self) -> String {
        self.storage.describe()
    }
}
