//! Merges segments: many small ones become one, and the space of deleted documents comes back.

use std::collections::BTreeMap;

use crate::chunks::DocumentInput;
use crate::error::Result;
use crate::history::{self, Lost};
use crate::interrupt::Interrupt;
use crate::lexical::{self, DROPPED, Lexical};
use crate::segment::{LiveSegment, write_segment, write_vectors_file};
use crate::snapshot::Snapshot;
use crate::storage::Storage;
use crate::storage::manifest::{Manifest, SegmentEntry};
use crate::writer::{bury, now_ms};

/// Segments of about the same size that are merged into one.
const WIDTH: usize = 8;
/// Sizes within this factor are about the same.
const LEVEL_FACTOR: f64 = 8.0;
/// Smaller segments count as this large, so that single documents gather quickly.
const BYTES_MIN: u64 = 1 << 20;
/// Largest amount of text that one merge holds in memory.
const TEXT_BYTES_MAX: u64 = 1 << 30;
/// A segment with more than this share of its text deleted is rewritten.
const DELETED_SHARE_MAX: f64 = 0.2;

/// Whether a segment's live rows have vectors: only segments that agree are merged, so that vectors stay in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Coverage {
    None,
    Full,
    Partial,
}

fn coverage(segment: &LiveSegment) -> Coverage {
    if segment.vectors.is_empty() {
        Coverage::None
    } else if segment.embedded().count() == segment.live.count() {
        Coverage::Full
    } else {
        Coverage::Partial
    }
}

/// Bytes of a segment that are still of use, roughly: its size times its share of live rows.
fn live_bytes(segment: &LiveSegment) -> u64 {
    let size = segment.entry.segment.length + segment.entry.vectors.iter().map(|part| part.file.length).sum::<u64>();
    let live = u128::from(size) * u128::from(segment.live.count()) / u128::from(segment.entry.rows.max(1));
    if segment.entry.rows == 0 { size } else { live as u64 }
}

/// The segments, by place, whose merge is due; `None` where all is well.
pub fn due(snapshot: &Snapshot) -> Option<Vec<usize>> {
    let mut levels: BTreeMap<(Coverage, i64), Vec<usize>> = BTreeMap::new();
    for (place, segment) in snapshot.segments.iter().enumerate() {
        let coverage = coverage(segment);
        if coverage == Coverage::Partial || segment.segment.chunks.text_bytes() > TEXT_BYTES_MAX {
            continue;
        }
        let deleted = 1.0 - f64::from(segment.live.count()) / f64::from(segment.entry.rows.max(1));
        if segment.entry.rows > 0 && deleted > DELETED_SHARE_MAX {
            return Some(vec![place]);
        }
        let level = (live_bytes(segment).max(BYTES_MIN) as f64).log(LEVEL_FACTOR).floor();
        levels.entry((coverage, level as i64)).or_default().push(place);
    }
    // The smallest segments first: they cost least and there are most of them.
    let mut levels: Vec<_> = levels.into_iter().filter(|(_, places)| places.len() >= WIDTH).collect();
    levels.sort_by_key(|((_, level), _)| *level);
    let (_, places) = levels.into_iter().next()?;
    let mut text = 0;
    let fitting: Vec<usize> = places
        .into_iter()
        .take_while(|&place| {
            text += snapshot.segments[place].segment.chunks.text_bytes();
            text <= TEXT_BYTES_MAX
        })
        .collect();
    (fitting.len() > 1).then_some(fitting)
}

/// All segments that may be merged into one, for an explicit request.
pub fn all(snapshot: &Snapshot) -> Option<Vec<usize>> {
    for wanted in [Coverage::Full, Coverage::None] {
        let mut text = 0;
        let places: Vec<usize> = (0..snapshot.segments.len())
            .filter(|&place| coverage(&snapshot.segments[place]) == wanted)
            .take_while(|&place| {
                text += snapshot.segments[place].segment.chunks.text_bytes();
                text <= TEXT_BYTES_MAX
            })
            .collect();
        let deletes = places.iter().any(|&place| !snapshot.segments[place].tombstones.documents.is_empty());
        if places.len() > 1 || !places.is_empty() && deletes {
            return Some(places);
        }
    }
    None
}

/// A merged segment that is written and not yet published.
#[derive(Debug)]
pub struct Merged {
    /// The segments that it replaces, as they were.
    sources: Vec<LiveSegment>,
    /// What replaces them.
    entry: SegmentEntry,
}

/// Writes the live documents of some segments as one segment.
pub fn write(
    storage: &dyn Storage,
    snapshot: &Snapshot,
    places: &[usize],
    interrupt: &dyn Interrupt,
) -> Result<Merged> {
    let sources: Vec<&LiveSegment> = places.iter().map(|&place| &snapshot.segments[place]).collect();
    for source in &sources {
        // Damage that is carried over would come out with checksums that fit.
        source.verify()?;
    }
    let mut documents: Vec<(DocumentInput, usize, u32)> = Vec::new();
    let mut changes = Vec::new();
    for (source, segment) in sources.iter().enumerate() {
        interrupt.check()?;
        let chunks = &segment.segment.chunks;
        for number in (0..chunks.documents()).filter(|&number| !segment.tombstones.documents.contains(number)) {
            let document = chunks.document(number);
            documents.push((document.to_input()?, source, document.rows().0));
        }
        changes.extend(history::read(&segment.segment.frame)?);
    }
    documents.sort_by(|a, b| a.0.document_id.cmp(&b.0.document_id));
    if let Some(pair) = documents.windows(2).find(|pair| pair[0].0.document_id == pair[1].0.document_id) {
        let message = format!("document {:?} is live twice", pair[1].0.document_id);
        return Err(sources[pair[1].1].segment.frame.corrupt_section("doc.table", &message));
    }
    changes.sort();
    // Of a document that is gone nothing is left but that it was there.
    for change in changes.iter_mut().filter(|change| !change.lost.facts.is_empty()) {
        if snapshot.document(&change.document_id)?.is_none() {
            change.lost = Lost::default();
        }
    }
    let (inputs, origins): (Vec<DocumentInput>, Vec<(usize, u32)>) =
        documents.into_iter().map(|(input, source, first_row)| (input, (source, first_row))).unzip();
    let mut maps: Vec<Vec<u32>> = sources.iter().map(|source| vec![DROPPED; source.entry.rows as usize]).collect();
    let mut next = 0u32;
    for (input, &(source, first_row)) in inputs.iter().zip(&origins) {
        for row in first_row..first_row + input.chunks.len() as u32 {
            maps[source][row as usize] = next;
            next += 1;
        }
    }
    let indexes: Vec<&Lexical> = sources.iter().map(|source| &source.segment.lexical).collect();
    let file = write_segment(storage, &inputs, &changes, |writer, _| {
        lexical::merge(&indexes, &maps, next, writer, 1, interrupt)
    })?;
    let rows: Vec<Option<&[f32]>> = inputs
        .iter()
        .zip(&origins)
        .flat_map(|(input, &(source, first_row))| {
            let sources = &sources;
            (0..input.chunks.len() as u32).map(move |ordinal| sources[source].vector(first_row + ordinal))
        })
        .collect();
    let row_count = rows.len() as u32;
    let dimension = snapshot.manifest.settings.embedder.as_ref().map(|embedder| embedder.dimension as usize);
    let vectors = match dimension.filter(|_| rows.iter().any(Option::is_some)) {
        Some(dimension) => vec![write_vectors_file(storage, dimension, 0, rows.len(), |row| rows[row])?],
        None => Vec::new(),
    };
    Ok(Merged {
        sources: sources.into_iter().cloned().collect(),
        entry: SegmentEntry { segment: file, rows: row_count, vectors, tombstones: None },
    })
}

impl Merged {
    /// The manifest that puts the merged segment in the place of its sources, with the deletes that were committed
    /// meanwhile; `None` if the sources have changed in another way and the merge has to be done again.
    pub fn manifest(self, storage: &dyn Storage, snapshot: &Snapshot) -> Result<Option<Manifest>> {
        let mut deleted_meanwhile = Vec::new();
        for source in &self.sources {
            let current = snapshot.segments.iter().find(|segment| segment.entry.segment == source.entry.segment);
            let Some(current) = current.filter(|current| current.entry.vectors == source.entry.vectors) else {
                return Ok(None);
            };
            // Of a document that was deleted before, the merged segment may hold the version that replaced it.
            let mut deleted = current.tombstones.documents.clone();
            deleted.subtract(&source.tombstones.documents);
            for number in deleted.iter() {
                deleted_meanwhile.push(current.segment.chunks.document(number).document_id()?.to_owned());
            }
        }
        let mut manifest = snapshot.manifest.clone();
        manifest.generation += 1;
        manifest.committed_ms = now_ms();
        let replaced = |entry: &SegmentEntry| self.sources.iter().any(|source| source.entry.segment == entry.segment);
        let first = manifest.segments.iter().position(replaced).unwrap_or(0);
        manifest.segments.retain(|entry| !replaced(entry));
        manifest.segments.insert(first.min(manifest.segments.len()), self.entry.clone());
        if !deleted_meanwhile.is_empty() {
            // The merged segment is opened on its own, to find the documents' new numbers and terms.
            let alone = Manifest { segments: vec![self.entry.clone()], ..manifest.clone() };
            let opened = Snapshot::open(storage, alone, Some(snapshot), crate::storage::frame::Verify::Structure)?;
            let mut numbers = Vec::new();
            for document_id in &deleted_meanwhile {
                numbers.extend(opened.segments[0].find(document_id)?);
            }
            if !numbers.is_empty() {
                let place = first.min(manifest.segments.len() - 1);
                manifest.segments[place].tombstones = Some(bury(storage, &opened, 0, &numbers)?);
            }
        }
        Ok(Some(manifest))
    }
}
