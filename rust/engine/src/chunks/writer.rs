//! Writes documents and chunks into a segment file.

use super::{ChunkRecord, DocumentRecord, HAS_ACL, HAS_DIGEST, SKETCH, SketchRecord, Text, chunk_hash};
use crate::error::{Error, Result};
use crate::storage::frame::FrameWriter;

/// Metadata of a document: names to values, see [`crate::filter`].
pub type MetadataMap = serde_json::Map<String, serde_json::Value>;

/// A chunk as it arrives: a span in characters (code points) of its document's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkInput {
    /// First character.
    pub start: u64,
    /// One past the last character.
    pub end: u64,
    /// Path of headings above the chunk.
    pub headings: Vec<String>,
    /// What stands in front of the chunk when it is embedded and indexed (title and heading path).
    pub context: String,
    /// Page number from 1, where the format has pages.
    pub page: Option<u32>,
}

/// A document as it arrives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DocumentInput {
    /// Unique name.
    pub document_id: String,
    /// Title, may be empty.
    pub title: String,
    /// Where the text came from, may be empty.
    pub source: String,
    /// Whole text.
    pub text: String,
    /// Typed metadata.
    pub metadata: MetadataMap,
    /// Who may see it: `None` everyone, empty no one.
    pub acl: Option<Vec<String>>,
    /// SHA-256 of the source's bytes, where known.
    pub content_sha256: Option<[u8; 32]>,
    /// Chunks in order.
    pub chunks: Vec<ChunkInput>,
}

/// Bytes of each span, found in one pass over the text.
fn byte_spans(document: &DocumentInput) -> Result<Vec<(usize, usize)>> {
    let mut borders: Vec<u64> = document.chunks.iter().flat_map(|chunk| [chunk.start, chunk.end]).collect();
    borders.sort_unstable();
    borders.dedup();
    let mut bytes = Vec::with_capacity(borders.len());
    let ends = std::iter::once(document.text.len());
    let mut characters = document.text.char_indices().map(|(at, _)| at).chain(ends).enumerate();
    for &border in &borders {
        let at = characters.find(|&(index, _)| index as u64 == border).map(|(_, at)| at).ok_or_else(|| {
            let length = document.text.chars().count();
            Error::invalid(format!(
                "document {:?} has a chunk border at character {border}, its text has {length}",
                document.document_id
            ))
        })?;
        bytes.push(at);
    }
    let byte_of = |border: u64| bytes[borders.binary_search(&border).expect("every border was collected")];
    document
        .chunks
        .iter()
        .map(|chunk| {
            if chunk.start >= chunk.end {
                let (id, start, end) = (&document.document_id, chunk.start, chunk.end);
                return Err(Error::invalid(format!("document {id:?} has an empty chunk {start}..{end}")));
            }
            Ok((byte_of(chunk.start), byte_of(chunk.end)))
        })
        .collect()
}

/// A document checked and laid out: byte spans of its chunks.
#[derive(Debug)]
pub struct Layout {
    spans: Vec<(usize, usize)>,
}

impl Layout {
    /// Checks the chunks of a document against its text.
    pub fn of(document: &DocumentInput) -> Result<Self> {
        byte_spans(document).map(|spans| Self { spans })
    }

    /// Text of the chunk with this ordinal.
    pub fn text<'a>(&self, document: &'a DocumentInput, ordinal: usize) -> &'a str {
        let (start, end) = self.spans[ordinal];
        &document.text[start..end]
    }
}

/// Collects strings, each distinct neighbour once.
#[derive(Default)]
struct Strings {
    bytes: Vec<u8>,
    last: Text,
}

impl Strings {
    fn add(&mut self, text: &str) -> Text {
        let repeated =
            self.last.length > 0 && self.bytes.ends_with(text.as_bytes()) && self.last.length == text.len() as u64;
        if !repeated {
            self.last = Text { offset: self.bytes.len() as u64, length: text.len() as u64 };
            self.bytes.extend_from_slice(text.as_bytes());
        }
        self.last
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers always become JSON")
}

/// Writes sections `text`, `doc.*` and `chunk.*`; `documents` are sorted by id and have no id twice.
pub fn write_chunks(writer: &mut FrameWriter, documents: &[(&DocumentInput, &Layout)]) -> Result<()> {
    assert!(documents.is_sorted_by(|a, b| a.0.document_id < b.0.document_id), "documents must be sorted by id");
    let mut strings = Strings::default();
    let mut contexts = Strings::default();
    let mut document_table = Vec::with_capacity(documents.len());
    let mut chunk_table: Vec<ChunkRecord> = Vec::new();
    let mut sketch = Vec::new();
    writer.begin("text")?;
    for (index, (document, layout)) in documents.iter().enumerate() {
        let text = Text { offset: writer.section_len(), length: document.text.len() as u64 };
        writer.write(document.text.as_bytes())?;
        let first_row = chunk_table.len() as u32;
        for (ordinal, (chunk, span)) in document.chunks.iter().zip(&layout.spans).enumerate() {
            let row = u32::try_from(chunk_table.len())
                .map_err(|_| Error::invalid("a batch has more than 4294967295 chunks: commit in smaller batches"))?;
            sketch.push(SketchRecord { hash: chunk_hash(&document.document_id, ordinal as u32), row, zero: 0 });
            chunk_table.push(ChunkRecord {
                document: index as u32,
                ordinal: ordinal as u32,
                byte_start: span.0 as u64,
                byte_end: span.1 as u64,
                char_start: chunk.start,
                char_end: chunk.end,
                headings: strings.add(&json(&chunk.headings)),
                context: contexts.add(&chunk.context),
                page: u64::from(chunk.page.unwrap_or(0)),
            });
        }
        document_table.push(DocumentRecord {
            document_id: strings.add(&document.document_id),
            title: strings.add(&document.title),
            source: strings.add(&document.source),
            metadata: strings.add(&json(&document.metadata)),
            acl: strings.add(&json(&document.acl)),
            text,
            content_sha256: document.content_sha256.unwrap_or_default(),
            first_row,
            row_count: document.chunks.len() as u32,
            flags: (u64::from(document.acl.is_some()) * HAS_ACL)
                | (u64::from(document.content_sha256.is_some()) * HAS_DIGEST),
        });
    }
    sketch.sort_unstable();
    sketch.truncate(SKETCH);
    writer.section("doc.table", &document_table)?;
    writer.section("doc.strings", &strings.bytes)?;
    writer.section("chunk.table", &chunk_table)?;
    writer.section("chunk.contexts", &contexts.bytes)?;
    writer.section("chunk.sketch", &sketch)
}
