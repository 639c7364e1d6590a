//! Where at a destination a record goes: an index, a tenant, the beginning of an object's key.
//! Text in which `{tag.NAME}` stands for a tag of the record, `{tag.NAME|none}` for a tag or, where
//! the record has no such tag, for what stands behind the bar, and `{%Y.%m.%d}` for the date in UTC
//! (`%Y`, `%m`, `%d` and `%H`).
//! Promise: a pure function of tags and time, so that a resend goes to the same place.

use record::{Tags, calendar};
use settings::Section;
use xxhash_rust::xxh3::xxh3_64;

use crate::encode::NANOS_PER_SECOND;

/// A place that may differ from record to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Tag {
        name: String,
        or: String,
    },
    /// Text with conversions.
    Date(String),
}

const RULE: &str = "{tag.NAME}, {tag.NAME|otherwise} or {%Y.%m.%d}";

impl Place {
    /// Reads a key; `default` holds where it is absent.
    pub(crate) fn read(section: &Section<'_>, key: &'static str, default: &str) -> Self {
        let parsed = Self::parse(section.text(key).unwrap_or(default));
        parsed.unwrap_or_else(|problem| {
            section.wrong(key, problem);
            Self(Vec::new())
        })
    }

    /// # Errors
    /// What is wrong, for a message that names the key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, behind)) = rest.split_once('{') {
            let within = behind.split_once('}');
            let (within, after) = within.ok_or("has a { without its }")?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::parse(within).ok_or_else(|| format!("may have {RULE} in it"))?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The tags that it names.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Tag { name, .. } => Some(name.as_str()),
            Part::Text(_) | Part::Date(_) => None,
        })
    }

    /// What it is for a record of these tags, at a time in nanoseconds since 1970.
    pub(crate) fn fill(&self, tags: &Tags, time: i64) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Tag { name, or } => {
                    let tag = tags.written().find(|(found, _)| found == name);
                    filled.push_str(tag.map_or(or, |(_, value)| value));
                }
                Part::Date(text) => push_date(text, time, &mut filled),
            }
        }
        filled
    }

    /// A number for what the tags make of it; the same for all where it names none.
    pub(crate) fn number(&self, tags: &Tags) -> u64 {
        match self.tags().next() {
            None => 0,
            Some(_) => xxh3_64(self.fill(tags, 0).as_bytes()),
        }
    }
}

impl Part {
    fn parse(within: &str) -> Option<Self> {
        if let Some(tag) = within.strip_prefix("tag.") {
            let (name, or) = tag.split_once('|').unwrap_or((tag, ""));
            let part = Self::Tag { name: name.to_owned(), or: or.to_owned() };
            return (!name.is_empty()).then_some(part);
        }
        let mut conversions = within.split('%').skip(1);
        let is_date =
            within.contains('%') && conversions.all(|rest| rest.starts_with(['Y', 'm', 'd', 'H']));
        is_date.then(|| Self::Date(within.to_owned()))
    }
}

fn push_date(text: &str, time: i64, out: &mut String) {
    let seconds = time.div_euclid(NANOS_PER_SECOND);
    let (year, month, day) = calendar::date_of(seconds.div_euclid(calendar::DAY));
    let hour = seconds.rem_euclid(calendar::DAY) / 3600;
    let mut parts = text.split('%');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (conversion, rest) = part.split_at(part.len().min(1));
        out.push_str(&match conversion {
            "Y" => format!("{year:04}"),
            "m" => format!("{month:02}"),
            "d" => format!("{day:02}"),
            _ => format!("{hour:02}"),
        });
        out.push_str(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-08-01T13:00:00Z.
    const TIME: i64 = 1_785_589_200 * NANOS_PER_SECOND;

    #[test]
    fn places_by_table() {
        let tags = Tags(vec![("_namespace_".into(), "shop".into()), ("empty".into(), "".into())]);
        for (text, expected) in [
            ("logs", "logs"),
            ("", ""),
            ("logs-{tag._namespace_}", "logs-shop"),
            ("{tag._namespace_|none}-{tag.other|none}x", "shop-nonex"),
            ("{tag.other}", ""),
            ("{tag.empty|none}", ""),
            ("a-{%Y.%m.%d}", "a-2026.08.01"),
            ("{%Y/%m/%d/%H}/b", "2026/08/01/13/b"),
        ] {
            assert_eq!(Place::parse(text).unwrap().fill(&tags, TIME), expected, "{text}");
        }
        for text in ["{", "{tag.}", "{name}", "{%y}", "a{%}", "{}"] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_place_has_another_number_only_where_tags_make_it_another() {
        let tags = |value: &str| Tags(vec![("a".into(), value.into())]);
        let by_tag = Place::parse("{tag.a}").unwrap();
        assert_ne!(by_tag.number(&tags("1")), by_tag.number(&tags("2")));
        let by_date = Place::parse("{%Y}").unwrap();
        assert_eq!(by_date.number(&tags("1")), by_date.number(&tags("2")));
    }
}
