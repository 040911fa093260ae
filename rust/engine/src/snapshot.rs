//! One committed state of an index, opened for reading. It never changes and never blocks a writer.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::chunks::DocumentView;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::fusion;
use crate::history::{self, Action, Change, Fact};
use crate::lexical::{Analyzer, average_length};
use crate::segment::{LiveSegment, Segment};
use crate::storage::Storage;
use crate::storage::frame::Verify;
use crate::storage::manifest::{EmbedderEntry, Manifest, SegmentEntry, generations, is_data};

/// Times that a reader looks for a newer commit when a file of the one that it read is gone.
const ATTEMPTS_MAX: usize = 100;
/// Times that a directory without a manifest is listed: a listing that a commit overtakes can miss the old one and the
/// new one.
const LISTINGS_MAX: usize = 3;

/// One committed state.
#[derive(Debug)]
pub struct Snapshot {
    /// The commit.
    pub manifest: Manifest,
    /// The analyzer of all segments.
    pub analyzer: Arc<Analyzer>,
    /// The segments, oldest first.
    pub segments: Vec<LiveSegment>,
    /// Live chunks.
    pub rows: u64,
    /// Analyzed terms of all live chunks.
    pub total_length: u64,
    sample: OnceLock<Vec<Vec<f32>>>,
    lost: OnceLock<Vec<LostFact>>,
}

/// A fact that a former version of a live document stated.
#[derive(Clone, Debug)]
pub struct LostFact {
    /// Its fingerprint.
    pub fact: Fact,
    /// The document.
    pub document_id: Arc<str>,
    /// The commit that replaced the version.
    pub generation: u64,
    /// When that was, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
}

/// Numbers that describe a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statistics {
    /// Number of the commit.
    pub generation: u64,
    /// Identity of the index.
    pub index_id: String,
    /// Segment files.
    pub segments: usize,
    /// Live documents.
    pub documents: u64,
    /// Live chunks.
    pub chunks: u64,
    /// Live chunks that have a vector.
    pub chunks_embedded: u64,
    /// Deleted chunks whose space a merge has not freed yet.
    pub chunks_deleted: u64,
    /// Characters of text of all segments, in bytes of UTF-8.
    pub text_bytes: u64,
    /// All files.
    pub size_bytes: u64,
    /// Analyzed terms of all live chunks.
    pub tokens: u64,
    /// Language of the analyzer.
    pub language: String,
    /// Fingerprint of the analyzer.
    pub analyzer: String,
    /// BM25's k1.
    pub k1: f64,
    /// BM25's b.
    pub b: f64,
    /// The embedder of the vectors.
    pub embedder: Option<EmbedderEntry>,
}

impl Snapshot {
    /// Opens the newest commit, taking over from `known` what has not changed.
    pub fn newest(storage: &dyn Storage, known: Option<&Self>, verify: Verify) -> Result<Option<Self>> {
        for attempt in 1..=ATTEMPTS_MAX {
            let Some(generation) = generations(storage)?.last().copied() else {
                if attempt < LISTINGS_MAX {
                    continue;
                }
                return refuse_remains(storage).map(|()| None);
            };
            let manifest = Manifest::read(storage, generation);
            match manifest.and_then(|manifest| Self::open(storage, manifest, known, verify)) {
                // A writer has committed meanwhile and removed a file that the older commit needs.
                Err(Error::NotFound { what }) => {
                    if generations(storage)?.last() == Some(&generation) {
                        return Err(Error::corrupt(what, 0, "the newest commit needs it and it does not exist"));
                    }
                }
                outcome => return outcome.map(Some),
            }
        }
        Err(Error::Io {
            context: "open the newest commit".to_owned(),
            source: std::io::Error::other(format!("a writer replaced it {ATTEMPTS_MAX} times in a row: try again")),
        })
    }

    /// Opens a commit.
    pub fn open(storage: &dyn Storage, manifest: Manifest, known: Option<&Self>, verify: Verify) -> Result<Self> {
        let settings = &manifest.settings;
        let analyzer = match known.filter(|known| known.manifest.settings.language == settings.language) {
            Some(known) => Arc::clone(&known.analyzer),
            None => Analyzer::new(&settings.language).map(Arc::new).map_err(|error| Error::Incompatible {
                file: "the index".to_owned(),
                message: format!("{error}: upgrade ragstone"),
            })?,
        };
        if analyzer.fingerprint() != settings.analyzer {
            return Err(Error::Incompatible {
                file: "the index".to_owned(),
                message: format!(
                    "its analyzer is {:?}, this release has {:?}: build the index again",
                    settings.analyzer,
                    analyzer.fingerprint()
                ),
            });
        }
        let dimension = settings.embedder.as_ref().map(|embedder| embedder.dimension);
        let open = |entry: &SegmentEntry| {
            let known =
                known.and_then(|known| known.segments.iter().find(|other| other.entry.segment == entry.segment));
            LiveSegment::open(storage, entry, dimension, known, verify)
        };
        let segments: Vec<LiveSegment> = manifest.segments.iter().map(open).collect::<Result<_>>()?;
        let rows = segments.iter().map(|segment| u64::from(segment.live.count())).sum();
        let total_length = segments.iter().try_fold(0u64, |sum, segment| {
            let deleted = segment.tombstones.corrections.total_length();
            segment.segment.lexical.total_length().checked_sub(deleted).map(|live| sum + live)
        });
        let total_length = total_length
            .ok_or_else(|| Error::corrupt("the index", 0, "a segment has fewer terms than were deleted from it"))?;
        Ok(Self { manifest, analyzer, segments, rows, total_length, sample: OnceLock::new(), lost: OnceLock::new() })
    }

    /// Average length of a live chunk, in analyzed terms.
    pub fn average_length(&self) -> f64 {
        average_length(self.total_length, self.rows)
    }

    /// Live chunks that contain a term.
    pub fn document_frequency(&self, term: &str) -> Result<u64> {
        let mut sum = 0;
        for segment in &self.segments {
            if let Some(id) = segment.segment.lexical.term(term)? {
                let corrections = &segment.tombstones.corrections;
                sum += u64::from(corrections.document_frequency_live(&segment.segment.lexical, id));
            }
        }
        Ok(sum)
    }

    /// The live document with this id.
    pub fn document(&self, document_id: &str) -> Result<Option<DocumentView<'_>>> {
        for segment in &self.segments {
            if let Some(number) = segment.find(document_id)? {
                return Ok(Some(segment.segment.chunks.document(number)));
            }
        }
        Ok(None)
    }

    /// All live documents.
    pub fn documents(&self) -> impl Iterator<Item = DocumentView<'_>> {
        self.segments.iter().flat_map(|segment| {
            let chunks = &segment.segment.chunks;
            let live = (0..chunks.documents()).filter(|&number| !segment.tombstones.documents.contains(number));
            live.map(|number| chunks.document(number))
        })
    }

    /// Ids of the live documents that pass a filter.
    pub fn matching(&self, filter: &Filter) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for segment in &self.segments {
            let mut documents = segment.segment.metadata.matching(filter);
            documents.subtract(&segment.tombstones.documents);
            for number in documents.iter() {
                ids.push(segment.segment.chunks.document(number).document_id()?.to_owned());
            }
        }
        Ok(ids)
    }

    /// Vectors of the chunks drawn for the mean and spread of cosines.
    ///
    /// The draw depends on the live, embedded chunks alone: not on segments, and not on filters.
    pub fn sample(&self) -> Result<&[Vec<f32>]> {
        if let Some(sample) = self.sample.get() {
            return Ok(sample);
        }
        let mut drawn = Vec::new();
        for segment in self.segments.iter().filter(|segment| !segment.vectors.is_empty()) {
            let rows = segment.segment.chunks.sample(&segment.embedded(), fusion::SAMPLE)?;
            drawn.extend(rows.into_iter().map(|(hash, row)| (hash, segment, row)));
        }
        // Equal hashes of different chunks are as good as impossible; the order of segments then decides.
        drawn.sort_by_key(|&(hash, ..)| hash);
        drawn.truncate(fusion::SAMPLE);
        let vectors = drawn.into_iter().filter_map(|(_, segment, row)| segment.vector(row));
        let sample = vectors.map(<[f32]>::to_vec).collect();
        Ok(self.sample.get_or_init(|| sample))
    }

    /// Every change that commits made, to one document or to all, oldest first.
    pub fn history(&self, document_id: Option<&str>) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for segment in &self.segments {
            let log = history::read(&segment.segment.frame)?;
            changes.extend(log.into_iter().filter(|change| document_id.is_none_or(|id| change.document_id == id)));
        }
        changes.sort();
        Ok(changes)
    }

    /// The facts that replacements took away from documents that are live, by ascending claim.
    ///
    /// A document that was deleted and added again begins anew.
    pub fn lost(&self) -> Result<&[LostFact]> {
        if let Some(lost) = self.lost.get() {
            return Ok(lost);
        }
        let mut lost = Vec::new();
        if self.segments.iter().any(|segment| history::has_facts(&segment.segment.frame)) {
            let changes = self.history(None)?;
            let mut since: HashMap<&str, (Action, u64)> = HashMap::new();
            for change in changes.iter().filter(|change| change.action != Action::Replaced) {
                since.insert(&change.document_id, (change.action, change.generation));
            }
            for change in changes.iter().filter(|change| !change.lost.facts.is_empty()) {
                let begun = since.get(&*change.document_id);
                if begun.is_some_and(|&(action, from)| action == Action::Deleted || from > change.generation) {
                    continue;
                }
                let (document_id, generation, time_ms) =
                    (Arc::from(&*change.document_id), change.generation, change.time_ms);
                let known = change.lost.facts.iter().filter(|fact| fact.rules == history::RULES);
                lost.extend(known.map(|&fact| LostFact {
                    fact,
                    document_id: Arc::clone(&document_id),
                    generation,
                    time_ms,
                }));
            }
            lost.sort_by_key(|one| (one.fact.claim, one.generation));
        }
        Ok(self.lost.get_or_init(|| lost))
    }

    /// Numbers that describe the snapshot.
    pub fn statistics(&self) -> Statistics {
        let settings = self.manifest.settings.clone();
        let count = |of: fn(&LiveSegment) -> u64| self.segments.iter().map(of).sum();
        Statistics {
            generation: self.manifest.generation,
            index_id: self.manifest.index_id.clone(),
            segments: self.segments.len(),
            documents: count(|one| u64::from(one.segment.chunks.documents() - one.tombstones.documents.count())),
            chunks: self.rows,
            chunks_embedded: count(|one| u64::from(one.embedded().count())),
            chunks_deleted: count(|one| u64::from(one.entry.rows - one.live.count())),
            text_bytes: count(|one| one.segment.chunks.text_bytes()),
            size_bytes: self.manifest.bytes(),
            tokens: self.total_length,
            language: settings.language,
            analyzer: settings.analyzer,
            k1: settings.k1,
            b: settings.b,
            embedder: settings.embedder,
        }
    }

    /// Checks every byte and every structure of the snapshot; returns the damage found, one entry a file.
    pub fn verify(&self, mut progress: impl FnMut(&str) -> Result<()>) -> Result<Vec<Error>> {
        let mut damage = Vec::new();
        for segment in &self.segments {
            progress(&segment.entry.segment.name)?;
            damage.extend(verify_segment(&segment.segment).err());
            for part in &segment.vectors {
                progress(&part.entry.file.name)?;
                damage.extend(part.frame.verify_all().err());
            }
        }
        Ok(damage)
    }
}

/// Refuses a directory that holds data and no manifest: an index that has lost its manifests, for no crash leaves that, or a
/// copy that was cut short.
fn refuse_remains(storage: &dyn Storage) -> Result<()> {
    match storage.list().map_err(Error::io("list directory"))?.into_iter().find(|name| is_data(name)) {
        Some(name) => {
            let message = "no manifest is left that could list it; remove what is left of a copy that was not finished";
            Err(Error::corrupt(name, 0, message))
        }
        None => Ok(()),
    }
}

fn verify_segment(segment: &Segment) -> Result<()> {
    segment.frame.verify_all()?;
    segment.chunks.verify()?;
    let (mut terms, mut postings) = (segment.lexical.terms(), Vec::new());
    while let Some((term, _)) = terms.step()? {
        segment.lexical.postings(term, &mut postings)?;
    }
    Ok(())
}
