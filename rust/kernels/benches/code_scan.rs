//! What the scan of 1-bit codes, the 8-bit tier and the preparation of both cost on every instruction set.
//!
//! `cargo bench -p ragstone-kernels --bench code_scan -- [rows] [dimension]`

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use ragstone_kernels::codes::{BLOCK_ROWS, CodeQuery, block_bytes, put};
use ragstone_kernels::dispatch::{Kernels, available};
use ragstone_kernels::quantize::Rotation;

const ROUNDS: usize = 21;
/// Blocks scanned by one call, as the engine does.
const RUN: usize = 16;

fn noise(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

struct Contestant<'a> {
    name: String,
    unit: f64,
    work: Box<dyn FnMut() + 'a>,
    seconds: Vec<f64>,
}

impl<'a> Contestant<'a> {
    fn new(name: String, unit: f64, work: impl FnMut() + 'a) -> Self {
        Self { name, unit, work: Box::new(work), seconds: Vec::new() }
    }

    fn kind(&self) -> String {
        self.name.split(' ').next().unwrap_or_default().to_owned()
    }
}

fn scan(kernels: &Kernels, blocks: &[u8], prepared: &CodeQuery, block: usize) {
    let (mut hits, mut estimates) = ([0; RUN], [0.0; RUN * BLOCK_ROWS]);
    for run in blocks.chunks(RUN * block) {
        let count = run.len() / block;
        kernels.estimate(&[prepared], run, &[1e9], &mut hits[..count], &mut estimates[..count * BLOCK_ROWS]);
        black_box(&hits);
    }
}

fn prepared_four(kernels: &Kernels, query: &[f32]) -> [CodeQuery; 4] {
    std::array::from_fn(|_| kernels.code_query(query, 0.0))
}

fn scan_four(kernels: &Kernels, blocks: &[u8], prepared: &[CodeQuery; 4], block: usize) {
    let (mut hits, mut estimates) = ([0; 4 * RUN], [0.0; 4 * RUN * BLOCK_ROWS]);
    let queries = prepared.each_ref();
    for run in blocks.chunks(RUN * block) {
        let count = 4 * run.len() / block;
        kernels.estimate(&queries, run, &[1e9; 4], &mut hits[..count], &mut estimates[..count * BLOCK_ROWS]);
        black_box(&hits);
    }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let rows = numbers.first().unwrap_or(&100_000).next_multiple_of(BLOCK_ROWS);
    let dimension = *numbers.get(1).unwrap_or(&384);
    let query = noise(dimension);
    let block = block_bytes(dimension);
    // Starts at a cache line, as in a file.
    let mut stored = vec![0u8; rows / BLOCK_ROWS * block + 64];
    let start = stored.as_ptr().align_offset(64);
    for (row, value) in stored.iter_mut().enumerate() {
        *value = (row.wrapping_mul(2_654_435_761) >> 13) as u8;
    }
    let blocks = &stored[start..][..rows / BLOCK_ROWS * block];
    let stride = dimension.next_multiple_of(64);
    let int8: Vec<i8> = (0..rows * stride).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as i8).collect();
    let int16: Vec<i16> = (0..stride).map(|at| i16::try_from(at * 77 % 30_000).expect("below 30,000")).collect();
    let few: Vec<u32> = (0..256).map(|at: u32| at.wrapping_mul(2_654_435_761) % rows as u32).collect();
    let rotation = Rotation::new(dimension);

    let mut contestants = Vec::new();
    // Few rows are scanned again and again, from the cache.
    let passes = (200_000 / rows).max(1);
    for kernels in available() {
        let name = kernels.name();
        let prepared = kernels.code_query(&query, 0.0);
        contestants.push(Contestant::new(format!("codes {name}"), (passes * rows) as f64, move || {
            for _ in 0..passes {
                scan(kernels, blocks, &prepared, block);
            }
        }));
        let four = prepared_four(kernels, &query);
        contestants.push(Contestant::new(format!("batch {name}"), (4 * passes * rows) as f64, move || {
            for _ in 0..passes {
                scan_four(kernels, blocks, &four, block);
            }
        }));
        contestants.push(Contestant::new(format!("int8 {name}"), rows as f64, || {
            let mut out = [0; 128];
            for part in int8.chunks(128 * stride) {
                kernels.int8_rows(&int16, part, stride, &mut out[..part.len() / stride]);
                black_box(&out);
            }
        }));
        let few = &few;
        let (int8, int16) = (&int8, &int16);
        contestants.push(Contestant::new(format!("int8 gather {name}"), few.len() as f64, move || {
            let mut out = [0; 256];
            kernels.int8_gather(int16, int8, stride, few, &mut out);
            black_box(&out);
        }));
        let mut values = query.clone();
        let rotation = &rotation;
        contestants.push(Contestant::new(format!("rotate {name}"), 100.0, move || {
            for _ in 0..100 {
                kernels.rotate(rotation, &mut values);
            }
        }));
        let (values, mut codes) = (query.clone(), vec![0; stride]);
        contestants.push(Contestant::new(format!("round {name}"), 100.0, move || {
            for _ in 0..100 {
                black_box(kernels.round(&values, &mut codes));
            }
        }));
        let values = query.clone();
        contestants.push(Contestant::new(format!("query {name}"), 100.0, move || {
            for _ in 0..100 {
                black_box(kernels.code_query(&values, 0.0));
            }
        }));
    }
    let (values, mut one) = (query.clone(), vec![0; block]);
    contestants.push(Contestant::new("put".to_owned(), 6400.0, move || {
        for row in 0..6400 {
            put(&mut one, row % 64, &values, 1.0, 0.5);
        }
        black_box(&one);
    }));
    // Each kind of work by itself, so that it finds its own bytes in the cache; its instruction sets in turn.
    let kinds: Vec<String> = contestants.iter().map(Contestant::kind).collect();
    for kind in kinds.iter().collect::<BTreeSet<_>>() {
        for round in 0..=ROUNDS {
            for contestant in contestants.iter_mut().filter(|contestant| contestant.kind() == *kind) {
                let start = Instant::now();
                (contestant.work)();
                if round > 0 {
                    contestant.seconds.push(start.elapsed().as_secs_f64());
                }
            }
        }
    }
    println!("{rows} rows of {dimension} dimensions, one thread, {ROUNDS} interleaved rounds");
    println!("{:20} {:>12} {:>12} {:>12}", "", "median ms", "best ms", "ns each");
    for Contestant { name, unit, mut seconds, .. } in contestants {
        seconds.sort_by(f64::total_cmp);
        let (median, best) = (seconds[ROUNDS / 2], seconds[0]);
        println!("{name:20} {:12.4} {:12.4} {:12.2}", median * 1e3, best * 1e3, median / unit * 1e9);
    }
}
