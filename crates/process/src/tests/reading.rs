//! What is wrong in a section is reported at its key; nothing wrong makes a stage.

use super::*;
use crate::{Mode, Per, Rate, RateLimit};

#[test]
fn wrong_sections_name_their_keys() {
    let regex = json!({
        "Type": "processor_parse_regex_native", "SourceKey": "content", "Regex": r"(\d+) (\d+)",
        "Keys": ["a"],
    });
    let timestamp = json!({
        "Type": "processor_parse_timestamp_native", "SourceKey": "t", "SourceFormat": "%Y",
    });
    let delimiter = json!({
        "Type": "processor_parse_delimiter_native", "SourceKey": "c", "Separator": ",", "Keys": ["a"],
    });
    let filter = json!({"Type": "processor_filter_regex_native"});
    let mask = json!({
        "Type": "processor_desensitize_native", "SourceKey": "c", "Method": "const",
        "ReplacingString": "*", "ContentPatternBeforeReplacedString": "a",
        "ReplacedContentPattern": "b",
    });
    let rename = json!({"Type": "processor_rename", "SourceKeys": ["a"], "DestKeys": ["b"]});
    let add = json!({"Type": "processor_add_fields", "Fields": {"a": "b"}});
    let limit = json!({"Type": "processor_rate_limit", "BytesPerSecond": 10});
    let cases = [
        (&regex, json!({"Regexp": "x"}), "Regexp is not a known key (did you mean Regex?)"),
        (&regex, json!({"Regex": "(?=a)"}), "Regex is not a pattern"),
        (&regex, json!({"Regex": 1}), "Regex must be text"),
        (&regex, json!({"Keys": ["a", "b", "c"]}), "Keys names 3 fields, and Regex has 2 groups"),
        (&regex, json!({"SourceKey": ""}), "SourceKey must not be empty"),
        (
            &regex,
            json!({"KeepingSourceWhenParseFail": "yes"}),
            "KeepingSourceWhenParseFail must be",
        ),
        (&timestamp, json!({"SourceFormat": "%Q %Y"}), "SourceFormat has %Q"),
        (&timestamp, json!({"SourceFormat": "%b %d"}), "SourceYear must be given"),
        (&timestamp, json!({"SourceTimezone": "Mars"}), "SourceTimezone must be an offset"),
        (&timestamp, json!({"SourceTimezone": "/etc/passwd"}), "SourceTimezone must be an offset"),
        (&delimiter, json!({"Separator": "12345"}), "Separator must have 1 to 4 bytes"),
        (&delimiter, json!({"Keys": []}), "Keys must have at least one entry"),
        (&delimiter, json!({"Quote": "''"}), "Quote must be one"),
        (
            &delimiter,
            json!({"OverflowedFieldsTreatment": "x"}),
            "OverflowedFieldsTreatment must be",
        ),
        (&filter, json!({"FilterKey": ["a"], "FilterRegex": []}), "FilterKey has 1 entries"),
        (&filter, json!({"Include": {"a": "("}}), "Include.a is not a pattern"),
        (
            &filter,
            json!({"ConditionExp": {"operator": "and", "operands": [{"key": "a", "exp": "b"}]}}),
            "ConditionExp.operands must have 2 entries",
        ),
        (
            &filter,
            json!({"ConditionExp": {"operator": "xor", "operands": []}}),
            "ConditionExp.operator must be",
        ),
        (
            &filter,
            json!({"ConditionExp": {"key": "a", "exp": "b", "kind": "c"}}),
            "ConditionExp.kind is not a known key",
        ),
        (&mask, json!({"Method": "sha"}), "Method must be const or md5"),
        (&mask, json!({"ReplacingString": r"\7"}), "ReplacingString refers to a group"),
        (&mask, json!({"ReplacedContentPattern": "("}), "ReplacedContentPattern is not a pattern"),
        (&rename, json!({"DestKeys": ["a", "b"]}), "DestKeys has 2 entries, and SourceKeys 1"),
        (&add, json!({"Fields": {}}), "Fields must have at least one entry"),
        (&add, json!({"Fields": {"a": 1, "b": "c"}}), "Fields.a must be text"),
        (&limit, json!({"BytesPerSecond": 0}), "BytesPerSecond must be a whole number from 1"),
        (&limit, json!({"BurstRecords": 5}), "BurstRecords is only for RecordsPerSecond"),
        (&limit, json!({"Mode": "sample"}), "Mode must be delay or drop"),
        (&limit, json!({"Per": "pod"}), "Per must be pipeline, container, namespace or tag"),
        (&limit, json!({"Per": "tag"}), "TagKey must name a tag"),
        (&limit, json!({"TagKey": "app"}), "TagKey is only for Per: tag"),
        (&limit, json!({"Limit": "3/s"}), "RecordsPerSecond"),
    ];
    for (document, more, expected) in cases {
        let document = with(document.clone(), more);
        let (_, errors) = read(&document);
        let text = errors.join("; ");
        assert!(text.contains(expected), "{document}: {text}");
        assert_eq!(errors.len(), 1, "{document}: {text}");
    }
    for right in [&regex, &timestamp, &delimiter, &filter, &mask, &rename, &add, &limit] {
        assert_eq!(read(right).1, Vec::<String>::new());
    }
}

#[test]
fn a_chain_is_known_by_what_it_says_and_does() {
    let add = |value: &str| json!({"Type": "processor_add_fields", "Fields": {"a": value}});
    let drop = json!({"Type": "processor_drop", "DropKeys": ["a"]});
    let hash = |documents: &[Value]| chain(documents).fingerprint();
    let hashes = [
        hash(&[]),
        hash(&[add("1")]),
        hash(&[add("2")]),
        hash(&[add("1"), drop.clone()]),
        hash(&[drop, add("1")]),
    ];
    for (at, one) in hashes.iter().enumerate() {
        assert!(!hashes[at + 1..].contains(one), "two of {hashes:?} are equal");
    }
    assert_eq!(hash(&[add("1")]), hash(&[add("1")]));
    assert_eq!(hashes[0], 0, "no chain changes no encoding");
}

#[test]
fn a_rate_limit_is_no_stage_and_changes_no_encoding() {
    let add = json!({"Type": "processor_add_fields", "Fields": {"a": "b"}});
    let limit = |more: Value| with(json!({"Type": "processor_rate_limit"}), more);
    let configs: Vec<_> = [
        limit(json!({"BytesPerSecond": 1000})),
        add.clone(),
        limit(json!({
            "RecordsPerSecond": 5, "BurstRecords": 20, "Mode": "drop", "Per": "tag", "TagKey": "app",
        })),
    ]
    .iter()
    .map(|document| read(document).0.unwrap())
    .collect();
    let chain_of_all = registry::chain(&configs);
    assert_eq!(chain_of_all.kinds().collect::<Vec<_>>(), [(1, "processor_add_fields")]);
    assert_eq!(chain_of_all.fingerprint(), chain(&[add]).fingerprint());
    let bytes = Some(Rate { per_second: 1000, burst: 1000 });
    let records = Some(Rate { per_second: 5, burst: 20 });
    let expected = [
        (0, RateLimit { per: Per::Pipeline, mode: Mode::Delay, bytes, records: None }),
        (2, RateLimit { per: Per::Tag("app".into()), mode: Mode::Drop, bytes: None, records }),
    ];
    assert_eq!(registry::limits(&configs), expected);
    assert!(read(&limit(json!({}))).1.join(" ").contains("has no limit"));
}
