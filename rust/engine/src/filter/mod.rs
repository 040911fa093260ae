//! Typed metadata: which documents pass a filter and an access list, as bitmaps.
//!
//! A filter is a small tree of typed comparisons, never a string language. Its JSON form, in the words of `MongoDB`:
//! `{"year": {"$gte": 2020}, "lang": {"$in": ["en", "de"]}}`, with `$eq $ne $gt $gte $lt $lte $in $nin $exists`
//! for a field and `$and $or $not` around filters. A list passes where one of its elements passes; `$ne` and `$nin`
//! pass where no element equals, and where the field is missing. Values of different types never compare equal.

mod columns;
mod parse;

pub use columns::{Metadata, MetadataWriter};
pub use parse::parse;

use serde_json::Value as Json;

use crate::error::{Error, Result};

/// Deepest nesting of a filter.
pub const DEPTH_MAX: usize = 32;
/// Most comparisons and connectives in a filter.
pub const NODES_MAX: usize = 1024;
/// Most values of all lists in a filter.
pub const VALUES_MAX: usize = 65_536;

/// A condition on documents.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All must pass; an empty list passes.
    And(Vec<Filter>),
    /// One must pass; an empty list fails.
    Or(Vec<Filter>),
    /// Must not pass.
    Not(Box<Filter>),
    /// A value of the field lies in the range.
    Compare {
        /// Name of the field.
        key: String,
        /// How.
        comparison: Comparison,
        /// With what.
        value: Value,
    },
    /// A value of the field is one of these.
    In {
        /// Name of the field.
        key: String,
        /// The accepted values.
        values: Vec<Value>,
    },
    /// The field has a value, of any type.
    Exists {
        /// Name of the field.
        key: String,
    },
}

/// An ordering or equality test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// Less.
    Less,
    /// Less or equal.
    LessEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEqual,
}

/// A typed scalar.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text, compared by code points.
    String(String),
    /// An integer up to 2^53 or a finite floating-point number.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// Microseconds since 1970-01-01 UTC.
    Date(i64),
}

/// The types of metadata, as they are named in files and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Type {
    String,
    Number,
    Bool,
    Date,
}

/// Largest integer that a number holds exactly, and with it every smaller one.
const INTEGER_MAX: u64 = 1 << 53;

impl Value {
    /// Reads a scalar: a JSON string, number or boolean, or `{"$date": [microseconds, …]}`.
    pub fn from_json(json: &Json, what: &str) -> Result<Self> {
        let value = match json {
            Json::String(text) => Some(Self::String(text.clone())),
            Json::Bool(truth) => Some(Self::Bool(*truth)),
            Json::Number(number) => {
                let exact = number.as_i64().is_none_or(|value| value.unsigned_abs() <= INTEGER_MAX)
                    && number.as_u64().is_none_or(|value| value <= INTEGER_MAX);
                if !exact {
                    return Err(Error::invalid(format!(
                        "{what} is {number}, larger than 2^53: store it as a string to keep it exact"
                    )));
                }
                number.as_f64().filter(|value| value.is_finite()).map(Self::Number)
            }
            Json::Object(object) if object.len() == 1 => {
                let date = object.get("$date").map(|date| date.get(0).unwrap_or(date));
                date.and_then(Json::as_i64).map(Self::Date)
            }
            _ => None,
        };
        value.ok_or_else(|| {
            Error::invalid(format!(
                "{what} is {json}: a value is a string, number, boolean or date, or a flat list of these"
            ))
        })
    }

    pub(crate) fn kind(&self) -> Type {
        match self {
            Self::String(_) => Type::String,
            Self::Number(_) => Type::Number,
            Self::Bool(_) => Type::Bool,
            Self::Date(_) => Type::Date,
        }
    }

    /// A number that orders like the value among values of its type; strings are ordered by their dictionary instead.
    pub(crate) fn sort_key(&self) -> Option<u64> {
        match self {
            Self::String(_) => None,
            Self::Number(number) => {
                // Adding zero turns -0.0 into 0.0, which equals it.
                let bits = (number + 0.0).to_bits();
                Some(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
            }
            Self::Bool(truth) => Some(u64::from(*truth)),
            Self::Date(microseconds) => Some((*microseconds as u64) ^ 1 << 63),
        }
    }
}

/// The scalars of one metadata field: one, or the elements of a flat list.
pub fn field_values(key: &str, json: &Json) -> Result<Vec<Value>> {
    let what = format!("metadata {key:?}");
    match json {
        Json::Array(elements) => elements.iter().map(|element| Value::from_json(element, &what)).collect(),
        scalar => Value::from_json(scalar, &what).map(|value| vec![value]),
    }
}
