//! The analyzer again, slow and plain, to hold the fast one to: one pass after another over whole texts by the rules
//! of annex 29, character by character, with nothing remembered.

use std::ops::Range;

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::analyzer::Analyzer;
use super::fold::is_attached;
use super::split::{self, Role, Word};
use super::stem::Language;

/// A token by its term, place, position and width.
type Found = (String, Range<usize>, u32, u32);
/// A piece of a word in the same way.
type Cut = (Role, Range<usize>, u32, u32);

/// Words of annex 29, and runs of scripts without spaces.
fn words(text: &str) -> Vec<Word> {
    let pieces = text.split(|c| matches!(c, '\t'..='\r' | ' '));
    pieces.flat_map(|piece| words_of(piece, piece.as_ptr() as usize - text.as_ptr() as usize)).collect()
}

fn words_of(text: &str, base: usize) -> Vec<Word> {
    let mut words = Vec::new();
    let mut stretches: Vec<(usize, bool)> = Vec::new();
    for (at, c) in text.char_indices().filter(|&(at, c)| at == 0 || !is_attached(c)) {
        let spaceless = split::is_spaceless(c);
        if stretches.last().is_none_or(|&(_, before)| before != spaceless) {
            stretches.push((at, spaceless));
        }
    }
    for (number, &(start, spaceless)) in stretches.iter().enumerate() {
        let end = stretches.get(number + 1).map_or(text.len(), |next| next.0);
        if spaceless {
            words.push(Word::Spaceless(base + start..base + end));
        } else {
            words.extend(text[start..end].unicode_word_indices().map(|(at, word)| {
                let to = base + start + at + word.len();
                // To the annex a mark belongs to whatever stands before it.
                Word::Mixed(
                    to - word.trim_start_matches(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_').len()
                        ..to,
                )
            }));
        }
    }
    words
}

/// Cuts at the characters that `cut` picks by what stands before and behind, with or without the character there.
fn cut(text: &str, without: bool, cut: impl Fn(Option<char>, char, &str) -> bool) -> Vec<Range<usize>> {
    let (mut all, mut start, mut before) = (Vec::new(), 0, None);
    for (at, c) in text.char_indices().filter(|&(_, c)| !is_attached(c)) {
        let after = at + c.len_utf8();
        if cut(before, c, &text[after..]) {
            all.push(start..at);
            start = if without { after } else { at };
        }
        before = Some(c);
    }
    all.push(start..text.len());
    all.retain(|range| !range.is_empty());
    all
}

/// The pieces of a word with their roles, positions and widths, and the positions of it all.
fn pieces(word: &str) -> (Vec<Cut>, u32) {
    let inner = word.trim_matches('_');
    let start = word.len() - word.trim_start_matches('_').len();
    if split::is_plain(inner) {
        return (vec![(Role::Plain, start..start + inner.len(), 0, 1)], 1);
    }
    let mut pieces = Vec::new();
    let mut position = 0;
    for run in cut(word, true, |_, c, _| split::is_sign(c)) {
        let whole = &word[run.clone()];
        let parts =
            cut(whole, false, |before, c, after| before.is_some_and(|before| split::is_border(before, c, after)));
        let contracted = word[..run.start].ends_with(split::is_apostrophe) && run.len() <= 2 && parts.len() == 1;
        let shared = u32::from(contracted && position > 0);
        pieces.push((Role::Run, run.clone(), position - shared, parts.len() as u32));
        if parts.len() > 1 {
            let shifted = parts.iter().map(|part| run.start + part.start..run.start + part.end);
            pieces.extend(shifted.zip(position..).map(|(part, position)| (Role::Part, part, position, 1)));
        }
        position += parts.len() as u32 - shared;
    }
    if inner.contains(|c| split::is_sign(c) && !split::is_apostrophe(c)) {
        pieces.insert(0, (Role::Whole, start..start + inner.len(), 0, position.max(1)));
    }
    (pieces, position)
}

fn reference(language: &str, text: &str) -> (Vec<Found>, u32) {
    let language = Language::new(language).unwrap();
    let (mut found, mut position) = (Vec::new(), 0);
    let mut token = |role: Role, range: Range<usize>, position: u32, width: u32| {
        let mut term = String::new();
        language.write(&text[range.clone()], role, &mut term);
        if !term.is_empty() {
            found.push((term, range, position, width));
        }
    };
    let words = words(text);
    let mut rest = &words[..];
    while !rest.is_empty() {
        let (chain, later) = rest.split_at(split::chain(text, rest));
        let whole = chain[0].range().start..chain[chain.len() - 1].range().end;
        if split::is_compound(text, chain) {
            token(
                Role::Compound,
                whole,
                position,
                chain.iter().map(|word| pieces(&text[word.range().clone()]).1).sum(),
            );
        }
        for word in chain {
            let range = word.range().clone();
            if let Some(end) = split::signed(text, &range) {
                token(Role::Signed, range.start..end, position, 1);
            }
            if let Word::Spaceless(_) = word {
                let characters = cut(&text[range.clone()], false, |before, _, _| before.is_some());
                let starts: Vec<usize> = characters.iter().map(|character| range.start + character.start).collect();
                for (number, &start) in starts.iter().enumerate().take(starts.len().max(2) - 1) {
                    let end = starts.get(number + 2).copied().unwrap_or(range.end);
                    token(Role::Pair, start..end, position + number as u32, 1);
                }
                position += starts.len() as u32;
            } else {
                let (pieces, positions) = pieces(&text[range.clone()]);
                for (role, piece, at, width) in pieces {
                    token(role, range.start + piece.start..range.start + piece.end, position + at, width);
                }
                position += positions;
            }
        }
        rest = later;
    }
    (found, position)
}

/// Holds the analyzer to the reference, twice: with the words of the text forgotten, and remembered.
fn check(language: &str, text: &str) {
    let analyzer = Analyzer::new(language).unwrap();
    let expected = reference(language, text);
    for _ in 0..2 {
        let mut found: Vec<Found> = Vec::new();
        let positions = analyzer.analyze(text, &mut |token| {
            found.push((token.term.to_owned(), token.start..token.end, token.position, token.width));
        });
        assert_eq!((found, positions), expected, "{language}: {text:?}");
    }
}

/// Texts of what the analyzer treats each in its own way.
fn texts() -> impl Strategy<Value = String> {
    let atoms = "the|The|connections|Connected|HTTP|getHTTPHeaders|APIs|iPhone|FY2018|v1.2.3|1,000|1,00|12,345.678|2018|7|U.S.A|e.g|\
                 ERR_CONN_RESET|__init__|_|don't|nurse's|l’eau|e-mail|well-known|AB-1234/56|x/y|24/7|C++|c#|f#x|and|Résumé|naïve|\
                 Straße|β1|TGF|東京都|漢|カﾞ|한국어|ไทย|Привет|Ёлка|שלום|\u{301}|\u{200d}|😀|–|‐|—|…|“|”|internationalization|\
                 donaudampfschifffahrtsgesellschaft|averyveryverylongidentifier2|abcdefghijklmno|abcdefghijklmnop";
    let atoms: Vec<String> = atoms.split('|').map(str::to_owned).collect();
    let between = "[ \n.,;:'\"()/_+#&-]{0,2}";
    let atom = prop_oneof![4 => proptest::sample::select(atoms), 1 => "[a-zA-Z]{1,17}", 1 => "[a-zA-Z0-9_.,'é]{1,20}"];
    proptest::collection::vec((atom, between), 0..12)
        .prop_map(|parts| parts.into_iter().map(|(atom, between)| atom + &between).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2500))]
    // Catches any way in which windows, tables and remembered words give other tokens than the plain rules.
    #[test]
    fn tokens_are_those_of_the_plain_rules(text in texts()) {
        for language in ["english", "none", "french", "turkish"] {
            check(language, &text);
        }
    }

    // Catches the same on text that nobody would write.
    #[test]
    fn tokens_of_noise_are_those_of_the_plain_rules(
        text in "\\PC{0,40}|[a-cA-C0-2_.:;,' \"\\-\n/+#]{0,40}|[a-bA-Z0-1_.:,'\\- éßЖжאبθ字かㄱ\u{301}\u{ad}\u{200d}·’€😀\u{2028}\u{a0}]{0,40}",
    ) {
        check("english", &text);
        check("german", &text);
    }
}
