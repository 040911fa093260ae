//! A set of rows as one bit per row: what filters, deletes and access lists become before a search.

/// The ids that may be found, of rows that have numbers of the user's.
#[derive(Clone, Copy, Debug)]
pub enum Passing<'a> {
    /// These.
    Ids(&'a [i64]),
    /// Those whose bit is set: 64 ids a word, from 0 on, least significant first.
    Bits(&'a [u64]),
}

impl Passing<'_> {
    /// Visits them.
    pub fn for_each(self, mut visit: impl FnMut(i64)) {
        match self {
            Self::Ids(ids) => ids.iter().copied().for_each(visit),
            Self::Bits(words) => {
                for (index, &word) in words.iter().enumerate() {
                    let mut left = word;
                    while left != 0 {
                        visit(((index as u64 * 64) | u64::from(left.trailing_zeros())).cast_signed());
                        left &= left - 1;
                    }
                }
            }
        }
    }

    /// The rows that have one of them, where row r has the id `ids[r]` and ids ascend.
    pub fn rows(self, ids: &[i64]) -> Bitmap {
        let len = ids.len() as u32;
        let numbered_by_row = ids.last().is_none_or(|&last| last as usize == ids.len() - 1);
        match self {
            Self::Bits(words) if numbered_by_row => Bitmap::of_first(words, len),
            Self::Ids(passing) if numbered_by_row => {
                let mut rows = Bitmap::empty(len);
                passing
                    .iter()
                    .filter_map(|&id| u32::try_from(id).ok())
                    .filter(|&row| row < len)
                    .for_each(|row| rows.insert(row));
                rows
            }
            _ => {
                let mut rows = Bitmap::empty(len);
                self.for_each(|id| {
                    if let Ok(row) = ids.binary_search(&id) {
                        rows.insert(row as u32);
                    }
                });
                rows
            }
        }
    }
}

/// Fixed-size set of rows `0..len`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    len: u32,
    words: Vec<u64>,
}

impl Bitmap {
    /// A set over `len` rows with none of them in it.
    pub fn empty(len: u32) -> Self {
        Self { len, words: vec![0; (len as usize).div_ceil(64)] }
    }

    /// A set over `len` rows with all of them in it.
    pub fn full(len: u32) -> Self {
        let mut bitmap = Self::empty(len);
        bitmap.insert_range(0, len);
        bitmap
    }

    /// Rebuilds a set from its words; `None` if their number does not fit `len` or a bit beyond `len` is set.
    pub fn from_words(len: u32, words: Vec<u64>) -> Option<Self> {
        let tail = len % 64;
        let clean = tail == 0 || words.last().is_none_or(|&word| word >> tail == 0);
        (words.len() == (len as usize).div_ceil(64) && clean).then_some(Self { len, words })
    }

    /// The first `len` of some bits, 64 a word, least significant first; bits that are not there are not set.
    pub fn of_first(words: &[u64], len: u32) -> Self {
        let mut words: Vec<u64> =
            words.iter().copied().chain(std::iter::repeat(0)).take(len.div_ceil(64) as usize).collect();
        if let (Some(last), true) = (words.last_mut(), !len.is_multiple_of(64)) {
            *last &= (1 << (len % 64)) - 1;
        }
        Self { len, words }
    }

    /// Number of rows that the set ranges over.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether no row is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The bits, 64 rows a word, least significant first.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether `row` is in the set; a row beyond the end is not.
    #[inline]
    pub fn contains(&self, row: u32) -> bool {
        self.words.get(row as usize / 64).is_some_and(|&word| word >> (row % 64) & 1 == 1)
    }

    /// Adds `row`, which must be below `len`.
    #[inline]
    pub fn insert(&mut self, row: u32) {
        assert!(row < self.len, "row {row} is outside a bitmap of {} rows", self.len);
        self.words[row as usize / 64] |= 1 << (row % 64);
    }

    /// Takes `row` out; a row beyond the end is not in.
    #[inline]
    pub fn remove(&mut self, row: u32) {
        if let Some(word) = self.words.get_mut(row as usize / 64) {
            *word &= !(1 << (row % 64));
        }
    }

    /// The 64 rows from `first` on as one word, least significant first; rows beyond the end are not in.
    #[inline]
    pub fn word_at(&self, first: u64) -> u64 {
        let (index, shift) = ((first / 64) as usize, first % 64);
        let word = |index: usize| self.words.get(index).copied().unwrap_or(0);
        if shift == 0 { word(index) } else { word(index) >> shift | word(index + 1) << (64 - shift) }
    }

    /// Adds the rows `start..end`.
    pub fn insert_range(&mut self, start: u32, end: u32) {
        assert!(end <= self.len, "row {end} is outside a bitmap of {} rows", self.len);
        let mut row = start;
        while row < end {
            let bit = row % 64;
            let count = (64 - bit).min(end - row);
            let ones = if count == 64 { u64::MAX } else { (1 << count) - 1 };
            self.words[row as usize / 64] |= ones << bit;
            row += count;
        }
    }

    /// Number of rows in the set.
    pub fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// The rows in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            std::iter::successors((word != 0).then_some(word), |word| {
                let rest = word & (word - 1);
                (rest != 0).then_some(rest)
            })
            .map(move |word| index as u32 * 64 + word.trailing_zeros())
        })
    }

    /// Keeps the rows that are in `other` too.
    pub fn intersect(&mut self, other: &Self) {
        self.zip(other, |mine, theirs| mine & theirs);
    }

    /// Adds the rows of `other`.
    pub fn unite(&mut self, other: &Self) {
        self.zip(other, |mine, theirs| mine | theirs);
    }

    /// Removes the rows of `other`.
    pub fn subtract(&mut self, other: &Self) {
        self.zip(other, |mine, theirs| mine & !theirs);
    }

    /// Swaps the rows inside the set with those outside.
    pub fn invert(&mut self) {
        let mut all = Self::full(self.len);
        all.subtract(self);
        *self = all;
    }

    fn zip(&mut self, other: &Self, combine: impl Fn(u64, u64) -> u64) {
        assert_eq!(self.len, other.len, "bitmaps of different lengths");
        for (mine, &theirs) in self.words.iter_mut().zip(&other.words) {
            *mine = combine(*mine, theirs);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Catches a wrong shift or mask at a word's border in any operation.
        #[test]
        fn agrees_with_a_set(len in 1u32..300, rows in prop::collection::vec(0u32..300, 0..60), start in 0u32..300, size in 0u32..300) {
            let mut bitmap = Bitmap::empty(len);
            let mut set = BTreeSet::new();
            for row in rows.into_iter().filter(|&row| row < len) {
                bitmap.insert(row);
                set.insert(row);
            }
            let (start, end) = (start.min(len), (start + size).min(len));
            let mut range = Bitmap::empty(len);
            range.insert_range(start, end);
            prop_assert_eq!(range.iter().collect::<Vec<_>>(), (start..end).collect::<Vec<_>>());
            prop_assert_eq!(bitmap.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(bitmap.count() as usize, set.len());
            let word = bitmap.word_at(u64::from(start));
            prop_assert!((0..64).all(|bit| (word >> bit & 1 == 1) == set.contains(&(start + bit))));
            if let Some(row) = set.pop_first() {
                bitmap.remove(row);
            }
            bitmap.remove(len);
            bitmap.invert();
            prop_assert!((0..len).all(|row| bitmap.contains(row) != set.contains(&row)));
            bitmap.subtract(&range);
            prop_assert!((0..len).all(|row| bitmap.contains(row) == (!set.contains(&row) && !(start..end).contains(&row))));
        }
    }
}
