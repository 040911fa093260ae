//! One commit: new documents become a segment, replaced and deleted ones become tombstones, a manifest makes it true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::chunks::{DocumentInput, DocumentView};
use crate::dense::unit;
use crate::error::{Error, Result};
use crate::history::{Action, Change, Lost};
use crate::ids::hexadecimal;
use crate::interrupt::Interrupt;
use crate::lexical::Corrections;
use crate::segment::{write_lexical, write_segment, write_vectors_file};
use crate::share::share;
use crate::snapshot::Snapshot;
use crate::storage::Storage;
use crate::storage::manifest::{Manifest, SegmentEntry};
use crate::superseded;

/// Longest document id and source, in bytes.
pub const NAME_BYTES_MAX: usize = 4096;

/// What one commit does, all or nothing. A document that is both deleted and upserted ends up upserted.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Documents to add or replace.
    pub upserts: Vec<DocumentInput>,
    /// Ids of documents to delete; unknown ones are no error.
    pub deletes: Vec<String>,
    /// One unit vector for each chunk of `upserts`, in order, one after another.
    pub vectors: Option<Vec<f32>>,
    /// When the changes happened, in milliseconds since 1970-01-01 UTC, if that was not now: what history tells.
    pub changed_ms: Option<u64>,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitReport {
    /// The commit that now stands; the former one where nothing had to be changed.
    pub generation: u64,
    /// Documents that were not there before.
    pub added: usize,
    /// Documents that replaced a former version.
    pub replaced: usize,
    /// Documents that are gone.
    pub deleted: usize,
    /// Chunks written.
    pub chunks: usize,
}

/// Milliseconds since 1970-01-01 UTC.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// A batch whose arguments are in order, documents sorted by id.
pub struct Prepared {
    documents: Vec<DocumentInput>,
    /// Vectors in the order of the sorted documents' chunks.
    vectors: Option<Vec<f32>>,
    deletes: BTreeSet<String>,
    changed_ms: Option<u64>,
}

impl Batch {
    /// Checks the arguments before anything is written.
    pub fn prepare(self, dimension: Option<u32>) -> Result<Prepared> {
        if let Some(changed) = self.changed_ms.filter(|&changed| changed > now_ms()) {
            return Err(Error::invalid(format!(
                "changes are said to be made at {changed} ms since 1970, now is earlier"
            )));
        }
        let chunks: usize = self.upserts.iter().map(|document| document.chunks.len()).sum();
        if let Some(vectors) = &self.vectors {
            let Some(dimension) = dimension else {
                return Err(Error::invalid("the index has no embedder and so takes no vectors"));
            };
            if vectors.len() != chunks * dimension as usize {
                let (rows, values) = (vectors.len() / dimension as usize, vectors.len());
                return Err(Error::invalid(format!(
                    "{values} vector values ({rows} rows of {dimension}) were given for {chunks} chunks"
                )));
            }
        }
        let mut order = Vec::with_capacity(self.upserts.len());
        let mut first_chunk = 0;
        for (number, document) in self.upserts.iter().enumerate() {
            check_name("document_id", &document.document_id)?;
            order.push((number, first_chunk));
            first_chunk += document.chunks.len();
        }
        order.sort_by(|a, b| self.upserts[a.0].document_id.cmp(&self.upserts[b.0].document_id));
        if let Some(pair) =
            order.windows(2).find(|pair| self.upserts[pair[0].0].document_id == self.upserts[pair[1].0].document_id)
        {
            let name = &self.upserts[pair[0].0].document_id;
            return Err(Error::invalid(format!("document_id {name:?} is given twice in one batch")));
        }
        let vectors = match (self.vectors, dimension) {
            (Some(vectors), Some(dimension)) => {
                let dimension = dimension as usize;
                let mut sorted = Vec::with_capacity(vectors.len());
                for &(number, chunk) in &order {
                    for row in chunk..chunk + self.upserts[number].chunks.len() {
                        let vector = &vectors[row * dimension..(row + 1) * dimension];
                        sorted.extend(checked_unit(vector, dimension, &format!("embedding {row}"))?);
                    }
                }
                Some(sorted)
            }
            _ => None,
        };
        let mut documents: Vec<Option<DocumentInput>> = self.upserts.into_iter().map(Some).collect();
        let documents: Vec<DocumentInput> = order.iter().filter_map(|&(number, _)| documents[number].take()).collect();
        Ok(Prepared { documents, vectors, deletes: self.deletes.into_iter().collect(), changed_ms: self.changed_ms })
    }
}

/// A vector as it is stored: of the index's dimension and of unit length; `what` names it in the error.
pub fn checked_unit(vector: &[f32], dimension: usize, what: &str) -> Result<Vec<f32>> {
    if vector.len() != dimension {
        return Err(Error::DimensionMismatch { expected: dimension, got: vector.len() });
    }
    unit(vector, what)
}

fn check_name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Error::invalid(format!("{what} has {} bytes, it needs 1 to {NAME_BYTES_MAX}", name.len())));
    }
    Ok(())
}

impl Prepared {
    /// Writes the files of the commit and returns its manifest, not yet published; `None` if nothing changes.
    pub fn write(
        self,
        storage: &dyn Storage,
        snapshot: &Snapshot,
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<Option<(Manifest, CommitReport)>> {
        let mut manifest = snapshot.manifest.clone();
        manifest.generation += 1;
        manifest.committed_ms = now_ms();
        let mut report = CommitReport { generation: manifest.generation, ..CommitReport::default() };
        let mut changes = Vec::new();
        let change = |changes: &mut Vec<Change>, document_id: &str, action, text: Option<&str>| {
            let text_sha256 = text.map_or_else(String::new, |text| hexadecimal(&Sha256::digest(text)));
            let (generation, time_ms) = (manifest.generation, self.changed_ms.unwrap_or(manifest.committed_ms));
            let (document_id, lost) = (document_id.to_owned(), Lost::default());
            changes.push(Change { generation, document_id, action, time_ms, text_sha256, lost });
        };

        // Which documents of which segments go.
        let mut gone: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        let mut remove = |document_id: &str| -> Result<Option<DocumentView<'_>>> {
            for (place, segment) in snapshot.segments.iter().enumerate() {
                if let Some(number) = segment.find(document_id)? {
                    gone.entry(place).or_default().push(number);
                    return Ok(Some(segment.segment.chunks.document(number)));
                }
            }
            Ok(None)
        };
        let mut versions = Vec::new();
        for document in &self.documents {
            let old = remove(&document.document_id)?;
            let action = if old.is_some() { Action::Replaced } else { Action::Added };
            report.added += usize::from(old.is_none());
            report.replaced += usize::from(old.is_some());
            versions.extend(old.map(|old| (changes.len(), old, document)));
            change(&mut changes, &document.document_id, action, Some(&document.text));
        }
        for document_id in &self.deletes {
            let upserted = self.documents.binary_search_by(|one| one.document_id.cmp(document_id)).is_ok();
            if !upserted && remove(document_id)?.is_some() {
                report.deleted += 1;
                change(&mut changes, document_id, Action::Deleted, None);
            }
        }
        if changes.is_empty() {
            return Ok(None);
        }
        let found = Mutex::new(Vec::with_capacity(versions.len()));
        share(versions.into_iter(), threads, |(place, old, new)| {
            interrupt.check()?;
            let lost = superseded::lost(&snapshot.analyzer, (old.title()?, old.text()?), (&new.title, &new.text));
            found.lock().unwrap_or_else(PoisonError::into_inner).push((place, lost));
            Ok(())
        })?;
        for (place, lost) in found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            changes[place].lost = lost;
        }

        for (place, numbers) in gone {
            interrupt.check()?;
            manifest.segments[place].tombstones = Some(bury(storage, snapshot, place, &numbers)?);
        }
        let file = write_segment(storage, &self.documents, &changes, |writer, rows| {
            write_lexical(writer, &snapshot.analyzer, rows, threads, interrupt)
        })?;
        let rows: usize = self.documents.iter().map(|document| document.chunks.len()).sum();
        report.chunks = rows;
        let mut vectors = Vec::new();
        if let (Some(values), true) = (&self.vectors, rows > 0) {
            let dimension = values.len() / rows;
            let vector = |row: usize| Some(&values[row * dimension..][..dimension]);
            vectors.push(write_vectors_file(storage, dimension, 0, rows, vector)?);
        }
        manifest.segments.push(SegmentEntry { segment: file, rows: rows as u32, vectors, tombstones: None });
        Ok(Some((manifest, report)))
    }
}

/// Writes the tombstones of a segment with some more documents deleted.
pub fn bury(
    storage: &dyn Storage,
    snapshot: &Snapshot,
    place: usize,
    numbers: &[u32],
) -> Result<crate::storage::frame::FileEntry> {
    let segment = &snapshot.segments[place];
    let mut tombstones = (*segment.tombstones).clone();
    let mut further = Corrections::default();
    for &number in numbers {
        tombstones.documents.insert(number);
        for terms in segment.terms(&snapshot.analyzer, number)? {
            further.add_row(&segment.segment.lexical, &terms)?;
        }
    }
    tombstones.corrections.merge(&further);
    tombstones.write(storage)
}
