//! The table that gives each distinct term a number, at one look into memory for most terms.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Terms up to so many bytes lie in the table itself.
const SHORT: usize = 11;
/// Length byte of the keys of longer terms, whose bytes have to be compared where they are stored.
const LONG: u128 = 0xff << (8 * SHORT);
/// A slot's lower bits: the key. Its upper 32 bits: the number.
const KEY: u128 = (1 << 96) - 1;

/// Numbers distinct terms in the order of their first appearance.
#[derive(Clone, Debug)]
pub(super) struct Interner {
    bytes: String,
    /// End of each term in `bytes`.
    ends: Vec<usize>,
    /// Open addressing: a term's key below its number; 0 is free, since no key is 0.
    table: Vec<u128>,
    seeds: [u64; 2],
}

impl Default for Interner {
    fn default() -> Self {
        // Keyed by chance, so that no text can be written to collide.
        let chance = RandomState::new();
        let seeds = [chance.hash_one(0u64), chance.hash_one(1u64)];
        Self { bytes: String::new(), ends: Vec::new(), table: Vec::new(), seeds }
    }
}

impl Interner {
    pub(super) fn term(&self, number: u32) -> &str {
        term_at(&self.bytes, &self.ends, number as usize)
    }

    pub(super) fn bytes_used(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>() + self.table.capacity() * size_of::<u128>()
    }

    /// All terms one after another, and where each ends.
    pub(super) fn into_terms(self) -> (String, Vec<usize>) {
        (self.bytes, self.ends)
    }

    /// Number of `term`, which is not empty: a new one if it was not seen before.
    pub(super) fn intern(&mut self, term: &str) -> u32 {
        let key = self.key(term.as_bytes());
        self.number(self.hash(key), key, term)
    }

    /// Reads the slot where a key's search begins, so that it is at hand when [`Self::number`] asks: the processor waits
    /// for several of such reads at once.
    #[inline]
    pub(super) fn touch(&self, hash: u64) -> u64 {
        self.table.get(hash as usize & self.table.len().wrapping_sub(1)).map_or(0, |&slot| slot as u64)
    }

    /// Number of the term with this hash and key; of the term itself only more than a key's bytes are looked at.
    #[inline]
    pub(super) fn number(&mut self, hash: u64, key: u128, term: &str) -> u32 {
        if self.ends.len() * 4 >= self.table.len() * 3 {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let entry = self.table[slot];
            if entry & KEY == key {
                let number = (entry >> 96) as u32;
                if key < LONG || self.term(number) == term {
                    return number;
                }
            } else if entry == 0 {
                return self.insert(slot, key, term);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn insert(&mut self, slot: usize, key: u128, term: &str) -> u32 {
        let number = u32::try_from(self.ends.len()).expect("fewer than 2^32 distinct terms fit in memory");
        self.bytes.push_str(term);
        self.ends.push(self.bytes.len());
        self.table[slot] = u128::from(number) << 96 | key;
        number
    }

    /// 96 bits, never 0: a short term's bytes and length, which are the term, or a long one's hash.
    #[inline]
    pub(super) fn key(&self, term: &[u8]) -> u128 {
        let first = |at: usize| u64::from(u32::from_le_bytes(term[at..at + 4].try_into().expect("4 bytes")));
        let length = term.len();
        let bytes = match length {
            // Reads that overlap lay the same bytes on each other.
            0..4 => {
                let (middle, last) = (length / 2, length.saturating_sub(1));
                let byte = |at: usize| u128::from(term.get(at).copied().unwrap_or(0)) << (8 * at);
                byte(0) | byte(middle) | byte(last)
            }
            4..8 => u128::from(first(0) | first(length - 4) << (8 * (length - 4))),
            8..=SHORT => u128::from(eight(term)) | u128::from(first(length - 4)) << (8 * (length - 4)),
            _ => return LONG | u128::from(self.fold(term)),
        };
        bytes | (length as u128) << (8 * SHORT)
    }

    /// Where a key's search begins.
    #[inline]
    pub(super) fn hash(&self, key: u128) -> u64 {
        mix(key as u64 ^ self.seeds[0], (key >> 64) as u64 ^ self.seeds[1])
    }

    /// Hash of a long term.
    fn fold(&self, term: &[u8]) -> u64 {
        let words = term.chunks_exact(8).map(eight);
        let folded = words.fold(self.seeds[1] ^ term.len() as u64, |hash, word| mix(hash ^ word, self.seeds[0]));
        mix(folded ^ eight(&term[term.len() - 8..]), self.seeds[0])
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(64);
        let mask = size - 1;
        for entry in std::mem::replace(&mut self.table, vec![0; size]) {
            if entry != 0 {
                let mut slot = self.hash(entry & KEY) as usize & mask;
                while self.table[slot] != 0 {
                    slot = (slot + 1) & mask;
                }
                self.table[slot] = entry;
            }
        }
    }
}

/// The term with a number, of terms that stand one after another and end at `ends`.
pub(super) fn term_at<'a>(bytes: &'a str, ends: &[usize], number: usize) -> &'a str {
    let start = if number == 0 { 0 } else { ends[number - 1] };
    &bytes[start..ends[number]]
}

fn eight(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes"))
}

/// Both halves of the product of two numbers, one laid on the other.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Catches two terms with one number, a term with two, and a name that is lost, at every length and border.
        #[test]
        fn numbers_are_those_of_a_map(terms in prop::collection::vec("[ab]{1,5}|[abé]{6,14}|a{0,40}[ab]{8}b{0,40}", 1..400)) {
            let (mut interner, mut map) = (Interner::default(), HashMap::new());
            for term in &terms {
                let next = map.len() as u32;
                prop_assert_eq!(interner.intern(term), *map.entry(term.clone()).or_insert(next));
            }
            prop_assert_eq!(interner.ends.len(), map.len());
            for (term, &number) in &map {
                prop_assert_eq!(interner.term(number), term);
            }
        }
    }

    #[test]
    fn keys_of_short_terms_tell_them_apart() {
        // Catches bytes that a key leaves out: terms that differ in one byte alone.
        let interner = Interner::default();
        for length in 1..=SHORT {
            let term = vec![b'x'; length];
            for at in 0..length {
                let mut other = term.clone();
                other[at] = b'y';
                assert_ne!(interner.key(&term), interner.key(&other), "{length} {at}");
            }
            assert_ne!(interner.key(&term), interner.key(&vec![b'x'; length + 1]));
        }
    }
}
