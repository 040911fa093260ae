//! One spelling for what a reader takes as the same letters: case, diacritics, ligatures, full and half width.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longest term in bytes; what is longer is cut at a character's border.
pub(super) const TERM_BYTES_MAX: usize = 255;
/// Raw bytes of a word that can still matter: the rest of a longer one is cut away before any work is spent on it.
const RAW_BYTES_MAX: usize = 4 * TERM_BYTES_MAX;

/// Appends `raw` in lower case, composed, with diacritics as they are: the form that stemmers expect.
pub(super) fn lower(raw: &str, turkish: bool, out: &mut String) {
    let start = out.len();
    let raw = prefix(raw, RAW_BYTES_MAX);
    if raw.is_ascii() && !turkish {
        out.push_str(raw);
        out[start..].make_ascii_lowercase();
    } else {
        let dotless = |c| if turkish && c == 'I' { 'ı' } else { c };
        let lowered = raw.nfc().map(dotless).flat_map(char::to_lowercase).filter(|&c| !is_format(c));
        // "İ" becomes "i" with a combining dot that no Turkish word is written with.
        out.extend(lowered.filter(|&c| !(turkish && c == '\u{307}')).nfc());
    }
    truncate(out, start);
}

/// Appends `raw` in lower case without diacritics, compatibility forms replaced by the plain ones.
pub(crate) fn fold(raw: &str, out: &mut String) {
    let start = out.len();
    let raw = prefix(raw, RAW_BYTES_MAX);
    if raw.is_ascii() {
        out.push_str(raw);
        out[start..].make_ascii_lowercase();
    } else {
        let letters = raw.nfkd().filter(|&c| !is_diacritic(c) && !is_format(c)).flat_map(char::to_lowercase);
        out.extend(letters.filter(|&c| !is_diacritic(c)).flat_map(plain).nfc());
    }
    truncate(out, start);
}

/// Letters that have no decomposition but a customary plain spelling.
fn plain(letter: char) -> impl Iterator<Item = char> {
    let pair = match letter {
        'ß' => ['s', 's'],
        'æ' => ['a', 'e'],
        'œ' => ['o', 'e'],
        'þ' => ['t', 'h'],
        'ø' => ['o', '\0'],
        'đ' | 'ð' => ['d', '\0'],
        'ł' => ['l', '\0'],
        'ħ' => ['h', '\0'],
        'ı' => ['i', '\0'],
        'ŧ' => ['t', '\0'],
        'ς' => ['σ', '\0'],
        other => [other, '\0'],
    };
    pair.into_iter().enumerate().filter(|&(at, c)| at == 0 || c != '\0').map(|(_, c)| c)
}

/// Marks that readers leave out when they type: accents, Hebrew points, Arabic vowels. Not the vowel signs of Indic
/// scripts or the voicing of kana, which make other words.
fn is_diacritic(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}'
        | '\u{5c4}'..='\u{5c5}' | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
}

/// Invisible characters that may stand inside a word: soft hyphen, joiners, directions, tags.
pub(super) fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether `c` belongs to the character before it.
pub(crate) fn is_attached(c: char) -> bool {
    !c.is_ascii() && (is_combining_mark(c) || is_format(c) || matches!(c, '\u{ff9e}' | '\u{ff9f}'))
}

/// Cuts `text` to at most `bytes` at a character's border.
fn prefix(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Cuts what stands in `out` from `start` on to [`TERM_BYTES_MAX`].
pub(super) fn truncate(out: &mut String, start: usize) {
    if out.len() - start > TERM_BYTES_MAX {
        let end = start + prefix(&out[start..], TERM_BYTES_MAX).len();
        out.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_letters_get_one_spelling() {
        // Catches a fold that loses a script's vowels, or misses a spelling people mix.
        for (raw, folded) in [
            ("Résumé", "resume"),
            ("re\u{301}sume\u{301}", "resume"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("ＡＢＣ１２３", "abc123"),
            ("İstanbul", "istanbul"),
            ("Łódź", "lodz"),
            ("Ångström", "angstrom"),
            ("ﬁle", "file"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("σίσυφος", "σισυφοσ"),
            ("がくせい", "がくせい"),
            ("ｶﾞ", "ガ"),
            ("தமிழ்", "தமிழ்"),
            ("한국어", "한국어"),
            ("co\u{ad}operate", "cooperate"),
        ] {
            let mut out = String::from("kept ");
            fold(raw, &mut out);
            assert_eq!(out, format!("kept {folded}"), "{raw}");
        }
    }

    #[test]
    fn an_endless_word_is_cut_at_a_border() {
        // Catches a cut inside a character, and work without bound on one "word".
        for raw in ["é".repeat(100_000), "字".repeat(100_000), "\u{fdfa}".repeat(10_000), "\u{301}".repeat(100_000)] {
            let (mut folded, mut lowered) = (String::new(), String::new());
            fold(&raw, &mut folded);
            lower(&raw, false, &mut lowered);
            assert!(folded.len() <= TERM_BYTES_MAX && lowered.len() <= TERM_BYTES_MAX);
        }
    }
}
