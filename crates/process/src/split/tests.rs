//! Splitting as inputs are configured: LoongCollector's tables, and the law of cutting.

use record::{Event, RECORD_BYTES_MAX};
use serde_json::{Value, json};

use super::*;

fn multiline(document: &Value) -> Multiline {
    let (found, errors) = settings::read_alone("p".as_ref(), document, Multiline::read);
    assert!(errors.is_empty(), "{document}: {errors:?}");
    found.unwrap()
}

fn splitter(document: &Value, outputs: Option<Outputs>) -> Splitter {
    Splitter { outputs, multiline: Some(multiline(document).into()), strips_returns: false }
}

/// The records of a run, and what came of it.
fn records(splitter: &Splitter, raw: &[u8]) -> (Vec<(usize, String)>, Ended) {
    let mut found = Vec::new();
    let ended = splitter.split(raw, &mut Event::new(), &mut |event| {
        let text = String::from_utf8_lossy(event.text()).into_owned();
        let stream = event.stream.map_or(String::new(), |stream| format!("{}:", stream.as_str()));
        found.push((event.start, stream + &text));
    });
    (found, ended)
}

fn patterns(start: &str, goes_on: &str, end: &str) -> Value {
    let mut document = json!({});
    for (key, text) in [("StartPattern", start), ("ContinuePattern", goes_on), ("EndPattern", end)]
    {
        if !text.is_empty() {
            document[key] = text.into();
        }
    }
    document
}

/// Every row of the table of combinations: `+` joins, braces are lines that belong to no record.
#[test]
fn the_five_combinations_are_loongcollectors() {
    let rows = [
        ("S", "", "", "x0 S1 x1 S2", "{x0} S1+x1 S2"),
        ("S", "C", "", "S1 C1 x1 S2", "S1+C1 {x1} S2"),
        ("S", "", "E", "S1 x1 E1 x2", "S1+x1+E1 {x2}"),
        ("S", "", "E", "S1 x1 S2 x2", "{S1} {x1} {S2} {x2}"),
        ("", "C", "E", "C1 C2 E1 x1", "C1+C2+E1 {x1}"),
        ("", "C", "E", "C1 x1 E1 C2", "{C1} {x1} E1 {C2}"),
        ("", "", "E", "x1 E1 E2 x2", "x1+E1 E2 {x2}"),
        // All three: the second one does not count.
        ("S", "C", "E", "S1 x1 E1 C2", "S1+x1+E1 {C2}"),
        // A line that opens is not asked whether it ends.
        ("S", "", "SE", "SE1 x1 SE2 x2", "SE1+x1+SE2 {x2}"),
        // Continue is asked before End.
        ("", "C", "CE", "CE1 x1", "{CE1} {x1}"),
        ("S", "C", "", "S1 S2 C2", "S1 S2+C2"),
    ];
    for (start, goes_on, end, lines, expected) in rows {
        let raw = lines.replace(' ', "\n") + "\n";
        for treatment in ["single_line", "discard"] {
            let mut document = patterns(start, goes_on, end);
            document["UnmatchedContentTreatment"] = treatment.into();
            let (found, ended) = records(&splitter(&document, None), raw.as_bytes());
            let found: Vec<String> =
                found.into_iter().map(|(_, text)| text.replace('\n', "+")).collect();
            let is_single = treatment == "single_line";
            let wanted: Vec<String> = expected
                .split(' ')
                .filter(|record| is_single || !record.starts_with('{'))
                .map(|record| record.trim_matches(['{', '}']).to_owned())
                .collect();
            assert_eq!(found, wanted, "{document} of {lines}");
            let left_out = expected.matches('{').count() as u64;
            assert_eq!(ended.dropped, if is_single { 0 } else { left_out });
        }
    }
}

#[test]
fn patterns_are_anchored_at_the_start_of_a_line_only() {
    let document = patterns(r"\d{4}-\d\d.*", "", "");
    let raw = b"2026-11 a\n at x 2026-11\n2026-12 b\n";
    let (found, _) = records(&splitter(&document, None), raw);
    assert_eq!(found, [(0, "2026-11 a\n at x 2026-11".into()), (24, "2026-12 b".into())]);
}

#[test]
fn objects_over_several_lines_are_one_record() {
    let splitter = splitter(&json!({"Mode": "JSON"}), None);
    let raw = "{\"a\":\n  {\"b\":[1,\n2]}}\n{\"c\":\"}{\"}\nplain\n{\"broken\": \"\n}\n{\n\"x\":1";
    let (found, ended) = records(&splitter, raw.as_bytes());
    let found: Vec<String> = found.into_iter().map(|(_, text)| text).collect();
    let expected = [
        "{\"a\":\n  {\"b\":[1,\n2]}}",
        "{\"c\":\"}{\"}",
        "plain",
        "{\"broken\": \"",
        "}",
        "{",
        "\"x\":1",
    ];
    assert_eq!(found, expected);
    assert!(ended.is_open);
    assert_eq!(splitter.cut(raw.as_bytes()), raw.find("{\n\"x\"").unwrap());
}

#[test]
fn stack_traces_are_one_record_each() {
    let java = "2026 ERROR failed\njava.lang.A: b\n\tat c.D.e(F.java:1)\n\t... 3 more\nCaused by: g.H\n\tat i\n2026 INFO next";
    let python = "start\nTraceback (most recent call last):\n  File \"a\", line 1\n    b()\nValueError: c\nnext";
    let chained = "Traceback (most recent call last):\n  File \"a\"\nKeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"b\"\nValueError: 2\nnext";
    let go = "start\npanic: boom\n\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/a/b.go:7 +0x1d\nmain.(*T).g(...)\n\t/a/b.go:9\ncreated by main.main\n\t/a/b.go:3\nexit status 2\nnext";
    let dotnet = "Unhandled exception. System.A: b\n ---> System.C: d\n   at E.F() in g.cs:line 1\n   --- End of inner exception stack trace ---\n   at H.I()\nnext";
    let rows: [(&str, &str, &[usize]); 5] = [
        ("java", java, &[0, 1, 6]),
        ("python", python, &[0, 1, 5]),
        ("python", chained, &[0, 9]),
        ("go", go, &[0, 1, 11]),
        ("dotnet", dotnet, &[0, 5]),
    ];
    for (mode, text, starts) in rows {
        let lines: Vec<&str> = text.lines().collect();
        let (found, _) = records(&splitter(&json!({"Mode": mode}), None), text.as_bytes());
        let found: Vec<String> = found.into_iter().map(|(_, text)| text).collect();
        let ends = starts.iter().skip(1).copied().chain([lines.len()]);
        let expected: Vec<String> =
            starts.iter().zip(ends).map(|(start, end)| lines[*start..end].join("\n")).collect();
        assert_eq!(found, expected, "{mode}");
    }
}

#[test]
fn outputs_of_a_container_are_joined_each_on_its_own() {
    let line = |stream: &str, tag: &str, text: &str| {
        format!("1970-01-01T00:00:01Z {stream} {tag} {text}\n")
    };
    let raw = [
        line("stdout", "F", "S1"),
        line("stderr", "F", "S2"),
        line("stdout", "P", "x"),
        line("stderr", "F", "y2"),
        line("stdout", "F", "1"),
        line("stdout", "F", "S3"),
        "odd\n".to_owned(),
    ]
    .concat();
    let splitter = splitter(&patterns("S", "", ""), Some(Outputs::ALL));
    let (found, ended) = records(&splitter, raw.as_bytes());
    let found: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(found, ["stdout:S1\nx1", "odd", "stderr:S2\ny2", "stdout:S3"]);
    assert!(ended.is_open);
    let only = Outputs { stderr: false, unknown: false, ..Outputs::ALL };
    let splitter = self::splitter(&patterns("S", "", ""), Some(only));
    let (found, ended) = records(&splitter, raw.as_bytes());
    assert_eq!((found.len(), ended.dropped), (2, 3));
    assert_eq!(splitter.cut(raw.as_bytes()), raw.find("1970-01-01T00:00:01Z stdout F S3").unwrap());
}

#[test]
fn returns_of_a_terminal_are_no_text_of_a_line_alone_or_of_several() {
    let line = |text: &str| format!("1970-01-01T00:00:01Z stdout F {text}\r\n");
    let raw = [line("S1"), line("x1"), line("S2")].concat();
    let several = |strips_returns| {
        let splitter = splitter(&patterns("S", "", ""), Some(Outputs::ALL));
        records(&Splitter { strips_returns, ..splitter }, raw.as_bytes()).0
    };
    let texts = |found: Vec<(usize, String)>| found.into_iter().map(|(_, text)| text);
    assert!(texts(several(true)).eq(["stdout:S1\nx1", "stdout:S2"]));
    assert!(texts(several(false)).eq(["stdout:S1\r\nx1\r", "stdout:S2\r"]));
    let alone = Splitter { outputs: Some(Outputs::ALL), strips_returns: true, multiline: None };
    assert!(texts(records(&alone, raw.as_bytes()).0).eq(["stdout:S1", "stdout:x1", "stdout:S2"]));
}

#[test]
fn a_record_is_bounded_and_an_output_that_fell_silent_holds_nothing() {
    let raw = format!("S\n{}", "x\n".repeat(RECORD_BYTES_MAX));
    let splitter = splitter(&patterns("S", "", ""), None);
    let (found, _) = records(&splitter, raw.as_bytes());
    assert!(found.iter().all(|(_, text)| text.len() <= RECORD_BYTES_MAX));
    assert!(splitter.cut(raw.as_bytes()) > RECORD_BYTES_MAX);
    let endless = self::splitter(&patterns("S", "", "E"), None);
    assert!(endless.cut(raw.as_bytes()) > RECORD_BYTES_MAX, "no end is waited for that long");

    let chatty = "1970-01-01T00:00:01Z stdout F S of a line\n".repeat(40_000);
    let silent = "1970-01-01T00:00:01Z stderr F S\n";
    let raw = format!("{silent}{chatty}");
    let outputs = self::splitter(&patterns("S", "", ""), Some(Outputs::ALL));
    let open = outputs.open_lines(raw.as_bytes());
    let open: Vec<&str> = open.iter().map(|line| &raw[line.start..line.end]).collect();
    assert_eq!(open, [silent, "1970-01-01T00:00:01Z stdout F S of a line\n"]);
}

/// Splitters of every kind.
fn splitters() -> Vec<Splitter> {
    let documents = [
        patterns("S", "", ""),
        patterns("S", "C", ""),
        patterns("S", "", "E"),
        patterns("", "C", "E"),
        patterns("", "", "E"),
        json!({"Mode": "JSON"}),
        json!({"Mode": "java"}),
        json!({"Mode": "python"}),
        json!({"Mode": "go"}),
        json!({"Mode": "dotnet", "UnmatchedContentTreatment": "discard"}),
    ];
    let only = Outputs { stdout: true, stderr: false, unknown: true };
    let mut splitters: Vec<Splitter> = [None, Some(Outputs::ALL), Some(only)]
        .into_iter()
        .flat_map(|outputs| documents.iter().map(move |document| splitter(document, outputs)))
        .collect();
    splitters.extend(
        [None, Some(Outputs::ALL), Some(only)]
            .map(|outputs| Splitter { outputs, ..Splitter::default() }),
    );
    let of_files = documents.iter().map(|document| splitter(document, None));
    splitters.extend(of_files.map(|splitter| Splitter { strips_returns: true, ..splitter }));
    splitters.push(Splitter { strips_returns: true, ..Splitter::default() });
    splitters
}

fn random_line(random: &mut fastrand::Rng, is_output: bool) -> String {
    let texts = [
        "S1",
        "C1",
        "E1",
        "SE",
        "x",
        "",
        "{\"a\":",
        "1}",
        "{}",
        "\"",
        "\tat a.b(C)",
        "Caused by: x",
        "Traceback (most recent call last):",
        "  File",
        "ValueError: x",
        "panic: x",
        "goroutine 1 [running]:",
        "main.f()",
        "exit status 2",
        "--- End of x",
        "[1",
        "During handling of the above exception, another exception occurred:",
    ];
    let text = texts[random.usize(..texts.len())];
    if !is_output || random.u8(0..12) == 0 {
        let end = if random.u8(0..4) == 0 { "\r\n" } else { "\n" };
        return format!("{text}{end}");
    }
    let stream = if random.bool() { "stdout" } else { "stderr" };
    let tag = if random.u8(0..5) == 0 { 'P' } else { 'F' };
    format!("1970-01-01T00:00:01Z {stream} {tag} {text}\n")
}

/// Whatever the lines are and wherever it is cut: the parts give the records that the whole gives,
/// and more bytes never make a place unsafe.
#[test]
fn a_cut_changes_no_record() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let splitters = splitters();
    for _ in 0..6_000 {
        let splitter = random.choice(&splitters).unwrap();
        let is_output = splitter.outputs.is_some();
        let raw: String =
            (0..random.usize(0..14)).map(|_| random_line(&mut random, is_output)).collect();
        let raw = raw.as_bytes();
        let safe = splitter.cut(raw);
        let fewer = splitter.cut(&raw[..random.usize(..=raw.len())]);
        assert!(fewer <= safe, "{splitter:?} of {}", String::from_utf8_lossy(raw));
        let (mut expected, whole) = records(splitter, &raw[..safe]);
        expected.sort();
        let (mut found, mut dropped, mut position) = (Vec::new(), 0, 0);
        while position < safe {
            let rest = &raw[position..safe];
            let len = match splitter.cut(&rest[..random.usize(..=rest.len())]) {
                0 => rest.len(),
                len => len,
            };
            let (part, ended) = records(splitter, &rest[..len]);
            found.extend(part.into_iter().map(|(start, text)| (start + position, text)));
            dropped += ended.dropped;
            position += len;
        }
        found.sort();
        assert_eq!(found, expected, "{splitter:?} of {}", String::from_utf8_lossy(raw));
        assert_eq!(dropped, whole.dropped);
    }
}

/// Whatever the lines are and however many come at a time: what is taken while the lines of open
/// records wait gives the records that the whole gives, and none of them is cut.
#[test]
fn whole_records_are_taken_from_between_the_lines_of_unfinished_ones() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let splitters: Vec<Splitter> = splitters().into_iter().filter(Splitter::interleaves).collect();
    for _ in 0..6_000 {
        let splitter = random.choice(&splitters).unwrap();
        let lines: Vec<String> =
            (0..random.usize(0..24)).map(|_| random_line(&mut random, true)).collect();
        let (mut waiting, mut found, mut dropped) = (String::new(), Vec::new(), 0);
        let mut rest = &lines[..];
        while !rest.is_empty() {
            let (next, behind) = rest.split_at(random.usize(1..=rest.len()));
            let raw = waiting.clone() + &next.concat();
            (rest, waiting) = (behind, String::new());
            let (mut taken, mut from) = (String::new(), 0);
            for line in splitter.open_lines(raw.as_bytes()) {
                taken += &raw[from..line.start];
                waiting += &raw[line.start..line.end];
                from = line.end;
            }
            taken += &raw[from..];
            let (part, ended) = records(splitter, taken.as_bytes());
            found.extend(part.into_iter().map(|(_, text)| text));
            dropped += ended.dropped;
        }
        let (last, ended) = records(splitter, waiting.as_bytes());
        found.extend(last.into_iter().map(|(_, text)| text));
        found.sort();
        let (whole, all) = records(splitter, lines.concat().as_bytes());
        let mut expected: Vec<String> = whole.into_iter().map(|(_, text)| text).collect();
        expected.sort();
        assert_eq!(found, expected, "{splitter:?} of {}", lines.concat());
        assert_eq!(dropped + ended.dropped, all.dropped);
    }
}

/// Every place that is named as one to cut at is one, whichever are chosen.
#[test]
fn a_run_may_be_cut_in_two_at_each_of_its_starts() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let splitters = splitters();
    for _ in 0..4_000 {
        let splitter = random.choice(&splitters).unwrap();
        let is_output = splitter.outputs.is_some();
        let raw: String =
            (0..random.usize(1..14)).map(|_| random_line(&mut random, is_output)).collect();
        let raw = raw.as_bytes();
        let starts = splitter.starts(raw);
        assert_eq!(starts[0], 0);
        assert!(starts.is_sorted() && starts.iter().all(|start| *start < raw.len()));
        let start = *random.choice(&starts).unwrap();
        let (mut expected, _) = records(splitter, raw);
        let (mut found, _) = records(splitter, &raw[..start]);
        let (behind, _) = records(splitter, &raw[start..]);
        found.extend(behind.into_iter().map(|(at, text)| (at + start, text)));
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{splitter:?} at {start}: {}", String::from_utf8_lossy(raw));
    }
}

/// The last line that is a boundary by itself is one by the lines before it, too.
#[test]
fn a_line_that_is_a_boundary_by_itself_is_one_behind_any_other() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let splitters: Vec<Splitter> =
        splitters().into_iter().filter(|splitter| splitter.outputs.is_none()).collect();
    for _ in 0..4_000 {
        let splitter = random.choice(&splitters).unwrap();
        let Some(rules) = &splitter.multiline else { continue };
        let raw: String =
            (0..random.usize(1..14)).map(|_| random_line(&mut random, false)).collect();
        let from = splitter.last_boundary(rules, raw.as_bytes());
        let starts = splitter.starts(raw.as_bytes());
        assert!(from == raw.len() || starts.contains(&from), "{splitter:?} at {from}: {raw}");
    }
}

#[test]
fn returns_are_no_text_within_a_record_either() {
    let raw = b"S a\r\nb\n\rc\r\r\nd\r\nS e\r\n";
    for (strips_returns, expected) in
        [(true, ["S a\nb\n\rc\r\nd", "S e"]), (false, ["S a\r\nb\n\rc\r\r\nd\r", "S e\r"])]
    {
        let splitter = Splitter { strips_returns, ..splitter(&patterns("S", "", ""), None) };
        let (found, _) = records(&splitter, raw);
        let found: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn no_bytes_make_it_fail_and_twice_is_the_same() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let splitters = splitters();
    for _ in 0..20_000 {
        let splitter = random.choice(&splitters).unwrap();
        let mut raw = Vec::new();
        for _ in 0..random.usize(0..6) {
            raw.extend_from_slice(random_line(&mut random, random_bool(splitter)).as_bytes());
            if random.bool() {
                raw.truncate(raw.len() - 1);
                raw.push(b"\0\xff{\"\n"[random.usize(..5)]);
            }
        }
        assert!(splitter.cut(&raw) <= raw.len());
        assert_eq!(records(splitter, &raw), records(splitter, &raw));
    }
}

fn random_bool(splitter: &Splitter) -> bool {
    splitter.outputs.is_some()
}

#[test]
fn wrong_sections_name_their_keys() {
    let cases = [
        (json!({"StartPattern": "("}), "StartPattern is not a pattern"),
        (json!({}), "StartPattern is missing"),
        (json!({"ContinuePattern": "C"}), "ContinuePattern needs StartPattern"),
        (json!({"Mode": "ruby"}), "Mode must be custom, JSON, java"),
        (json!({"Mode": "java", "StartPattern": "S"}), "Mode must be custom where"),
        (json!({"Mode": "whole_file"}), "Mode (whole_file) is not supported"),
        (
            json!({"StartPattern": "S", "UnmatchedContentTreatment": "x"}),
            "UnmatchedContentTreatment",
        ),
        (json!({"StartPatern": "S", "EndPattern": "E"}), "did you mean StartPattern?"),
    ];
    for (document, expected) in cases {
        let (_, errors) = settings::read_alone("p".as_ref(), &document, Multiline::read);
        let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        assert!(text.contains(expected), "{document}: {text}");
    }
}
