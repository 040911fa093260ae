//! Where the terms of rows stand: for each posting the places of its term in its row, optional in a file.
//!
//! Two sections. `lex.positions` has one record for each term, in the order of the dictionary: its length in bytes
//! (LEB128), then, for each 128th posting after the first, the offset of its places behind these offsets (u32), then
//! the places of all postings. The places of a posting are as many numbers as its count says, the first as it is, the
//! others less the one before. A number below 248 is one byte; below 2,040 two, the first 248 + (n - 248) / 256, the
//! second (n - 248) mod 256; any other is 255 and four bytes. `lex.positions.starts` has the offset of every 16th record.
//!
//! So a place takes one byte in rows of usual length, and a merge copies places without looking at any text.

use std::sync::Arc;

use super::dictionary::TermId;
use super::reader::Lexical;
use crate::error::{Error, Result};
use crate::storage::frame::{Column, Frame, FrameWriter};

/// Records between two entries of `lex.positions.starts`.
const GROUP: usize = 16;
/// Postings between two offsets in a record.
const SKIP: usize = 128;
const ONE_BYTE: u32 = 248;
const TWO_BYTES: u32 = ONE_BYTE + 7 * 256;
const FOUR_BYTES: u8 = 255;

/// Writes the places of postings, term by term.
#[derive(Debug, Default)]
pub struct PositionsWriter {
    bytes: Vec<u8>,
    starts: Vec<u64>,
    terms: usize,
    places: Vec<u8>,
    skips: Vec<u32>,
}

impl PositionsWriter {
    /// Adds a term: for each of its postings, in order, its places, at least one and ascending; parts of one word may share a place.
    pub fn push<'a>(&mut self, postings: impl IntoIterator<Item = &'a [u32]>) -> Result<()> {
        self.places.clear();
        self.skips.clear();
        for (ordinal, places) in postings.into_iter().enumerate() {
            if ordinal > 0 && ordinal.is_multiple_of(SKIP) {
                let offset = u32::try_from(self.places.len());
                self.skips.push(offset.map_err(|_| Error::invalid("a term has more than 4 GiB of places"))?);
            }
            if places.is_empty() || !places.is_sorted() {
                return Err(Error::invalid("places of a posting must be ascending, and at least one"));
            }
            let mut before = 0;
            for &place in places {
                write_number(place - before, &mut self.places);
                before = place;
            }
        }
        if self.terms.is_multiple_of(GROUP) {
            self.starts.push(self.bytes.len() as u64);
        }
        self.terms += 1;
        let mut length = (self.places.len() + 4 * self.skips.len()) as u64;
        while length >= 128 {
            self.bytes.push(length as u8 | 128);
            length >>= 7;
        }
        self.bytes.push(length as u8);
        for skip in &self.skips {
            self.bytes.extend_from_slice(&skip.to_le_bytes());
        }
        self.bytes.extend_from_slice(&self.places);
        Ok(())
    }

    /// Writes both sections.
    pub fn finish(self, frame: &mut FrameWriter) -> Result<()> {
        frame.section("lex.positions.starts", &self.starts)?;
        frame.section("lex.positions", &self.bytes)
    }
}

fn write_number(number: u32, out: &mut Vec<u8>) {
    if number < ONE_BYTE {
        out.push(number as u8);
    } else if number < TWO_BYTES {
        let rest = number - ONE_BYTE;
        out.extend_from_slice(&[(ONE_BYTE + rest / 256) as u8, (rest % 256) as u8]);
    } else {
        out.push(FOUR_BYTES);
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// The number at the front of `bytes`, which is moved behind it.
#[inline]
fn read_number(bytes: &mut &[u8]) -> Option<u32> {
    let (&first, rest) = bytes.split_first()?;
    if u32::from(first) < ONE_BYTE {
        *bytes = rest;
        return Some(u32::from(first));
    }
    if first < FOUR_BYTES {
        let (&second, rest) = rest.split_first()?;
        *bytes = rest;
        return Some(ONE_BYTE + (u32::from(first) - ONE_BYTE) * 256 + u32::from(second));
    }
    let (number, rest) = rest.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*number))
}

/// The places of one file's postings.
#[derive(Clone, Debug)]
pub struct Positions {
    frame: Arc<Frame>,
    bytes: Column<u8>,
    starts: Column<u64>,
    terms: usize,
}

impl Positions {
    /// Opens the sections of the file that `lexical` is in.
    pub fn open(frame: &Arc<Frame>, lexical: &Lexical) -> Result<Self> {
        let terms = lexical.term_count() as usize;
        let starts = frame.column_of("lex.positions.starts", terms.div_ceil(GROUP))?;
        Ok(Self { frame: Arc::clone(frame), bytes: frame.column("lex.positions")?, starts, terms })
    }

    /// Places of a term, `postings` being all of its postings, (row, count) in order.
    pub fn of<'a>(&'a self, term: TermId, postings: &'a [(u32, u32)]) -> Result<TermPositions<'a>> {
        let number = term.0 as usize;
        if number >= self.terms {
            return Err(Error::invalid(format!("term number {number} of {} terms", self.terms)));
        }
        let start = usize::try_from(self.starts[number / GROUP]).ok();
        let mut rest = start.and_then(|start| self.bytes.get(start..)).ok_or_else(|| self.corrupt())?;
        for left in (0..=number % GROUP).rev() {
            let length = read_length(&mut rest).ok_or_else(|| self.corrupt())?;
            let (record, behind) = rest.split_at_checked(length).ok_or_else(|| self.corrupt())?;
            if left == 0 {
                let skips = 4 * (postings.len().saturating_sub(1) / SKIP);
                let (skips, places) = record.split_at_checked(skips).ok_or_else(|| self.corrupt())?;
                return Ok(TermPositions { owner: self, postings, skips, places, at: places, next: 0 });
            }
            rest = behind;
        }
        Err(self.corrupt())
    }

    fn corrupt(&self) -> Error {
        self.frame.corrupt_section("lex.positions", "its records contradict the postings")
    }
}

fn read_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0u64;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return usize::try_from(length).ok();
        }
    }
    None
}

/// The places of one term; postings read in ascending order are read in one pass.
#[derive(Debug)]
pub struct TermPositions<'a> {
    owner: &'a Positions,
    postings: &'a [(u32, u32)],
    skips: &'a [u8],
    places: &'a [u8],
    /// What was not read yet, and of which posting it is.
    at: &'a [u8],
    next: usize,
}

impl TermPositions<'_> {
    /// Replaces `out` by the places of the posting with this number among those of the term.
    pub fn read(&mut self, ordinal: usize, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        if ordinal >= self.postings.len() {
            return Err(Error::invalid(format!("posting {ordinal} of {} postings", self.postings.len())));
        }
        let block = ordinal / SKIP;
        if ordinal < self.next || block > self.next / SKIP {
            let start = block.checked_sub(1).map_or(Some(0), |block| {
                let bytes = self.skips.get(4 * block..)?.first_chunk()?;
                Some(u32::from_le_bytes(*bytes) as usize)
            });
            self.at = start.and_then(|start| self.places.get(start..)).ok_or_else(|| self.owner.corrupt())?;
            self.next = block * SKIP;
        }
        let before: u64 = self.postings[self.next..ordinal].iter().map(|&(_, count)| u64::from(count)).sum();
        for _ in 0..before {
            read_number(&mut self.at).ok_or_else(|| self.owner.corrupt())?;
        }
        let mut place = 0u32;
        for _ in 0..self.postings[ordinal].1 {
            let gap = read_number(&mut self.at);
            place = gap.and_then(|gap| place.checked_add(gap)).ok_or_else(|| self.owner.corrupt())?;
            out.push(place);
        }
        self.next = ordinal + 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lexical::encode::Encoder;
    use crate::storage::frame::{Kind, Verify};
    use crate::storage::memory::Memory;

    /// Places of each posting of each term; posting n is of row n.
    type Terms = Vec<Vec<Vec<u32>>>;

    fn write(terms: &Terms, damage: impl Fn(&mut PositionsWriter)) -> (Arc<Frame>, Lexical) {
        let memory = Memory::default();
        let mut frame = FrameWriter::create(&memory, "file", Kind::LexicalIndex).unwrap();
        let rows = terms.iter().map(Vec::len).max().unwrap_or(0);
        let mut writer = PositionsWriter::default();
        {
            let lengths = vec![10; rows];
            let mut encoder = Encoder::new(&mut frame, &lengths).unwrap();
            for (number, term) in terms.iter().enumerate() {
                let postings: Vec<_> = postings(term);
                encoder.push(&format!("{number:05}"), &postings).unwrap();
            }
            encoder.finish().unwrap();
        }
        for term in terms {
            writer.push(term.iter().map(Vec::as_slice)).unwrap();
        }
        damage(&mut writer);
        writer.finish(&mut frame).unwrap();
        frame.finish().unwrap();
        let frame = Frame::open(&memory, "file", Kind::LexicalIndex, Verify::Structure).unwrap();
        let lexical = Lexical::open(&frame).unwrap();
        (frame, lexical)
    }

    fn postings(term: &[Vec<u32>]) -> Vec<(u32, u32)> {
        term.iter().enumerate().map(|(row, places)| (row as u32, places.len() as u32)).collect()
    }

    fn places() -> impl Strategy<Value = Vec<u32>> {
        let place = prop_oneof![8 => 0u32..300, 1 => 0u32..5000, 1 => any::<u32>()];
        prop::collection::btree_set(place, 1..5).prop_map(|set| set.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        // Catches a wrong border between the lengths of numbers, a wrong offset, and a cursor that reads another posting.
        #[test]
        fn places_come_back(
            terms in prop::collection::vec(prop::collection::vec(places(), 1..300), 1..40), draws in prop::collection::vec(any::<(u16, u16)>(), 1..80)
        ) {
            let (frame, lexical) = write(&terms, |_| ());
            let positions = Positions::open(&frame, &lexical).unwrap();
            let mut out = Vec::new();
            for (number, term) in terms.iter().enumerate() {
                let postings = postings(term);
                let mut reader = positions.of(TermId(number as u32), &postings).unwrap();
                for (ordinal, expected) in term.iter().enumerate() {
                    reader.read(ordinal, &mut out).unwrap();
                    prop_assert_eq!(&out, expected);
                }
                for &(draw, _) in &draws {
                    let ordinal = usize::from(draw) % term.len();
                    reader.read(ordinal, &mut out).unwrap();
                    prop_assert_eq!(&out, &term[ordinal]);
                }
                prop_assert!(reader.read(term.len(), &mut out).is_err());
            }
            prop_assert!(positions.of(TermId(terms.len() as u32), &[]).is_err());
        }

        // Catches a panic, a hang or a huge allocation on bytes that contradict the postings.
        #[test]
        fn damaged_bytes_are_refused_or_read(
            term in prop::collection::vec(places(), 1..300), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()
        ) {
            let terms = vec![term.clone(), term];
            let (frame, lexical) = write(&terms, |writer| {
                let place = at.index(writer.bytes.len());
                writer.bytes[place] = byte;
                writer.bytes.truncate(cut.index(writer.bytes.len()) + 1);
            });
            let positions = Positions::open(&frame, &lexical).unwrap();
            let (postings, mut out) = (postings(&terms[0]), Vec::new());
            for number in 0..2 {
                let Ok(mut reader) = positions.of(TermId(number), &postings) else { continue };
                for ordinal in 0..postings.len() {
                    if let Err(error) = reader.read(ordinal, &mut out) {
                        let corrupt = matches!(error, Error::Corrupt { .. });
                        prop_assert!(corrupt);
                    }
                }
            }
        }
    }

    #[test]
    fn places_out_of_order_are_refused() {
        // Catches places that would come back as others.
        for bad in [&[][..], &[4, 2]] {
            assert!(PositionsWriter::default().push([bad]).is_err());
        }
    }

    #[test]
    fn rows_of_usual_length_take_a_byte_a_place() {
        // Catches an encoding that grows: 200 terms of 1,000 rows with places below 248.
        let mut writer = PositionsWriter::default();
        let places: Vec<[u32; 1]> = (0..1000u32).map(|row| [row * 37 % 248]).collect();
        for _ in 0..200 {
            writer.push(places.iter().map(<[u32; 1]>::as_slice)).unwrap();
        }
        assert!(writer.bytes.len() + 8 * writer.starts.len() <= 200 * 1000 * 104 / 100);
    }
}
