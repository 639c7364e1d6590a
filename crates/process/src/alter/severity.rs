//! `processor_severity`: however a program writes its level, one field says TRACE, DEBUG, INFO, WARN,
//! ERROR or FATAL, and another one OpenTelemetry's number of it (logs data model, SeverityNumber).
//!
//! A field that is no level stays, and no severity is added.

use record::Event;
use settings::Section;

use crate::{Context, Keep, Processor, Tally};

/// The stage.
#[derive(Debug)]
struct Severity {
    source: String,
    name_key: String,
    number_key: String,
    keeps_source: bool,
    numbers: Numbers,
}

/// What a level that is a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbers {
    /// 10 to 60 as Bunyan and Pino, 0 to 7 as syslog.
    Usual,
    /// 1 to 24 as OpenTelemetry.
    Otlp,
}

/// A name, its number, and the number as text.
type Level = (&'static str, &'static str);

const TRACE: Level = ("TRACE", "1");
const DEBUG: Level = ("DEBUG", "5");
const INFO: Level = ("INFO", "9");
/// syslog's notice is a more important INFO (OpenTelemetry's mapping, appendix B).
const NOTICE: Level = ("INFO", "10");
const WARN: Level = ("WARN", "13");
const ERROR: Level = ("ERROR", "17");
const CRITICAL: Level = ("ERROR", "18");
const ALERT: Level = ("ERROR", "19");
const FATAL: Level = ("FATAL", "21");

/// How programs write their levels, in lower case.
const NAMES: [(&str, Level); 40] = [
    ("trace", TRACE),
    ("trc", TRACE),
    ("t", TRACE),
    ("finest", TRACE),
    ("finer", TRACE),
    ("verbose", TRACE),
    ("v", TRACE),
    ("debug", DEBUG),
    ("dbug", DEBUG),
    ("dbg", DEBUG),
    ("d", DEBUG),
    ("fine", DEBUG),
    ("config", DEBUG),
    ("info", INFO),
    ("inf", INFO),
    ("i", INFO),
    ("information", INFO),
    ("informational", INFO),
    ("notice", NOTICE),
    ("note", NOTICE),
    ("warn", WARN),
    ("warning", WARN),
    ("wrn", WARN),
    ("w", WARN),
    ("error", ERROR),
    ("err", ERROR),
    ("e", ERROR),
    ("eror", ERROR),
    ("severe", ERROR),
    ("fail", ERROR),
    ("critical", CRITICAL),
    ("crit", CRITICAL),
    ("alert", ALERT),
    ("fatal", FATAL),
    ("ftl", FATAL),
    ("f", FATAL),
    ("emergency", FATAL),
    ("emerg", FATAL),
    ("panic", FATAL),
    ("dpanic", FATAL),
];

pub(crate) fn read(section: &Section<'_>) -> Option<Box<dyn Processor>> {
    let key = |name: &'static str, default: &str| {
        let text = section.text(name);
        if text == Some("") {
            section.wrong(name, "must not be empty: name the field or remove the key");
        }
        text.unwrap_or(default).to_owned()
    };
    let source = key("SourceKey", "level");
    let name_key = key("DestKey", "severity");
    let number_key = key("NumberKey", "severity_number");
    let keeps_source = section.flag("KeepingSource").unwrap_or(true);
    let numbers = match section.text("Numbers") {
        None | Some("usual") => Numbers::Usual,
        Some("otlp") => Numbers::Otlp,
        Some(_) => {
            section.wrong("Numbers", "must be usual (Bunyan's 10 to 60, syslog's 0 to 7) or otlp");
            return None;
        }
    };
    if name_key == number_key {
        section.wrong("NumberKey", "must be another field than DestKey");
    }
    Some(Box::new(Severity { source, name_key, number_key, keeps_source, numbers }))
}

impl Processor for Severity {
    fn apply<'a>(&'a self, event: &mut Event<'a>, _: &Context, _: &mut Tally) -> Keep {
        let Some(at) = event.find(self.source.as_bytes()) else { return Keep::Yes };
        let Some((name, number)) = level(event.bytes(event.field(at).value), self.numbers) else {
            return Keep::Yes;
        };
        if !self.keeps_source {
            event.remove(at);
        }
        let before = event.len();
        event.push(self.name_key.as_str().into(), name.into());
        event.push(self.number_key.as_str().into(), number.into());
        event.keep_newest(before);
        Keep::Yes
    }
}

/// The level that a text is; blanks and brackets around it do not count.
fn level(text: &[u8], numbers: Numbers) -> Option<Level> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '[', ']', '<', '>', ':']);
    if let Ok(number) = text.parse::<u8>() {
        return match numbers {
            Numbers::Usual => usual(number),
            Numbers::Otlp => otlp(number),
        };
    }
    NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, level)| *level)
}

fn usual(number: u8) -> Option<Level> {
    Some(match number {
        0 => FATAL,
        1 => ALERT,
        2 => CRITICAL,
        3 => ERROR,
        4 => WARN,
        5 => NOTICE,
        6 => INFO,
        7 => DEBUG,
        10 => TRACE,
        20 => DEBUG,
        30 => INFO,
        40 => WARN,
        50 => ERROR,
        60 => FATAL,
        _ => return None,
    })
}

fn otlp(number: u8) -> Option<Level> {
    const NUMBERS: [&str; 24] = [
        "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
        "17", "18", "19", "20", "21", "22", "23", "24",
    ];
    let at = usize::from(number.checked_sub(1)?);
    let text = NUMBERS.get(at)?;
    Some((["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"][at / 4], text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_table() {
        let cases = [
            ("info", Some(INFO)),
            (" [WARNING] ", Some(WARN)),
            ("Error:", Some(ERROR)),
            ("E", Some(ERROR)),
            ("30", Some(INFO)),
            ("6", Some(INFO)),
            ("0", Some(FATAL)),
            ("35", None),
            ("informations", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(level(text.as_bytes(), Numbers::Usual), expected, "{text}");
        }
        assert_eq!(level(b"18", Numbers::Otlp), Some(CRITICAL));
        assert_eq!(level(b"0", Numbers::Otlp), None);
        assert_eq!(level(b"25", Numbers::Otlp), None);
        assert_eq!(level(b"\xff", Numbers::Usual), None);
    }
}
