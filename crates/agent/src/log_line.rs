//! The agent's own log on standard error: one record is one line, whatever it quotes.
//! Container names, environments, paths and answers of servers are foreign text. Control
//! characters in it are escaped here, for all records at once, so that no text can begin a line of
//! its own or send a command to a terminal.
//! Not here: what is logged at all (`own_log.rs`).

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use env_logger::fmt::Formatter;
use log::Record;

/// The longest message that is written, in bytes; what is above is cut off.
const MESSAGE_LEN_MAX: usize = 16 * 1024;

/// Writes one record as one line.
pub fn write(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let head = format!("[{} {:5} ", out.timestamp(), record.level());
    line(out, &head, record)
}

fn line(out: &mut impl Write, head: &str, record: &Record<'_>) -> io::Result<()> {
    let mut message = Escaped::default();
    // It has no errors of its own: a message that is too long ends early.
    let _ = write!(message, "{}", record.args());
    let cut = if message.is_cut { "... (cut)" } else { "" };
    writeln!(out, "{head}{}] {}{cut}", record.target(), message.text)
}

/// Text without control characters.
#[derive(Default)]
struct Escaped {
    text: String,
    is_cut: bool,
}

impl fmt::Write for Escaped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.text.len() >= MESSAGE_LEN_MAX {
                self.is_cut = true;
                return Err(fmt::Error);
            }
            if is_control(letter) {
                self.text.extend(letter.escape_default());
            } else {
                self.text.push(letter);
            }
        }
        Ok(())
    }
}

/// Whether a terminal or a reader of lines could take it for more than text: controls (C0, DEL,
/// C1), line and paragraph separators, and what changes the direction of writing.
fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        let args = format_args!("{text}");
        let record = Record::builder().level(Level::Warn).target("irontail").args(args).build();
        line(&mut out, "[", &record).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_foreign_text_makes_a_line_of_its_own_or_commands_a_terminal() {
        for (text, expected) in [
            ("plain äöü 日本 😀", "plain äöü 日本 😀"),
            (
                "a\n[2026-11-28T00:00:00Z ERROR irontail] b",
                "a\\n[2026-11-28T00:00:00Z ERROR irontail] b",
            ),
            ("\r\t\0", "\\r\\t\\u{0}"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}", "\\u{1b}[2J\\u{1b}]0;title\\u{7}"),
            ("\u{7f}\u{9b}31m", "\\u{7f}\\u{9b}31m"),
            ("\u{2028}\u{202e}gpj.exe\u{2066}", "\\u{2028}\\u{202e}gpj.exe\\u{2066}"),
        ] {
            assert_eq!(written(text), format!("[irontail] {expected}\n"), "{text:?}");
        }
    }

    #[test]
    fn a_message_without_an_end_is_cut() {
        let text = written(&"\n".repeat(10_000_000));
        assert!(text.len() < MESSAGE_LEN_MAX + 100 && text.ends_with("... (cut)\n"));
    }
}
