//! How long the parts of one search take.

use std::time::Instant;

/// Seconds of each stage; one that was not needed has (almost) none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// To tell which rows may be found.
    pub filter: f64,
    /// To find the best rows by BM25.
    pub lexical: f64,
    /// To find the best rows by cosine.
    pub dense: f64,
    /// To score the rows of both lists exactly and rank them.
    pub fuse: f64,
}

/// A clock that tells the time since it was last asked.
pub(super) struct Laps(Instant);

impl Laps {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn next(&mut self) -> f64 {
        let now = Instant::now();
        let lap = now - std::mem::replace(&mut self.0, now);
        lap.as_secs_f64()
    }
}
