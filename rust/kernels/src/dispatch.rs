//! Which instruction set computes: detected once, listed in one table, forced by `RAGSTONE_ISA`.

use std::fmt;
use std::sync::OnceLock;

use crate::scalar;

/// Environment variable that forces an instruction set by name.
pub const VARIABLE: &str = "RAGSTONE_ISA";

/// Every instruction set that this release knows, whether or not it was compiled for this machine.
const NAMES: [&str; 4] = ["scalar", "avx2", "avx512", "neon"];

/// Those compiled for this architecture, fastest first.
static TABLE: &[Kernels] = &[
    #[cfg(target_arch = "x86_64")]
    crate::x86_64::avx512::KERNELS,
    #[cfg(target_arch = "x86_64")]
    crate::x86_64::avx2::KERNELS,
    #[cfg(target_arch = "aarch64")]
    crate::aarch64::neon::KERNELS,
    scalar::KERNELS,
];

// All three ask one thing of their caller: that the processor has the instruction set.
type Dot = unsafe fn(&[f32], &[f32]) -> f32;
type DotRows = unsafe fn(&[f32], &[f32], usize, &mut [f32]);
type DotGather = unsafe fn(&[f32], &[f32], usize, &[u32], &mut [f32]);

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
}

impl Kernels {
    /// Name of the instruction set, as `RAGSTONE_ISA` takes it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Sum of the products of two slices, which must have one length; the order of summation is [`scalar`]'s.
    pub fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "dot product of slices of different lengths");
        // SAFETY: `self` comes from the table after detection (see the type), which is all that the function asks.
        unsafe { (self.dot)(a, b) }
    }

    /// Scores `out.len()` consecutive rows: `out[i]` is the dot product of `query` with the first `query.len()`
    /// values from `rows[i * stride]` on.
    ///
    /// Padding a row and the query with zeros up to a multiple of 16 does not change the result and is faster.
    pub fn dot_rows(&self, query: &[f32], rows: &[f32], stride: usize, out: &mut [f32]) {
        assert!(query.len() <= stride, "a query of {} values on rows of {stride}", query.len());
        // SAFETY: `self` comes from the table after detection (see the type), which is all that the function asks.
        unsafe { (self.dot_rows)(query, rows, stride, out) }
    }

    /// Scores the rows named in `wanted`, in any order: `out[i]` is the dot product of `query` with row `wanted[i]`
    /// of `column`.
    pub fn dot_gather(&self, query: &[f32], column: &[f32], stride: usize, wanted: &[u32], out: &mut [f32]) {
        assert!(query.len() <= stride, "a query of {} values on rows of {stride}", query.len());
        assert_eq!(wanted.len(), out.len(), "rows and scores of different lengths");
        // SAFETY: `self` comes from the table after detection (see the type), which is all that the function asks.
        unsafe { (self.dot_gather)(query, column, stride, wanted, out) }
    }
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
