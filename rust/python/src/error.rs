//! Engine errors as Python exceptions: the one place where both trees meet.

use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError};
use pyo3::prelude::*;
use ragstone_engine::error::Error;

mod classes {
    #![allow(missing_docs)]
    use pyo3::import_exception;
    import_exception!(ragstone.errors, CorruptIndex);
    import_exception!(ragstone.errors, DimensionMismatch);
    import_exception!(ragstone.errors, IncompatibleIndex);
    import_exception!(ragstone.errors, IndexLocked);
    import_exception!(ragstone.errors, InvalidInput);
    import_exception!(ragstone.errors, NotFound);
    import_exception!(ragstone.errors, RagstoneError);
    import_exception!(ragstone.errors, SearchTimeout);
    import_exception!(ragstone.errors, StorageError);
}

/// The Python exception for an engine error, with the operating system's error as its cause where there is one.
pub(crate) fn raise(error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::InvalidInput { .. } => classes::InvalidInput::new_err(message),
        Error::DimensionMismatch { .. } => classes::DimensionMismatch::new_err(message),
        Error::NotFound { .. } => classes::NotFound::new_err(message),
        Error::Locked { .. } => classes::IndexLocked::new_err(message),
        Error::Timeout => classes::SearchTimeout::new_err(message),
        Error::Interrupted => PyKeyboardInterrupt::new_err(message),
        Error::Incompatible { .. } => classes::IncompatibleIndex::new_err(message),
        Error::Corrupt { .. } => classes::CorruptIndex::new_err(message),
        Error::Poisoned => classes::StorageError::new_err(message),
        Error::Io { source, .. } | Error::SyncFailed { source, .. } => {
            let raised = classes::StorageError::new_err(message);
            let cause = PyOSError::new_err((source.raw_os_error(), source.to_string()));
            Python::attach(|py| raised.set_cause(py, Some(cause)));
            raised
        }
        // A variant that this binding does not know yet is still one of ours.
        _ => classes::RagstoneError::new_err(message),
    }
}

/// An argument that cannot be used.
pub(crate) fn invalid(message: impl Into<String>) -> PyErr {
    classes::InvalidInput::new_err(message.into())
}
