//! Lets Ctrl-C and deadlines stop work that runs detached from the interpreter.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use ragstone_engine::error::{Error, Result};
use ragstone_engine::interrupt::Interrupt;

use crate::error::{invalid, raise};

/// Time between two looks at the interpreter's signals.
const SIGNALS_MS: u64 = 50;

/// Asked by the engine whether to go on.
pub(crate) struct Watch {
    started: Instant,
    deadline: Option<Instant>,
    /// The thread that Python called: only there does the interpreter act on signals.
    caller: ThreadId,
    checked_ms: AtomicU64,
    /// Set once the caller's thread has seen a signal, so that all others stop too.
    stopped: AtomicBool,
    raised: Mutex<Option<PyErr>>,
}

impl Watch {
    fn new(timeout_s: Option<f64>) -> PyResult<Self> {
        let started = Instant::now();
        let deadline = match timeout_s {
            None => None,
            Some(seconds) if seconds >= 0.0 => {
                Duration::try_from_secs_f64(seconds).ok().and_then(|limit| started.checked_add(limit))
            }
            Some(seconds) => return Err(invalid(format!("timeout_s is {seconds}, it must be 0 or more"))),
        };
        Ok(Self {
            started,
            deadline,
            caller: std::thread::current().id(),
            checked_ms: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            raised: Mutex::new(None),
        })
    }
}

impl Interrupt for Watch {
    fn check(&self) -> Result<()> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::Timeout);
        }
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        if std::thread::current().id() != self.caller {
            return Ok(());
        }
        let now = self.started.elapsed().as_millis() as u64;
        if now < self.checked_ms.load(Ordering::Relaxed) + SIGNALS_MS {
            return Ok(());
        }
        self.checked_ms.store(now, Ordering::Relaxed);
        #[allow(
            clippy::redundant_closure_for_method_calls,
            reason = "the method alone is not general enough in its lifetime"
        )]
        let signals = Python::attach(|py| py.check_signals());
        signals.map_err(|error| {
            self.stopped.store(true, Ordering::Relaxed);
            *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            Error::Interrupted
        })
    }
}

/// Runs engine work detached from the interpreter; Ctrl-C and the deadline stop it.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    timeout_s: Option<f64>,
    work: impl FnOnce(&Watch) -> Result<T> + Send,
) -> PyResult<T> {
    let watch = Watch::new(timeout_s)?;
    py.detach(|| work(&watch)).map_err(|error| {
        let raised = watch.raised.lock().unwrap_or_else(PoisonError::into_inner).take();
        raised.unwrap_or_else(|| raise(error))
    })
}
