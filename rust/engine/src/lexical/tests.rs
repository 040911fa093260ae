//! Oracles for the whole chain: a plain BM25 in f64, one index against many segments, deletes against a rebuild, and
//! damaged sections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use ragstone_kernels::top::{Scored, Top};

use super::*;
use crate::bitmap::{Bitmap, Passing};
use crate::error::{Error, Result};
use crate::interrupt::{Interrupt, Never};
use crate::storage::Storage;
use crate::storage::frame::{Frame, FrameWriter, Kind, Verify};
use crate::storage::memory::Memory;

type Rows = Vec<Vec<(String, u32)>>;

/// BM25 as the formula says it, row by row: shares nothing with the index but the order of the sum.
struct Oracle {
    rows: Vec<(BTreeMap<String, f64>, f64)>,
    bm25: Bm25,
}

impl Oracle {
    fn new(rows: &Rows, bm25: Bm25) -> Self {
        let row = |terms: &Vec<(String, u32)>| {
            let counts: BTreeMap<_, _> = terms.iter().map(|(term, count)| (term.clone(), f64::from(*count))).collect();
            let length = counts.values().sum();
            (counts, length)
        };
        Self { rows: rows.iter().map(row).collect(), bm25 }
    }

    fn score(&self, row: usize, query: &[(String, u32)]) -> f64 {
        let n = self.rows.len() as f64;
        let average = self.rows.iter().map(|(_, length)| length).sum::<f64>() / n;
        let (counts, length) = &self.rows[row];
        let part = |(term, asked): &(String, u32)| {
            let df = self.rows.iter().filter(|(counts, _)| counts.contains_key(term)).count() as f64;
            let tf = counts.get(term).copied().unwrap_or(0.0);
            let norm = self.bm25.k1 * (1.0 - self.bm25.b + self.bm25.b * length / average);
            if tf == 0.0 {
                0.0
            } else {
                f64::from(*asked) * (1.0 + (n - df + 0.5) / (df + 0.5)).ln() * tf / (tf + norm)
            }
        };
        query.iter().map(part).sum()
    }
}

fn write(rows: &[Vec<(String, u32)>]) -> Memory {
    let memory = Memory::default();
    let mut writer = LexicalWriter::new();
    for (row, terms) in rows.iter().enumerate() {
        writer.add(row as u32, &RowTerms::of(terms)).unwrap();
    }
    let mut frame = FrameWriter::create(&memory, "seg", Kind::Segment).unwrap();
    writer.finish(&mut frame, 1, &Never).unwrap();
    frame.finish().unwrap();
    memory
}

fn open(memory: &Memory) -> Lexical {
    Lexical::open(&Frame::open(memory, "seg", Kind::Segment, Verify::Full).unwrap()).unwrap()
}

fn build(rows: &[Vec<(String, u32)>]) -> Lexical {
    open(&write(rows))
}

/// Segments with the row numbers that they begin at, and the rows deleted in each: what a searcher would hold.
struct Segments(Vec<(Lexical, u32, Bitmap, Corrections)>);

impl Segments {
    fn new(parts: &[Rows]) -> Self {
        let mut first = 0;
        let mut segments = Vec::new();
        for rows in parts {
            let count = rows.len() as u32;
            segments.push((build(rows), first, Bitmap::full(count), Corrections::default()));
            first += count;
        }
        Self(segments)
    }

    fn rows(&self) -> u64 {
        self.0.iter().map(|(lexical, .., corrections)| u64::from(lexical.rows() - corrections.rows())).sum()
    }

    fn average(&self) -> f64 {
        let total = self.0.iter().map(|(lexical, .., gone)| lexical.total_length() - gone.total_length()).sum();
        average_length(total, self.rows())
    }

    fn weights(&self, query: &[(String, u32)]) -> Vec<WeightedTerm> {
        let frequency = |term: &str| -> u64 {
            let of = |(lexical, .., gone): &(Lexical, u32, Bitmap, Corrections)| {
                lexical.term(term).unwrap().map_or(0, |id| gone.document_frequency_live(lexical, id))
            };
            self.0.iter().map(|segment| u64::from(of(segment))).sum()
        };
        let weigh = |(term, asked): &(String, u32)| WeightedTerm {
            weight: f64::from(*asked) * idf(self.rows(), frequency(term)),
            term: term.clone(),
        };
        query.iter().map(weigh).collect()
    }

    fn search(&self, query: &[(String, u32)], bm25: Bm25, k: usize, allowed: Option<&[u32]>) -> Vec<Scored> {
        let mut top = Top::new(k);
        let weights = self.weights(query);
        for (lexical, first, live, _) in &self.0 {
            let mut bitmap = live.clone();
            if let Some(rows) = allowed {
                let mut chosen = Bitmap::empty(live.len());
                rows.iter().filter_map(|row| row.checked_sub(*first)).filter(|&row| row < live.len()).for_each(|row| {
                    chosen.insert(row);
                });
                bitmap.intersect(&chosen);
            }
            let bitmap = (bitmap != Bitmap::full(live.len())).then_some(bitmap);
            lexical.search(&weights, self.average(), bm25, bitmap.as_ref(), *first, &mut top, &Never).unwrap();
        }
        top.into_sorted()
    }
}

fn rows(max: usize) -> impl Strategy<Value = Rows> {
    // Few terms with skewed chances, so that lists of every kind, ties and empty rows all appear.
    let term = prop_oneof![(0u32..4), (0u32..12), (0u32..60)].prop_map(|term| format!("t{term}"));
    let count = prop_oneof![9 => 1u32..4, 1 => 250u32..300];
    let row = prop::collection::btree_map(term, count, 0..8).prop_map(|terms| terms.into_iter().collect());
    prop::collection::vec(row, 1..max)
}

fn query() -> impl Strategy<Value = Vec<(String, u32)>> {
    prop::collection::btree_map((0u32..70).prop_map(|term| format!("t{term}")), 1u32..3, 0..9)
        .prop_map(|terms| terms.into_iter().collect())
}

fn parameters() -> impl Strategy<Value = Bm25> {
    (prop_oneof![Just(1.2), 0.0..3.0f64], prop_oneof![Just(0.75), Just(0.0), Just(1.0), 0.0..1.0f64])
        .prop_map(|(k1, b)| Bm25 { k1, b })
}

fn split(all: &Rows, cuts: &[usize]) -> Vec<Rows> {
    let mut at: BTreeSet<usize> = cuts.iter().map(|cut| cut % (all.len() + 1)).collect();
    at.extend([0, all.len()]);
    let at: Vec<usize> = at.into_iter().collect();
    at.windows(2).map(|pair| all[pair[0]..pair[1]].to_vec()).collect()
}

fn bits(found: &[Scored]) -> Vec<(u32, u32)> {
    found.iter().map(|scored| (scored.row, scored.score.to_bits())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // Catches a wrong formula, a lost or doubled posting, an unsafe bound, a wrong order of ties.
    #[test]
    fn search_agrees_with_the_formula(all in rows(160), query in query(), k in 1usize..40, bm25 in parameters()) {
        let oracle = Oracle::new(&all, bm25);
        let found = Segments::new(std::slice::from_ref(&all)).search(&query, bm25, k, None);
        let mut expected: Vec<Scored> = (0..all.len())
            .map(|row| Scored { score: oracle.score(row, &query) as f32, row: row as u32 })
            .filter(|scored| scored.score > 0.0)
            .collect();
        expected.sort_by(Scored::rank);
        expected.truncate(k);
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let exact = oracle.score(found.row as usize, &query) as f32;
            prop_assert!((found.score - exact).abs() <= 1e-6 * exact);
            prop_assert!((found.score - expected.score).abs() <= 1e-6 * expected.score);
        }
    }

    // Catches any score, rank or tie that depends on how rows are spread over segments.
    #[test]
    fn segments_give_the_bits_of_one_index(
        all in rows(160), cuts in prop::collection::vec(0usize..200, 0..5), query in query(), k in 1usize..40,
        bm25 in parameters(), allowed in prop::option::of(prop::collection::vec(0u32..160, 0..160)),
    ) {
        let one = Segments::new(std::slice::from_ref(&all));
        let many = Segments::new(&split(&all, &cuts));
        let whole = one.search(&query, bm25, k, allowed.as_deref());
        prop_assert_eq!(bits(&whole), bits(&many.search(&query, bm25, k, allowed.as_deref())));
        // The same rows one by one, and as the sum of their parts.
        let weights = one.weights(&query);
        let lexical = &one.0[0].0;
        let rows: Vec<u32> = whole.iter().map(|scored| scored.row).collect();
        let scores = lexical.scores(&weights, one.average(), bm25, &rows).unwrap();
        for (scored, score) in whole.iter().zip(scores) {
            prop_assert_eq!(scored.score.to_bits(), score.to_bits());
            let parts = lexical.explain(&weights, one.average(), bm25, scored.row).unwrap();
            let sum: f64 = parts.iter().map(|part| part.contribution).sum();
            prop_assert_eq!((sum as f32).to_bits(), score.to_bits());
        }
        if let Some(allowed) = allowed {
            prop_assert!(rows.iter().all(|row| allowed.contains(row)));
        }
    }

    // Catches statistics that still count deleted rows, corrections that differ by the way they are made, and a merge
    // that differs from a rebuild.
    #[test]
    fn deleted_rows_leave_no_trace(
        all in rows(120), cuts in prop::collection::vec(0usize..120, 0..3),
        deleted in prop::collection::btree_set(0usize..120, 0..100), query in query(), k in 1usize..20,
    ) {
        let mut many = Segments::new(&split(&all, &cuts));
        for (lexical, first, live, corrections) in &mut many.0 {
            let mut gone = Bitmap::empty(live.len());
            for row in deleted.iter().filter_map(|row| (*row as u32).checked_sub(*first)).filter(|&row| row < live.len()) {
                gone.insert(row);
                corrections.add_row(lexical, &RowTerms::of(&all[(*first + row) as usize])).unwrap();
            }
            live.subtract(&gone);
            let memory = Memory::default();
            let mut frame = FrameWriter::create(&memory, "del", Kind::Tombstones).unwrap();
            corrections.write(&mut frame).unwrap();
            frame.finish().unwrap();
            let frame = Frame::open(&memory, "del", Kind::Tombstones, Verify::Full).unwrap();
            prop_assert_eq!(&Corrections::open(&frame, lexical).unwrap(), &*corrections);
        }
        let kept: Vec<usize> = (0..all.len()).filter(|row| !deleted.contains(row)).collect();
        let rest: Rows = kept.iter().map(|&row| all[row].clone()).collect();
        let rebuilt = Segments::new(std::slice::from_ref(&rest));
        let expected: Vec<_> = bits(&rebuilt.search(&query, Bm25::default(), k, None))
            .into_iter().map(|(row, score)| (kept[row as usize] as u32, score)).collect();
        prop_assert_eq!(bits(&many.search(&query, Bm25::default(), k, None)), expected);

        let mut next = 0;
        let maps: Vec<Vec<u32>> = many.0.iter().map(|(.., live, _)| {
            (0..live.len()).map(|row| if live.contains(row) { next += 1; next - 1 } else { DROPPED }).collect()
        }).collect();
        let inputs: Vec<&Lexical> = many.0.iter().map(|(lexical, ..)| lexical).collect();
        let memory = Memory::default();
        let mut frame = FrameWriter::create(&memory, "seg", Kind::Segment).unwrap();
        merge(&inputs, &maps, next, &mut frame, 2, &Never).unwrap();
        frame.finish().unwrap();
        prop_assert_eq!(&*memory.read("seg").unwrap(), &*write(&rest).read("seg").unwrap());
    }
}

/// Rows enough for several windows, with terms of all kinds of lists; pseudo-random but fixed.
fn many_windows(count: u32) -> Rows {
    let mut state = 7u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let row = |number: u32| {
        let mut terms = BTreeMap::new();
        for _ in 0..random(12) {
            let spread = 1 << random(14);
            terms.insert(format!("w{}", random(spread)), 1 + random(5) as u32);
        }
        if number % 5000 == 17 {
            terms.insert("rare".to_owned(), 300);
        }
        terms.into_iter().collect()
    };
    (0..count).map(row).collect()
}

#[test]
fn pruning_over_windows_loses_nothing() {
    // Catches an unsafe bound or a skipped window where it takes several windows to skip one, and the border of the
    // last, shorter one; k small makes the floor high, and every path of a window is taken.
    let all = many_windows(3 * WINDOW + 1000);
    let one = Segments::new(std::slice::from_ref(&all));
    let parts = Segments::new(&split(&all, &[WINDOW as usize - 1, 40_000]));
    let some: Vec<u32> = (0..all.len() as u32).step_by(997).collect();
    let most: Vec<u32> = (0..all.len() as u32).filter(|row| row % 3 > 0).collect();
    for query in ["w0 w1 w3000", "w0", "rare w1 w2", "w7 w8 w9 w10 w500 w501 w8000 w0", "w4000 w0 w1", "none"] {
        let query: BTreeMap<String, u32> = query.split(' ').map(|term| (term.to_owned(), 1)).collect();
        let query: Vec<_> = query.into_iter().collect();
        let weights = one.weights(&query);
        let rows: Vec<u32> = (0..all.len() as u32).collect();
        let scores = one.0[0].0.scores(&weights, one.average(), Bm25::default(), &rows).unwrap();
        for allowed in [None, Some(&some), Some(&most)] {
            let mut expected: Vec<Scored> =
                rows.iter().zip(&scores).map(|(&row, &score)| Scored { score, row }).collect();
            expected.retain(|scored| {
                scored.score > 0.0 && allowed.is_none_or(|rows| rows.binary_search(&scored.row).is_ok())
            });
            expected.sort_by(Scored::rank);
            for k in [1, 10, 100, 100_000] {
                let allowed = allowed.map(Vec::as_slice);
                let found = one.search(&query, Bm25::default(), k, allowed);
                assert_eq!(bits(&found), bits(&expected[..k.min(expected.len())]), "{query:?} {k}");
                assert_eq!(bits(&parts.search(&query, Bm25::default(), k, allowed)), bits(&found));
                let other = Bm25 { k1: 0.4, b: 0.1 };
                assert_eq!(
                    bits(&one.search(&query, other, k, allowed)),
                    bits(&parts.search(&query, other, k, allowed))
                );
            }
        }
    }
    let oracle = Oracle::new(&all[..2000].to_vec(), Bm25::default());
    let small = Segments::new(&[all[..2000].to_vec()]);
    for scored in small.search(&[("w0".into(), 1), ("w3".into(), 2)], Bm25::default(), 50, None) {
        let exact = oracle.score(scored.row as usize, &[("w0".into(), 1), ("w3".into(), 2)]);
        assert!((f64::from(scored.score) - exact).abs() < 1e-6 * exact);
    }
}

// Catches a bound taken for a sum where a term has one posting: its row, however long, would push out better ones.
#[test]
fn a_term_with_one_posting_is_worth_no_more_than_its_count() {
    let of = |row: u32| {
        let mut terms = vec![(format!("own{}", row % 50), 1)];
        if row.is_multiple_of(7) {
            terms.push(("some".to_owned(), 1 + row % 3));
        }
        if row == 500 {
            terms = vec![("filler".to_owned(), 400), ("only".to_owned(), 1)];
        }
        terms
    };
    let all: Rows = (0..3000).map(of).collect();
    let query = [("only".to_owned(), 1), ("some".to_owned(), 1)];
    let oracle = Oracle::new(&all, Bm25::default());
    let mut expected: Vec<Scored> = (0..all.len())
        .map(|row| Scored { score: oracle.score(row, &query) as f32, row: row as u32 })
        .filter(|scored| scored.score > 0.0)
        .collect();
    expected.sort_by(Scored::rank);
    assert_eq!(expected.last().unwrap().row, 500);
    let segments = Segments::new(&[all]);
    for k in [1, 2, 10, 100, 428, 429, 430] {
        let found = segments.search(&query, Bm25::default(), k, None);
        let rows = |list: &[Scored]| list.iter().map(|scored| scored.row).collect::<Vec<_>>();
        assert_eq!(rows(&found), rows(&expected[..k.min(expected.len())]), "{k}");
    }
}

#[test]
fn the_dictionary_finds_exactly_its_terms() {
    // Catches front coding that loses a name at a block's border, and look-ups beside the first and last term.
    let names: BTreeSet<String> = (0..500).map(|n| format!("{}{}", "abc".repeat(n % 80), n)).collect();
    let row: Vec<(String, u32)> = names.iter().map(|name| (name.clone(), 1)).collect();
    let lexical = build(&[row]);
    let read: Vec<(TermId, String)> = lexical.terms().collect::<Result<_>>().unwrap();
    assert!(read.iter().map(|(_, name)| name).eq(&names));
    for (id, name) in &read {
        assert_eq!(lexical.term(name).unwrap(), Some(*id));
        assert_eq!(lexical.document_frequency(*id), 1);
    }
    for absent in ["", "/", "zzz", "abc", "499x", "\u{10ffff}"] {
        assert_eq!(lexical.term(absent).unwrap(), None, "{absent:?}");
    }
}

#[test]
fn an_index_without_rows_or_terms_answers() {
    // Catches a division by zero rows and sections without values.
    for rows in [vec![], vec![vec![], vec![]]] {
        let segments = Segments::new(&[rows]);
        assert!(segments.search(&[("t1".into(), 1)], Bm25::default(), 5, None).is_empty());
    }
}

#[test]
fn bad_arguments_are_refused() {
    // Catches a call that would panic or return nonsense.
    let lexical = build(&[vec![("a1".into(), 1)]]);
    let weigh = |weight| [WeightedTerm { term: "a1".into(), weight }];
    let search = |weight, average, bm25, allowed: Option<&Bitmap>, first| {
        let mut top = Top::new(3);
        lexical.search(&weigh(weight), average, bm25, allowed, first, &mut top, &Never)
    };
    let fine = Bm25::default();
    assert!(search(1.0, 1.0, fine, None, 0).is_ok());
    assert!(search(f64::NAN, 1.0, fine, None, 0).is_err());
    assert!(search(-1.0, 1.0, fine, None, 0).is_err());
    assert!(search(1.0, 0.0, fine, None, 0).is_err());
    assert!(search(1.0, 1.0, Bm25 { k1: f64::NAN, b: 0.5 }, None, 0).is_err());
    assert!(search(1.0, 1.0, Bm25 { k1: 1.0, b: 1.5 }, None, 0).is_err());
    assert!(search(1.0, 1.0, fine, Some(&Bitmap::full(2)), 0).is_err());
    assert!(search(1.0, 1.0, fine, None, u32::MAX).is_err());
    assert!(lexical.scores(&weigh(1.0), 1.0, fine, &[1]).is_err());
    assert!(LexicalWriter::new().add(1, &RowTerms::default()).is_err());
}

#[test]
fn a_search_can_be_stopped() {
    // Catches a search that never asks, and scratch left dirty by one that ended early.
    struct Stop;
    impl Interrupt for Stop {
        fn check(&self) -> Result<()> {
            Err(Error::Interrupted)
        }
    }
    let lexical = build(&[vec![("a1".into(), 1)]]);
    let query = [WeightedTerm { term: "a1".into(), weight: 1.0 }];
    let mut top = Top::new(1);
    let outcome = lexical.search(&query, 1.0, Bm25::default(), None, 0, &mut top, &Stop);
    assert!(matches!(outcome, Err(Error::Interrupted)));
    lexical.search(&query, 1.0, Bm25::default(), None, 0, &mut top, &Never).unwrap();
    assert_eq!(top.into_sorted().len(), 1);
}

/// Rewrites a file with one section changed, all checksums right again.
fn with_section(frame: &Arc<Frame>, section: &str, bytes: &[u8]) -> Arc<Frame> {
    let memory = Memory::default();
    let mut writer = FrameWriter::create(&memory, "seg", Kind::Segment).unwrap();
    for (name, _) in frame.sections() {
        writer.section(name, if name == section { bytes } else { frame.bytes(name).unwrap() }).unwrap();
    }
    writer.finish().unwrap();
    Frame::open(&memory, "seg", Kind::Segment, Verify::Full).unwrap()
}

/// Reads everything there is, in every way; errors are fine, panics and endless loops are not.
fn exercise(lexical: &Lexical) -> Result<()> {
    let query: Vec<WeightedTerm> = ["rare", "w0", "w1", "w20", "w300", "w4000"]
        .map(|term| WeightedTerm { term: term.to_owned(), weight: 1.5 })
        .to_vec();
    let mut top = Top::new(3);
    let found = lexical.search(&query, 5.0, Bm25::default(), None, 0, &mut top, &Never);
    let filtered =
        lexical.search(&query, 5.0, Bm25::default(), Some(&Bitmap::full(lexical.rows())), 0, &mut top, &Never);
    let scored = lexical.scores(&query, 5.0, Bm25::default(), &[0]);
    let mut postings = Vec::new();
    let listed = (0..lexical.term_count()).try_for_each(|term| lexical.postings(TermId(term), &mut postings));
    let named = lexical.terms().try_for_each(|term| term.map(drop));
    found.and(filtered).and(scored.map(drop)).and(listed).and(named)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    // Catches trust in any byte of any section: a value out of range must end in a typed error, not in a panic.
    #[test]
    fn damaged_sections_never_panic(
        section in any::<prop::sample::Index>(), positions in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        byte in prop_oneof![any::<u8>(), Just(0xff), Just(0)], cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        static GOOD: std::sync::OnceLock<Memory> = std::sync::OnceLock::new();
        let memory = GOOD.get_or_init(|| write(&many_windows(WINDOW + 300)));
        let frame = Frame::open(memory, "seg", Kind::Segment, Verify::Full).unwrap();
        let names: Vec<String> = frame.sections().map(|(name, _)| name.to_owned()).collect();
        let name = section.get(&names);
        let mut bytes = frame.bytes(name).unwrap().to_vec();
        if bytes.is_empty() {
            bytes = vec![byte; 8];
        }
        for position in positions {
            let at = position.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        match Lexical::open(&with_section(&frame, name, &bytes)) {
            Ok(lexical) => if let Err(error) = exercise(&lexical) {
                prop_assert!(matches!(error, Error::Corrupt { .. } | Error::InvalidInput { .. }), "{error:?}");
            },
            Err(error) => prop_assert!(matches!(error, Error::Corrupt { .. } | Error::Incompatible { .. }), "{error:?}"),
        }
    }
}

#[test]
fn long_queries_and_long_rows_lose_nothing() {
    // Catches sums that overflow, rows of many light terms without a sum, and bounds that fail where counts exceed a byte
    // or lengths 65,535: with terms for every way of searching (by bounds with and without sure sums, all rows).
    let mut all = many_windows(WINDOW + 2000);
    for (row, count) in [(5, 300), (WINDOW as usize + 7, 70_000), (9000, 1_000_000)] {
        all[row].retain(|(term, _)| term != "w1");
        all[row].push(("w1".to_owned(), count));
        all[row].sort();
    }
    let one = Segments::new(std::slice::from_ref(&all));
    let lexical = &one.0[0].0;
    let rows: Vec<u32> = (0..all.len() as u32).collect();
    for terms in [3, 31, 33, 200, 1000, 1100, 3000] {
        let query: BTreeMap<String, u32> = (0..terms).map(|term| (format!("w{term}"), 1 + term % 3)).collect();
        let query: Vec<_> = query.into_iter().collect();
        let scores = lexical.scores(&one.weights(&query), one.average(), Bm25::default(), &rows).unwrap();
        let mut expected: Vec<Scored> = rows.iter().zip(&scores).map(|(&row, &score)| Scored { score, row }).collect();
        expected.retain(|scored| scored.score > 0.0);
        expected.sort_by(Scored::rank);
        for k in [1, 10, 1000, expected.len()] {
            let found = one.search(&query, Bm25::default(), k, None);
            assert_eq!(bits(&found), bits(&expected[..k]), "{terms} terms, {k} wanted");
        }
    }
}

/// What was done to an index, kept beside it as plain texts.
#[derive(Clone, Debug)]
enum Step {
    Add(Vec<(i64, String)>),
    Remove(Vec<i64>),
    SaveAndOpen,
}

fn step() -> impl Strategy<Value = Step> {
    let texts = prop::collection::btree_map(0i64..40, "[abc]{1,2}( [abcd]{2,3}){0,6}", 0..8);
    prop_oneof![
        3 => texts.prop_map(|texts| Step::Add(texts.into_iter().collect())),
        1 => prop::collection::vec(0i64..40, 0..6).prop_map(Step::Remove),
        1 => Just(Step::SaveAndOpen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    // Catches any history of adds, replacements, removals and reopenings that is not equal to a rebuilt index.
    #[test]
    fn any_history_equals_a_rebuilt_index(steps in prop::collection::vec(step(), 1..12), query in "[abc]{2}( [abcd]{2,3}){0,3}") {
        let storage = Memory::default();
        let mut index = LexicalIndex::new("english", Bm25::default()).unwrap();
        let mut texts: BTreeMap<i64, String> = BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Add(rows) => {
                    let (ids, added): (Vec<i64>, Vec<&str>) = rows.iter().rev().map(|(id, text)| (*id, text.as_str())).unzip();
                    index.add(&added, Some(&ids), 2, &Never).unwrap();
                    texts.extend(rows);
                }
                Step::Remove(ids) => {
                    let known: BTreeSet<i64> = ids.iter().copied().filter(|id| texts.contains_key(id)).collect();
                    prop_assert_eq!(index.remove(&ids, 1, &Never).unwrap(), known.len());
                    texts.retain(|id, _| !known.contains(id));
                }
                Step::SaveAndOpen => {
                    let name = format!("index-{number}");
                    index.save(&storage, &name).unwrap();
                    index = LexicalIndex::open(&storage, &name).unwrap();
                }
            }
            // After each step, so that what a search remembers has to be right after the next one too.
            prop_assert_eq!(index.len(), texts.len());
            let mut rebuilt = LexicalIndex::new("english", Bm25::default()).unwrap();
            let (ids, all): (Vec<i64>, Vec<&str>) = texts.iter().map(|(id, text)| (*id, text.as_str())).unzip();
            rebuilt.add(&all, Some(&ids), 1, &Never).unwrap();
            let (ids, scores) = index.search(&[&query, "ab"], 7, None, 2, &Never).unwrap();
            // A filter keeps scores and leaves out the others.
        let wanted: Vec<i64> = (0..40).step_by(3).collect();
        let (filtered, _) = index.search(&[&query], 40, Some(Passing::Ids(&wanted)), 1, &Never).unwrap();
        let (bits, _) = index.search(&[&query], 40, Some(Passing::Bits(&[0x9249_2492_4924_9249])), 1, &Never).unwrap();
        let (all, _) = index.search(&[&query], 40, None, 1, &Never).unwrap();
        let found: Vec<i64> = all.into_iter().filter(|id| *id >= 0 && id % 3 == 0).collect();
        prop_assert_eq!(&filtered[..found.len()], &found[..]);
        prop_assert!(filtered[found.len()..].iter().all(|&id| id == -1));
        prop_assert_eq!(bits, filtered);
        let (expected_ids, expected_scores) = rebuilt.search(&[&query, "ab"], 7, None, 1, &Never).unwrap();
            prop_assert_eq!(ids, expected_ids);
            prop_assert_eq!(scores.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
                expected_scores.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn an_index_gives_ids_and_pads() {
    // Catches ids given twice, missing padding, and refused input that changed the index.
    let mut index = LexicalIndex::new("english", Bm25::default()).unwrap();
    assert_eq!(index.add(&["red apples", "green apples"], None, 1, &Never).unwrap(), [0, 1]);
    assert_eq!(index.add(&["blue sky"], Some(&[7]), 1, &Never).unwrap(), [7]);
    assert_eq!(index.add(&["grey sky"], None, 1, &Never).unwrap(), [8]);
    let (ids, scores) = index.search(&["apple", "zebra"], 3, None, 1, &Never).unwrap();
    assert_eq!(ids, [0, 1, -1, -1, -1, -1]);
    assert_eq!(scores[0].to_bits(), scores[1].to_bits());
    assert!(scores[0] > 0.0 && scores[2..].iter().all(|&score| score == f32::NEG_INFINITY));
    assert!(index.add(&["a"], Some(&[3, 4]), 1, &Never).is_err());
    assert!(index.add(&["a", "b"], Some(&[3, 3]), 1, &Never).is_err());
    assert!(index.add(&["a"], Some(&[-1]), 1, &Never).is_err());
    assert!(index.add(&["a"], Some(&[i64::MAX]), 1, &Never).is_err());
    assert!(index.search(&["a"], usize::MAX, None, 1, &Never).is_err());
    assert_eq!(index.len(), 4);
    let storage = Memory::default();
    index.save(&storage, "saved").unwrap();
    let mut opened = LexicalIndex::open(&storage, "saved").unwrap();
    assert_eq!(opened.add(&["new"], None, 1, &Never).unwrap(), [9]);
    // The file that the index still reads is replaced by a better one.
    opened.save(&storage, "saved").unwrap();
    assert_eq!(opened.len(), 5);
    assert_eq!(LexicalIndex::open(&storage, "saved").unwrap().len(), 5);
    assert_eq!(storage.list().unwrap(), ["saved"]);
}
