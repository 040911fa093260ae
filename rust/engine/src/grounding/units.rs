//! Units of measure, by all their customary spellings, as multiples of one unit of their dimension.

use super::tokens::{Kind, Token, plain};

/// A dimension's number, and the factor to its base unit.
pub(super) type Unit = (u64, f64);

const PERCENT: Unit = (1, 1.0);
const LENGTH: u64 = 2;
const MASS: u64 = 3;
const TIME: u64 = 4;
const MONTHS: u64 = 5;
const DATA: u64 = 6;
const AREA: u64 = 7;
const VOLUME: u64 = 8;
const SPEED: u64 = 9;
const FREQUENCY: u64 = 10;
const POWER: u64 = 11;
const ENERGY: u64 = 12;
const BITS: u64 = 13;
const MONEY: u64 = 100;

/// Money that a sign stands for.
pub(super) fn currency(sign: char) -> Option<Unit> {
    let number = match sign {
        '$' => 0,
        '€' => 1,
        '£' => 2,
        '¥' => 3,
        '₹' => 4,
        '₽' => 5,
        '₩' => 6,
        _ => return None,
    };
    Some((MONEY + number, 1.0))
}

/// What else a pound is: a mass may be money and money a mass.
pub(super) fn pounds(dimension: u64, factor: f64) -> Option<Unit> {
    const MASS_OF_ONE: f64 = 0.453_592_37;
    match dimension {
        MASS if factor.to_bits() == MASS_OF_ONE.to_bits() => Some((MONEY + 2, 1.0)),
        dimension if dimension == MONEY + 2 => Some((MASS, MASS_OF_ONE)),
        _ => None,
    }
}

/// Money that a code or a name stands for.
pub(super) fn money(raw: &str, lower: &str) -> Option<Unit> {
    let number = match lower {
        "usd" | "dollar" | "dollars" | "bucks" => 0,
        "eur" | "euro" | "euros" => 1,
        "gbp" => 2,
        "yen" | "jpy" => 3,
        "inr" | "rupee" | "rupees" => 4,
        "rub" | "rouble" | "roubles" | "ruble" | "rubles" => 5,
        "krw" => 6,
        "chf" | "francs" => 7,
        "sek" => 8,
        "nok" => 9,
        "dkk" => 10,
        "cny" | "yuan" | "rmb" => 11,
        "cad" => 12,
        "aud" => 13,
        _ => return None,
    };
    // A code is written in capitals: "rub" is also a verb.
    (lower.len() > 3 || lower == "yen" || raw == raw.to_uppercase()).then_some((MONEY + number, 1.0))
}

/// The unit that one word stands for; case matters for symbols of one or two letters.
pub(super) fn unit(raw: &str, lower: &str) -> Option<Unit> {
    let symbol = match raw {
        "m" => Some((LENGTH, 1.0)),
        "s" => Some((TIME, 1.0)),
        "h" => Some((TIME, 3600.0)),
        "g" => Some((MASS, 1e-3)),
        "t" => Some((MASS, 1e3)),
        "l" | "L" => Some((VOLUME, 1.0)),
        "W" => Some((POWER, 1.0)),
        "mW" => Some((POWER, 1e-3)),
        "MW" => Some((POWER, 1e6)),
        "b" | "B" => Some((DATA, 1.0)),
        "V" => Some((20, 1.0)),
        "mV" => Some((20, 1e-3)),
        "kV" => Some((20, 1e3)),
        "A" => Some((21, 1.0)),
        "mA" => Some((21, 1e-3)),
        "µA" | "μA" => Some((21, 1e-6)),
        "K" => Some((24, 1.0)),
        "m²" | "m2" => Some((AREA, 1.0)),
        "m³" | "m3" => Some((VOLUME, 1e3)),
        "km²" | "km2" => Some((AREA, 1e6)),
        "Mbit" | "Mbps" => Some((BITS, 1e6)),
        "Gbit" | "Gbps" => Some((BITS, 1e9)),
        "kbit" | "kbps" => Some((BITS, 1e3)),
        _ => None,
    };
    let worded = || {
        Some(match lower {
            "percent" | "pct" | "percentage" => PERCENT,
            "km" | "kilometre" | "kilometres" | "kilometer" | "kilometers" => (LENGTH, 1e3),
            "metre" | "metres" | "meter" | "meters" => (LENGTH, 1.0),
            "cm" | "centimetre" | "centimetres" | "centimeter" | "centimeters" => (LENGTH, 1e-2),
            "mm" | "millimetre" | "millimetres" | "millimeter" | "millimeters" => (LENGTH, 1e-3),
            "mile" | "miles" | "mi" => (LENGTH, 1609.344),
            "ft" | "foot" | "feet" => (LENGTH, 0.3048),
            "inch" | "inches" => (LENGTH, 0.0254),
            "yard" | "yards" | "yd" => (LENGTH, 0.9144),
            "kg" | "kilo" | "kilos" | "kilogram" | "kilograms" | "kilogramme" | "kilogrammes" => (MASS, 1.0),
            "gram" | "grams" | "gramme" | "grammes" => (MASS, 1e-3),
            "mg" | "milligram" | "milligrams" => (MASS, 1e-6),
            "lb" | "lbs" | "pounds" => (MASS, 0.453_592_37),
            "oz" | "ounce" | "ounces" => (MASS, 0.028_349_523_125),
            "tonne" | "tonnes" | "ton" | "tons" => (MASS, 1e3),
            "ms" | "millisecond" | "milliseconds" => (TIME, 1e-3),
            "sec" | "secs" | "second" | "seconds" => (TIME, 1.0),
            "min" | "mins" | "minute" | "minutes" => (TIME, 60.0),
            "hr" | "hrs" | "hour" | "hours" => (TIME, 3600.0),
            "day" | "days" => (TIME, 86_400.0),
            "week" | "weeks" => (TIME, 604_800.0),
            "fortnight" | "fortnights" => (TIME, 1_209_600.0),
            "month" | "months" => (MONTHS, 1.0),
            "year" | "years" | "yr" | "yrs" => (MONTHS, 12.0),
            "decade" | "decades" => (MONTHS, 120.0),
            "century" | "centuries" => (MONTHS, 1200.0),
            "byte" | "bytes" => (DATA, 1.0),
            "kb" | "kilobyte" | "kilobytes" => (DATA, 1e3),
            "mb" | "megabyte" | "megabytes" => (DATA, 1e6),
            "gb" | "gigabyte" | "gigabytes" => (DATA, 1e9),
            "tb" | "terabyte" | "terabytes" => (DATA, 1e12),
            "kib" => (DATA, 1024.0),
            "mib" => (DATA, 1_048_576.0),
            "gib" => (DATA, 1_073_741_824.0),
            "hectare" | "hectares" | "ha" => (AREA, 1e4),
            "acre" | "acres" => (AREA, 4_046.856_422_4),
            "litre" | "litres" | "liter" | "liters" => (VOLUME, 1.0),
            "ml" | "millilitre" | "millilitres" | "milliliter" | "milliliters" => (VOLUME, 1e-3),
            "mph" => (SPEED, 1609.344),
            "kmh" | "kph" => (SPEED, 1e3),
            "hz" | "hertz" => (FREQUENCY, 1.0),
            "khz" | "kilohertz" => (FREQUENCY, 1e3),
            "mhz" | "megahertz" => (FREQUENCY, 1e6),
            "ghz" | "gigahertz" => (FREQUENCY, 1e9),
            "watt" | "watts" => (POWER, 1.0),
            "kw" | "kilowatt" | "kilowatts" => (POWER, 1e3),
            "megawatt" | "megawatts" => (POWER, 1e6),
            "wh" => (ENERGY, 1.0),
            "kwh" => (ENERGY, 1e3),
            "mwh" => (ENERGY, 1e6),
            "volt" | "volts" => (20, 1.0),
            "ampere" | "amperes" | "amps" | "amp" => (21, 1.0),
            "mah" => (22, 1.0),
            "ppm" => (23, 1.0),
            "celsius" | "centigrade" => (25, 1.0),
            "fahrenheit" => (26, 1.0),
            "dbm" => (27, 1.0),
            _ => return None,
        })
    };
    symbol.or_else(worded).or_else(|| money(raw, lower))
}

/// The unit that begins at token `at`, if any, and the token after it.
pub(super) fn after(text: &str, tokens: &[Token], at: usize, word: &mut String) -> Option<(Unit, usize)> {
    let token = tokens.get(at)?;
    if token.kind == Kind::Sign {
        return match text[token.start..].chars().next()? {
            '%' => Some((PERCENT, at + 1)),
            '‰' => Some(((1, 0.1), at + 1)),
            '°' | 'º' => degrees(text, tokens, at + 1),
            '℃' => Some(((25, 1.0), at + 1)),
            '℉' => Some(((26, 1.0), at + 1)),
            // "30-day", "5-kilometre"
            _ if token.is_dash(text) && !token.spaced && tokens.get(at + 1).is_some_and(|next| !next.spaced) => {
                let next = tokens.get(at + 1)?;
                plain(next.raw(text), word);
                unit(next.raw(text), word).filter(|_| word.len() > 1).map(|unit| (unit, at + 2))
            }
            sign => currency(sign).filter(|_| !token.spaced || !follows_digit(tokens, at)).map(|unit| (unit, at + 1)),
        };
    }
    let raw = token.raw(text);
    plain(raw, word);
    let second = |place: usize| tokens.get(place).filter(|token| token.kind != Kind::Sign).map(|token| token.raw(text));
    match word.as_str() {
        "per" if second(at + 1) == Some("cent") => return Some((PERCENT, at + 2)),
        "degree" | "degrees" => return degrees(text, tokens, at + 1),
        "percentage" if matches!(second(at + 1), Some("point" | "points")) => return Some((PERCENT, at + 2)),
        "sq" | "square" => {
            let next = tokens.get(at + 1)?;
            plain(next.raw(text), word);
            let (dimension, factor) = unit(next.raw(text), word)?;
            return (dimension == LENGTH).then_some(((AREA, factor * factor), at + 2));
        }
        "cubic" => {
            let next = tokens.get(at + 1)?;
            plain(next.raw(text), word);
            let (dimension, factor) = unit(next.raw(text), word)?;
            return (dimension == LENGTH).then_some(((VOLUME, factor * factor * factor * 1e3), at + 2));
        }
        "us" if tokens.get(at + 1).is_some_and(|next| next.is(text, '$')) => return Some(((MONEY, 1.0), at + 2)),
        "us" if matches!(second(at + 1), Some("dollars" | "dollar")) => return Some(((MONEY, 1.0), at + 2)),
        _ => {}
    }
    let found = unit(raw, word)?;
    if found.0 == LENGTH {
        let per = |place: usize| tokens.get(place).is_some_and(|token| token.is(text, '/') || token.raw(text) == "per");
        if per(at + 1) && matches!(second(at + 2), Some("h" | "hour" | "hr")) {
            return Some(((SPEED, found.1), at + 3));
        }
    }
    Some((found, at + 1))
}

/// Whether the token after `at` is a number: its currency sign is then the next amount's.
fn follows_digit(tokens: &[Token], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Number && !next.spaced)
}

fn degrees(text: &str, tokens: &[Token], at: usize) -> Option<(Unit, usize)> {
    match tokens.get(at).map(|token| token.raw(text)) {
        Some("C" | "Celsius" | "celsius" | "centigrade") => Some(((25, 1.0), at + 1)),
        Some("F" | "Fahrenheit" | "fahrenheit") => Some(((26, 1.0), at + 1)),
        _ => None,
    }
}
