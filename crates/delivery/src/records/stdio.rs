//! Which of a container's output is wanted, as it is frozen in the tags of each range.
//! Not here: the rest of a range's format (`record_format.rs`), how runtimes write output down
//! (`process`).

use process::split::Outputs;

/// What of a container's output is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StdioRules {
    /// What came from standard output.
    pub stdout: bool,
    /// What came from standard error.
    pub stderr: bool,
    /// Lines in no known format.
    pub unknown: bool,
    /// Whether a `\r` before the end of a line, as a terminal puts it there, is no text.
    pub strips_returns: bool,
}

impl StdioRules {
    /// What a format of container output begins with.
    pub(crate) const NAME: &str = "stdio";

    /// Everything.
    pub const ALL: Self = Self { stdout: true, stderr: true, unknown: true, strips_returns: true };

    /// As it is frozen in the tags. `container` keeps the output of one apart from all others:
    /// records are only joined within one.
    pub fn format(self, container: &str) -> String {
        let word = |is_wanted: bool, word| if is_wanted { word } else { "" };
        let (stdout, stderr) = (word(self.stdout, "o"), word(self.stderr, "e"));
        // What was frozen before there was this word keeps its returns.
        let (unknown, returns) = (word(self.unknown, "u"), word(self.strips_returns, "r"));
        format!("{} {stdout}{stderr}{unknown}{returns} {container}", Self::NAME)
    }

    /// Out of the word of a format that says what is wanted.
    pub(crate) fn of_flags(flags: &str) -> Self {
        let has = |flag| flags.contains(flag);
        let strips_returns = has('r');
        Self { stdout: has('o'), stderr: has('e'), unknown: has('u'), strips_returns }
    }

    pub(crate) fn outputs(self) -> Outputs {
        let Self { stdout, stderr, unknown, .. } = self;
        Outputs { stdout, stderr, unknown }
    }
}

#[cfg(test)]
mod tests {
    use flusher::Ended;
    use record::Tags;

    use super::*;
    use crate::records::record_format::{split, starts};

    const LINES: [&str; 6] = [
        "1970-01-01T00:00:01Z stdout P one \n",
        "1970-01-01T00:00:02Z stderr F err\n",
        "1970-01-01T00:00:03.5Z stdout F line\n",
        "odd\n",
        "1970-01-01T00:00:04Z stdout F two\n",
        "1970-01-01T00:00:05Z stdout P unfini\n",
    ];

    fn texts(rules: StdioRules, raw: &str) -> (Vec<String>, Ended) {
        let tags = Tags(vec![(Tags::FORMAT.into(), rules.format("c"))]);
        let mut found = Vec::new();
        let ended = split(&tags, raw.as_bytes(), &mut |item| {
            let field = |(name, value): &(&str, &[u8])| {
                format!(" {name}={}", String::from_utf8_lossy(value))
            };
            let fields: String = item.fields.iter().map(field).collect();
            let content = String::from_utf8_lossy(item.text);
            found.push(format!("{} {:?} {content}{fields}", item.start, item.time));
        });
        (found, ended)
    }

    #[test]
    fn records_have_their_stream_and_the_time_of_their_first_line() {
        let raw = LINES.concat();
        let (found, ended) = texts(StdioRules::ALL, &raw);
        let expected = [
            "35 Some(2000000000) err _time_=1970-01-01T00:00:02Z _source_=stderr",
            "0 Some(1000000000) one line _time_=1970-01-01T00:00:01Z _source_=stdout",
            "106 None odd",
            "110 Some(4000000000) two _time_=1970-01-01T00:00:04Z _source_=stdout",
            "144 Some(5000000000) unfini _time_=1970-01-01T00:00:05Z _source_=stdout",
        ];
        assert_eq!(found, expected);
        assert_eq!(ended, Ended { is_open: true, ..Ended::default() });
    }

    #[test]
    fn a_terminals_returns_are_no_text_unless_they_are_kept_or_were_frozen_so() {
        let cri = "1970-01-01T00:00:01Z stdout ";
        let json = |text: &str| {
            format!(r#"{{"log":"{text}","stream":"stdout","time":"1970-01-01T00:00:01Z"}}"#) + "\n"
        };
        let raw = [
            format!("{cri}F one\r\n{cri}P tw\r\n{cri}F o\r\n{cri}F t\rhree\r\r\n"),
            json("four\\r\\n") + &json("\\r\\n") + &json("fi\\rve\\r\\n"),
        ];
        let rules = |strips_returns| StdioRules { strips_returns, ..StdioRules::ALL };
        let read = |format: String| {
            let tags = Tags(vec![(Tags::FORMAT.into(), format)]);
            let mut found = Vec::new();
            split(&tags, raw.concat().as_bytes(), &mut |item| {
                assert_eq!(item.content, Some(item.text));
                found.push(String::from_utf8_lossy(item.text).into_owned());
            });
            found
        };
        let kept = ["one\r", "tw\ro\r", "t\rhree\r\r", "four\r", "\r", "fi\rve\r"];
        assert_eq!(read(rules(false).format("c")), kept);
        assert_eq!(read("stdio oeu c".into()), kept, "as it was frozen by an older version");
        let stripped = kept.map(|text| text.strip_suffix('\r').unwrap());
        assert_eq!(read(rules(true).format("c")), stripped);
    }

    #[test]
    fn what_is_ignored_is_counted() {
        let raw = LINES[..5].concat();
        for (rules, kept) in [
            (StdioRules { stdout: false, ..StdioRules::ALL }, 2),
            (StdioRules { stderr: false, ..StdioRules::ALL }, 3),
            (StdioRules { unknown: false, ..StdioRules::ALL }, 3),
        ] {
            let (found, ended) = texts(rules, &raw);
            assert_eq!((found.len(), ended.dropped as usize), (kept, 4 - kept));
            assert!(!ended.is_open);
        }
    }

    #[test]
    fn damage_is_counted_and_the_line_behind_it_arrives() {
        let line = r#"{"log":"a\n","stream":"stdout","time":"1970-01-01T00:00:01Z"}"#;
        let raw = format!("\0\0{line}\n{}{line}\n{line}{line}\n", &line[..20]);
        let (found, ended) = texts(StdioRules::ALL, &raw);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found.iter().all(|text| text.contains(" a _time_=1970")), "{found:?}");
        assert_eq!((ended.damaged, ended.dropped), (2, 0));
    }

    #[test]
    fn output_may_be_cut_where_no_record_is_open() {
        let tags = Tags(vec![(Tags::FORMAT.into(), StdioRules::ALL.format("c"))]);
        let raw = LINES.concat();
        assert_eq!(starts(&tags, raw.as_bytes()), [0, 106, 110, 144]);
        assert_eq!(starts(&tags, b""), [0; 0]);
        assert_eq!(starts(&tags, b"odd"), [0]);
    }
}
