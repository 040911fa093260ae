//! Reads the JSON form of a filter.

use serde_json::{Map, Value as Json};

use super::{Comparison, DEPTH_MAX, Filter, NODES_MAX, VALUES_MAX, Value};
use crate::error::{Error, Result};

/// Reads a filter from its JSON text.
pub fn parse(text: &str) -> Result<Filter> {
    let json: Json =
        serde_json::from_str(text).map_err(|error| Error::invalid(format!("filter is not valid JSON: {error}")))?;
    let mut parser = Parser { nodes: 0, values: 0 };
    parser.filter(&json, 0)
}

/// Counts what a hostile filter would multiply.
struct Parser {
    nodes: usize,
    values: usize,
}

impl Parser {
    fn filter(&mut self, json: &Json, depth: usize) -> Result<Filter> {
        let Json::Object(object) = json else {
            return Err(Error::invalid(format!(
                "filter is {json}: it must be an object such as {{\"year\": {{\"$gte\": 2020}}}}"
            )));
        };
        if depth > DEPTH_MAX {
            return Err(Error::invalid(format!("filter is nested deeper than {DEPTH_MAX} levels")));
        }
        let mut parts = Vec::with_capacity(object.len());
        for (key, condition) in object {
            self.node()?;
            parts.push(match key.as_str() {
                "$and" => Filter::And(self.filters(key, condition, depth)?),
                "$or" => Filter::Or(self.filters(key, condition, depth)?),
                "$not" => Filter::Not(Box::new(self.filter(condition, depth + 1)?)),
                operator if operator.starts_with('$') => {
                    return Err(Error::invalid(format!(
                        "filter has {key:?} where a field, \"$and\", \"$or\" or \"$not\" belongs"
                    )));
                }
                field => self.field(field, condition)?,
            });
        }
        Ok(single_or_all(parts))
    }

    fn filters(&mut self, key: &str, json: &Json, depth: usize) -> Result<Vec<Filter>> {
        let Json::Array(elements) = json else {
            return Err(Error::invalid(format!("filter {key:?} has {json}: it takes a list of filters")));
        };
        elements.iter().map(|element| self.filter(element, depth + 1)).collect()
    }

    fn field(&mut self, key: &str, json: &Json) -> Result<Filter> {
        match json {
            Json::Object(operators) if !operators.contains_key("$date") => self.operators(key, operators),
            Json::Array(_) => Err(Error::invalid(format!(
                "filter on {key:?} has a list: use {{\"$in\": […]}} for one of several values"
            ))),
            scalar => {
                let value = Value::from_json(scalar, &format!("filter on {key:?}"))?;
                Ok(Filter::Compare { key: key.to_owned(), comparison: Comparison::Equal, value })
            }
        }
    }

    fn operators(&mut self, key: &str, operators: &Map<String, Json>) -> Result<Filter> {
        if operators.is_empty() {
            return Err(Error::invalid(format!("filter on {key:?} is empty: give it a value or an operator")));
        }
        let what = format!("filter on {key:?}");
        let mut parts = Vec::with_capacity(operators.len());
        for (operator, operand) in operators {
            self.node()?;
            let compare = |comparison| -> Result<Filter> {
                let value = Value::from_json(operand, &what)?;
                Ok(Filter::Compare { key: key.to_owned(), comparison, value })
            };
            parts.push(match operator.as_str() {
                "$eq" => compare(Comparison::Equal)?,
                "$ne" => Filter::Not(Box::new(compare(Comparison::Equal)?)),
                "$lt" => compare(Comparison::Less)?,
                "$lte" => compare(Comparison::LessEqual)?,
                "$gt" => compare(Comparison::Greater)?,
                "$gte" => compare(Comparison::GreaterEqual)?,
                "$in" => self.list(key, operand)?,
                "$nin" => Filter::Not(Box::new(self.list(key, operand)?)),
                "$exists" => match operand {
                    Json::Bool(true) => Filter::Exists { key: key.to_owned() },
                    Json::Bool(false) => Filter::Not(Box::new(Filter::Exists { key: key.to_owned() })),
                    other => return Err(Error::invalid(format!("{what}: $exists takes true or false, not {other}"))),
                },
                other => {
                    return Err(Error::invalid(format!(
                        "{what} has unknown operator {other:?}: use $eq $ne $gt $gte $lt $lte $in $nin $exists"
                    )));
                }
            });
        }
        Ok(single_or_all(parts))
    }

    fn list(&mut self, key: &str, json: &Json) -> Result<Filter> {
        let Json::Array(elements) = json else {
            return Err(Error::invalid(format!("filter on {key:?}: $in and $nin take a list, not {json}")));
        };
        self.values += elements.len();
        if self.values > VALUES_MAX {
            return Err(Error::invalid(format!("filter lists more than {VALUES_MAX} values")));
        }
        let what = format!("filter on {key:?}");
        let values = elements.iter().map(|element| Value::from_json(element, &what)).collect::<Result<_>>()?;
        Ok(Filter::In { key: key.to_owned(), values })
    }

    fn node(&mut self) -> Result<()> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Error::invalid(format!("filter has more than {NODES_MAX} conditions")));
        }
        Ok(())
    }
}

fn single_or_all(mut parts: Vec<Filter>) -> Filter {
    if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_filter() {
        // Catches an operator read as another, or a shorthand that is not understood.
        let year = |comparison| Filter::Compare { key: "year".into(), comparison, value: Value::Number(2020.0) };
        assert_eq!(parse(r#"{"year": 2020}"#).unwrap(), year(Comparison::Equal));
        assert_eq!(parse(r#"{"year": {"$gte": 2020}}"#).unwrap(), year(Comparison::GreaterEqual));
        assert_eq!(parse(r#"{"year": {"$ne": 2020}}"#).unwrap(), Filter::Not(Box::new(year(Comparison::Equal))));
        assert_eq!(
            parse(r#"{"$or": [{"year": {"$lt": 2020}}, {"year": {"$gt": 2020}}]}"#).unwrap(),
            Filter::Or(vec![year(Comparison::Less), year(Comparison::Greater)])
        );
        assert_eq!(parse("{}").unwrap(), Filter::And(vec![]));
        assert_eq!(
            parse(r#"{"day": {"$date": [5, "x"]}}"#).unwrap(),
            Filter::Compare { key: "day".into(), comparison: Comparison::Equal, value: Value::Date(5) }
        );
    }

    #[test]
    fn hostile_filters_are_refused() {
        // Catches a filter that would be misread, or exhaust the stack or memory.
        let deep = "{\"$not\":".repeat(100) + "{}" + &"}".repeat(100);
        let wide = format!("{{\"$or\": [{}{{}}]}}", "{\"a\": 1},".repeat(5000));
        let deeper = "[".repeat(100_000);
        for bad in [
            "",
            "null",
            "[]",
            "3",
            "{\"$where\": 1}",
            "{\"a\": {\"$regex\": \"x\"}}",
            "{\"a\": [1]}",
            "{\"a\": null}",
            "{\"a\": {}}",
            "{\"a\": {\"$in\": 3}}",
            "{\"a\": {\"$exists\": 1}}",
            "{\"$and\": {}}",
            "{\"a\": 1e999}",
            "{\"a\": 9007199254740993}",
            &deep,
            &wide,
            &deeper,
        ] {
            assert!(matches!(parse(bad), Err(Error::InvalidInput { .. })), "{bad:.60}");
        }
    }
}
