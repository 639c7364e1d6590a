//! JSON as it comes, of which only what was asked for is ever in memory: documents of runtimes hold
//! environments and labels of any length, and what nobody asks for is passed over byte by byte.
//!
//! One type of deserializer for all of them, so that each shape is compiled once.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, Read};

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Bytes that are read at once.
const BUFFER_LEN: usize = 8 * 1024;

/// What reads a document.
pub(crate) type Json<'a> =
    serde_json::Deserializer<serde_json::de::IoRead<BufReader<&'a mut dyn Read>>>;

/// Reads one document, and nothing else, out of `source`; `take` takes what it wants of it.
pub(crate) fn parse(
    source: &mut dyn Read,
    take: &mut dyn FnMut(&mut Json<'_>) -> serde_json::Result<()>,
) -> serde_json::Result<()> {
    let buffered = BufReader::with_capacity(BUFFER_LEN, source);
    let mut json = serde_json::Deserializer::from_reader(buffered);
    take(&mut json)?;
    json.end()
}

/// Something that is filled member by member.
pub(crate) trait Members {
    /// The names of the members that matter: the others are passed over.
    const NAMES: &'static [&'static str];

    /// Takes the value of one of them.
    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        name: &'static str,
        values: &mut A,
    ) -> Result<(), A::Error>;
}

/// Fills one from an object.
pub(crate) struct Object<'a, M>(pub &'a mut M);

impl<'de, M: Members> DeserializeSeed<'de> for Object<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, M: Members> Visitor<'de> for Object<'_, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let known = |name: &str| M::NAMES.iter().copied().find(|known| *known == name);
        while let Some(name) = values.next_key_seed(Text(known))? {
            match name {
                Some(name) => self.0.take(name, &mut values)?,
                None => {
                    values.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// What a text says, made out of it where it lies: it may be long.
struct Text<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Text<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }
}

/// Puts into `into` those entries of an object of texts, or of a list of `NAME=value` (one without
/// `=` has an empty value), whose names are asked for. Null, as Go writes what is empty, is none.
pub(crate) struct Asked<'a> {
    pub(crate) is_asked: &'a dyn Fn(&str) -> bool,
    pub(crate) into: &'a mut BTreeMap<String, String>,
}

impl<'de> DeserializeSeed<'de> for Asked<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Asked<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts, or a list of NAME=value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let asked = |name: &str| (self.is_asked)(name).then(|| name.to_owned());
        while let Some(name) = values.next_key_seed(Text(asked))? {
            match name {
                Some(name) => {
                    self.into.insert(name, values.next_value()?);
                }
                None => {
                    values.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let mut entry = |entry: &str| {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            if (self.is_asked)(name) {
                self.into.insert(name.to_owned(), value.to_owned());
            }
        };
        while values.next_element_seed(Text(&mut entry))?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(json: &str) -> Result<BTreeMap<String, String>, serde_json::Error> {
        let mut into = BTreeMap::new();
        let is_asked = |name: &str| name.len() == 1;
        parse(&mut json.as_bytes(), &mut |json| {
            Asked { is_asked: &is_asked, into: &mut into }.deserialize(json)
        })?;
        Ok(into)
    }

    #[test]
    fn what_is_kept_by_table() {
        let cases = [
            (r#"["A=1","B=x=y","C=","D","LONG=1"]"#, "A=1 B=x=y C= D="),
            (r#"{"a":"1","long":{"any":["thing"]},"b":"\u00e9"}"#, "a=1 b=é"),
            (r#"["A=1","A=2"]"#, "A=2"),
            ("null", ""),
            ("[]", ""),
            ("{}", ""),
        ];
        for (json, expected) in cases {
            let kept = asked(json).unwrap();
            let kept: Vec<_> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(kept.join(" "), expected, "{json}");
        }
    }

    #[test]
    fn what_is_none_by_table() {
        for json in ["", "3", "\"A=1\"", "[1]", "{\"a\":1}", "[\"A=1\"", "[] []"] {
            assert!(asked(json).is_err(), "{json}");
        }
    }
}
