//! Bytes to answers: crash-safe storage, dense and lexical search, fusion.
//!
//! Modules by rank, imports only downward: [`error`], [`bitmap`] → [`storage`] → `dense`, `lexical`, `chunks`,
//! `filter` (siblings that never see each other) → `segment`, `fusion` → `writer`, `merge`, `searcher` → `index`.
#![deny(unsafe_code)]

pub mod bitmap;
pub mod embedding;
pub mod error;
pub mod interrupt;
pub mod storage;
