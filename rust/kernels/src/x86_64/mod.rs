//! Instruction sets of x86-64 beyond its baseline.

pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod ssse3;

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Asks for the line of memory so many bytes after the beginning of a slice.
#[inline(always)]
pub(crate) fn prefetch<T>(line: &[T], ahead: usize) {
    // SAFETY: a hint: it reads nothing and cannot fault, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast::<i8>().wrapping_add(ahead)) }
}
