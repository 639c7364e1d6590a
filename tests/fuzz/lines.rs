//! Lines: what containers print, lines that are joined, and what processors make of them.

use std::sync::Arc;

use process::split::{Multiline, Outputs, Splitter};
use process::{Chain, Context, registry};
use record::Event;
use serde_json::{Value, json};

use crate::Target;

/// What runtimes store of a container's output.
pub const OUTPUT: Target = Target {
    name: "container-output",
    seeds: output_seeds,
    make: || {
        let all = Some(Outputs::ALL);
        let plain = Splitter { outputs: all, ..Splitter::default() };
        let joined = joined().into_iter().map(|rules| Splitter {
            outputs: all,
            multiline: Some(rules),
            ..Splitter::default()
        });
        let splitters: Vec<Splitter> = std::iter::once(plain).chain(joined).collect();
        Box::new(move |raw| splitters.iter().for_each(|splitter| split(splitter, raw)))
    },
};

/// Lines of files that are joined.
pub const MULTILINE: Target = Target {
    name: "multiline",
    seeds: text_seeds,
    make: || {
        let joined = joined().into_iter().map(|rules| Splitter {
            multiline: Some(rules),
            strips_returns: true,
            ..Splitter::default()
        });
        let splitters: Vec<Splitter> = joined.collect();
        Box::new(move |raw| splitters.iter().for_each(|splitter| split(splitter, raw)))
    },
};

/// Every processor, each alone on every line.
pub const PROCESSORS: Target = Target {
    name: "processors",
    seeds: text_seeds,
    make: || {
        let chains: Vec<Chain> = processors().iter().map(chain).collect();
        Box::new(move |raw| {
            for line in raw.split(|&byte| byte == b'\n') {
                for chain in &chains {
                    let mut event = Event::new();
                    event.begin(0, "content", line.into());
                    let _ = chain.apply(&mut event, &Context::default(), &mut chain.tallies());
                }
            }
        })
    },
};

/// Splits, and compares the parts with the whole.
fn split(splitter: &Splitter, raw: &[u8]) {
    let count = |raw: &[u8]| {
        let mut count = 0;
        splitter.split(raw, &mut Event::new(), &mut |_| count += 1);
        count
    };
    let cut = splitter.cut(raw);
    assert!(cut <= raw.len());
    let half = splitter.cut(&raw[..cut / 2]);
    assert_eq!(count(&raw[..half]) + count(&raw[half..cut]), count(&raw[..cut]));
    assert!(splitter.starts(raw).is_sorted());
    count(raw);
}

fn joined() -> Vec<Arc<Multiline>> {
    let texts = [
        r#"{"StartPattern":"\\d+-\\d+.*"}"#,
        r#"{"StartPattern":"S.*","ContinuePattern":"\\s.*"}"#,
        r#"{"StartPattern":"S.*","EndPattern":".*E$"}"#,
        r#"{"ContinuePattern":"\\s.*","EndPattern":"E"}"#,
        r#"{"EndPattern":".*;$"}"#,
        r#"{"Mode":"JSON"}"#,
        r#"{"Mode":"java"}"#,
        r#"{"Mode":"python"}"#,
        r#"{"Mode":"go"}"#,
        r#"{"Mode":"dotnet"}"#,
    ];
    texts.map(|text| Arc::new(Multiline::parse(text).expect("a valid section"))).into()
}

fn processors() -> Vec<Value> {
    let keys = ["a", "b", "c"];
    vec![
        json!({"Type": "processor_parse_json_native", "SourceKey": "content"}),
        json!({"Type": "processor_parse_regex_native", "SourceKey": "content",
               "Regex": r"(\S+) (.*?) (\d+)", "Keys": keys}),
        json!({"Type": "processor_parse_regex_native", "SourceKey": "content",
               "Regex": r#"([\d.]+) \[([^\]]*)\] "([^"]*)".*"#, "Keys": keys}),
        json!({"Type": "processor_parse_delimiter_native", "SourceKey": "content",
               "Separator": ",", "Keys": keys}),
        json!({"Type": "processor_parse_delimiter_native", "SourceKey": "content",
               "Separator": "||", "Keys": keys}),
        json!({"Type": "processor_parse_logfmt"}),
        json!({"Type": "processor_parse_container_json"}),
        json!({"Type": "processor_severity", "SourceKey": "content"}),
        json!({"Type": "processor_parse_timestamp_native", "SourceKey": "content",
               "SourceFormat": "%Y-%m-%d %H:%M:%S.%f %z"}),
        json!({"Type": "processor_parse_timestamp_native", "SourceKey": "content",
               "SourceFormat": "%d/%b/%Y:%I:%M:%S %p", "SourceYear": 0}),
        json!({"Type": "processor_filter_regex_native", "Include": {"content": ".*a+.*"}}),
        json!({"Type": "processor_desensitize_native", "SourceKey": "content", "Method": "md5",
               "ContentPatternBeforeReplacedString": "=", "ReplacedContentPattern": r"\w+"}),
        json!({"Type": "processor_add_fields", "Fields": {"team": "a"}}),
        json!({"Type": "processor_rename", "SourceKeys": ["content"], "DestKeys": ["text"]}),
        json!({"Type": "processor_drop", "DropKeys": ["content"]}),
    ]
}

fn chain(document: &Value) -> Chain {
    let read = settings::read_processor("fuzz".as_ref(), document, &registry::PROCESSORS);
    let (config, errors) = read;
    assert!(errors.is_empty(), "{document}: {errors:?}");
    registry::chain(&[config.expect("a valid entry")])
}

fn output_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "2026-11-28T10:00:00.123456789Z stdout F 2026-11 one\n\
         2026-11-28T10:00:01Z stderr P half \n2026-11-28T10:00:02+01:00 stderr F line\n",
        "{\"log\":\"a \\u00e9 \\\"b\\\"\\n\",\"stream\":\"stdout\",\
         \"attrs\":{\"tag\":\"x\"},\"time\":\"2026-11-28T10:00:00.1Z\"}\n\
         {\"log\":\"\\tat c.D(E.java:1)\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-28T10:00:01Z\"}\n",
        "\0\0\0{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:00Z\"}\nodd\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn text_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "2026-11-28 20:51:51.123 +0100\n28/Nov/2026:08:51:51 PM\n",
        "10.0.0.1 [x] \"GET / HTTP/1.1\" 200\nS a\n\tat b\nCaused by: c E\nx;\n",
        "{\"a\":1,\"b\":[{\"c\":null}],\"d\":\"\\ud83d\\ude00\",\"level\":\"WARN\"}\n{\n \"x\":1\n}\n",
        "level=info msg=\"a b\" n=1 =x y\na,\"b \"\"c\"\"\",d\nx||y||z\n<3>\n[WARN]\n",
        "Traceback (most recent call last):\n  File \"a\"\nValueError: b\npanic: x\n\ngoroutine 1 [r]:\nmain.f()\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
