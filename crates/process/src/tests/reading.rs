//! What is wrong in a section is reported at its key; nothing wrong makes a stage.

use super::*;

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
    ];
    for (document, more, expected) in cases {
        let document = with(document.clone(), more);
        let (_, errors) = read(&document);
        let text = errors.join("; ");
        assert!(text.contains(expected), "{document}: {text}");
        assert_eq!(errors.len(), 1, "{document}: {text}");
    }
    for right in [&regex, &timestamp, &delimiter, &filter, &mask, &rename, &add] {
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
