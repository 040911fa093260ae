//! Reads documents and chunks of a segment file.

use std::str;
use std::sync::Arc;

use super::{ChunkRecord, DocumentRecord, HAS_ACL, HAS_DIGEST, MetadataMap, SketchRecord, Text, chunk_hash, chunk_id};
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::storage::frame::{Column, Frame};

/// Documents and chunks of one segment.
#[derive(Clone, Debug)]
pub struct Chunks {
    frame: Arc<Frame>,
    documents: Column<DocumentRecord>,
    table: Column<ChunkRecord>,
    sketch: Column<SketchRecord>,
    strings: Column<u8>,
    contexts: Column<u8>,
    text: Column<u8>,
}

/// One document as stored.
#[derive(Clone, Copy, Debug)]
pub struct DocumentView<'a> {
    owner: &'a Chunks,
    record: &'a DocumentRecord,
}

/// One chunk as stored.
#[derive(Clone, Copy, Debug)]
pub struct ChunkView<'a> {
    owner: &'a Chunks,
    record: &'a ChunkRecord,
}

impl Chunks {
    /// Opens the sections and checks how the tables point to each other.
    pub fn open(frame: &Arc<Frame>) -> Result<Self> {
        for section in ["doc.table", "chunk.table", "chunk.sketch", "doc.strings"] {
            frame.checked(section)?;
        }
        let chunks = Self {
            frame: Arc::clone(frame),
            documents: frame.column("doc.table")?,
            table: frame.column("chunk.table")?,
            sketch: frame.column("chunk.sketch")?,
            strings: frame.column("doc.strings")?,
            contexts: frame.column("chunk.contexts")?,
            text: frame.column("text")?,
        };
        chunks.check()?;
        Ok(chunks)
    }

    /// Number of rows.
    pub fn rows(&self) -> u32 {
        self.table.len() as u32
    }

    /// Number of documents.
    pub fn documents(&self) -> u32 {
        self.documents.len() as u32
    }

    /// Bytes of all texts.
    pub fn text_bytes(&self) -> u64 {
        self.text.len() as u64
    }

    /// The document with this number, which must be below [`Self::documents`].
    pub fn document(&self, number: u32) -> DocumentView<'_> {
        DocumentView { owner: self, record: &self.documents[number as usize] }
    }

    /// The chunk in this row, which must be below [`Self::rows`].
    pub fn chunk(&self, row: u32) -> ChunkView<'_> {
        ChunkView { owner: self, record: &self.table[row as usize] }
    }

    /// Number of the document with this id.
    pub fn find(&self, document_id: &str) -> Result<Option<u32>> {
        let (mut low, mut high) = (0, self.documents());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.document(middle).document_id()?.cmp(document_id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// Rows of the documents in a set of documents.
    pub fn rows_of(&self, documents: &Bitmap) -> Bitmap {
        let mut rows = Bitmap::empty(self.rows());
        for number in documents.iter() {
            let (first, end) = self.document(number).rows();
            rows.insert_range(first, end);
        }
        rows
    }

    /// The `count` rows of `eligible` with the smallest hashes of their chunk ids, ascending by hash.
    pub fn sample(&self, eligible: &Bitmap, count: usize) -> Result<Vec<(u64, u32)>> {
        let at_hand: Vec<(u64, u32)> = self
            .sketch
            .iter()
            .filter(|record| eligible.contains(record.row))
            .map(|record| (record.hash, record.row))
            .take(count)
            .collect();
        if at_hand.len() == count || self.sketch.len() == self.table.len() {
            return Ok(at_hand);
        }
        let mut hashes = Vec::with_capacity(eligible.count() as usize);
        for row in eligible.iter() {
            let chunk = self.chunk(row);
            hashes.push((chunk_hash(chunk.document().document_id()?, chunk.ordinal()), row));
        }
        hashes.sort_unstable();
        hashes.truncate(count);
        Ok(hashes)
    }

    /// Reads every string and every span: what `verify` adds to the checksums.
    pub fn verify(&self) -> Result<()> {
        let mut previous: Option<&str> = None;
        for number in 0..self.documents() {
            let document = self.document(number);
            let document_id = document.document_id()?;
            if previous.is_some_and(|previous| previous >= document_id) {
                return Err(self.frame.corrupt_section("doc.table", "documents are not in order"));
            }
            previous = Some(document_id);
            document.title()?;
            document.source()?;
            document.metadata()?;
            document.acl()?;
            document.text()?;
        }
        for row in 0..self.rows() {
            let chunk = self.chunk(row);
            chunk.text()?;
            chunk.context()?;
            chunk.headings()?;
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let corrupt = |message: &str| Err(self.frame.corrupt_section("chunk.table", message));
        let mut next = 0u32;
        for document in self.documents.iter() {
            if document.first_row != next {
                return corrupt("documents and chunks disagree");
            }
            next = match next.checked_add(document.row_count) {
                Some(next) if next as usize <= self.table.len() => next,
                _ => return corrupt("a document has more chunks than there are"),
            };
        }
        if next as usize != self.table.len() {
            return corrupt("a chunk belongs to no document");
        }
        for (row, chunk) in self.table.iter().enumerate() {
            let Some(document) = self.documents.get(chunk.document as usize) else {
                return corrupt("a chunk belongs to no document");
            };
            let inside = chunk.byte_start < chunk.byte_end && chunk.byte_end <= document.text.length;
            let placed = document.first_row.checked_add(chunk.ordinal) == Some(row as u32)
                && chunk.ordinal < document.row_count
                && chunk.char_start < chunk.char_end
                && chunk.char_end <= document.text.length;
            if !inside || !placed {
                return corrupt("a chunk lies outside its document");
            }
        }
        if self.sketch.iter().any(|record| record.row as usize >= self.table.len()) {
            return corrupt("the sketch names a row that does not exist");
        }
        Ok(())
    }

    fn string<'a>(&self, bytes: &'a [u8], text: Text, section: &str) -> Result<&'a str> {
        let slice = usize::try_from(text.offset)
            .ok()
            .zip(usize::try_from(text.length).ok())
            .and_then(|(offset, length)| bytes.get(offset..offset.checked_add(length)?));
        slice
            .and_then(|slice| str::from_utf8(slice).ok())
            .ok_or_else(|| self.frame.corrupt_section(section, "a string lies outside its section or is not UTF-8"))
    }

    fn json<T: serde::de::DeserializeOwned>(&self, text: Text) -> Result<T> {
        serde_json::from_str(self.string(&self.strings, text, "doc.strings")?).map_err(|error| {
            self.frame.corrupt_section("doc.strings", &format!("a value is not what it should be: {error}"))
        })
    }
}

impl<'a> DocumentView<'a> {
    /// Unique name.
    pub fn document_id(&self) -> Result<&'a str> {
        self.owner.string(&self.owner.strings, self.record.document_id, "doc.strings")
    }

    /// Title.
    pub fn title(&self) -> Result<&'a str> {
        self.owner.string(&self.owner.strings, self.record.title, "doc.strings")
    }

    /// Where the text came from.
    pub fn source(&self) -> Result<&'a str> {
        self.owner.string(&self.owner.strings, self.record.source, "doc.strings")
    }

    /// Metadata as JSON text.
    pub fn metadata_json(&self) -> Result<&'a str> {
        self.owner.string(&self.owner.strings, self.record.metadata, "doc.strings")
    }

    /// Metadata.
    pub fn metadata(&self) -> Result<MetadataMap> {
        self.owner.json(self.record.metadata)
    }

    /// Access list.
    pub fn acl(&self) -> Result<Option<Vec<String>>> {
        if self.record.flags & HAS_ACL == 0 {
            return Ok(None);
        }
        self.owner.json(self.record.acl)
    }

    /// Whole text.
    pub fn text(&self) -> Result<&'a str> {
        self.owner.string(&self.owner.text, self.record.text, "text")
    }

    /// SHA-256 of the source's bytes.
    pub fn content_sha256(&self) -> Option<[u8; 32]> {
        (self.record.flags & HAS_DIGEST != 0).then_some(self.record.content_sha256)
    }

    /// First row and one past the last row of its chunks.
    pub fn rows(&self) -> (u32, u32) {
        (self.record.first_row, self.record.first_row + self.record.row_count)
    }
}

impl<'a> ChunkView<'a> {
    /// The document that the chunk belongs to.
    pub fn document(&self) -> DocumentView<'a> {
        self.owner.document(self.record.document)
    }

    /// Place among the document's chunks, from 0.
    pub fn ordinal(&self) -> u32 {
        self.record.ordinal
    }

    /// Name of the chunk.
    pub fn chunk_id(&self) -> Result<String> {
        Ok(chunk_id(self.document().document_id()?, self.ordinal()))
    }

    /// Span in characters of the document's text.
    pub fn span(&self) -> (u64, u64) {
        (self.record.char_start, self.record.char_end)
    }

    /// The chunk's text: exactly the span of the document's text.
    pub fn text(&self) -> Result<&'a str> {
        // Only the span is read and decoded, however long the document is.
        let document = self.document().record.text;
        let text = document
            .offset
            .checked_add(self.record.byte_start)
            .map(|offset| Text { offset, length: self.record.byte_end - self.record.byte_start });
        let missing = || self.owner.frame.corrupt_section("doc.table", "a document lies outside the file");
        self.owner.string(&self.owner.text, text.ok_or_else(missing)?, "text")
    }

    /// What stands in front of the chunk when it is embedded and indexed.
    pub fn context(&self) -> Result<&'a str> {
        self.owner.string(&self.owner.contexts, self.record.context, "chunk.contexts")
    }

    /// Path of headings.
    pub fn headings(&self) -> Result<Vec<String>> {
        self.owner.json(self.record.headings)
    }

    /// Page number.
    pub fn page(&self) -> Option<u32> {
        u32::try_from(self.record.page).ok().filter(|&page| page > 0)
    }
}

impl DocumentView<'_> {
    /// The document in the form in which it arrived, as a merge writes it again.
    pub fn to_input(&self) -> Result<super::DocumentInput> {
        let (first, end) = self.rows();
        let chunks = (first..end)
            .map(|row| {
                let chunk = self.owner.chunk(row);
                let (start, end) = chunk.span();
                let (headings, context) = (chunk.headings()?, chunk.context()?.to_owned());
                Ok(super::ChunkInput { start, end, headings, context, page: chunk.page() })
            })
            .collect::<Result<_>>()?;
        Ok(super::DocumentInput {
            document_id: self.document_id()?.to_owned(),
            title: self.title()?.to_owned(),
            source: self.source()?.to_owned(),
            text: self.text()?.to_owned(),
            metadata: self.metadata()?,
            acl: self.acl()?,
            content_sha256: self.content_sha256(),
            chunks,
        })
    }
}
