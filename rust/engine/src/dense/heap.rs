//! Vectors with ids in memory, in slabs that never move: what was added to a [`DenseIndex`](super::DenseIndex) since it
//! was opened.

use std::collections::HashMap;

use ragstone_kernels::codes::{BLOCK_ROWS, block_bytes};
use ragstone_kernels::dispatch::Kernels;

use super::codec::{Codec, Int8Factors, int8_stride};
use super::stride_of;
use super::tiers::Run;
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::storage::map::Pages;

/// About what the vectors of a slab occupy once it is full; memory is taken only as rows come.
const SLAB_BYTES: usize = 64 << 20;
/// Rows from which on codes are made.
const CODED_ROWS: usize = 4096;
/// The centre is computed anew, and all codes with it, whenever there are this many times the rows.
const GROWTH: usize = 4;

#[derive(Debug)]
pub(super) struct Heap {
    dimension: usize,
    stride: usize,
    slab_rows: u32,
    /// What the rows are coded with, once there are enough.
    codec: Option<Codec>,
    /// Rows when its centre was computed.
    centred_rows: usize,
    slabs: Vec<Slab>,
    /// Id of each row, live or not.
    ids: Vec<i64>,
    /// Row of each live id.
    rows: HashMap<i64, u32>,
    /// Rows to use again.
    free: Vec<u32>,
    /// Vectors that there will be after the next ones were put.
    expected: usize,
    /// Whether every row's id was always its number.
    numbered: bool,
    /// Where vectors are worked on.
    work: Vec<f32>,
}

/// Up to `slab_rows` rows.
pub(super) struct Slab {
    /// Rows that are or were in use.
    rows: usize,
    values: Pages,
    codes: Option<Codes>,
    /// The rows that hold a vector.
    pub(super) live: Bitmap,
}

/// The codes of a slab's rows.
struct Codes {
    int8: Pages,
    factors: Pages,
    blocks: Pages,
}

impl Codes {
    fn new(rows: usize, dimension: usize) -> Result<Self> {
        let blocks = rows.div_ceil(BLOCK_ROWS) * block_bytes(dimension);
        Ok(Self {
            int8: pages(rows * int8_stride(dimension), true)?,
            factors: pages(rows * size_of::<Int8Factors>(), true)?,
            blocks: pages(blocks, true)?,
        })
    }
}

fn pages(bytes: usize, large: bool) -> Result<Pages> {
    Pages::new(bytes, large).map_err(Error::io(format!("take {bytes} bytes of memory for vectors")))
}

impl Slab {
    /// All rows, in use or not.
    pub(super) fn values(&self, stride: usize) -> &[f32] {
        &bytemuck::cast_slice(&self.values)[..self.rows * stride]
    }

    fn encode(&mut self, row: usize, dimension: usize, codec: &Codec, work: &mut Vec<f32>) {
        let Some(stored) = &mut self.codes else { return };
        let (block, stride) = (block_bytes(dimension), int8_stride(dimension));
        let vector = &bytemuck::cast_slice(&self.values)[row * stride_of(dimension)..][..dimension];
        let block = &mut stored.blocks[row / BLOCK_ROWS * block..][..block];
        let int8 = &mut bytemuck::cast_slice_mut(&mut stored.int8)[row * stride..][..stride];
        let factors: &mut [Int8Factors] = bytemuck::cast_slice_mut(&mut stored.factors);
        factors[row] = codec.encode(vector, block, row % BLOCK_ROWS, int8, work);
    }

    fn run(&self, dimension: usize) -> Option<Run<'_>> {
        let codes = self.codes.as_ref()?;
        Some(Run {
            values: self.values(stride_of(dimension)),
            int8: &bytemuck::cast_slice(&codes.int8)[..self.rows * int8_stride(dimension)],
            factors: &bytemuck::cast_slice(&codes.factors)[..self.rows],
            blocks: &codes.blocks[..self.rows.div_ceil(BLOCK_ROWS) * block_bytes(dimension)],
        })
    }
}

impl std::fmt::Debug for Slab {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Slab({} vectors)", self.live.count())
    }
}

impl Heap {
    pub(super) fn new(dimension: usize) -> Self {
        let stride = stride_of(dimension);
        let slab_rows = (SLAB_BYTES / size_of::<f32>() / stride).next_multiple_of(64) as u32;
        Self {
            dimension,
            stride,
            slab_rows,
            codec: None,
            centred_rows: 0,
            slabs: Vec::new(),
            ids: Vec::new(),
            rows: HashMap::new(),
            free: Vec::new(),
            expected: 0,
            numbered: true,
            work: Vec::new(),
        }
    }

    pub(super) fn set_kernels(&mut self, kernels: &'static Kernels) {
        self.codec = self.codec.take().map(|codec| codec.with_kernels(kernels));
    }

    /// The rows with their codes, once there are enough: the codec, the runs, and the rows of each run.
    pub(super) fn coded(&self) -> Option<(&Codec, Vec<Run<'_>>, usize)> {
        let runs = self.slabs.iter().map(|slab| slab.run(self.dimension)).collect::<Option<_>>()?;
        self.codec.as_ref().map(|codec| (codec, runs, self.slab_rows as usize))
    }

    /// Brings the codes up to date after vectors were put: makes them once there are enough rows, and makes them anew
    /// around a new centre once there are many more.
    pub(super) fn settle(&mut self, kernels: &'static Kernels) -> Result<()> {
        if self.rows.len() < CODED_ROWS.max(GROWTH * self.centred_rows) {
            return Ok(());
        }
        let live = |row: usize| self.live_row(row as u32).then(|| &self.row(row as u32)[..self.dimension]);
        self.codec = Codec::of_rows(kernels, self.dimension, self.row_count() as usize, live);
        self.centred_rows = self.rows.len();
        let Some(codec) = &self.codec else { return Ok(()) };
        for slab in &mut self.slabs {
            if slab.codes.is_none() {
                slab.codes = Some(Codes::new(self.slab_rows as usize, self.dimension)?);
            }
            for row in 0..slab.rows {
                if slab.live.contains(row as u32) {
                    slab.encode(row, self.dimension, codec, &mut self.work);
                }
            }
        }
        Ok(())
    }

    fn live_row(&self, row: u32) -> bool {
        self.slabs[(row / self.slab_rows) as usize].live.contains(row % self.slab_rows)
    }

    /// Number of live rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of rows, live or free.
    pub(super) fn row_count(&self) -> u32 {
        self.ids.len() as u32
    }

    /// Whether every id is the number of its row.
    pub(super) fn is_numbered_by_row(&self) -> bool {
        self.numbered
    }

    /// Ids of all rows.
    pub(super) fn ids(&self) -> &[i64] {
        &self.ids
    }

    pub(super) fn row_of(&self, id: i64) -> Option<u32> {
        // Ids are most often numbered on, and then their row is known.
        let guess = id.checked_sub(*self.ids.first()?).and_then(|guess| usize::try_from(guess).ok());
        match guess.and_then(|guess| Some((guess as u32, *self.ids.get(guess)?))) {
            Some((row, found)) if found == id && self.live_row(row) => Some(row),
            _ => self.rows.get(&id).copied(),
        }
    }

    /// Live ids with their rows, in no order.
    pub(super) fn live(&self) -> impl Iterator<Item = (i64, u32)> + '_ {
        self.rows.iter().map(|(&id, &row)| (id, row))
    }

    pub(super) fn row(&self, row: u32) -> &[f32] {
        let start = (row % self.slab_rows) as usize * self.stride;
        &self.slabs[(row / self.slab_rows) as usize].values(self.stride)[start..][..self.stride]
    }

    /// The slabs, each with its first row and the ids of its rows.
    pub(super) fn slabs(&self) -> impl Iterator<Item = (&Slab, u32, &[i64])> {
        let ids = self.ids.chunks(self.slab_rows as usize);
        self.slabs.iter().zip(ids).enumerate().map(|(index, (slab, ids))| (slab, index as u32 * self.slab_rows, ids))
    }

    /// Says how many vectors are about to be put.
    pub(super) fn expect(&mut self, vectors: usize) {
        self.expected = self.rows.len() + vectors;
    }

    /// Stores a vector under an id; one that was there under it is gone.
    pub(super) fn put(&mut self, id: i64, vector: impl Iterator<Item = f32>) -> Result<()> {
        let row = match self.rows.get(&id) {
            Some(&row) => row,
            None => match self.free.pop() {
                Some(row) => row,
                None => self.new_row()?,
            },
        };
        let slab = &mut self.slabs[(row / self.slab_rows) as usize];
        let row_in_slab = (row % self.slab_rows) as usize;
        let values: &mut [f32] = bytemuck::cast_slice_mut(&mut slab.values);
        for (to, value) in values[row_in_slab * self.stride..].iter_mut().zip(vector) {
            *to = value;
        }
        if let Some(codec) = &self.codec {
            slab.encode(row_in_slab, self.dimension, codec, &mut self.work);
        }
        slab.live.insert(row % self.slab_rows);
        self.ids[row as usize] = id;
        self.numbered &= id == i64::from(row);
        self.rows.insert(id, row);
        Ok(())
    }

    /// Forgets an id; tells whether it was there.
    pub(super) fn remove(&mut self, id: i64) -> bool {
        let Some(row) = self.rows.remove(&id) else { return false };
        self.slabs[(row / self.slab_rows) as usize].live.remove(row % self.slab_rows);
        self.free.push(row);
        true
    }

    fn new_row(&mut self) -> Result<u32> {
        let row = self.row_count();
        if row.is_multiple_of(self.slab_rows) {
            let rows = self.slab_rows as usize;
            // A few vectors do not deserve a large page.
            let values = pages(rows * self.stride * size_of::<f32>(), self.expected >= CODED_ROWS)?;
            let codes = self.codec.as_ref().map(|_| Codes::new(rows, self.dimension)).transpose()?;
            self.slabs.push(Slab { rows: 0, values, codes, live: Bitmap::empty(self.slab_rows) });
        }
        self.slabs.last_mut().expect("a slab was just added").rows += 1;
        self.ids.push(0);
        Ok(row)
    }
}
