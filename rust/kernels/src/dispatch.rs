//! Which instruction set computes: detected once, listed in one table, forced by `RAGSTONE_ISA`.

use std::fmt;
use std::sync::OnceLock;

use crate::codes::{BLOCK_ROWS, CodeQuery, GROUP};
use crate::postings::{BLOCKS, Bits, Maxima, Sums};
use crate::quantize::{Rotation, Rounded};
use crate::scalar;

/// Environment variable that forces an instruction set by name.
pub const VARIABLE: &str = "RAGSTONE_ISA";

/// Every instruction set that this release knows, whether or not it was compiled for this machine.
const NAMES: [&str; 5] = ["scalar", "ssse3", "avx2", "avx512", "neon"];

/// Those compiled for this architecture, fastest first.
static TABLE: &[Kernels] = &[
    #[cfg(target_arch = "x86_64")]
    crate::x86_64::avx512::KERNELS,
    #[cfg(target_arch = "x86_64")]
    crate::x86_64::avx2::KERNELS,
    #[cfg(target_arch = "x86_64")]
    crate::x86_64::ssse3::KERNELS,
    #[cfg(target_arch = "aarch64")]
    crate::aarch64::neon::KERNELS,
    scalar::KERNELS,
];

/// Names the types of operations. All of them ask one thing of their caller: that the processor has the instruction set.
macro_rules! operations {
    ($($name:ident($($argument:ty),*) $(-> $out:ty)?;)*) => {
        $(type $name = unsafe fn($($argument),*) $(-> $out)?;)*
    };
}

operations! {
    Dot(&[f32], &[f32]) -> f32;
    DotRows(&[f32], &[f32], usize, &mut [f32]);
    DotGather(&[f32], &[f32], usize, &[u32], &mut [f32]);
    DotWide(&[f32], &[f32]) -> f64;
    Int8Rows(&[i16], &[i8], usize, &mut [i32]);
    Int8Gather(&[i16], &[i8], usize, &[u32], &mut [i32]);
    Rotate(&Rotation, &mut [f32]);
    Round(&[f32], &mut [i8]) -> Rounded;
    AddRows(&mut Sums, &mut Maxima, &[u16], &[u8], u16, u64);
    AddBlocks(&mut Sums, &mut Maxima, &[u16; BLOCKS], &[u8], u16, u64) -> bool;
    AddBits(&mut Sums, &mut Maxima, &[u16; BLOCKS], &Bits, &[u8], u16, u64) -> bool;
    ChangeBounds(&mut Maxima, &[u8; BLOCKS], u16);
    Reaching(&Maxima, &Maxima, u16) -> u64;
    Estimate(&[&CodeQuery], &[u8], &[f32], &mut [u64], &mut [f32]);
}

/// Calls an operation of an entry of the table.
macro_rules! call {
    ($kernels:ident.$operation:ident($($argument:expr),*)) => {
        // SAFETY: a `Kernels` is given out only after detection (see the type), which is all that the function asks.
        unsafe { ($kernels.$operation)($($argument),*) }
    };
}

/// The operations of one instruction set.
///
/// A reference to it proves that this processor has the instruction set: the table is private to the crate, and
/// [`available`], [`select`] and [`active`] give out only entries whose detection succeeded.
pub struct Kernels {
    pub(crate) name: &'static str,
    pub(crate) is_available: fn() -> bool,
    pub(crate) dot: Dot,
    pub(crate) dot_rows: DotRows,
    pub(crate) dot_gather: DotGather,
    pub(crate) dot_wide: DotWide,
    pub(crate) int8_rows: Int8Rows,
    pub(crate) int8_gather: Int8Gather,
    pub(crate) rotate: Rotate,
    pub(crate) round: Round,
    pub(crate) add_rows: AddRows,
    pub(crate) add_blocks: AddBlocks,
    pub(crate) add_bits: AddBits,
    pub(crate) add_bounds: ChangeBounds,
    pub(crate) take_bounds: ChangeBounds,
    pub(crate) reaching: Reaching,
    pub(crate) estimate: Estimate,
    /// Makes the tables of one group of code bytes from its levels.
    pub(crate) fill: fn(&[i8; 8 * GROUP], &mut [u8]),
    /// Length of those tables.
    pub(crate) table_bytes: usize,
}

impl Kernels {
    /// Name of the instruction set, as `RAGSTONE_ISA` takes it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Sum of the products of two slices, which must have one length; the order of summation is [`scalar`]'s.
    pub fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "dot product of slices of different lengths");
        call!(self.dot(a, b))
    }

    /// Scores `out.len()` consecutive rows: `out[i]` is the dot product of `query` with the first `query.len()`
    /// values from `rows[i * stride]` on.
    ///
    /// Padding a row and the query with zeros up to a multiple of 16 does not change the result and is faster.
    pub fn dot_rows(&self, query: &[f32], rows: &[f32], stride: usize, out: &mut [f32]) {
        assert!(query.len() <= stride, "a query of {} values on rows of {stride}", query.len());
        call!(self.dot_rows(query, rows, stride, out));
    }

    /// Scores the rows named in `wanted`, in any order: `out[i]` is the dot product of `query` with row `wanted[i]`
    /// of `column`.
    pub fn dot_gather(&self, query: &[f32], column: &[f32], stride: usize, wanted: &[u32], out: &mut [f32]) {
        assert!(query.len() <= stride, "a query of {} values on rows of {stride}", query.len());
        assert_eq!(wanted.len(), out.len(), "rows and scores of different lengths");
        call!(self.dot_gather(query, column, stride, wanted, out));
    }

    /// Sum of the products of two slices of one length, in f64: only the additions round.
    pub fn dot_wide(&self, a: &[f32], b: &[f32]) -> f64 {
        assert_eq!(a.len(), b.len(), "dot product of slices of different lengths");
        call!(self.dot_wide(a, b))
    }

    /// As [`Self::dot_rows`], for rows of 8-bit integers and a query of 16-bit ones, a multiple of 32 of them.
    ///
    /// Sums are exact as long as they fit 32 bits, which a bound on the query's values ensures.
    pub fn int8_rows(&self, query: &[i16], rows: &[i8], stride: usize, out: &mut [i32]) {
        check_int8(query, stride);
        call!(self.int8_rows(query, rows, stride, out));
    }

    /// As [`Self::dot_gather`], for rows of 8-bit integers and a query of 16-bit ones, a multiple of 32 of them.
    pub fn int8_gather(&self, query: &[i16], column: &[i8], stride: usize, wanted: &[u32], out: &mut [i32]) {
        check_int8(query, stride);
        assert_eq!(wanted.len(), out.len(), "rows and scores of different lengths");
        call!(self.int8_gather(query, column, stride, wanted, out));
    }

    /// Rotates a vector in place.
    pub fn rotate(&self, rotation: &Rotation, values: &mut [f32]) {
        assert_eq!(rotation.dimension(), values.len(), "a rotation and a vector of different dimensions");
        call!(self.rotate(rotation, values));
    }

    /// Rounds values to 8-bit integers times a scale; the rest of `codes` becomes zero.
    pub fn round(&self, values: &[f32], codes: &mut [i8]) -> Rounded {
        assert!(values.len() <= codes.len(), "{} values for {} codes", values.len(), codes.len());
        call!(self.round(values, codes))
    }

    /// Adds postings of some blocks to the sums of a window ([`crate::postings`]) and keeps their greatest sums; they are
    /// given by their rows in the window, ascending.
    pub fn add_rows(
        &self,
        sums: &mut Sums,
        maxima: &mut Maxima,
        rows: &[u16],
        impacts: &[u8],
        weight: u16,
        blocks: u64,
    ) {
        call!(self.add_rows(sums, maxima, rows, impacts, weight, blocks));
    }

    /// As [`Self::add_rows`], for postings whose rows count within their block: `pairs` has block by block the rows, then
    /// their impacts, and those of a block begin at twice its entry of `starts`. Tells whether `starts` ascend and fit.
    pub fn add_blocks(
        &self,
        sums: &mut Sums,
        maxima: &mut Maxima,
        starts: &[u16; BLOCKS],
        pairs: &[u8],
        weight: u16,
        blocks: u64,
    ) -> bool {
        call!(self.add_blocks(sums, maxima, starts, pairs, weight, blocks))
    }

    /// As [`Self::add_rows`], for postings given by a bit for each row of the window; the impacts of a block begin at its
    /// entry of `starts`. Tells whether `starts` ascend and fit.
    #[allow(clippy::too_many_arguments, reason = "the columns of one container, each from its own place in a file")]
    pub fn add_bits(
        &self,
        sums: &mut Sums,
        maxima: &mut Maxima,
        starts: &[u16; BLOCKS],
        bits: &Bits,
        impacts: &[u8],
        weight: u16,
        blocks: u64,
    ) -> bool {
        call!(self.add_bits(sums, maxima, starts, bits, impacts, weight, blocks))
    }

    /// Asks for the lines of memory of some bytes, before they are needed.
    #[inline]
    pub fn prefetch(&self, bytes: &[u8]) {
        for line in bytes.chunks(64) {
            crate::prefetch(line);
        }
    }

    /// Adds to the bound of each block what the greatest impact of a term in it can add to a sum.
    pub fn add_bounds(&self, bounds: &mut Maxima, greatest: &[u8; BLOCKS], weight: u16) {
        call!(self.add_bounds(bounds, greatest, weight));
    }

    /// Takes back what [`Self::add_bounds`] added.
    pub fn take_bounds(&self, bounds: &mut Maxima, greatest: &[u8; BLOCKS], weight: u16) {
        call!(self.take_bounds(bounds, greatest, weight));
    }

    /// The blocks whose greatest sum and bound together reach `least`.
    pub fn reaching(&self, maxima: &Maxima, bounds: &Maxima, least: u16) -> u64 {
        call!(self.reaching(maxima, bounds, least))
    }

    /// Prepares a rotated query for [`Self::estimate`] with the same instruction set; `reach` is how far the product of
    /// the query with a row's signs may be off.
    pub fn code_query(&self, rotated: &[f32], reach: f32) -> CodeQuery {
        CodeQuery::new(rotated, reach, self.table_bytes, self.fill)
    }

    /// Estimates the score of every row of `blocks` ([`crate::codes`]), 64 to a block, for each query, one query after
    /// another in the results; bit `i` of a block's `hits` tells that its row `i` reaches the query's floor.
    ///
    /// Several queries at once are faster than one after another.
    pub fn estimate(
        &self,
        queries: &[&CodeQuery],
        blocks: &[u8],
        floors: &[f32],
        hits: &mut [u64],
        estimates: &mut [f32],
    ) {
        let Some(first) = queries.first() else { return };
        let count = blocks.len() / (BLOCK_ROWS * (first.code_bytes + size_of::<u32>()));
        let alike = |query: &&CodeQuery| query.table_bytes == self.table_bytes && query.code_bytes == first.code_bytes;
        assert!(queries.iter().all(alike), "queries prepared for another instruction set or of several dimensions");
        assert_eq!(queries.len(), floors.len(), "queries and floors of different lengths");
        assert_eq!(blocks.len(), count * BLOCK_ROWS * (first.code_bytes + size_of::<u32>()), "a block in part");
        assert_eq!(hits.len(), count * queries.len(), "hits of another number than blocks for each query");
        assert_eq!(estimates.len(), hits.len() * BLOCK_ROWS, "hits and estimates of different lengths");
        if count == 0 {
            return;
        }
        call!(self.estimate(queries, blocks, floors, hits, estimates));
    }
}

fn check_int8(query: &[i16], stride: usize) {
    let length = query.len();
    assert!(length.is_multiple_of(32) && length <= stride, "a query of {length} values on rows of {stride}");
}

impl fmt::Debug for Kernels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Kernels").field(&self.name).finish()
    }
}

/// `RAGSTONE_ISA`, or an argument in its place, names an instruction set that cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownIsa {
    /// The name as given.
    pub name: String,
}

impl fmt::Display for UnknownIsa {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = if NAMES.contains(&self.name.as_str()) { "not available on this machine" } else { "unknown" };
        let usable: Vec<_> = available().map(Kernels::name).collect();
        write!(
            formatter,
            "instruction set {:?} is {known}: set {VARIABLE} to one of {usable:?}, or unset it",
            self.name
        )
    }
}

impl std::error::Error for UnknownIsa {}

/// The instruction sets of this machine, fastest first; the last is always `scalar`.
pub fn available() -> impl Iterator<Item = &'static Kernels> {
    TABLE.iter().filter(|kernels| (kernels.is_available)())
}

/// The instruction set of a name, or the fastest; an empty name counts as none.
pub fn select(name: Option<&str>) -> Result<&'static Kernels, UnknownIsa> {
    let name = name.unwrap_or_default();
    available()
        .find(|kernels| name.is_empty() || kernels.name == name)
        .ok_or_else(|| UnknownIsa { name: name.to_owned() })
}

/// The instruction set of this process: what `RAGSTONE_ISA` names, else the fastest. It is chosen at the first call.
pub fn active() -> Result<&'static Kernels, UnknownIsa> {
    static ACTIVE: OnceLock<Result<&'static Kernels, UnknownIsa>> = OnceLock::new();
    ACTIVE
        .get_or_init(|| select(std::env::var_os(VARIABLE).map(|name| name.to_string_lossy().into_owned()).as_deref()))
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_selects_or_is_refused() {
        // Catches a forced instruction set that silently becomes another one.
        for kernels in available() {
            assert_eq!(select(Some(kernels.name())).unwrap().name(), kernels.name());
        }
        assert_eq!(select(None).unwrap().name(), available().next().unwrap().name());
        assert_eq!(available().last().unwrap().name(), "scalar");
        let unknown = select(Some("AVX9")).unwrap_err().to_string();
        assert!(unknown.starts_with("instruction set \"AVX9\" is unknown: set RAGSTONE_ISA to one of ["), "{unknown}");
        let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
        assert!(select(Some(foreign)).unwrap_err().to_string().contains("is not available on this machine"));
        assert!(TABLE.iter().all(|kernels| NAMES.contains(&kernels.name)));
    }
}
