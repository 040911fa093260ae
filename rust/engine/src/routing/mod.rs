//! Decides from a query's text alone whether it needs facts, prescribes behaviour, both or neither.
//!
//! [`features`] turns text into sparse features with spans, [`rules`] holds the hand-written part of them as data,
//! [`linear`] weighs them in two calibrated heads, [`router`] decides and explains. Form decides, not topic.
//! Nothing here uses another module of the engine but the errors and the threads.

mod book;
pub mod features;
pub mod linear;
pub mod router;
mod rules;
mod scan;

pub use book::{fingerprint, rule_names};
pub use features::{Feature, features};
pub use router::{Decision, Path, Reason, Routed, Router};

#[cfg(test)]
mod tests;
