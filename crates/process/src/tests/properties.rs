//! What holds for every stage and any bytes: no panic, and twice the same.

use super::*;

/// One section or more of every processor.
fn sections() -> Vec<Value> {
    vec![
        json!({"Type": "processor_parse_json_native", "SourceKey": "content",
               "KeepingSourceWhenParseFail": true, "CopingRawLog": true}),
        json!({"Type": "processor_parse_container_json", "KeepingSourceWhenParseSucceed": true}),
        json!({"Type": "processor_parse_logfmt", "KeepingSourceWhenParseFail": true}),
        json!({"Type": "processor_parse_regex_native", "SourceKey": "content",
               "Regex": r#"(\S+) "([^"]*)"(.*)"#, "Keys": ["a", "b", "c"],
               "KeepingSourceWhenParseFail": true}),
        json!({"Type": "processor_parse_regex_native", "SourceKey": "content",
               "Regex": r"(.*?)=(.*)", "Keys": ["a", "content"], "KeepingSourceWhenParseFail": true}),
        json!({"Type": "processor_parse_delimiter_native", "SourceKey": "content", "Separator": ",",
               "Keys": ["a", "b"], "KeepingSourceWhenParseFail": true}),
        json!({"Type": "processor_parse_delimiter_native", "SourceKey": "content",
               "Separator": "=\"", "Keys": ["a"], "OverflowedFieldsTreatment": "keep"}),
        json!({"Type": "processor_parse_timestamp_native", "SourceKey": "a",
               "SourceFormat": "%Y-%m-%d %H:%M:%S.%f"}),
        json!({"Type": "processor_filter_regex_native", "DiscardingNonUTF8": true,
               "ConditionExp": {"operator": "not", "operands": [{"key": "a", "exp": "0+"}]}}),
        json!({"Type": "processor_desensitize_native", "SourceKey": "content", "Method": "md5",
               "ContentPatternBeforeReplacedString": "=?", "ReplacedContentPattern": r"\w"}),
        json!({"Type": "processor_desensitize_native", "SourceKey": "a", "Method": "const",
               "ReplacingString": r"[\1]", "ContentPatternBeforeReplacedString": "\"*",
               "ReplacedContentPattern": "."}),
        json!({"Type": "processor_add_fields", "Fields": {"a": "1\"", "content": "=x"}}),
        json!({"Type": "processor_rename", "SourceKeys": ["a", "b"], "DestKeys": ["content", "a"]}),
        json!({"Type": "processor_drop", "DropKeys": ["b"]}),
        json!({"Type": "processor_severity", "SourceKey": "a"}),
        json!({"Type": "processor_rate_limit", "RecordsPerSecond": 1}),
    ]
}

#[test]
fn every_processor_is_among_the_sections_of_these_tests() {
    let tested: Vec<String> =
        sections().iter().map(|section| section["Type"].as_str().unwrap().to_owned()).collect();
    for plugin in &registry::PROCESSORS {
        assert!(tested.iter().any(|one| one == plugin.name), "{}", plugin.name);
    }
}

fn text(random: &mut fastrand::Rng) -> Vec<u8> {
    let parts: [&[u8]; 22] = [
        b"{\"a\":\"x\"}",
        b"{",
        b"}",
        b"\"",
        b"\\",
        b"\\u00e9",
        b"\\\"",
        b"=",
        b",",
        b" ",
        b"a",
        b"b=\"c d\"",
        b"0",
        b"2026-11-28 20:51:51.5",
        b"\xff",
        b"\xe4\xb8",
        "é".as_bytes(),
        b"\n",
        b"\r",
        b"\t",
        b"{\"content\":\"=,\\\"\",\"b\":null,\"b\":[1]}",
        b"info",
    ];
    let mut text = Vec::new();
    for _ in 0..random.usize(0..10) {
        text.extend_from_slice(parts[random.usize(..parts.len())]);
    }
    text
}

#[test]
fn any_chain_gives_the_same_twice_and_panics_on_no_bytes() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let sections = sections();
    for _ in 0..300 {
        let documents: Vec<Value> =
            (0..random.usize(1..6)).map(|_| random.choice(&sections).unwrap().clone()).collect();
        let (once, again) = (chain(&documents), chain(&documents));
        // One event for all, as in the hot path, against a new one for each.
        let texts: Vec<Vec<u8>> = (0..60).map(|_| text(&mut random)).collect();
        let mut event = Event::new();
        let mut tallies = once.tallies();
        for text in &texts {
            event.clear();
            event.begin(0, "content", text.as_slice().into());
            let keep = once.apply(&mut event, &Context { time: NOW }, &mut tallies);
            let (fields, time, _) = run(&again, &[("content", text)]);
            assert_eq!(keep == Keep::Yes, fields.is_some(), "{documents:?}");
            assert_eq!(event.text(), text.as_slice());
            let Some(fields) = fields else { continue };
            let show = |(name, value): (&[u8], &[u8])| {
                format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
            };
            let reused = event.fields().map(show).collect::<Vec<_>>().join("|");
            assert_eq!((reused, event.time), (fields, time), "{documents:?}");
        }
    }
}

#[test]
fn no_event_has_two_fields_of_one_name() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let sections = sections();
    for _ in 0..300 {
        let documents: Vec<Value> =
            (0..random.usize(1..6)).map(|_| random.choice(&sections).unwrap().clone()).collect();
        let chain = chain(&documents);
        for _ in 0..40 {
            let text = text(&mut random);
            let mut event = Event::new();
            event.begin(0, "content", text.as_slice().into());
            let _ = chain.apply(&mut event, &Context { time: NOW }, &mut chain.tallies());
            let mut names: Vec<&[u8]> = event.fields().map(|(name, _)| name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{documents:?} of {:?}", String::from_utf8_lossy(&text));
        }
    }
}
