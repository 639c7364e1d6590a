//! Hashes and names that stay the same when only the spelling of a configuration changes.

mod place;

use place::pipeline;

fn input(keys: &str) -> u64 {
    let text = format!(r#"{{"inputs": [{{{keys}}}], "flushers": [{{"Type": "flusher_stdout"}}]}}"#);
    pipeline("p.json", &text).inputs_hash()
}

fn flushers(list: &str) -> Vec<String> {
    let text = format!(
        r#"{{"inputs": [{{"Type": "input_file", "FilePaths": ["/a.log"]}}], "flushers": [{list}]}}"#
    );
    pipeline("p.json", &text).flushers.into_iter().map(|flusher| flusher.name).collect()
}

#[test]
fn the_input_is_the_same_however_it_is_spelled() {
    let plain = input(r#""Type": "input_file", "FilePaths": ["/a/*.log", "/b.log"]"#);
    for keys in [
        r#""FilePaths": ["/b.log", "/a//*.log"], "Type": "input_file""#,
        r#""Type": "input_file", "FilePaths": ["/a/*.log", "/b.log"], "MaxDirSearchDepth": 7"#,
        r#""Type": "input_file", "FilePaths": ["/a/*.log", "/b.log"], "TailSizeKB": 1024,
           "FlushTimeoutSecs": 1, "FileEncoding": "utf8", "Tags": {"FilePathTagKey": "p"},
           "ExcludeFiles": [], "AppendingLogPositionMeta": true"#,
    ] {
        assert_eq!(input(keys), plain, "{keys}");
    }
    let yaml = "inputs:\n- {FilePaths: [/b.log, /a/*.log], Type: input_file}\n\
                flushers: [{Type: flusher_blackhole}]\n";
    assert_eq!(pipeline("other.yaml", yaml).inputs_hash(), plain);
    // Kept in state directories: it may not change from version to version.
    assert_eq!(format!("{plain:016x}"), INPUTS_HASH);
}

const INPUTS_HASH: &str = "6ccb9b39f892c2be";

#[test]
fn the_input_is_another_when_it_selects_other_files() {
    let base = r#""Type": "input_file", "FilePaths": ["/a/**/*.log"]"#;
    let discovery = format!(r#"{base}, "EnableContainerDiscovery": true"#);
    let mut hashes = vec![
        input(base),
        input(r#""Type": "input_file", "FilePaths": ["/b/**/*.log"]"#),
        input(&format!(r#"{base}, "MaxDirSearchDepth": 1"#)),
        input(&format!(r#"{base}, "MaxDirSearchDepth": -1"#)),
        input(&format!(r#"{base}, "ExcludeFiles": ["x"]"#)),
        input(&format!(r#"{base}, "ExcludeDirs": ["/x"]"#)),
        input(&format!(r#"{base}, "ExcludeFilePaths": ["/x"]"#)),
        input(&discovery),
        input(&format!(r#"{discovery}, "ContainerFilters": {{"K8sPodRegex": "x"}}"#)),
        input(&format!(r#"{discovery}, "ContainerFilters": {{"IncludeEnv": {{"A": "x"}}}}"#)),
        input(&format!(r#"{discovery}, "ContainerFilters": {{"IncludeEnv": {{"A": "^x"}}}}"#)),
        input(&format!(r#"{discovery}, "ContainerFilters": {{"ExcludeEnv": {{"A": "x"}}}}"#)),
        input(r#""Type": "input_container_stdio""#),
        input(r#""Type": "input_container_stdio", "IgnoringStdout": true"#),
    ];
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn flushers_are_named_by_type_and_target() {
    assert_eq!(
        flushers(
            r#"{"Type": "flusher_stdout"}, {"Type": "flusher_blackhole"},
               {"Type": "flusher_http", "RemoteURL": "HTTP://H:80", "Timeout": "1s"},
               {"Type": "flusher_file", "FilePath": "/o//x"}"#
        ),
        ["flusher_stdout", "flusher_blackhole", "flusher_http http://h/", "flusher_file /o/x"]
    );
}

#[test]
fn equal_targets_keep_their_names_when_they_are_reordered() {
    let a = r#"{"Type": "flusher_http", "RemoteURL": "http://h/", "Headers": {"X-Org": "a"}}"#;
    let b = r#"{"Headers": {"X-Org": "b"}, "Type": "flusher_http", "RemoteURL": "http://h/"}"#;
    let other = r#"{"Type": "flusher_stdout"}"#;
    let first = ["flusher_http http://h/", "flusher_http http://h/ #2", "flusher_stdout"];
    assert_eq!(flushers(&format!("{a}, {b}, {other}")), first);
    let turned = ["flusher_http http://h/ #2", "flusher_stdout", "flusher_http http://h/"];
    assert_eq!(flushers(&format!("{b}, {other}, {a}")), turned);
    assert_eq!(flushers(&format!("{a}, {a}, {a}")).len(), 3);
}

#[test]
fn the_shape_of_records_is_told_apart_from_how_they_are_sent() {
    let shape = |input: &str, flusher: &str, top: &str| {
        let text = format!(
            r#"{{"inputs": [{{"Type": "input_file", "FilePaths": ["/a.log"]{input}}}],
                "flushers": [{{"Type": "flusher_http", "RemoteURL": "http://h/"{flusher}}}]{top}}}"#
        );
        pipeline("p.json", &text).shape_hash(0)
    };
    let plain = shape("", "", "");
    for (input, flusher, top) in [
        (r#", "TailSizeKB": 5"#, "", ""),
        (r#", "Tags": {}"#, "", r#", "createTime": 5"#),
        ("", r#", "Timeout": "1s", "Concurrency": 3"#, ""),
        ("", r#", "SyncBeforeSend": true"#, ""),
    ] {
        assert_eq!(shape(input, flusher, top), plain, "{input}{flusher}{top}");
    }
    for (input, flusher, top) in [
        (r#", "Tags": {"FilePathTagKey": "p"}"#, "", ""),
        (r#", "Tags": {"FileInodeTagKey": "__path__", "FilePathTagKey": ""}"#, "", ""),
        (r#", "FileOffsetKey": "o""#, "", ""),
        ("", r#", "RecordIdKey": "id""#, ""),
        ("", "", r#", "global": {"TopicType": "custom", "TopicFormat": "t"}"#),
        ("", "", r#", "global": {"PipelineMetaTagKey": {"HOST_NAME": ""}}"#),
        ("", "", r#", "global": {"AgentEnvMetaTagKey": {}}"#),
    ] {
        assert_ne!(shape(input, flusher, top), plain, "{input}{flusher}{top}");
    }
}
