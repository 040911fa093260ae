//! Every way in which the engine can refuse or fail, ordered by what the caller can do about it.

use std::fmt;
use std::io;

/// Result of an engine operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation was refused or failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Fix the call: an argument cannot be used.
    InvalidInput {
        /// What is wrong with which argument, and what would do.
        message: String,
    },
    /// Fix the call: a vector has another dimension than the index.
    DimensionMismatch {
        /// Dimension of the index.
        expected: usize,
        /// Dimension of the argument.
        got: usize,
    },
    /// Fix the name: nothing is stored under it.
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// Wait, or read only: another writer holds the index.
    Locked {
        /// Process id of the holder, where it could be read.
        pid: Option<u32>,
    },
    /// Allow more time or ask for less: the deadline passed.
    Timeout,
    /// The caller asked to stop.
    Interrupted,
    /// Upgrade or rebuild: the file was written in a form that this release does not read.
    Incompatible {
        /// The file.
        file: String,
        /// What differs.
        message: String,
    },
    /// Restore from a snapshot: bytes on disk are damaged.
    Corrupt {
        /// The damaged file.
        file: String,
        /// Where in the file the damage was noticed.
        offset: u64,
        /// What was found.
        message: String,
    },
    /// Reopen: an earlier failure left the writer in an unknown state.
    Poisoned,
    /// Fix the machine, then reopen: the system could not say that bytes reached the disk.
    SyncFailed {
        /// What was being synced.
        context: String,
        /// The cause.
        source: io::Error,
    },
    /// Fix the machine: input or output failed.
    Io {
        /// What was being done to which file.
        context: String,
        /// The cause.
        source: io::Error,
    },
}

impl Error {
    /// An argument cannot be used.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidInput { message: message.into() }
    }

    /// Bytes of `file` at `offset` are damaged.
    pub fn corrupt(file: impl Into<String>, offset: u64, message: impl Into<String>) -> Self {
        Self::Corrupt { file: file.into(), offset, message: message.into() }
    }

    /// Wraps a failed sync, after which the durable state is unknown.
    pub fn sync(context: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::SyncFailed { context: context.into(), source }
    }

    /// Wraps an I/O error with what was being done: `.map_err(Error::io("write seg-…"))`.
    pub fn io(context: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { context: context.into(), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidInput { message } => formatter.write_str(message),
            Self::DimensionMismatch { expected, got } => {
                write!(formatter, "vector has {got} dimensions, index expects {expected}")
            }
            Self::NotFound { what } => write!(formatter, "{what} not found"),
            Self::Locked { pid: Some(pid) } => write!(
                formatter,
                "index is locked by the writer in process {pid}: close it there, or open with read_only=True"
            ),
            Self::Locked { pid: None } => {
                formatter.write_str("index is locked by another writer: close it there, or open with read_only=True")
            }
            Self::Timeout => formatter.write_str("search did not finish in time: raise timeout_s or lower top_k"),
            Self::Interrupted => formatter.write_str("interrupted"),
            Self::Incompatible { file, message } => write!(formatter, "{file}: {message}"),
            Self::Corrupt { file, offset, message } => {
                write!(formatter, "{file} is damaged at byte {offset}: {message}; restore it from a snapshot")
            }
            Self::Poisoned => formatter.write_str(
                "an earlier write failed and the state of the disk is unknown: close the index and open it again",
            ),
            Self::SyncFailed { context, source } | Self::Io { context, source } => {
                write!(formatter, "{context}: {source}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::SyncFailed { source, .. } | Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
