//! The engine's promises under attack: power cuts, failing calls, damaged bytes, readers beside a writer, and random
//! sequences of calls compared with a plain map.
//!
//! `RAGSTONE_FAULTS=30` tries thirty times as many power cuts and forged bytes, `PROPTEST_CASES=3000` more sequences.

mod careless;
mod crash;
mod damage;
mod io_errors;
mod isolation;
mod model;
mod workload;
