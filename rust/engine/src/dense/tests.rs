//! Dense search against sorting everything, on every instruction set, and against files nobody would write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use proptest::prelude::*;
use ragstone_kernels::dispatch::{self, available};
use ragstone_kernels::scalar;
use ragstone_kernels::top::{Scored, Top};

use super::*;
use crate::bitmap::Bitmap;
use crate::bitmap::Passing;
use crate::instructions::active_kernels;
use crate::interrupt::{Deadline, Interrupt, Never};
use crate::storage::disk::Disk;
use crate::storage::frame::{Frame, FrameWriter, Kind, Verify};
use crate::storage::memory::Memory;
use crate::storage::{Storage, StorageFile};

/// One thread that nothing stops.
const ONE: Effort<'_> = Effort { threads: 1, interrupt: &Never };

/// Repeatable numbers in -1..1, from a state that each call advances.
pub(super) fn noise(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

pub(super) fn random_unit(dimension: usize, state: &mut u64) -> Vec<f32> {
    let vector: Vec<f32> = (0..dimension).map(|_| noise(state)).collect();
    unit(&vector, "a random vector").unwrap()
}

pub(super) fn store(vectors: &[Option<Vec<f32>>], dimension: usize) -> Arc<Frame> {
    let storage = Memory::default();
    let mut writer = FrameWriter::create(&storage, "v", Kind::Vectors).unwrap();
    write_vectors(&mut writer, dimension, vectors.len(), |row| vectors[row].as_deref()).unwrap();
    let entry = writer.finish().unwrap();
    Frame::open_entry(&storage, &entry, Kind::Vectors, Verify::Full).unwrap()
}

/// Ids as bits; ids too large to be there do not matter.
fn bits(ids: &[i64]) -> Vec<u64> {
    let mut words = vec![0; 100];
    for &id in ids.iter().filter(|&&id| (0..6400).contains(&id)) {
        words[id as usize / 64] |= 1 << (id % 64);
    }
    words
}

/// The definition of right: score everything as the specification says, sort everything.
fn oracle<R: Copy + Ord>(rows: impl Iterator<Item = (R, Vec<f32>)>, query: &[f32], k: usize) -> Vec<Scored<R>> {
    let mut all: Vec<_> = rows.map(|(row, vector)| Scored { score: scalar::dot(&vector, query), row }).collect();
    all.sort_by(Scored::rank);
    all.truncate(k);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Catches a row lost, added or misnamed at any border (word, block, gathered batch), for any filter and any holes.
    #[test]
    fn search_is_sorting_everything(
        seed in any::<u64>(),
        dimension in prop_oneof![1usize..40, Just(384)],
        rows in prop_oneof![0usize..200, 700usize..1500],
        holes in prop::sample::select(vec![0u32, 1, 50, 99, 100]),
        density in prop::sample::select(vec![None, Some(0u32), Some(1), Some(10), Some(60), Some(95), Some(100)]),
        first_row in prop::sample::select(vec![0u32, 1, 63, 64, 1000]),
        k in 0usize..30,
    ) {
        let state = &mut { seed };
        let percent = |share: u32, state: &mut u64| (noise(state) + 1.0) * 50.0 < share as f32;
        let vectors: Vec<Option<Vec<f32>>> =
            (0..rows).map(|_| (!percent(holes, state)).then(|| random_unit(dimension, state))).collect();
        let allowed = density.map(|density| {
            let mut allowed = Bitmap::empty(first_row + rows as u32 + 70);
            for row in (0..allowed.len()).filter(|_| percent(density, state)).collect::<Vec<_>>() {
                allowed.insert(row);
            }
            allowed
        });
        let query = random_unit(dimension, state);
        let found = vectors.iter().enumerate().filter_map(|(row, vector)| Some((first_row + row as u32, vector.clone()?)));
        let expected = oracle(found.filter(|&(row, _)| allowed.as_ref().is_none_or(|allowed| allowed.contains(row))), &query, k);
        let reader = Vectors::open(&store(&vectors, dimension)).unwrap();
        for kernels in available() {
            let reader = reader.clone().with_kernels(kernels);
            let mut top = Top::new(k);
            reader.search(&query, first_row, allowed.as_ref(), &mut top, ONE).unwrap();
            prop_assert_eq!(&top.into_sorted(), &expected, "{:?}", kernels);
        }
    }

    // Catches scores out of order with their rows, and a specification that drifts from the true cosine.
    #[test]
    fn scores_are_cosines(seed in any::<u64>(), dimension in 1usize..80, rows in prop::collection::vec(0u32..60, 0..90)) {
        let state = &mut { seed };
        let vectors: Vec<_> = (0..50u32).map(|row| (row % 7 != 3).then(|| random_unit(dimension, state))).collect();
        let query = random_unit(dimension, state);
        let reader = Vectors::open(&store(&vectors, dimension)).unwrap();
        let scores = reader.scores(&query, &rows).unwrap();
        prop_assert_eq!(scores.len(), rows.len());
        for (&row, score) in rows.iter().zip(scores) {
            let vector = vectors.get(row as usize).and_then(Option::as_ref);
            prop_assert_eq!(reader.row(row), vector.map(Vec::as_slice));
            let cosine = vector.map(|vector| vector.iter().zip(&query).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>());
            match (score, cosine) {
                (Some(score), Some(cosine)) => prop_assert!((f64::from(score) - cosine).abs() < 1e-6),
                (score, cosine) => prop_assert!(score.is_none() && cosine.is_none(), "row {}", row),
            }
        }
    }

    // Catches a panic, a hang or an allocation out of proportion on sections that no writer would write. The checksums
    // are right: only the reader's own checks stand in the way.
    #[test]
    fn hostile_sections_never_panic(
        head in prop_oneof![
            Just(vec![5u32, 16, 3, 2]),
            prop::collection::vec(prop_oneof![0u32..70, Just(u32::MAX), any::<u32>()], 0..6),
            (0usize..4, prop_oneof![0u32..70, Just(u32::MAX), any::<u32>()]).prop_map(|(at, value)| {
                let mut head = vec![5, 16, 3, 2];
                head[at] = value;
                head
            }),
        ],
        present in prop_oneof![Just(vec![0b101u64]), prop::collection::vec(any::<u64>(), 0..3)],
        values in prop_oneof![Just(vec![0.25f32; 48]), prop::collection::vec(any::<f32>(), 0..100)],
        ids in prop_oneof![Just(vec![1i64, 2, 3]), prop::collection::vec(any::<i64>(), 0..5)],
        largest in any::<i64>(),
    ) {
        let storage = Memory::default();
        for kind in [Kind::Vectors, Kind::DenseIndex] {
            let name = format!("{kind:?}");
            let mut writer = FrameWriter::create(&storage, &name, kind).unwrap();
            writer.section("vec.f32", &values).unwrap();
            writer.section("vec.present", &present).unwrap();
            writer.section("vec.head", &head).unwrap();
            writer.section("didx.ids", &ids).unwrap();
            writer.section("didx.head", &[largest]).unwrap();
            writer.finish().unwrap();
        }
        let frame = Frame::open(&storage, "Vectors", Kind::Vectors, Verify::Full).unwrap();
        if let Ok(vectors) = Vectors::open(&frame) {
            prop_assert_eq!((head[0] as usize, head[2]), (vectors.dimension(), vectors.rows()));
            let query = unit(&vec![1.0; vectors.dimension()], "query").unwrap();
            let _ = vectors.search(&query, 0, None, &mut Top::new(3), ONE);
            let _ = vectors.scores(&query, &[0, 1, u32::MAX]);
        }
        if let Ok(mut index) = DenseIndex::open(&storage, "DenseIndex", Verify::Full) {
            let ones = vec![1.0; index.dimension()];
            let query = Matrix { values: &ones, dimension: ones.len() };
            let _ = index.search(query, 3, true, Some(Passing::Ids(&ids)), 1, &Never);
            let _ = index.add(query, None);
            let _ = index.save(&storage, "again");
        }
    }

    // Catches any difference between the index and a dictionary: ids, ties, replacing, removing, saving, reopening,
    // filters, threads, instruction sets.
    #[test]
    fn index_is_a_dictionary(
        steps in prop::collection::vec((0u8..10, prop::collection::vec((0i64..40, 0u64..6), 0..12)), 1..14),
        filter in prop::option::of(prop::collection::vec(-1i64..50, 0..30)),
        top_k in 1usize..50,
        threads in 0usize..5,
    ) {
        const DIMENSION: usize = 19;
        let storage = Memory::default();
        let mut index = DenseIndex::new(DIMENSION).unwrap();
        let mut expected: BTreeMap<i64, Vec<f32>> = BTreeMap::new();
        let mut largest = -1;
        // Few different vectors, so that most scores tie.
        let vector_of = |kind: u64| random_unit(DIMENSION, &mut { kind });
        for (step, items) in steps {
            let ids: Vec<i64> = items.iter().map(|&(id, _)| id).collect();
            let values: Vec<f32> = items.iter().flat_map(|&(_, kind)| vector_of(kind)).collect();
            let vectors = Matrix { values: &values, dimension: DIMENSION };
            match step {
                0..4 => prop_assert_eq!(&index.add(vectors, Some(&ids)).unwrap(), &ids),
                4..6 => {}
                6..8 => {
                    let there = ids.iter().filter(|id| expected.remove(id).is_some()).count();
                    prop_assert_eq!(index.remove(&ids), there);
                    continue;
                }
                _ => {
                    index.save(&storage, "saved").unwrap();
                    index = DenseIndex::open(&storage, "saved", Verify::Full).unwrap();
                    prop_assert_eq!(storage.list().unwrap(), ["saved"]);
                    continue;
                }
            }
            let ids = if step < 4 { ids } else { index.add(vectors, None).unwrap() };
            for (position, (&id, vector)) in ids.iter().zip(values.chunks(DIMENSION)).enumerate() {
                prop_assert!(step < 4 || id == largest + 1, "id {} of position {}", id, position);
                largest = largest.max(id);
                // Stored once more normalised: the bits of what the index keeps.
                expected.insert(id, unit(vector, "vector").unwrap());
            }
        }
        prop_assert_eq!(index.len(), expected.len());
        let queries: Vec<Vec<f32>> = (0..5).map(|kind| vector_of(kind + 3)).collect();
        let queries_flat = queries.concat();
        for kernels in available() {
            index = index.with_kernels(kernels);
            let batch = Matrix { values: &queries_flat, dimension: DIMENSION };
            let passing = filter.as_deref().map(Passing::Ids);
            let (ids, scores) = index.search(batch, top_k, false, passing, threads, &Never).unwrap();
            let bits = filter.as_deref().map(bits);
            let by_bits = index.search(batch, top_k, false, bits.as_deref().map(Passing::Bits), threads, &Never);
            prop_assert_eq!(&by_bits.unwrap(), &(ids.clone(), scores.clone()));
            prop_assert_eq!((ids.len(), scores.len()), (5 * top_k, 5 * top_k));
            for ((ids, scores), query) in ids.chunks(top_k).zip(scores.chunks(top_k)).zip(&queries) {
                let passing = expected.iter().filter(|(id, _)| filter.as_ref().is_none_or(|filter| filter.contains(id)));
                let mut best = oracle(passing.map(|(&id, vector)| (id, vector.clone())), &unit(query, "query").unwrap(), top_k);
                best.resize(top_k, Scored { score: f32::NEG_INFINITY, row: -1 });
                let found: Vec<_> = ids.iter().zip(scores).map(|(&row, &score)| Scored { score, row }).collect();
                prop_assert_eq!(found, best);
            }
        }
    }

    // Catches a length that depends on anything but the direction's rounding, for the smallest and largest of numbers.
    #[test]
    fn units_have_length_one(mut vector in prop::collection::vec(any::<f32>(), 1..300), scale in prop::sample::select(vec![1e-44f32, 1e-20, 1.0, 1e38])) {
        for value in &mut vector {
            *value = if value.is_finite() { value.signum() * scale } else { 0.0 };
        }
        if vector.iter().any(|&value| value != 0.0) {
            let unit = unit(&vector, "vector").unwrap();
            let square: f64 = unit.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
            prop_assert!((square - 1.0).abs() < 1e-6, "{}", square);
        }
    }
}

fn refused(error: &Error) -> String {
    assert!(matches!(error, Error::InvalidInput { .. } | Error::DimensionMismatch { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn vectors_without_direction_are_refused() {
    // Catches a bad value that enters an index and makes every later score meaningless.
    let message = |vector: &[f32]| refused(&unit(vector, "vector 3").unwrap_err());
    assert_eq!(message(&[1.0, f32::INFINITY]), "vector 3 has inf at position 1: every value must be finite");
    assert_eq!(message(&[f32::NEG_INFINITY, f32::NAN]), "vector 3 has -inf at position 0: every value must be finite");
    assert_eq!(message(&[0.0, -0.0]), "vector 3 has only zeros, so it has no direction to compare: leave it out");
    assert_eq!(message(&[]), "vector 3 has only zeros, so it has no direction to compare: leave it out");

    let mut index = DenseIndex::new(2).unwrap();
    let add = |index: &mut DenseIndex, values: &[f32], dimension, ids: Option<&[i64]>| {
        index.add(Matrix { values, dimension }, ids).map_err(|error| refused(&error))
    };
    let nan = add(&mut index, &[1.0, 0.0, f32::NAN, 0.0], 2, None);
    assert_eq!(nan.unwrap_err(), "vector 1 has NaN at position 0: every value must be finite");
    assert_eq!(add(&mut index, &[1.0; 3], 3, None).unwrap_err(), "vector has 3 dimensions, index expects 2");
    assert_eq!(add(&mut index, &[1.0; 3], 2, None).unwrap_err(), "3 values do not make whole vectors of 2 dimensions");
    assert_eq!(add(&mut index, &[1.0; 2], 2, Some(&[1, 2])).unwrap_err(), "2 ids for 1 vectors: pass one for each");
    assert!(add(&mut index, &[1.0; 2], 2, Some(&[-1])).unwrap_err().starts_with("id -1 is negative"));
    assert_eq!(index.len(), 0, "a refused call left something behind");
    assert_eq!(add(&mut index, &[1.0; 2], 2, Some(&[i64::MAX])).unwrap(), [i64::MAX]);
    assert_eq!(
        add(&mut index, &[1.0; 2], 2, None).unwrap_err(),
        format!("no 1 ids are left above {}: pass ids", i64::MAX)
    );
    assert_eq!(add(&mut index, &[], 2, None).unwrap(), [0i64; 0]);
}

#[test]
fn absurd_searches_are_refused_and_empty_ones_answered() {
    // Catches a top_k that allocates by itself, and an empty index treated as an error.
    let mut index = DenseIndex::new(2).unwrap();
    let search = |index: &DenseIndex, values: &[f32], dimension, top_k| {
        index.search(Matrix { values, dimension }, top_k, true, None, 2, &Never).map_err(|error| refused(&error))
    };
    assert_eq!(search(&index, &[1.0, 0.0], 2, 2).unwrap(), (vec![-1; 2], vec![f32::NEG_INFINITY; 2]));
    assert_eq!(search(&index, &[], 2, 2).unwrap(), (vec![], vec![]));
    index.add(Matrix { values: &[3.0, 4.0], dimension: 2 }, Some(&[7])).unwrap();
    assert_eq!(search(&index, &[1.0, 0.0], 2, 2).unwrap(), (vec![7, -1], vec![0.6, f32::NEG_INFINITY]));
    let message = search(&index, &[1.0, 0.0], 2, usize::MAX).unwrap_err();
    assert_eq!(message, format!("top_k is {}: ask for 1 to 65536 results, the index holds 1 vectors", usize::MAX));
    assert!(search(&index, &[1.0, 0.0], 2, 0).unwrap_err().starts_with("top_k is 0: ask for 1"));
    assert_eq!(search(&index, &[1.0; 4], 4, 1).unwrap_err(), "vector has 4 dimensions, index expects 2");
    assert!(search(&index, &[0.0; 2], 2, 1).unwrap_err().starts_with("query 0 has only zeros"));
    for dimension in [0, DIMENSION_MAX + 1] {
        assert!(refused(&DenseIndex::new(dimension).unwrap_err()).contains(&dimension.to_string()));
    }

    let vectors = Vectors::open(&store(&[Some(vec![1.0, 0.0])], 2)).unwrap();
    let ask = |query: &[f32]| refused(&vectors.search(query, 0, None, &mut Top::new(1), ONE).unwrap_err());
    assert_eq!(ask(&[1.0]), "vector has 1 dimensions, index expects 2");
    assert_eq!(ask(&[2.0, 0.0]), "the query has squared length 4 where 1 belongs: normalise it first");
    assert!(ask(&[f32::NAN, 0.0]).starts_with("the query has squared length NaN"));
    assert!(vectors.search(&[1.0, 0.0], u32::MAX, None, &mut Top::new(1), ONE).is_err());
}

#[test]
fn the_writer_takes_only_unit_vectors_of_one_dimension() {
    // Catches a column that mixes cosines with other products.
    let storage = Memory::default();
    let mut writer = FrameWriter::create(&storage, "v", Kind::Vectors).unwrap();
    let long: [Option<&[f32]>; 2] = [Some(&[1.0, 0.0]), Some(&[1.0, 1.0])];
    let message = refused(&write_vectors(&mut writer, 2, 2, |row| long[row]).unwrap_err());
    assert_eq!(message, "the vector of row 1 has squared length 2 where 1 belongs: normalise it first");
    let mut writer = FrameWriter::create(&storage, "w", Kind::Vectors).unwrap();
    let short: [Option<&[f32]>; 1] = [Some(&[1.0])];
    assert!(matches!(
        write_vectors(&mut writer, 2, 1, |row| short[row]),
        Err(Error::DimensionMismatch { expected: 2, got: 1 })
    ));
}

#[test]
fn rows_start_at_cache_lines() {
    // Catches a stride or a section that loses the alignment which the format promises.
    let state = &mut 1;
    let vectors: Vec<_> = (0..5).map(|_| Some(random_unit(21, state))).collect();
    let vectors = Vectors::open(&store(&vectors, 21)).unwrap();
    assert!((0..5).all(|row| vectors.row(row).unwrap().as_ptr().addr().is_multiple_of(64)));
}

#[test]
fn damage_in_unchecked_values_is_reported_where_it_would_show() {
    // Catches a wrong answer from a file too large to be checked when it is opened.
    let storage = Memory::default();
    let mut writer = FrameWriter::create(&storage, "v", Kind::Vectors).unwrap();
    let state = &mut 5;
    let vectors_before: Vec<Vec<f32>> = (0..3000).map(|_| random_unit(16, state)).collect();
    write_vectors(&mut writer, 16, 3000, |row| Some(vectors_before[row].as_slice())).unwrap();
    writer.finish().unwrap();
    let mut bytes = storage.read("v").unwrap().to_vec();
    // The values follow the header of 64 bytes; rows have 64 bytes each; the structure is blocks of checksums away.
    for (row, value) in [(100, f32::NAN), (200, 3e38)] {
        bytes[64 + row * 64..][..4].copy_from_slice(&f32::to_le_bytes(value));
    }
    storage.create("damaged").unwrap().append(&bytes).unwrap();
    let vectors = |verify| Vectors::open(&Frame::open(&storage, "damaged", Kind::Vectors, verify)?);
    assert!(matches!(vectors(Verify::Full), Err(Error::Corrupt { .. })));
    let vectors = vectors(Verify::Structure).unwrap();
    // Codes lead to the row; its values are what an answer is made of.
    let query = vectors_before[100].clone();
    let search = |allowed: Option<&Bitmap>| vectors.search(&query, 0, allowed, &mut Top::new(3), ONE);
    let message = search(None).unwrap_err().to_string();
    assert!(message.contains("row 100 is not a vector of unit length"), "{message}");
    assert!(vectors.scores(&query, &[7, 200]).is_err());
    // Rows that are not allowed are nobody's business.
    let mut allowed = Bitmap::full(3000);
    allowed.remove(100);
    allowed.remove(200);
    search(Some(&allowed)).unwrap();
}

/// Says stop at the n-th question.
struct StopAt(AtomicUsize);

impl Interrupt for StopAt {
    fn check(&self) -> Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { Err(Error::Interrupted) } else { Ok(()) }
    }
}

#[test]
fn searches_stop_when_told() {
    // Catches a scan that asks too rarely, or an answer given after a stop.
    let state = &mut 9;
    let values: Vec<f32> = (0..20_000).flat_map(|_| random_unit(32, state)).collect();
    let mut index = DenseIndex::new(32).unwrap();
    index.add(Matrix { values: &values, dimension: 32 }, None).unwrap();
    let storage = Memory::default();
    index.save(&storage, "saved").unwrap();
    let every_other: Vec<i64> = (0..20_000).step_by(2).collect();
    let queries = Matrix { values: &values[..32 * 100], dimension: 32 };
    for index in [DenseIndex::open(&storage, "saved", Verify::Full).unwrap(), index] {
        for filter in [None, Some(every_other.as_slice())] {
            // 2.5 MB are at least nine blocks for each of four tiles of queries.
            for stop in [0, 1, 4, 17] {
                let stop = StopAt(AtomicUsize::new(stop));
                let outcome = index.search(queries, 5, false, filter.map(Passing::Ids), 2, &stop);
                assert!(matches!(outcome, Err(Error::Interrupted)), "not stopped");
            }
        }
        let past = Deadline(Instant::now());
        assert!(matches!(index.search(queries, 5, false, None, 1, &past), Err(Error::Timeout)));
    }
}

#[test]
fn saved_indexes_are_mapped_replaced_and_missed() {
    // Catches a save that disturbs a reader of the file it replaces, or leaves its temporary file behind.
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::open(directory.path(), true).unwrap();
    let mut index = DenseIndex::new(3).unwrap();
    index.add(Matrix { values: &[1.0, 0.0, 0.0, 0.0, 2.0, 0.0], dimension: 3 }, Some(&[5, 2])).unwrap();
    index.save(&disk, "vectors.rag").unwrap();
    let mut old = DenseIndex::open(&disk, "vectors.rag", Verify::Auto).unwrap();
    index.remove(&[5]);
    index.save(&disk, "vectors.rag").unwrap();
    let new = DenseIndex::open(&disk, "vectors.rag", Verify::Auto).unwrap();
    let query = Matrix { values: &[1.0, 0.0, 0.0], dimension: 3 };
    assert_eq!(old.search(query, 1, true, None, 1, &Never).unwrap(), (vec![5], vec![1.0]));
    assert_eq!(new.search(query, 1, true, None, 1, &Never).unwrap(), (vec![2], vec![0.0]));
    // An index saved over the file that it is mapped from.
    old.add(query, None).unwrap();
    old.save(&disk, "vectors.rag").unwrap();
    let again = DenseIndex::open(&disk, "vectors.rag", Verify::Auto).unwrap();
    assert_eq!(again.search(query, 3, true, None, 1, &Never).unwrap(), (vec![5, 6, 2], vec![1.0, 1.0, 0.0]));
    assert_eq!(disk.list().unwrap(), ["vectors.rag"]);
    assert!(matches!(DenseIndex::open(&disk, "absent", Verify::Auto), Err(Error::NotFound { .. })));
    let mut file = disk.create("other").unwrap();
    StorageFile::append(&mut *file, b"not an index").unwrap();
    assert!(matches!(DenseIndex::open(&disk, "other", Verify::Auto), Err(Error::Corrupt { .. })));
}

#[test]
fn a_forced_instruction_set_that_is_not_there_is_an_error() {
    // Catches an unusable RAGSTONE_ISA that would be passed over in silence.
    assert!(dispatch::select(Some("abacus")).is_err());
    assert_eq!(active_kernels().unwrap().name(), dispatch::active().unwrap().name());
}
