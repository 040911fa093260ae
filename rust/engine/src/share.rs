//! Work shared among threads.

use std::sync::{Mutex, PoisonError};

use crate::error::Result;

/// Does every piece of work once, on the calling thread and up to `threads - 1` others; stops at an error.
///
/// Pieces are taken from `work` in order, one taker at a time.
pub fn share<T: Send>(
    mut work: impl Iterator<Item = T> + Send,
    threads: usize,
    act: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    if threads <= 1 {
        return work.try_for_each(act);
    }
    let work = Mutex::new((work, Ok(())));
    let labour = || {
        loop {
            let next = {
                let (work, outcome) = &mut *work.lock().unwrap_or_else(PoisonError::into_inner);
                if outcome.is_err() { None } else { work.next() }
            };
            let Some(next) = next else { return };
            if let Err(error) = act(next) {
                work.lock().unwrap_or_else(PoisonError::into_inner).1 = Err(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Fewer threads do the same work: a machine that has none to give is no reason to fail.
            if std::thread::Builder::new().spawn_scoped(scope, labour).is_err() {
                break;
            }
        }
        labour();
    });
    work.into_inner().unwrap_or_else(PoisonError::into_inner).1
}
