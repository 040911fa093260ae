//! Arithmetic on slices: one scalar specification, the same operations on every instruction set.
//!
//! Every instruction set gives the same bits as [`scalar`], which a test suite holds it to. Nothing here does I/O or
//! starts threads. [`dispatch`] chooses once per process; `unsafe` lives there and in the instruction sets' files.

#![allow(clippy::inline_always)] // A function can be compiled for an instruction set only where it is called from it.

pub mod codes;
pub mod dispatch;
pub mod postings;
pub mod quantize;
#[macro_use]
mod registers;
pub mod scalar;
pub mod top;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

/// Asks for the line of memory where some bytes begin.
#[inline(always)]
fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    x86_64::prefetch(bytes, 0);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}

#[cfg(test)]
mod tests;
