//! The embedder against a slow, readable twin; damage, threads, long texts.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use unicode_categories::UnicodeCategories;

use super::*;
use crate::interrupt::{Deadline, Never};

const DIMENSION: usize = 3;
const VOCABULARY: &[&str] = &[
    "a", "b", "ab", "abc", "##a", "##b", "##ba", "##c", "the", "cafe", "##s", ".", ",", "-", "#", "##e", "e", "中",
    "α", "##ς", "σ", "한", "ᄒ", "##ᅡ", "##ᆫ", "i", "²", "’",
];

fn file(dimension: u32, vocabulary: &[&str], table: &[i8]) -> Vec<u8> {
    let words = vocabulary.join("\n");
    let mut body = Vec::new();
    for field in [VERSION, dimension, vocabulary.len() as u32, words.len() as u32] {
        body.extend_from_slice(&field.to_le_bytes());
    }
    body.extend_from_slice(words.as_bytes());
    body.extend(table.iter().map(|value| value.cast_unsigned()));
    seal(&body)
}

fn seal(body: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &Sha256::digest(body)[..], body].concat()
}

fn row(number: usize) -> [i8; DIMENSION] {
    [(number as i8).wrapping_mul(37), 127 - number as i8, if number.is_multiple_of(2) { -128 } else { 5 }]
}

fn embedder() -> StaticEmbedder {
    let table: Vec<i8> = (0..VOCABULARY.len()).flat_map(row).collect();
    StaticEmbedder::from_bytes(file(DIMENSION as u32, VOCABULARY, &table), "test").expect("the file is sound")
}

fn embed(embedder: &StaticEmbedder, texts: &[&str], threads: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; texts.len() * embedder.dimension()];
    embedder.embed(texts, threads, &Never, &mut out).expect("nothing interrupts");
    out
}

/// The shipped table, where the tree has it beside the crate.
fn shipped() -> StaticEmbedder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/ragstone/embedding/builtin.bin");
    StaticEmbedder::open(&path).expect("the shipped table is sound")
}

/// BERT's rules, one whole-text pass each: rows of the known and `None` for the unknown words.
fn twin_tokens(text: &str, vocabulary: &[&str]) -> Vec<Option<u32>> {
    let cleaned: String = text
        .chars()
        .filter(|c| matches!(c, '\t' | '\n' | '\r') || !(c.is_other() || *c == '\u{fffd}'))
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect();
    let spaced: String =
        cleaned.chars().flat_map(|c| if wordpiece::is_ideograph(c) { vec![' ', c, ' '] } else { vec![c] }).collect();
    let lowered: String = spaced.nfd().filter(|c| !c.is_mark_nonspacing()).flat_map(char::to_lowercase).collect();
    let apart: String = lowered
        .chars()
        .flat_map(|c| if c.is_ascii_punctuation() || c.is_punctuation() { vec![' ', c, ' '] } else { vec![c] })
        .collect();
    apart.split_whitespace().flat_map(|word| twin_spell(word, vocabulary)).collect()
}

fn twin_spell(word: &str, vocabulary: &[&str]) -> Vec<Option<u32>> {
    let letters: Vec<char> = word.chars().collect();
    let (mut start, mut rows) = (0, Vec::new());
    while start < letters.len() && letters.len() <= 100 {
        let found = (start + 1..=letters.len()).rev().find_map(|end| {
            let piece: String = letters[start..end].iter().collect();
            let entry = if start == 0 { piece } else { format!("##{piece}") };
            Some((vocabulary.iter().position(|known| *known == entry)?, end))
        });
        let Some((row, end)) = found else { break };
        rows.push(Some(row as u32));
        start = end;
    }
    if start < letters.len() { vec![None] } else { rows }
}

fn twin_vector(tokens: &[Option<u32>]) -> Vec<f32> {
    let mut sum = [0.0f64; DIMENSION];
    for token in tokens.iter().flatten() {
        for (total, value) in sum.iter_mut().zip(row(*token as usize)) {
            *total += f64::from(value);
        }
    }
    let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length == 0.0 { vec![1.0, 0.0, 0.0] } else { sum.iter().map(|value| (value / length) as f32).collect() }
}

fn rows(embedder: &StaticEmbedder, text: &str) -> Vec<Option<u32>> {
    let mut rows = Vec::new();
    embedder.visit(text, |row, _, _| rows.push(row));
    rows
}

fn hostile() -> impl Strategy<Value = String> {
    let known = prop::sample::select(
        "abcABC the cafés.,-#’²αΑςΣσΣ中\u{f900}한\u{1112}\u{1161}\u{11ab}İı\u{301}\u{327}\u{1d165}\u{200b}\u{200d}\u{85}\u{b}\u{0}\u{fffd}\u{a0}\u{3000}\u{e000}\t\r\n😀"
            .chars()
            .collect::<Vec<_>>(),
    );
    prop::collection::vec(prop_oneof![6 => known, 1 => any::<char>()], 0..60).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn equals_the_twin(text in hostile()) {
        // Catches any difference from BERT's rules, and any rounding beyond the last step.
        let embedder = embedder();
        let tokens = twin_tokens(&text, VOCABULARY);
        prop_assert_eq!(&rows(&embedder, &text), &tokens);
        prop_assert_eq!(embedder.count_tokens(&[&text]), vec![tokens.len()]);
        prop_assert_eq!(embed(&embedder, &[&text], 1), twin_vector(&tokens));
    }

    #[test]
    fn spans_are_inside_and_in_order(text in hostile()) {
        // Catches positions counted in bytes, or in characters of the normalised text.
        let spans = embedder().token_spans(&text);
        let length = text.chars().count();
        prop_assert!(spans.iter().all(|(start, end)| start < end && *end <= length));
        prop_assert!(spans.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
    }

    #[test]
    fn hostile_bytes_are_refused_or_work(body in prop::collection::vec(any::<u8>(), 0..80), dimension in 0u32..4,
                                         rows in 0u32..6, words in 0u32..40) {
        // Catches a panic or an allocation by a header's word: the checksum is right, everything else is noise.
        let fields = [VERSION, dimension, rows, words].map(u32::to_le_bytes).concat();
        if let Ok(embedder) = StaticEmbedder::from_bytes(seal(&[fields, body].concat()), "test") {
            let vector = embed(&embedder, &["any text, a b c"], 1);
            prop_assert!(vector.iter().all(|value| value.is_finite()));
        }
    }
}

#[test]
fn every_damaged_byte_and_every_cut_is_refused() {
    // Catches a field that no check covers.
    let sound = file(DIMENSION as u32, VOCABULARY, &vec![1; VOCABULARY.len() * DIMENSION]);
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x10;
        assert!(matches!(StaticEmbedder::from_bytes(damaged, "t"), Err(Error::Corrupt { .. })), "byte {at}");
        assert!(
            matches!(StaticEmbedder::from_bytes(sound[..at].to_vec(), "t"), Err(Error::Corrupt { .. })),
            "cut {at}"
        );
    }
}

#[test]
fn structure_is_checked_behind_a_sound_checksum() {
    // Catches trust in a header that somebody wrote on purpose.
    let body = |fields: [u32; 4], rest: &[u8]| seal(&[fields.map(u32::to_le_bytes).concat(), rest.to_vec()].concat());
    let refused = |bytes| StaticEmbedder::from_bytes(bytes, "t").err().expect("must be refused").to_string();
    assert!(refused(body([2, 1, 1, 1], b"a\x01")).contains("version 2"));
    assert!(refused(body([1, u32::MAX, u32::MAX, u32::MAX], b"a")).contains("not valid"));
    assert!(refused(body([1, 4096, u32::MAX, 1], b"a\x01")).contains("disagree"));
    assert!(refused(body([1, 1, 0, 1], b"a")).contains("not valid"));
    assert!(refused(body([1, 1, 1, 1], b"\xff\x01")).contains("UTF-8"));
    assert!(refused(body([1, 1, 2, 3], b"a\na\x01\x01")).contains("duplicate"));
    assert!(refused(body([1, 1, 2, 1], b"a\x01\x01")).contains("1 entries"));
}

#[test]
fn vectors_do_not_depend_on_threads_or_company() {
    // Catches state that leaks from one text into the next, and output written to a neighbour's place.
    let embedder = embedder();
    let texts: Vec<String> = (0..533).map(|n| format!("the {} abc", "ab, cafes. ".repeat(n % 17))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let alone: Vec<f32> = texts.iter().flat_map(|text| embed(&embedder, &[text], 1)).collect();
    for threads in [0, 1, 2, 3, 8, 64] {
        assert_eq!(embed(&embedder, &texts, threads), alone, "{threads} threads");
    }
    assert!(embed(&embedder, &[], 4).is_empty());
}

#[test]
fn texts_without_known_tokens_get_the_first_axis() {
    // Catches a division by zero, and NaN in an index.
    for text in ["", "   \n", "😀😀", "\u{0}\u{200b}", &"x".repeat(5000)] {
        assert_eq!(embed(&embedder(), &[text], 1), [1.0, 0.0, 0.0], "{text:?}");
    }
}

#[test]
fn sums_beyond_32_bits_stay_exact() {
    // Catches an overflow in texts of millions of tokens: -128 · 2^25 does not fit into 32 bits.
    let mut sums = Sums::new(2);
    sums.add(&[-128, 64]);
    sums.flush();
    sums.large = vec![-128 << 25, 64 << 25];
    let mut vector = [0.0; 2];
    sums.write_unit(&mut vector);
    let length = (5.0f64).sqrt();
    assert_eq!(vector.to_vec(), [(-2.0 / length) as f32, (1.0 / length) as f32]);

    let long = "a ".repeat(3 * TOKENS_IN_32_BITS + 1);
    assert_eq!(embed(&embedder(), &[&long], 1), embed(&embedder(), &["a"], 1));
}

#[test]
fn time_is_linear_in_the_text() {
    // Catches quadratic work on one long word, on accents without end, or on one long text. Each text has 4 MB; the
    // slowest takes about a second unoptimised, quadratic work would take hours.
    let embedder = embedder();
    let began = Instant::now();
    for pattern in ["ab", "a ", "a.", "e\u{301}", "\u{301}", "中", "\u{1d165}", "-", "\u{0}"] {
        let text = pattern.repeat((4 << 20) / pattern.len());
        embed(&embedder, &[&text], 1);
        embedder.token_spans(&text);
    }
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
}

#[test]
fn a_deadline_stops_the_work() {
    // Catches an embedder that ignores its caller, between texts and inside one.
    let (embedder, over) = (embedder(), Deadline(Instant::now()));
    let many = vec!["a"; 1000];
    let long = "a ".repeat(TOKENS_IN_32_BITS * 2);
    for texts in [&many[..], &[&long]] {
        let mut out = vec![0.0; texts.len() * DIMENSION];
        assert!(matches!(embedder.embed(texts, 2, &over, &mut out), Err(Error::Timeout)));
    }
    assert!(matches!(embedder.embed(&many, 1, &Never, &mut [0.0]), Err(Error::InvalidInput { .. })));
}

#[test]
fn the_shipped_table_knows_english() {
    // Catches a table whose rows and vocabulary are out of step, or that was never trained.
    let embedder = shipped();
    assert_eq!((embedder.dimension(), embedder.fingerprint().len()), (256, 64));
    let text = "Unaffable naïve 中文!";
    assert_eq!(embedder.token_spans(text), [(0, 3), (3, 6), (6, 9), (10, 15), (16, 17), (17, 18), (18, 19)]);
    let vectors = embed(
        &embedder,
        &[
            "How do I get my money back for a broken product?",
            "Refunds: customers may return a defective item within 30 days.",
            "The galaxy's spiral arms were observed by radio telescope.",
        ],
        2,
    );
    let cosine = |a: usize, b: usize| -> f32 {
        let at = |n: usize| &vectors[n * 256..(n + 1) * 256];
        at(a).iter().zip(at(b)).map(|(left, right)| left * right).sum()
    };
    assert!((cosine(0, 0) - 1.0).abs() < 1e-5);
    assert!(cosine(0, 1) > cosine(0, 2) + 0.2, "{} against {}", cosine(0, 1), cosine(0, 2));
}
