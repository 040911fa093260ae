//! Facts that can be checked letter by letter: numbers, quantities, dates, times and identifiers.
//!
//! A source gives a key for everything that it supports; a claim gives alternatives, each of one or two keys that one
//! source must have. A fuller statement supports a vaguer one: `5 January 2026` supports `January 2026`, `30 km`
//! supports `30`. A vaguer one supports a fuller one where nothing contradicts: `30` without any unit supports `30 km`,
//! `30 miles` does not.

use super::dates::{self, Date};
use super::keys::{Tag, key, number_key, text_key};
use super::numbers::{self, Number};
use super::tokens::{Kind, Token, plain};
use super::units::{self, Unit};

/// What an unsupported span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A number or a quantity.
    Number,
    /// A date, a month, a time of day.
    Date,
    /// An identifier: letters with digits or signs in them.
    Identifier,
    /// A word of a name.
    Name,
    /// Ordinary words.
    Words,
}

impl What {
    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::Identifier => "identifier",
            Self::Name => "name",
            Self::Words => "words",
        }
    }
}

/// A fact and the tokens that state it.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) next: usize,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Number { number: Number, unit: Option<Unit>, year: Option<f64> },
    Date(Date),
    Time { minutes: u32, certain: bool },
    Identifier(u64),
}

/// Ways in which a claim can be supported; the second key of a pair is 0 if there is none.
#[derive(Clone, Debug, Default)]
pub(super) struct Alternatives(pub(super) Vec<[u64; 2]>);

/// Reads the fact that begins at token `at`.
pub(super) fn read(text: &str, tokens: &[Token], at: usize, word: &mut String) -> Option<Fact> {
    let token = tokens.get(at)?;
    if token.kind == Kind::Word && !begins(text, tokens, at, word) {
        return None;
    }
    if let Some((next, letters)) = identifier(text, tokens, at, word) {
        return Some(Fact { next, body: Body::Identifier(letters) });
    }
    if let Some((date, next)) = dates::date(text, tokens, at, word) {
        return Some(Fact { next, body: Body::Date(date) });
    }
    if let Some((minutes, certain, next)) = dates::time(text, tokens, at, word) {
        return Some(Fact { next, body: Body::Time { minutes, certain } });
    }
    let (sign, start) = sign(text, tokens, at, word);
    let (before, start) = money_before(text, tokens, start, word);
    let mut number = numbers::number(text, tokens, start, word)?;
    if token.kind == Kind::Word && start > at && number.worded && before.is_some() {
        return None;
    }
    number.value *= sign;
    number.other *= sign;
    number.scaled = number.scaled.map(|(value, factor)| (value * sign, factor));
    let unit = match before {
        Some(unit) => Some((unit, number.next)),
        None if number.ordinal => None,
        None => units::after(text, tokens, number.next, word),
    };
    if let Some((_, next)) = unit {
        number.next = next.max(number.next);
    }
    let year = dates::short_year(text, tokens, at);
    Some(Fact { next: number.next, body: Body::Number { number, unit: unit.map(|(unit, _)| unit), year } })
}

/// Whether a fact can begin with a word: most cannot, and this is found out quickly.
fn begins(text: &str, tokens: &[Token], at: usize, word: &mut String) -> bool {
    let token = &tokens[at];
    if tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Sign && !next.spaced) {
        return true;
    }
    if token.end - token.start > 12 {
        return false;
    }
    let raw = token.raw(text);
    plain(raw, word);
    matches!(word.as_str(), "minus" | "negative")
        || numbers::is_word(word)
        || token.is_capital(text) && (dates::is_month(word) || raw == "US" || units::money(raw, word).is_some())
}

/// −1 and the token after the sign, where the number that begins at `at` is negative.
fn sign(text: &str, tokens: &[Token], at: usize, word: &mut String) -> (f64, usize) {
    let token = &tokens[at];
    let number = |at: usize, glued: bool| {
        tokens.get(at).is_some_and(|next| matches!(next.kind, Kind::Number) && !(glued && next.spaced))
    };
    // Behind a sign it is no hyphen: "。-5" is a sentence's end and a negative number.
    let hyphen = token.is(text, '-') && (token.spaced || at == 0 || tokens[at - 1].kind == Kind::Sign);
    if (hyphen || token.is(text, '−')) && number(at + 1, true) {
        return (-1.0, at + 1);
    }
    if token.kind == Kind::Word && number(at + 1, false) {
        plain(token.raw(text), word);
        if matches!(word.as_str(), "minus" | "negative") {
            return (-1.0, at + 1);
        }
    }
    (1.0, at)
}

/// A currency before an amount: `$`, `US$`, `EUR`.
fn money_before(text: &str, tokens: &[Token], at: usize, word: &mut String) -> (Option<Unit>, usize) {
    let Some(token) = tokens.get(at) else { return (None, at) };
    let amount = |at: usize| tokens.get(at).is_some_and(|token| token.kind == Kind::Number);
    if token.kind == Kind::Sign && amount(at + 1) {
        let unit = text[token.start..].chars().next().and_then(units::currency);
        return (unit, at + usize::from(unit.is_some()));
    }
    if token.kind == Kind::Word && token.end - token.start <= 3 {
        let raw = token.raw(text);
        if raw == "US" && tokens.get(at + 1).is_some_and(|next| next.is(text, '$')) && amount(at + 2) {
            return (units::currency('$'), at + 2);
        }
        if amount(at + 1) {
            plain(raw, word);
            let unit = units::money(raw, word);
            return (unit, at + usize::from(unit.is_some()));
        }
    }
    (None, at)
}

/// `QH-F3-2109`, `ERR_CONN_RESET`, `COVID-19`, `v1.2.3`, `10.0.0.1`, `F2`: the token after it, and its letters' key.
fn identifier(text: &str, tokens: &[Token], at: usize, word: &mut String) -> Option<(usize, u64)> {
    let part = |at: usize| tokens.get(at).filter(|token| token.kind != Kind::Sign);
    let first = part(at)?;
    let capitals = |token: &Token| token.kind == Kind::Word && token.raw(text).chars().all(char::is_uppercase);
    let (mut next, mut named, mut joined) = (at + 1, first.kind == Kind::Mixed, false);
    let mut capital = capitals(first) || first.kind == Kind::Mixed;
    let mut numbered = first.kind == Kind::Number;
    while next - at < 32
        && let Some(sign) = tokens.get(next).filter(|sign| !sign.spaced)
        && let Some(after) = part(next + 1).filter(|after| !after.spaced)
    {
        let underscore = sign.is(text, '_');
        let dot = sign.is(text, '.') && (named || joined) && after.kind != Kind::Word;
        // "30-day" and "mid-1990s" are words; "F-16" and "AB-1234/56" are names.
        let hyphen = sign.is(text, '-') && (after.kind != Kind::Word || capitals(after));
        let slash = sign.is(text, '/') && joined && after.kind == Kind::Number;
        if !(underscore || dot || hyphen && (capital || after.kind == Kind::Mixed || capitals(after)) || slash) {
            break;
        }
        joined |= underscore;
        named |= after.kind == Kind::Mixed;
        numbered |= after.kind == Kind::Number;
        capital |= capitals(after);
        joined |= capital && numbered;
        next += 2;
    }
    let version = first.kind == Kind::Number && next == at + 1 && {
        let raw = first.raw(text);
        numbers::value(raw).is_none() && raw.len() <= 40
    };
    if !(named || joined || version) || version && dates::date(text, tokens, at, word).is_some() {
        return None;
    }
    let end = tokens[next - 1].end;
    Some((next, letters(&text[first.start..end], word)))
}

/// Key of the letters and digits of a text.
pub(super) fn letters(raw: &str, word: &mut String) -> u64 {
    plain(raw, word);
    word.retain(char::is_alphanumeric);
    text_key(Tag::Letters, word)
}

impl Fact {
    /// What stands in a message about it.
    pub(super) fn what(&self) -> What {
        match self.body {
            Body::Number { .. } => What::Number,
            Body::Date(_) | Body::Time { .. } => What::Date,
            Body::Identifier(_) => What::Identifier,
        }
    }

    /// Whether an answer that says it claims something: `one of them`, `at first`, `a second` do not.
    pub(super) fn is_claim(&self) -> bool {
        match &self.body {
            Body::Number { number, .. } => {
                let least = if number.ordinal { 2.5 } else { 1.5 };
                !number.worded || number.value > least
            }
            _ => true,
        }
    }

    /// Visits the keys of all that a source which says this supports.
    pub(super) fn supports(&self, emit: &mut impl FnMut(u64)) {
        match &self.body {
            Body::Number { number, unit, year } => {
                if let Some((_, factor)) = number.scaled {
                    emit(number_key(Tag::Scale, 0, factor));
                }
                for value in [number.value, number.other] {
                    emit(number_key(Tag::Number, 0, value));
                    match unit {
                        Some((dimension, factor)) => emit(number_key(Tag::Quantity, *dimension, value * factor)),
                        None => emit(number_key(Tag::Bare, 0, value)),
                    }
                }
                if let Some(year) = year {
                    emit(number_key(Tag::Number, 0, *year));
                    emit(number_key(Tag::Bare, 0, *year));
                }
            }
            Body::Date(date) => date_supports(date, emit),
            Body::Time { minutes, certain } => {
                emit(key(Tag::Time, &[u64::from(*minutes)]));
                if !certain {
                    emit(key(Tag::Time, &[u64::from((minutes + 720) % 1440)]));
                }
                for number in [minutes / 60, (minutes / 60 + 11) % 12 + 1, minutes % 60] {
                    emit(number_key(Tag::Number, 0, f64::from(number)));
                }
            }
            Body::Identifier(letters) => emit(*letters),
        }
    }

    /// The ways in which a source can support a claim of this.
    pub(super) fn alternatives(&self) -> Alternatives {
        let mut ways = Vec::with_capacity(4);
        match &self.body {
            Body::Number { number, unit, year } => {
                let values = [
                    Some(number.value),
                    Some(number.other).filter(|other| other.to_bits() != number.value.to_bits()),
                    *year,
                ];
                for value in values.into_iter().flatten() {
                    match unit {
                        Some((dimension, factor)) => {
                            ways.push([number_key(Tag::Quantity, *dimension, value * factor), 0]);
                            ways.push([number_key(Tag::Bare, 0, value), 0]);
                        }
                        None => ways.push([number_key(Tag::Number, 0, value), 0]),
                    }
                }
                if let Some((value, factor)) = number.scaled {
                    let alone = match unit {
                        Some((dimension, other)) => number_key(Tag::Quantity, *dimension, value * other),
                        None => number_key(Tag::Number, 0, value),
                    };
                    ways.push([alone, number_key(Tag::Scale, 0, factor)]);
                }
            }
            Body::Date(date) => date_alternatives(date, &mut ways),
            Body::Time { minutes, certain } => {
                ways.push([key(Tag::Time, &[u64::from(*minutes)]), 0]);
                if !certain {
                    ways.push([key(Tag::Time, &[u64::from((minutes + 720) % 1440)]), 0]);
                }
            }
            Body::Identifier(letters) => ways.push([*letters, 0]),
        }
        Alternatives(ways)
    }
}

fn parts(tag: Tag, year: u32, month: u32, day: u32) -> u64 {
    key(tag, &[u64::from(year), u64::from(month), u64::from(day)])
}

fn date_supports(date: &Date, emit: &mut impl FnMut(u64)) {
    let Date { year, month, day, exchangeable } = *date;
    let readings = [(month, day), (day, month)];
    for &(month, day) in &readings[..=usize::from(exchangeable)] {
        for (year, day) in [(year, day), (year, 0), (0, day), (0, 0)] {
            emit(parts(Tag::Date, year, month, day));
        }
        if year == 0 {
            emit(parts(Tag::Yearless, 0, month, day));
            emit(parts(Tag::Yearless, 0, month, 0));
        }
    }
    for number in [year, day].into_iter().filter(|&number| number > 0) {
        emit(number_key(Tag::Number, 0, f64::from(number)));
        emit(number_key(Tag::Bare, 0, f64::from(number)));
    }
}

fn date_alternatives(date: &Date, ways: &mut Vec<[u64; 2]>) {
    let Date { year, month, day, exchangeable } = *date;
    let readings = [(month, day), (day, month)];
    for &(month, day) in &readings[..=usize::from(exchangeable)] {
        ways.push([parts(Tag::Date, year, month, day), 0]);
        if year > 0 {
            ways.push([parts(Tag::Yearless, 0, month, day), number_key(Tag::Number, 0, f64::from(year))]);
        }
    }
}
