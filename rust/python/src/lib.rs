//! The Python module `ragstone._core`: conversion between Python and the engine, and nothing else.
#![forbid(unsafe_code)]

use pyo3::prelude::*;

/// The native half of Ragstone.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
