//! Where words begin and end, and where one written word is several: `report_2018_Q2`, `parseHTTPHeader`, `v1.2.3`.
//!
//! Words are those of Unicode Standard Annex #29. Text between ASCII white space is looked at piece by piece: an
//! annex-29 word never crosses white space, so a piece of ASCII can take a short way that equals the annex there.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::fold::is_attached;

/// A stretch of text that is looked up as something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Letters of one kind of case, nothing to split.
    Plain(Range<usize>),
    /// A word with digits, inner capitals, signs or letters beyond ASCII.
    Mixed(Range<usize>),
    /// A run in a script that is written without spaces.
    Spaceless(Range<usize>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Space,
    Lower,
    Upper,
    Digit,
    Joiner,
    Between,
    BetweenLetters,
    BetweenDigits,
    Beyond,
}

/// Classes of ASCII characters by annex 29, cases told apart.
static CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'\t'..=b'\r' | b' ' => Class::Space,
            b'a'..=b'z' => Class::Lower,
            b'A'..=b'Z' => Class::Upper,
            b'0'..=b'9' => Class::Digit,
            b'_' => Class::Joiner,
            b'.' | b'\'' => Class::Between,
            b':' => Class::BetweenLetters,
            b',' | b';' => Class::BetweenDigits,
            128.. => Class::Beyond,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

/// Visits the words of `text` in order.
pub(super) fn words(text: &str, visit: &mut impl FnMut(Word)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if matches!(class(bytes[at]), Class::Space) {
            at += 1;
            continue;
        }
        let start = at;
        let mut ascii = true;
        while at < bytes.len() && class(bytes[at]) != Class::Space {
            ascii &= bytes[at].is_ascii();
            at += 1;
        }
        if ascii {
            ascii_words(&bytes[start..at], start, visit);
        } else {
            unicode_words(&text[start..at], start, visit);
        }
    }
}

fn ascii_words(piece: &[u8], base: usize, visit: &mut impl FnMut(Word)) {
    let mut at = 0;
    while at < piece.len() {
        let start = at;
        let (mut named, mut mixed) = (false, false);
        let mut before = Class::Other;
        while at < piece.len() {
            let now = class(piece[at]);
            let after = piece.get(at + 1).map_or(Class::Other, |&byte| class(byte));
            let letters = is_letter(before) && is_letter(after);
            let digits = before == Class::Digit && after == Class::Digit;
            match now {
                Class::Lower => named = true,
                Class::Upper => {
                    named = true;
                    // Capitals after the first letter are plain only in a word of capitals.
                    mixed |= before == Class::Lower || before == Class::Upper && after == Class::Lower;
                }
                Class::Digit => (named, mixed) = (true, true),
                Class::Joiner => mixed = true,
                Class::Between if letters || digits => mixed = true,
                Class::BetweenLetters if letters => mixed = true,
                Class::BetweenDigits if digits => mixed = true,
                _ => break,
            }
            before = now;
            at += 1;
        }
        if named {
            let range = base + start..base + at;
            visit(if mixed { Word::Mixed(range) } else { Word::Plain(range) });
        }
        at += usize::from(at == start);
    }
}

fn is_letter(class: Class) -> bool {
    matches!(class, Class::Lower | Class::Upper)
}

fn unicode_words(piece: &str, base: usize, visit: &mut impl FnMut(Word)) {
    let mut start = 0;
    while start < piece.len() {
        let rest = &piece[start..];
        let spaceless = rest.starts_with(is_spaceless);
        let end = rest.find(|c| !is_attached(c) && is_spaceless(c) != spaceless).map_or(piece.len(), |at| start + at);
        if spaceless {
            visit(Word::Spaceless(base + start..base + end));
        } else {
            for (at, word) in piece[start..end].unicode_word_indices() {
                let from = base + start + at;
                visit(Word::Mixed(from..from + word.len()));
            }
        }
        start = end;
    }
}

/// Scripts that put no spaces between words; Hangul too, whose words carry endings that would hide them.
fn is_spaceless(c: char) -> bool {
    matches!(c, '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' | '\u{e81}'..='\u{ece}' | '\u{f40}'..='\u{fbc}'
        | '\u{1000}'..='\u{103f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17d3}' | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' | '\u{3131}'..='\u{318e}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ffdc}' | '\u{20000}'..='\u{3ffff}')
}

/// Visits the stretches of a word between its signs: `can't` → `can`, `t`; `a_b` → `a`, `b`.
pub(super) fn runs(word: &str, visit: &mut impl FnMut(Range<usize>)) {
    pieces(word, |_, c, _| is_sign(c), true, visit);
}

/// Visits the parts of a run: cut between letters and digits, and where a capital begins a new word.
pub(super) fn parts(run: &str, visit: &mut impl FnMut(Range<usize>)) {
    pieces(run, |before, c, after| before.is_some_and(|before| is_border(before, c, after)), false, visit);
}

/// Whether `c` stands between the runs of a word.
pub(super) fn is_sign(c: char) -> bool {
    if c.is_ascii() { !c.is_ascii_alphanumeric() } else { !c.is_alphanumeric() && !is_attached(c) }
}

/// Whether a sign is an apostrophe, which joins what nobody looks up as one: `l'eau`, `don't`.
pub(super) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{ff07}')
}

/// Cuts `text` wherever `cut(before, c, after)` holds, with or without the character there; the marks that belong to
/// a character are passed over.
fn pieces(
    text: &str,
    cut: impl Fn(Option<char>, char, &str) -> bool,
    without: bool,
    visit: &mut impl FnMut(Range<usize>),
) {
    let mut start = 0;
    let mut before = None;
    for (at, c) in text.char_indices() {
        if is_attached(c) {
            continue;
        }
        let after = at + c.len_utf8();
        if cut(before, c, &text[after..]) {
            if at > start {
                visit(start..at);
            }
            start = if without { after } else { at };
        }
        before = Some(c);
    }
    if start < text.len() {
        visit(start..text.len());
    }
}

fn is_border(before: char, c: char, after: &str) -> bool {
    if before.is_numeric() != c.is_numeric() {
        return true;
    }
    if !c.is_uppercase() {
        return false;
    }
    // "HTTPServer" is cut before its "S"; the "s" of "APIs" is a plural.
    let ends_capitals =
        || after.starts_with(char::is_lowercase) && !(after.starts_with('s') && after.chars().nth(1).is_none());
    before.is_lowercase() || before.is_uppercase() && ends_capitals()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges(text: &str) -> Vec<Range<usize>> {
        let mut all = Vec::new();
        words(text, &mut |word| match word {
            Word::Plain(range) | Word::Mixed(range) | Word::Spaceless(range) => all.push(range),
        });
        all
    }

    fn annex(text: &str) -> Vec<Range<usize>> {
        text.unicode_word_indices().map(|(at, word)| at..at + word.len()).collect()
    }

    fn cut(text: &str, by: fn(&str, &mut dyn FnMut(Range<usize>))) -> Vec<String> {
        let mut all = Vec::new();
        by(text, &mut |range| all.push(text[range].to_owned()));
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        // Catches any difference between the short way and annex 29.
        #[test]
        fn ascii_words_are_those_of_the_annex(text in "[a-cA-C0-2_.:;,' \"\\-\n]{0,30}") {
            prop_assert_eq!(ranges(&text), annex(&text));
        }

        // Catches a wrong cut at white space, or text beyond ASCII handled differently from the annex.
        #[test]
        fn words_are_those_of_the_annex(text in "[a-bA-Z0-1_.:,' éßЖжאبθ\u{301}\u{ad}\u{200d}·’€😀\u{2028}\u{a0}]{0,24}") {
            prop_assert_eq!(ranges(&text), annex(&text));
        }

        // Catches a plain word that had something to split.
        #[test]
        fn plain_words_have_one_part(text in "[a-cA-C0-2_.']{1,12}") {
            words(&text, &mut |word| if let Word::Plain(range) = word {
                let word = &text[range];
                let mut count = 0;
                parts(word, &mut |_| count += 1);
                assert!(count == 1 && word.bytes().all(|byte| byte.is_ascii_alphabetic()), "{word}");
            });
        }
    }

    #[test]
    fn identifiers_are_cut_where_people_cut_them() {
        // Catches a border missed or imagined.
        let parts_of = |text| cut(text, |text, visit| parts(text, &mut |range| visit(range)));
        let runs_of = |text| cut(text, |text, visit| runs(text, &mut |range| visit(range)));
        assert_eq!(parts_of("FY2018"), ["FY", "2018"]);
        assert_eq!(parts_of("parseHTTPHeader2"), ["parse", "HTTP", "Header", "2"]);
        assert_eq!(parts_of("iPhone"), ["i", "Phone"]);
        assert_eq!(parts_of("APIs"), ["APIs"]);
        assert_eq!(parts_of("ÉcoleÉté"), ["École", "Été"]);
        assert_eq!(runs_of("__report_2018_Q2"), ["report", "2018", "Q2"]);
        assert_eq!(runs_of("l’eau"), ["l", "eau"]);
        assert_eq!(ranges("東京tower 日本"), [0..6, 6..11, 12..18]);
    }
}
