//! The instruction set of this process, with the error that a wrong `RAGSTONE_ISA` deserves.

use ragstone_kernels::dispatch::{self, Kernels};

use crate::error::{Error, Result};

/// The kernels that `RAGSTONE_ISA` names, else the fastest.
pub(crate) fn active_kernels() -> Result<&'static Kernels> {
    dispatch::active().map_err(|unknown| Error::invalid(unknown.to_string()))
}
