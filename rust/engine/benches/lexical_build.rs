//! Measures what it takes to build, merge and change a lexical index: `cargo bench --profile dev-fast --bench
//! lexical_build -- FILE [THREADS] [ROWS]`, FILE with one text a line. Without THREADS once with one and once with two.

use std::fs;
use std::time::Instant;

use ragstone_engine::interrupt::Never;
use ragstone_engine::lexical::{Analyzer, Bm25, Lexical, LexicalIndex, LexicalWriter, merge};
use ragstone_engine::storage::frame::{Frame, FrameWriter, Kind, Verify};
use ragstone_engine::storage::memory::Memory;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Changes whose times are taken one by one.
const CHANGES: usize = 1000;

fn main() -> Outcome<()> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match &arguments[..] {
        [] => println!("usage: lexical_build FILE [THREADS] [ROWS]"),
        [file] => {
            for threads in ["1", "2"] {
                // A process of its own, so that each has its own peak of memory.
                std::process::Command::new(std::env::current_exe()?).args([file, threads]).status()?;
            }
        }
        [file, threads, rows @ ..] => {
            let text = fs::read_to_string(file)?;
            let rows = rows.first().map_or(Ok(usize::MAX), |rows| rows.parse())?;
            let lines: Vec<&str> = text.lines().take(rows).collect();
            measure(&lines, threads.parse()?)?;
        }
    }
    Ok(())
}

/// A line of this process's status in /proc, in MB.
fn memory(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0) / 1024.0
}

/// Processor time of this process, in seconds.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

struct Clock(Instant, f64);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), processor())
    }

    /// Seconds on the wall and of processors.
    fn read(&self) -> (f64, f64) {
        (self.0.elapsed().as_secs_f64(), processor() - self.1)
    }
}

fn written(write: impl FnOnce(&mut FrameWriter) -> ragstone_engine::error::Result<()>) -> Outcome<Lexical> {
    let storage = Memory::default();
    let mut frame = FrameWriter::create(&storage, "index", Kind::Segment)?;
    write(&mut frame)?;
    frame.finish()?;
    Ok(Lexical::open(&Frame::open(&storage, "index", Kind::Segment, Verify::Structure)?)?)
}

fn built(lines: &[&str], threads: usize) -> Outcome<Lexical> {
    let analyzer = Analyzer::new("english")?;
    let writer = LexicalWriter::of_texts(&analyzer, lines.len(), |row| ["", lines[row]], threads, &Never)?;
    println!("  postings and terms in memory: {:.0} MB", writer.bytes_used() as f64 / 1e6);
    written(|frame| writer.finish(frame, threads, &Never))
}

fn measure(lines: &[&str], threads: usize) -> Outcome<()> {
    let megabytes = lines.iter().map(|line| line.len()).sum::<usize>() as f64 / 1e6;
    println!("{} rows, {megabytes:.0} MB, threads: {threads}", lines.len());
    let before = memory("VmRSS");
    let clock = Clock::start();
    let lexical = built(lines, threads)?;
    let (wall, busy) = clock.read();
    let (peak, after) = (memory("VmHWM"), memory("VmRSS"));
    println!(
        "  build: {wall:.2} s, {:.0} MB/s; processor time {busy:.2} s, {:.0} MB/s; {} terms, {} postings, {} tokens",
        megabytes / wall,
        megabytes / busy,
        lexical.term_count(),
        lexical.posting_count(),
        lexical.total_length(),
    );
    println!("  memory beside the texts: peak {:.0} MiB, then {:.0} MiB", peak - before, after - before);

    drop(lexical);
    let half = lines.len() / 2;
    let halves = [built(&lines[..half], threads)?, built(&lines[half..], threads)?];
    let maps = [(0..half as u32).collect(), (half as u32..lines.len() as u32).collect()];
    let clock = Clock::start();
    let whole = written(|frame| merge(&[&halves[0], &halves[1]], &maps, lines.len() as u32, frame, threads, &Never))?;
    let (wall, busy) = clock.read();
    let postings = whole.posting_count() as f64 / 1e6;
    println!(
        "  merge of two halves: {wall:.2} s, {:.1} million postings/s; processor time {busy:.2} s, {:.1}",
        postings / wall,
        postings / busy
    );
    drop((halves, whole));
    changes(lines, threads)
}

/// Single texts added and removed, each at once seen by a search.
fn changes(lines: &[&str], threads: usize) -> Outcome<()> {
    let (base, further) = lines.split_at(lines.len() - CHANGES.min(lines.len() / 2));
    let mut index = LexicalIndex::new("english", Bm25::default())?;
    index.add(base, None, threads, &Never)?;
    let (mut adds, mut removals, mut searches) = (Vec::new(), Vec::new(), Vec::new());
    for text in further {
        let clock = Instant::now();
        index.add(&[*text], None, threads, &Never)?;
        adds.push(clock.elapsed());
        let clock = Instant::now();
        index.search(&["the state of the house"], 10, None, 1, &Never)?;
        searches.push(clock.elapsed());
    }
    for id in (0..i64::try_from(base.len())?).step_by(base.len() / further.len()) {
        let clock = Instant::now();
        index.remove(&[id], 1, &Never)?;
        index.search(&["the state of the house"], 10, None, 1, &Never)?;
        removals.push(clock.elapsed());
    }
    for (name, times) in [
        ("add of one text", &mut adds),
        ("removal of one, and the next search", &mut removals),
        ("search after an add", &mut searches),
    ] {
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        println!(
            "  {name}, on {} rows: {:.0} us p50, {:.0} us p99, {:.0} us at most",
            base.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    Ok(())
}
