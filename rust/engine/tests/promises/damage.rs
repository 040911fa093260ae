//! Damaged and forged files: a typed error or the right answer, never a panic.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ragstone_engine::chunks::{ChunkInput, DocumentInput};
use ragstone_engine::dense::{DenseIndex, Matrix};
use ragstone_engine::error::{Error, Result};
use ragstone_engine::filter;
use ragstone_engine::index::{Index, Options};
use ragstone_engine::interrupt::Never;
use ragstone_engine::lexical::{Bm25, LexicalIndex};
use ragstone_engine::merge;
use ragstone_engine::storage::frame::{Frame, FrameWriter, Kind, Verify};
use ragstone_engine::storage::manifest::{Manifest, generations};
use ragstone_engine::storage::memory::Memory;
use ragstone_engine::storage::{Bytes, Lock, Storage, StorageFile};
use ragstone_engine::writer::Batch;

use crate::workload::{DIMENSION, View, document, embedding, numbers, reading, times, vector, vectors, view};

/// Files as they are, some of them replaced.
#[derive(Debug, Default)]
struct Forged {
    base: Memory,
    replaced: BTreeMap<String, Vec<u8>>,
}

impl Storage for Forged {
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        self.base.create(name)
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        self.replaced.get(name).map_or_else(|| self.base.read(name), |bytes| Ok(Bytes::copy(bytes)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.base.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.base.rename(from, to)
    }

    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        self.base.replace(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.base.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.base.sync_directory()
    }

    fn lock(&self, name: &str) -> io::Result<Lock> {
        self.base.lock(name)
    }

    fn describe(&self) -> String {
        "forged".to_owned()
    }
}

/// An index that has every kind of file and section in use, with lists of postings of all forms.
fn sample() -> Memory {
    let storage = Memory::default();
    let index = Index::open(Arc::new(storage.clone()), embedding()).unwrap();
    let embedded =
        |upserts: Vec<DocumentInput>| Batch { vectors: Some(vectors(&upserts)), upserts, ..Batch::default() };
    let long = DocumentInput {
        document_id: "long".to_owned(),
        text: "kelp ".repeat(66) + &"iris ".repeat(300),
        chunks: (0..66)
            .map(|at| ChunkInput { start: 5 * at, end: 5 * at + 4, ..ChunkInput::default() })
            .chain([ChunkInput { start: 330, end: 1830, ..ChunkInput::default() }])
            .collect(),
        ..DocumentInput::default()
    };
    index.commit(embedded(vec![document("ant", 1), document("bee", 1), document("cat", 3)]), &Never).unwrap();
    index.commit(Batch { upserts: vec![long, document("bee", 2)], ..Batch::default() }, &Never).unwrap();
    let pending = index.pending(2).unwrap().unwrap();
    let unit = vector("x");
    index.attach(&pending.segment, pending.first_row, &[Some(&unit), None]).unwrap();
    storage
}

fn bytes_of(storage: &dyn Storage, name: &str) -> Vec<u8> {
    storage.read(name).unwrap().to_vec()
}

/// Reads everything that can be read.
fn read_all(storage: Arc<dyn Storage>, verify: Verify) -> Result<(View, Vec<Error>)> {
    let index = Index::open(storage, Options { verify, ..reading() })?;
    let snapshot = index.snapshot();
    let damage = snapshot.verify(|_| Ok(()))?;
    let seen = view(&snapshot);
    let filter = filter::parse(r#"{"version": {"$gte": 2}, "tags": {"$in": ["a", "x"]}, "name": {"$gt": "b"}}"#)?;
    let more = snapshot.matching(&filter).and_then(|_| index.pending(1000)).map(drop);
    snapshot
        .documents()
        .try_for_each(|document| document.to_input().map(drop))
        .and(more)
        .and(seen)
        .map(|view| (view, damage))
}

fn refused(error: &Error) -> bool {
    matches!(error, Error::Corrupt { .. } | Error::Incompatible { .. })
}

/// Reads an index with one file replaced: the damage is told, or the answers are right.
fn check(base: &Memory, expected: &View, name: &str, bytes: Vec<u8>, verify: Verify, what: &str) {
    let storage = Arc::new(Forged { base: base.clone(), replaced: [(name.to_owned(), bytes)].into() });
    let outcome = catch_unwind(AssertUnwindSafe(|| read_all(storage, verify)));
    match outcome.unwrap_or_else(|_| panic!("{name}, {what}: a panic")) {
        Ok((view, damage)) => assert!(!damage.is_empty() || view == *expected, "{name}, {what}: wrong answers"),
        Err(error) => assert!(refused(&error), "{name}, {what}: {error:?}"),
    }
}

fn names(storage: &Memory) -> Vec<String> {
    let mut names = storage.list().unwrap();
    names.sort();
    for prefix in ["manifest-", "seg-", "vec-", "del-"] {
        assert!(names.iter().any(|name| name.starts_with(prefix)), "the sample has no {prefix}");
    }
    names
}

#[test]
fn damage_is_told_or_harmless() {
    // Catches a byte that no check covers, a file that is taken for another, and a panic, wherever the damage is.
    let base = sample();
    let expected = read_all(Arc::new(base.clone()), Verify::Full).unwrap().0;
    let mut variants = 0;
    for name in names(&base) {
        let good = bytes_of(&base, &name);
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            check(&base, &expected, &name, bytes.clone(), Verify::Full, &format!("byte {at} changed"));
            variants += 1;
            // Opened without a look at the payload, the damage is met while searching, or by `verify`.
            if at % 7 == 0 {
                check(&base, &expected, &name, bytes, Verify::Structure, &format!("byte {at} changed, not verified"));
                variants += 1;
            }
        }
        for length in 0..good.len() {
            check(&base, &expected, &name, good[..length].to_vec(), Verify::Structure, &format!("cut to {length}"));
            variants += 1;
        }
        for start in (0..good.len()).step_by(512) {
            let mut bytes = good.clone();
            let end = bytes.len().min(start + 512);
            bytes[start..end].fill(0);
            check(&base, &expected, &name, bytes, Verify::Full, &format!("zeros from {start}"));
            variants += 1;
        }
        for other in names(&base) {
            check(&base, &expected, &name, bytes_of(&base, &other), Verify::Structure, &format!("replaced by {other}"));
            variants += 1;
        }
        check(&base, &expected, &name, [&good[..], b"\0"].concat(), Verify::Structure, "one byte more");
    }
    println!("{variants} damaged variants");
}

fn number(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

/// Gives a file whose payload was changed the checksums that fit; `None` where its footer leads nowhere.
fn seal(bytes: &mut [u8]) -> Option<()> {
    let footer = bytes.len() - 64;
    let (table, checksums) = (number(bytes, footer + 8), number(bytes, footer + 16));
    let sections = u32::from_le_bytes(bytes[footer + 24..footer + 28].try_into().unwrap()) as usize;
    let put = |bytes: &mut [u8], at: usize, start: usize, end: usize| {
        let crc = crc32fast::hash(bytes.get(start..end)?);
        bytes.get_mut(at..at.checked_add(4)?)?.copy_from_slice(&crc.to_le_bytes());
        Some(())
    };
    put(bytes, 60, 0, 60)?;
    put(bytes, footer + 32, table, table.checked_add(40 * sections)?)?;
    for (block, start) in (0..checksums.min(footer)).step_by(65_536).enumerate() {
        put(bytes, checksums.checked_add(4 * block)?, start, checksums.min(start + 65_536))?;
    }
    put(bytes, footer + 36, checksums, footer)?;
    put(bytes, footer + 52, footer, footer + 52)
}

/// The newest manifest, changed, with its name.
fn manifest_with(base: &Memory, change: impl FnOnce(&mut serde_json::Value)) -> (String, Vec<u8>) {
    let newest = Manifest::read(base, *generations(base).unwrap().last().unwrap()).unwrap();
    let mut json = serde_json::to_value(&newest).unwrap();
    change(&mut json);
    let memory = Memory::default();
    let mut writer = FrameWriter::create(&memory, "manifest", Kind::Manifest).unwrap();
    writer.section("manifest", json.to_string().as_bytes()).unwrap();
    writer.finish().unwrap();
    (newest.files().last().unwrap(), bytes_of(&memory, "manifest"))
}

/// The newest manifest with the checksum of one file replaced.
fn manifest_for(base: &Memory, name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    let footer = bytes.len() - 64;
    let checksum = u32::from_le_bytes(bytes[footer + 52..footer + 56].try_into().unwrap());
    manifest_with(base, |json| {
        for segment in json["segments"].as_array_mut().unwrap() {
            let mut files: Vec<&mut serde_json::Value> = Vec::new();
            let segment = segment.as_object_mut().unwrap();
            for (key, value) in segment.iter_mut() {
                match key.as_str() {
                    "segment" | "tombstones" => files.push(value),
                    "vectors" => files.extend(value.as_array_mut().unwrap().iter_mut().map(|part| &mut part["file"])),
                    _ => {}
                }
            }
            for file in files.into_iter().filter(|file| file["name"] == name) {
                file["checksum"] = checksum.into();
            }
        }
    })
}

/// Reads, merges and extends an index made of hostile files: anything but a panic is fine.
fn exercise(storage: Arc<Forged>, what: &str) -> bool {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let read = read_all(storage.clone(), Verify::Full);
        if let Ok(index) = Index::open(storage, Options { verify: Verify::Full, ..reading() }) {
            let snapshot = index.snapshot();
            let places: Vec<usize> = (0..snapshot.segments.len()).collect();
            let _ = merge::write(&Memory::default(), &snapshot, &places, &Never);
            let _ = merge::due(&snapshot);
            let _ = snapshot.statistics();
        }
        read
    }));
    outcome.unwrap_or_else(|_| panic!("{what}: a panic")).is_ok()
}

#[test]
fn forged_files_never_panic() {
    // Catches trust in an offset, count or order just because its checksum fits: such files can be made on purpose.
    let base = sample();
    let (mut variants, mut accepted) = (0, 0);
    for round in 0..times() {
        let mut chances = numbers(&format!("forged {round}"));
        for name in names(&base) {
            let good = bytes_of(&base, &name);
            let payload = number(&good, good.len() - 48);
            for at in (64..payload).chain(good.len() - 64..good.len() - 12) {
                let die = chances.next().unwrap();
                // Every number of a structure starts at a multiple of four; its other bytes get their share too.
                if !at.is_multiple_of(4) && !die.is_multiple_of(4) {
                    continue;
                }
                let mut bytes = good.clone();
                let end = bytes.len().min(at + [1, 1, 4, 8][(die / 256 % 4) as usize]);
                match die / 4 % 6 {
                    0 => bytes[at..end].fill(0xff),
                    1 => bytes[at..end].fill(0),
                    2 => bytes[at] = bytes[at].wrapping_add(1),
                    3 => bytes[at] = bytes[at].wrapping_sub(1),
                    4 => {
                        let from = (die / 1024) as usize % (good.len() - 8);
                        bytes.copy_within(from..from + end - at, at);
                    }
                    _ => bytes[at] ^= 1 << (die / 32 % 8),
                }
                let whole = seal(&mut bytes).is_some();
                let mut replaced = BTreeMap::new();
                if whole && !name.starts_with("manifest-") {
                    replaced.extend([manifest_for(&base, &name, &bytes)]);
                }
                replaced.insert(name.clone(), bytes);
                let storage = Arc::new(Forged { base: base.clone(), replaced });
                accepted += usize::from(exercise(storage, &format!("{name}, byte {at} forged in round {round}")));
                variants += 1;
            }
        }
    }
    println!("{variants} forged variants, {accepted} accepted");
    // Most bytes are text, vectors or counts, which may be anything.
    assert!(accepted > variants / 20, "only {accepted} of {variants} forged files came past the checksums");
}

/// What a manifest is made to say.
type Edit = (&'static str, fn(&mut serde_json::Value));

#[test]
fn forged_manifests_never_panic() {
    // Catches arithmetic on numbers of a manifest that nobody checked.
    let base = sample();
    let edits: &[Edit] = &[
        ("dimension 0", |json| json["settings"]["embedder"]["dimension"] = 0.into()),
        ("dimension 2^32-1", |json| json["settings"]["embedder"]["dimension"] = u32::MAX.into()),
        ("no embedder", |json| json["settings"]["embedder"] = serde_json::Value::Null),
        ("negative k1", |json| json["settings"]["k1"] = (-1.0).into()),
        ("huge k1", |json| json["settings"]["k1"] = 1e300.into()),
        ("b above 1", |json| json["settings"]["b"] = 7.0.into()),
        ("unknown language", |json| json["settings"]["language"] = "klingon".into()),
        ("many rows", |json| json["segments"][0]["rows"] = u32::MAX.into()),
        ("no rows", |json| json["segments"][0]["rows"] = 0.into()),
        ("first row", |json| json["segments"][0]["vectors"][0]["first_row"] = u32::MAX.into()),
        ("rows of vectors", |json| json["segments"][0]["vectors"][0]["rows"] = u32::MAX.into()),
        ("length", |json| json["segments"][0]["segment"]["length"] = u64::MAX.into()),
        ("generation", |json| json["generation"] = u64::MAX.into()),
        ("path", |json| json["segments"][0]["segment"]["name"] = "../LOCK".into()),
        ("manifest as segment", |json| json["segments"][0]["segment"]["name"] = "manifest-00000000000000000001".into()),
        ("twice", |json| {
            let first = json["segments"][0].clone();
            json["segments"].as_array_mut().unwrap().push(first);
        }),
        ("swapped tombstones", |json| json["segments"][1]["tombstones"] = json["segments"][0]["tombstones"].clone()),
        ("unknown field", |json| json["extra"] = 1.into()),
        ("no object", |json| *json = serde_json::json!([[[[[[]]]]]])),
    ];
    for (what, edit) in edits {
        let replaced = manifest_with(&base, edit);
        let storage = Arc::new(Forged { base: base.clone(), replaced: [replaced].into() });
        exercise(Arc::clone(&storage), what);
        let error = Index::open(storage, reading()).map(drop);
        assert!(error.as_ref().is_err_and(refused), "{what}: {error:?}");
    }
    // The greatest number of a commit that its name can say leaves no number for the next.
    let (_, last) = manifest_with(&base, |json| json["generation"] = u64::MAX.into());
    let name = format!("manifest-{}", u64::MAX);
    base.create(&name).unwrap().append(&last).unwrap();
    assert!(Index::open(Arc::new(base), reading()).is_err_and(|error| refused(&error)));
}

#[test]
fn a_damaged_newest_commit_is_never_rolled_back() {
    // Catches an index that quietly opens an older commit, or a newer release's file that is called damaged.
    let base = sample();
    let newest = names(&base).into_iter().rfind(|name| name.starts_with("manifest-")).unwrap();
    let older = names(&base).into_iter().find(|name| name.starts_with("manifest-")).unwrap();
    let next = format!("manifest-{:020}", newest.split_once('-').unwrap().1.parse::<u64>().unwrap() + 1);
    for bytes in [Vec::new(), vec![0; 4096], bytes_of(&base, &older)] {
        let storage = Memory::default();
        for name in base.list().unwrap() {
            storage.create(&name).unwrap().append(&base.read(&name).unwrap()).unwrap();
        }
        storage.create(&next).unwrap().append(&bytes).unwrap();
        for options in [reading(), crate::workload::options()] {
            let opened = Index::open(Arc::new(storage.clone()), options);
            assert!(matches!(&opened, Err(Error::Corrupt { file, .. }) if *file == next), "{opened:?}");
        }
        assert!(storage.list().unwrap().contains(&newest), "the older commit was swept away");
    }
    let mut bytes = bytes_of(&base, &newest);
    bytes[8] += 1;
    seal(&mut bytes).unwrap();
    let storage = Forged { base, replaced: [(newest, bytes)].into() };
    let opened = Index::open(Arc::new(storage), reading());
    assert!(matches!(opened, Err(Error::Incompatible { .. })), "{opened:?}");
}

/// Opens a saved index and asks it.
type Answer<'a> = &'a dyn Fn(&dyn Storage, Verify) -> Result<(Vec<i64>, Vec<f32>)>;

#[test]
fn saved_indexes_survive_damage() {
    // Catches the same in the files of `DenseIndex` and `LexicalIndex`, damaged and forged.
    let base = Memory::default();
    // More vectors than are compared by their f32 at once, in more than one block of bits.
    let values: Vec<f32> = (0..70).flat_map(|row| vector(&format!("row {row}"))).collect();
    let mut dense = DenseIndex::new(DIMENSION).unwrap();
    dense.add(Matrix { values: &values, dimension: DIMENSION }, None).unwrap();
    dense.save(&base, "dense").unwrap();
    let mut lexical = LexicalIndex::new("english", Bm25::default()).unwrap();
    let many: Vec<&str> = std::iter::repeat_n("kelp and iris", 70).collect();
    lexical.add(&many, None, 1, &Never).unwrap();
    lexical.add(&["copper granite copper", "lagoon", &"harbour ".repeat(300)], None, 1, &Never).unwrap();
    lexical.save(&base, "lexical").unwrap();
    let dense_answer = |storage: &dyn Storage, verify| {
        let index = DenseIndex::open(storage, "dense", verify)?;
        let query = vector("a query");
        let query = Matrix { values: &query, dimension: DIMENSION };
        let (mut ids, mut scores) = index.search(query, 2, true, None, 1, &Never)?;
        let (more_ids, more_scores) = index.search(query, 2, false, None, 1, &Never)?;
        ids.extend(more_ids);
        scores.extend(more_scores);
        Ok((ids, scores))
    };
    let lexical_answer = |storage: &dyn Storage, _| {
        let index = LexicalIndex::open(storage, "lexical")?;
        index.search(&["kelp copper", "lagoon harbour"], 80, None, 1, &Never)
    };
    let cases: [(&str, Answer<'_>); 2] = [("dense", &dense_answer), ("lexical", &lexical_answer)];
    let codes = Frame::open(&base, "dense", Kind::DenseIndex, Verify::Full).unwrap();
    assert!(codes.has("vec.bits") && codes.has("vec.int8"), "codes are not attacked");
    let mut variants = 0;
    for (name, answer) in cases {
        let good = bytes_of(&base, name);
        let expected = answer(&base, Verify::Full).unwrap();
        let run = |bytes: Vec<u8>, what: &str| {
            let storage = Forged { base: base.clone(), replaced: [(name.to_owned(), bytes)].into() };
            let outcome = catch_unwind(AssertUnwindSafe(|| answer(&storage, Verify::Full)));
            outcome.unwrap_or_else(|_| panic!("{name}, {what}: a panic"))
        };
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            match run(bytes.clone(), &format!("byte {at} changed")) {
                Ok(seen) => assert_eq!(seen, expected, "{name}, byte {at} changed"),
                Err(error) => assert!(refused(&error), "{name}, byte {at}: {error:?}"),
            }
            if seal(&mut bytes).is_some() {
                let _ = run(bytes, &format!("byte {at} forged"));
            }
            let cut = run(good[..at].to_vec(), &format!("cut to {at}"));
            assert!(cut.is_err_and(|error| refused(&error)), "{name} cut to {at}");
            variants += 3;
        }
    }
    println!("{variants} variants of saved indexes");
}
