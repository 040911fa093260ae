//! Commits: each is one numbered manifest that lists all live files. The newest complete one is the truth.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::frame::{FileEntry, Frame, FrameWriter, Kind, Verify};
use super::{Storage, StorageFile};
use crate::error::{Error, Result};
use crate::ids::random_id;

/// Name of the lock file.
pub const LOCK: &str = "LOCK";
const PREFIX: &str = "manifest-";
const TEMPORARY: &str = "tmp-";
/// Prefixes of the files that a manifest lists.
const DATA_PREFIXES: [&str; 3] = ["seg-", "vec-", "del-"];
/// Numbers of commits stay below: no writer gets there, and the next number never overflows.
const GENERATION_MAX: u64 = 1 << 62;
/// Greatest k1 that searches take.
const K1_MAX: f64 = 1e6;
/// Largest dimension that vector files take.
const DIMENSION_MAX: u32 = 1 << 16;

/// What one commit made of the index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Number of the commit, from 1.
    pub generation: u64,
    /// Identity of the index: 32 hexadecimal digits, the same in all its generations.
    pub index_id: String,
    /// When the commit was made, in milliseconds since 1970-01-01 UTC.
    pub committed_ms: u64,
    /// What all segments agree on.
    pub settings: Settings,
    /// The live segments, oldest first.
    pub segments: Vec<SegmentEntry>,
}

/// What is fixed when an index is created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Language of the analyzer.
    pub language: String,
    /// Fingerprint of the analyzer that built the postings.
    pub analyzer: String,
    /// BM25: how fast repeated terms saturate.
    pub k1: f64,
    /// BM25: how much length counts, from 0 to 1.
    pub b: f64,
    /// The embedder of all vectors; `None` until the first.
    pub embedder: Option<EmbedderEntry>,
}

/// Which embedder made the vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedderEntry {
    /// Name for people.
    pub name: String,
    /// Digest of all that decides the vectors.
    pub fingerprint: String,
    /// Length of a vector.
    pub dimension: u32,
}

/// One segment with everything that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentEntry {
    /// Documents, chunks and inverted index.
    pub segment: FileEntry,
    /// Rows in the segment, deleted ones included.
    pub rows: u32,
    /// Vectors, in parts by ascending rows that do not overlap.
    pub vectors: Vec<VectorsEntry>,
    /// Deleted rows.
    pub tombstones: Option<FileEntry>,
}

/// Vectors of some consecutive rows of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorsEntry {
    /// The file.
    pub file: FileEntry,
    /// First row.
    pub first_row: u32,
    /// Number of rows.
    pub rows: u32,
}

impl Manifest {
    /// The commit with this number.
    pub fn read(storage: &dyn Storage, generation: u64) -> Result<Self> {
        let name = manifest_name(generation);
        let frame = Frame::open(storage, &name, Kind::Manifest, Verify::Full)?;
        let manifest: Self = serde_json::from_slice(frame.bytes("manifest")?)
            .map_err(|error| frame.corrupt_section("manifest", &error.to_string()))?;
        manifest.check(generation).map_err(|message| frame.corrupt_section("manifest", &message))?;
        Ok(manifest)
    }

    /// Writes the commit under a temporary name, which means nothing to readers.
    ///
    /// All listed files have been synced by [`FrameWriter::finish`]; their names are made durable first.
    pub fn stage(&self, storage: &dyn Storage) -> Result<()> {
        storage.sync_directory().map_err(Error::sync("sync directory"))?;
        let temporary = format!("{TEMPORARY}{}", manifest_name(self.generation));
        let mut writer = FrameWriter::create(storage, &temporary, Kind::Manifest)?;
        writer.section("manifest", &serde_json::to_vec(self).expect("a manifest always becomes JSON"))?;
        writer.finish().map(drop)
    }

    /// Makes the staged commit the newest: after this returns it survives a power cut. After a failure it may or may
    /// not be the newest, now and after a power cut.
    pub fn publish(&self, storage: &dyn Storage) -> Result<()> {
        let name = manifest_name(self.generation);
        let temporary = format!("{TEMPORARY}{name}");
        storage.rename(&temporary, &name).map_err(Error::io(format!("rename {temporary} to {name}")))?;
        storage.sync_directory().map_err(Error::sync("sync directory"))
    }

    /// Names of all files that the commit needs, the manifest included.
    pub fn files(&self) -> impl Iterator<Item = String> {
        self.data_files().map(|file| file.name.clone()).chain(std::iter::once(manifest_name(self.generation)))
    }

    /// Bytes of all listed files.
    pub fn bytes(&self) -> u64 {
        self.data_files().map(|file| file.length).sum()
    }

    fn check(&self, generation: u64) -> Result<(), String> {
        if self.generation != generation || generation >= GENERATION_MAX {
            return Err(format!("it says generation {}, its name {generation}", self.generation));
        }
        self.settings.check().map_err(|error| error.to_string())?;
        let mut names = HashSet::new();
        if let Some(segment) = self.segments.iter().find(|segment| !names.insert(&segment.segment.name)) {
            return Err(format!("it lists {} twice", segment.segment.name));
        }
        for segment in &self.segments {
            let mut next = 0;
            for part in &segment.vectors {
                let end = part.first_row.checked_add(part.rows);
                if part.first_row < next || end.is_none_or(|end| end > segment.rows) {
                    return Err(format!("vectors of {} lie outside its rows", segment.segment.name));
                }
                next = part.first_row + part.rows;
            }
        }
        // A name leads to a file of this directory only, and every name is one of ours.
        match self.data_files().find(|file| !is_data(&file.name)) {
            Some(file) => Err(format!("it lists a file with the impossible name {:?}", file.name)),
            None => Ok(()),
        }
    }

    fn data_files(&self) -> impl Iterator<Item = &FileEntry> {
        self.segments.iter().flat_map(|segment| {
            let vectors = segment.vectors.iter().map(|part| &part.file);
            std::iter::once(&segment.segment).chain(vectors).chain(&segment.tombstones)
        })
    }
}

impl Settings {
    /// Refuses numbers that no search can work with.
    pub fn check(&self) -> Result<()> {
        let Self { k1, b, embedder, .. } = self;
        if !((0.0..=K1_MAX).contains(k1) && (0.0..=1.0).contains(b)) {
            return Err(Error::invalid(format!(
                "bm25 has k1 {k1} and b {b}: k1 must be from 0 to {K1_MAX} and b from 0 to 1"
            )));
        }
        match embedder.as_ref().map(|embedder| embedder.dimension) {
            Some(dimension) if !(1..=DIMENSION_MAX).contains(&dimension) => {
                Err(Error::invalid(format!("dimension is {dimension}: it must be from 1 to {DIMENSION_MAX}")))
            }
            _ => Ok(()),
        }
    }
}

/// Numbers of the commits in the directory, ascending.
pub fn generations(storage: &dyn Storage) -> Result<Vec<u64>> {
    let names = storage.list().map_err(Error::io("list directory"))?;
    let mut generations: Vec<u64> = names.iter().filter_map(|name| parse_manifest(name)).collect();
    generations.sort_unstable();
    Ok(generations)
}

/// Removes files that the newest commit, if there is one, does not need: remains of crashes, and what merges and
/// deletes left behind.
///
/// Only the holder of the writer's lock calls this. A reader that has just read an older manifest and finds one of
/// its files gone reads the newest manifest instead. A file that cannot be removed now is tried again next time.
pub fn sweep(storage: &dyn Storage, newest: Option<&Manifest>) -> Result<()> {
    let needed: HashSet<String> = newest.into_iter().flat_map(Manifest::files).collect();
    let mut names = storage.list().map_err(Error::io("list directory"))?;
    names.retain(|name| is_ours(name) && name != LOCK && !needed.contains(name));
    if !names.is_empty() {
        // The writer of the newest commit may have died before its name was durable: what came before it stays until
        // it is.
        storage.sync_directory().map_err(Error::sync("sync directory"))?;
    }
    for name in names {
        // A mapped file cannot be removed on some systems; it goes at a later sweep.
        let _ = storage.remove(&name);
    }
    Ok(())
}

/// Removes the files of an older commit that the newest does not need any more.
///
/// Files that are in neither stay: a merge may be writing them. The older manifest goes last, so that a reader who
/// still finds it also finds the newest.
pub fn retire(storage: &dyn Storage, older: &Manifest, newest: &Manifest) {
    let needed: HashSet<String> = newest.files().collect();
    for name in older.files().filter(|name| !needed.contains(name)) {
        // What cannot be removed now goes when the index is next opened for writing.
        let _ = storage.remove(&name);
    }
}

/// Whether a file of this name can have been left by Ragstone.
pub fn is_ours(name: &str) -> bool {
    name == LOCK || is_data(name) || parse_manifest(name.strip_prefix(TEMPORARY).unwrap_or(name)).is_some()
}

/// A new unique name: a prefix and 128 random bits.
pub fn unique_name(prefix: &str) -> Result<String> {
    Ok(format!("{prefix}{}", random_id()?))
}

/// Creates and syncs a file whose whole content is at hand; for copies.
pub fn copy_file(from: &dyn Storage, to: &dyn Storage, name: &str) -> Result<()> {
    let bytes = from.read(name).map_err(Error::io(format!("read {name}")))?;
    let mut file: Box<dyn StorageFile> = to.create(name).map_err(Error::io(format!("create {name}")))?;
    for block in bytes.chunks(1 << 20) {
        file.append(block).map_err(Error::io(format!("write {name}")))?;
    }
    file.sync().map_err(Error::sync(format!("sync {name}")))
}

fn manifest_name(generation: u64) -> String {
    format!("{PREFIX}{generation:020}")
}

fn parse_manifest(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Whether a manifest may list a file of this name.
pub fn is_data(name: &str) -> bool {
    DATA_PREFIXES.iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}
