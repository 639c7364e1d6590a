//! YAML 1.2 to a value: one document, JSON's types, bounded.
//!
//! Scalars: quoted ones are text. Plain ones are null, a boolean (`true`, `false`; not `yes` or
//! `on`), a whole number, a decimal number, or text. A number with a leading zero, hexadecimal
//! and octal notation are text, so that `0123` never silently becomes another number.
//! Aliases are copied, and a copy counts against [`NODES_MAX`]: a document that multiplies
//! itself is refused before it is built. Merge keys (`<<`) and own tags (`!x`) are refused.

use std::collections::HashMap;
use std::path::Path;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag, options};
use serde_json::{Map, Value};

use crate::error::Error;

/// The most nodes of a document, copies by aliases included.
const NODES_MAX: usize = 50_000;

/// The most collections that stand in one another, of each of YAML's two styles.
const NESTING_MAX: usize = 50;

/// Reads one YAML document.
pub(crate) fn parse_yaml(path: &Path, text: &str) -> Result<Value, Error> {
    let syntax = |marker: &Marker, problem: String| Error::Syntax {
        path: path.to_owned(),
        line: marker.line().max(1),
        column: marker.col() + 1,
        problem,
    };
    let options = options! {
        flow_nesting_limit: NESTING_MAX,
        block_nesting_limit: NESTING_MAX,
        emit_comments: false,
    };
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next
            .map_err(|error| syntax(error.marker(), format!("not valid YAML: {}", error.info())))?;
        builder.take(event).map_err(|problem| syntax(&span.start, problem))?;
    }
    builder.document.ok_or_else(|| {
        syntax(
            &Marker::new(0, 1, 0),
            "the file is empty: write a configuration or remove it".into(),
        )
    })
}

/// A node that is complete, and how many nodes it holds.
#[derive(Clone)]
struct Node {
    value: Value,
    nodes: usize,
}

/// A collection that is still open.
struct Open {
    collection: Collection,
    anchor: usize,
    nodes: usize,
}

enum Collection {
    List(Vec<Value>),
    /// With the key whose value comes next.
    Object(Map<String, Value>, Option<String>),
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    /// All nodes so far.
    nodes: usize,
    document: Option<Value>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::DocumentStart(..) if self.document.is_some() => {
                Err("the file holds more than one document: one file is one pipeline".into())
            }
            Event::Scalar(text, style, anchor, tag) => {
                if self.wants_key() {
                    self.remember(anchor, Value::String(text.to_string()));
                    return self.key(text.into_owned());
                }
                let value = scalar(&text, style, tag.as_deref())?;
                self.remember(anchor, value.clone());
                self.put(Node { value, nodes: 1 })
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(Collection::List(Vec::new()), anchor, tag.as_deref())
            }
            Event::MappingStart(_, anchor, tag) => {
                self.begin(Collection::Object(Map::new(), None), anchor, tag.as_deref())
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(id) => self.alias(id),
            _ => Ok(()),
        }
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { collection: Collection::Object(_, None), .. }))
    }

    fn key(&mut self, text: String) -> Result<(), String> {
        self.count(1)?;
        let Some(Open { collection: Collection::Object(object, key), .. }) = self.open.last_mut()
        else {
            return Ok(());
        };
        if text == "<<" {
            return Err("merge keys (<<) are not supported: write the keys out".into());
        }
        if object.contains_key(&text) {
            return Err(super::stands_twice(&text));
        }
        *key = Some(text);
        Ok(())
    }

    fn begin(
        &mut self,
        collection: Collection,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<(), String> {
        if self.wants_key() {
            return Err("a key must be text, not a list or an object".into());
        }
        let plain = tag.is_none_or(|tag| matches!(tag.core_suffix(), Some("map" | "seq")));
        if !plain {
            return Err(NO_TAGS.into());
        }
        self.open.push(Open { collection, anchor, nodes: 1 });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(Open { collection, anchor, nodes }) = self.open.pop() else { return Ok(()) };
        let value = match collection {
            Collection::List(items) => Value::Array(items),
            Collection::Object(object, _) => Value::Object(object),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, Node { value: value.clone(), nodes });
        }
        self.place(Node { value, nodes })
    }

    fn alias(&mut self, id: usize) -> Result<(), String> {
        let node = self.anchors.get(&id).ok_or("an alias stands inside what it refers to")?;
        if !self.wants_key() {
            // Counted before it is copied.
            let nodes = node.nodes;
            self.count(nodes)?;
            let copy = self.anchors[&id].clone();
            return self.place(copy);
        }
        match &node.value {
            Value::String(text) => {
                let text = text.clone();
                self.key(text)
            }
            _ => Err("a key must be text, not an alias of something else".into()),
        }
    }

    fn remember(&mut self, anchor: usize, value: Value) {
        if anchor != 0 {
            self.anchors.insert(anchor, Node { value, nodes: 1 });
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return Err(format!("the document has more than {NODES_MAX} nodes (aliases count)"));
        }
        Ok(())
    }

    /// A new node.
    fn put(&mut self, node: Node) -> Result<(), String> {
        self.count(node.nodes)?;
        self.place(node)
    }

    /// A node that is counted already.
    fn place(&mut self, node: Node) -> Result<(), String> {
        let Some(open) = self.open.last_mut() else {
            self.document = Some(node.value);
            return Ok(());
        };
        open.nodes += node.nodes;
        match &mut open.collection {
            Collection::List(items) => items.push(node.value),
            Collection::Object(object, key) => {
                let key = key.take().ok_or("a key must be text, not a list or an object")?;
                object.insert(key, node.value);
            }
        }
        Ok(())
    }
}

const NO_TAGS: &str = "tags of one's own (!name) are not supported: remove the tag";

/// The value of a scalar.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    match tag.map(|tag| tag.core_suffix()) {
        None if style == ScalarStyle::Plain => Ok(plain(text)),
        None | Some(Some("str")) => Ok(Value::String(text.to_owned())),
        Some(Some("int" | "float" | "bool" | "null")) => Ok(plain(text)),
        Some(_) => Err(NO_TAGS.into()),
    }
}

/// The value of a plain scalar, by YAML 1.2's core schema less what is said above.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    number(text).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let is_number = digits.contains(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'));
    if !is_number || leading_zero {
        return None;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Value, String> {
        parse_yaml(Path::new("p.yaml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn scalars_by_table() {
        let cases = [
            ("1", json!(1)),
            ("-1", json!(-1)),
            ("+7", json!(7)),
            ("0", json!(0)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("0.25", json!(0.25)),
            ("0123", json!("0123")),
            ("0x1f", json!("0x1f")),
            ("1.2.3", json!("1.2.3")),
            ("1-2", json!("1-2")),
            (".", json!(".")),
            (".inf", json!(".inf")),
            (".nan", json!(".nan")),
            ("1e999", json!("1e999")),
            ("true", json!(true)),
            ("FALSE", json!(false)),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("~", Value::Null),
            ("null", Value::Null),
            ("'1'", json!("1")),
            ("\"true\"", json!("true")),
            ("!!str 1", json!("1")),
            ("!!int '1'", json!(1)),
            ("2026-05-04", json!("2026-05-04")),
            ("10s", json!("10s")),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&format!("a: {text}")), Ok(json!({ "a": expected })), "{text}");
        }
        assert_eq!(parse("a: |\n  x\n  y\n"), Ok(json!({ "a": "x\ny\n" })));
        assert_eq!(parse("a:"), Ok(json!({ "a": null })));
        assert_eq!(parse("1: x\n2: y"), Ok(json!({ "1": "x", "2": "y" })));
    }

    #[test]
    fn aliases_are_copies() {
        let text = "a: &x [1, {b: c}]\nd: *x\ne: &k name\n*k : 1\n&q f: *q\n";
        let expected = json!({
            "a": [1, { "b": "c" }], "d": [1, { "b": "c" }], "e": "name", "name": 1, "f": "f",
        });
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn damage_is_named_by_line_and_column() {
        let cases = [
            ("", "p.yaml:1:1: the file is empty"),
            ("# only a comment\n", "the file is empty"),
            ("a: 1\nb: 2\na: 3\n", "p.yaml:3:1: the key \"a\" stands there twice"),
            ("a: {b: 1, b: 2}", "p.yaml:1:11: the key \"b\" stands there twice"),
            ("a: 1\n---\nb: 2\n", "p.yaml:2:1: the file holds more than one document"),
            ("a: [1, 2\nb: 3\n", "p.yaml:"),
            ("a: 'x\n", "p.yaml:"),
            ("a:\n\t- 1\n", "p.yaml:2:"),
            ("a: *nobody\n", "p.yaml:1:4: not valid YAML"),
            ("a: &x [*x]\n", "p.yaml:1:8: an alias stands inside what it refers to"),
            ("<<: {a: 1}\n", "merge keys (<<) are not supported"),
            ("a: !secret x\n", "tags of one's own (!name) are not supported"),
            ("a: !env [x]\n", "tags of one's own (!name) are not supported"),
            ("[1]: x\n", "p.yaml:1:1: a key must be text"),
            ("? {a: b}\n: x\n", "a key must be text"),
            ("a: &x [1]\n*x : 2\n", "a key must be text, not an alias of something else"),
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_document_that_multiplies_itself_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let copies = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{copies}]\n"));
        }
        let error = parse(&text).unwrap_err();
        assert!(error.contains("more than 50000 nodes"), "{error}");
    }

    #[test]
    fn depth_is_bounded() {
        let flow = format!("a: {}", "[".repeat(10_000));
        assert!(parse(&flow).unwrap_err().contains("not valid YAML"));
        let block: String = (0..1000).map(|depth| format!("{}- \n", " ".repeat(depth))).collect();
        assert!(parse(&block).unwrap_err().contains("not valid YAML"));
    }
}
