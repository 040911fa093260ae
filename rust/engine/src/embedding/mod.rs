//! The built-in embedder: a text's vector is the sum of its tokens' rows in a small trained table, at unit length.
//!
//! Rows are int8 and are summed as integers, so a vector does not depend on the order of additions, the number of
//! threads or the instruction set. Every token of a text counts; nothing is cut off. How the table is trained, and how
//! good it is, stands in `BUILTIN.md` beside the training script; its file is laid out like this, integers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `\x89RAGTAB\n` |
//! | 32 | SHA-256 of all bytes that follow: checksum and fingerprint in one |
//! | 4 | version, 1 |
//! | 4 | dimension `d`, at most 4096 |
//! | 4 | number of rows `n`, at least 1 |
//! | 4 | length of the vocabulary in bytes |
//! | … | vocabulary: `n` entries in UTF-8, a line feed between two; `##` marks an entry that continues a word |
//! | `n · d` | rows, int8, in the order of the vocabulary |
//!
//! There is no scale: scaling to unit length would cancel it. A row's length is the weight of its token.

mod wordpiece;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use wordpiece::WordPiece;

/// First bytes of a table's file.
pub const MAGIC: [u8; 8] = *b"\x89RAGTAB\n";
/// Version of the layout that this release reads.
pub const VERSION: u32 = 1;

const DIGEST: usize = 32;
const HEADER: usize = MAGIC.len() + DIGEST + 4 * 4;
const DIMENSION_MAX: usize = 4096;
/// Tokens summed in 32 bits before the sum moves to 64: 2^16 · 2^7 is far from overflow.
const TOKENS_IN_32_BITS: usize = 1 << 16;
/// Texts that a thread takes at once: a few milliseconds of work, after which it asks whether to go on.
const TEXTS_AT_ONCE: usize = 32;

/// Embeds texts with a static table; cheap to share between threads.
pub struct StaticEmbedder {
    tokenizer: WordPiece,
    /// The whole file; the table is its tail.
    bytes: Vec<u8>,
    table_start: usize,
    dimension: usize,
    fingerprint: String,
}

impl StaticEmbedder {
    /// Reads a table from a file.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(Error::io(format!("read {name}")))?;
        Self::from_bytes(bytes, &name)
    }

    /// Takes a table's bytes, which may be hostile; `name` stands in the errors.
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Self> {
        let corrupt = |offset: usize, message: String| Error::corrupt(name, offset as u64, message);
        let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(corrupt(0, format!("file has {} bytes, a header needs {HEADER}", bytes.len())));
        };
        if header[..MAGIC.len()] != MAGIC {
            return Err(corrupt(0, "these are not the first bytes of an embedding table".into()));
        }
        let digest = Sha256::digest(&bytes[MAGIC.len() + DIGEST..]);
        if digest[..] != header[MAGIC.len()..MAGIC.len() + DIGEST] {
            return Err(corrupt(MAGIC.len(), "the checksum does not fit the bytes that follow".into()));
        }
        let (fields, _) = header[MAGIC.len() + DIGEST..].as_chunks::<4>();
        let [version, dimension, rows, vocabulary_len] = [0, 1, 2, 3].map(|at| u32::from_le_bytes(fields[at]));
        if version != VERSION {
            let message = format!("table has version {version}, this release reads {VERSION}: upgrade ragstone");
            return Err(Error::Incompatible { file: name.into(), message });
        }
        let [dimension, rows, vocabulary_len] = [dimension, rows, vocabulary_len].map(|field| field as usize);
        if dimension == 0 || dimension > DIMENSION_MAX || rows == 0 {
            return Err(corrupt(HEADER - 12, format!("a table of {rows} rows of {dimension} dimensions is not valid")));
        }
        let expected = rows.checked_mul(dimension).and_then(|table| table.checked_add(vocabulary_len));
        if expected != Some(body.len()) {
            return Err(corrupt(
                HEADER - 12,
                format!("header and file disagree: {} bytes follow the header", body.len()),
            ));
        }
        let vocabulary = str::from_utf8(&body[..vocabulary_len])
            .map_err(|error| corrupt(HEADER + error.valid_up_to(), "the vocabulary is not UTF-8".into()))?;
        let entries = vocabulary.split('\n').count();
        if entries != rows {
            return Err(corrupt(HEADER, format!("vocabulary has {entries} entries, table has {rows} rows")));
        }
        let tokenizer = WordPiece::new(vocabulary.split('\n')).map_err(|message| corrupt(HEADER, message))?;
        let fingerprint = format!("{digest:x}");
        Ok(Self { tokenizer, table_start: HEADER + vocabulary_len, bytes, dimension, fingerprint })
    }

    /// Length of each vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Digest of table and vocabulary, in hexadecimal: equal fingerprints give equal vectors.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Writes the vector of each text into `out`, row by row; each has unit length.
    ///
    /// A text without any known token gets the first axis. `threads` bounds the threads at work, the caller's
    /// included, and does not change a bit of the result. `interrupt` is asked between groups of texts, and within a
    /// long text.
    pub fn embed(&self, texts: &[&str], threads: usize, interrupt: &dyn Interrupt, out: &mut [f32]) -> Result<()> {
        if out.len() != texts.len() * self.dimension {
            return Err(Error::invalid(format!(
                "out has {} places, {} texts of {} dimensions need {}",
                out.len(),
                texts.len(),
                self.dimension,
                texts.len() * self.dimension
            )));
        }
        let groups = texts.chunks(TEXTS_AT_ONCE).zip(out.chunks_mut(TEXTS_AT_ONCE * self.dimension));
        let helpers = threads.min(groups.len()).saturating_sub(1);
        let groups = Mutex::new(groups);
        let stopped = AtomicBool::new(false);
        let work = || -> Result<()> {
            let mut sums = Sums::new(self.dimension);
            while !stopped.load(Ordering::Relaxed) {
                let next = groups.lock().expect("taking the next group cannot panic").next();
                let Some((texts, out)) = next else { break };
                for (text, vector) in texts.iter().zip(out.chunks_exact_mut(self.dimension)) {
                    self.embed_one(text, interrupt, &mut sums, vector)
                        .inspect_err(|_| stopped.store(true, Ordering::Relaxed))?;
                }
                interrupt.check().inspect_err(|_| stopped.store(true, Ordering::Relaxed))?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let handles: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
            let own = work();
            handles.into_iter().map(|handle| handle.join().expect("embedding does not panic")).fold(own, Result::and)
        })
    }

    /// Number of tokens of each text, the unknown included.
    pub fn count_tokens(&self, texts: &[&str]) -> Vec<usize> {
        let count = |text: &&str| {
            let mut count = 0;
            self.visit(text, |_, _, _| count += 1);
            count
        };
        texts.iter().map(count).collect()
    }

    /// First and past-the-last character of each token of a text, counted in characters.
    pub fn token_spans(&self, text: &str) -> Vec<(usize, usize)> {
        let mut spans = Vec::new();
        self.visit(text, |_, start, end| spans.push((start, end)));
        spans
    }

    fn visit(&self, text: &str, mut visit: impl FnMut(Option<u32>, usize, usize)) {
        let outcome = self.tokenizer.tokenize(text, |token| {
            visit(token.row, token.start, token.end);
            Ok(())
        });
        outcome.expect("the visitor never stops");
    }

    fn embed_one(&self, text: &str, interrupt: &dyn Interrupt, sums: &mut Sums, vector: &mut [f32]) -> Result<()> {
        sums.clear();
        self.tokenizer.tokenize(text, |token| {
            if let Some(row) = token.row {
                let start = self.table_start + row as usize * self.dimension;
                sums.add(bytemuck::cast_slice(&self.bytes[start..start + self.dimension]));
                if sums.pending == TOKENS_IN_32_BITS {
                    sums.flush();
                    interrupt.check()?;
                }
            }
            Ok(())
        })?;
        sums.write_unit(vector);
        Ok(())
    }
}

/// The running sum of one text's rows.
struct Sums {
    small: Vec<i32>,
    large: Vec<i64>,
    pending: usize,
}

impl Sums {
    fn new(dimension: usize) -> Self {
        Self { small: vec![0; dimension], large: vec![0; dimension], pending: 0 }
    }

    fn clear(&mut self) {
        self.small.fill(0);
        self.large.fill(0);
        self.pending = 0;
    }

    fn add(&mut self, row: &[i8]) {
        for (sum, value) in self.small.iter_mut().zip(row) {
            *sum += i32::from(*value);
        }
        self.pending += 1;
    }

    fn flush(&mut self) {
        for (large, small) in self.large.iter_mut().zip(&mut self.small) {
            *large += i64::from(std::mem::take(small));
        }
        self.pending = 0;
    }

    /// Writes the sum at unit length; the first axis where the sum is zero.
    fn write_unit(&mut self, vector: &mut [f32]) {
        self.flush();
        // The square of the length is exact; from here on each value is rounded twice, always in the same way.
        let square: i128 = self.large.iter().map(|sum| i128::from(*sum) * i128::from(*sum)).sum();
        if square == 0 {
            vector.fill(0.0);
            vector[0] = 1.0;
            return;
        }
        let length = (square as f64).sqrt();
        for (value, sum) in vector.iter_mut().zip(&self.large) {
            *value = (*sum as f64 / length) as f32;
        }
    }
}

#[cfg(test)]
mod tests;
