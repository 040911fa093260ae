//! Names that never collide, and digits for digests.

use std::fmt::Write;

use crate::error::{Error, Result};

/// Bytes as lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("writing to a string does not fail");
        digits
    })
}

/// 128 random bits as 32 hexadecimal digits.
pub fn random_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Io {
        context: "draw a random name".to_owned(),
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(hexadecimal(&bytes))
}
