//! What LoongCollector's processors do, case by case. Where a case differs its name says so.

use super::*;
use crate::Reason;

fn regex(regex: &str, keys: &[&str], more: Value) -> Chain {
    let stage = json!({
        "Type": "processor_parse_regex_native", "SourceKey": "content", "Regex": regex, "Keys": keys,
    });
    chain(&[with(stage, more)])
}

fn json_stage(more: Value) -> Chain {
    let stage = json!({"Type": "processor_parse_json_native", "SourceKey": "content"});
    chain(&[with(stage, more)])
}

fn delimiter(separator: &str, keys: &[&str], more: Value) -> Chain {
    let stage = json!({
        "Type": "processor_parse_delimiter_native", "SourceKey": "content", "Separator": separator,
        "Keys": keys,
    });
    chain(&[with(stage, more)])
}

#[test]
fn the_groups_of_a_whole_match_become_fields() {
    let cases = [
        (r"(\w+)\t(\w+)", "a\tb", Some("k1=a|k2=b")),
        (r"(\w+)\t(\w+).*", "a\tb\tc", Some("k1=a|k2=b")),
        (r"(\w+)\t(\w+)", "a\tb\tc", None),
        (r"(\w+)\t(\w+)\t(\w+)", "a\tb\tc", Some("k1=a|k2=b")),
        ("(.)(.)", "\n\n", Some("k1=\n|k2=\n")),
        ("(a)|(b)", "b", Some("k1=|k2=b")),
    ];
    for (pattern, text, expected) in cases {
        let chain = regex(pattern, &["k1", "k2"], json!({}));
        assert_eq!(line(&chain, text).as_deref(), expected, "{pattern} of {text:?}");
    }
    assert_eq!(line(&regex(r"(\w+) (\w+)", &["a,b"], json!({})), "x y").unwrap(), "a=x|b=y");
    assert_eq!(
        line(&regex("(.*)", &["msg"], json!({})), "any \n text").unwrap(),
        "msg=any \n text"
    );
    assert_eq!(line(&regex("(.*)", &[], json!({})), "any").unwrap(), "content=any");
}

#[test]
fn an_access_log_is_taken_apart_field_by_field() {
    let pattern = r#"([\d\.]+) \S+ \S+ \[(\S+) \S+\] "(\w+) ([^\"]*)" ([\d\.]+) (\d+) (\d+) (\d+|-) "([^\"]*)" "([^\"]*)""#;
    let keys =
        ["ip", "time", "method", "url", "request_time", "in", "status", "length", "ref", "browser"];
    let text = "127.0.0.1 - - [07/Jul/2022:10:43:30 +0800] \"POST /PutData?Category=YunOsAccountOpLog\" \
                0.024 18204 200 37 \"-\" \"aliyun-sdk-java\"";
    assert_eq!(
        line(&regex(pattern, &keys, json!({})), text).unwrap(),
        "ip=127.0.0.1|time=07/Jul/2022:10:43:30|method=POST|\
         url=/PutData?Category=YunOsAccountOpLog|request_time=0.024|in=18204|status=200|length=37|\
         ref=-|browser=aliyun-sdk-java"
    );
}

#[test]
fn what_becomes_of_the_source_is_the_same_for_all_parsers() {
    let keep_fail = json!({"KeepingSourceWhenParseFail": true});
    let keep_ok = json!({"KeepingSourceWhenParseSucceed": true});
    let raw = json!({"KeepingSourceWhenParseFail": true, "CopingRawLog": true});
    let renamed = json!({
        "KeepingSourceWhenParseFail": true, "KeepingSourceWhenParseSucceed": true,
        "RenamedSourceKey": "rawLog",
    });
    // (switches, what a good text gives, what a bad one gives)
    let rows = [
        (json!({}), "a=1", None),
        (keep_fail, "a=1", Some("content=bad")),
        (keep_ok, "a=1|content=GOOD", None),
        (raw, "a=1", Some("content=bad|__raw_log__=bad")),
        (renamed, "a=1|rawLog=GOOD", Some("rawLog=bad")),
    ];
    for (more, good, bad) in rows {
        let parsers = [
            (json_stage(more.clone()), "{\"a\":1}"),
            (regex(r"a:(\d+)", &["a"], more.clone()), "a:1"),
            (
                delimiter(
                    "|",
                    &["a"],
                    with(more.clone(), json!({"OverflowedFieldsTreatment": "discard"})),
                ),
                "1|2",
            ),
            (chain(&[with(json!({"Type": "processor_parse_logfmt"}), more.clone())]), "a=1"),
        ];
        for (chain, text) in parsers {
            let found = line(&chain, text).unwrap();
            assert_eq!(found, good.replace("GOOD", text), "{more}: {chain:?}");
            let bad_text = if found.starts_with("a=1") && text == "1|2" { "\"bad" } else { "bad" };
            let expected = bad.map(|bad| bad.replace("bad", bad_text));
            let (fields, _, tallies) = run(&chain, &[("content", bad_text.as_bytes())]);
            assert_eq!(fields, expected, "{more}: {chain:?}");
            assert_eq!(tallies[0].get(Reason::ParseError), 1);
            assert_eq!(tallies[0].get(Reason::ParseErrorDropped), u64::from(bad.is_none()));
            assert_eq!(tallies[0].example(), Some(bad_text.as_bytes()));
        }
    }
}

#[test]
fn an_event_is_only_dropped_where_nothing_of_it_is_left() {
    let chain = json_stage(json!({}));
    let bad = ("content", &b"bad"[..]);
    let (time, source) = (("_time_", &b"t"[..]), ("_source_", &b"stdout"[..]));
    assert_eq!(run(&chain, &[bad]).0, None);
    assert_eq!(run(&chain, &[bad, time, source]).0, None);
    assert_eq!(run(&chain, &[bad, time]).0.unwrap(), "_time_=t");
    assert_eq!(run(&chain, &[bad, ("a", b"1"), source]).0.unwrap(), "a=1|_source_=stdout");
    assert_eq!(run(&chain, &[("other", b"1")]).0.unwrap(), "other=1", "no source: it passes");
}

#[test]
fn extracted_fields_take_the_place_of_those_that_were_there() {
    let chain = json_stage(json!({"KeepingSourceWhenParseSucceed": true}));
    let found = run(&chain, &[("a", b"old"), ("content", br#"{"a":"new","content":"c"}"#)]).0;
    assert_eq!(found.unwrap(), "a=new|content=c");
    assert_eq!(
        line(&chain, r#"{"a":1,"b":2,"a":3}"#).unwrap(),
        "b=2|a=3|content={\"a\":1,\"b\":2,\"a\":3}"
    );
}

#[test]
fn json_members_by_table() {
    let cases = [
        (r#"{"url":"/a","time":"07/Jul"}"#, Some("url=/a|time=07/Jul")),
        (r#"{"n":1,"f":-1.50,"t":true,"x":null,"e":""}"#, Some("n=1|f=-1.50|t=true|x=|e=")),
        (r#"{"o":{"a":[1, 2]},"l":["x"]}"#, Some(r#"o={"a":[1, 2]}|l=["x"]"#)),
        (r#"{"a\"b":"c\nd","u":"\u00e9\ud83d\ude00"}"#, Some("a\"b=c\nd|u=é😀")),
        (" {\"a\":1} \r", Some("a=1")),
        ("{}", Some("")),
        ("", None),
        ("[1]", None),
        ("\"text\"", None),
        (r#"{"a":1"#, None),
        (r#"{"a":1} x"#, None),
        (r#"{"a":01}"#, None),
        (r#"{a:1}"#, None),
    ];
    for (text, expected) in cases {
        assert_eq!(line(&json_stage(json!({})), text).as_deref(), expected, "{text}");
    }
}

#[test]
fn r_long_numbers_are_kept_as_written_where_loongcollector_rounds_them() {
    let text = r#"{"id":12345678901234567890123,"f":0.10000000000000000001}"#;
    let expected = "id=12345678901234567890123|f=0.10000000000000000001";
    assert_eq!(line(&json_stage(json!({})), text).unwrap(), expected);
}

#[test]
fn columns_by_table() {
    let cases = [
        ("a,b", Some("k1=a|k2=b")),
        ("  a,b  \r", Some("k1=a|k2=b  ")),
        ("a", Some("k1=a")),
        ("a,", Some("k1=a|k2=")),
        (",", Some("k1=|k2=")),
        ("a,b,c,d", Some("k1=a|k2=b|__column2__=c|__column3__=d")),
        ("\"a,x\",b", Some("k1=a,x|k2=b")),
        ("\"a\"\"x\"\"\",\"\"", Some("k1=a\"x\"|k2=")),
        ("a\"x,b", Some("k1=a\"x|k2=b")),
        ("\"a\"x,b", None),
        ("\"a,b", None),
        ("   ", Some("content=   ")),
        ("", Some("content=")),
    ];
    for (text, expected) in cases {
        let chain = delimiter(",", &["k1", "k2"], json!({}));
        let expected = expected.map(|text| text.trim_end_matches("  ").to_owned());
        let expected =
            if text.trim().is_empty() { Some(format!("content={text}")) } else { expected };
        assert_eq!(line(&chain, text), expected, "{text:?}");
    }
}

#[test]
fn columns_with_other_treatments_by_table() {
    let cases = [
        (
            json!({"OverflowedFieldsTreatment": "keep"}),
            ",",
            "a,b,c,d",
            Some("k1=a|k2=b|__column2__=,c,d"),
        ),
        (json!({"OverflowedFieldsTreatment": "discard"}), ",", "a,b,c", Some("k1=a|k2=b")),
        (json!({"AllowingShortenedFields": false}), ",", "a", None),
        (json!({"Quote": "'"}), ",", "'a,x',b", Some("k1=a,x|k2=b")),
        (json!({}), "\\t", "a\tb", Some("k1=a|k2=b")),
        (json!({}), "||", "a||\"b||c", Some("k1=a|k2=\"b|__column2__=c")),
        (
            json!({"OverflowedFieldsTreatment": "keep"}),
            "||",
            "a||b||c",
            Some("k1=a|k2=b|__column2__=||c"),
        ),
    ];
    for (more, separator, text, expected) in cases {
        let chain = delimiter(separator, &["k1", "k2"], more.clone());
        assert_eq!(line(&chain, text).as_deref(), expected, "{more} {text:?}");
    }
    let skipping =
        delimiter(",", &["a", "_", "b"], json!({"OverflowedFieldsTreatment": "discard"}));
    assert_eq!(line(&skipping, "1,2,3").unwrap(), "a=1|b=3");
    let many = delimiter(",", &["a"], json!({}));
    assert!(line(&many, &"x,".repeat(100)).unwrap().ends_with("__column99__=x|__column100__="));
}

fn timestamp(more: Value) -> Chain {
    let stage = json!({"Type": "processor_parse_timestamp_native", "SourceKey": "content"});
    chain(&[with(stage, more)])
}

#[test]
fn times_by_table() {
    let cases = [
        (json!({"SourceFormat": "%Y-%m-%d %H:%M:%S"}), "2026-11-28 20:51:51.5", Some(NOW)),
        (
            json!({"SourceFormat": "%Y-%m-%d %H:%M:%S", "SourceTimezone": "GMT+08:00"}),
            "2026-11-29 04:51:51",
            Some(NOW),
        ),
        (
            json!({"SourceFormat": "%Y-%m-%dT%H:%M:%S.%f", "SourceTimezone": "GMT-03:30"}),
            "2026-11-28T17:21:51.25",
            Some(NOW + 250_000_000),
        ),
        // Where the zone is given an offset in the text does not count, as in LoongCollector.
        (
            json!({"SourceFormat": "%F %T %z", "SourceTimezone": "UTC"}),
            "2026-11-28 20:51:51 +0800",
            Some(NOW),
        ),
        // Different: otherwise it does.
        (json!({"SourceFormat": "%F %T %z"}), "2026-11-29 04:51:51 +0800", Some(NOW)),
        (json!({"SourceFormat": "%s"}), "1795899111", Some(NOW)),
        (json!({"SourceFormat": "%b %d %T", "SourceYear": 0}), "Nov 28 20:51:51", Some(NOW)),
        // At the turn of the year the nearest one is meant.
        (
            json!({"SourceFormat": "%b %d %T", "SourceYear": 0}),
            "Jan 01 00:00:00",
            Some(1_798_761_600_000_000_000),
        ),
        (
            json!({"SourceFormat": "%b %d %T", "SourceYear": 1971}),
            "Jan 01 00:00:00",
            Some(31_536_000_000_000_000),
        ),
        (json!({"SourceFormat": "%Y-%m-%d"}), "soon", None),
        (json!({"SourceFormat": "%Y-%m-%d"}), "1969-01-01", None),
    ];
    for (more, text, expected) in cases {
        let (fields, time, tallies) =
            run(&timestamp(more.clone()), &[("content", text.as_bytes())]);
        assert_eq!(fields.unwrap(), format!("content={text}"), "the field stays");
        assert_eq!(time, expected, "{more} of {text}");
        assert_eq!(tallies[0].get(Reason::ParseError), u64::from(expected.is_none()));
    }
}

#[test]
fn old_events_stay_unless_asked_otherwise_and_are_counted() {
    let format = json!({"SourceFormat": "%F"});
    let old = [("content", &b"2026-11-01"[..])];
    assert!(run(&timestamp(format.clone()), &old).0.is_some(), "LoongCollector drops it silently");
    let chain = timestamp(with(format, json!({"DiscardOlderThanSecs": 43_200})));
    let (fields, _, tallies) = run(&chain, &old);
    assert_eq!((fields, tallies[0].get(Reason::Old)), (None, 1));
    assert!(run(&chain, &[("content", b"2026-11-28")]).0.is_none(), "20 hours");
    assert!(run(&chain, &[("content", b"2026-11-29")]).0.is_some());
}

fn filter(more: Value) -> Chain {
    chain(&[with(json!({"Type": "processor_filter_regex_native"}), more)])
}

#[test]
fn filters_by_table() {
    let matches = |key: &str, exp: &str| json!({"key": key, "exp": exp, "type": "regex"});
    let tree = |operator: &str, operands: Vec<Value>| json!({"ConditionExp": {"operator": operator, "operands": operands}});
    let both = json!({"FilterKey": ["a", "b"], "FilterRegex": ["x.*", r"\d+"]});
    let cases = [
        (both.clone(), "x1", "2", true),
        (both.clone(), "x1", "y", false),
        (both, "1x", "2", false),
        (json!({"Include": {"a": "x", "b": "2"}}), "x", "2", true),
        (json!({"Include": {"a": "x", "c": ".*"}}), "x", "2", false),
        (json!({}), "x", "2", true),
        (json!({"ConditionExp": matches("a", "x")}), "xy", "2", false),
        (tree("not", vec![matches("c", ".*")]), "x", "2", true),
        (tree("and", vec![matches("a", "x"), matches("b", "3")]), "x", "2", false),
        (tree("or", vec![matches("a", "x"), matches("b", "3")]), "x", "2", true),
        (
            // The tree wins over the lists.
            with(tree("not", vec![matches("a", "x")]), json!({"Include": {"a": "x"}})),
            "x",
            "2",
            false,
        ),
    ];
    for (more, a, b, expected) in cases {
        let (fields, _, tallies) =
            run(&filter(more.clone()), &[("a", a.as_bytes()), ("b", b.as_bytes())]);
        assert_eq!(fields.is_some(), expected, "{more} of {a}, {b}");
        assert_eq!(tallies[0].get(Reason::Filtered), u64::from(!expected));
    }
    let not = filter(tree("not", vec![matches("a", "x")]));
    assert_eq!(run(&not, &[]).0, None, "an event without fields goes nowhere");
    let cleaned = run(&filter(json!({"DiscardingNonUTF8": true})), &[("a", b"\xffb\xe4\xb8")]).0;
    assert_eq!(cleaned.unwrap(), "a= b  ");
}

fn mask(more: Value) -> Chain {
    let stage = json!({"Type": "processor_desensitize_native", "SourceKey": "content"});
    chain(&[with(stage, more)])
}

#[test]
fn secrets_by_table() {
    let constant = |before: &str, secret: &str, by: &str| {
        json!({
            "Method": "const", "ReplacingString": by,
            "ContentPatternBeforeReplacedString": before, "ReplacedContentPattern": secret,
        })
    };
    let password = constant("'password':'", "[^']*", "********");
    let text = "[{'account':'1812','password':'04a2'}, {'account':'1813','password':'99'}]";
    let cases = [
        (
            password.clone(),
            text,
            "[{'account':'1812','password':'********'}, {'account':'1813','password':'********'}]",
        ),
        (
            with(password.clone(), json!({"ReplacingAll": false})),
            text,
            "[{'account':'1812','password':'********'}, {'account':'1813','password':'99'}]",
        ),
        (password, "nothing", "nothing"),
        (
            constant("card=", r"(\d{4})\d{8}(\d{4})", r"\2****\3"),
            "card=1111222233334444",
            "card=1111****4444",
        ),
        (constant("k", ".", "*"), "ké kx", "k* k*"),
        (
            json!({
                "Method": "md5", "ContentPatternBeforeReplacedString": "pw=",
                "ReplacedContentPattern": "[^&]*",
            }),
            "a=1&pw=secret&b=2",
            "a=1&pw=5ebe2294ecd0e0f08eab7690d2a6ee69&b=2",
        ),
    ];
    for (more, text, expected) in cases {
        let found = line(&mask(more.clone()), text).unwrap();
        assert_eq!(found, format!("content={expected}"), "{more}");
    }
}

#[test]
fn a_mask_that_makes_a_value_too_long_hides_all_of_it() {
    let chain = mask(json!({
        "Method": "const", "ReplacingString": "*".repeat(1000),
        "ContentPatternBeforeReplacedString": "x?", "ReplacedContentPattern": "s",
    }));
    let (fields, _, tallies) = run(&chain, &[("content", &vec![b's'; 100_000])]);
    assert_eq!(fields.unwrap(), "content=***");
    assert_eq!(tallies[0].get(Reason::MaskedWhole), 1);
}

#[test]
fn fields_by_name_by_table() {
    let fields = [("a", &b"1"[..]), ("b", b"2")];
    let cases = [
        (
            json!({"Type": "processor_add_fields", "Fields": {"c": "3", "d": "4"}}),
            "a=1|b=2|c=3|d=4",
        ),
        (json!({"Type": "processor_add_fields", "Fields": {"a": "3"}}), "a=3|b=2"),
        (
            json!({"Type": "processor_add_fields", "Fields": {"a": "3"}, "IgnoreIfExist": true}),
            "a=1|b=2",
        ),
        (json!({"Type": "processor_rename", "SourceKeys": ["a"], "DestKeys": ["c"]}), "c=1|b=2"),
        (
            json!({"Type": "processor_rename", "SourceKeys": ["a", "x"], "DestKeys": ["b", "y"]}),
            "b=1",
        ),
        (json!({"Type": "processor_rename", "SourceKeys": ["a"], "DestKeys": ["a"]}), "a=1|b=2"),
        (json!({"Type": "processor_drop", "DropKeys": ["a", "x"]}), "b=2"),
        (json!({"Type": "processor_drop", "DropKeys": ["a", "b"]}), ""),
    ];
    for (document, expected) in cases {
        assert_eq!(
            run(&chain(std::slice::from_ref(&document)), &fields).0.unwrap(),
            expected,
            "{document}"
        );
    }
    let missing = chain(&[json!({
        "Type": "processor_rename", "SourceKeys": ["x"], "DestKeys": ["y"], "NoKeyError": true,
    })]);
    assert_eq!(run(&missing, &fields).2[0].get(Reason::MissingKey), 1);
}

#[test]
fn irontails_own_parsers_by_table() {
    let logfmt = chain(&[json!({"Type": "processor_parse_logfmt"})]);
    for (text, expected) in [
        ("level=info msg=\"a \\\"b\\\"\\n\" done t=", Some("level=info|msg=a \"b\"\n|done=|t=")),
        ("a=b=c  d=e", Some("a=b=c|d=e")),
        ("no value here", None),
        ("a=\"open", None),
        ("a=\"x\"y", None),
        ("=x", None),
        ("a=\"\\", None),
    ] {
        assert_eq!(line(&logfmt, text).as_deref(), expected, "{text}");
    }
    let container = chain(&[json!({"Type": "processor_parse_container_json"})]);
    for (text, expected) in [
        (" {\"a\":1}", "a=1"),
        ("plain", "content=plain"),
        ("{broken", "content={broken"),
        ("{}", "content={}"),
    ] {
        let (fields, _, tallies) = run(&container, &[("content", text.as_bytes())]);
        assert_eq!((fields.unwrap().as_str(), tallies[0].is_empty()), (expected, true));
    }
    let severity = chain(&[json!({"Type": "processor_severity", "SourceKey": "content"})]);
    assert_eq!(
        line(&severity, "Warning").unwrap(),
        "content=Warning|severity=WARN|severity_number=13"
    );
    assert_eq!(line(&severity, "?").unwrap(), "content=?");
}

#[test]
fn stages_see_what_those_before_them_made() {
    let chain = chain(&[
        json!({"Type": "processor_parse_container_json"}),
        json!({"Type": "processor_severity", "KeepingSource": false}),
        json!({"Type": "processor_parse_timestamp_native", "SourceKey": "ts", "SourceFormat": "%FT%T"}),
        json!({"Type": "processor_filter_regex_native", "Include": {"severity": "WARN|ERROR"}}),
        json!({"Type": "processor_drop", "DropKeys": ["ts", "severity_number"]}),
        json!({"Type": "processor_add_fields", "Fields": {"team": "a"}}),
    ]);
    let text =
        |level: &str| format!(r#"{{"ts":"2026-11-28T20:51:51","level":"{level}","msg":"\u0041"}}"#);
    let (fields, time, _) = run(&chain, &[("content", text("warn").as_bytes())]);
    assert_eq!((fields.unwrap().as_str(), time), ("msg=A|severity=WARN|team=a", Some(NOW)));
    let (fields, _, tallies) = run(&chain, &[("content", text("info").as_bytes())]);
    assert_eq!((fields, tallies[3].get(Reason::Filtered)), (None, 1));
}
