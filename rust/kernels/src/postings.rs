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
/// The greatest sum of each block.
pub type Maxima = [u16; BLOCKS];
/// A bit for each row of a window, least significant first.
pub type Bits = [u8; WINDOW_ROWS / 8];

/// What a posting adds.
#[inline(always)]
pub fn contribution(impact: u8, weight: u16) -> u16 {
    ((u32::from(impact) * u32::from(weight)) >> 8) as u16
}

/// Adds postings given by their rows in the window, ascending.
#[inline(always)]
pub(crate) fn add_rows(sums: &mut Sums, maxima: &mut Maxima, rows: &[u16], impacts: &[u8], weight: u16, blocks: u64) {
    // The greatest sum of a block in a register while its rows last, then here: never read from where it was just
    // written.
    let mut found = [0; BLOCKS];
    let (mut last, mut maximum) = (0, 0);
    for (&row, &impact) in rows.iter().zip(impacts) {
        let row = usize::from(row) % WINDOW_ROWS;
        let block = row / BLOCK_ROWS;
        // A product instead of a branch that nobody could predict.
        let kept = (blocks >> block & 1) as u16;
        let sum = sums[row].wrapping_add(contribution(impact, weight) * kept);
        sums[row] = sum;
        maximum = if block == last { sum.max(maximum) } else { sum };
        last = block;
        found[block] = maximum;
    }
    for block in 0..BLOCKS {
        maxima[block] = maxima[block].max(found[block]);
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

/// The rows and the impacts of the postings of a block, out of `pairs`: block by block its rows, then their impacts.
#[inline(always)]
pub fn block_pairs<'a>(starts: &[u16; BLOCKS], pairs: &'a [u8], block: usize) -> Option<(&'a [u8], &'a [u8])> {
    let range = block_range(starts, block, pairs.len() / 2);
    let count = range.len();
    pairs.get(2 * range.start..2 * range.end)?.split_at_checked(count)
}

/// Adds postings given by their rows in their blocks; tells whether `starts` fit the postings.
#[inline(always)]
pub(crate) fn add_blocks(
    sums: &mut Sums,
    maxima: &mut Maxima,
    starts: &[u16; BLOCKS],
    pairs: &[u8],
    weight: u16,
    blocks: u64,
) -> bool {
    let mut sound = true;
    let sums = sums.as_chunks_mut::<BLOCK_ROWS>().0;
    for block in set_bits(blocks) {
        let Some((rows, impacts)) = block_pairs(starts, pairs, block) else {
            sound = false;
            continue;
        };
        let sums = &mut sums[block];
        let mut maximum = maxima[block];
        for (&row, &impact) in rows.iter().zip(impacts) {
            let sum = sums[usize::from(row)].wrapping_add(contribution(impact, weight));
            sums[usize::from(row)] = sum;
            maximum = maximum.max(sum);
        }
        maxima[block] = maximum;
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
    ($sums:expr, $maxima:expr, $starts:expr, $bits:expr, $impacts:expr, $weight:expr, $blocks:expr) => {{
        let mut sound = true;
        let sums = $sums.as_chunks_mut::<64>().0.as_chunks_mut::<4>().0;
        let words = $bits.as_chunks::<8>().0.as_chunks::<4>().0;
        for block in crate::postings::set_bits($blocks) {
            let range = crate::postings::block_range($starts, block, $impacts.len());
            // Up to the end of all, so that 64 of them can be read where fewer are needed.
            let Some(impacts) = $impacts.get(range.start..) else {
                sound = false;
                continue;
            };
            let mut padded;
            let impacts: &[u8; crate::postings::READ_AHEAD] = match impacts.first_chunk() {
                Some(impacts) => impacts,
                None => {
                    padded = [0; crate::postings::READ_AHEAD];
                    padded[..impacts.len()].copy_from_slice(impacts);
                    &padded
                }
            };
            let mut postings = 0;
            for (sums, &word) in sums[block].iter_mut().zip(&words[block]) {
                let word = u64::from_le_bytes(word);
                let impacts = impacts[postings..].first_chunk().expect("64 for each word and 64 more");
                add_word(sums, word, impacts, $weight);
                postings += word.count_ones() as usize;
            }
            sound &= range.start + postings == range.end;
            $maxima[block] = crate::postings::maximum(&sums[block]);
        }
        sound
    }};
}
pub(crate) use add_bits;

/// Impacts of a block of rows at most, and as many more as are read at once.
pub(crate) const READ_AHEAD: usize = BLOCK_ROWS + 64;

/// Adds to the bound of each block what the greatest impact of a term in it can add to a sum.
#[inline(always)]
pub(crate) fn add_bounds(bounds: &mut Maxima, greatest: &[u8; BLOCKS], weight: u16) {
    for block in 0..BLOCKS {
        bounds[block] = bounds[block].wrapping_add(upper_product(greatest[block], weight));
    }
}

/// Takes back what [`add_bounds`] added.
#[inline(always)]
pub(crate) fn take_bounds(bounds: &mut Maxima, greatest: &[u8; BLOCKS], weight: u16) {
    for block in 0..BLOCKS {
        bounds[block] = bounds[block].wrapping_sub(upper_product(greatest[block], weight));
    }
}

/// A contribution as the upper half of a product of 16-bit integers: one instruction for many of them.
#[inline(always)]
fn upper_product(impact: u8, weight: u16) -> u16 {
    ((u32::from(u16::from(impact) << 8) * u32::from(weight)) >> 16) as u16
}

/// The blocks whose greatest sum and bound together reach `least`.
#[inline(always)]
pub(crate) fn reaching(maxima: &Maxima, bounds: &Maxima, least: u16) -> u64 {
    let mut reached = [0u8; BLOCKS];
    for block in 0..BLOCKS {
        reached[block] = u8::from(maxima[block].saturating_add(bounds[block]) >= least);
    }
    let mut blocks = 0;
    for (byte, eight) in reached.as_chunks().0.iter().enumerate() {
        // Gathers the lowest bits of eight bytes in the highest byte.
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        blocks |= bits << (8 * byte);
    }
    blocks
}

/// The greatest of the sums of a block.
#[inline(always)]
pub(crate) fn maximum(sums: &[[u16; 64]]) -> u16 {
    let mut lanes = [0u16; 64];
    for part in sums {
        for lane in 0..64 {
            lanes[lane] = lanes[lane].max(part[lane]);
        }
    }
    let mut half = 32;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = lanes[lane].max(lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
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
