//! Vectors with numeric ids: arrays in, arrays out, saved as one file.
//!
//! A saved index is mapped, not read. What is added later lives in memory until the next save; what is replaced or
//! removed is only marked. The file has the sections of [`Vectors`] with the rows in order of their ids, `didx.ids`
//! (the ids as i64, ascending) and `didx.head` (one i64: the largest id ever used, −1 if none was).

use ragstone_kernels::dispatch::Kernels;
use ragstone_kernels::top::Top;

use super::heap::Heap;
use super::tiers::{Effort, Exact, INTEGER_ROWS, Tiers, Wanted};
use super::{Matrix, Vectors, check_dimension, scaled, scan, stride_of, unit_scale, write_vectors};
use crate::bitmap::{Bitmap, Passing};
use crate::error::{Error, Result};
use crate::instructions::active_kernels;
use crate::interrupt::Interrupt;
use crate::share::share;
use crate::storage::Storage;
use crate::storage::draft::save;
use crate::storage::frame::{Column, FileEntry, Frame, FrameWriter, Kind, Verify};

const SECTION_IDS: &str = "didx.ids";
const SECTION_HEAD: &str = "didx.head";

/// Queries that pass over a block of rows together: few enough to stop quickly, enough to read memory once for many.
const TILE: usize = 128;
/// Results of one query that may be asked for even where the index holds fewer vectors.
const TOP_K_FREE: usize = 1 << 16;

/// An index over vectors with ids, by cosine.
#[derive(Debug)]
pub struct DenseIndex {
    dimension: usize,
    kernels: &'static Kernels,
    saved: Option<Saved>,
    heap: Heap,
    largest_id: i64,
}

/// The part that was saved and is mapped.
#[derive(Debug)]
struct Saved {
    vectors: Vectors,
    /// Ascending.
    ids: Column<i64>,
    /// Rows not replaced or removed since.
    live: Bitmap,
}

impl Saved {
    fn row_of(&self, id: i64) -> Option<u32> {
        // Ids are most often numbered on, and then their place is known.
        let guess = usize::try_from(id.checked_sub(*self.ids.first()?)?).ok()?;
        let row = match self.ids.get(guess) {
            Some(&found) if found == id => guess,
            _ => self.ids.binary_search(&id).ok()?,
        } as u32;
        self.live.contains(row).then_some(row)
    }
}

/// Rows that are searched together.
struct Part<'a> {
    ids: &'a [i64],
    wanted: Wanted,
    rows: Rows<'a>,
}

enum Rows<'a> {
    Saved(&'a Vectors),
    Coded(Tiers<'a>),
    Plain(scan::Column<'a>),
}

fn damage_in_memory(row: u32) -> Error {
    Error::corrupt("memory", 0, format!("row {row} is not a vector of unit length"))
}

/// Queries to answer next, with the places for their ids and scores.
type Tile<'a> = (&'a [f32], &'a mut [i64], &'a mut [f32]);

impl DenseIndex {
    /// An empty index for vectors of `dimension` values.
    pub fn new(dimension: usize) -> Result<Self> {
        check_dimension(dimension)?;
        let kernels = active_kernels()?;
        Ok(Self { dimension, kernels, saved: None, heap: Heap::new(dimension), largest_id: -1 })
    }

    /// Opens a saved index. Its vectors stay in the file and are mapped where `storage` maps files.
    pub fn open(storage: &dyn Storage, name: &str, verify: Verify) -> Result<Self> {
        let frame = Frame::open(storage, name, Kind::DenseIndex, verify)?;
        let vectors = Vectors::open(&frame)?;
        let rows = vectors.rows();
        let ids = frame.column_of::<i64>(SECTION_IDS, rows as usize)?;
        let largest_id = frame.column_of::<i64>(SECTION_HEAD, 1)?[0];
        let live = vectors.present().clone();
        if live.count() != rows {
            return Err(frame.corrupt_section(SECTION_IDS, &format!("{rows} ids for {} vectors", live.count())));
        }
        if ids.first().is_some_and(|&first| first < 0) || !ids.is_sorted_by(|id, next| id < next) {
            return Err(frame.corrupt_section(SECTION_IDS, "the ids are not ascending from 0 on"));
        }
        if largest_id < ids.last().copied().unwrap_or(-1) {
            return Err(frame.corrupt_section(SECTION_HEAD, &format!("an id is above the largest, {largest_id}")));
        }
        let index = Self::new(vectors.dimension())?;
        Ok(Self { saved: Some(Saved { vectors, ids, live }), largest_id, ..index })
    }

    /// The same index, searched with another instruction set: for tests and measurements.
    #[must_use]
    pub fn with_kernels(mut self, kernels: &'static Kernels) -> Self {
        self.kernels = kernels;
        self.heap.set_kernels(kernels);
        self.saved = self.saved.map(|saved| Saved { vectors: saved.vectors.with_kernels(kernels), ..saved });
        self
    }

    /// Values in a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.heap.len() + self.saved.as_ref().map_or(0, |saved| saved.live.count() as usize)
    }

    /// Whether it holds no vector.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds vectors of any length above zero and tells their ids.
    ///
    /// Without `ids` they continue from the largest id that was ever used; ids are not negative, because −1 pads
    /// results. A vector whose id is taken replaces the one that had it; within one call the last one stays. If any
    /// vector or id is refused, none is added.
    pub fn add(&mut self, vectors: Matrix<'_>, ids: Option<&[i64]>) -> Result<Vec<i64>> {
        let rows = vectors.rows(self.dimension)?;
        let ids = self.new_ids(rows.len(), ids)?;
        let scale = |(row, vector)| unit_scale(vector, || format!("vector {row}"));
        let scales: Vec<f64> = rows.clone().enumerate().map(scale).collect::<Result<_>>()?;
        let total = self.first_heap_row() as usize + self.heap.row_count() as usize + rows.len();
        if total > u32::MAX as usize {
            return Err(Error::invalid(format!("{total} rows do not fit into one index of at most {}", u32::MAX)));
        }
        self.heap.expect(rows.len());
        for ((&id, vector), scale) in ids.iter().zip(rows).zip(scales) {
            self.forget_saved(id);
            self.heap.put(id, scaled(vector, scale))?;
            self.largest_id = self.largest_id.max(id);
        }
        self.heap.settle(self.kernels)?;
        Ok(ids)
    }

    /// Removes vectors; ids that are not there are passed over. Tells how many were there.
    pub fn remove(&mut self, ids: &[i64]) -> usize {
        ids.iter().filter(|&&id| self.forget_saved(id) || self.heap.remove(id)).count()
    }

    /// The `top_k` vectors of highest cosine for each query, best first: ids and scores, `top_k` of each for every query.
    ///
    /// Equal scores are ordered by id. Where fewer vectors are found, −1 and negative infinity fill the rest. With
    /// `passing`, only vectors with one of these ids are found; ids that do not exist are passed over. Up to
    /// `threads` threads share the queries; the result is the same for any number. With `exact` the list is certain, by
    /// cosines computed in f64; without, it is where few vectors are wanted, and misses less than one in a thousand of
    /// the best where many are.
    pub fn search(
        &self,
        queries: Matrix<'_>,
        top_k: usize,
        exact: bool,
        passing: Option<Passing<'_>>,
        threads: usize,
        interrupt: &dyn Interrupt,
    ) -> Result<(Vec<i64>, Vec<f32>)> {
        let rows = queries.rows(self.dimension)?;
        let (count, width) = (rows.len(), check_top_k(top_k, self.len())?);
        let stride = stride_of(self.dimension);
        let mut padded = reserved(count, stride)?;
        for (row, query) in rows.enumerate() {
            let scale = unit_scale(query, || format!("query {row}"))?;
            padded.extend(scaled(query, scale));
            padded.resize((row + 1) * stride, 0.0);
        }
        let (mut ids, mut scores) = (reserved(count, width)?, reserved(count, width)?);
        ids.resize(count * width, -1);
        scores.resize(count * width, f32::NEG_INFINITY);
        let allowed = passing.map(|passing| self.rows_of(passing));
        let tile = count.div_ceil(threads.max(1)).clamp(1, TILE);
        let tiles = padded.chunks(tile * stride).zip(ids.chunks_mut(tile * width)).zip(scores.chunks_mut(tile * width));
        let tiles = tiles.map(|((queries, ids), scores)| (queries, ids, scores));
        let parts = self.parts(allowed.as_ref());
        let idle = threads / count.max(1);
        let effort = Effort { threads: idle.max(1), interrupt };
        share(tiles, threads.min(count.div_ceil(tile)), |tile| {
            if exact {
                return self.answer_exactly(tile, width, &parts, interrupt);
            }
            self.answer(tile, width, &parts, effort)
        })?;
        Ok((ids, scores))
    }

    /// Saves the index as file `name`, durably; a file of this name is replaced in one step.
    ///
    /// A crash leaves the old file or the new one, and at worst a file `<name>.saving-<id>` that can be removed.
    /// Indexes opened from the replaced file keep working.
    pub fn save(&self, storage: &dyn Storage, name: &str) -> Result<FileEntry> {
        save(storage, name, |storage, name| self.write(storage, name))
    }

    fn write(&self, storage: &dyn Storage, name: &str) -> Result<FileEntry> {
        let first_heap_row = self.first_heap_row();
        let mut rows: Vec<(i64, u32)> = self.heap.live().map(|(id, row)| (id, first_heap_row + row)).collect();
        if let Some(saved) = &self.saved {
            rows.extend(saved.live.iter().map(|row| (saved.ids[row as usize], row)));
        }
        rows.sort_unstable();
        let vector = |row: u32| match &self.saved {
            Some(saved) if row < first_heap_row => saved.vectors.row(row),
            _ => Some(&self.heap.row(row - first_heap_row)[..self.dimension]),
        };
        let mut writer = FrameWriter::create(storage, name, Kind::DenseIndex)?;
        write_vectors(&mut writer, self.dimension, rows.len(), |number| vector(rows[number].1))?;
        let ids: Vec<i64> = rows.iter().map(|&(id, _)| id).collect();
        writer.section(SECTION_IDS, &ids)?;
        writer.section(SECTION_HEAD, &[self.largest_id])?;
        writer.finish()
    }

    /// The parts of the index with the rows of each that may be found.
    fn parts(&self, allowed: Option<&Bitmap>) -> Vec<Part<'_>> {
        let wanted = |live: &Bitmap, first: u32| {
            let word = |(index, &live): (usize, &u64)| {
                allowed.map_or(live, |allowed| live & allowed.word_at(u64::from(first) + index as u64 * 64))
            };
            live.words().iter().enumerate().map(word).collect::<Vec<_>>()
        };
        let mut parts = Vec::new();
        if let Some(Saved { vectors, ids, live }) = &self.saved {
            parts.push(Part { ids, wanted: Wanted::new(wanted(live, 0)), rows: Rows::Saved(vectors) });
        }
        let first = self.first_heap_row();
        if let Some((codec, runs, run_rows)) = self.heap.coded() {
            let (kernels, dimension, damage) = (self.kernels, self.dimension, &damage_in_memory);
            let words = self.heap.slabs().flat_map(|(slab, row, _)| wanted(&slab.live, first + row)).collect();
            let few = INTEGER_ROWS;
            let tiers = Tiers { kernels, codec, dimension, runs, run_rows, damage, fetch: None, few };
            parts.push(Part { ids: self.heap.ids(), wanted: Wanted::new(words), rows: Rows::Coded(tiers) });
            return parts;
        }
        for (slab, row, ids) in self.heap.slabs() {
            let column = scan::Column {
                kernels: self.kernels,
                values: slab.values(stride_of(self.dimension)),
                stride: stride_of(self.dimension),
                damage: &damage_in_memory,
            };
            let wanted = Wanted::new(wanted(&slab.live, first + row));
            parts.push(Part { ids, wanted, rows: Rows::Plain(column) });
        }
        parts
    }

    fn answer(&self, tile: Tile<'_>, width: usize, parts: &[Part<'_>], effort: Effort<'_>) -> Result<()> {
        let (queries, ids, scores) = tile;
        let mut tops = vec![Top::new(width.min(self.len())); queries.len() / stride_of(self.dimension)];
        for Part { ids, wanted, rows } in parts {
            let name = |row: u32| ids[row as usize];
            match rows {
                Rows::Saved(vectors) => vectors.search_wanted(wanted, queries, &name, &mut tops, effort)?,
                Rows::Coded(tiers) => tiers.search(wanted, queries, &name, &mut tops, effort)?,
                Rows::Plain(column) => column.scan(wanted, queries, &name, &mut tops, effort.interrupt)?,
            }
        }
        for ((top, ids), scores) in tops.into_iter().zip(ids.chunks_mut(width)).zip(scores.chunks_mut(width)) {
            for ((best, id), score) in top.into_sorted().into_iter().zip(ids).zip(scores) {
                (*id, *score) = (best.row, best.score);
            }
        }
        Ok(())
    }

    fn answer_exactly(
        &self,
        tile: Tile<'_>,
        width: usize,
        parts: &[Part<'_>],
        interrupt: &dyn Interrupt,
    ) -> Result<()> {
        let (queries, ids, scores) = tile;
        let queries = queries.chunks_exact(stride_of(self.dimension));
        for ((query, ids), scores) in queries.zip(ids.chunks_mut(width)).zip(scores.chunks_mut(width)) {
            let mut top: Top<Exact<i64>> = Top::new(width.min(self.len()));
            for Part { ids, wanted, rows } in parts {
                let name = |row: u32| ids[row as usize];
                match rows {
                    Rows::Saved(vectors) => vectors.search_wanted_exact(wanted, query, &name, &mut top, interrupt)?,
                    Rows::Coded(tiers) => tiers.search_exact(wanted, query, &name, &mut top, interrupt)?,
                    Rows::Plain(column) => column.scan_exact(wanted, query, &name, &mut top, interrupt)?,
                }
            }
            for ((best, id), score) in top.into_sorted().into_iter().zip(ids).zip(scores) {
                (*id, *score) = (best.row.1, best.score);
            }
        }
        Ok(())
    }

    /// Rows of those ids that exist: saved rows first, then those in memory.
    fn rows_of(&self, passing: Passing<'_>) -> Bitmap {
        let first_heap_row = self.first_heap_row();
        let mut rows = Bitmap::empty(first_heap_row + self.heap.row_count());
        let insert = |id: i64| {
            let saved = self.saved.as_ref().and_then(|saved| saved.row_of(id));
            if let Some(row) = saved.or_else(|| self.heap.row_of(id).map(|row| first_heap_row + row)) {
                rows.insert(row);
            }
        };
        match passing {
            Passing::Bits(words) if self.is_numbered_by_row() => return Bitmap::of_first(words, rows.len()),
            _ => passing.for_each(insert),
        }
        rows
    }

    /// Whether every id is the number of its row.
    fn is_numbered_by_row(&self) -> bool {
        match &self.saved {
            // They ascend, so that the last one tells.
            Some(Saved { ids, .. }) => {
                self.heap.row_count() == 0 && ids.last().is_none_or(|&last| last as usize == ids.len() - 1)
            }
            None => self.heap.is_numbered_by_row(),
        }
    }

    fn first_heap_row(&self) -> u32 {
        self.saved.as_ref().map_or(0, |saved| saved.vectors.rows())
    }

    fn forget_saved(&mut self, id: i64) -> bool {
        let Some(saved) = &mut self.saved else { return false };
        let row = saved.row_of(id);
        row.inspect(|&row| saved.live.remove(row)).is_some()
    }

    fn new_ids(&self, count: usize, ids: Option<&[i64]>) -> Result<Vec<i64>> {
        if let Some(ids) = ids {
            if ids.len() != count {
                return Err(Error::invalid(format!("{} ids for {count} vectors: pass one for each", ids.len())));
            }
            if let Some(negative) = ids.iter().find(|&&id| id < 0) {
                return Err(Error::invalid(format!("id {negative} is negative: ids are 0 or above, -1 pads results")));
            }
            return Ok(ids.to_vec());
        }
        let largest = i64::try_from(count).ok().and_then(|count| self.largest_id.checked_add(count));
        let Some(largest) = largest else {
            let message = format!("no {count} ids are left above {}: pass ids", self.largest_id);
            return Err(Error::invalid(message));
        };
        Ok((self.largest_id..=largest).skip(1).collect())
    }
}

/// Results a query: at least one, and not so many more than there are vectors that padding alone would fill memory.
fn check_top_k(top_k: usize, len: usize) -> Result<usize> {
    let max = len.max(TOP_K_FREE);
    if (1..=max).contains(&top_k) {
        return Ok(top_k);
    }
    Err(Error::invalid(format!("top_k is {top_k}: ask for 1 to {max} results, the index holds {len} vectors")))
}

/// Room for `rows` times `width` values, or a refusal instead of an abort.
fn reserved<T>(rows: usize, width: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let count = rows.checked_mul(width).ok_or(());
    count.and_then(|count| values.try_reserve_exact(count).map_err(drop)).map_err(|()| {
        Error::invalid(format!("{rows} queries times {width} values do not fit in memory: ask in smaller batches"))
    })?;
    Ok(values)
}
