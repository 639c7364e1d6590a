//! `processor_desensitize_native`: a secret in a field is replaced by a text or by its MD5.
//!
//! As LoongCollector (which uses RE2): the pattern before the secret stays, and may be referred to in
//! the replacement as `\1`; all occurrences or the first. A value that masking would make longer
//! than [`VALUE_BYTES_MAX`] is replaced as a whole: nothing secret gets out.

use record::Event;
use regex::bytes::{Captures, Regex};
use settings::Section;

use crate::text::pattern::search;
use crate::{Context, Keep, Processor, Reason, Tally};

/// The longest value after masking, in bytes.
const VALUE_BYTES_MAX: usize = 4 * record::RECORD_BYTES_MAX;

/// The stage.
#[derive(Debug)]
struct Desensitize {
    key: String,
    /// Group 1 is what stays.
    pattern: Regex,
    method: Method,
    replaces_all: bool,
}

#[derive(Debug)]
enum Method {
    /// Parts of the replacement.
    Const(Vec<Part>),
    Md5,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Group(usize),
}

pub(crate) fn read(section: &Section<'_>) -> Option<Box<dyn Processor>> {
    let key = section.required_text("SourceKey");
    let before = section.required_text("ContentPatternBeforeReplacedString");
    let secret = section.required_text("ReplacedContentPattern");
    let replacement = section.text("ReplacingString");
    let replaces_all = section.flag("ReplacingAll").unwrap_or(true);
    let method = section.required_text("Method")?;
    let (before, secret) = (before?, secret?);
    // Each alone first, so that a mistake is reported at its own key.
    let mut is_right = true;
    for (name, text) in
        [("ContentPatternBeforeReplacedString", before), ("ReplacedContentPattern", secret)]
    {
        if let Err(problem) = search(text) {
            section.wrong(name, problem);
            is_right = false;
        }
    }
    if !is_right {
        return None;
    }
    let pattern = match search(&format!("({before}){secret}")) {
        Ok(pattern) => pattern,
        Err(problem) => {
            section.wrong("ReplacedContentPattern", problem);
            return None;
        }
    };
    let method = match method {
        "md5" => Method::Md5,
        "const" => Method::Const(constant(section, replacement, pattern.captures_len())?),
        _ => {
            section.wrong("Method", "must be const or md5");
            return None;
        }
    };
    Some(Box::new(Desensitize { key: key?.to_owned(), pattern, method, replaces_all }))
}

fn constant(section: &Section<'_>, text: Option<&str>, groups: usize) -> Option<Vec<Part>> {
    let Some(text) = text else {
        section.wrong("ReplacingString", "is missing: Method const needs it");
        return None;
    };
    match parts(text, groups) {
        Ok(parts) => Some(parts),
        Err(problem) => {
            section.wrong("ReplacingString", problem);
            None
        }
    }
}

/// A replacement taken apart: `\1` refers to a group, `\\` is a backslash.
fn parts(text: &str, groups: usize) -> Result<Vec<Part>, String> {
    let mut parts = vec![Part::Group(1)];
    let mut plain = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'\\') => plain.push(b'\\'),
            Some(digit @ b'0'..=b'9') if usize::from(digit - b'0') < groups => {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Group(usize::from(digit - b'0')));
            }
            Some(b'0'..=b'9') => return Err(format!("refers to a group beyond {}", groups - 1)),
            _ => return Err(r"has a single backslash: write \\".into()),
        }
    }
    parts.push(Part::Text(plain));
    Ok(parts)
}

impl Processor for Desensitize {
    fn apply<'a>(&'a self, event: &mut Event<'a>, _: &Context, tally: &mut Tally) -> Keep {
        let Some(at) = event.find(self.key.as_bytes()) else { return Keep::Yes };
        let value = event.field(at).value;
        if !self.pattern.is_match(event.bytes(value)) {
            return Keep::Yes;
        }
        let mut fits = true;
        let masked = event.store_from(value, |text, out| fits = self.mask(text, out));
        if fits {
            event.set_value(at, masked);
        } else {
            tally.count(Reason::MaskedWhole);
            event.set_value(at, "***".into());
        }
        Keep::Yes
    }
}

impl Desensitize {
    /// Appends the text with its secrets masked. `false`: it became too long, and is void.
    fn mask(&self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let mut from = 0;
        let most = if self.replaces_all { usize::MAX } else { 1 };
        for found in self.pattern.captures_iter(text).take(most) {
            let Some(whole) = found.get(0) else { continue };
            out.extend_from_slice(&text[from..whole.start()]);
            self.push_masked(&found, out);
            from = whole.end();
            if out.len() - start > VALUE_BYTES_MAX {
                return false;
            }
        }
        out.extend_from_slice(&text[from..]);
        out.len() - start <= VALUE_BYTES_MAX
    }

    fn push_masked(&self, found: &Captures<'_>, out: &mut Vec<u8>) {
        let group = |at: usize| found.get(at).map_or(&b""[..], |group| group.as_bytes());
        match &self.method {
            Method::Const(parts) => {
                for part in parts {
                    match part {
                        Part::Text(text) => out.extend_from_slice(text),
                        Part::Group(at) => out.extend_from_slice(group(*at)),
                    }
                }
            }
            Method::Md5 => {
                let kept = group(1);
                let secret = &group(0)[kept.len()..];
                out.extend_from_slice(kept);
                out.extend_from_slice(format!("{:x}", md5::compute(secret)).as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_by_table() {
        let text = |text: &str| Part::Text(text.into());
        assert_eq!(parts("***", 2), Ok(vec![Part::Group(1), text("***")]));
        let expected = vec![Part::Group(1), text("a\\b"), Part::Group(2), text("c")];
        assert_eq!(parts(r"a\\b\2c", 3), Ok(expected));
        assert!(parts(r"\2", 2).unwrap_err().contains("beyond 1"));
        assert!(parts("a\\", 2).is_err());
    }
}
