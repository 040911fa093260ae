//! How many megabytes a second one core turns into terms, alone and with each row's terms counted.
//!
//! `cargo bench -p ragstone-engine --bench analysis -- [FILE or FOLDER]...`; without an argument the handbook's documents.
//! Texts are pieces of about one kilobyte, as chunks are; contestants take turns, the median of the rounds counts. Time
//! is that of the processor where the system tells it, so that a busy machine disturbs little.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ragstone_engine::lexical::{Analyzer, analyze_row};

const ROUNDS: usize = 11;
/// No more than this is taken of what is given.
const BYTES_MAX: usize = 48 << 20;
const BYTES_MIN: usize = 16 << 20;
const TEXT_BYTES: usize = 1 << 10;

/// Appends the text of a file, or of all files below a folder in the order of their names.
fn gather(path: &Path, text: &mut String) -> std::io::Result<()> {
    if text.len() >= BYTES_MAX {
        return Ok(());
    }
    if path.is_dir() {
        let mut inside =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
        inside.sort();
        return inside.iter().try_for_each(|path| gather(path, text));
    }
    text.push_str(&String::from_utf8_lossy(&fs::read(path)?));
    text.push('\n');
    Ok(())
}

/// Time that this thread was at work, in seconds.
fn now() -> f64 {
    let nanoseconds = fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|stat| stat.split(' ').next().and_then(|first| first.parse::<f64>().ok()));
    nanoseconds.map_or_else(
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64()),
        |nanoseconds| nanoseconds / 1e9,
    )
}

/// Cuts at the first line's end after [`TEXT_BYTES`].
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let from = (start + TEXT_BYTES).min(text.len());
        let end = text.as_bytes()[from..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| from + at + 1);
        pieces.push(&text[start..end]);
        start = end;
    }
    pieces
}

fn tokens(analyzer: &Analyzer, texts: &[&str]) -> usize {
    let mut count = 0;
    for text in texts {
        analyzer.analyze(text, &mut |token| count += usize::from(!black_box(token.term).is_empty()));
    }
    count
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths: Vec<PathBuf> =
        std::env::args().skip(1).filter(|given| given != "--bench").map(PathBuf::from).collect();
    if paths.is_empty() {
        paths.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/handbook/documents"));
    }
    let mut text = String::new();
    paths.iter().try_for_each(|path| gather(path, &mut text))?;
    let end = (0..=BYTES_MAX.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.truncate(end);
    // Rounds of little text would be too short for the clock.
    text = text.repeat((BYTES_MIN / text.len().max(1)).max(1));
    let texts = pieces(&text);
    let (english, none) = (Analyzer::new("english")?, Analyzer::new("none")?);
    let words = text.split_ascii_whitespace().count();
    println!(
        "{:.1} MB in {} texts, {} words between spaces, {} english tokens, {} without a language",
        text.len() as f64 / 1e6,
        texts.len(),
        words,
        tokens(&english, &texts),
        tokens(&none, &texts)
    );
    let contestants: [(&str, &dyn Fn() -> usize); 4] = [
        ("cut at spaces", &|| texts.iter().map(|text| text.split_ascii_whitespace().count()).sum()),
        ("english", &|| tokens(&english, &texts)),
        ("none", &|| tokens(&none, &texts)),
        ("english, counted", &|| texts.iter().map(|text| analyze_row(&english, &[text]).length() as usize).sum()),
    ];
    let mut seconds = contestants.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, work), seconds) in contestants.iter().zip(&mut seconds) {
            let clock = now();
            black_box(work());
            seconds.push(now() - clock);
        }
    }
    for ((name, _), mut seconds) in contestants.iter().zip(seconds) {
        seconds.sort_by(f64::total_cmp);
        let rate = |seconds: f64| text.len() as f64 / 1e6 / seconds;
        println!("{name:>17}: {:7.1} MB/s median, {:7.1} best", rate(seconds[ROUNDS / 2]), rate(seconds[0]));
    }
    Ok(())
}
