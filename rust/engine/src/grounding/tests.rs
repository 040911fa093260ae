//! What supports what, which spans are told, and that no text makes trouble.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::interrupt::Never;

fn grounder() -> Grounder {
    let weights = [1.8, 0.1, 1.1, -0.8, -0.8, -0.95, -0.25, 1.45];
    Grounder::new("english", Model { weights, bias: -1.3, threshold: 0.26 }).unwrap()
}

fn check(answer: &str, sources: &[&str]) -> Vec<Sentence> {
    grounder().check(answer, sources, &Never).unwrap()
}

/// The facts of an answer that one source lacks, as written.
fn missing<'t>(answer: &'t str, source: &str) -> Vec<&'t str> {
    let sentences = check(answer, &[source]);
    let spans = sentences.iter().flat_map(|one| &one.unsupported).filter(|span| span.what != What::Words);
    spans.map(|span| &answer[span.start..span.end]).collect()
}

#[test]
fn numbers_are_the_same_however_they_are_written() {
    // Catches a spelling that is not read, which would be a false alarm.
    for (answer, source) in [
        ("It has 1,000 seats.", "It has 1000 seats."),
        ("It has one thousand seats.", "It has 1000 seats."),
        ("It has 1000 seats.", "It has one thousand seats."),
        ("It has 1\u{a0}000 seats.", "It has 1000 seats."),
        ("It has 1000 seats.", "It has 1'000 seats."),
        ("It costs 5 percent.", "It costs 5 %."),
        ("It costs 5%.", "It costs 5 per cent."),
        ("It costs 5 %.", "It costs five percent."),
        ("The value is 3.5 there.", "The value is 3.50 there."),
        ("The value is 3.5 there.", "The value is 3,5 there."),
        ("The value is 0.5 there.", "The value is ½ there."),
        ("It is 30 km long.", "It is 30 kilometres long."),
        ("It is 30,000 metres long.", "It is 30 km long."),
        ("It takes two hours.", "It takes 2 h."),
        ("It takes 120 minutes.", "It takes 2 hours."),
        ("It costs €5 today.", "It costs 5 EUR today."),
        ("It costs 5 euros today.", "It costs €5.00 today."),
        ("It costs $5 million.", "It costs $5,000,000."),
        ("It costs $5.7 trillion.", "From $5.7 to $14.2 and $17.1 trillion."),
        ("The 21st time was best.", "The twenty-first time was best."),
        ("It happened in World War 2.", "It happened in World War II."),
        ("It happened from 1997 to 1998.", "It happened in 1997-98."),
        ("It has 12 eggs.", "It has a dozen eggs."),
        ("It happened in the 1990s.", "It happened in the 1990s then."),
        ("It was -5 °C outside.", "It was −5 °C outside."),
        ("It was minus 5 °C outside.", "It was -5 °C outside."),
        ("They have both of two hundred and five.", "They have 205."),
        ("Between 5 and 10 km of it.", "Between 5–10 km of it."),
        ("It opens at 2 pm then.", "It opens at 14:00 then."),
        ("It opens at 2:30 pm then.", "It opens at 2:30 then."),
        ("A period of 30 days.", "A 30-day period."),
    ] {
        assert_eq!(missing(answer, source), Vec::<&str>::new(), "{answer:?} by {source:?}");
    }
}

#[test]
fn wrong_numbers_are_told() {
    // Catches a rule so lenient that a wrong number passes.
    for (answer, source, wrong) in [
        ("It takes 31 days.", "It takes 30 days.", "31 days"),
        ("It has 1,001 seats.", "It has 1000 seats.", "1,001"),
        ("It is 30 miles long.", "It is 30 km long.", "30 miles"),
        ("It costs $5 today.", "It costs €5 today.", "$5"),
        ("It takes 2 months.", "It takes 2 weeks.", "2 months"),
        ("It was 5 °C outside.", "It was -5 °C outside.", "5 °C"),
        ("It costs 5 % more.", "It costs 50 % more.", "5 %"),
        ("It costs 5 million.", "It costs 5.", "5 million"),
        ("It opens at 2 pm then.", "It opens at 2 am then.", "2 pm"),
        ("It has three parts.", "It has four parts.", "three"),
        ("The limit is 3.51 there.", "The limit is 3.50 there.", "3.51"),
    ] {
        assert_eq!(missing(answer, source), [wrong], "{answer:?} by {source:?}");
    }
}

#[test]
fn dates_are_compared_by_what_they_say() {
    // Catches a date form that is not read, and a part of a date that nobody compares.
    let right = [
        ("It was on 5 January 2026.", "It was on 2026-01-05."),
        ("It was on January 5, 2026.", "It was on 5 January 2026."),
        ("It was on Jan 5, 2026.", "It was on the 5th of January 2026."),
        ("It was on Jan. 5, 2026.", "It was on 05.01.2026."),
        ("It was in January 2026.", "It was on 2026-01-05."),
        ("It was in 2026.", "It was on January 5, 2026."),
        ("It was on January 5.", "It was on January 5, 2026."),
        ("It was in January.", "It was on 5 January 2026."),
        ("It was on 5 January 2026.", "In 2026, it was on 5 January."),
        ("It was on 3 April 2026.", "It was on 3/4/2026."),
        ("It was on 5 January.", "It was from 5 to 7 January."),
    ];
    for (answer, source) in right {
        assert_eq!(missing(answer, source), Vec::<&str>::new(), "{answer:?} by {source:?}");
    }
    for (answer, source, wrong) in [
        ("It was on 6 January 2026.", "It was on 5 January 2026, not 6 May.", "6 January 2026"),
        ("It was on 5 January 2025.", "It was on 5 January 2026.", "5 January 2025"),
        ("It was in February 2026.", "It was in January 2026.", "February 2026"),
        ("It was in March.", "They march in May.", "March"),
    ] {
        assert_eq!(missing(answer, source), [wrong], "{answer:?} by {source:?}");
    }
}

#[test]
fn names_have_other_names() {
    // Catches a false alarm on a possessive, an acronym, an initial, a surname alone, a people of a place.
    for (answer, source) in [
        ("He met Ada Lovelace's father.", "Ada Lovelace had a father he met."),
        ("He met Lovelace there.", "He met Ada Lovelace there."),
        ("He met A. Lovelace there.", "He met Ada Lovelace there."),
        ("He left the WHO then.", "He left the World Health Organization then."),
        ("He left the World Health Organization.", "He left the WHO."),
        ("He lived in Italy then.", "He was an Italian then."),
        ("He was a French man.", "He came from France, a man."),
        ("He lived in the U.S. then.", "He lived in the United States then."),
        ("He lived in the US then.", "He lived in the U.S. then."),
        ("He saw MÜNCHEN there.", "He saw Munchen there."),
        ("However, it was late there.", "It was late there."),
        ("Typically it was late there.", "It was late there."),
    ] {
        assert_eq!(missing(answer, source), Vec::<&str>::new(), "{answer:?} by {source:?}");
    }
    for (answer, source, wrong) in [
        ("He met Grace Hopper there.", "He met Ada Lovelace there.", "Grace Hopper"),
        ("He met Grace Lovelace there.", "He met Ada Lovelace there.", "Grace"),
        ("He lived in Austria then.", "He lived in Australia then.", "Austria"),
        ("He met Mario there.", "He met Maria there.", "Mario"),
        ("Oslo is the capital.", "Paris is the capital.", "Oslo"),
        ("The code is E-106 here.", "The code is E-105 here.", "E-106"),
        ("It says ERR_CONN_CLOSED there.", "It says ERR_CONN_RESET there.", "ERR_CONN_CLOSED"),
        ("Version v1.2.4 has it.", "Version v1.2.3 has it.", "v1.2.4"),
    ] {
        assert_eq!(missing(answer, source), [wrong], "{answer:?} by {source:?}");
    }
    assert_eq!(missing("The code is E105 here.", "The code is E-105 here."), Vec::<&str>::new());
}

#[test]
fn an_answer_is_cut_where_its_sentences_end() {
    // Catches a cut inside a number, an abbreviation or an address, and marks that go to the next sentence.
    let answer = "Dr. Smith paid 3.50 euros. [1] He left at 5 p.m. [2, 3]\n- First item\n2. Second item [1-2].\nJ. R. Ewing saw it! Did he?";
    let found: Vec<_> = check(answer, &["a", "b", "c"])
        .iter()
        .map(|one| (&answer[one.start..one.end], one.cited.sources.clone()))
        .collect();
    let expected = [
        ("Dr. Smith paid 3.50 euros. [1]", vec![0]),
        ("He left at 5 p.m. [2, 3]", vec![1, 2]),
        ("First item", vec![]),
        ("Second item [1-2].", vec![0, 1]),
        ("J. R. Ewing saw it!", vec![]),
        ("Did he?", vec![]),
    ];
    assert_eq!(found, expected);
    for (answer, count) in [("it takes approx. ten days. you may wait, e.g. here.", 2), ("see p. 3 etc. for more", 1)] {
        assert_eq!(check(answer, &[]).len(), count, "{answer:?}");
    }
}

#[test]
fn what_claims_nothing_is_not_checked() {
    // Catches questions and courtesies that count as unsupported sentences.
    for (answer, why) in [
        ("Is it late?", Some("question")),
        ("Hello there!", Some("greeting")),
        ("I could not find this in the documents.", Some("meta")),
        ("The sources do not mention a price.", Some("meta")),
        ("Here are the steps:", Some("meta")),
        ("…", Some("empty")),
        ("Yes.", Some("empty")),
        ("Suresh paid.", None),
        ("Surely it is late.", None),
    ] {
        let found = check(answer, &["source"]);
        assert_eq!(found.iter().map(|one| one.uncheckable).collect::<Vec<_>>(), [why], "{answer:?}");
    }
}

#[test]
fn citations_count_as_alce_says() {
    // Catches a needless citation that counts as relevant, and a needed one that does not.
    let sources = ["The tower is 300 metres tall.", "The tower was built in 1889.", "Bananas are yellow fruit."];
    let one = &check("The tower is 300 metres tall and was built in 1889 [1, 2, 3].", &sources)[0];
    assert_eq!((one.cited.supported, one.cited.relevant.as_slice()), (true, &[true, true, false][..]));
    let one = &check("The tower is 300 metres tall and was built in 1889 [1].", &sources)[0];
    assert_eq!((one.supported, one.cited.supported, one.cited.relevant.as_slice()), (true, false, &[false][..]));
    let one = &check("The tower is 300 metres tall [1][7].", &sources)[0];
    assert_eq!((one.cited.sources.as_slice(), one.cited.unknown.as_slice()), (&[0][..], &[7][..]));
    assert_eq!(check("The tower was built in 1889.", &sources)[0].sources, [1]);
}

#[test]
fn foreign_words_are_told_as_words() {
    // Catches an unsupported sentence without any span.
    let answer = "Penguins hunt small fish below thick ice. The tower is tall.";
    let found = check(answer, &["The tower is tall."]);
    assert!(!found[0].supported && found[1].supported);
    let spans: Vec<_> = found[0].unsupported.iter().map(|span| (&answer[span.start..span.end], span.what)).collect();
    assert_eq!(spans, [("Penguins hunt small fish below thick ice", What::Words)]);
    assert!(found[1].unsupported.is_empty());
}

#[test]
fn long_answers_take_time_that_grows_with_them() {
    // Catches work that grows with the square of a text made to be slow.
    let pieces = [
        "a.",
        "[1]",
        "1.",
        "A. ",
        "a.b",
        "'",
        "one hundred ",
        "A-",
        "1,",
        "January ",
        ". ",
        "\n",
        "x_",
        "Mr. ",
        "[",
        "$",
        "é",
        "-1 ",
    ];
    for piece in pieces {
        let texts = [1 << 15, 1 << 18].map(|bytes| piece.repeat(bytes / piece.len()));
        let seconds = texts.map(|text| {
            let started = Instant::now();
            check(&text, &[&text, "one source"]);
            started.elapsed().as_secs_f64()
        });
        assert!(seconds[1] < 40.0 * seconds[0] + 2.0, "{piece:?}: {seconds:?}");
    }
}

#[test]
fn too_much_is_refused() {
    // Catches memory without bound.
    let long = "a ".repeat(BYTES_MAX / 2 + 1);
    assert!(matches!(grounder().check("a", &[&long], &Never), Err(Error::InvalidInput { .. })));
    assert!(matches!(grounder().check(&long, &[], &Never), Err(Error::InvalidInput { .. })));
}

/// Texts of all characters, with many of those that the parsers look for.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        proptest::sample::select(vec![
            "1,000",
            "3.5",
            "$",
            "€5",
            "-",
            "–",
            "[1]",
            "[1, 2]",
            "[",
            "]",
            "%",
            "January",
            "5",
            "2026-01-05",
            "'s",
            "’",
            "U.S.",
            "Mr.",
            "E-105",
            "ERR_X",
            "½",
            "°C",
            " km",
            "twenty",
            "-one",
            "hundred",
            " and ",
            "million",
            "\n",
            ". ",
            "?",
            "İ",
            "ß",
            "\u{301}",
            "字",
            "。",
            "📦",
            "\u{200b}",
            "A",
            " of ",
            "pm",
            ":",
            "30",
            "/",
            "【1】",
            "3/4/2026",
            "\t",
            "\r\n",
            "- ",
            "1. ",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

#[test]
fn a_minus_behind_a_sentence_end_is_one() {
    // Catches a sign that is read in another way inside an answer than at the start of a source.
    for found in check("\u{3002}-1,000", &["-1,000"]) {
        assert!(found.unsupported.iter().all(|span| span.what == What::Words), "{found:?}");
    }
    assert!(
        check("It was -5 degrees.", &["It was 5 degrees."])[0].unsupported.iter().any(|span| span.what != What::Words)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn spans_are_sound_for_any_text(answer in hostile(), source in hostile(), other in hostile()) {
        // Catches a span outside its sentence or inside a character, a score that is none, and any panic.
        let sources = [source.as_str(), other.as_str()];
        let found = check(&answer, &sources);
        let mut behind = 0;
        for one in &found {
            prop_assert!(one.start >= behind && one.start < one.end && one.end <= answer.len());
            prop_assert!(answer.is_char_boundary(one.start) && answer.is_char_boundary(one.end));
            prop_assert!((0.0..=1.0).contains(&one.score) && (0.0..=1.0).contains(&one.cited.score));
            prop_assert!(one.cited.sources.len() == one.cited.relevant.len() && one.sources.len() <= TOGETHER_MAX);
            let mut at = one.start;
            for span in &one.unsupported {
                prop_assert!(span.start >= at && span.start < span.end && span.end <= one.end);
                prop_assert!(answer.is_char_boundary(span.start) && answer.is_char_boundary(span.end));
                at = span.end;
            }
            for mark in &one.marks {
                prop_assert!(one.start <= mark.start && mark.start < mark.end && mark.end <= one.end);
            }
            behind = one.end;
        }
        prop_assert_eq!(found, check(&answer, &sources));
    }

    #[test]
    fn a_sentence_supports_itself(answer in hostile()) {
        // Catches a claim that is read in another way than the same words in a source.
        for sentence in check(&answer, &[]) {
            let source = &answer[sentence.start..sentence.end];
            let one = check(&answer, &[source]).into_iter().find(|one| one.start == sentence.start).unwrap();
            let facts = one.unsupported.iter().filter(|span| span.what != What::Words);
            let facts: Vec<_> = facts.map(|span| &answer[span.start..span.end]).collect();
            prop_assert!(facts.is_empty(), "{facts:?} of {source:?}");
        }
    }

    #[test]
    fn more_sources_never_lower_a_score(answer in hostile(), source in hostile(), other in hostile()) {
        // Catches a choice of sources that loses support by having more to choose from.
        let few = check(&answer, &[&source]);
        let more = check(&answer, &[&source, &other]);
        for (few, more) in few.iter().zip(&more) {
            prop_assert!(more.score >= few.score - 1e-6, "{} {}", few.score, more.score);
        }
    }
}
