//! One line of a container's log as the Container Runtime Interface has it. Pure.
//!
//! `<time> <stdout|stderr> <tag>[:<tag>...] <text>`, the first tag `P` where the line of output
//! goes on in the next line of the same stream, `F` where it ends
//! (`k8s.io/cri-client/pkg/logs`, `parseCRILog`).

use super::line::{LogLine, Text, stream as stream_of};

/// Takes a line apart; `None` where it has another shape.
pub(crate) fn parse(line: &[u8]) -> Option<LogLine<'_>> {
    let (time, rest) = split_at_space(line)?;
    let (stream, rest) = split_at_space(rest)?;
    // An empty text may come without the space before it.
    let (tags, text) = split_at_space(rest).unwrap_or((rest, b""));
    if !time.first()?.is_ascii_digit() {
        return None;
    }
    let stream = stream_of(stream)?;
    let ends = match tags.split(|&byte| byte == b':').next() {
        Some(b"F") => true,
        Some(b"P") => false,
        _ => return None,
    };
    Some(LogLine { stream, time, text: Text::Plain(text), ends })
}

fn split_at_space(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b' ', text)?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use record::Stream;

    use super::*;

    #[test]
    fn lines_by_table() {
        use Stream::{Stderr, Stdout};
        type Expected = Option<(Stream, bool, &'static str)>;
        let cases: [(&str, Expected); 12] = [
            ("2026-11-22T13:48:32.440206648Z stderr F text", Some((Stderr, true, "text"))),
            ("2026-11-22T13:48:32.440206648+00:00 stdout P part", Some((Stdout, false, "part"))),
            ("2026-11-22T13:48:32Z stdout F ", Some((Stdout, true, ""))),
            ("2026-11-22T13:48:32Z stdout F", Some((Stdout, true, ""))),
            ("2026-11-22T13:48:32Z stdout F  two  spaces ", Some((Stdout, true, " two  spaces "))),
            ("2026-11-22T13:48:32Z stdout P:x:y text", Some((Stdout, false, "text"))),
            ("2026-11-22T13:48:32Z stdin F text", None),
            ("2026-11-22T13:48:32Z stdout X text", None),
            ("2026-11-22T13:48:32Z stdout", None),
            ("plain text of something else", None),
            ("word stdout F text", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let found = parse(line.as_bytes()).map(|piece| {
                let Text::Plain(text) = piece.text else { panic!("CRI text is never escaped") };
                (piece.stream, piece.ends, std::str::from_utf8(text).unwrap())
            });
            assert_eq!(found, expected, "{line:?}");
        }
    }
}
