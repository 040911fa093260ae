//! The one layout of every file: a header, named sections aligned to 64 bytes, checksums over all of it, a footer.
//!
//! `FORMAT.md` has the layout byte by byte. [`FrameWriter`] appends a file front to back; [`Frame`] checks a file and
//! hands out its sections as slices of plain numbers, which [`Column`] keeps alive together with the file.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytemuck::Pod;

use super::map::ALIGNMENT;
use super::{Bytes, Storage, StorageFile};
use crate::error::{Error, Result};

/// First bytes of every file: a byte that is not ASCII, the name, and line endings that a text-mode copy destroys.
pub const MAGIC: [u8; 8] = *b"\x89RAG\r\n\x1a\n";
/// Last bytes of every file.
pub const MAGIC_END: [u8; 8] = *b"\nENDRAG\x89";
/// Version of the layout that this release writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;
/// Bytes covered by one checksum.
pub const BLOCK: usize = 64 * 1024;

const HEADER: usize = 64;
const FOOTER: usize = 64;
const ENTRY: usize = 40;
const NAME: usize = 24;
const SECTIONS_MAX: u32 = 4096;

/// What a file holds; its four letters stand in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A commit: the list of all live files.
    Manifest,
    /// Documents, chunks, their metadata and inverted index.
    Segment,
    /// Vectors of the rows of one segment.
    Vectors,
    /// Deleted rows of one segment.
    Tombstones,
    /// Vectors with numeric ids, saved on their own.
    DenseIndex,
    /// Texts with numeric ids and their inverted index, saved on their own.
    LexicalIndex,
}

impl Kind {
    /// The four letters in the header.
    pub const fn code(self) -> [u8; 4] {
        match self {
            Self::Manifest => *b"MANI",
            Self::Segment => *b"SEGM",
            Self::Vectors => *b"VECS",
            Self::Tombstones => *b"TOMB",
            Self::DenseIndex => *b"DIDX",
            Self::LexicalIndex => *b"LIDX",
        }
    }
}

/// How much of a file is checked when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Header, footer, section table and every section that readers use as structure.
    Structure,
    /// As `Full` for files up to [`Verify::AUTO_BYTES_MAX`], as `Structure` above.
    #[default]
    Auto,
    /// Every byte.
    Full,
}

impl Verify {
    /// Largest file that `Auto` checks whole when it opens it: about 10 ms of checksumming.
    pub const AUTO_BYTES_MAX: usize = 64 << 20;
}

/// Identity of a finished file, kept in the manifest so that a swapped or foreign file is noticed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Name in the directory.
    pub name: String,
    /// Length in bytes.
    pub length: u64,
    /// CRC-32 of the footer, which itself covers every other checksum.
    pub checksum: u32,
}

/// Writes one file front to back.
#[derive(Debug)]
pub struct FrameWriter {
    name: String,
    file: Box<dyn StorageFile>,
    buffer: Vec<u8>,
    position: u64,
    block: crc32fast::Hasher,
    block_fill: usize,
    checksums: Vec<u32>,
    sections: Vec<(String, u64, u64)>,
}

impl FrameWriter {
    /// Creates file `name` in `storage` with a header.
    pub fn create(storage: &dyn Storage, name: &str, kind: Kind) -> Result<Self> {
        let file = storage.create(name).map_err(Error::io(format!("create {name}")))?;
        let mut writer = Self {
            name: name.to_owned(),
            file,
            buffer: Vec::with_capacity(4 * BLOCK),
            position: 0,
            block: crc32fast::Hasher::new(),
            block_fill: 0,
            checksums: Vec::new(),
            sections: Vec::new(),
        };
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&kind.code());
        let crc = crc32fast::hash(&header[..HEADER - 4]);
        header[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
        writer.put(&header)?;
        Ok(writer)
    }

    /// Starts a section; bytes given to [`Self::write`] belong to it until the next one starts.
    pub fn begin(&mut self, name: &str) -> Result<()> {
        assert!(!name.is_empty() && name.len() <= NAME && name.is_ascii(), "bad section name {name:?}");
        assert!(self.sections.iter().all(|(other, ..)| other != name), "section {name:?} written twice");
        self.end();
        self.align()?;
        self.sections.push((name.to_owned(), self.position, 0));
        Ok(())
    }

    /// Appends to the current section.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        assert!(!self.sections.is_empty(), "no section was begun");
        self.put(bytes)
    }

    /// Writes a whole section of numbers.
    pub fn section<T: Pod>(&mut self, name: &str, values: &[T]) -> Result<()> {
        self.begin(name)?;
        self.write(bytemuck::cast_slice(values))
    }

    /// Bytes written to the current section so far.
    pub fn section_len(&self) -> u64 {
        self.sections.last().map_or(0, |(_, start, _)| self.position - start)
    }

    /// Writes tables and footer, makes the file's bytes durable, and tells its identity.
    ///
    /// The *name* is durable only after the directory is synced, which the caller does once for all files.
    pub fn finish(mut self) -> Result<FileEntry> {
        self.end();
        self.align()?;
        let table_offset = self.position;
        let mut table = Vec::with_capacity(self.sections.len() * ENTRY);
        for (name, offset, length) in &self.sections {
            let mut field = [0; NAME];
            field[..name.len()].copy_from_slice(name.as_bytes());
            table.extend_from_slice(&field);
            table.extend_from_slice(&offset.to_le_bytes());
            table.extend_from_slice(&length.to_le_bytes());
        }
        self.put(&table)?;
        self.align()?;
        if self.block_fill > 0 {
            let block = std::mem::take(&mut self.block);
            self.checksums.push(block.finalize());
            self.block_fill = 0;
        }
        let checksum_offset = self.position;
        let checksums: Vec<u8> = self.checksums.iter().flat_map(|crc| crc.to_le_bytes()).collect();
        let mut footer = [0; FOOTER];
        footer[0..8].copy_from_slice(&(checksum_offset + (checksums.len() + FOOTER) as u64).to_le_bytes());
        footer[8..16].copy_from_slice(&table_offset.to_le_bytes());
        footer[16..24].copy_from_slice(&checksum_offset.to_le_bytes());
        footer[24..28].copy_from_slice(&(self.sections.len() as u32).to_le_bytes());
        footer[28..32].copy_from_slice(&(self.checksums.len() as u32).to_le_bytes());
        footer[32..36].copy_from_slice(&crc32fast::hash(&table).to_le_bytes());
        footer[36..40].copy_from_slice(&crc32fast::hash(&checksums).to_le_bytes());
        footer[40..44].copy_from_slice(&(BLOCK as u32).to_le_bytes());
        let crc = crc32fast::hash(&footer[..52]);
        footer[52..56].copy_from_slice(&crc.to_le_bytes());
        footer[56..64].copy_from_slice(&MAGIC_END);
        self.buffer.extend_from_slice(&checksums);
        self.buffer.extend_from_slice(&footer);
        self.flush()?;
        self.file.sync().map_err(Error::sync(format!("sync {}", self.name)))?;
        let length = checksum_offset + (checksums.len() + FOOTER) as u64;
        Ok(FileEntry { name: self.name, length, checksum: crc })
    }

    fn end(&mut self) {
        let position = self.position;
        if let Some((_, start, length)) = self.sections.last_mut()
            && *length == 0
        {
            *length = position - *start;
        }
    }

    fn align(&mut self) -> Result<()> {
        let padding = self.position.next_multiple_of(ALIGNMENT as u64) - self.position;
        self.put(&[0; ALIGNMENT][..padding as usize])
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.position += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block_fill));
            self.block.update(now);
            self.block_fill += now.len();
            if self.block_fill == BLOCK {
                let block = std::mem::take(&mut self.block);
                self.checksums.push(block.finalize());
                self.block_fill = 0;
            }
            self.buffer.extend_from_slice(now);
            if self.buffer.len() >= 4 * BLOCK {
                self.flush()?;
            }
            bytes = later;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.append(&self.buffer).map_err(Error::io(format!("write {}", self.name)))?;
        self.buffer.clear();
        Ok(())
    }
}

/// A checked file.
#[derive(Debug)]
pub struct Frame {
    name: String,
    bytes: Bytes,
    checksum: u32,
    sections: BTreeMap<String, Range<usize>>,
    checksums: Range<usize>,
}

impl Frame {
    /// Opens file `name` and checks it as far as `verify` says.
    pub fn open(storage: &dyn Storage, name: &str, kind: Kind, verify: Verify) -> Result<Arc<Self>> {
        let bytes = storage.read(name).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound { what: name.to_owned() },
            _ => Error::Io { context: format!("read {name}"), source },
        })?;
        Self::parse(name, bytes, kind, verify)
    }

    /// Opens the file that `entry` names and refuses one that is not the file that was written.
    pub fn open_entry(storage: &dyn Storage, entry: &FileEntry, kind: Kind, verify: Verify) -> Result<Arc<Self>> {
        let frame = Self::open(storage, &entry.name, kind, verify)?;
        if frame.bytes.len() as u64 != entry.length || frame.checksum != entry.checksum {
            return Err(Error::corrupt(&entry.name, 0, "it is not the file that the manifest lists"));
        }
        Ok(frame)
    }

    fn parse(name: &str, bytes: Bytes, kind: Kind, verify: Verify) -> Result<Arc<Self>> {
        let corrupt = |offset: usize, message: &str| Error::corrupt(name, offset as u64, message);
        if bytes.len() < HEADER + FOOTER {
            return Err(corrupt(bytes.len(), &format!("it has {} bytes, too few for any file", bytes.len())));
        }
        check_header(name, &bytes[..HEADER], kind)?;
        let footer_start = bytes.len() - FOOTER;
        let footer = &bytes[footer_start..];
        let (u64_at, u32_at) = (
            |at: usize| u64::from_le_bytes(footer[at..at + 8].try_into().expect("8 bytes")),
            |at: usize| u32::from_le_bytes(footer[at..at + 4].try_into().expect("4 bytes")),
        );
        if footer[56..] != MAGIC_END || crc32fast::hash(&footer[..52]) != u32_at(52) {
            return Err(corrupt(footer_start, "the footer is missing or damaged"));
        }
        if u64_at(0) != bytes.len() as u64 {
            return Err(corrupt(footer_start, &format!("it has {} bytes, its footer says {}", bytes.len(), u64_at(0))));
        }
        let (section_count, block_count) = (u32_at(24), u32_at(28));
        let range = |offset: u64, length: u64| -> Option<Range<usize>> {
            let end = offset.checked_add(length)?;
            (offset >= HEADER as u64 && end <= footer_start as u64).then_some(offset as usize..end as usize)
        };
        let table = range(u64_at(8), u64::from(section_count) * ENTRY as u64);
        let checksums = range(u64_at(16), u64::from(block_count) * 4);
        let (Some(table), Some(checksums)) = (table, checksums) else {
            return Err(corrupt(footer_start, "the footer points outside the file"));
        };
        let payload = checksums.start;
        if section_count > SECTIONS_MAX
            || table.end > payload
            || checksums.end != footer_start
            || payload.div_ceil(BLOCK) != block_count as usize
            || u32_at(40) != BLOCK as u32
        {
            return Err(corrupt(footer_start, "the footer contradicts itself"));
        }
        if crc32fast::hash(&bytes[table.clone()]) != u32_at(32) {
            return Err(corrupt(table.start, "the section table is damaged"));
        }
        if crc32fast::hash(&bytes[checksums.clone()]) != u32_at(36) {
            return Err(corrupt(checksums.start, "the checksum table is damaged"));
        }
        let sections = read_sections(name, &bytes, table)?;
        let checksum = u32_at(52);
        let frame = Self { name: name.to_owned(), bytes, checksum, sections, checksums };
        if verify == Verify::Full || verify == Verify::Auto && frame.bytes.len() <= Verify::AUTO_BYTES_MAX {
            frame.verify_all()?;
        }
        Ok(Arc::new(frame))
    }

    /// Name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length of the file in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the file has no byte; a checked file always has some.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Names of the sections with their lengths in bytes.
    pub fn sections(&self) -> impl Iterator<Item = (&str, usize)> {
        self.sections.iter().map(|(name, range)| (name.as_str(), range.len()))
    }

    /// Whether a section exists.
    pub fn has(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// Bytes of a section, checked only as far as the file was when it was opened: for payload.
    pub fn bytes(&self, section: &str) -> Result<&[u8]> {
        self.range(section).map(|range| &self.bytes[range])
    }

    /// Bytes of a section after checking all of them: for structure that a reader relies on.
    pub fn checked(&self, section: &str) -> Result<&[u8]> {
        let range = self.range(section)?;
        self.verify_blocks(range.start / BLOCK..range.end.div_ceil(BLOCK))?;
        Ok(&self.bytes[range])
    }

    /// A section as a column of numbers that keeps the file alive.
    pub fn column<T: Pod>(self: &Arc<Self>, section: &str) -> Result<Column<T>> {
        let range = self.range(section)?;
        if bytemuck::try_cast_slice::<u8, T>(&self.bytes[range.clone()]).is_err() {
            let message = format!("section {section:?} of {} bytes is not a column of its type", range.len());
            return Err(self.corrupt(range.start, &message));
        }
        Ok(Column { frame: Arc::clone(self), range, values: PhantomData })
    }

    /// Like [`Self::column`], with all bytes checked and the number of values fixed.
    pub fn column_of<T: Pod>(self: &Arc<Self>, section: &str, count: usize) -> Result<Column<T>> {
        self.checked(section)?;
        let column = self.column(section)?;
        if column.len() != count {
            let message = format!("section {section:?} has {} values where {count} belong", column.len());
            return Err(self.corrupt(column.range.start, &message));
        }
        Ok(column)
    }

    /// Checks every byte of the file against its checksums.
    pub fn verify_all(&self) -> Result<()> {
        self.verify_blocks(0..self.checksums.len() / 4)
    }

    /// A damage report at `offset` of this file.
    pub fn corrupt(&self, offset: usize, message: &str) -> Error {
        Error::corrupt(&self.name, offset as u64, message)
    }

    /// A damage report at the start of a section.
    pub fn corrupt_section(&self, section: &str, message: &str) -> Error {
        self.corrupt(self.sections.get(section).map_or(0, |range| range.start), message)
    }

    fn range(&self, section: &str) -> Result<Range<usize>> {
        self.sections.get(section).cloned().ok_or_else(|| self.corrupt(0, &format!("section {section:?} is missing")))
    }

    fn verify_blocks(&self, blocks: Range<usize>) -> Result<()> {
        let payload = &self.bytes[..self.checksums.start];
        for block in blocks {
            let start = block * BLOCK;
            let end = payload.len().min(start + BLOCK);
            let at = self.checksums.start + block * 4;
            let expected = u32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("4 bytes"));
            if crc32fast::hash(&payload[start..end]) != expected {
                return Err(self.corrupt(start, "the checksum of a block does not match"));
            }
        }
        Ok(())
    }
}

fn check_header(name: &str, header: &[u8], kind: Kind) -> Result<()> {
    let version = u32::from_le_bytes(header[8..12].try_into().expect("4 bytes"));
    let crc = u32::from_le_bytes(header[HEADER - 4..].try_into().expect("4 bytes"));
    if header[..8] != MAGIC || crc32fast::hash(&header[..HEADER - 4]) != crc {
        return Err(Error::corrupt(name, 0, "the header is missing or damaged"));
    }
    if version != FORMAT_VERSION {
        let message = format!(
            "it has format version {version}, this release reads {FORMAT_VERSION}: upgrade ragstone, or rebuild the index"
        );
        return Err(Error::Incompatible { file: name.to_owned(), message });
    }
    if header[12..16] != kind.code() {
        let found = String::from_utf8_lossy(&header[12..16]).into_owned();
        let message =
            format!("it is a file of kind {found:?} where {:?} belongs", String::from_utf8_lossy(&kind.code()));
        return Err(Error::corrupt(name, 12, message));
    }
    Ok(())
}

fn read_sections(name: &str, bytes: &[u8], table: Range<usize>) -> Result<BTreeMap<String, Range<usize>>> {
    let mut sections = BTreeMap::new();
    let mut previous = HEADER;
    for (index, entry) in bytes[table.clone()].chunks_exact(ENTRY).enumerate() {
        let at = (table.start + index * ENTRY) as u64;
        let label = entry[..NAME].split(|&byte| byte == 0).next().unwrap_or_default();
        let label = String::from_utf8(label.to_vec()).map_err(|_| Error::corrupt(name, at, "a section has no name"))?;
        let offset = u64::from_le_bytes(entry[NAME..NAME + 8].try_into().expect("8 bytes"));
        let length = u64::from_le_bytes(entry[NAME + 8..].try_into().expect("8 bytes"));
        let end = offset.checked_add(length).filter(|&end| end <= table.start as u64);
        let (Some(end), true) = (end, offset >= previous as u64 && offset.is_multiple_of(ALIGNMENT as u64)) else {
            return Err(Error::corrupt(name, at, format!("section {label:?} lies outside the file")));
        };
        previous = end as usize;
        if sections.insert(label.clone(), offset as usize..end as usize).is_some() {
            return Err(Error::corrupt(name, at, format!("section {label:?} is listed twice")));
        }
    }
    Ok(sections)
}

/// A section viewed as numbers; keeps its file alive.
#[derive(Debug)]
pub struct Column<T> {
    frame: Arc<Frame>,
    range: Range<usize>,
    values: PhantomData<T>,
}

impl<T> Clone for Column<T> {
    fn clone(&self) -> Self {
        Self { frame: Arc::clone(&self.frame), range: self.range.clone(), values: PhantomData }
    }
}

impl<T> Column<T> {
    /// The file that the column lives in.
    pub fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }
}

impl<T: Pod> Column<T> {
    /// Says that some values will be read soon ([`Bytes::will_need`]).
    pub fn will_need(&self, values: Range<usize>) {
        let at = |value: usize| (self.range.start + value * size_of::<T>()).min(self.range.end);
        self.frame.bytes.will_need(at(values.start)..at(values.end));
    }
}

impl<T: Pod> Deref for Column<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.frame.bytes[self.range.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::*;

    fn sample(storage: &Memory) -> FileEntry {
        let mut writer = FrameWriter::create(storage, "seg-1", Kind::Segment).unwrap();
        writer.section("numbers", &[1u32, 2, 3]).unwrap();
        writer.section::<u8>("nothing", &[]).unwrap();
        writer.begin("letters").unwrap();
        for _ in 0..30_000 {
            writer.write(b"abcde").unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn sections_come_back() {
        // Catches wrong offsets, lengths or alignment between writer and reader.
        let storage = Memory::default();
        let entry = sample(&storage);
        let frame = Frame::open_entry(&storage, &entry, Kind::Segment, Verify::Full).unwrap();
        assert_eq!(*frame.column::<u32>("numbers").unwrap(), [1, 2, 3]);
        assert_eq!(frame.bytes("nothing").unwrap(), b"");
        assert_eq!(frame.checked("letters").unwrap().len(), 150_000);
        assert_eq!(frame.bytes("letters").unwrap().as_ptr() as usize % ALIGNMENT, 0);
        assert!(matches!(frame.bytes("absent"), Err(Error::Corrupt { .. })));
        assert!(matches!(frame.column_of::<u32>("numbers", 4), Err(Error::Corrupt { .. })));
        assert!(matches!(frame.column::<u64>("numbers"), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_noticed() {
        // Catches a byte that no checksum covers.
        let storage = Memory::default();
        let mut writer = FrameWriter::create(&storage, "small", Kind::Manifest).unwrap();
        writer.section("numbers", &[1u32, 2, 3]).unwrap();
        writer.section("more", b"some text that is longer than a line of sixty-four bytes, by a little").unwrap();
        writer.finish().unwrap();
        let good = storage.read("small").unwrap();
        for position in 0..good.len() * 8 {
            let mut bytes = good.to_vec();
            bytes[position / 8] ^= 1 << (position % 8);
            let outcome = Frame::parse("small", Bytes::copy(&bytes), Kind::Manifest, Verify::Full);
            assert!(outcome.is_err(), "bit {position} was flipped unnoticed");
        }
        for length in 0..good.len() {
            let outcome = Frame::parse("small", Bytes::copy(&good[..length]), Kind::Manifest, Verify::Structure);
            assert!(outcome.is_err(), "cut to {length} bytes unnoticed");
        }
    }

    #[test]
    fn another_kind_version_or_file_is_refused() {
        // Catches a reader that trusts the name of a file.
        let storage = Memory::default();
        let entry = sample(&storage);
        let other = FileEntry { checksum: entry.checksum ^ 1, ..entry.clone() };
        let open = |entry: &FileEntry, kind| Frame::open_entry(&storage, entry, kind, Verify::Auto);
        assert!(matches!(open(&entry, Kind::Manifest), Err(Error::Corrupt { .. })));
        assert!(matches!(open(&other, Kind::Segment), Err(Error::Corrupt { .. })));
        let mut bytes = storage.read("seg-1").unwrap().to_vec();
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        let newer = Frame::parse("seg-1", Bytes::copy(&bytes), Kind::Segment, Verify::Structure);
        assert!(matches!(newer, Err(Error::Incompatible { .. })));
    }
}
