//! Numbers however they are written: `1,000`, `1000`, `one thousand`; `3.50`, `3,5`, `½`; `5 million`; `21st`.

use super::tokens::{Kind, Token, fraction, plain};

/// A number read from tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    /// What it most likely means.
    pub(super) value: f64,
    /// What it means where comma and point change places, else the same.
    pub(super) other: f64,
    /// The word that multiplies it, and the value before: in `$5 to $7 million` only the last has it.
    pub(super) scaled: Option<(f64, f64)>,
    /// Token after the last.
    pub(super) next: usize,
    /// Written in letters.
    pub(super) worded: bool,
    /// `21st`, `third`.
    pub(super) ordinal: bool,
}

/// What a word for a number does.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Small(f64),
    Tens(f64),
    Hundred,
    Scale(f64),
    Ordinal(f64),
}

/// Power of ten of a word such as `million`, or of its short form.
pub(super) fn scale(word: &str) -> Option<f64> {
    Some(match word {
        "thousand" | "thousands" | "k" => 1e3,
        "million" | "millions" | "mn" | "mio" => 1e6,
        "billion" | "billions" | "bn" => 1e9,
        "trillion" | "trillions" | "tn" => 1e12,
        "lakh" | "lakhs" => 1e5,
        "crore" | "crores" => 1e7,
        _ => return None,
    })
}

fn part(word: &str) -> Option<Part> {
    use Part::{Hundred, Ordinal, Small, Tens};
    Some(match word {
        "zero" => Small(0.0),
        "one" => Small(1.0),
        "two" => Small(2.0),
        "three" => Small(3.0),
        "four" => Small(4.0),
        "five" => Small(5.0),
        "six" => Small(6.0),
        "seven" => Small(7.0),
        "eight" => Small(8.0),
        "nine" => Small(9.0),
        "ten" => Small(10.0),
        "eleven" => Small(11.0),
        "twelve" | "dozen" => Small(12.0),
        "thirteen" => Small(13.0),
        "fourteen" => Small(14.0),
        "fifteen" => Small(15.0),
        "sixteen" => Small(16.0),
        "seventeen" => Small(17.0),
        "eighteen" => Small(18.0),
        "nineteen" => Small(19.0),
        "twenty" => Tens(20.0),
        "thirty" => Tens(30.0),
        "forty" | "fourty" => Tens(40.0),
        "fifty" => Tens(50.0),
        "sixty" => Tens(60.0),
        "seventy" => Tens(70.0),
        "eighty" => Tens(80.0),
        "ninety" => Tens(90.0),
        "hundred" => Hundred,
        "first" => Ordinal(1.0),
        "second" => Ordinal(2.0),
        "third" => Ordinal(3.0),
        "fourth" => Ordinal(4.0),
        "fifth" => Ordinal(5.0),
        "sixth" => Ordinal(6.0),
        "seventh" => Ordinal(7.0),
        "eighth" => Ordinal(8.0),
        "ninth" => Ordinal(9.0),
        "tenth" => Ordinal(10.0),
        "eleventh" => Ordinal(11.0),
        "twelfth" => Ordinal(12.0),
        "thirteenth" => Ordinal(13.0),
        "fourteenth" => Ordinal(14.0),
        "fifteenth" => Ordinal(15.0),
        "sixteenth" => Ordinal(16.0),
        "seventeenth" => Ordinal(17.0),
        "eighteenth" => Ordinal(18.0),
        "nineteenth" => Ordinal(19.0),
        "twentieth" => Ordinal(20.0),
        _ => return scale(word).filter(|_| word.len() > 2 && !word.ends_with('s')).map(Part::Scale),
    })
}

/// Whether a number can begin with this word.
pub(super) fn is_word(word: &str) -> bool {
    part(word).is_some()
}

/// A number that a word implies without naming it: `both`, `twice`, `decade`.
pub(super) fn implied(word: &str) -> Option<f64> {
    Some(match word {
        "once" | "single" | "sole" | "only" | "alone" | "a" | "an" | "another" | "each" => 1.0,
        "both" | "twice" | "pair" | "couple" | "double" | "twin" | "dual" | "duo" | "half" | "either" | "former"
        | "latter" | "bi" => 2.0,
        "thrice" | "triple" | "trio" | "trilogy" | "thirds" => 3.0,
        "quarter" | "quarterly" | "quadruple" | "quartet" | "fourths" => 4.0,
        "quintet" => 5.0,
        "decade" | "decades" => 10.0,
        "dozens" => 12.0,
        "century" | "centuries" | "hundreds" => 100.0,
        "millennium" | "thousands" => 1000.0,
        _ => return None,
    })
}

/// The value of a token of digits: the likely one, and the one with comma and point exchanged.
pub(super) fn value(raw: &str) -> Option<(f64, f64)> {
    if raw.len() > 40 {
        return None;
    }
    let parsed = |digits: &str| digits.parse::<f64>().ok();
    let bare: String = raw.chars().filter(|c| c.is_ascii_digit() || matches!(c, ',' | '.')).collect();
    let same = |value: Option<f64>| value.map(|value| (value, value));
    let (commas, points) = (bare.matches(',').count(), bare.matches('.').count());
    let last = bare.rfind([',', '.']).map_or(0, |at| bare.len() - at - 1);
    match (commas, points) {
        (0, 0) => same(parsed(&bare)),
        (0, 1) | (1, 0) => {
            let (decimal, joined) = (parsed(&bare.replace(',', "."))?, parsed(&bare.replace([',', '.'], ""))?);
            match (commas, last) {
                (1, 3) => Some((joined, decimal)),
                (0, 3) if !bare.starts_with('0') => Some((decimal, joined)),
                _ => Some((decimal, decimal)),
            }
        }
        (_, 0) | (0, _) => {
            let groups = bare.split([',', '.']).skip(1).all(|group| group.len() == 3);
            if groups { same(parsed(&bare.replace([',', '.'], ""))) } else { None }
        }
        (_, 1) if bare.rfind(',') < bare.find('.') => same(parsed(&bare.replace(',', ""))),
        (1, _) if bare.rfind('.') < bare.find(',') => same(parsed(&bare.replace('.', "").replace(',', "."))),
        _ => None,
    }
}

/// Reads the number that begins at token `at`, in digits or in letters, with what multiplies it.
pub(super) fn number(text: &str, tokens: &[Token], at: usize, word: &mut String) -> Option<Number> {
    let token = tokens.get(at)?;
    let mut read = match token.kind {
        Kind::Number => {
            let (value, other) = value(token.raw(text))?;
            Number { value, other, scaled: None, next: at + 1, worded: false, ordinal: false }
        }
        Kind::Sign => {
            let value = fraction(text[token.start..].chars().next()?)?;
            Number { value, other: value, scaled: None, next: at + 1, worded: false, ordinal: false }
        }
        Kind::Word => return words(text, tokens, at, word),
        Kind::Mixed => return None,
    };
    if let Some(token) = tokens.get(read.next).filter(|token| token.kind == Kind::Sign && !token.spaced)
        && let Some(part) = text[token.start..].chars().next().and_then(fraction)
    {
        read = Number { value: read.value + part, other: read.value + part, next: read.next + 1, ..read };
    }
    // "5-million" too.
    let dash = tokens.get(read.next).is_some_and(|token| !token.spaced && token.is_dash(text));
    if let Some(token) = tokens.get(read.next + usize::from(dash)).filter(|token| token.kind == Kind::Word) {
        plain(token.raw(text), word);
        if !token.spaced && !dash && matches!(word.as_str(), "st" | "nd" | "rd" | "th" | "s") {
            return Some(Number { next: read.next + 1, ordinal: word != "s", ..read });
        }
        let short_and_apart = word.len() <= 2 && token.spaced;
        if let Some(factor) = scale(word).filter(|_| !short_and_apart) {
            let next = read.next + usize::from(dash) + 1;
            let scaled = Some((read.value, factor));
            read = Number { value: read.value * factor, other: read.other * factor, scaled, next, ..read };
        }
    }
    Some(read)
}

/// `twenty-one`, `two hundred and five`, `a million`, `forty-second`.
fn words(text: &str, tokens: &[Token], at: usize, word: &mut String) -> Option<Number> {
    let (mut total, mut current, mut last) = (0.0, 0.0, None);
    let (mut next, mut ordinal) = (at, false);
    let mut place = at;
    while let Some(token) = tokens.get(place).filter(|token| token.kind == Kind::Word && token.end - token.start <= 12)
    {
        plain(token.raw(text), word);
        let Some(part) = part(word) else { break };
        match (part, last) {
            (Part::Small(value), None | Some(Part::Hundred | Part::Scale(_))) => current += value,
            (Part::Small(value), Some(Part::Tens(_))) if value < 10.0 => current += value,
            (Part::Tens(value), None | Some(Part::Hundred | Part::Scale(_))) => current += value,
            (Part::Ordinal(value), None | Some(Part::Hundred | Part::Scale(_))) => {
                (current, ordinal) = (current + value, true)
            }
            (Part::Ordinal(value), Some(Part::Tens(_))) if value < 10.0 => (current, ordinal) = (current + value, true),
            (Part::Hundred, None) => current = 100.0,
            (Part::Hundred, Some(Part::Small(_))) => current *= 100.0,
            (Part::Scale(factor), None) => total = factor,
            (Part::Scale(factor), Some(Part::Small(_) | Part::Tens(_) | Part::Hundred)) => {
                total += current * factor;
                current = 0.0;
            }
            _ => break,
        }
        (last, next) = (Some(part), place + 1);
        if ordinal {
            break;
        }
        place = next;
        let joined = tokens.get(place).is_some_and(|token| !token.spaced && token.is_dash(text));
        let and = matches!(last, Some(Part::Hundred | Part::Scale(_)))
            && tokens.get(place).is_some_and(|token| token.raw(text) == "and");
        place += usize::from(joined || and);
    }
    last?;
    let value = total + current;
    Some(Number { value, other: value, scaled: None, next, worded: true, ordinal })
}
