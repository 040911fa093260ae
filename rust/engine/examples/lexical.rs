//! Measures the lexical half on a folder of test sets: analysis and build rate, time per query, nDCG@10.
//!
//! `cargo run --profile dev-fast --example lexical -- FOLDER [COPIES]`, where FOLDER holds `NAME/corpus.jsonl`,
//! `queries.jsonl` and `qrels.tsv`; COPIES > 1 repeats each corpus to measure speed at greater sizes.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ragstone_engine::interrupt::Never;
use ragstone_engine::lexical::{Analyzer, Bm25, LexicalIndex, analyze_row};
use ragstone_engine::storage::disk::Disk;
use serde_json::Value;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().ok_or("usage: lexical FOLDER [COPIES]")?;
    let copies = arguments.get(1).map_or(Ok(1), |copies| copies.parse())?;
    for (corpus, judged) in [
        ("scifact-test", "scifact-test"),
        ("scifact-test", "scifact-train"),
        ("cranfield", "cranfield"),
        ("xquad-en", "xquad-en"),
        ("pubmedqa", "pubmedqa"),
    ] {
        let folder = Path::new(folder);
        measure(&folder.join(corpus).join("corpus.jsonl"), &folder.join(judged), judged, copies)?;
    }
    Ok(())
}

/// Time that this thread was at work, in seconds: on a busy machine the clock on the wall says nothing.
fn now() -> f64 {
    let nanoseconds = fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|stat| stat.split(' ').next().and_then(|first| first.parse::<f64>().ok()));
    nanoseconds.map_or_else(
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64()),
        |nanoseconds| nanoseconds / 1e9,
    )
}

fn read(path: &Path) -> Outcome<Vec<Value>> {
    fs::read_to_string(path)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn measure(corpus: &Path, judged: &Path, name: &str, copies: usize) -> Outcome<()> {
    let documents = read(corpus)?;
    let texts: Vec<String> =
        documents.iter().map(|document| format!("{} {}", field(document, "title"), field(document, "text"))).collect();
    let all: Vec<&str> = (0..copies).flat_map(|_| texts.iter().map(String::as_str)).collect();
    let megabytes = all.iter().map(|text| text.len()).sum::<usize>() as f64 / 1e6;
    let analyzer = Analyzer::new("english")?;

    let clock = now();
    let mut tokens = 0usize;
    for text in &all {
        analyzer.analyze(text, &mut |token| tokens += usize::from(!black_box(token).term.is_empty()));
    }
    let analysis = now() - clock;
    let clock = now();
    for text in &all {
        black_box(analyze_row(&analyzer, &[text]));
    }
    let rows = now() - clock;
    let clock = now();
    let mut index = LexicalIndex::new("english", Bm25::default())?;
    index.add(&all, None, 1, &Never)?;
    let build = now() - clock;
    println!(
        "{name}: {} rows, {megabytes:.1} MB, {tokens} tokens; processor time: analysis {:.0} MB/s, rows {:.0} MB/s, build {:.0} MB/s",
        all.len(),
        megabytes / analysis,
        megabytes / rows,
        megabytes / build,
    );

    let place = std::env::temp_dir().join(format!("ragstone-lexical-{}", std::process::id()));
    let disk = Disk::create(&place, true)?;
    index.save(&disk, "index")?;
    let bytes = fs::metadata(place.join("index"))?.len();
    let clock = Instant::now();
    let index = LexicalIndex::open(&disk, "index")?;
    println!("  {:.2} MB on disk, opened in {:.2} ms", bytes as f64 / 1e6, clock.elapsed().as_secs_f64() * 1e3);
    fs::remove_dir_all(&place)?;

    let queries = read(&judged.join("queries.jsonl"))?;
    for top_k in [10, 100] {
        let mut times: Vec<f64> = Vec::new();
        for query in &queries {
            let best = (0..3).map(|_| {
                let clock = Instant::now();
                let found = index.search(&[field(query, "text")], top_k, None, 1, &Never);
                (clock.elapsed().as_secs_f64() * 1e6, found.is_ok())
            });
            times.push(best.map(|(time, ok)| if ok { time } else { f64::NAN }).fold(f64::INFINITY, f64::min));
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!("  top {top_k}: {:.0} us p50, {:.0} us p99, query analysis included", at(0.5), at(0.99));
    }
    if copies == 1 {
        let ndcg = mean_ndcg(&index, &documents, &queries, &fs::read_to_string(judged.join("qrels.tsv"))?)?;
        println!("  nDCG@10 {ndcg:.4}");
    }
    Ok(())
}

/// nDCG@10 with linear gain, over the queries that have a judgement.
fn mean_ndcg(index: &LexicalIndex, documents: &[Value], queries: &[Value], judgements: &str) -> Outcome<f64> {
    let mut relevant: HashMap<&str, HashMap<&str, f64>> = HashMap::new();
    for line in judgements.lines().skip(1) {
        let [query, document, grade] = line.split('\t').collect::<Vec<_>>()[..] else { return Err("bad qrels".into()) };
        relevant.entry(query).or_default().insert(document, grade.parse()?);
    }
    let gain = |grades: &[f64]| -> f64 {
        grades.iter().take(10).enumerate().map(|(rank, grade)| grade / (rank as f64 + 2.0).log2()).sum()
    };
    let (mut sum, mut count) = (0.0, 0.0);
    for query in queries {
        let Some(grades) = relevant.get(field(query, "_id")) else { continue };
        let (ids, _) = index.search(&[field(query, "text")], 10, None, 1, &Never)?;
        let found = ids.iter().filter(|&&id| id >= 0).map(|&id| field(&documents[id as usize], "_id"));
        let found: Vec<f64> = found.map(|id| grades.get(id).copied().unwrap_or(0.0).max(0.0)).collect();
        let mut ideal: Vec<f64> = grades.values().copied().filter(|&grade| grade > 0.0).collect();
        ideal.sort_by(|a, b| b.total_cmp(a));
        if !ideal.is_empty() {
            sum += gain(&found) / gain(&ideal);
            count += 1.0;
        }
    }
    Ok(sum / count)
}
