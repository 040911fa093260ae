//! Instruction sets of x86-64 beyond its baseline.

pub(crate) mod avx2;
pub(crate) mod avx512;
