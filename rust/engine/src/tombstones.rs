//! Deleted documents of a segment, and by how much they lower its term statistics.

use std::sync::Arc;

use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::lexical::{Corrections, Lexical};
use crate::storage::Storage;
use crate::storage::frame::{FileEntry, Frame, FrameWriter, Kind, Verify};
use crate::storage::manifest::unique_name;

const SECTION: &str = "del.documents";

/// Deleted documents of one segment. Immutable: a further delete writes a new file.
#[derive(Clone, Debug)]
pub struct Tombstones {
    /// The deleted documents, by number in the segment.
    pub documents: Bitmap,
    /// What BM25 subtracts, so that its statistics equal those of an index built without them.
    pub corrections: Corrections,
}

impl Tombstones {
    /// No deletes among this many documents.
    pub fn none(document_count: u32) -> Self {
        Self { documents: Bitmap::empty(document_count), corrections: Corrections::default() }
    }

    /// Writes and syncs a new file.
    pub fn write(&self, storage: &dyn Storage) -> Result<FileEntry> {
        let mut writer = FrameWriter::create(storage, &unique_name("del-")?, Kind::Tombstones)?;
        writer.section(SECTION, self.documents.words())?;
        self.corrections.write(&mut writer)?;
        writer.finish()
    }

    /// Opens a file that belongs to a segment with this many documents and this inverted index.
    pub fn open(storage: &dyn Storage, entry: &FileEntry, document_count: u32, lexical: &Lexical) -> Result<Self> {
        let frame: Arc<Frame> = Frame::open_entry(storage, entry, Kind::Tombstones, Verify::Full)?;
        let words = frame.column_of::<u64>(SECTION, (document_count as usize).div_ceil(64))?;
        let documents = Bitmap::from_words(document_count, words.to_vec())
            .ok_or_else(|| frame.corrupt_section(SECTION, "a document is deleted that does not exist"))?;
        Ok(Self { documents, corrections: Corrections::open(&frame, lexical)? })
    }
}
