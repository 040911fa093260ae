//! Retrieval metrics by the definitions of `trec_eval`: ranks and grades in, one number per metric and query out.
//!
//! Every metric is a function of where the relevant documents stand in a ranking, so that is all that is kept of a run:
//! [`ranks`] finds it without sorting where few documents are relevant, [`Judged`] holds it for many queries,
//! [`Metric`] is a name and its value. Nothing here uses another module of the engine but the errors.

mod judged;
mod metric;
mod ranks;

pub use judged::{Judged, Query};
pub use metric::Metric;
pub use ranks::ranks;

#[cfg(test)]
mod tests;
