//! The content of a file as immutable, 64-byte aligned bytes: memory-mapped or on the heap.
//!
//! This is the only place in the engine with `unsafe`.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

/// Alignment of a file's first byte in memory, and of every section in a file.
pub const ALIGNMENT: usize = 64;

/// Immutable bytes, shared by reference count, whose first byte is aligned to [`ALIGNMENT`].
#[derive(Clone)]
pub struct Bytes(Arc<Source>);

enum Source {
    Mapped(memmap2::Mmap),
    /// From `start` on, where memory happens to be aligned.
    Heap {
        bytes: Vec<u8>,
        start: usize,
        len: usize,
    },
}

impl Bytes {
    /// Maps a whole file.
    pub fn map(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self::copy(&[]));
        }
        // SAFETY: the mapping is sound while no one changes the file. Ragstone publishes files only complete, under
        // new names, and never writes or truncates them afterwards; readers copy and check structure
        // before they use it and view the rest as plain numbers. Another program that truncates a published file
        // can still end this process with SIGBUS: that cannot be proved away, and `mmap=False` is the answer to it.
        let map = unsafe { memmap2::Mmap::map(file)? };
        Ok(Self(Arc::new(Source::Mapped(map))))
    }

    /// Reads a whole file of `len` bytes to the heap.
    pub fn read(file: &mut File, len: u64) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len.saturating_add(ALIGNMENT)).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(len, 0);
        file.read_exact(&mut bytes)?;
        Ok(Self::own(bytes))
    }

    /// Copies bytes to the heap.
    pub fn copy(bytes: &[u8]) -> Self {
        let mut copy = Vec::with_capacity(bytes.len() + ALIGNMENT);
        copy.extend_from_slice(bytes);
        Self::own(copy)
    }

    /// Takes bytes over: they are moved a little where they are, not copied.
    pub fn own(mut bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        bytes.shrink_to(len + ALIGNMENT);
        bytes.reserve_exact(ALIGNMENT);
        // Nothing moves from here on: there is room for the gap.
        let start = (bytes.as_ptr() as usize).wrapping_neg() % ALIGNMENT;
        bytes.resize(len + start, 0);
        bytes.copy_within(..len, start);
        Self(Arc::new(Source::Heap { bytes, start, len }))
    }

    /// Says that a range will be read soon, so that the system fetches all of it at once and not page by page.
    ///
    /// Only a hint: on the heap, and where the system does not take hints, nothing happens.
    pub fn will_need(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let Source::Mapped(map) = &*self.0 {
            let _ = map.advise_range(memmap2::Advice::WillNeed, range.start, range.len());
        }
        #[cfg(not(unix))]
        let _ = range;
    }

    /// Whether the bytes are mapped, and so not counted as the process's own memory.
    pub fn is_mapped(&self) -> bool {
        matches!(*self.0, Source::Mapped(_))
    }
}

/// Memory of the process that is zero until it is written, taken page by page as it is touched: in `large` pages where
/// the system has them, because random reads of many small ones wait for the tables of pages as long as for the data.
#[derive(Debug)]
pub struct Pages(memmap2::MmapMut);

impl Pages {
    /// Room for `len` bytes, at least one, aligned to a page.
    pub fn new(len: usize, large: bool) -> io::Result<Self> {
        let map = memmap2::MmapMut::map_anon(len)?;
        // A hint: without large pages everything works the same.
        #[cfg(target_os = "linux")]
        let _ = large.then(|| map.advise(memmap2::Advice::HugePage));
        #[cfg(not(target_os = "linux"))]
        let _ = large;
        Ok(Self(map))
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &*self.0 {
            Source::Mapped(map) => map,
            Source::Heap { bytes, start, len } => &bytes[*start..*start + *len],
        }
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Bytes({} bytes, {})", self.len(), if self.is_mapped() { "mapped" } else { "heap" })
    }
}
