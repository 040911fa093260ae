//! The change log: what each commit did to which document. Every segment carries the log of the commit that wrote
//! it, and a merge carries the logs of the segments that it replaces, so that the log survives them.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::storage::frame::{Frame, FrameWriter};

const SECTION: &str = "history";

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

/// Writes the section, one JSON object a line.
pub fn write(writer: &mut FrameWriter, changes: &[Change]) -> Result<()> {
    writer.begin(SECTION)?;
    for change in changes {
        writer.write(&serde_json::to_vec(change).expect("a change always becomes JSON"))?;
        writer.write(b"\n")?;
    }
    Ok(())
}

/// Reads the section.
pub fn read(frame: &Frame) -> Result<Vec<Change>> {
    let bytes = frame.checked(SECTION)?;
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).map_err(|error| frame.corrupt_section(SECTION, &error.to_string())))
        .collect()
}
