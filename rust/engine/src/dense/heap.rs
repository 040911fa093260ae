//! Vectors with ids in memory, in slabs that never move: what was added to a [`DenseIndex`](super::DenseIndex) since it
//! was opened.

use std::collections::HashMap;

use super::stride_of;
use crate::bitmap::Bitmap;

/// About what a slab occupies once it is full; memory is taken only as rows come.
const SLAB_BYTES: usize = 4 << 20;

/// A cache line, so that rows start at its border.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

#[derive(Debug)]
pub(super) struct Heap {
    stride: usize,
    slab_rows: u32,
    slabs: Vec<Slab>,
    /// Id of each row, live or not.
    ids: Vec<i64>,
    /// Row of each live id.
    rows: HashMap<i64, u32>,
    /// Rows to use again.
    free: Vec<u32>,
}

/// Up to `slab_rows` rows.
pub(super) struct Slab {
    lines: Vec<Line>,
    /// The rows that hold a vector.
    pub(super) live: Bitmap,
}

impl Slab {
    pub(super) fn values(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
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
        Self { stride, slab_rows, slabs: Vec::new(), ids: Vec::new(), rows: HashMap::new(), free: Vec::new() }
    }

    /// Number of live rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of rows, live or free.
    pub(super) fn row_count(&self) -> u32 {
        self.ids.len() as u32
    }

    pub(super) fn row_of(&self, id: i64) -> Option<u32> {
        self.rows.get(&id).copied()
    }

    /// Live ids with their rows, in no order.
    pub(super) fn live(&self) -> impl Iterator<Item = (i64, u32)> + '_ {
        self.rows.iter().map(|(&id, &row)| (id, row))
    }

    pub(super) fn row(&self, row: u32) -> &[f32] {
        let start = (row % self.slab_rows) as usize * self.stride;
        &self.slabs[(row / self.slab_rows) as usize].values()[start..][..self.stride]
    }

    /// The slabs, each with its first row and the ids of its rows.
    pub(super) fn slabs(&self) -> impl Iterator<Item = (&Slab, u32, &[i64])> {
        let ids = self.ids.chunks(self.slab_rows as usize);
        self.slabs.iter().zip(ids).enumerate().map(|(index, (slab, ids))| (slab, index as u32 * self.slab_rows, ids))
    }

    /// Stores a vector under an id; one that was there under it is gone.
    pub(super) fn put(&mut self, id: i64, vector: impl Iterator<Item = f32>) {
        let row = match self.rows.get(&id) {
            Some(&row) => row,
            None => self.free.pop().unwrap_or_else(|| self.new_row()),
        };
        let slab = &mut self.slabs[(row / self.slab_rows) as usize];
        let values: &mut [f32] = bytemuck::cast_slice_mut(&mut slab.lines);
        for (to, value) in values[(row % self.slab_rows) as usize * self.stride..].iter_mut().zip(vector) {
            *to = value;
        }
        slab.live.insert(row % self.slab_rows);
        self.ids[row as usize] = id;
        self.rows.insert(id, row);
    }

    /// Forgets an id; tells whether it was there.
    pub(super) fn remove(&mut self, id: i64) -> bool {
        let Some(row) = self.rows.remove(&id) else { return false };
        self.slabs[(row / self.slab_rows) as usize].live.remove(row % self.slab_rows);
        self.free.push(row);
        true
    }

    fn new_row(&mut self) -> u32 {
        let row = self.row_count();
        let lines = self.stride / 16;
        if row.is_multiple_of(self.slab_rows) {
            let lines = Vec::with_capacity(self.slab_rows as usize * lines);
            self.slabs.push(Slab { lines, live: Bitmap::empty(self.slab_rows) });
        }
        self.slabs.last_mut().expect("a slab was just added").lines.extend(std::iter::repeat_n(Line([0.0; 16]), lines));
        self.ids.push(0);
        row
    }
}
