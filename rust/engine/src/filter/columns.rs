//! Metadata of a segment turned sideways: for each field and type the sorted values, each with its document.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Comparison, Filter, Type, Value, field_values};
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::storage::frame::{Column, Frame, FrameWriter};

/// Most fields of a segment; more would mean that values are used as names.
const FIELDS_MAX: usize = 65_536;

/// One field of one type, in section `meta.fields`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    /// `user` fields are metadata; the one `acl` field lists who may see which document.
    scope: Scope,
    key: String,
    kind: Type,
    /// Range in `meta.values` and `meta.documents`.
    start: u64,
    end: u64,
    /// Range in `meta.strings`: the distinct strings in order, to which `meta.values` point.
    strings_start: u64,
    strings_end: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Scope {
    User,
    Acl,
}

/// Collects the metadata of a segment's documents.
#[derive(Debug, Default)]
pub struct MetadataWriter {
    numbers: BTreeMap<(Scope, String, Type), Vec<(u64, u32)>>,
    strings: BTreeMap<(Scope, String), BTreeMap<String, Vec<u32>>>,
    restricted: Vec<u32>,
    documents: u32,
}

impl MetadataWriter {
    /// Adds the next document.
    pub fn add(&mut self, metadata: &serde_json::Map<String, Json>, acl: Option<&[String]>) -> Result<()> {
        let document = self.documents;
        self.documents += 1;
        for (key, json) in metadata {
            if key.is_empty() || key.starts_with('$') {
                return Err(Error::invalid(format!("metadata name {key:?} must not be empty or start with \"$\"")));
            }
            for value in field_values(key, json)? {
                self.insert(Scope::User, key, value, document);
            }
        }
        if let Some(principals) = acl {
            self.restricted.push(document);
            for principal in principals {
                self.insert(Scope::Acl, "", Value::String(principal.clone()), document);
            }
        }
        if self.numbers.len() + self.strings.len() > FIELDS_MAX {
            return Err(Error::invalid(format!("metadata has more than {FIELDS_MAX} different names")));
        }
        Ok(())
    }

    fn insert(&mut self, scope: Scope, key: &str, value: Value, document: u32) {
        let kind = value.kind();
        match (value.sort_key(), value) {
            (None, Value::String(text)) => {
                self.strings.entry((scope, key.to_owned())).or_default().entry(text).or_default().push(document);
            }
            (key_number, _) => {
                let number = key_number.expect("every type but string has a sort key");
                self.numbers.entry((scope, key.to_owned(), kind)).or_default().push((number, document));
            }
        }
    }

    /// Writes sections `meta.*`.
    pub fn finish(self, writer: &mut FrameWriter) -> Result<()> {
        let mut fields = Vec::new();
        let (mut values, mut documents): (Vec<u64>, Vec<u32>) = (Vec::new(), Vec::new());
        let (mut offsets, mut bytes): (Vec<u64>, Vec<u8>) = (vec![0], Vec::new());
        for ((scope, key, kind), mut entries) in self.numbers {
            entries.sort_unstable();
            entries.dedup();
            let start = values.len() as u64;
            values.extend(entries.iter().map(|&(value, _)| value));
            documents.extend(entries.iter().map(|&(_, document)| document));
            let end = values.len() as u64;
            fields.push(Field { scope, key, kind, start, end, strings_start: 0, strings_end: 0 });
        }
        for ((scope, key), dictionary) in self.strings {
            let (start, strings_start) = (values.len() as u64, offsets.len() as u64 - 1);
            for (ordinal, (text, mut entries)) in dictionary.into_iter().enumerate() {
                bytes.extend_from_slice(text.as_bytes());
                offsets.push(bytes.len() as u64);
                entries.dedup();
                values.extend(std::iter::repeat_n(ordinal as u64, entries.len()));
                documents.extend(entries);
            }
            let (end, strings_end) = (values.len() as u64, offsets.len() as u64 - 1);
            fields.push(Field { scope, key, kind: Type::String, start, end, strings_start, strings_end });
        }
        let mut restricted = Bitmap::empty(self.documents);
        for document in self.restricted {
            restricted.insert(document);
        }
        writer.section("meta.fields", &serde_json::to_vec(&fields).expect("fields always become JSON"))?;
        writer.section("meta.values", &values)?;
        writer.section("meta.documents", &documents)?;
        writer.section("meta.strings", &offsets)?;
        writer.section("meta.string_bytes", &bytes)?;
        writer.section("meta.restricted", restricted.words())
    }
}

/// Places of a field in `meta.values` and in `meta.strings`.
type Ranges = (Range<usize>, Range<usize>);

/// Metadata of one segment.
#[derive(Debug)]
pub struct Metadata {
    fields: BTreeMap<(Scope, String, Type), Ranges>,
    values: Column<u64>,
    documents: Column<u32>,
    offsets: Column<u64>,
    bytes: Column<u8>,
    restricted: Bitmap,
}

impl Metadata {
    /// Opens sections `meta.*` of a segment with this many documents.
    pub fn open(frame: &Arc<Frame>, document_count: u32) -> Result<Self> {
        let corrupt = |message: &str| frame.corrupt_section("meta.fields", message);
        for section in ["meta.values", "meta.documents", "meta.strings", "meta.string_bytes"] {
            frame.checked(section)?;
        }
        let listed: Vec<Field> =
            serde_json::from_slice(frame.checked("meta.fields")?).map_err(|error| corrupt(&error.to_string()))?;
        let words: Column<u64> = frame.column_of("meta.restricted", (document_count as usize).div_ceil(64))?;
        let restricted = Bitmap::from_words(document_count, words.to_vec())
            .ok_or_else(|| corrupt("the list of restricted documents has a bit too many"))?;
        let mut metadata = Self {
            fields: BTreeMap::new(),
            values: frame.column("meta.values")?,
            documents: frame.column("meta.documents")?,
            offsets: frame.column("meta.strings")?,
            bytes: frame.column("meta.string_bytes")?,
            restricted,
        };
        let range = |start: u64, end: u64, limit: usize| {
            (start <= end && end <= limit as u64).then_some(start as usize..end as usize)
        };
        for field in listed {
            let entries = range(field.start, field.end, metadata.values.len().min(metadata.documents.len()));
            let strings = range(field.strings_start, field.strings_end, metadata.offsets.len().saturating_sub(1));
            let (Some(entries), Some(strings)) = (entries, strings) else {
                return Err(corrupt("a field lies outside its section"));
            };
            metadata.fields.insert((field.scope, field.key, field.kind), (entries, strings));
        }
        if metadata.documents.iter().any(|&document| document >= document_count) {
            return Err(corrupt("a value belongs to a document that does not exist"));
        }
        if !metadata.offsets.is_sorted()
            || metadata.offsets.last().is_some_and(|&end| end > metadata.bytes.len() as u64)
        {
            return Err(corrupt("the strings overlap or lie outside their section"));
        }
        Ok(metadata)
    }

    /// Documents that pass a filter.
    pub fn matching(&self, filter: &Filter) -> Bitmap {
        match filter {
            Filter::And(parts) => parts.iter().fold(Bitmap::full(self.restricted.len()), |mut all, part| {
                all.intersect(&self.matching(part));
                all
            }),
            Filter::Or(parts) => parts.iter().fold(Bitmap::empty(self.restricted.len()), |mut any, part| {
                any.unite(&self.matching(part));
                any
            }),
            Filter::Not(part) => {
                let mut documents = self.matching(part);
                documents.invert();
                documents
            }
            Filter::Compare { key, comparison, value } => {
                let mut documents = Bitmap::empty(self.restricted.len());
                self.compare(Scope::User, key, *comparison, value, &mut documents);
                documents
            }
            Filter::In { key, values } => {
                let mut documents = Bitmap::empty(self.restricted.len());
                for value in values {
                    self.compare(Scope::User, key, Comparison::Equal, value, &mut documents);
                }
                documents
            }
            Filter::Exists { key } => {
                let mut documents = Bitmap::empty(self.restricted.len());
                for kind in [Type::String, Type::Number, Type::Bool, Type::Date] {
                    if let Some((entries, _)) = self.fields.get(&(Scope::User, key.clone(), kind)) {
                        self.insert(entries.clone(), &mut documents);
                    }
                }
                documents
            }
        }
    }

    /// Documents that someone with these principals may see: those without an access list, and those that list one
    /// of the principals. Without principals only the former: access fails closed.
    pub fn visible_to(&self, principals: &[String]) -> Bitmap {
        let mut documents = self.restricted.clone();
        documents.invert();
        for principal in principals {
            self.compare(Scope::Acl, "", Comparison::Equal, &Value::String(principal.clone()), &mut documents);
        }
        documents
    }

    /// Whether any document has an access list.
    pub fn has_restricted(&self) -> bool {
        !self.restricted.is_empty()
    }

    fn compare(&self, scope: Scope, key: &str, comparison: Comparison, value: &Value, found: &mut Bitmap) {
        let Some((entries, strings)) = self.fields.get(&(scope, key.to_owned(), value.kind())) else {
            return;
        };
        // The sort keys below and up to the value; for a string they are places in the dictionary.
        let (low, high) = match (value, value.sort_key()) {
            (_, Some(number)) => {
                let values = &self.values[entries.clone()];
                (values.partition_point(|&other| other < number), values.partition_point(|&other| other <= number))
            }
            (Value::String(text), None) => {
                let less = self.strings_below(strings, |other| other < text.as_bytes());
                let less_or_equal = self.strings_below(strings, |other| other <= text.as_bytes());
                let values = &self.values[entries.clone()];
                (
                    values.partition_point(|&ordinal| ordinal < less as u64),
                    values.partition_point(|&ordinal| ordinal < less_or_equal as u64),
                )
            }
            _ => return,
        };
        let (low, high) = (entries.start + low, entries.start + high);
        let passing = match comparison {
            Comparison::Equal => low..high,
            Comparison::Less => entries.start..low,
            Comparison::LessEqual => entries.start..high,
            Comparison::Greater => high..entries.end,
            Comparison::GreaterEqual => low..entries.end,
        };
        self.insert(passing, found);
    }

    fn insert(&self, entries: Range<usize>, found: &mut Bitmap) {
        for &document in &self.documents[entries] {
            found.insert(document);
        }
    }

    /// How many strings of the sorted range pass.
    fn strings_below(&self, strings: &Range<usize>, passes: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (strings.start, strings.end);
        while low < high {
            let middle = low + (high - low) / 2;
            let text = &self.bytes[self.offsets[middle] as usize..self.offsets[middle + 1] as usize];
            if passes(text) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low - strings.start
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::parse;
    use super::*;
    use crate::storage::frame::{Kind, Verify};
    use crate::storage::memory::Memory;

    fn metadata(documents: &[(Json, Option<Vec<String>>)]) -> Metadata {
        let storage = Memory::default();
        let mut columns = MetadataWriter::default();
        for (fields, acl) in documents {
            columns.add(fields.as_object().unwrap(), acl.as_deref()).unwrap();
        }
        let mut writer = FrameWriter::create(&storage, "seg", Kind::Segment).unwrap();
        columns.finish(&mut writer).unwrap();
        writer.finish().unwrap();
        let frame = Frame::open(&storage, "seg", Kind::Segment, Verify::Full).unwrap();
        Metadata::open(&frame, documents.len() as u32).unwrap()
    }

    fn check(documents: &[(Json, Option<Vec<String>>)], filter: &Json, expected: &[u32]) {
        let found = metadata(documents).matching(&parse(&filter.to_string()).unwrap());
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter}");
    }

    #[test]
    fn filters_select_by_type_and_order() {
        // Catches a wrong border, a type that leaks into another, or a list handled as one value.
        let documents: Vec<_> = [
            json!({"year": 2019, "lang": "en", "tags": ["a", "b"], "open": true}),
            json!({"year": 2020.5, "lang": "de", "tags": [], "day": {"$date": [-5, "x"]}}),
            json!({"year": -1, "lang": "en-GB", "tags": ["b"], "open": false, "day": {"$date": [7, "y"]}}),
            json!({"year": "2019"}),
        ]
        .into_iter()
        .map(|fields| (fields, None))
        .collect();
        check(&documents, &json!({"year": 2019}), &[0]);
        check(&documents, &json!({"year": "2019"}), &[3]);
        check(&documents, &json!({"year": {"$gte": 2019}}), &[0, 1]);
        check(&documents, &json!({"year": {"$gt": 2019}}), &[1]);
        check(&documents, &json!({"year": {"$lt": 2019}}), &[2]);
        check(&documents, &json!({"year": {"$lte": 2019, "$gt": -1}}), &[0]);
        check(&documents, &json!({"year": {"$ne": 2019}}), &[1, 2, 3]);
        check(&documents, &json!({"lang": {"$gte": "en"}}), &[0, 2]);
        check(&documents, &json!({"lang": {"$in": ["de", "en", 3]}}), &[0, 1]);
        check(&documents, &json!({"lang": {"$nin": ["de", "en"]}}), &[2, 3]);
        check(&documents, &json!({"tags": "b"}), &[0, 2]);
        check(&documents, &json!({"tags": {"$ne": "a"}}), &[1, 2, 3]);
        check(&documents, &json!({"tags": {"$exists": true}}), &[0, 2]);
        check(&documents, &json!({"open": true}), &[0]);
        check(&documents, &json!({"day": {"$lt": {"$date": 0}}}), &[1]);
        check(&documents, &json!({"day": {"$gte": {"$date": [-5, "z"]}}}), &[1, 2]);
        check(&documents, &json!({"absent": 1}), &[]);
        check(&documents, &json!({"$not": {"absent": 1}}), &[0, 1, 2, 3]);
        check(&documents, &json!({"$or": []}), &[]);
        check(&documents, &json!({"$and": []}), &[0, 1, 2, 3]);
        check(&documents, &json!({"lang": "en", "open": true}), &[0]);
    }

    #[test]
    fn access_fails_closed() {
        // Catches a restricted document shown to someone who is not on its list, or a user field that fakes a list.
        let documents = [
            (json!({}), None),
            (json!({}), Some(vec!["hr".to_owned(), "boss".to_owned()])),
            (json!({"": "hr"}), Some(vec![])),
        ];
        let mut columns = MetadataWriter::default();
        assert!(columns.add(documents[2].0.as_object().unwrap(), None).is_err());
        let metadata = metadata(&[documents[0].clone(), documents[1].clone(), (json!({}), Some(vec![]))]);
        let seen = |principals: &[&str]| {
            let principals: Vec<String> = principals.iter().map(ToString::to_string).collect();
            metadata.visible_to(&principals).iter().collect::<Vec<_>>()
        };
        assert_eq!(seen(&[]), [0]);
        assert_eq!(seen(&["hr"]), [0, 1]);
        assert_eq!(seen(&["HR", "h", "hr "]), [0]);
        assert_eq!(seen(&["boss", "x"]), [0, 1]);
    }

    proptest! {
        // Catches a sort key that does not order like the numbers it stands for.
        #[test]
        fn ranges_equal_a_scan(values in prop::collection::vec(-1e9f64..1e9, 1..40), border in -1e9f64..1e9, pick in 0usize..40) {
            let border = if pick < values.len() { values[pick] } else { border };
            let documents: Vec<_> = values.iter().map(|value| (json!({"x": value}), None)).collect();
            for (operator, test) in [
                ("$lt", (|a, b| a < b) as fn(f64, f64) -> bool), ("$lte", |a, b| a <= b), ("$gt", |a, b| a > b),
                ("$gte", |a, b| a >= b), ("$eq", |a, b| a.total_cmp(&b).is_eq()),
            ] {
                let expected: Vec<u32> = (0..values.len() as u32).filter(|&row| test(values[row as usize], border)).collect();
                check(&documents, &json!({"x": {operator: border}}), &expected);
            }
        }
    }
}
