//! Dates in digits and in words, whole or in part: `2026-01-05`, `5 January 2026`, `Jan 5`, `March 2026`.

use super::numbers;
use super::tokens::{Kind, Token, plain};

/// A date; what is not given is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: u32,
    pub(super) month: u32,
    pub(super) day: u32,
    /// Day and month may as well be meant the other way round: `3/4/2026`.
    pub(super) exchangeable: bool,
}

/// The month that a word names. `may`, `march` and short forms need their capital.
fn month(raw: &str, word: &mut String) -> Option<u32> {
    plain(raw, word);
    month_number(word).filter(|_| raw.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Whether a date can begin with this word.
pub(super) fn is_month(word: &str) -> bool {
    month_number(word).is_some()
}

fn month_number(word: &str) -> Option<u32> {
    Some(match word {
        "january" | "jan" => 1,
        "february" | "feb" => 2,
        "march" | "mar" => 3,
        "april" | "apr" => 4,
        "may" => 5,
        "june" | "jun" => 6,
        "july" | "jul" => 7,
        "august" | "aug" => 8,
        "september" | "sep" | "sept" => 9,
        "october" | "oct" => 10,
        "november" | "nov" => 11,
        "december" | "dec" => 12,
        _ => return None,
    })
}

struct Reader<'r> {
    text: &'r str,
    tokens: &'r [Token],
    word: &'r mut String,
}

impl Reader<'_> {
    fn raw(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.raw(self.text))
    }

    fn is(&self, at: usize, sign: char) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(self.text, sign))
    }

    /// A token of so many digits, at most so great.
    fn digits(&self, at: usize, count: std::ops::RangeInclusive<usize>, most: u32) -> Option<u32> {
        let token = self.tokens.get(at).filter(|token| token.kind == Kind::Number)?;
        let raw = token.raw(self.text);
        let fits = count.contains(&raw.len()) && raw.bytes().all(|byte| byte.is_ascii_digit());
        if fits { raw.parse().ok().filter(|value| (1..=most).contains(value)) } else { None }
    }

    /// A day of the month with `st`, `nd`, `rd`, `th` or nothing behind, and the token after it.
    fn day(&self, at: usize) -> Option<(u32, usize)> {
        let day = self.digits(at, 1..=2, 31)?;
        let suffix = self.tokens.get(at + 1).is_some_and(|token| !token.spaced)
            && matches!(self.raw(at + 1), "st" | "nd" | "rd" | "th");
        Some((day, at + 1 + usize::from(suffix)))
    }

    fn month(&mut self, at: usize) -> Option<u32> {
        let token = self.tokens.get(at).filter(|token| token.kind == Kind::Word)?;
        month(token.raw(self.text), self.word)
    }

    /// A year with or without a comma before it; 0 if there is none.
    fn year(&self, at: usize) -> (u32, usize) {
        let place = at + usize::from(self.is(at, ',') || self.raw(at) == "of");
        match self.digits(place, 4..=4, 2999) {
            Some(year) if year >= 1000 => (year, place + 1),
            _ => (0, at),
        }
    }

    /// What comes after a month's name: a year, or nothing.
    fn month_and_year(&mut self, at: usize) -> Option<(u32, u32, usize)> {
        let month = self.month(at)?;
        let dot = usize::from(self.is(at + 1, '.') && self.raw(at).len() <= 4 && self.tokens.get(at + 2).is_some());
        let (year, next) = self.year(at + 1 + dot);
        Some((month, year, if year == 0 { at + 1 } else { next }))
    }

    /// `2026-01-05`, also with a time behind.
    fn iso(&self, at: usize) -> Option<(Date, usize)> {
        let glued = |at: usize| self.tokens.get(at).is_some_and(|token| !token.spaced);
        if !(self.is(at + 1, '-') && self.is(at + 3, '-') && (at + 1..at + 5).all(glued)) {
            return None;
        }
        let (year, month) = (self.digits(at, 4..=4, 2999)?, self.digits(at + 2, 2..=2, 12)?);
        let day = self.raw(at + 4);
        let day: u32 = day.get(..2)?.parse().ok().filter(|value| (1..=31).contains(value))?;
        Some((Date { year, month, day, exchangeable: false }, at + 5))
    }

    /// `3/4/2026`, month or day first, and `31.12.2026`.
    fn numeric(&self, at: usize) -> Option<(Date, usize)> {
        if self.raw(at).matches('.').count() == 2 {
            let mut parts = self.raw(at).split('.').map(|part| (part.len(), part.parse::<u32>().unwrap_or(0)));
            let ((a, day), (b, month), (c, year)) = (parts.next()?, parts.next()?, parts.next()?);
            let fits = a <= 2 && b <= 2 && c == 4 && (1..=31).contains(&day) && (1..=12).contains(&month);
            let date = Date { year, month, day, exchangeable: false };
            return (fits && (1000..3000).contains(&year)).then_some((date, at + 1));
        }
        if !(self.is(at + 1, '/') && self.is(at + 3, '/')) {
            return None;
        }
        let (first, second) = (self.digits(at, 1..=2, 31)?, self.digits(at + 2, 1..=2, 31)?);
        let year = self.digits(at + 4, 4..=4, 2999)?;
        let (day, month) = if second > 12 { (second, first) } else { (first, second) };
        let exchangeable = day <= 12 && month <= 12;
        (month <= 12).then_some((Date { year, month, day, exchangeable }, at + 5))
    }

    /// `5 January 2026`, `5th of January`, and the first day of `5 to 7 January 2026`.
    fn day_first(&mut self, at: usize) -> Option<(Date, usize)> {
        let (day, next) = self.day(at)?;
        let place = next + usize::from(self.raw(next) == "of");
        if let Some((month, year, next)) = self.month_and_year(place) {
            return Some((Date { year, month, day, exchangeable: false }, next));
        }
        let between = self.tokens.get(next)?;
        let range = between.is_dash(self.text) || matches!(self.raw(next), "to" | "and" | "or" | "," | "&");
        let (_, place) = self.day(next + 1).filter(|_| range)?;
        let place = place + usize::from(self.raw(place) == "of");
        let (month, year, _) = self.month_and_year(place)?;
        Some((Date { year, month, day, exchangeable: false }, next))
    }

    /// `January 5, 2026`, `January 2026`, `January`.
    fn month_first(&mut self, at: usize) -> Option<(Date, usize)> {
        let (month, year, next) = self.month_and_year(at)?;
        if year == 0 {
            let place = at + 1;
            let place = place + usize::from(self.is(place, '.') && self.raw(at).len() <= 4);
            let place = place + usize::from(self.raw(place) == "the");
            if let Some((day, next)) = self.day(place) {
                let (year, next) = self.year(next);
                return Some((Date { year, month, day, exchangeable: false }, next));
            }
        }
        Some((Date { year, month, day: 0, exchangeable: false }, next))
    }
}

/// Reads the date that begins at token `at`, and the token after it.
pub(super) fn date(text: &str, tokens: &[Token], at: usize, word: &mut String) -> Option<(Date, usize)> {
    let mut reader = Reader { text, tokens, word };
    match tokens.get(at)?.kind {
        Kind::Number => reader.iso(at).or_else(|| reader.numeric(at)).or_else(|| reader.day_first(at)),
        Kind::Word => reader.month_first(at),
        _ => None,
    }
}

/// Minutes after midnight of `14:30`, `2.30 pm`, `2 pm`; whether the half of the day is known; the token after it.
pub(super) fn time(text: &str, tokens: &[Token], at: usize, word: &mut String) -> Option<(u32, bool, usize)> {
    let token = tokens.get(at).filter(|token| token.kind == Kind::Number)?;
    let raw = token.raw(text);
    let glued = |at: usize| tokens.get(at).filter(|token| !token.spaced);
    let mut next = at + 1;
    let (mut hour, mut minute, mut colon) = (raw.parse::<u32>().ok(), 0, false);
    if let Some((first, second)) = raw.split_once('.')
        && second.len() == 2
    {
        (hour, minute) = (first.parse().ok(), second.parse().ok()?);
    } else if glued(at + 1).is_some_and(|token| token.is(text, ':'))
        && let Some(minutes) = glued(at + 2).filter(|token| token.kind == Kind::Number && token.end - token.start == 2)
    {
        (minute, colon, next) = (minutes.raw(text).parse().ok()?, true, at + 3);
    }
    let hour = hour.filter(|&hour| hour <= 24 && minute < 60)?;
    if let Some(token) = tokens.get(next).filter(|token| token.kind == Kind::Word) {
        plain(token.raw(text), word);
        if matches!(word.as_str(), "am" | "pm")
            && (1..=12).contains(&hour)
            && (token.raw(text) != "am" || colon || !token.spaced)
        {
            let hour = hour % 12 + if word == "pm" { 12 } else { 0 };
            return Some((hour * 60 + minute, true, next + 1));
        }
    }
    colon.then_some((hour * 60 + minute, hour > 12 || hour == 0, next))
}

/// The other year of `1997-98`: the second number with the first one's century.
pub(super) fn short_year(text: &str, tokens: &[Token], at: usize) -> Option<f64> {
    let raw = tokens.get(at).filter(|token| token.kind == Kind::Number && !token.spaced)?.raw(text);
    let before = tokens.get(at.checked_sub(2)?).filter(|token| token.kind == Kind::Number)?.raw(text);
    let range = tokens[at - 1].is_dash(text) || tokens[at - 1].is(text, '/');
    if !(range && raw.len() == 2 && before.len() == 4) {
        return None;
    }
    let ((year, _), (short, _)) = (numbers::value(before)?, numbers::value(raw)?);
    Some((year / 100.0).floor() * 100.0 + short).filter(|&other| other > year)
}
