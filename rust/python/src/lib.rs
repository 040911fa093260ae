//! The Python module `ragstone._core`: conversion between Python and the engine, and nothing else.
#![forbid(unsafe_code)]
// Python's calling conventions decide these signatures: owned values in, and as many arguments as the method has.
#![allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]

mod arrays;
mod characters;
mod embedding;
mod error;
mod grounding;
mod index;
mod interrupt;
mod metrics;
mod routing;

use pyo3::prelude::*;

/// The native half of Ragstone.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::arrays::{DenseIndex, LexicalIndex, detect_language, instruction_set, instruction_sets};
    #[pymodule_export]
    use super::embedding::StaticEmbedder;
    #[pymodule_export]
    use super::grounding::Grounder;
    #[pymodule_export]
    use super::index::Index;
    #[pymodule_export]
    use super::metrics::Judged;
    #[pymodule_export]
    use super::routing::{Router, route_features, route_rules};

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
