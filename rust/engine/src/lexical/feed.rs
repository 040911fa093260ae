//! Terms with their postings on the way to the encoder: one thread gathers the next ones while another encodes.

use std::sync::mpsc;

use super::encode::Encoder;
use crate::error::Result;
use crate::interrupt::Interrupt;

/// Postings and bytes of names after which a batch is full.
const BATCH: usize = 1 << 15;

/// Some terms in order, each with its postings (row, count) ascending by row.
#[derive(Debug, Default)]
pub(super) struct Batch {
    names: String,
    /// Where the name and the postings of each term end.
    ends: Vec<(usize, usize)>,
    postings: Vec<(u32, u32)>,
}

impl Batch {
    pub(super) fn is_full(&self) -> bool {
        self.postings.len() + self.names.len() >= BATCH
    }

    /// Adds a term whose postings `gather` appends, in order or not; a term without any is left out.
    pub(super) fn push(&mut self, term: &str, gather: impl FnOnce(&mut Vec<(u32, u32)>) -> Result<()>) -> Result<()> {
        let start = self.postings.len();
        gather(&mut self.postings)?;
        let added = &mut self.postings[start..];
        if added.is_empty() {
            return Ok(());
        }
        if !added.is_sorted_by(|a, b| a.0 < b.0) {
            // Its parts are in order: this sort finds and merges them.
            added.sort_by_key(|&(row, _)| row);
        }
        self.names.push_str(term);
        self.ends.push((self.names.len(), self.postings.len()));
        Ok(())
    }

    fn clear(&mut self) {
        self.names.clear();
        self.ends.clear();
        self.postings.clear();
    }

    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<()> {
        let mut from = (0, 0);
        for &to in &self.ends {
            encoder.push(&self.names[from.0..to.0], &self.postings[from.1..to.1])?;
            from = to;
        }
        Ok(())
    }
}

/// Gives the encoder what `gather` puts into batches until it leaves one empty; with two threads both work at once.
pub(super) fn feed(
    encoder: &mut Encoder<'_>,
    threads: usize,
    interrupt: &dyn Interrupt,
    mut gather: impl FnMut(&mut Batch) -> Result<()> + Send,
) -> Result<()> {
    if threads > 1
        && let Some(outcome) = feed_from_thread(encoder, interrupt, &mut gather)
    {
        return outcome;
    }
    let mut batch = Batch::default();
    loop {
        interrupt.check()?;
        batch.clear();
        gather(&mut batch)?;
        if batch.ends.is_empty() {
            return Ok(());
        }
        batch.encode(encoder)?;
    }
}

/// `None` where the machine gives no thread: nothing was done.
fn feed_from_thread(
    encoder: &mut Encoder<'_>,
    interrupt: &dyn Interrupt,
    gather: &mut (impl FnMut(&mut Batch) -> Result<()> + Send),
) -> Option<Result<()>> {
    let (full, batches) = mpsc::sync_channel::<Result<Batch>>(2);
    let (spare, spares) = mpsc::channel::<Batch>();
    let gathering = move || {
        loop {
            let mut batch = spares.try_recv().unwrap_or_default();
            batch.clear();
            let outcome = gather(&mut batch);
            let last = outcome.is_err() || batch.ends.is_empty();
            // Nobody listens once the encoder has failed.
            if full.send(outcome.map(|()| batch)).is_err() || last {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        std::thread::Builder::new().spawn_scoped(scope, gathering).ok()?;
        let encode = || {
            for batch in batches {
                interrupt.check()?;
                let batch = batch?;
                batch.encode(encoder)?;
                let _ = spare.send(batch);
            }
            Ok(())
        };
        Some(encode())
    })
}
