//! The engine's promises under attack: power cuts, failing calls, damaged bytes, readers beside a writer, and random
//! sequences of calls compared with a plain map.

mod crash;
mod damage;
mod io_errors;
mod isolation;
mod model;
mod workload;
