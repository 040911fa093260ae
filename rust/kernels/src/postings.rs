//! Sums of impacts over a window of rows: what lexical search adds up, window by window.
//!
//! A window is [`WINDOW_ROWS`] rows in [`BLOCKS`] blocks of [`BLOCK_ROWS`]. A posting adds its impact, 8 bits, times the
//! weight of its term, divided by 256, to the sum of its row. Sums wrap, so whoever chooses weights keeps their total
//! below 2¹⁶. `blocks` has a bit for each block that is looked at; other blocks stay as they are.

/// Rows of a window.
pub const WINDOW_ROWS: usize = 1 << 14;
/// Rows of a block.
pub const BLOCK_ROWS: usize = 256;
/// Blocks of a window.
pub const BLOCKS: usize = WINDOW_ROWS / BLOCK_ROWS;

/// A sum for each row of a window.
pub type Sums = [u16; WINDOW_ROWS];
/// A bit for each row of a window, least significant first.
pub type Bits = [u8; WINDOW_ROWS / 8];

/// What a posting adds.
#[inline(always)]
pub fn contribution(impact: u8, weight: u16) -> u16 {
    (u32::from(impact) * u32::from(weight) >> 8) as u16
}

/// Adds postings given by their rows in the window.
pub fn add_rows(sums: &mut Sums, rows: &[u16], impacts: &[u8], weight: u16, blocks: u64) {
    let pairs = rows.iter().zip(impacts);
    if blocks == u64::MAX {
        for (&row, &impact) in pairs {
            let sum = &mut sums[usize::from(row) % WINDOW_ROWS];
            *sum = sum.wrapping_add(contribution(impact, weight));
        }
    } else {
        for (&row, &impact) in pairs {
            let row = usize::from(row) % WINDOW_ROWS;
            // A product instead of a branch that nobody could predict.
            let kept = (blocks >> (row / BLOCK_ROWS) & 1) as u16;
            sums[row] = sums[row].wrapping_add(contribution(impact, weight) * kept);
        }
    }
}

/// The numbers of the set bits, ascending.
#[inline(always)]
pub fn set_bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (bit < u64::BITS).then_some(bit as usize)
    })
}

/// Where the postings of a block begin and end, out of where those of each block begin.
#[inline(always)]
pub fn block_range(starts: &[u16; BLOCKS], block: usize, postings: usize) -> std::ops::Range<usize> {
    usize::from(starts[block])..starts.get(block + 1).map_or(postings, |&end| usize::from(end))
}

/// Adds postings given by their rows in their blocks; tells whether `starts` fit the postings.
#[inline(always)]
pub(crate) fn add_blocks(
    sums: &mut Sums,
    starts: &[u16; BLOCKS],
    rows: &[u8],
    impacts: &[u8],
    weight: u16,
    blocks: u64,
) -> bool {
    let mut sound = true;
    let sums = sums.as_chunks_mut::<BLOCK_ROWS>().0;
    for block in set_bits(blocks) {
        let range = block_range(starts, block, rows.len());
        let (Some(rows), Some(impacts)) = (rows.get(range.clone()), impacts.get(range)) else {
            sound = false;
            continue;
        };
        let sums = &mut sums[block];
        for (&row, &impact) in rows.iter().zip(impacts) {
            let sum = &mut sums[usize::from(row)];
            *sum = sum.wrapping_add(contribution(impact, weight));
        }
    }
    sound
}

/// Adds the impacts of 64 rows, of those whose bit is set, in their order.
pub(crate) fn add_word(sums: &mut [u16; 64], word: u64, impacts: &[u8; 64], weight: u16) {
    for (row, &impact) in set_bits(word).zip(impacts) {
        sums[row] = sums[row].wrapping_add(contribution(impact, weight));
    }
}

/// Adds postings given by bits, with the `add_word` in scope: a macro, as a function with a target feature can be given
/// neither as a parameter nor inlined into another without it.
macro_rules! add_bits {
    ($sums:expr, $starts:expr, $bits:expr, $impacts:expr, $weight:expr, $blocks:expr) => {{
        let mut sound = true;
        let sums = $sums.as_chunks_mut::<64>().0.as_chunks_mut::<4>().0;
        let words = $bits.as_chunks::<8>().0.as_chunks::<4>().0;
        for block in crate::postings::set_bits($blocks) {
            let range = crate::postings::block_range($starts, block, $impacts.len());
            // Up to the end of all, so that 64 of them can be read where fewer are needed.
            let Some(mut impacts) = $impacts.get(range.start..) else {
                sound = false;
                continue;
            };
            let mut postings = 0;
            for (sums, &word) in sums[block].iter_mut().zip(&words[block]) {
                let word = u64::from_le_bytes(word);
                let count = word.count_ones() as usize;
                add_word(sums, word, crate::postings::chunk(impacts, &mut [0; 64]), $weight);
                postings += count;
                impacts = impacts.get(count..).unwrap_or_default();
            }
            sound &= range.start + postings == range.end;
        }
        sound
    }};
}
pub(crate) use add_bits;

/// The first 64 of some impacts, filled up with zeros.
#[inline(always)]
pub(crate) fn chunk<'a>(impacts: &'a [u8], padded: &'a mut [u8; 64]) -> &'a [u8; 64] {
    impacts.first_chunk().unwrap_or_else(|| {
        padded[..impacts.len()].copy_from_slice(impacts);
        padded
    })
}

/// Adds the greatest impact of each block to the bound of the block.
#[inline(always)]
pub(crate) fn add_bounds(bounds: &mut [u16; BLOCKS], maxima: &[u8; BLOCKS], weight: u16) {
    for block in 0..BLOCKS {
        // The upper half of a product of 16-bit integers: one instruction for many of them.
        let product = u32::from(u16::from(maxima[block]) << 8) * u32::from(weight) >> 16;
        bounds[block] = bounds[block].wrapping_add(product as u16);
    }
}

/// Replaces entries of `maxima` by the greatest sum of their block.
#[inline(always)]
pub(crate) fn block_maxima(sums: &Sums, blocks: u64, maxima: &mut [u16; BLOCKS]) {
    let sums = sums.as_chunks::<BLOCK_ROWS>().0;
    for block in set_bits(blocks) {
        let mut lanes = [0u16; 64];
        for part in sums[block].as_chunks::<64>().0 {
            for lane in 0..64 {
                lanes[lane] = lanes[lane].max(part[lane]);
            }
        }
        maxima[block] = lanes.into_iter().fold(0, u16::max);
    }
}

/// For each byte of a bitmap, which of the next impacts belongs to which of its eight rows; 0x80 where none does.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) static EXPANSIONS: [[u8; 8]; 256] = {
    let mut table = [[0x80; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut row, mut rank) = (0, 0);
        while row < 8 {
            if byte >> row & 1 == 1 {
                table[byte][row] = rank;
                rank += 1;
            }
            row += 1;
        }
        byte += 1;
    }
    table
};
