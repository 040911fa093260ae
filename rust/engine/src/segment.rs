//! A segment: documents, chunks, metadata and inverted index in one immutable file, with its vectors and deletes.

use std::sync::Arc;

use crate::bitmap::Bitmap;
use crate::chunks::{ChunkView, Chunks, DocumentInput, Layout, write_chunks};
use crate::dense::{Vectors, write_vectors};
use crate::error::{Error, Result};
use crate::filter::{Metadata, MetadataWriter};
use crate::history::{self, Change};
use crate::interrupt::Interrupt;
use crate::lexical::{Analyzer, Lexical, LexicalWriter, RowTerms, analyze_row};
use crate::storage::Storage;
use crate::storage::frame::{FileEntry, Frame, FrameWriter, Kind, Verify};
use crate::storage::manifest::{SegmentEntry, VectorsEntry, unique_name};
use crate::tombstones::Tombstones;

/// Writes and syncs a segment file; documents are sorted by id and have no id twice.
///
/// `lexical` writes the inverted index of the documents' chunks, in order.
pub fn write_segment(
    storage: &dyn Storage,
    documents: &[DocumentInput],
    changes: &[Change],
    lexical: impl FnOnce(&mut FrameWriter, &Rows<'_>) -> Result<()>,
) -> Result<FileEntry> {
    let layouts = documents.iter().map(Layout::of).collect::<Result<Vec<_>>>()?;
    let mut metadata = MetadataWriter::default();
    for document in documents {
        metadata.add(&document.metadata, document.acl.as_deref())?;
    }
    let mut writer = FrameWriter::create(storage, &unique_name("seg-")?, Kind::Segment)?;
    let pairs: Vec<(&DocumentInput, &Layout)> = documents.iter().zip(&layouts).collect();
    write_chunks(&mut writer, &pairs)?;
    metadata.finish(&mut writer)?;
    lexical(&mut writer, &Rows::of(&pairs))?;
    history::write(&mut writer, changes)?;
    writer.finish()
}

/// What is indexed of each chunk, in the order of rows: its context and its text.
#[derive(Debug)]
pub struct Rows<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Rows<'a> {
    fn of(documents: &[(&'a DocumentInput, &'a Layout)]) -> Self {
        let rows = documents.iter().flat_map(|(document, layout)| {
            let texts = (0..document.chunks.len()).map(|ordinal| layout.text(document, ordinal));
            document.chunks.iter().map(|chunk| chunk.context.as_str()).zip(texts)
        });
        Self(rows.collect())
    }
}

/// Analyses rows on several threads and writes their inverted index.
pub fn write_lexical(
    writer: &mut FrameWriter,
    analyzer: &Analyzer,
    rows: &Rows<'_>,
    threads: usize,
    interrupt: &dyn Interrupt,
) -> Result<()> {
    let texts = |row: usize| [rows.0[row].0, rows.0[row].1];
    LexicalWriter::of_texts(analyzer, rows.0.len(), texts, threads, interrupt)?.finish(writer, threads, interrupt)
}

/// Writes and syncs a file of vectors for `rows` rows from `first_row` on; `None` where a row has no vector.
pub fn write_vectors_file<'a>(
    storage: &dyn Storage,
    dimension: usize,
    first_row: u32,
    rows: usize,
    row: impl Fn(usize) -> Option<&'a [f32]>,
) -> Result<VectorsEntry> {
    let count = u32::try_from(rows).map_err(|_| Error::invalid("more vectors than a segment has rows"))?;
    let mut writer = FrameWriter::create(storage, &unique_name("vec-")?, Kind::Vectors)?;
    write_vectors(&mut writer, dimension, rows, row)?;
    Ok(VectorsEntry { file: writer.finish()?, first_row, rows: count })
}

/// The immutable file of a segment, opened.
#[derive(Debug)]
pub struct Segment {
    /// The file.
    pub frame: Arc<Frame>,
    /// Documents and chunks.
    pub chunks: Chunks,
    /// Inverted index.
    pub lexical: Lexical,
    /// Metadata and access lists.
    pub metadata: Metadata,
}

impl Segment {
    /// Opens a segment file and checks that its sections fit together.
    pub fn open(storage: &dyn Storage, entry: &FileEntry, rows: u32, verify: Verify) -> Result<Self> {
        let frame = Frame::open_entry(storage, entry, Kind::Segment, verify)?;
        let chunks = Chunks::open(&frame)?;
        let lexical = Lexical::open(&frame)?;
        let metadata = Metadata::open(&frame, chunks.documents())?;
        if chunks.rows() != rows || lexical.rows() != rows {
            let message =
                format!("it has {} chunks and {} indexed rows, its entry says {rows}", chunks.rows(), lexical.rows());
            return Err(frame.corrupt(0, &message));
        }
        Ok(Self { frame, chunks, lexical, metadata })
    }
}

/// Vectors of consecutive rows, opened.
#[derive(Debug)]
pub struct VectorPart {
    /// Where it stands in the manifest.
    pub entry: VectorsEntry,
    /// The vectors; row 0 is the segment's row `entry.first_row`.
    pub vectors: Vectors,
    /// The file.
    pub frame: Arc<Frame>,
}

impl VectorPart {
    fn open(storage: &dyn Storage, entry: &VectorsEntry, dimension: usize, verify: Verify) -> Result<Self> {
        let frame = Frame::open_entry(storage, &entry.file, Kind::Vectors, verify)?;
        let vectors = Vectors::open(&frame)?;
        if vectors.rows() != entry.rows || vectors.dimension() != dimension {
            let message = format!(
                "it has {} vectors of {} dimensions where {} of {dimension} belong",
                vectors.rows(),
                vectors.dimension(),
                entry.rows
            );
            return Err(frame.corrupt(0, &message));
        }
        Ok(Self { entry: entry.clone(), vectors, frame })
    }
}

/// A segment as one commit sees it.
#[derive(Clone, Debug)]
pub struct LiveSegment {
    /// Where it stands in the manifest.
    pub entry: SegmentEntry,
    /// The immutable file.
    pub segment: Arc<Segment>,
    /// Vectors, by ascending rows.
    pub vectors: Vec<Arc<VectorPart>>,
    /// Deletes.
    pub tombstones: Arc<Tombstones>,
    /// Rows that are not deleted.
    pub live: Arc<Bitmap>,
}

impl LiveSegment {
    /// Opens everything that `entry` lists, taking over from `known` what has not changed.
    pub fn open(
        storage: &dyn Storage,
        entry: &SegmentEntry,
        dimension: Option<u32>,
        known: Option<&Self>,
        verify: Verify,
    ) -> Result<Self> {
        let known = known.filter(|known| known.entry.segment == entry.segment);
        let segment = match known {
            Some(known) => Arc::clone(&known.segment),
            None => Arc::new(Segment::open(storage, &entry.segment, entry.rows, verify)?),
        };
        let open_part = |part: &VectorsEntry| -> Result<Arc<VectorPart>> {
            let same = known.and_then(|known| known.vectors.iter().find(|other| other.entry == *part));
            if let Some(same) = same {
                return Ok(Arc::clone(same));
            }
            let dimension = dimension.ok_or_else(|| {
                Error::corrupt(&part.file.name, 0, "the index has vectors and no embedder that made them")
            })?;
            VectorPart::open(storage, part, dimension as usize, verify).map(Arc::new)
        };
        let vectors = entry.vectors.iter().map(open_part).collect::<Result<_>>()?;
        let documents = segment.chunks.documents();
        let (tombstones, live) = match (&entry.tombstones, known) {
            (file, Some(known)) if known.entry.tombstones == *file => {
                (Arc::clone(&known.tombstones), Arc::clone(&known.live))
            }
            (file, _) => {
                let tombstones = match file {
                    Some(file) => Tombstones::open(storage, file, documents, &segment.lexical)?,
                    None => Tombstones::none(documents),
                };
                let mut live = segment.chunks.rows_of(&tombstones.documents);
                live.invert();
                (Arc::new(tombstones), Arc::new(live))
            }
        };
        Ok(Self { entry: entry.clone(), segment, vectors, tombstones, live })
    }

    /// Checks every byte of its segment and vectors.
    pub fn verify(&self) -> Result<()> {
        self.segment.frame.verify_all()?;
        self.vectors.iter().try_for_each(|part| part.frame.verify_all())
    }

    /// Number of the live document with this id.
    pub fn find(&self, document_id: &str) -> Result<Option<u32>> {
        let found = self.segment.chunks.find(document_id)?;
        Ok(found.filter(|&number| !self.tombstones.documents.contains(number)))
    }

    /// The chunk in a row.
    pub fn chunk(&self, row: u32) -> ChunkView<'_> {
        self.segment.chunks.chunk(row)
    }

    /// Vector of a row.
    pub fn vector(&self, row: u32) -> Option<&[f32]> {
        let part = self.part_of(row)?;
        part.vectors.row(row - part.entry.first_row)
    }

    /// Rows that are live and have a vector.
    pub fn embedded(&self) -> Bitmap {
        let mut rows = Bitmap::empty(self.entry.rows);
        for part in &self.vectors {
            for row in part.vectors.present().iter() {
                rows.insert(part.entry.first_row + row);
            }
        }
        rows.intersect(&self.live);
        rows
    }

    /// First row that no vector file covers.
    pub fn first_pending(&self) -> u32 {
        self.vectors.last().map_or(0, |part| part.entry.first_row + part.entry.rows)
    }

    fn part_of(&self, row: u32) -> Option<&VectorPart> {
        let after = self.vectors.partition_point(|part| part.entry.first_row <= row);
        let part = self.vectors.get(after.checked_sub(1)?)?;
        (row - part.entry.first_row < part.entry.rows).then_some(part)
    }

    /// Terms of a document's chunks, for the corrections that its deletion needs.
    pub fn terms(&self, analyzer: &Analyzer, document: u32) -> Result<Vec<RowTerms>> {
        let (first, end) = self.segment.chunks.document(document).rows();
        (first..end)
            .map(|row| {
                let chunk = self.chunk(row);
                Ok(analyze_row(analyzer, &[chunk.context()?, chunk.text()?]))
            })
            .collect()
    }
}
