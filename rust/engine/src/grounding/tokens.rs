//! Text to words, numbers, identifiers and signs, with case and places kept: what facts are read from.

use crate::lexical::{fold, is_attached};

/// What a token is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters, with apostrophes inside; also an acronym with dots.
    Word,
    /// ASCII digits with separators inside.
    Number,
    /// Letters and digits together: `F2`, `CO₂`, `0x80`.
    Mixed,
    /// One character that is none of these and no space.
    Sign,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// First byte.
    pub(super) start: usize,
    /// Byte after the last.
    pub(super) end: usize,
    pub(super) kind: Kind,
    /// Whether a space stands before it, or nothing at all.
    pub(super) spaced: bool,
}

impl Token {
    /// The token as it is written.
    pub(super) fn raw<'t>(&self, text: &'t str) -> &'t str {
        &text[self.start..self.end]
    }

    /// Whether the token is this sign.
    pub(super) fn is(&self, text: &str, sign: char) -> bool {
        self.kind == Kind::Sign && text[self.start..].starts_with(sign)
    }

    /// Whether it is a hyphen, a dash or a minus.
    pub(super) fn is_dash(&self, text: &str) -> bool {
        self.kind == Kind::Sign
            && matches!(text[self.start..].chars().next(), Some('-' | '\u{2010}'..='\u{2015}' | '−'))
    }

    /// Whether it begins with a capital letter.
    pub(super) fn is_capital(&self, text: &str) -> bool {
        self.kind != Kind::Sign && text[self.start..].chars().next().is_some_and(char::is_uppercase)
    }
}

/// Separators of thousands that are never decimal signs.
fn is_grouping(c: char) -> bool {
    matches!(c, '\'' | '’' | '\u{a0}' | '\u{202f}' | '\u{2009}')
}

fn digits(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// End of the number whose first digit is at `start`: `1,000.50`, `3,5`, `1 000` with a no-break space, `10.0.0.1`.
fn number_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut end = start + digits(bytes, start);
    let mut separators = 0;
    while let Some(sign) = text[end..].chars().next() {
        let after = end + sign.len_utf8();
        let count = if after < bytes.len() { digits(bytes, after) } else { 0 };
        let goes_on = match sign {
            '.' => count > 0,
            // "1,2,3" is a list; "3,5" may be a decimal comma.
            ',' => count == 3 || (separators == 0 && (1..=2).contains(&count) && !continues_list(bytes, after + count)),
            sign if is_grouping(sign) => count == 3 && end - start <= 3 + separators * 4,
            _ => false,
        };
        if !goes_on {
            break;
        }
        separators += 1;
        end = after + count;
    }
    end
}

fn continues_list(bytes: &[u8], at: usize) -> bool {
    bytes.get(at) == Some(&b',') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
}

/// Letters that may follow a number without a space and leave it a number.
fn is_suffix(letters: &str) -> bool {
    let mut lower = String::new();
    fold(letters, &mut lower);
    matches!(lower.as_str(), "st" | "nd" | "rd" | "th" | "s" | "x" | "am" | "pm")
        || super::numbers::scale(&lower).is_some()
        || super::units::unit(letters, &lower).is_some()
}

/// Whether `c` can stand in a word.
fn is_inside(c: char) -> bool {
    c.is_alphanumeric() || is_attached(c)
}

/// Value of a fraction in one character.
pub(super) fn fraction(c: char) -> Option<f64> {
    Some(match c {
        '½' => 0.5,
        '¼' => 0.25,
        '¾' => 0.75,
        '⅓' => 1.0 / 3.0,
        '⅔' => 2.0 / 3.0,
        _ => return None,
    })
}

/// End of the word that starts at `start`, apostrophes inside included, and whether it has digits.
fn word_end(text: &str, start: usize) -> (usize, bool) {
    let (mut end, mut mixed) = (start, false);
    let mut rest = text[start..].char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let apostrophe = matches!(c, '\'' | '’')
            && at > 0
            && rest.peek().is_some_and(|&(_, next)| next.is_alphabetic())
            && text[start..start + at].chars().next_back().is_some_and(char::is_alphabetic);
        if !apostrophe && (!is_inside(c) || fraction(c).is_some()) {
            break;
        }
        mixed |= c.is_numeric();
        end = start + at + c.len_utf8();
    }
    (end, mixed)
}

/// End of an acronym with dots, `U.S.` or `e.g.`: single letters, a dot behind each, at least two.
fn dotted_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = start;
    while bytes.get(at).is_some_and(u8::is_ascii_alphabetic) && bytes.get(at + 1) == Some(&b'.') {
        at += 2;
    }
    let last =
        bytes.get(at).is_some_and(u8::is_ascii_alphabetic) && !text[at + 1..].chars().next().is_some_and(is_inside);
    let inside = bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    match (at - start) / 2 {
        0 => None,
        1 if !last => None,
        _ if last => Some(at + 1),
        // "U.S.Army": the dot belongs to something else.
        _ if inside => None,
        _ => Some(at),
    }
}

/// Appends the tokens of `text` from byte `from` to byte `to`, in order.
pub(super) fn scan(text: &str, from: usize, to: usize, tokens: &mut Vec<Token>) {
    let text = &text[..to];
    let (mut at, mut spaced) = (from, true);
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            spaced = true;
            at += c.len_utf8();
            continue;
        }
        let (end, kind) = token(text, at, c);
        tokens.push(Token { start: at, end, kind, spaced });
        spaced = false;
        at = end;
    }
}

fn token(text: &str, at: usize, c: char) -> (usize, Kind) {
    if c.is_ascii_digit() {
        let end = number_end(text, at);
        let next = text[end..].chars().next().is_some_and(is_inside);
        if next && fraction(text[end..].chars().next().unwrap_or(' ')).is_none() {
            let (last, mixed) = word_end(text, end);
            let plain = text[at..end].bytes().all(|byte| byte.is_ascii_digit());
            if plain && !is_suffix(&text[end..last]) && !(mixed && last - end > 64) {
                return (last, Kind::Mixed);
            }
        }
        return (end, Kind::Number);
    }
    if fraction(c).is_some() || !is_inside(c) {
        return (at + c.len_utf8(), Kind::Sign);
    }
    if c.is_ascii_alphabetic()
        && let Some(end) = dotted_end(text, at)
    {
        return (end, Kind::Word);
    }
    let (end, mixed) = word_end(text, at);
    (end, if mixed { Kind::Mixed } else { Kind::Word })
}

/// Lower-case letters and digits of a token, without diacritics, dots and a possessive's ending.
pub(super) fn plain(raw: &str, out: &mut String) {
    out.clear();
    let raw = raw.strip_suffix("'s").or_else(|| raw.strip_suffix("’s")).unwrap_or(raw);
    fold(raw, out);
    if out.bytes().any(|byte| matches!(byte, b'.' | b'\'')) || !out.is_ascii() {
        out.retain(|c| !matches!(c, '.' | '\'' | '’'));
    }
}
