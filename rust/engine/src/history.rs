//! The change log: what each commit did to which document. Every segment carries the log of the commit that wrote
//! it, and a merge carries the logs of the segments that it replaces, so that the log survives them.
//!
//! A replacement also leaves fingerprints of the facts that the new text no longer states: hashes, and no text.

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::storage::frame::{Frame, FrameWriter};

const SECTION: &str = "history";
const FACTS: &str = "history.facts";
/// Facts that are kept of one change, at most.
pub const FACTS_MAX: usize = 256;
/// Words of its surroundings that are kept of a fact, at most.
pub const CONTEXT_MAX: usize = 8;
/// How facts and words become hashes; facts of other rules are carried and never matched.
pub const RULES: u8 = 1;
/// More facts were lost than are kept.
const CUT: u8 = 1;

/// One change of one document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Commit that made the change.
    pub generation: u64,
    /// The document.
    pub document_id: String,
    /// What happened.
    pub action: Action,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// SHA-256 of the document's new text; empty after a deletion.
    pub text_sha256: String,
    /// What the text before stated and the new one does not.
    #[serde(skip)]
    pub lost: Lost,
}

/// What happened to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It was not in the index before.
    Added,
    /// It replaced its former version.
    Replaced,
    /// It is no longer in the index.
    Deleted,
}

/// Facts that a replacement took away.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// Their fingerprints, at most [`FACTS_MAX`].
    pub facts: Vec<Fact>,
    /// Whether there were more.
    pub cut: bool,
}

/// The fingerprint of a fact: what is needed to know it again, and not to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// A number of the kinds of [`crate::grounding`].
    pub kind: u8,
    /// The rules by which it was hashed.
    pub rules: u8,
    /// How many of the words of the context stand in its sentence; the others stand above it.
    pub near: u8,
    /// Hash of the fact, written in one way only.
    pub claim: u64,
    /// Hashes of the stems of words around it, the nearest first; 0 behind the last.
    pub context: [u32; CONTEXT_MAX],
}

/// One row of section `history.facts`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Record {
    /// Line of the change in section `history`, from 0.
    change: u32,
    kind: u8,
    rules: u8,
    near: u8,
    flags: u8,
    claim: u64,
    context: [u32; CONTEXT_MAX],
}

/// Writes the log, one JSON object a line, and the facts where there are any.
pub fn write(writer: &mut FrameWriter, changes: &[Change]) -> Result<()> {
    writer.begin(SECTION)?;
    for change in changes {
        writer.write(&serde_json::to_vec(change).expect("a change always becomes JSON"))?;
        writer.write(b"\n")?;
    }
    let mut records = Vec::new();
    for (line, change) in changes.iter().enumerate() {
        let flags = if change.lost.cut { CUT } else { 0 };
        records.extend(change.lost.facts.iter().take(FACTS_MAX).map(|fact| Record {
            change: line as u32,
            kind: fact.kind,
            rules: fact.rules,
            near: fact.near,
            flags,
            claim: fact.claim,
            context: fact.context,
        }));
    }
    if records.is_empty() { Ok(()) } else { writer.section(FACTS, &records) }
}

/// Reads the log with its facts; a segment from before there were any has none.
pub fn read(frame: &Frame) -> Result<Vec<Change>> {
    let bytes = frame.checked(SECTION)?;
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut changes = lines
        .map(|line| serde_json::from_slice(line).map_err(|error| frame.corrupt_section(SECTION, &error.to_string())))
        .collect::<Result<Vec<Change>>>()?;
    if has_facts(frame) {
        read_facts(frame, &mut changes)?;
    }
    Ok(changes)
}

/// Whether a segment has facts that were lost.
pub fn has_facts(frame: &Frame) -> bool {
    frame.has(FACTS)
}

fn read_facts(frame: &Frame, changes: &mut [Change]) -> Result<()> {
    let bytes = frame.checked(FACTS)?;
    let (rows, rest) = bytes.as_chunks::<{ size_of::<Record>() }>();
    let damage = |what: String| Err(frame.corrupt_section(FACTS, &what));
    if !rest.is_empty() {
        return damage(format!("{} bytes are no whole number of facts", bytes.len()));
    }
    let mut last = 0;
    for row in rows {
        let record: Record = bytemuck::pod_read_unaligned(row);
        let count = changes.len();
        let change = changes.get_mut(record.change as usize).filter(|change| change.action == Action::Replaced);
        let Some(change) = change.filter(|_| record.change >= last) else {
            return damage(format!("a fact belongs to change {} of {count}", record.change));
        };
        if change.lost.facts.len() == FACTS_MAX {
            return damage(format!("change {} has more than {FACTS_MAX} facts", record.change));
        }
        if usize::from(record.near) > CONTEXT_MAX {
            return damage(format!("a fact has {} near words, there is room for {CONTEXT_MAX}", record.near));
        }
        last = record.change;
        change.lost.cut |= record.flags & CUT != 0;
        let Record { kind, rules, near, claim, context, .. } = record;
        change.lost.facts.push(Fact { kind, rules, near, claim, context });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::storage::Storage;
    use crate::storage::frame::{Kind, Verify};
    use crate::storage::memory::Memory;

    fn change(document_id: &str, action: Action, facts: Vec<Fact>) -> Change {
        let lost = Lost { cut: !facts.is_empty(), facts };
        Change { generation: 3, document_id: document_id.into(), action, time_ms: 1, text_sha256: String::new(), lost }
    }

    fn fact(claim: u64) -> Fact {
        Fact { kind: 2, rules: RULES, near: 1, claim, context: [7, 0, 0, 0, 0, 0, 0, 0] }
    }

    fn written(fill: impl FnOnce(&mut FrameWriter) -> Result<()>) -> Result<Vec<Change>> {
        let storage = Memory::default();
        let mut writer = FrameWriter::create(&storage as &dyn Storage, "seg-1", Kind::Segment)?;
        fill(&mut writer)?;
        writer.finish()?;
        read(&*Frame::open(&storage, "seg-1", Kind::Segment, Verify::Auto)?)
    }

    // Catches facts that come back with another change, and a log without facts that is written otherwise than before.
    #[test]
    fn facts_come_back() {
        let changes = [
            change("a", Action::Replaced, vec![fact(1), fact(2)]),
            change("b", Action::Added, vec![]),
            change("c", Action::Replaced, vec![fact(3)]),
        ];
        assert_eq!(written(|writer| write(writer, &changes)).unwrap(), changes);
        let without = [change("b", Action::Added, vec![])];
        let read = written(|writer| {
            write(writer, &without)?;
            writer.begin("other")
        });
        assert_eq!(read.unwrap(), without);
    }

    // Catches a segment from before facts were recorded that is refused or that gets facts.
    #[test]
    fn a_log_from_before_is_read() {
        let line = br#"{"generation":1,"document_id":"a","action":"replaced","time_ms":5,"text_sha256":""}"#;
        let read = written(|writer| {
            writer.begin(SECTION)?;
            writer.write(line)?;
            writer.write(b"\n")
        });
        assert_eq!(read.unwrap()[0].lost, Lost::default());
    }

    // Catches hostile facts that panic, that belong to no replacement, or that fill memory.
    #[test]
    fn hostile_facts_are_damage() {
        let record = |change: u32, near: u8| Record {
            change,
            kind: 255,
            rules: RULES,
            near,
            flags: 255,
            claim: 1,
            context: [0; CONTEXT_MAX],
        };
        let bytes = |records: &[Record]| bytemuck::cast_slice::<Record, u8>(records).to_vec();
        let cases = [
            bytes(&[record(2, 0)]),
            bytes(&[record(u32::MAX, 0)]),
            bytes(&[record(1, 0)]),
            bytes(&[record(0, 9)]),
            bytes(&[record(0, 0); FACTS_MAX + 1]),
            bytes(&[record(0, 0)])[..47].to_vec(),
        ];
        for case in cases {
            let read = written(|writer| {
                write(writer, &[change("a", Action::Replaced, vec![]), change("b", Action::Added, vec![])])?;
                writer.section(FACTS, &case)
            });
            assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
        }
    }
}
