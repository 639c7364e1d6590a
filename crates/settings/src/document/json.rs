//! JSON to a value, refusing keys that stand twice. Depth is bounded by serde_json (128).

use std::fmt;
use std::path::Path;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::Error;

/// Reads one JSON document.
pub(crate) fn parse_json(path: &Path, text: &str) -> Result<Value, Error> {
    let syntax =
        |line, column, problem| Error::Syntax { path: path.to_owned(), line, column, problem };
    if text.trim().is_empty() {
        return Err(syntax(1, 1, "the file is empty: write a configuration or remove it".into()));
    }
    match serde_json::from_str::<Strict>(text) {
        Ok(Strict(value)) => Ok(value),
        Err(error) => {
            let text = error.to_string();
            let problem = text.split(" at line ").next().unwrap_or(&text);
            Err(syntax(error.line(), error.column(), format!("not valid JSON: {problem}")))
        }
    }
}

/// A value none of whose objects has a key twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strict, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Strict(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(de::Error::custom(super::stands_twice(&key)));
            }
            let Strict(value) = map.next_value()?;
            object.insert(key, value);
        }
        Ok(Strict(Value::Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_named_by_line_and_column() {
        let cases = [
            ("", "p.json:1:1: the file is empty"),
            (
                "{\"a\": 1,\n \"a\": 2}",
                "p.json:2:4: not valid JSON: the key \"a\" stands there twice",
            ),
            ("{\"a\": {\"b\": 1, \"b\": 1}}", "the key \"b\" stands there twice"),
            ("{\"a\": 1,}", "p.json:1:9: not valid JSON: trailing comma"),
            ("{\"a\": 1} x", "p.json:1:10: not valid JSON: trailing characters"),
            ("{'a': 1}", "p.json:1:2: not valid JSON: key must be a string"),
            ("{\"a\": tru}", "p.json:1:10: not valid JSON: expected ident"),
            ("{\"a\": \"x", "p.json:1:8: not valid JSON: EOF while parsing a string"),
            ("{\"a\": 1e999}", "not valid JSON: number out of range"),
        ];
        for (text, expected) in cases {
            let error = parse_json(Path::new("p.json"), text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let text = "[".repeat(100_000);
        let error = parse_json(Path::new("p.json"), &text).unwrap_err().to_string();
        assert!(error.contains("recursion limit exceeded"), "{error}");
    }
}
