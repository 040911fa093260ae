//! Documents and their chunks: texts kept once, chunks as exact spans into them.
//!
//! Rows are numbered in the order (`document_id`, ordinal), so that ascending rows are ascending chunk ids and the
//! order of ties does not depend on how rows are spread over segments.

mod reader;
mod writer;

use bytemuck::{Pod, Zeroable};
use sha2::{Digest, Sha256};

pub use reader::{ChunkView, Chunks, DocumentView};
pub use writer::{ChunkInput, DocumentInput, Layout, MetadataMap, write_chunks};

/// Chunks of a segment with the smallest hashes that are kept at hand for sampling.
pub(crate) const SKETCH: usize = 1024;

/// A string in `doc.strings`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Text {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// One row of section `doc.table`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct DocumentRecord {
    pub(crate) document_id: Text,
    pub(crate) title: Text,
    pub(crate) source: Text,
    pub(crate) metadata: Text,
    pub(crate) acl: Text,
    /// The document's text in section `text`.
    pub(crate) text: Text,
    pub(crate) content_sha256: [u8; 32],
    pub(crate) first_row: u32,
    pub(crate) row_count: u32,
    /// Bit 0: the document has an access list. Bit 1: `content_sha256` is known.
    pub(crate) flags: u64,
}

pub(crate) const HAS_ACL: u64 = 1;
pub(crate) const HAS_DIGEST: u64 = 2;

/// One row of section `chunk.table`. Spans are relative to the document's text.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct ChunkRecord {
    pub(crate) document: u32,
    pub(crate) ordinal: u32,
    pub(crate) byte_start: u64,
    pub(crate) byte_end: u64,
    pub(crate) char_start: u64,
    pub(crate) char_end: u64,
    pub(crate) headings: Text,
    pub(crate) context: Text,
    /// Page number, 0 where the format has none.
    pub(crate) page: u64,
}

/// One row of section `chunk.sketch`, ascending by hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct SketchRecord {
    pub(crate) hash: u64,
    pub(crate) row: u32,
    pub(crate) zero: u32,
}

/// Name of a chunk: its document and its place therein.
pub fn chunk_id(document_id: &str, ordinal: u32) -> String {
    format!("{document_id}#{ordinal}")
}

/// The number by which chunks are drawn for samples: the first 8 bytes of SHA-256 of the chunk id.
pub(crate) fn chunk_hash(document_id: &str, ordinal: u32) -> u64 {
    let digest = Sha256::digest(chunk_id(document_id, ordinal));
    u64::from_le_bytes(digest[..8].try_into().expect("8 bytes"))
}
