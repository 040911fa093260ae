//! Arithmetic on slices: one scalar specification, the same operations on every instruction set.
//!
//! Nothing here does I/O or starts threads.

pub mod top;
