//! Bytes to answers: crash-safe storage, dense and lexical search, fusion.
//!
//! Modules by rank, imports only downward: [`error`], [`bitmap`], [`interrupt`], `instructions`, [`ids`], [`share`] →
//! [`storage`] → [`dense`], [`lexical`], [`chunks`], [`filter`], [`history`] (siblings that never see each other) →
//! [`tombstones`], [`segment`], [`fusion`], [`grounding`] → [`snapshot`] → [`superseded`] → [`writer`], [`merge`], [`searcher`] → [`index`]. Beside them,
//! and used by none of them: [`embedding`], [`routing`], [`metrics`].
#![deny(unsafe_code)]

pub mod bitmap;
pub mod chunks;
pub mod dense;
pub mod embedding;
pub mod error;
pub mod filter;
pub mod fusion;
pub mod grounding;
pub mod history;
pub mod ids;
pub mod index;
mod instructions;
pub mod interrupt;
pub mod lexical;
pub mod merge;
pub mod metrics;
pub mod routing;
pub mod searcher;
pub mod segment;
pub mod share;
pub mod snapshot;
pub mod storage;
pub mod superseded;
pub mod tombstones;
pub mod writer;
