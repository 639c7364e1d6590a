//! One object of a document, read key by key. Each accessor names the key that it asks for;
//! `finish` reports every key that nobody asked for, with the nearest one that somebody did.
//! A wrong value is reported and reads as absent, so that one run finds all that is wrong.
//! Messages tell a value's kind, not its text: it might be a secret.

pub(crate) mod duration;
pub(crate) mod foreign;
pub(crate) mod nearest;
mod report;

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

pub(crate) use report::Report;

use crate::error::Error;
use foreign::{Foreign, Verdict};
use nearest::nearest;

/// An object of a document, and its path from the top.
pub struct Section<'a> {
    report: &'a Report,
    at: String,
    map: &'a Map<String, Value>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    pub(crate) fn new(report: &'a Report, at: String, map: &'a Map<String, Value>) -> Self {
        Section { report, at, map, asked: RefCell::default() }
    }

    /// The key's path from the top of the document.
    pub fn key(&self, name: &str) -> String {
        if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) }
    }

    /// Reports what is wrong with the section as a whole.
    pub fn wrong_itself(&self, problem: impl Into<String>) {
        self.report.wrong(self.at.clone(), problem);
    }

    /// Reports a wrong value, `key` being its path from the top of the document.
    pub fn wrong_at(&self, key: String, problem: impl Into<String>) {
        self.report.wrong(key, problem);
    }

    pub(crate) fn report(&self) -> &'a Report {
        self.report
    }

    /// All of it as text, keys sorted: equal for sections that say the same.
    pub fn text_of_all(&self) -> String {
        serde_json::to_string(self.map).unwrap_or_default()
    }

    /// Reports a wrong value.
    pub fn wrong(&self, name: &str, problem: impl Into<String>) {
        self.report.wrong(self.key(name), problem);
    }

    /// Reports a value that LoongCollector knows and irontail refuses.
    pub fn refuse(&self, name: &str, value: Option<&str>, instead: &str) {
        self.report.error(Error::Unsupported {
            path: self.report.path.clone(),
            key: self.key(name),
            value: value.map(str::to_owned),
            instead: instead.to_owned(),
        });
    }

    /// Says something about a key that is not wrong.
    pub fn note(&self, name: &str, text: &str) {
        let note = format!("{}: {} {text}", self.report.path.display(), self.key(name));
        self.report.notes.borrow_mut().push(note);
    }

    /// The value of a key, which is known from now on.
    pub(crate) fn value(&self, name: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().push(name);
        self.map.get(name)
    }

    /// Whether the key is there.
    pub fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Whether there are no keys.
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// How many entries the list of this name has. `None`: the key is absent or no list.
    pub(crate) fn len(&self, name: &str) -> Option<usize> {
        self.map.get(name).and_then(Value::as_array).map(Vec::len)
    }

    /// The value as read by `read`; a value that it does not take is reported as not being
    /// `expected`.
    fn typed<T>(
        &self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(name)?;
        let typed = read(value);
        if typed.is_none() {
            self.wrong(name, must_be(expected, value));
        }
        typed
    }

    /// True or false.
    pub fn flag(&self, name: &'static str) -> Option<bool> {
        self.typed(name, "true or false", Value::as_bool)
    }

    /// A whole number within `range`.
    pub fn number(&self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.typed(name, &expected, |value| value.as_u64().filter(|n| range.contains(n)))
    }

    /// A whole number of any sign.
    pub fn signed(&self, name: &'static str) -> Option<i64> {
        self.typed(name, "a whole number", Value::as_i64)
    }

    /// A time: a whole number of nanoseconds (as LoongCollector's Go plugins take it), or text
    /// with a unit.
    pub fn duration(
        &self,
        name: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let value = self.value(name)?;
        let read = match value {
            Value::String(text) => duration::parse(text),
            _ => value.as_u64().map(Duration::from_nanos),
        };
        let bounds =
            format!("{} to {}", duration::show(*range.start()), duration::show(*range.end()));
        match read {
            Some(time) if range.contains(&time) => return Some(time),
            Some(_) if value.is_u64() => self.wrong(
                name,
                format!("must be from {bounds}; a bare number is nanoseconds, write \"10s\""),
            ),
            Some(_) => self.wrong(name, format!("must be from {bounds}")),
            None => self.wrong(name, must_be("a time with its unit, as in \"10s\"", value)),
        }
        None
    }

    /// A text, which may be empty.
    pub fn text(&self, name: &'static str) -> Option<&'a str> {
        self.typed(name, "text", Value::as_str)
    }

    /// Text that must be there and not be empty.
    pub fn required_text(&self, name: &'static str) -> Option<&'a str> {
        if !self.has(name) {
            self.wrong(name, "is missing");
        }
        let text = self.text(name)?;
        if text.is_empty() {
            self.wrong(name, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// A list of texts, each with its path. `None`: the key is absent or no list.
    pub fn texts(&self, name: &'static str) -> Option<Vec<(String, &'a str)>> {
        let list = self.typed(name, "a list of texts", Value::as_array)?;
        let mut texts = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let key = format!("{}[{index}]", self.key(name));
            match item.as_str() {
                Some(text) => texts.push((key, text)),
                None => self.report.wrong(key, must_be("text", item)),
            }
        }
        Some(texts)
    }

    /// An object whose values are texts, as (path, name, text) in the order of the names.
    pub fn text_map(&self, name: &'static str) -> Option<Vec<(String, &'a str, &'a str)>> {
        let object = self.typed(name, "an object of texts", Value::as_object)?;
        let mut texts = Vec::new();
        for (entry, value) in object {
            let key = format!("{}.{entry}", self.key(name));
            match value.as_str() {
                Some(text) => texts.push((key, entry.as_str(), text)),
                None => self.report.wrong(key, must_be("text", value)),
            }
        }
        Some(texts)
    }

    /// The object of this name.
    pub fn section(&self, name: &'static str) -> Option<Section<'a>> {
        let map = self.typed(name, "an object", Value::as_object)?;
        Some(Section::new(self.report, self.key(name), map))
    }

    /// A list of objects. `None`: the key is absent or no list.
    pub fn sections(&self, name: &'static str) -> Option<Vec<Section<'a>>> {
        let list = self.typed(name, "a list of objects", Value::as_array)?;
        let mut sections = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let at = format!("{}[{index}]", self.key(name));
            match item.as_object() {
                Some(map) => sections.push(Section::new(self.report, at, map)),
                None => self.report.wrong(at, must_be("an object", item)),
            }
        }
        Some(sections)
    }

    /// Passes judgement on keys that LoongCollector knows and irontail does not read.
    pub fn foreign(&self, known: &'static [Foreign]) {
        for Foreign { key, verdict } in known {
            let Some(value) = self.value(key) else { continue };
            match verdict {
                Verdict::NoEffect(reason) => {
                    self.note(key, &format!("has no effect in irontail: {reason}"));
                }
                Verdict::Only(only, _) if only.equals(value) => {}
                Verdict::Only(_, reason) => self.refuse(key, Some(&kind(value)), reason),
                Verdict::Refused(_) if is_empty(value) => {}
                Verdict::Refused(instead) => self.refuse(key, None, instead),
            }
        }
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        for name in self.map.keys().filter(|name| !asked.contains(&name.as_str())) {
            self.report.error(Error::UnknownKey {
                path: self.report.path.clone(),
                key: self.key(name),
                nearest: nearest(name, asked.iter().copied()).map(str::to_owned),
            });
        }
    }
}

/// Reads one object of a document that stands alone. What comes back with it is all that is wrong.
pub fn read_alone<T>(
    path: &Path,
    document: &Value,
    read: impl FnOnce(&Section<'_>) -> Option<T>,
) -> (Option<T>, Vec<Error>) {
    let report = Report::new(path);
    let found = match document.as_object() {
        Some(map) => read(&Section::new(&report, String::new(), map)),
        None => {
            report.wrong(String::new(), must_be("an object", document));
            None
        }
    };
    (found, report.errors.into_inner())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

/// What a value is, without its text.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(flag) => format!("{flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.is_empty() => "empty text".into(),
        Value::String(_) => "text".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

/// `must be X, not Y`, and what to do where the mistake is a known one.
pub(crate) fn must_be(expected: &str, value: &Value) -> String {
    let cure = match value {
        Value::Null => ": give it a value or remove the key",
        Value::Bool(_) | Value::Number(_) if expected == "text" => ": put it in quotes",
        Value::String(text) if text.parse::<f64>().is_ok() => ": remove the quotes",
        Value::String(text) if matches!(text.as_str(), "true" | "false") => ": remove the quotes",
        Value::String(text) if matches!(text.as_str(), "yes" | "no" | "on" | "off") => {
            " (yes, no, on and off are text)"
        }
        _ => "",
    };
    format!("must be {expected}, not {}{cure}", kind(value))
}
