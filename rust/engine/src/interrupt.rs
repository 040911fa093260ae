//! How long work is stopped: by a deadline, by the caller, or not at all.

use std::time::Instant;

use crate::error::{Error, Result};

/// Asked by long work every few milliseconds whether to go on.
pub trait Interrupt: Sync {
    /// `Err` to stop: [`Error::Interrupted`] or [`Error::Timeout`].
    fn check(&self) -> Result<()>;
}

/// Work that always runs to its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

impl Interrupt for Never {
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// Work that has to end by an instant.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

impl Interrupt for Deadline {
    fn check(&self) -> Result<()> {
        if Instant::now() < self.0 { Ok(()) } else { Err(Error::Timeout) }
    }
}
