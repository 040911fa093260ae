//! What a change of scanner, rule book or weights must not break.

use proptest::prelude::*;

use super::features::{BUCKETS, MAX_BYTES};
use super::*;

const WEIGHTS: &[u8] = include_bytes!("../../../../python/ragstone/recommender/router.bin");

fn router() -> Router {
    Router::load(WEIGHTS).expect("the shipped weights fit this rule book: run python/models/train_router.py")
}

/// Indices and values without places.
fn bare(text: &str) -> Vec<(u32, f32)> {
    features(text).iter().map(|feature| (feature.index, feature.value)).collect()
}

fn fired(text: &str) -> Vec<(&'static str, &str)> {
    let names: Vec<_> = rule_names().collect();
    features(text)
        .iter()
        .filter_map(|feature| {
            let rule = (feature.index as usize).checked_sub(BUCKETS)?;
            Some((names[rule], &text[feature.start..feature.end]))
        })
        .collect()
}

/// Catches a rule that no longer matches what it was written for, or marks the wrong words.
#[test]
fn rules_fire_on_their_words() {
    for (text, rule, span) in [
        ("as valid JSON please", "format.markup", "as valid JSON"),
        ("in exactly 3 bullet points", "format.list", "bullet points"),
        ("Use no more than 20 words", "format.length", "no more than"),
        ("Answer in our brand voice: why?", "style.voice", "in our brand voice"),
        ("Explain it like I'm five", "audience", "like I'm five"),
        ("Act as a pirate", "persona", "Act as"),
        ("Write a limerick", "genre.creative", "Write a limerick"),
        ("Translate this into French", "transform.translate", "Translate"),
        ("Classify the review", "classify", "Classify"),
        ("Extract all names", "extract", "Extract"),
        ("What does our style guide say?", "question.guide", "What does our style guide say"),
        ("ERR_CONN_RESET", "identifier", "ERR_CONN_RESET"),
        ("cancel my order", "action.account", "cancel my"),
        ("3 + 4", "arithmetic.digits", "3"),
        ("refund policy enterprise", "shape.keywords", "refund policy enterprise"),
    ] {
        assert!(fired(text).contains(&(rule, span)), "{text}: {:?}", fired(text));
    }
    assert!(!fired("Explain CRISPR").iter().any(|(rule, _)| rule.starts_with("format")));
    assert!(!fired("the 20th of May").iter().any(|(rule, _)| *rule == "identifier"));
}

/// Catches features that hang on case, on apostrophes, on a final mark or on manners.
#[test]
fn form_that_means_nothing_changes_nothing() {
    let plain = bare("what is the refund policy of the berlin office");
    for text in [
        "What is the refund policy of the Berlin office?",
        "WHAT IS THE REFUND POLICY OF THE BERLIN OFFICE",
        "Hi, could you please tell me what is the refund policy of the Berlin office? Thanks!",
        "  what is the refund policy of the Berlin office!!!",
    ] {
        let text = text.replace("tell me ", "");
        assert_eq!(bare(&text), plain, "{text}");
    }
    assert_eq!(bare("don't write it"), bare("dont write it"));
    assert_eq!(bare("please"), bare("Please!"));
}

/// Catches a golden decision lost by the shipped weights.
#[test]
fn shipped_weights_decide() {
    let router = router();
    for (text, path) in [
        ("Answer in our brand voice: what is the refund policy?", Path::Hybrid),
        ("Write it as a limerick", Path::AdvisoryFinetune),
        ("What does our style guide say about commas?", Path::Retrieve),
        ("Write like our style guide", Path::AdvisoryFinetune),
        ("refund policy enterprise", Path::Retrieve),
        ("ERR_CONN_RESET", Path::Retrieve),
        ("hi, how are you?", Path::Pass),
    ] {
        assert_eq!(router.route(text).path, path, "{text}");
    }
    for blank in ["", " ", "?!"] {
        assert!(router.route(blank).uncertain, "nothing to go by must be uncertain");
    }
}

/// Catches weights that load although they are cut, damaged, of another rule book, or not finite.
#[test]
fn hostile_weights_are_refused() {
    for length in (0..64).chain([WEIGHTS.len() / 2, WEIGHTS.len() - 1]) {
        assert!(Router::load(&WEIGHTS[..length]).is_err(), "{length}");
    }
    for at in (0..48).chain((48..WEIGHTS.len()).step_by(997)) {
        let mut bytes = WEIGHTS.to_vec();
        bytes[at] ^= 0x41;
        assert!(Router::load(&bytes).is_err(), "byte {at}");
    }
    for (at, value) in [(20, f32::NAN), (32, f32::INFINITY), (44, 1e30), (48, f32::NEG_INFINITY)] {
        let mut bytes = WEIGHTS.to_vec();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let end = bytes.len() - 4;
        let checksum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&checksum.to_le_bytes());
        assert!(Router::load(&bytes).is_err(), "{value} at {at}");
    }
    let mut longer = WEIGHTS.to_vec();
    longer.push(0);
    assert!(Router::load(&longer).is_err());
    assert!(WEIGHTS.len() <= 256 * 1024);
}

/// Catches work that grows with the text beyond the part that is read, and a lost tail.
#[test]
fn long_queries_are_cut() {
    let long = "word ".repeat(2_000_000);
    assert!(features(&long).len() < MAX_BYTES * 4);
    let tail = format!("{} Summarise the text above in one sentence", "é ".repeat(100_000));
    assert!(fired(&tail).iter().any(|(rule, _)| *rule == "transform.summarise"));
    for hostile in ["please ", "write a ", "\"", "1+", ":\n", "a'", "the the or "] {
        assert!(router().route(&hostile.repeat(100_000)).p_facts.is_finite());
    }
}

proptest! {
    /// Catches spans outside the text or inside a character, and reasons that do not sum to the decision.
    #[test]
    fn reasons_are_exact(text in "(\\PC|[a-z]{1,9}|write a|what is|\n|[:\"'é詩_0-9 ]){0,60}") {
        let routed = router().route(&text);
        let (mut weight, mut facts) = (0.0_f64, 0.0_f64);
        for reason in &routed.reasons {
            prop_assert!(text.get(reason.start..reason.end).is_some());
            weight += f64::from(reason.weight);
            facts += f64::from(reason.facts);
        }
        let probability = |logit: f64| 1.0 / (1.0 + (-logit).exp());
        prop_assert!((probability(weight) - routed.p_behaviour).abs() < 1e-4);
        prop_assert!((probability(facts) - routed.p_facts).abs() < 1e-4);
        let decided = router().decide(&text);
        prop_assert_eq!((decided.p_behaviour, decided.p_facts), (routed.p_behaviour, routed.p_facts));
        prop_assert_eq!((decided.path, decided.uncertain), (routed.path, routed.uncertain));
    }

    /// Catches a scanner that panics or gives features out of range on any text.
    #[test]
    fn any_text_gives_features(text in any::<String>()) {
        let columns = BUCKETS + rule_names().count();
        for feature in features(&text) {
            prop_assert!((feature.index as usize) < columns && feature.value.is_finite());
            prop_assert!(text.is_char_boundary(feature.start) && text.is_char_boundary(feature.end));
            prop_assert!(feature.start <= feature.end);
        }
    }
}
