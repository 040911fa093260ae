//! Keys: 64-bit digests of what a text contains, and which sources contain each.

/// What a key is made of, so that equal contents of different kinds never meet.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Tag {
    /// A term of the analyzer.
    Term = 1,
    /// Two terms in a row.
    Pair,
    /// Three terms in a row.
    Triple,
    /// A number, whatever its unit.
    Number,
    /// A number with its unit, in the unit of its dimension.
    Quantity,
    /// A number without a unit.
    Bare,
    /// A word that multiplies a number: `million`.
    Scale,
    /// Year, month, day; what is unknown is 0.
    Date,
    /// Month and day (0 if unknown) for which no year is given.
    Yearless,
    /// Minutes of the day.
    Time,
    /// Letters and digits of a word, an identifier, or two neighbouring words.
    Letters,
    /// Capitals that begin neighbouring words.
    Initials,
    /// The letters of an acronym.
    Acronym,
    /// What a place and the word for its people have in common.
    Place,
    /// The same, read from the word for the people.
    People,
}

/// Digest of a kind and numbers.
pub(super) fn key(tag: Tag, parts: &[u64]) -> u64 {
    parts.iter().fold(mix(tag as u64), |digest, part| mix(digest ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// Digest of a kind and letters.
pub(super) fn text_key(tag: Tag, text: &str) -> u64 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let digest = words.iter().fold(mix(tag as u64), |digest, word| {
        mix(digest ^ u64::from_le_bytes(*word).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    });
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(digest ^ u64::from_le_bytes(last).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((text.len() as u64) << 56))
}

/// Digest of a kind and a number: equal for numbers that differ by rounding alone.
pub(super) fn number_key(tag: Tag, dimension: u64, value: f64) -> u64 {
    let value = if value == 0.0 { 0.0 } else { value };
    key(tag, &[dimension, value.to_bits().wrapping_add(1 << 11) >> 12])
}

/// Every bit of the input moves about half of the output's.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Which sources contain which keys.
#[derive(Debug, Default)]
pub(super) struct Postings {
    keys: Vec<u64>,
    /// Where each key's sources begin; one more than keys.
    starts: Vec<usize>,
    sources: Vec<u32>,
}

impl Postings {
    /// Sorts what was collected, so that hostile keys cost no more than others.
    pub(super) fn new(mut collected: Vec<(u64, u32)>) -> Self {
        collected.sort_unstable();
        collected.dedup();
        let mut postings = Self { sources: Vec::with_capacity(collected.len()), ..Self::default() };
        for (key, source) in collected {
            if postings.keys.last() != Some(&key) {
                postings.keys.push(key);
                postings.starts.push(postings.sources.len());
            }
            postings.sources.push(source);
        }
        postings.starts.push(postings.sources.len());
        postings
    }

    /// The sources that contain a key, ascending.
    pub(super) fn of(&self, key: u64) -> &[u32] {
        match self.keys.binary_search(&key) {
            Ok(at) => &self.sources[self.starts[at]..self.starts[at + 1]],
            Err(_) => &[],
        }
    }
}
