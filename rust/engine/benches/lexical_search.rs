//! What a lexical search costs by class of query, analysis of the query included.
//!
//! `cargo bench -p ragstone-engine --bench lexical_search -- INDEX QUERIES [top_k] [rounds] [TEXTS]`
//!
//! INDEX is a file saved by `BM25Index`; where there is none it is built of TEXTS, one a line. QUERIES is the
//! `queries.json` of `make bench-lexical`: set → class → texts; the set `tuning` is measured.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ragstone_engine::interrupt::Never;
use ragstone_engine::lexical::{Bm25, LexicalIndex};
use ragstone_engine::storage::disk::Disk;

/// Threads that build.
const THREADS: usize = 2;
/// Texts added at a time.
const BATCH: usize = 50_000;

fn place(path: &Path) -> (Disk, String) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().expect("a file name").to_string_lossy().into_owned();
    (Disk::open(folder, true).expect("a folder"), name)
}

fn build(texts: &Path, index: &Path) {
    let texts = fs::read_to_string(texts).expect("texts, one a line");
    let lines: Vec<&str> = texts.lines().collect();
    let start = Instant::now();
    let mut built = LexicalIndex::new("english", Bm25::default()).expect("a known language");
    for part in lines.chunks(BATCH) {
        built.add(part, None, THREADS, &Never).expect("texts can be added");
    }
    let (disk, name) = place(index);
    let entry = built.save(&disk, &name).expect("the index can be saved");
    println!("built {} rows, {} bytes, in {:.1} s", built.len(), entry.length, start.elapsed().as_secs_f64());
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [index, queries, rest @ ..] = arguments.as_slice() else {
        println!("nothing measured: give an index and its queries");
        return;
    };
    let number = |at: usize, default: usize| rest.get(at).map_or(default, |text| text.parse().expect("a number"));
    let (top_k, rounds) = (number(0, 10), number(1, 7));
    let index = PathBuf::from(index);
    if !index.exists() {
        build(Path::new(rest.get(2).expect("texts to build the index of")), &index);
    }
    let (disk, name) = place(&index);
    let start = Instant::now();
    let opened = LexicalIndex::open(&disk, &name).expect("an index");
    println!("opened {} rows in {:.2} ms", opened.len(), start.elapsed().as_secs_f64() * 1e3);
    let queries = fs::read_to_string(queries).expect("queries");
    let queries: BTreeMap<String, BTreeMap<String, Vec<String>>> = serde_json::from_str(&queries).expect("queries");
    for (class, texts) in &queries["tuning"] {
        let mut times = vec![Vec::new(); texts.len()];
        for _ in 0..rounds {
            for (text, times) in texts.iter().zip(&mut times) {
                let start = Instant::now();
                black_box(opened.search(&[text], top_k, None, 1, &Never).expect("a search"));
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        let median = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        let mut times: Vec<f64> = times.into_iter().map(median).collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[(times.len() as f64 * share) as usize];
        println!("{class:12} top-{top_k}  p50 {:8.1} µs  p99 {:8.1} µs", at(0.5), at(0.99));
    }
}
