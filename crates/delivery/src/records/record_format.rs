//! How the records of a range are found in its raw bytes: what is frozen of that in its tags, as
//! text, and what takes the bytes apart by it. Pure: the same text and bytes give the same records,
//! also when the configuration has changed and the container is gone, so that a resend is the same
//! request.
//!
//! | text | records |
//! |---|---|
//! | none | the lines |
//! | `text` | the lines, a `\r` before the `\n` being no text |
//! | `lines FLAGS MULTILINE` | of several lines each; flag `r`: as `text` |
//! | `stdio FLAGS CONTAINER` | what a container prints ([`StdioRules`]) |
//! | `stdio FLAGS CONTAINER MULTILINE` | of several lines of output each; flag `+`: the range goes on the run of the one before |
//!
//! MULTILINE is the section `Multiline` of the input as JSON, which may have blanks.
//! Not here: how records are found (`process`), which files they are read from.

use std::sync::{Arc, Mutex};

use flusher::{Ended, Item};
use process::split::{Multiline, Record, Splitter};
use record::{Stream, Tags};
use tail::{Framing, Groups};

use crate::records::stdio::StdioRules;

/// What a format of lines that are joined begins with.
const LINES: &str = "lines";
/// The flag of lines whose `\r` before the `\n` is no text; there are others to come.
const RETURNS: char = 'r';
/// The flag of a range that goes on the run of the one before it.
const JOINED: char = '+';
/// As many texts of `Multiline` are kept compiled.
const COMPILED_MAX: usize = 64;

/// How the records of an input are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFormat {
    /// Of what a container prints: what of it, and a name that keeps the output of one apart from
    /// all others. `None`: of files with lines.
    pub output: Option<(StdioRules, String)>,
    /// Whether a `\r` before the end of a line of a file is no text; of output its rules say it.
    pub strips_returns: bool,
    /// The section `Multiline` as text; `None`: every line is a record.
    pub multiline: Option<String>,
}

impl RecordFormat {
    /// As it is frozen in the tags; `None`: the records are lines as they are.
    pub fn text(&self) -> Option<String> {
        let Self { output, strips_returns, multiline } = self;
        match (output, multiline) {
            (Some((rules, container)), None) => Some(rules.format(container)),
            (Some((rules, container)), Some(multiline)) => {
                Some(format!("{} {multiline}", rules.format(container)))
            }
            (None, Some(multiline)) => {
                let flags = if *strips_returns { RETURNS } else { '-' };
                Some(format!("{LINES} {flags} {multiline}"))
            }
            (None, None) => strips_returns.then(|| Tags::TEXT.to_owned()),
        }
    }

    /// What a reader may not cut in two.
    pub fn framing(&self) -> Framing {
        match (&self.output, &self.multiline) {
            // Whole records are taken from between the lines of unfinished ones: see
            // `request/interleaved.rs`.
            (None, None) | (Some(_), Some(_)) => Framing::Lines,
            _ => Framing::Groups(Arc::new(Cutter(splitter(self.text().as_deref())))),
        }
    }
}

/// Cuts between records.
#[derive(Debug)]
struct Cutter(Splitter);

impl Groups for Cutter {
    fn safe_len(&self, bytes: &[u8]) -> usize {
        self.0.cut(bytes)
    }

    fn longest(&self) -> usize {
        self.0.longest()
    }
}

/// Whether records of these tags may stand between the lines of unfinished ones.
pub(crate) fn interleaves(tags: &Tags) -> bool {
    let words = tags.format().unwrap_or_default().splitn(4, ' ');
    tags.format().is_some_and(|format| format.starts_with(StdioRules::NAME)) && words.count() == 4
}

/// Whether a range with these tags goes on the run of the one before it.
pub(crate) fn is_joined(tags: &Tags) -> bool {
    let flags = tags.format().and_then(|format| format.split(' ').nth(1));
    interleaves(tags) && flags.is_some_and(|flags| flags.contains(JOINED))
}

/// The tags of a range that goes on the run of the one before it, of those of one that does not.
pub(crate) fn joined(tags: &Tags) -> Tags {
    let mut joined = tags.clone();
    if !is_joined(tags)
        && let Some((_, format)) = joined.0.first_mut()
        && let Some((name, rest)) = format.split_once(' ')
        && let Some((flags, rest)) = rest.split_once(' ')
    {
        *format = format!("{name} {flags}{JOINED} {rest}");
    }
    joined
}

/// The tags of a range that begins a run, of those of one that goes on one.
pub(crate) fn alone(tags: &Tags) -> Tags {
    let mut alone = tags.clone();
    if is_joined(tags)
        && let Some((_, format)) = alone.0.first_mut()
    {
        *format = format.replacen(JOINED, "", 1);
    }
    alone
}

/// What takes bytes of a frozen format apart.
pub(crate) fn splitter(format: Option<&str>) -> Splitter {
    let Some(format) = format else { return Splitter::default() };
    let (name, rest) = format.split_once(' ').unwrap_or((format, ""));
    let (flags, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    match name {
        LINES => Splitter {
            strips_returns: flags.contains(RETURNS),
            multiline: compiled(rest),
            ..Splitter::default()
        },
        StdioRules::NAME => {
            let multiline = rest.split_once(' ').and_then(|(_, text)| compiled(text));
            let rules = StdioRules::of_flags(flags);
            let (outputs, strips_returns) = (Some(rules.outputs()), rules.strips_returns);
            Splitter { outputs, multiline, strips_returns }
        }
        _ => Splitter { strips_returns: format == Tags::TEXT, ..Splitter::default() },
    }
}

/// The rules of a text of `Multiline`. A text that this version cannot read makes every line a
/// record. Compiling is slow, and the texts are those of the pipelines: the last ones are kept.
fn compiled(text: &str) -> Option<Arc<Multiline>> {
    type Kept = Vec<(String, Option<Arc<Multiline>>)>;
    static KEPT: Mutex<Kept> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock().expect("no holder panics");
    if let Some((_, rules)) = kept.iter().find(|(known, _)| known == text) {
        return rules.clone();
    }
    let rules = Multiline::parse(text).map(Arc::new);
    if kept.len() == COMPILED_MAX {
        kept.remove(0);
    }
    kept.push((text.to_owned(), rules.clone()));
    rules
}

/// The records of a run. Of what a container printed they have `content`, `_time_` as the runtime
/// wrote it and `_source_`, the stream; those of files, and lines in no known format, their content
/// alone.
pub(crate) fn split(tags: &Tags, raw: &[u8], out: &mut dyn FnMut(&Item<'_>)) -> Ended {
    let ended = splitter(tags.format()).records(raw, |record| {
        let Record { start, content, time, .. } = *record;
        let source = record.stream.map_or("", Stream::as_str).as_bytes();
        let fields = [("_time_", time), ("_source_", source)];
        let fields = if record.stream.is_some() { &fields[..] } else { &[] };
        let time = record.time_nanos();
        out(&Item { start, text: content, content: Some(content), fields, time });
    });
    Ended { dropped: ended.dropped, damaged: ended.damaged, is_open: ended.is_open }
}

/// Where in a run it may be cut: the positions at which a record begins while no other is open.
pub(crate) fn starts(tags: &Tags, raw: &[u8]) -> Vec<usize> {
    splitter(tags.format()).starts(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"{"StartPattern":"S .*"}"#;

    fn all() -> [RecordFormat; 6] {
        let rules = StdioRules { unknown: false, ..StdioRules::ALL };
        let output = Some((rules, "c".to_owned()));
        let multiline = Some(START.to_owned());
        let plain = RecordFormat::default();
        [
            plain.clone(),
            RecordFormat { strips_returns: true, ..plain.clone() },
            RecordFormat { multiline: multiline.clone(), ..plain.clone() },
            RecordFormat { multiline: multiline.clone(), strips_returns: true, ..plain.clone() },
            RecordFormat { output: output.clone(), ..plain.clone() },
            RecordFormat { output, multiline, ..plain },
        ]
    }

    #[test]
    fn formats_are_these_texts_in_every_journal() {
        let texts = all().map(|format| format.text());
        let texts: Vec<&str> = texts.iter().map(|text| text.as_deref().unwrap_or("-")).collect();
        let expected = [
            "-",
            "text",
            r#"lines - {"StartPattern":"S .*"}"#,
            r#"lines r {"StartPattern":"S .*"}"#,
            "stdio oer c",
            r#"stdio oer c {"StartPattern":"S .*"}"#,
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_text_is_taken_apart_as_the_format_that_made_it() {
        for format in all() {
            let splitter = splitter(format.text().as_deref());
            assert_eq!(splitter.outputs, format.output.as_ref().map(|(of, _)| of.outputs()));
            assert_eq!(splitter.multiline.is_some(), format.multiline.is_some());
            let of_output = format.output.as_ref().map(|(rules, _)| rules.strips_returns);
            assert_eq!(splitter.strips_returns, of_output.unwrap_or(format.strips_returns));
            let is_lines = matches!(format.framing(), Framing::Lines);
            let tags = format.text().map(|text| (Tags::FORMAT.to_owned(), text));
            let tags = Tags(tags.into_iter().collect());
            assert_eq!(is_lines, tags.has_lines() || interleaves(&tags));
            assert_eq!(interleaves(&tags), splitter.interleaves());
        }
    }

    #[test]
    fn a_range_says_that_it_goes_on_the_run_before_it_and_is_taken_apart_alike() {
        let tags = |format: &str| Tags(vec![(Tags::FORMAT.into(), format.into())]);
        let first = tags(&format!("stdio oer c {START}"));
        let next = joined(&first);
        assert_eq!(next.format(), Some(&*format!("stdio oer+ c {START}")));
        assert_eq!((joined(&next), alone(&next)), (next.clone(), first.clone()));
        assert_eq!((is_joined(&first), is_joined(&next)), (false, true));
        let [first, next] = [first, next].map(|tags| splitter(tags.format()));
        assert_eq!((first.outputs, first.strips_returns), (next.outputs, next.strips_returns));
        assert!(next.interleaves());
        for format in ["stdio oe+ c", "text", "lines r+ {}", &format!("lines + {START}")] {
            assert!(!is_joined(&tags(format)), "{format}");
        }
    }

    #[test]
    fn a_multiline_that_cannot_be_read_leaves_lines() {
        for text in ["lines - {", "lines r {\"StartPattern\":\"(\"}", "lines", "stdio oe c x"] {
            assert!(splitter(Some(text)).multiline.is_none(), "{text}");
        }
    }

    #[test]
    fn a_text_is_compiled_once() {
        let one = compiled(START).unwrap();
        assert!(Arc::ptr_eq(&one, &compiled(START).unwrap()));
        (0..2 * COMPILED_MAX).for_each(|at| {
            assert!(compiled(&format!("{{\"EndPattern\":\"{at}\"}}")).is_some());
        });
        assert!(compiled(START).is_some());
    }

    #[test]
    fn lines_of_one_record_are_its_text() {
        let tags = Tags(vec![(Tags::FORMAT.into(), format!("lines r {START}"))]);
        let raw = b"x\r\nS 1\r\n at a\r\n at b\r\nS 2\r\n";
        let mut found = Vec::new();
        let ended = split(&tags, raw, &mut |item| {
            found.push((item.start, String::from_utf8_lossy(item.text).into_owned()));
            assert_eq!((item.content, item.fields.len(), item.time), (Some(item.text), 0, None));
        });
        assert_eq!(found, [(0, "x".into()), (3, "S 1\n at a\n at b".into()), (22, "S 2".into())]);
        assert!(ended.is_open);
        assert_eq!(starts(&tags, raw), [0, 3, 22]);
    }
}
