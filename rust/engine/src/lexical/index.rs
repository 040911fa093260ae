//! Texts in, ids and scores out: an updatable BM25 index without documents.
//!
//! Each call of `add` seals a block, an immutable inverted index with rows ascending by id; small blocks are merged.
//! Statistics are taken over the live rows of all blocks, so results equal those of an index built at once.

use std::borrow::Cow;
use std::sync::Arc;

use ragstone_kernels::top::{Scored, Top};
use serde::{Deserialize, Serialize};

use super::analyzer::Analyzer;
use super::merge::{DROPPED, merge};
use super::reader::Lexical;
use super::removed::Removed;
use super::score::{Bm25, WeightedTerm, average_length, idf};
use super::writer::LexicalWriter;
use crate::bitmap::{Bitmap, Passing};
use crate::error::{Error, Result};
use crate::interrupt::{Interrupt, Never};
use crate::share::share;
use crate::storage::Storage;
use crate::storage::draft::save;
use crate::storage::frame::{Column, FileEntry, Frame, FrameWriter, Kind, Verify};
use crate::storage::memory::Memory;

/// Most results of one call: what is above is a mistake, not a wish.
const RESULTS_MAX: usize = 1 << 28;

/// A block is written anew when more than one in so many of its rows are removed.
const REMOVED_SHARE: u32 = 4;

/// A BM25 index over texts with numeric ids.
#[derive(Debug)]
pub struct LexicalIndex {
    analyzer: Analyzer,
    bm25: Bm25,
    blocks: Vec<Block>,
    next_id: i64,
}

#[derive(Debug)]
struct Block {
    lexical: Lexical,
    /// Id of each row, ascending.
    ids: Column<i64>,
    live: Bitmap,
    removed: Removed,
}

/// Section `index.head`, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    language: String,
    analyzer: String,
    k1: f64,
    b: f64,
    next_id: i64,
}

impl LexicalIndex {
    /// An index without rows.
    pub fn new(language: &str, bm25: Bm25) -> Result<Self> {
        bm25.check()?;
        Ok(Self { analyzer: Analyzer::new(language)?, bm25, blocks: Vec::new(), next_id: 0 })
    }

    /// Number of live rows.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.live_rows() as usize).sum()
    }

    /// Whether no row is live.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The analyzer of texts and queries.
    pub fn analyzer(&self) -> &Analyzer {
        &self.analyzer
    }

    /// Adds texts, replacing those whose ids exist, and tells their ids: the given ones, or the next free ones.
    ///
    /// The result is the same for any number of threads; a call that is stopped or fails changes nothing.
    pub fn add(
        &mut self,
        texts: &[impl AsRef<str> + Sync],
        ids: Option<&[i64]>,
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<Vec<i64>> {
        let ids = self.ids_for(texts.len(), ids)?;
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_unstable_by_key(|&at| ids[at]);
        if let Some(pair) = order.windows(2).find(|pair| ids[pair[0]] == ids[pair[1]]) {
            return Err(Error::invalid(format!("id {} was given twice in one call", ids[pair[0]])));
        }
        let Some(&greatest) = order.last().map(|&at| &ids[at]) else { return Ok(ids) };
        let next_id = greatest.checked_add(1).ok_or_else(|| Error::invalid(format!("id {greatest} is too great")))?;
        let text = |row: usize| ["", texts[order[row]].as_ref()];
        let writer = LexicalWriter::of_texts(&self.analyzer, ids.len(), text, threads, interrupt)?;
        let sorted: Vec<i64> = order.iter().map(|&at| ids[at]).collect();
        let block = Block::build(&sorted, |frame| writer.finish(frame, threads, interrupt))?;
        let before: Vec<u32> = self.blocks.iter().map(|block| block.removed.rows()).collect();
        self.bury(&ids);
        self.blocks.push(block);
        if let Err(error) = self.settle(threads, interrupt) {
            self.blocks.pop();
            for (block, rows) in self.blocks.iter_mut().zip(before) {
                block.removed.restore(rows, &block.lexical, &mut block.live);
            }
            return Err(error);
        }
        self.blocks.retain(|block| block.live_rows() > 0);
        self.next_id = self.next_id.max(next_id);
        Ok(ids)
    }

    /// Removes the texts with these ids and tells how many there were. A block of which a quarter is gone is written
    /// anew without it, so that a removal now and then takes long, and searches never pass over many removed rows.
    pub fn remove(&mut self, ids: &[i64], threads: usize, interrupt: &dyn Interrupt) -> Result<usize> {
        let count = self.bury(ids);
        self.blocks.retain(|block| block.live_rows() > 0);
        for block in &mut self.blocks {
            if block.removed.rows() > block.lexical.rows() / REMOVED_SHARE {
                *block = merged(std::slice::from_ref(block), threads, interrupt)?;
            }
        }
        Ok(count)
    }

    fn bury(&mut self, ids: &[i64]) -> usize {
        let mut count = 0;
        for block in &mut self.blocks {
            for row in ids.iter().filter_map(|id| block.ids.binary_search(id).ok()) {
                count += usize::from(block.removed.add(row as u32, &block.lexical, &mut block.live));
            }
        }
        count
    }

    /// The best `top_k` rows for each query: ids and scores, row after row of a matrix queries × `top_k`, filled up
    /// with -1 and negative infinity. Order: score descending, then id ascending. Threads share the queries.
    ///
    /// With `passing`, only rows with these ids are found; scores stay what they are without.
    pub fn search(
        &self,
        queries: &[impl AsRef<str> + Sync],
        top_k: usize,
        passing: Option<Passing<'_>>,
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<(Vec<i64>, Vec<f32>)> {
        let size = queries.len().checked_mul(top_k).filter(|&size| size <= RESULTS_MAX);
        let size = size.ok_or_else(|| Error::invalid(format!("top_k of {top_k} is too great: use less")))?;
        let (mut ids, mut scores) = (vec![-1; size], vec![f32::NEG_INFINITY; size]);
        if size > 0 {
            let allowed: Vec<Option<Cow<'_, Bitmap>>> =
                self.blocks.iter().map(|block| block.allowed(passing)).collect();
            let rows = ids.chunks_mut(top_k).zip(scores.chunks_mut(top_k));
            share(queries.iter().zip(rows), threads.min(queries.len()), |(query, (ids, scores))| {
                let terms = self.weights(query.as_ref())?;
                let places = ids.iter_mut().zip(scores);
                for ((id, score), found) in places.zip(self.best(&terms, &allowed, top_k, interrupt)?) {
                    (*id, *score) = found;
                }
                Ok(())
            })?;
        }
        Ok((ids, scores))
    }

    /// Saves the live rows as file `name`, durably; a file of this name is replaced in one step.
    ///
    /// A crash leaves the old file or the new one, and at worst a file `<name>.saving-<id>` that can be removed.
    /// Indexes opened from the replaced file keep working.
    pub fn save(&self, storage: &dyn Storage, name: &str) -> Result<FileEntry> {
        save(storage, name, |storage, name| self.write(storage, name))
    }

    fn write(&self, storage: &dyn Storage, name: &str) -> Result<FileEntry> {
        for block in &self.blocks {
            // Damage that is carried over would come out with checksums that fit.
            block.ids.frame().verify_all()?;
        }
        let mut frame = FrameWriter::create(storage, name, Kind::LexicalIndex)?;
        let head = Head {
            language: self.analyzer.language().to_owned(),
            analyzer: self.analyzer.fingerprint(),
            k1: self.bm25.k1,
            b: self.bm25.b,
            next_id: self.next_id,
        };
        let head = serde_json::to_vec(&head).expect("plain fields become JSON");
        frame.section("index.head", &head)?;
        if let [block] = self.blocks.as_slice()
            && block.removed.rows() == 0
        {
            block.copy(&mut frame)?;
        } else {
            let (ids, maps) = merged_order(&self.blocks);
            let inputs: Vec<&Lexical> = self.blocks.iter().map(|block| &block.lexical).collect();
            frame.section("index.ids", &ids)?;
            merge(&inputs, &maps, ids.len() as u32, &mut frame, 1, &Never)?;
        }
        frame.finish()
    }

    /// Opens a saved index; its postings are read from the mapped file.
    pub fn open(storage: &dyn Storage, name: &str) -> Result<Self> {
        let frame = Frame::open(storage, name, Kind::LexicalIndex, Verify::Auto)?;
        let head: Head = serde_json::from_slice(frame.checked("index.head")?)
            .map_err(|error| frame.corrupt_section("index.head", &error.to_string()))?;
        let bm25 = Bm25 { k1: head.k1, b: head.b };
        bm25.check().map_err(|error| frame.corrupt_section("index.head", &error.to_string()))?;
        let analyzer = Analyzer::new(&head.language).ok();
        let analyzer = analyzer.filter(|analyzer| analyzer.fingerprint() == head.analyzer).ok_or_else(|| {
            let message = format!("its texts were analysed by {:?}: rebuild the index", head.analyzer);
            Error::Incompatible { file: name.to_owned(), message }
        })?;
        let block = Block::open(&frame)?;
        let next_id = block.ids.last().map_or(0, |&last| last.saturating_add(1)).max(head.next_id);
        let blocks = if block.lexical.rows() == 0 { Vec::new() } else { vec![block] };
        Ok(Self { analyzer, bm25, blocks, next_id })
    }

    fn ids_for(&self, count: usize, ids: Option<&[i64]>) -> Result<Vec<i64>> {
        let Some(ids) = ids else {
            let end = i64::try_from(count).ok().and_then(|count| self.next_id.checked_add(count));
            let end = end.ok_or_else(|| Error::invalid("no ids are left"))?;
            return Ok((self.next_id..end).collect());
        };
        if ids.len() != count {
            return Err(Error::invalid(format!("{count} texts came with {} ids", ids.len())));
        }
        match ids.iter().find(|&&id| id < 0) {
            Some(id) => Err(Error::invalid(format!("ids must not be negative, got {id}"))),
            None => Ok(ids.to_vec()),
        }
    }

    /// The terms of a query that occur in live rows, sorted, with their weights.
    fn weights(&self, text: &str) -> Result<Vec<WeightedTerm>> {
        let mut failure = None;
        let mut frequency = |term: &str| {
            let all = self.blocks.iter().try_fold(0u64, |sum, block| Ok(sum + u64::from(block.frequency(term)?)));
            all.unwrap_or_else(|error| {
                failure = Some(error);
                0
            })
        };
        let frequencies = std::cell::RefCell::new(&mut frequency);
        let query = self.analyzer.query(text, &|term| frequencies.borrow_mut()(term) > 0);
        let rows = self.len() as u64;
        let mut terms = Vec::with_capacity(query.len());
        for asked in query {
            let df = frequencies.borrow_mut()(&asked.term);
            if df > 0 {
                terms.push(WeightedTerm { weight: f64::from(asked.count) * idf(rows, df), term: asked.term });
            }
        }
        failure.map_or(Ok(terms), Err)
    }

    fn best(
        &self,
        terms: &[WeightedTerm],
        allowed: &[Option<Cow<'_, Bitmap>>],
        top_k: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<Vec<(i64, f32)>> {
        let total =
            self.blocks.iter().map(|block| block.lexical.total_length().saturating_sub(block.removed.total_length()));
        let average = average_length(total.sum(), self.len() as u64);
        let mut best: Vec<(i64, f32)> = Vec::new();
        for (block, allowed) in self.blocks.iter().zip(allowed) {
            // What blocks before found is a bound for this one.
            let floor = best.last().filter(|_| best.len() == top_k).map_or(f32::NEG_INFINITY, |worst| worst.1);
            let mut top = Top::above(top_k, floor);
            block.lexical.search(terms, average, self.bm25, allowed.as_deref(), 0, &mut top, interrupt)?;
            best.extend(top.into_sorted().iter().map(|&Scored { score, row }| (block.ids[row as usize], score)));
            best.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            best.truncate(top_k);
        }
        Ok(best)
    }

    /// Merges the last blocks as long as they are together at least half as large as the one before: few blocks, and
    /// each row merged a logarithmic number of times.
    fn settle(&mut self, threads: usize, interrupt: &dyn Interrupt) -> Result<()> {
        let mut from = self.blocks.len() - 1;
        let mut rows = self.blocks[from].live_rows();
        while from > 0 && rows >= self.blocks[from - 1].live_rows() / 2 {
            from -= 1;
            rows += self.blocks[from].live_rows();
        }
        if from + 1 < self.blocks.len() {
            let block = merged(&self.blocks[from..], threads, interrupt)?;
            self.blocks.truncate(from);
            self.blocks.push(block);
        }
        Ok(())
    }
}

impl Block {
    /// Builds a block in memory by what `write` adds to its file.
    fn build(ids: &[i64], write: impl FnOnce(&mut FrameWriter) -> Result<()>) -> Result<Self> {
        let memory = Memory::default();
        let mut frame = FrameWriter::create(&memory, "block", Kind::LexicalIndex)?;
        frame.section("index.ids", ids)?;
        write(&mut frame)?;
        frame.finish()?;
        Self::open(&Frame::open(&memory, "block", Kind::LexicalIndex, Verify::Structure)?)
    }

    fn open(frame: &Arc<Frame>) -> Result<Self> {
        let lexical = Lexical::open(frame)?;
        let ids = frame.column_of::<i64>("index.ids", lexical.rows() as usize)?;
        if !ids.is_sorted_by(|a, b| a < b) || ids.first().is_some_and(|&first| first < 0) {
            return Err(frame.corrupt_section("index.ids", "its ids are out of order"));
        }
        let live = Bitmap::full(lexical.rows());
        Ok(Self { lexical, ids, live, removed: Removed::default() })
    }

    /// Copies its sections, in the order in which they lie.
    fn copy(&self, frame: &mut FrameWriter) -> Result<()> {
        let mine = self.ids.frame();
        let names = mine.sections().map(|(name, _)| name).filter(|&name| name != "index.head");
        let mut sections = names.map(|name| Ok((name, mine.bytes(name)?))).collect::<Result<Vec<_>>>()?;
        sections.sort_by_key(|(_, bytes)| bytes.as_ptr());
        sections.into_iter().try_for_each(|(name, bytes)| frame.section(name, bytes))
    }

    /// The rows that may be found; `None` if all may.
    fn allowed(&self, passing: Option<Passing<'_>>) -> Option<Cow<'_, Bitmap>> {
        let live = (self.removed.rows() > 0).then_some(&self.live);
        let Some(passing) = passing else { return live.map(Cow::Borrowed) };
        let mut rows = passing.rows(&self.ids);
        if let Some(live) = live {
            rows.intersect(live);
        }
        Some(Cow::Owned(rows))
    }

    fn live_rows(&self) -> u32 {
        self.lexical.rows() - self.removed.rows()
    }

    fn frequency(&self, term: &str) -> Result<u32> {
        let Some(id) = self.lexical.term(term)? else { return Ok(0) };
        self.removed.live_frequency(&self.lexical, &self.live, id)
    }
}

/// The live rows of some blocks as one.
fn merged(blocks: &[Block], threads: usize, interrupt: &dyn Interrupt) -> Result<Block> {
    let (ids, maps) = merged_order(blocks);
    let inputs: Vec<&Lexical> = blocks.iter().map(|block| &block.lexical).collect();
    Block::build(&ids, |frame| merge(&inputs, &maps, ids.len() as u32, frame, threads, interrupt))
}

/// The live ids of some blocks in order, and for each block the place of each of its rows among them.
fn merged_order(blocks: &[Block]) -> (Vec<i64>, Vec<Vec<u32>>) {
    let mut maps: Vec<Vec<u32>> = blocks.iter().map(|block| vec![DROPPED; block.ids.len()]).collect();
    // An id is live in one block at most.
    let rows = |(at, block): (usize, &Block)| {
        block.live.iter().map(move |row| (block.ids[row as usize], at, row as usize)).collect::<Vec<_>>()
    };
    let mut order: Vec<(i64, usize, usize)> = blocks.iter().enumerate().flat_map(rows).collect();
    order.sort_unstable();
    for (new, &(_, at, row)) in order.iter().enumerate() {
        maps[at][row] = new as u32;
    }
    (order.into_iter().map(|(id, ..)| id).collect(), maps)
}
