//! How close the f32 scan comes to reading memory, on every instruction set, and what scattered rows cost.
//!
//! `cargo bench -p ragstone-kernels --bench dense_scan -- [rows] [dimension]`

use std::hint::black_box;
use std::time::Instant;

use ragstone_kernels::dispatch::{Kernels, available};

const ROUNDS: usize = 21;
/// Rows scored by one call, as the engine does: about 200 KB.
const BLOCK: usize = 128;

/// Vectors of pseudo-random numbers, the first of them at the start of a cache line.
struct Set {
    values: Vec<f32>,
    start: usize,
    rows: usize,
    dimension: usize,
}

impl Set {
    fn new(rows: usize, dimension: usize) -> Self {
        assert!(dimension.is_multiple_of(32), "reading has no tail: take a dimension that is a multiple of 32");
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let values: Vec<f32> = (0..rows * dimension + 16).map(|_| noise()).collect();
        let start = values.as_ptr().align_offset(64);
        Self { values, start, rows, dimension }
    }

    fn column(&self) -> &[f32] {
        &self.values[self.start..][..self.rows * self.dimension]
    }

    fn query(&self) -> &[f32] {
        &self.column()[..self.dimension]
    }

    fn bytes(&self) -> f64 {
        (self.rows * self.dimension * size_of::<f32>()) as f64
    }
}

/// Folds all words together, four rows at once so that their cache misses overlap: the least that a scan can do.
fn read(set: &Set) {
    let mut folded = [0u32; 32];
    for rows in set.column().chunks_exact(4 * set.dimension) {
        let [first, second, third, fourth] =
            std::array::from_fn(|row| rows[row * set.dimension..][..set.dimension].as_chunks::<32>().0);
        for (((first, second), third), fourth) in first.iter().zip(second).zip(third).zip(fourth) {
            for lane in 0..32 {
                folded[lane] ^=
                    first[lane].to_bits() ^ second[lane].to_bits() ^ third[lane].to_bits() ^ fourth[lane].to_bits();
            }
        }
    }
    black_box(folded);
}

fn scan(kernels: &Kernels, set: &Set) {
    let mut scores = [0.0; BLOCK];
    for block in set.column().chunks(BLOCK * set.dimension) {
        let scores = &mut scores[..block.len() / set.dimension];
        kernels.dot_rows(set.query(), block, set.dimension, scores);
        black_box(scores);
    }
}

fn gather(kernels: &Kernels, set: &Set, wanted: &[u32]) {
    let mut scores = [0.0; BLOCK];
    for wanted in wanted.chunks(BLOCK) {
        let scores = &mut scores[..wanted.len()];
        kernels.dot_gather(set.query(), set.column(), set.dimension, wanted, scores);
        black_box(scores);
    }
}

/// Rows in ascending order, about `per_mille` of a thousand, as a filter that has nothing to do with them leaves.
fn sample(rows: usize, per_mille: u32) -> Vec<u32> {
    (0..rows as u32).filter(|row| row.wrapping_mul(2_654_435_761) >> 16 & 1023 < per_mille * 1024 / 1000).collect()
}

/// Something to time, and the bytes that it has to read.
struct Contestant<'a> {
    name: String,
    bytes: f64,
    work: Box<dyn Fn() + 'a>,
    seconds: Vec<f64>,
}

impl<'a> Contestant<'a> {
    fn new(name: String, bytes: f64, work: impl Fn() + 'a) -> Self {
        Self { name, bytes, work: Box::new(work), seconds: Vec::new() }
    }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let set = Set::new(*numbers.first().unwrap_or(&100_000), *numbers.get(1).unwrap_or(&384));
    let fastest = available().next().expect("scalar is always available");
    let samples: Vec<(u32, Vec<u32>)> =
        [1000, 900, 750, 500, 250, 100, 10, 1].map(|share| (share, sample(set.rows, share))).into();

    let mut contestants = vec![Contestant::new("read only".to_owned(), set.bytes(), || read(&set))];
    for kernels in available() {
        let name = format!("scan {}", kernels.name());
        contestants.push(Contestant::new(name, set.bytes(), || scan(kernels, &set)));
    }
    for (share, wanted) in &samples {
        let bytes = set.bytes() * wanted.len() as f64 / set.rows as f64;
        let name = format!("gather {:.1} %", f64::from(*share) / 10.0);
        contestants.push(Contestant::new(name, bytes, || gather(fastest, &set, wanted)));
    }

    println!("{} rows of {} dimensions, one thread, {ROUNDS} interleaved rounds", set.rows, set.dimension);
    println!("{:16} {:>10} {:>10} {:>10} {:>10}", "", "median ms", "best ms", "GB/s", "best GB/s");
    for round in 0..=ROUNDS {
        for contestant in &mut contestants {
            let start = Instant::now();
            (contestant.work)();
            if round > 0 {
                contestant.seconds.push(start.elapsed().as_secs_f64());
            }
        }
    }
    for Contestant { name, bytes, mut seconds, .. } in contestants {
        seconds.sort_by(f64::total_cmp);
        let (median, best) = (seconds[ROUNDS / 2], seconds[0]);
        let rate = |seconds: f64| bytes / seconds / 1e9;
        println!("{name:16} {:10.3} {:10.3} {:10.2} {:10.2}", median * 1e3, best * 1e3, rate(median), rate(best));
    }
}
