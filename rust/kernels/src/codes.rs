//! One bit for each dimension: the layout of the scan codes, and a query prepared for them.
//!
//! A code has the signs of a rotated vector. 64 rows make a block: for each byte of a code (bit `i` of byte `b` is set
//! where dimension `8 b + i` is not negative) the 64 rows' bytes one after another, so that one instruction looks up
//! several dimensions of many rows, then a factor and an offset for each row. Within a byte's 64 places, row
//! `16 s + j` stands at place `4 j + s`: sums of bytes, widened twice, come out in the order of rows.
//!
//! The estimate of a row is `offset + factor · (reach + Σ ±query)`, the sum over the query's levels: small integers, so
//! that every instruction set finds the same sum, whatever table it looks it up in. The reach is how far the sum may be
//! off: with it, an estimate is what a row's score can be at best.

/// Rows in a block.
pub const BLOCK_ROWS: usize = 64;
/// A code has whole groups of so many bytes: three bytes are four table look-ups of six bits.
pub const GROUP: usize = 3;
/// Largest size of a level: six of them in one table entry, and four entries added in a byte, do not overflow.
const LEVEL_MAX: f32 = 10.0;
/// Dimensions whose table entries are added in a byte: two groups. The sizes of their levels stay below 256 together,
/// which they do by themselves unless a query has many large values side by side.
const PAIR: usize = 2 * 8 * GROUP;
/// Standard deviations of a query's values that the levels span. Wider, and steps get coarse; narrower, and large
/// values are cut: 2.8 loses least for normal values and 21 levels (Max 1960, interpolated).
const SPAN: f64 = 2.8;
/// Bytes from what is scanned to what is fetched meanwhile: two blocks of 384 dimensions, as far as memory is away.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) const AHEAD: usize = 6656;
/// Largest dimension whose sums of levels fit 16 bits.
pub const DIMENSION_MAX: usize = (u16::MAX as f32 / LEVEL_MAX) as usize;

/// Bytes of one row's code.
pub const fn code_bytes(dimension: usize) -> usize {
    dimension.div_ceil(8 * GROUP) * GROUP
}

/// Bytes of a block: the codes of its rows, and 4 bytes a row for factor and offset.
pub const fn block_bytes(dimension: usize) -> usize {
    BLOCK_ROWS * (code_bytes(dimension) + size_of::<u32>())
}

/// Where the byte of a row stands among the 64 of its block.
pub(crate) const fn place(row: usize) -> usize {
    4 * (row % 16) + row / 16
}

/// Writes a row's code into a block, over whatever stood there.
pub fn put(block: &mut [u8], row: usize, rotated: &[f32], factor: f32, offset: f32) {
    let bytes = code_bytes(rotated.len());
    let (codes, factors) = block.split_at_mut(BLOCK_ROWS * bytes);
    let (whole, tail) = rotated.as_chunks::<8>();
    let column = codes.iter_mut().skip(place(row)).step_by(BLOCK_ROWS);
    for (index, byte) in column.enumerate() {
        *byte = match whole.get(index) {
            Some(values) => signs(values),
            None if index == whole.len() => signs(tail),
            None => 0,
        };
    }
    factors[4 * row..][..4].copy_from_slice(&pack(factor, offset).to_le_bytes());
}

#[inline]
fn signs(values: &[f32]) -> u8 {
    values.iter().rev().fold(0, |byte, value| byte << 1 | (value.to_bits() >> 31 ^ 1) as u8)
}

/// Factor and offset, each as the upper half of an f32 ("bfloat16"), rounded to nearest.
fn pack(factor: f32, offset: f32) -> u32 {
    let half = |value: f32| {
        let bits = value.to_bits();
        bits.saturating_add(0x7FFF + (bits >> 16 & 1)) >> 16
    };
    half(factor) << 16 | half(offset)
}

/// The two numbers again.
#[inline]
pub(crate) fn unpack(packed: u32) -> (f32, f32) {
    (f32::from_bits(packed & 0xFFFF_0000), f32::from_bits(packed << 16))
}

/// A query against codes: its levels as look-up tables of one instruction set.
#[derive(Clone, Debug)]
pub struct CodeQuery {
    tables: Vec<u8>,
    /// Where the tables start: at the beginning of a cache line.
    start: usize,
    /// Length of one group's tables, which tells the instruction sets apart.
    pub(crate) table_bytes: usize,
    pub(crate) code_bytes: usize,
    /// What a sum of table entries is multiplied with.
    pub(crate) scale: f32,
    /// What is added then; the result is about the dot product of the query with the signs, and the reach.
    pub(crate) bias: f32,
}

impl CodeQuery {
    /// Prepares a rotated query; `reach` is added to every product with signs; `fill` makes the tables of one group of bytes, `table_bytes` long, from its levels.
    pub(crate) fn new(rotated: &[f32], reach: f32, table_bytes: usize, fill: fn(&[i8; 8 * GROUP], &mut [u8])) -> Self {
        assert!(rotated.len() <= DIMENSION_MAX, "levels of {} dimensions do not fit 16 bits", rotated.len());
        let square: f64 = rotated.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
        let step = SPAN / f64::from(LEVEL_MAX) * (square / rotated.len() as f64).sqrt();
        let code_bytes = code_bytes(rotated.len());
        let mut levels = vec![[0i8; 8 * GROUP]; code_bytes / GROUP];
        let mut inverse = if step > 0.0 { (1.0 / step) as f32 } else { 0.0 };
        loop {
            for (level, &value) in levels.as_flattened_mut().iter_mut().zip(rotated) {
                *level = (value * inverse).clamp(-LEVEL_MAX, LEVEL_MAX).round() as i8;
            }
            let size = |levels: &[i8]| levels.iter().map(|level| u32::from(level.unsigned_abs())).sum::<u32>();
            if levels.as_flattened().chunks(PAIR).all(|pair| u8::try_from(size(pair)).is_ok()) {
                break;
            }
            inverse *= 0.9;
        }
        let (mut sizes, mut product, mut own) = (0i64, 0.0f64, 0i64);
        for (&level, &value) in levels.as_flattened().iter().zip(rotated) {
            sizes += i64::from(level.unsigned_abs());
            product += f64::from(level) * f64::from(value);
            own += i64::from(level) * i64::from(level);
        }
        // The multiple of the levels that comes nearest to the query.
        let unit = if own > 0 { product / own as f64 } else { 0.0 };
        let mut tables = vec![0; levels.len() * table_bytes + 63];
        let start = tables.as_ptr().align_offset(64).min(63);
        for (levels, table) in levels.iter().zip(tables[start..].chunks_exact_mut(table_bytes)) {
            fill(levels, table);
        }
        let (scale, bias) = ((2.0 * unit) as f32, (f64::from(reach) - unit * sizes as f64) as f32);
        Self { tables, start, table_bytes, code_bytes, scale, bias }
    }

    pub(crate) fn tables(&self) -> &[u8] {
        &self.tables[self.start..]
    }
}

/// Entry `m` of a table over some dimensions: the sum of the sizes of those levels whose sign bit `i` of `m` matches.
///
/// The sum of all entries that a code selects, twice, minus the sum of all sizes is the product of signs and levels.
pub(crate) fn fill_table(levels: impl Iterator<Item = i8>, table: &mut [u8]) {
    let mut filled = 1;
    let mut base = 0u8;
    table[0] = 0;
    for level in levels {
        let (known, new) = table[..2 * filled].split_at_mut(filled);
        for index in 0..filled {
            new[index] = known[index].wrapping_add_signed(level);
        }
        base += if level < 0 { level.unsigned_abs() } else { 0 };
        filled *= 2;
    }
    for entry in &mut table[..filled] {
        // Sums of negative levels wrapped around; adding what all of them take away brings every entry to 0 or above.
        *entry = entry.wrapping_add(base);
    }
}

/// Two tables of 16 entries for each byte: its lower and its upper four bits.
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(dead_code))]
pub(crate) fn fill_nibbles(levels: &[i8; 8 * GROUP], tables: &mut [u8]) {
    for (levels, table) in levels.as_chunks::<4>().0.iter().zip(tables.as_chunks_mut::<16>().0) {
        fill_table(levels.iter().copied(), table);
    }
}

/// One table of 256 entries for each byte.
pub(crate) fn fill_bytes(levels: &[i8; 8 * GROUP], tables: &mut [u8]) {
    for (levels, table) in levels.as_chunks::<8>().0.iter().zip(tables.as_chunks_mut::<256>().0) {
        fill_table(levels.iter().copied(), table);
    }
}

/// The specification: one query at a time, one row at a time, one byte at a time.
pub(crate) fn estimate(queries: &[&CodeQuery], blocks: &[u8], floors: &[f32], hits: &mut [u64], estimates: &mut [f32]) {
    for (query, floor, hits, estimates) in each(queries, floors, hits, estimates) {
        estimate_one(query, blocks, floor, hits, estimates);
    }
}

/// Each query with its floor and its share of the results.
pub(crate) fn each<'a>(
    queries: &'a [&CodeQuery],
    floors: &'a [f32],
    hits: &'a mut [u64],
    estimates: &'a mut [f32],
) -> impl Iterator<Item = (&'a CodeQuery, f32, &'a mut [u64], &'a mut [f32])> {
    let blocks = hits.len() / queries.len();
    let results = hits.chunks_exact_mut(blocks).zip(estimates.chunks_exact_mut(blocks * BLOCK_ROWS));
    let asked = queries.iter().zip(floors);
    asked.zip(results).map(|((query, &floor), (hits, estimates))| (*query, floor, hits, estimates))
}

fn estimate_one(query: &CodeQuery, blocks: &[u8], floor: f32, hits: &mut [u64], estimates: &mut [f32]) {
    let bytes = query.code_bytes;
    let tables = query.tables().as_chunks::<256>().0;
    let blocks = blocks.chunks_exact(BLOCK_ROWS * (bytes + 4));
    for ((block, hits), estimates) in blocks.zip(hits).zip(estimates.as_chunks_mut::<BLOCK_ROWS>().0) {
        let (codes, factors) = block.split_at(BLOCK_ROWS * bytes);
        let codes = codes.as_chunks::<BLOCK_ROWS>().0;
        let mut sums = [0u16; BLOCK_ROWS];
        for (codes, table) in codes.iter().zip(tables) {
            for row in 0..BLOCK_ROWS {
                sums[row] += u16::from(table[usize::from(codes[row])]);
            }
        }
        *hits = 0;
        for (row, packed) in factors.as_chunks::<4>().0.iter().enumerate() {
            let (factor, offset) = unpack(u32::from_le_bytes(*packed));
            let product = f32::from(sums[place(row)]) * query.scale + query.bias;
            estimates[row] = product * factor + offset;
            *hits |= u64::from(estimates[row] >= floor) << row;
        }
    }
}
