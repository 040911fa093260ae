//! Where words begin and end, and where one written word is several: `report_2018_Q2`, `parseHTTPHeader`, `v1.2.3`.
//!
//! Words are those of Unicode Standard Annex #29. Text between ASCII white space is looked at piece by piece: an
//! annex-29 word never crosses white space, so a piece of ASCII can take a short way that equals the annex there.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::fold::is_attached;

/// A word where it stands in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Letters of one kind of case or digits of ASCII, nothing to split.
    Plain(Range<usize>),
    /// Any other word of annex 29.
    Mixed(Range<usize>),
    /// A run in a script that is written without spaces.
    Spaceless(Range<usize>),
}

impl Word {
    pub(super) fn range(&self) -> &Range<usize> {
        match self {
            Self::Plain(range) | Self::Mixed(range) | Self::Spaceless(range) => range,
        }
    }

    /// Whether it has a digit.
    fn is_numbered(&self, text: &str) -> bool {
        match self {
            Self::Plain(range) => text.as_bytes()[range.start].is_ascii_digit(),
            Self::Mixed(range) | Self::Spaceless(range) => text[range.clone()].contains(char::is_numeric),
        }
    }
}

/// What stands where a word of ASCII may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ascii {
    /// Nothing to look up before this byte.
    Nothing(usize),
    /// A word as [`Word::Plain`] up to this byte.
    Plain(usize),
    /// A word with letters and digits, inner capitals or signs up to this byte.
    Mixed(usize),
    /// Characters beyond ASCII decide where the word ends.
    Beyond,
}

/// What a piece of text is, which decides how its term is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A name with signs in it, as written.
    Whole,
    /// Between the signs.
    Run,
    /// Of a run that has several.
    Part,
    /// A number or an acronym whose signs are left out and which is looked up as nothing else: `1,000`, `U.S.A`.
    Plain,
    /// Several words that hyphens join.
    Compound,
    /// A letter with the signs of a name behind it: `C++`.
    Signed,
    /// Two neighbouring characters, or a lone one, of a script without spaces.
    Pair,
}

/// A stretch of a word that is looked up, in bytes and positions from where the word begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) role: Role,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) position: u32,
    /// Positions that it takes: those of its parts.
    pub(super) width: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Space,
    Lower,
    Upper,
    Digit,
    Joiner,
    /// Joins words to compounds; to annex 29 it is [`Class::Other`].
    Hyphen,
    /// Makes a name of the one letter before it.
    Sign,
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
            b'-' | b'/' => Class::Hyphen,
            b'+' | b'#' => Class::Sign,
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

/// Whether a word of ASCII letters ends before these two bytes by itself, and no name or compound goes on.
#[inline]
pub(super) fn ends_letters(now: u8, after: u8) -> bool {
    match class(now) {
        Class::Other | Class::Space | Class::BetweenDigits => true,
        Class::Between | Class::BetweenLetters => !matches!(class(after), Class::Lower | Class::Upper | Class::Beyond),
        Class::Hyphen => is_between_words(after),
        _ => false,
    }
}

/// Whether no word begins at this byte.
#[inline]
pub(super) fn is_between_words(byte: u8) -> bool {
    !matches!(class(byte), Class::Lower | Class::Upper | Class::Digit | Class::Joiner | Class::Beyond)
}

/// Reads the word at `start`, where one may begin.
pub(super) fn ascii_word(text: &[u8], start: usize) -> Ascii {
    let class_at = |at: usize| text.get(at).map_or(Class::Other, |&byte| class(byte));
    let (mut letters, mut digits, mut mixed) = (false, false, false);
    let (mut before, mut now) = (Class::Other, class_at(start));
    let mut at = start;
    loop {
        let after = class_at(at + 1);
        match now {
            Class::Lower => letters = true,
            Class::Upper => {
                letters = true;
                // Capitals after the first letter are plain only in a word of capitals.
                mixed |= before == Class::Lower || before == Class::Upper && after == Class::Lower;
            }
            Class::Digit => digits = true,
            Class::Joiner => mixed = true,
            Class::Beyond => return Ascii::Beyond,
            Class::Between | Class::BetweenLetters | Class::BetweenDigits if at > start && after == Class::Beyond => {
                return Ascii::Beyond;
            }
            Class::Between | Class::BetweenLetters if is_letter(before) && is_letter(after) => mixed = true,
            Class::Between | Class::BetweenDigits if before == Class::Digit && after == Class::Digit => mixed = true,
            _ => break,
        }
        (before, now) = (now, after);
        at += 1;
    }
    match (letters, digits) {
        (false, false) => Ascii::Nothing(at),
        (true, true) => Ascii::Mixed(at),
        _ if mixed => Ascii::Mixed(at),
        _ => Ascii::Plain(at),
    }
}

fn is_letter(class: Class) -> bool {
    matches!(class, Class::Lower | Class::Upper)
}

/// Collects the words from `start` up to the next white space; returns where that is.
pub(super) fn piece(text: &str, start: usize, words: &mut Vec<Word>) -> usize {
    words.clear();
    let rest = &text.as_bytes()[start..];
    let end = rest.iter().position(|&byte| class(byte) == Class::Space).map_or(text.len(), |at| start + at);
    let mut at = start;
    while at < end {
        match ascii_word(text.as_bytes(), at) {
            Ascii::Nothing(to) => at = to.max(at + 1),
            Ascii::Plain(to) => {
                words.push(Word::Plain(at..to));
                at = to;
            }
            Ascii::Mixed(to) => {
                words.push(Word::Mixed(at..to));
                at = to;
            }
            Ascii::Beyond => {
                // A mark belongs to the sign before it, whatever script it is from.
                let class_at = |at: usize| class(text.as_bytes()[at]);
                let marked = class_at(at) == Class::Beyond
                    && at > 0
                    && !matches!(class_at(at - 1), Class::Space | Class::Beyond);
                let from = at - usize::from(marked);
                unicode_words(&text[from..end], from, &mut |word| words.push(word));
                break;
            }
        }
    }
    end
}

/// Visits the words of a piece of text, whose first byte is the `base`th.
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
                // To the annex a mark behind a sign makes a word with it.
                let sign = word.bytes().take_while(|&byte| is_between_words(byte)).count();
                let from = base + start + at;
                visit(Word::Mixed(from + sign..from + word.len()));
            }
        }
        start = end;
    }
}

/// Whether a byte may join a word to the next.
#[inline]
pub(super) fn joins(byte: u8) -> bool {
    class(byte) == Class::Hyphen
}

/// Whether a word may go on behind its end: as a compound or with the signs of a name.
pub(super) fn goes_on(text: &[u8], end: usize) -> bool {
    let class_at = |at: usize| text.get(at).map_or(Class::Space, |&byte| class(byte));
    match class_at(end) {
        Class::Hyphen => text.get(end + 1).is_some_and(|&byte| !is_between_words(byte)),
        Class::Sign | Class::Beyond => true,
        _ => false,
    }
}

/// Where the name `C++` or `C#` ends that begins with the letter `word`.
pub(super) fn signed(text: &str, word: &Range<usize>) -> Option<usize> {
    let rest = &text.as_bytes()[word.end..];
    let letter = word.len() == 1 && text.as_bytes()[word.start].is_ascii_alphabetic();
    let signs = match rest {
        [b'+', b'+', ..] => 2,
        [b'#'] => 1,
        [b'#', after, ..] if is_between_words(*after) => 1,
        _ => 0,
    };
    (letter && signs > 0).then(|| word.end + signs)
}

/// Words of a compound with digits; more make a path or a list.
const COMPOUND_WORDS_MAX: usize = 6;
const COMPOUND_BYTES_MAX: usize = 64;

/// How many of `words`, one at least, hang together from the first on: by a hyphen, or numbers by a slash.
pub(super) fn chain(text: &str, words: &[Word]) -> usize {
    let hangs = |pair: &[Word]| {
        let [a, b] = pair else { return false };
        let spaced = !matches!(a, Word::Spaceless(_)) && !matches!(b, Word::Spaceless(_));
        spaced
            && match &text[a.range().end..b.range().start] {
                "-" | "\u{2010}" | "\u{2011}" => true,
                "/" => a.is_numbered(text) && b.is_numbered(text),
                _ => false,
            }
    };
    1 + words.windows(2).take_while(|pair| hangs(pair)).count()
}

/// Whether words that hang together are looked up as one, too: some with digits (`AB-1234/56`, `2018-01-31`), or a
/// letter, which is no term by itself, and a word (`e-mail`).
///
/// Not two words: `boundary-layer` as one would be a rare term, and outweigh all that is said of boundary layers.
pub(super) fn is_compound(text: &str, words: &[Word]) -> bool {
    let [first, .., last] = words else { return false };
    let spelled = |word: &Word| match word {
        Word::Plain(_) => !word.is_numbered(text),
        _ => !text[word.range().clone()].contains(|c: char| is_sign(c) || c.is_numeric()),
    };
    if words.len() == 2 && words.iter().all(spelled) {
        let single = |word: &Word| text[word.range().clone()].chars().filter(|&c| !is_attached(c)).nth(1).is_none();
        return single(first) != single(last);
    }
    words.len() <= COMPOUND_WORDS_MAX
        && last.range().end - first.range().start <= COMPOUND_BYTES_MAX
        && words.iter().any(|word| word.is_numbered(text))
}

/// Whether `c` joins words to a compound.
pub(super) fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '/' | '\u{2010}' | '\u{2011}')
}

/// Whether a word is a number with separated thousands, or an acronym with dots.
pub(super) fn is_plain(word: &str) -> bool {
    if word.starts_with(|c: char| c.is_ascii_digit()) { has_thousands(word) } else { is_acronym(word) }
}

fn has_thousands(number: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let Some((first, groups)) = whole.split_once(',') else { return false };
    first.len() <= 3
        && digits(first)
        && digits(fraction)
        && groups.split(',').all(|group| group.len() == 3 && digits(group))
}

fn is_acronym(word: &str) -> bool {
    let letter = |part: &str| part.starts_with(char::is_alphabetic) && part.chars().nth(1).is_none();
    word.contains('.') && word.split('.').all(letter)
}

/// Scripts that put no spaces between words; Hangul too, whose words carry endings that would hide them.
pub(super) fn is_spaceless(c: char) -> bool {
    matches!(c, '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' | '\u{e81}'..='\u{ece}' | '\u{f40}'..='\u{fbc}'
        | '\u{1000}'..='\u{103f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17d3}' | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' | '\u{3131}'..='\u{318e}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ffdc}' | '\u{20000}'..='\u{3ffff}')
}

/// Replaces `pieces` by those of a word, a whole before its parts; returns how many positions the word takes.
///
/// A word is cut into runs at its signs, a run into parts between letters and digits and where a capital begins a new
/// word: `parseHTTP_2` → itself, `parseHTTP`, `parse`, `HTTP`, `2`. Each part takes a position, but not what a
/// contraction or possessive puts behind its apostrophe: `nurse's` takes one, as `nurses` does.
pub(super) fn cut(word: &str, pieces: &mut Vec<Piece>) -> u32 {
    pieces.clear();
    // Leading and trailing joiners are no part of a name.
    let start = word.len() - word.trim_start_matches('_').len();
    let end = word.trim_end_matches('_').len();
    if word.get(start..end).is_some_and(is_plain) {
        pieces.push(Piece { role: Role::Plain, start, end, position: 0, width: 1 });
        return 1;
    }
    Cutter { pieces, run: 0, part: 0, parts: 0, position: 0 }.cut(word, start..end)
}

/// Longest run behind an apostrophe that takes no position, in bytes: `'s`, `'ll`.
const CONTRACTION_MAX: usize = 2;

struct Cutter<'a> {
    pieces: &'a mut Vec<Piece>,
    /// Where the run in hand begins, and the part.
    run: usize,
    part: usize,
    /// Parts of this run that are cut off already.
    parts: u32,
    position: u32,
}

impl Cutter<'_> {
    fn cut(mut self, word: &str, inner: Range<usize>) -> u32 {
        self.push(Role::Whole, inner.start, inner.end, 0, 0);
        let mut signs = false;
        let mut before = None;
        let mut contracted = false;
        for (at, c) in word.char_indices().filter(|&(_, c)| !is_attached(c)) {
            if is_sign(c) {
                self.end_run(at, contracted);
                self.run = at + c.len_utf8();
                self.part = self.run;
                contracted = is_apostrophe(c);
                signs |= !contracted && inner.contains(&at);
                before = None;
                continue;
            }
            if before.is_some_and(|before| is_border(before, c, &word[at + c.len_utf8()..])) {
                self.end_part(at);
            }
            before = Some(c);
        }
        self.end_run(word.len(), contracted);
        if signs {
            self.pieces[0].width = self.position.max(1);
        } else {
            // The apostrophes of a language make no name.
            self.pieces.remove(0);
        }
        self.position
    }

    fn end_part(&mut self, at: usize) {
        if self.parts == 0 {
            self.push(Role::Run, self.run, at, self.position, 1);
        }
        self.push(Role::Part, self.part, at, self.position + self.parts, 1);
        self.parts += 1;
        self.part = at;
    }

    fn end_run(&mut self, at: usize, contracted: bool) {
        if at == self.run {
            return;
        }
        if self.parts > 0 {
            self.end_part(at);
            let run = self.pieces.len() - 1 - self.parts as usize;
            (self.pieces[run].end, self.pieces[run].width) = (at, self.parts);
            self.position += std::mem::take(&mut self.parts);
        } else if contracted && at - self.run <= CONTRACTION_MAX && self.position > 0 {
            self.push(Role::Run, self.run, at, self.position - 1, 1);
        } else {
            self.push(Role::Run, self.run, at, self.position, 1);
            self.position += 1;
        }
    }

    fn push(&mut self, role: Role, start: usize, end: usize, position: u32, width: u32) {
        self.pieces.push(Piece { role, start, end, position, width });
    }
}

/// Whether `c` stands between the runs of a word.
pub(super) fn is_sign(c: char) -> bool {
    if c.is_ascii() { !c.is_ascii_alphanumeric() } else { !c.is_alphanumeric() && !is_attached(c) }
}

/// Whether a sign is an apostrophe, which joins what nobody looks up as one: `l'eau`, `don't`.
pub(super) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{ff07}')
}

pub(super) fn is_border(before: char, c: char, after: &str) -> bool {
    if before.is_numeric() != c.is_numeric() {
        return true;
    }
    if !c.is_uppercase() {
        return false;
    }
    // "HTTPServer" is cut before its "S"; the "s" of "APIs" is a plural.
    let plural = || after.starts_with('s') && after.chars().nth(1).is_none_or(is_sign);
    before.is_lowercase() || before.is_uppercase() && after.starts_with(char::is_lowercase) && !plural()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The pieces of a word, written down another way.
    pub(in super::super) fn pieces(word: &str) -> Vec<(String, u32, u32)> {
        let mut pieces = Vec::new();
        let positions = cut(word, &mut pieces);
        assert!(pieces.iter().all(|piece| piece.position + piece.width <= positions && piece.width > 0));
        pieces.iter().map(|piece| (word[piece.start..piece.end].to_owned(), piece.position, piece.width)).collect()
    }

    fn texts(word: &str) -> Vec<String> {
        pieces(word).into_iter().map(|(text, _, _)| text).collect()
    }

    #[test]
    fn identifiers_are_cut_where_people_cut_them() {
        // Catches a border missed or imagined.
        assert_eq!(texts("FY2018"), ["FY2018", "FY", "2018"]);
        assert_eq!(texts("parseHTTPHeader2"), ["parseHTTPHeader2", "parse", "HTTP", "Header", "2"]);
        assert_eq!(texts("iPhone"), ["iPhone", "i", "Phone"]);
        assert_eq!(texts("APIs"), ["APIs"]);
        assert_eq!(texts("APIs_used"), ["APIs_used", "APIs", "used"]);
        assert_eq!(texts("ÉcoleÉté"), ["ÉcoleÉté", "École", "Été"]);
        assert_eq!(texts("__report_2018_Q2"), ["report_2018_Q2", "report", "2018", "Q2", "Q", "2"]);
        assert_eq!(texts("__init__"), ["init"]);
        assert_eq!(texts("l’eau"), ["l", "eau"]);
    }

    #[test]
    fn pieces_count_the_positions_of_their_parts() {
        // Catches a part that stands elsewhere than the same word written apart.
        let of = |word| pieces(word).into_iter().map(|(_, position, width)| (position, width)).collect::<Vec<_>>();
        assert_eq!(of("ERR_CONN_RESET"), [(0, 3), (0, 1), (1, 1), (2, 1)]);
        assert_eq!(of("v1.2"), [(0, 3), (0, 2), (0, 1), (1, 1), (2, 1)]);
        assert_eq!(of("nurse's"), [(0, 1), (0, 1)]);
        assert_eq!(of("l'eau"), [(0, 1), (1, 1)]);
        assert_eq!(of("a_"), [(0, 1)]);
    }
}
