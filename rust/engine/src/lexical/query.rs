//! The structured form of a query: a tree that people and programs build, so that no user's text can change its meaning.
//!
//! A leaf says what to look for, `all`, `any` and `none` which chunks may be found. Every leaf that is not excluded
//! adds its BM25 to the score of each chunk that has it; a chunk is found if it fits the tree and scores.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, Result};

/// Deepest nesting of a query.
pub const DEPTH_MAX: usize = 32;
/// Most nodes of a query.
pub const NODES_MAX: usize = 1024;
/// Largest boost, and largest product of boosts on the way to a leaf.
pub const BOOST_MAX: f64 = 1e6;
/// Greatest distance of words of a phrase from their places.
pub const SLOP_MAX: u32 = 1000;

/// What is looked for, how much it counts, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is looked for.
    pub kind: Kind,
    /// Factor on the scores of everything below.
    pub boost: f64,
    /// Where; `Anywhere` for nodes with parts.
    pub place: Place,
}

/// The kinds of nodes.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Words in any order; `minimum` of them have to occur, `None` stands for all.
    Text {
        /// Analysed like a document.
        text: String,
        /// 1 by default.
        minimum: Option<u32>,
    },
    /// Words one after another.
    Phrase {
        /// Analysed like a document.
        text: String,
        /// How far words may stand from their places, in words.
        slop: u32,
    },
    /// All terms that begin so.
    Prefix(String),
    /// All terms at most `distance` edits away.
    Fuzzy {
        /// One word.
        word: String,
        /// 1 or 2; an edit adds, drops, changes or swaps one character.
        distance: u8,
    },
    /// A term of the index as it stands there, not analysed.
    Term(String),
    /// All parts have to fit.
    All(Vec<Node>),
    /// So many parts have to fit; with 0 they only add to the score.
    Any {
        /// The parts.
        parts: Vec<Node>,
        /// 1 by default.
        minimum: u32,
    },
    /// No part may fit; these score nothing.
    None(Vec<Node>),
}

/// Which part of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// Title of its document.
    Title,
    /// Path of headings above it.
    Headings,
    /// Its own text.
    Body,
}

/// Where a leaf looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// In everything that is indexed.
    Anywhere,
    /// In one field.
    In(Field),
    /// Everywhere; an occurrence in a field counts as often as its factor says, in the order of [`Field`].
    Weighted([f64; 3]),
}

/// Reads a query from its JSON text.
pub fn parse(text: &str) -> Result<Node> {
    let raw: Raw = serde_json::from_str(text)
        .map_err(|error| Error::invalid(format!("query is not in its JSON form: {error}")))?;
    Reader { nodes: 0 }.node(raw, "query", 0, 1.0)
}

/// One object of the JSON form: exactly one of the first eight, with what belongs to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    text: Option<String>,
    phrase: Option<String>,
    prefix: Option<String>,
    fuzzy: Option<String>,
    term: Option<String>,
    all: Option<Vec<Raw>>,
    any: Option<Vec<Raw>>,
    none: Option<Vec<Raw>>,
    minimum: Option<Minimum>,
    slop: Option<u32>,
    distance: Option<u8>,
    boost: Option<f64>,
    field: Option<Field>,
    boosts: Option<BTreeMap<Field, f64>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Minimum {
    Count(u32),
    Named(String),
}

/// Counts what a hostile query would multiply.
struct Reader {
    nodes: usize,
}

impl Reader {
    fn node(&mut self, mut raw: Raw, path: &str, depth: usize, above: f64) -> Result<Node> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Error::invalid(format!("query has more than {NODES_MAX} parts")));
        }
        if depth > DEPTH_MAX {
            return Err(Error::invalid(format!("query is nested deeper than {DEPTH_MAX} levels")));
        }
        let boost = checked_boost(raw.boost.unwrap_or(1.0), path)?;
        let above = checked_boost(above * boost, path)?;
        let place = raw.place(path)?;
        let mut kinds = raw.leaf(path)?;
        if kinds.is_empty() && place != Place::Anywhere {
            return Err(Error::invalid(format!("{path}: field and boosts belong to leaves such as {{\"text\": …}}")));
        }
        let mut parts = |name: &str, parts: Vec<Raw>| -> Result<Vec<Node>> {
            if parts.is_empty() {
                return Err(Error::invalid(format!("{path}: {name:?} needs at least one part")));
            }
            let node = |(number, part)| self.node(part, &format!("{path}.{name}[{number}]"), depth + 1, above);
            parts.into_iter().enumerate().map(node).collect()
        };
        if let Some(all) = raw.all.take() {
            kinds.push(Kind::All(parts("all", all)?));
        }
        if let Some(any) = raw.any.take() {
            let count = any.len();
            let minimum = match raw.minimum.take() {
                None => 1,
                Some(Minimum::Count(count)) => count,
                Some(Minimum::Named(_)) => {
                    return Err(Error::invalid(format!("{path}: minimum of \"any\" is a number; or use \"all\"")));
                }
            };
            if minimum as usize > count.max(1) {
                return Err(Error::invalid(format!("{path}: minimum {minimum} of {count} parts cannot be met")));
            }
            kinds.push(Kind::Any { parts: parts("any", any)?, minimum });
        }
        if let Some(none) = raw.none.take() {
            kinds.push(Kind::None(parts("none", none)?));
        }
        for (given, name, owner) in [
            (raw.minimum.is_some(), "minimum", "\"text\" or \"any\""),
            (raw.slop.is_some(), "slop", "\"phrase\""),
            (raw.distance.is_some(), "distance", "\"fuzzy\""),
        ] {
            if given {
                return Err(Error::invalid(format!("{path}: {name} belongs to {owner}")));
            }
        }
        match <[Kind; 1]>::try_from(kinds) {
            Ok([kind]) => Ok(Node { kind, boost, place }),
            Err(kinds) => Err(Error::invalid(format!(
                "{path} has {} of text, phrase, prefix, fuzzy, term, all, any and none: it needs exactly one",
                kinds.len()
            ))),
        }
    }
}

impl Raw {
    /// The kinds of leaves that are given, which should be one at most.
    fn leaf(&mut self, path: &str) -> Result<Vec<Kind>> {
        let mut kinds = Vec::new();
        if let Some(text) = self.text.take() {
            let minimum = match self.minimum.take() {
                None => Some(1),
                Some(Minimum::Count(count)) => Some(count),
                Some(Minimum::Named(name)) if name == "all" => None,
                Some(Minimum::Named(name)) => {
                    return Err(Error::invalid(format!("{path} has minimum {name:?}: use a number or \"all\"")));
                }
            };
            kinds.push(Kind::Text { text, minimum });
        }
        if let Some(text) = self.phrase.take() {
            let slop = self.slop.take().unwrap_or(0);
            if slop > SLOP_MAX {
                return Err(Error::invalid(format!("{path} has slop {slop}, the most is {SLOP_MAX}")));
            }
            kinds.push(Kind::Phrase { text, slop });
        }
        if let Some(word) = self.fuzzy.take() {
            let distance = self.distance.take().unwrap_or(1);
            if !(1..=2).contains(&distance) {
                return Err(Error::invalid(format!("{path} has distance {distance}: it is 1 or 2")));
            }
            kinds.push(Kind::Fuzzy { word: one_word(&word, path)?, distance });
        }
        if let Some(prefix) = self.prefix.take() {
            kinds.push(Kind::Prefix(one_word(&prefix, path)?));
        }
        kinds.extend(self.term.take().map(Kind::Term));
        Ok(kinds)
    }

    fn place(&self, path: &str) -> Result<Place> {
        match (self.field, &self.boosts) {
            (None, None) => Ok(Place::Anywhere),
            (Some(field), None) => Ok(Place::In(field)),
            (None, Some(boosts)) => {
                let mut factors = [1.0; 3];
                for (&field, &boost) in boosts {
                    factors[field as usize] = checked_boost(boost, path)?;
                }
                Ok(Place::Weighted(factors))
            }
            (Some(_), Some(_)) => Err(Error::invalid(format!("{path}: field and boosts exclude each other"))),
        }
    }
}

/// A prefix or a misspelling stands for one word.
fn one_word(word: &str, path: &str) -> Result<String> {
    let trimmed = word.trim();
    if trimmed.is_empty() || trimmed.contains(char::is_whitespace) {
        return Err(Error::invalid(format!("{path} has {word:?}: prefix and fuzzy take one word")));
    }
    Ok(trimmed.to_owned())
}

fn checked_boost(boost: f64, path: &str) -> Result<f64> {
    if (0.0..=BOOST_MAX).contains(&boost) {
        return Ok(boost);
    }
    Err(Error::invalid(format!("{path} has boost {boost}: boosts, and their products, are within 0 to {BOOST_MAX}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaf(kind: Kind) -> Node {
        Node { kind, boost: 1.0, place: Place::Anywhere }
    }

    #[test]
    fn forms_of_a_query() {
        // Catches a leaf read as another, and defaults that move.
        let text = |minimum| leaf(Kind::Text { text: "a b".into(), minimum });
        assert_eq!(parse(r#"{"text": "a b"}"#).unwrap(), text(Some(1)));
        assert_eq!(parse(r#"{"text": "a b", "minimum": "all"}"#).unwrap(), text(None));
        assert_eq!(
            parse(r#"{"any": [{"phrase": "a b", "slop": 2}, {"prefix": " co "}], "minimum": 2, "boost": 3}"#).unwrap(),
            Node {
                kind: Kind::Any {
                    parts: vec![leaf(Kind::Phrase { text: "a b".into(), slop: 2 }), leaf(Kind::Prefix("co".into()))],
                    minimum: 2
                },
                boost: 3.0,
                place: Place::Anywhere
            }
        );
        let fuzzy = Kind::Fuzzy { word: "x".into(), distance: 2 };
        assert_eq!(
            parse(r#"{"all": [{"none": [{"term": "t", "field": "title"}]}, {"fuzzy": "x", "distance": 2, "boosts": {"headings": 4}}]}"#)
                .unwrap(),
            leaf(Kind::All(vec![
                leaf(Kind::None(vec![Node { kind: Kind::Term("t".into()), boost: 1.0, place: Place::In(Field::Title) }])),
                Node { kind: fuzzy, boost: 1.0, place: Place::Weighted([1.0, 4.0, 1.0]) },
            ]))
        );
    }

    #[test]
    fn hostile_queries_are_refused() {
        // Catches a query that would be misread, or exhaust the stack or memory.
        let deep = "{\"all\":[".repeat(40) + "{\"text\":\"a\"}" + &"]}".repeat(40);
        let deeper = "{\"all\":[".repeat(100_000);
        let wide = format!("{{\"any\": [{}{{\"text\": \"a\"}}]}}", "{\"text\": \"a\"},".repeat(2000));
        let product = "{\"boost\":1e5,\"all\":[".repeat(3) + "{\"text\":\"a\"}" + &"]}".repeat(3);
        for bad in [
            "",
            "null",
            "[]",
            "\"a\"",
            "{}",
            "{\"text\": null}",
            "{\"text\": 1}",
            "{\"text\": \"a\", \"phrase\": \"b\"}",
            "{\"text\": \"a\", \"txt\": 1}",
            "{\"text\": \"a\", \"slop\": 1}",
            "{\"text\": \"a\", \"minimum\": \"most\"}",
            "{\"text\": \"a\", \"minimum\": -1}",
            "{\"phrase\": \"a\", \"slop\": 5000}",
            "{\"phrase\": \"a\", \"distance\": 1}",
            "{\"fuzzy\": \"a\", \"distance\": 3}",
            "{\"fuzzy\": \"a b\"}",
            "{\"prefix\": \"\"}",
            "{\"text\": \"a\", \"boost\": -1}",
            "{\"text\": \"a\", \"boost\": 1e999}",
            "{\"text\": \"a\", \"field\": \"source\"}",
            "{\"text\": \"a\", \"field\": \"title\", \"boosts\": {\"title\": 2}}",
            "{\"text\": \"a\", \"boosts\": {\"name\": 2}}",
            "{\"all\": [{\"text\": \"a\"}], \"field\": \"title\"}",
            "{\"all\": {\"text\": \"a\"}}",
            "{\"none\": []}",
            "{\"any\": [{\"text\": \"a\"}], \"minimum\": 2}",
            "{\"any\": [], \"minimum\": \"all\"}",
            &deep,
            &deeper,
            &wide,
            &product,
        ] {
            assert!(matches!(parse(bad), Err(Error::InvalidInput { .. })), "{bad:.60}");
        }
    }

    proptest! {
        // Catches a panic on text that only looks like a query.
        #[test]
        fn anything_is_read_or_refused(text in "[{}\\[\\]\":, a-z0-9.-]{0,60}|\\{\"(text|phrase|prefix|any|all|minimum)\": ?[0-9\"\\[{}\\]a]{0,8}\\}") {
            let _ = parse(&text);
        }
    }
}
