//! Oracles for building: one thread against several, stopped calls against none, removed rows against a rebuild.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::error::{Error, Result};
use crate::interrupt::{Interrupt, Never};
use crate::storage::Storage;
use crate::storage::frame::{FrameWriter, Kind};
use crate::storage::memory::Memory;

/// Lets so many looks pass, then stops the work.
struct StopAfter(AtomicU32);

impl Interrupt for StopAfter {
    fn check(&self) -> Result<()> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| Error::Interrupted)
    }
}

/// Texts of words of skewed frequency, some of them long, some empty; pseudo-random but fixed.
fn texts(count: usize, seed: u64) -> Vec<String> {
    let mut state = seed;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut text = |number: usize| {
        let words = if number % 1000 == 3 { 400 } else { random(60) };
        let mut text = String::new();
        for _ in 0..words {
            let spread = 1 << random(16);
            text.push_str(["w", "Zugriffsverletzung", "é"][random(3) as usize]);
            text.push_str(&random(spread).to_string());
            text.push(' ');
        }
        text
    };
    (0..count).map(&mut text).collect()
}

fn built(texts: &[String], threads: usize) -> Memory {
    let memory = Memory::default();
    let mut frame = FrameWriter::create(&memory, "seg", Kind::Segment).unwrap();
    let analyzer = Analyzer::new("english").unwrap();
    let row = |row: usize| ["heading", texts[row].as_str()];
    let writer = LexicalWriter::of_texts(&analyzer, texts.len(), row, threads, &Never).unwrap();
    writer.finish(&mut frame, threads, &Never).unwrap();
    frame.finish().unwrap();
    memory
}

#[test]
fn files_are_the_same_for_any_number_of_threads() {
    // Catches an order of rows, terms or counts that hangs on which thread was first, and a range of rows that is lost.
    let texts = texts(12_000, 1);
    assert!(texts.iter().map(String::len).sum::<usize>() > 2 << 20, "too little for several threads");
    let one = built(&texts, 1);
    // Row by row, as `add` does it, the file is the same too.
    let analyzer = Analyzer::new("english").unwrap();
    let mut writer = LexicalWriter::new();
    for (row, text) in texts.iter().enumerate() {
        writer.add(row as u32, &analyze_row(&analyzer, &["heading", text])).unwrap();
    }
    let memory = Memory::default();
    let mut frame = FrameWriter::create(&memory, "seg", Kind::Segment).unwrap();
    writer.finish(&mut frame, 1, &Never).unwrap();
    frame.finish().unwrap();
    assert!(*memory.read("seg").unwrap() == *one.read("seg").unwrap());
    for threads in [2, 3, 7] {
        assert!(*built(&texts, threads).read("seg").unwrap() == *one.read("seg").unwrap(), "{threads} threads differ");
    }
}

fn search(index: &LexicalIndex, threads: usize) -> (Vec<i64>, Vec<u32>) {
    let queries = ["w0 w1 é3", "w0", "Zugriffsverletzung7 w40 é1", "w2 w300 w4000", "none"];
    let (ids, scores) = index.search(&queries, 20, None, threads, &Never).unwrap();
    (ids, scores.into_iter().map(f32::to_bits).collect())
}

fn rebuilt(texts: &[String], kept: impl Fn(usize) -> bool) -> LexicalIndex {
    let (ids, texts): (Vec<i64>, Vec<&String>) = texts
        .iter()
        .enumerate()
        .filter(|&(id, _)| kept(id))
        .map(|(id, text)| (i64::try_from(id).unwrap(), text))
        .unzip();
    let mut index = LexicalIndex::new("english", Bm25::default()).unwrap();
    index.add(&texts, Some(&ids), 2, &Never).unwrap();
    index
}

#[test]
fn removed_rows_leave_no_trace_however_they_go() {
    // Catches statistics that still count removed rows, or count them twice: looked up one by one, counted in a pass
    // over all postings, remembered from the query before, and after texts came back under their old ids.
    let texts = texts(3000, 2);
    let mut index = rebuilt(&texts, |_| true);
    assert_eq!(index.remove(&[5, 5, 7, -1, 99_999], 2, &Never).unwrap(), 2);
    assert_eq!(search(&index, 1), search(&rebuilt(&texts, |id| id != 5 && id != 7), 1));
    for id in (0..300).step_by(7) {
        index.remove(&[id], 2, &Never).unwrap();
        search(&index, 2);
    }
    let gone = |id: usize| id == 5 || id == 7 || id < 300 && id.is_multiple_of(7);
    assert_eq!(search(&index, 2), search(&rebuilt(&texts, |id| !gone(id)), 1));
    let many: Vec<i64> = (300..2000).collect();
    assert_eq!(index.remove(&many, 2, &Never).unwrap(), 1700);
    assert_eq!(search(&index, 1), search(&rebuilt(&texts, |id| !gone(id) && !(300..2000).contains(&id)), 1));
    for (id, text) in (300..340).zip(&texts[300..]) {
        index.add(&[text], Some(&[id]), 1, &Never).unwrap();
    }
    let kept = |id: usize| !gone(id) && !(340..2000).contains(&id);
    assert_eq!(search(&index, 3), search(&rebuilt(&texts, kept), 1));
    let storage = Memory::default();
    index.save(&storage, "merged").unwrap();
    let opened = LexicalIndex::open(&storage, "merged").unwrap();
    assert_eq!(search(&opened, 1), search(&index, 1));
    // One block without removed rows is copied.
    opened.save(&storage, "copied").unwrap();
    assert_eq!(search(&LexicalIndex::open(&storage, "copied").unwrap(), 1), search(&index, 1));
    assert!(storage.read("copied").unwrap().len() == storage.read("merged").unwrap().len());
}

#[test]
fn a_stopped_call_changes_nothing() {
    // Catches a thread that goes on, texts that stay half added, removals that stay, and a merge half done: the call is
    // stopped at each of its looks in turn.
    let all = texts(9000, 3);
    let mut index = rebuilt(&all, |id| id < 4000);
    index.remove(&[17], 2, &Never).unwrap();
    let before = (index.len(), search(&index, 1));
    let ids: Vec<i64> = (3000..9000).collect();
    let mut stops = 0;
    let outcome = loop {
        let stop = StopAfter(AtomicU32::new(stops));
        let outcome = index.add(&all[3000..], Some(&ids), 2, &stop);
        if !matches!(outcome, Err(Error::Interrupted)) {
            break outcome;
        }
        assert_eq!((index.len(), search(&index, 1)), before);
        stops = stops * 5 / 4 + 1;
    };
    assert!(stops > 3, "it looks too seldom");
    assert_eq!(outcome.unwrap(), ids);
    assert_eq!(search(&index, 2), search(&rebuilt(&all, |id| id != 17), 1));
    assert!(index.search(&["w0"], 3, None, 2, &StopAfter(AtomicU32::new(0))).is_err());
}
