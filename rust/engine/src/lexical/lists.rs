//! Many lists of postings that grow side by side in one pool of bytes, a row at a time.
//!
//! A list is a chain of slices, each larger than the one before, so that a term of one row takes no slice and a term of
//! all rows wastes little. Within it: the first row, then for each next row its distance and the count before it.

use crate::error::{Error, Result};

/// Bytes of the slices of a list by level: the last size repeats.
const SIZES: [usize; 12] = [8, 12, 18, 26, 40, 60, 90, 134, 200, 300, 450, 676];
/// Bytes of the address that ends a slice when the next one is begun.
const ADDRESS: usize = 4;
/// No slice yet.
const NONE: u32 = u32::MAX;

/// A term's list: its last row stands here, with the count so far, and all rows before in slices.
#[derive(Clone, Copy, Debug)]
struct List {
    row: u32,
    count: u32,
    /// First slice.
    head: u32,
    /// Where the next byte goes.
    at: u32,
}

/// Postings of terms by number, rows ascending.
#[derive(Debug, Default)]
pub(super) struct Lists {
    lists: Vec<List>,
    /// A slice's last byte holds its level plus one until the slice is full, and all bytes after `at` are 0.
    pool: Vec<u8>,
}

impl Lists {
    pub(super) fn bytes_used(&self) -> usize {
        self.lists.capacity() * size_of::<List>() + self.pool.capacity()
    }

    /// Whether the lists have grown out of what addresses can reach, and the last rows may be lost.
    pub(super) fn check(&self) -> Result<()> {
        if self.pool.len() < NONE as usize {
            return Ok(());
        }
        Err(Error::invalid("the postings of one call exceed 4 GiB a thread: add fewer texts at a time"))
    }

    /// Reads where a term's next posting goes, as [`super::interner::Interner::touch`] does.
    #[inline]
    pub(super) fn touch(&self, number: u32) -> u8 {
        self.lists.get(number as usize).and_then(|list| self.pool.get(list.at as usize)).copied().unwrap_or(0)
    }

    /// Counts term `number` `count` times more in `row`; a new term has the next free number, rows never go back.
    #[inline]
    pub(super) fn add(&mut self, number: u32, row: u32, count: u32) {
        match self.lists.get_mut(number as usize) {
            Some(list) if list.row == row => list.count = list.count.saturating_add(count),
            Some(_) => self.next_row(number, row, count),
            None => self.lists.push(List { row, count, head: NONE, at: 0 }),
        }
    }

    fn next_row(&mut self, number: u32, row: u32, count: u32) {
        let before = self.lists[number as usize];
        let mut list = before;
        debug_assert!(before.row < row);
        if list.head == NONE {
            list.head = self.slice(0);
            list.at = list.head;
            self.put(&mut list, before.row);
        }
        // Rows are below 2^30: the distance has a bit to spare, which tells whether a count follows.
        let several = before.count != 1;
        self.put(&mut list, (row - before.row) << 1 | u32::from(several));
        if several {
            self.put(&mut list, before.count);
        }
        self.lists[number as usize] = List { row, count, ..list };
    }

    /// Appends a number, seven bits a byte, least significant first.
    #[inline]
    fn put(&mut self, list: &mut List, mut value: u32) {
        while value >= 0x80 {
            self.put_byte(list, value as u8 | 0x80);
            value >>= 7;
        }
        self.put_byte(list, value as u8);
    }

    #[inline]
    fn put_byte(&mut self, list: &mut List, byte: u8) {
        if self.pool[list.at as usize] != 0 {
            self.chain(list);
        }
        self.pool[list.at as usize] = byte;
        list.at += 1;
    }

    /// Begins the next slice of a full one: its last bytes move there to make room for the address.
    fn chain(&mut self, list: &mut List) {
        let full = list.at as usize;
        let next = self.slice(usize::from(self.pool[full]));
        let moved = full + 1 - ADDRESS;
        self.pool.copy_within(moved..full, next as usize);
        self.pool[moved..=full].copy_from_slice(&next.to_le_bytes());
        list.at = next + (ADDRESS - 1) as u32;
    }

    fn slice(&mut self, level: usize) -> u32 {
        let level = level.min(SIZES.len() - 1);
        // Beyond what an address can reach everything goes round in the first bytes, and `check` refuses the result.
        let Ok(start) = u32::try_from(self.pool.len()) else {
            self.pool[..SIZES[level]].fill(0);
            self.pool[SIZES[level] - 1] = (level + 1) as u8;
            return 0;
        };
        self.pool.resize(self.pool.len() + SIZES[level], 0);
        *self.pool.last_mut().expect("slices have bytes") = (level + 1) as u8;
        start
    }

    /// Appends the postings (row, count) of a term, ascending by row.
    pub(super) fn read(&self, number: u32, out: &mut Vec<(u32, u32)>) {
        let list = self.lists[number as usize];
        if list.head != NONE {
            let mut bytes = Reader::new(&self.pool, &list);
            let mut row = bytes.number();
            while row < list.row {
                let code = bytes.number();
                let count = if code & 1 == 0 { 1 } else { bytes.number() };
                out.push((row, count));
                row += code >> 1;
            }
        }
        out.push((list.row, list.count));
    }
}

/// Reads a chain of slices.
struct Reader<'a> {
    pool: &'a [u8],
    at: usize,
    /// Where the bytes of this slice end.
    end: usize,
    level: usize,
    /// Where the list ends.
    last: usize,
}

impl<'a> Reader<'a> {
    fn new(pool: &'a [u8], list: &List) -> Self {
        let mut reader = Self { pool, at: 0, end: 0, level: 0, last: list.at as usize };
        reader.enter(list.head as usize);
        reader
    }

    fn enter(&mut self, start: usize) {
        let size = SIZES[self.level.min(SIZES.len() - 1)];
        let is_last = (start..start + size).contains(&self.last);
        (self.at, self.end) = (start, if is_last { self.last } else { start + size - ADDRESS });
        self.level += 1;
    }

    #[inline]
    fn byte(&mut self) -> u8 {
        if self.at == self.end {
            let address = &self.pool[self.at..self.at + ADDRESS];
            self.enter(u32::from_le_bytes(address.try_into().expect("4 bytes")) as usize);
        }
        self.at += 1;
        self.pool[self.at - 1]
    }

    #[inline]
    fn number(&mut self) -> u32 {
        let mut byte = self.byte();
        let mut value = u32::from(byte & 0x7f);
        let mut shift = 7;
        while byte & 0x80 != 0 {
            byte = self.byte();
            value |= u32::from(byte & 0x7f) << shift;
            shift += 7;
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Catches bytes lost where a slice ends, lists that run into each other, and numbers of every width.
        #[test]
        fn lists_give_back_what_was_added(
            steps in prop::collection::vec((0u32..12, prop_oneof![9 => 0u32..3, 1 => 0u32..3_000_000], prop_oneof![9 => 1u32..3, 1 => any::<u32>()]), 0..3000),
        ) {
            let (mut lists, mut oracle) = (Lists::default(), BTreeMap::<u32, BTreeMap<u32, u32>>::new());
            let mut numbers = BTreeMap::new();
            let mut row = 0u32;
            for (term, step, count) in steps {
                row = row.saturating_add(step).min((1 << 30) - 1);
                let next = numbers.len() as u32;
                let number = *numbers.entry(term).or_insert(next);
                lists.add(number, row, count);
                let counts = oracle.entry(number).or_default();
                counts.insert(row, counts.get(&row).map_or(count, |before| before.saturating_add(count)));
            }
            lists.check().unwrap();
            for (number, rows) in oracle {
                let mut read = Vec::new();
                lists.read(number, &mut read);
                prop_assert_eq!(read, rows.into_iter().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_list_of_all_rows_wastes_little() {
        // Catches slices that do not grow, or grow too fast.
        let mut lists = Lists::default();
        (0..100_000).for_each(|row| lists.add(0, row, 1));
        let mut read = Vec::new();
        lists.read(0, &mut read);
        assert!(read.into_iter().eq((0..100_000).map(|row| (row, 1))));
        assert!(lists.pool.len() < 102_000, "{} bytes", lists.pool.len());
    }
}
