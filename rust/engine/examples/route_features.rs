//! Reads JSON strings, one a line, and prints the sparse features of each as `index:value` pairs: what the training
//! script learns from. `--names` prints the fingerprint and the rule names instead; `--route WEIGHTS` prints decisions;
//! `--time WEIGHTS` prints latency percentiles of `route` over the lines.

use std::io::{BufRead as _, Write as _};
use std::time::Instant;

use ragstone_engine::routing::{Router, features, rules};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match arguments.first().map(String::as_str) {
        Some("--names") => {
            writeln!(out, "{}", rules::fingerprint())?;
            for name in rules::rule_names() {
                writeln!(out, "{name}")?;
            }
        }
        Some("--route") => {
            let router = load(&arguments)?;
            for text in lines()? {
                let found = router.route(&text);
                let reasons: Vec<_> = found
                    .reasons
                    .iter()
                    .map(|reason| (reason.start, reason.end, reason.weight, reason.facts, reason.rule))
                    .collect();
                let row = (found.path.name(), found.p_behaviour, found.p_facts, found.uncertain, reasons);
                writeln!(out, "{}", serde_json::to_string(&row)?)?;
            }
        }
        Some("--time") => {
            let router = load(&arguments)?;
            let texts = lines()?;
            let mut nanoseconds = Vec::new();
            for round in 0..6 {
                for text in &texts {
                    let begin = Instant::now();
                    std::hint::black_box(router.route(std::hint::black_box(text)));
                    // The first round warms the caches.
                    if round > 0 {
                        nanoseconds.push(begin.elapsed().as_nanos());
                    }
                }
            }
            nanoseconds.sort_unstable();
            let at = |share: f64| nanoseconds[((nanoseconds.len() - 1) as f64 * share) as usize];
            writeln!(out, "ns p50 {} p90 {} p99 {}", at(0.5), at(0.9), at(0.99))?;
        }
        _ => {
            for text in lines()? {
                for feature in features(&text) {
                    write!(out, "{}:{} ", feature.index, feature.value)?;
                }
                writeln!(out)?;
            }
        }
    }
    Ok(())
}

fn load(arguments: &[String]) -> Result<Router, Box<dyn std::error::Error>> {
    let path = arguments.get(1).ok_or("name the weights file")?;
    Ok(Router::load(&std::fs::read(path)?)?)
}

fn lines() -> Result<Vec<String>, Box<dyn std::error::Error>> {
    std::io::stdin().lock().lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}
