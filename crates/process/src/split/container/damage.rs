//! Lines of a runtime's log file that a crash of the machine damaged. Pure.
//!
//! After a power loss a file may hold NULs where data was never written, and a line without its
//! end, to which the runtime's next line was appended. The good line behind is parsed; what is
//! damaged is reported as such, so that it is counted and never sent as if it were output.
//! A torn line of the Container Runtime Interface cannot be told from output that looks like it.

use memchr::memmem;

use super::line::{LogLine, Part};
use super::{cri_line, json_line};

/// The line, where it is a good one as a whole.
pub(crate) fn parse(line: &[u8]) -> Option<LogLine<'_>> {
    if line.first() == Some(&b'{') { json_line::parse(line) } else { cri_line::parse(line) }
}

/// The parts of a line that is no good one as a whole, each with where it begins and ends.
pub(crate) fn for_each_part<'a>(line: &'a [u8], out: &mut impl FnMut(usize, usize, Part<'a>)) {
    let nuls = line.iter().take_while(|&&byte| byte == 0).count();
    let rest = &line[nuls..];
    let lines = glued(rest);
    if nuls > 0 && rest.is_empty() {
        return out(0, nuls, Part::Damage);
    }
    let Some(lines) = lines else { return out(0, line.len(), Part::Unknown(line)) };
    if nuls > 0 {
        out(0, nuls, Part::Damage);
    }
    for (from, to, parsed) in lines {
        let part = parsed.map_or(Part::Damage, Part::Line);
        out(nuls + from, nuls + to, part);
    }
}

/// One line, and where it begins and ends; none where it is torn.
type Glued<'a> = (usize, usize, Option<LogLine<'a>>);

/// The lines that stand one behind the other in `rest`; `None` where no good one is among them.
fn glued(rest: &[u8]) -> Option<Vec<Glued<'_>>> {
    if let Some(parsed) = parse(rest) {
        return Some(vec![(0, rest.len(), Some(parsed))]);
    }
    // Cannot stand inside a JSON string, where each quote has a backslash before it.
    let mut begins: Vec<usize> = memmem::find_iter(rest, json_line::HEAD).collect();
    if begins.first() != Some(&0) {
        begins.insert(0, 0);
    }
    let ends = begins.iter().skip(1).copied().chain([rest.len()]);
    let lines: Vec<_> = begins
        .iter()
        .zip(ends)
        .map(|(&from, to)| (from, to, parse(trim_nuls(&rest[from..to]))))
        .collect();
    lines.iter().any(|(.., parsed)| parsed.is_some()).then_some(lines)
}

fn trim_nuls(line: &[u8]) -> &[u8] {
    let nuls = line.iter().rev().take_while(|&&byte| byte == 0).count();
    &line[..line.len() - nuls]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"log":"good\n","stream":"stdout","time":"2026-11-22T15:58:53Z"}"#;
    const ALSO: &str = r#"{"log":"also\n","stream":"stderr","time":"2026-11-22T15:58:54Z"}"#;

    /// The parts in words: `+` a line, `-` damage, `?` unknown, each with its length.
    fn parts(line: &[u8]) -> String {
        let (mut words, mut next) = (Vec::new(), 0);
        for_each_part(line, &mut |from, to, part| {
            assert_eq!(from, next, "parts follow each other");
            next = to;
            let sign = match part {
                Part::Line(_) => '+',
                Part::Unknown(_) => '?',
                Part::Damage => '-',
            };
            words.push(format!("{sign}{}", to - from));
        });
        assert_eq!(next, line.len(), "and are all of it");
        words.join(" ")
    }

    #[test]
    fn damage_by_table() {
        let (good, also) = (GOOD.len(), ALSO.len());
        let torn = &GOOD[..20];
        let cri = "2026-11-22T13:48:32Z stdout F text";
        for (line, expected) in [
            (format!("\0\0\0{GOOD}"), format!("-3 +{good}")),
            (format!("\0\0{cri}"), format!("-2 +{}", cri.len())),
            ("\0\0\0".into(), "-3".into()),
            (format!("{torn}{GOOD}"), format!("-20 +{good}")),
            (format!("{torn}\0\0{GOOD}"), format!("-22 +{good}")),
            (format!("{GOOD}{ALSO}"), format!("+{good} +{also}")),
            (format!("{GOOD}\0\0{ALSO}"), format!("+{} +{also}", good + 2)),
            (format!("\0{GOOD}{torn}{ALSO}"), format!("-1 +{good} -20 +{also}")),
            (format!("{GOOD}{torn}"), format!("+{good} -20")),
            (format!("tail of a line\"}}{GOOD}"), format!("-16 +{good}")),
            (torn.into(), "?20".into()),
            (format!("\0{torn}"), "?21".into()),
            ("plain text".into(), "?10".into()),
            ("".into(), "?0".into()),
        ] {
            assert_eq!(parts(line.as_bytes()), expected, "{line:?}");
        }
    }
}
