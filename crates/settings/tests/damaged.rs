//! Damaged and odd pipelines: each error names the file, the key, what is wrong, and the nearest
//! known name.

mod place;

use place::{load_one, messages};

/// A good input and a good flusher, for cases about the other.
const INPUT: &str = r#""inputs": [{"Type": "input_file", "FilePaths": ["/a/*.log"]}]"#;
const FLUSHER: &str = r#""flushers": [{"Type": "flusher_stdout"}]"#;

fn with_input(keys: &str) -> String {
    format!(
        r#"{{"inputs": [{{"Type": "input_file", "FilePaths": ["/a/**/*.log"], {keys}}}],
            {FLUSHER}}}"#
    )
}

fn with_flusher(keys: &str) -> String {
    format!(r#"{{{INPUT}, "flushers": [{{{keys}}}]}}"#)
}

fn with_http(keys: &str) -> String {
    with_flusher(&format!(r#""Type": "flusher_http", "RemoteURL": "https://h/", {keys}"#))
}

fn with_top(keys: &str) -> String {
    format!(r#"{{{INPUT}, {FLUSHER}, {keys}}}"#)
}

/// Every part must stand in one error; there is exactly one error.
fn expect(name: &str, text: &str, parts: &[&str]) {
    let loaded = load_one(name, text);
    let errors = messages(&loaded);
    assert_eq!(errors.len(), 1, "{text}\n{errors:#?}");
    assert!(errors[0].contains(name), "no file name: {}", errors[0]);
    for part in parts {
        assert!(errors[0].contains(part), "{text}\nno {part:?} in: {}", errors[0]);
    }
    assert!(loaded.pipelines.is_empty());
}

#[test]
fn a_damaged_document_is_named_by_file_line_and_column() {
    for (name, text, parts) in [
        ("p.json", "", &["p.json:1:1", "empty"][..]),
        ("p.yaml", "", &["p.yaml:1:1", "empty"]),
        ("p.json", "{", &["p.json:1:1", "not valid JSON"]),
        ("p.json", "[]", &["holds a list", "an object with inputs and flushers"]),
        ("p.yaml", "just text", &["holds text"]),
        ("p.yml", "a: [1\nb: ]\n", &["p.yml:", "not valid YAML"]),
        ("p.yaml", "inputs: []\ninputs: []\n", &["p.yaml:2:1", "\"inputs\" stands there twice"]),
        ("p.json", r#"{"inputs": [], "inputs": []}"#, &["p.json:1:", "stands there twice"]),
        ("p.yaml", "a: 1\n---\nb: 1\n", &["p.yaml:2:1", "more than one document"]),
        ("p.yaml", "inputs: *x\n", &["p.yaml:1:9", "not valid YAML"]),
        ("p.json", "{\"a\": 1}}", &["p.json:1:9", "trailing characters"]),
    ] {
        expect(name, text, parts);
    }
}

#[test]
fn the_top_is_checked() {
    for (text, parts) in [
        (r#"{"task": {"Type": "x"}}"#.to_owned(), &["is a task and not a pipeline"][..]),
        (r#"{"metrics": {}}"#.into(), &["iLogtail 1.x", "inputs and flushers"]),
        (with_top(r#""input": []"#), &["input is not a known key", "did you mean inputs?"]),
        (with_top(r#""Enable": true"#), &["Enable is not a known key", "did you mean enable?"]),
        (with_top(r#""zzz": 1"#), &["zzz is not a known key"]),
        (with_top(r#""enable": 1"#), &["enable must be true or false, not the number 1"]),
        (
            with_top(r#""enable": "false""#),
            &["enable must be true or false, not text: remove the quotes"],
        ),
        (with_top(r#""createTime": -1"#), &["createTime must be a whole number"]),
        (with_top(r#""processors": {}"#), &["processors must be a list of objects, not an object"]),
        (with_top(r#""processors": [1]"#), &["processors[0] must be an object"]),
        (
            with_top(r#""processors": [{"Type": "processor_parse_json_native"}]"#),
            &["processors[0].Type (processor_parse_json_native) is not supported"],
        ),
        (
            with_top(r#""processors": [{"Type": "procesor_json"}]"#),
            &["processors[0].Type", "no plugin \"procesor_json\"", "did you mean processor_json?"],
        ),
        (
            with_top(r#""aggregators": [{"Type": "aggregator_base"}]"#),
            &["aggregators is not supported"],
        ),
        (with_top(r#""extensions": [{"Type": "x"}]"#), &["extensions is not supported"]),
        (with_top(r#""global": []"#), &["global must be an object, not a list"]),
        (
            with_top(r#""global": {"TopicTyp": "none"}"#),
            &["global.TopicTyp is not", "mean TopicType?"],
        ),
        (with_top(r#""global": {"TopicType": "x"}"#), &["global.TopicType must be none"]),
        (with_top(r#""global": {"TopicType": "custom"}"#), &["global.TopicFormat must name"]),
        (with_top(r#""global": {"TopicFormat": "x"}"#), &["global.TopicFormat needs TopicType"]),
        (
            with_top(r#""global": {"TopicType": "filepath", "TopicFormat": "(.*)"}"#),
            &["global.TopicType (filepath) is not supported"],
        ),
        (
            with_top(r#""global": {"EnableTimestampNanosecond": true}"#),
            &["global.EnableTimestampNanosecond (true) is not supported"],
        ),
        (
            with_top(r#""global": {"ExcutionTimeout": 600}"#),
            &["global.ExcutionTimeout is not supported", "one-time"],
        ),
        (
            with_top(r#""global": {"PipelineMetaTagKey": {"HOSTNAME": "x"}}"#),
            &["global.PipelineMetaTagKey.HOSTNAME", "did you mean HOST_NAME?"],
        ),
        (
            with_top(r#""global": {"PipelineMetaTagKey": {"HOST_IP": "ip"}}"#),
            &["global.PipelineMetaTagKey.HOST_IP is not supported"],
        ),
        (
            with_top(r#""global": {"PipelineMetaTagKey": {"HOST_NAME": 1}}"#),
            &["global.PipelineMetaTagKey.HOST_NAME must be text, not the number 1: put it in"],
        ),
    ] {
        expect("p.json", &text, parts);
    }
}

#[test]
fn there_is_one_input_and_at_least_one_flusher() {
    let file = r#"{"Type": "input_file", "FilePaths": ["/a/*.log"]}"#;
    for (text, parts) in [
        (format!("{{{FLUSHER}}}"), &["inputs is missing"][..]),
        (format!("{{{INPUT}}}"), &["flushers is missing"]),
        (format!(r#"{{"inputs": [], {FLUSHER}}}"#), &["inputs must have one entry"]),
        (format!(r#"{{"inputs": {file}, {FLUSHER}}}"#), &["inputs must be a list of objects"]),
        (
            format!(r#"{{"inputs": [{file}, {file}], {FLUSHER}}}"#),
            &["inputs must have one entry, not 2"],
        ),
        (format!(r#"{{"inputs": ["x"], {FLUSHER}}}"#), &["inputs[0] must be an object, not text"]),
        (format!(r#"{{"inputs": [{{}}], {FLUSHER}}}"#), &["inputs[0].Type is missing"]),
        (
            format!(r#"{{"inputs": [{{"Type": "input_flie"}}], {FLUSHER}}}"#),
            &["inputs[0].Type", "did you mean input_file?"],
        ),
        (
            format!(r#"{{"inputs": [{{"Type": "service_journal"}}], {FLUSHER}}}"#),
            &["inputs[0].Type (service_journal) is not supported", "input_file"],
        ),
        (format!(r#"{{{INPUT}, "flushers": []}}"#), &["flushers must have 1 to 16 entries"]),
        (with_flusher(r#""Type": 5"#), &["flushers[0].Type must be text, not the number 5"]),
        (
            with_flusher(r#""Type": "flusher_pulsar", "Project": "p""#),
            &["flushers[0].Type (flusher_pulsar) is not supported", "flusher_http"],
        ),
        (
            with_flusher(r#""Type": "flusher_kafka_v2""#),
            &["flushers[0].Type (flusher_kafka_v2) is not supported"],
        ),
        (
            with_flusher(r#""Type": "flusher_stdot""#),
            &["flushers[0].Type", "did you mean flusher_stdout?"],
        ),
    ] {
        expect("p.json", &text, parts);
    }
}

#[test]
fn the_keys_of_input_file_are_checked() {
    let paths = |list: &str| {
        format!(r#"{{"inputs": [{{"Type": "input_file", "FilePaths": {list}}}], {FLUSHER}}}"#)
    };
    let eleven: Vec<String> = (0..11).map(|n| format!("\"/a/{n}.log\"")).collect();
    for (text, parts) in [
        (
            format!(r#"{{"inputs": [{{"Type": "input_file"}}], {FLUSHER}}}"#),
            &["inputs[0].FilePaths is missing"][..],
        ),
        (paths(r#""/a.log""#), &["inputs[0].FilePaths must be a list of texts, not text"]),
        (paths("[]"), &["inputs[0].FilePaths must have 1 to 10 entries, not 0"]),
        (paths(&format!("[{}]", eleven.join(","))), &["must have 1 to 10 entries, not 11"]),
        (paths(r#"["/a.log", 5]"#), &["inputs[0].FilePaths[1] must be text, not the number 5"]),
        (paths(r#"["/a.log", ""]"#), &["inputs[0].FilePaths[1] must not be empty"]),
        (paths(r#"["/a/[b.log"]"#), &["inputs[0].FilePaths[0] has a [ without its ]"]),
        (paths(r#"["/a/b**/c"]"#), &["inputs[0].FilePaths[0] has ** within a component"]),
        (paths(r#"["/a/b/"]"#), &["inputs[0].FilePaths[0] names a directory"]),
        (paths(r#"["/a/**"]"#), &["inputs[0].FilePaths[0] ends in **"]),
        (paths(r#"["/a.log", "//a.log"]"#), &["inputs[0].FilePaths[1] stands there twice"]),
        (with_input(r#""FilePath": []"#), &["inputs[0].FilePath is not", "mean FilePaths?"]),
        (with_input(r#""tailsizekb": 1"#), &["inputs[0].tailsizekb", "did you mean TailSizeKB?"]),
        (
            with_input(r#""TailSizeKB": "1024""#),
            &["TailSizeKB must be a whole", "remove the quotes"],
        ),
        (
            with_input(r#""TailSizeKB": -1"#),
            &["inputs[0].TailSizeKB must be a whole number from 0"],
        ),
        (with_input(r#""TailSizeKB": 104857601"#), &["to 104857600, not the number 104857601"]),
        (with_input(r#""FlushTimeoutSecs": 0"#), &["inputs[0].FlushTimeoutSecs must be", "from 1"]),
        (with_input(r#""MaxDirSearchDepth": 1.5"#), &["MaxDirSearchDepth must be a whole number"]),
        (with_input(r#""MaxDirSearchDepth": 1001"#), &["MaxDirSearchDepth must be at most 1000"]),
        (
            with_input(r#""FileEncoding": "gbk""#),
            &["inputs[0].FileEncoding (gbk) is not supported"],
        ),
        (with_input(r#""FileEncoding": "latin1""#), &["inputs[0].FileEncoding must be utf8"]),
        (
            with_input(r#""Multiline": {"StartPattern": "x"}"#),
            &["inputs[0].Multiline is not supported"],
        ),
        (
            with_input(r#""ExcludeFilePaths": ["b/*.log"]"#),
            &["inputs[0].ExcludeFilePaths[0] must be an absolute path"],
        ),
        (
            with_input(r#""ExcludeFiles": ["a/b"]"#),
            &["inputs[0].ExcludeFiles[0] must be a file name", "ExcludeFilePaths"],
        ),
        (with_input(r#""ExcludeDirs": [null]"#), &["inputs[0].ExcludeDirs[0] must be text"]),
        (
            with_input(r#""RotatedFilePaths": ["../old/"]"#),
            &["inputs[0].RotatedFilePaths[0] has .. in it"],
        ),
        (
            with_input(r#""RotatedFilePaths": ["old/", "a**"]"#),
            &["inputs[0].RotatedFilePaths[1] has ** within a component"],
        ),
        (with_input(r#""RotatedFilePaths": [1]"#), &["inputs[0].RotatedFilePaths[0] must be text"]),
        (
            with_input(r#""RotatedFilePaths": ["a","b","c","d","e","f","g","h","i","j","k"]"#),
            &["inputs[0].RotatedFilePaths must have at most 10 entries, not 11"],
        ),
        (with_input(r#""EnableExactlyOnce": 4"#), &["EnableExactlyOnce (the number 4) is not"]),
        (
            with_input(r#""ReadDelaySkipThresholdBytes": 1"#),
            &["inputs[0].ReadDelaySkipThresholdBytes", "skip lines"],
        ),
        (
            with_input(r#""ContainerFilters": {"K8sPodRegex": "x"}"#),
            &["inputs[0].ContainerFilters needs EnableContainerDiscovery: true"],
        ),
        (
            with_input(r#""AppendingLogPositionMeta": true, "FileOffsetKey": "o""#),
            &["inputs[0].AppendingLogPositionMeta has no effect beside FileOffsetKey"],
        ),
        (with_input(r#""FileOffsetKey": "content""#), &["FileOffsetKey gives", "\"content\""]),
        (
            with_input(r#""Tags": {"FilePathTagKey": "__hostname__"}"#),
            &["inputs[0].Tags gives records a second field \"__tag__:__hostname__\""],
        ),
        (with_input(r#""Tags": {"FilePathTag": "x"}"#), &["inputs[0].Tags.FilePathTag", "TagKey?"]),
        (
            with_input(r#""Tags": {"K8sNamespaceTagKey": "ns"}"#),
            &["inputs[0].Tags.K8sNamespaceTagKey names a tag that this input does not have"],
        ),
    ] {
        expect("p.json", &text, parts);
    }
}

#[test]
fn the_keys_of_containers_are_checked() {
    let filters = |keys: &str| {
        with_input(&format!(r#""EnableContainerDiscovery": true, "ContainerFilters": {{{keys}}}"#))
    };
    let stdio = |keys: &str| {
        format!(r#"{{"inputs": [{{"Type": "input_container_stdio", {keys}}}], {FLUSHER}}}"#)
    };
    for (text, parts) in [
        (
            filters(r#""K8sPodRegex": "(""#),
            &["inputs[0].ContainerFilters.K8sPodRegex is no regex", "unclosed group"][..],
        ),
        (
            filters(r#""K8sNamespaceRegex": "a(?!b)""#),
            &["ContainerFilters.K8sNamespaceRegex is no regex", "look-around"],
        ),
        (
            filters(r#""IncludeEnv": {"A": "^("}"#),
            &["inputs[0].ContainerFilters.IncludeEnv.A is no regex"],
        ),
        (
            filters(r#""IncludeEnv": {"ID": 123}"#),
            &["ContainerFilters.IncludeEnv.ID must be text, not the number 123: put it in quotes"],
        ),
        (filters(r#""IncludeEnv": ["A"]"#), &["IncludeEnv must be an object of texts, not a list"]),
        (
            filters(r#""K8sPodRegx": "x""#),
            &["inputs[0].ContainerFilters.K8sPodRegx", "did you mean K8sPodRegex?"],
        ),
        (
            with_input(r#""EnableContainerDiscovery": true, "ExternalEnvTag": {"A": ""}"#),
            &["inputs[0].ExternalEnvTag.A must not be empty"],
        ),
        (
            with_input(
                r#""EnableContainerDiscovery": true, "ExternalEnvTag": {"A": "t"},
                   "ExternalK8sLabelTag": {"l": "t"}"#,
            ),
            &["inputs[0].ExternalEnvTag.A gives records a second field \"__tag__:t\""],
        ),
        (
            format!(
                r#"{{"inputs": [{{"Type": "input_file", "FilePaths": ["a.log"],
                    "EnableContainerDiscovery": true}}], {FLUSHER}}}"#
            ),
            &["inputs[0].FilePaths[0] must be an absolute path: it is one inside the container"],
        ),
        (stdio(r#""FilePaths": ["/a"]"#), &["inputs[0].FilePaths is not a known key"]),
        (
            stdio(r#""IgnoringStdout": true, "IgnoringStderr": true"#),
            &["inputs[0].IgnoringStderr together with IgnoringStdout leaves nothing"],
        ),
        (stdio(r#""IgnoringStdErr": true"#), &["inputs[0].IgnoringStdErr", "mean IgnoringStderr?"]),
        (
            stdio(r#""Tags": {"FilePathTagKey": "p"}"#),
            &["inputs[0].Tags.FilePathTagKey names a tag that this input does not have"],
        ),
    ] {
        expect("p.json", &text, parts);
    }
}

#[test]
fn the_keys_of_flushers_are_checked() {
    for (text, parts) in [
        (
            with_flusher(r#""Type": "flusher_stdout", "OnlyStdout": false"#),
            &["flushers[0].OnlyStdout (false) is not supported"][..],
        ),
        (
            with_flusher(r#""Type": "flusher_stdout", "FileName": "x""#),
            &["flushers[0].FileName is not supported", "use flusher_file"],
        ),
        (
            with_flusher(r#""Type": "flusher_blackhole", "FilePath": "x""#),
            &["flushers[0].FilePath is not a known key"],
        ),
        (
            with_flusher(r#""Type": "flusher_stdout", "Match": {"Type": "tag"}"#),
            &["flushers[0].Match is not supported"],
        ),
        (
            with_flusher(r#""Type": "flusher_stdout", "RecordIdKey": "__time__""#),
            &["flushers[0].RecordIdKey gives records a second field \"__time__\""],
        ),
        (
            with_flusher(r#""Type": "flusher_stdout", "RecordIdKey": """#),
            &["flushers[0].RecordIdKey must not be empty"],
        ),
        (with_flusher(r#""Type": "flusher_file""#), &["flushers[0].FilePath is missing"]),
        (
            with_flusher(r#""Type": "flusher_file", "FilePath": "/a/""#),
            &["flushers[0].FilePath must name a file"],
        ),
        (
            with_flusher(r#""Type": "flusher_file", "FilePath": "/a", "MaxFileSize": "10MB""#),
            &["flushers[0].MaxFileSize must be a whole number from 4096"],
        ),
        (
            with_flusher(r#""Type": "flusher_file", "FilePath": "/a", "MaxFiles": 0"#),
            &["flushers[0].MaxFiles must be a whole number from 1"],
        ),
        (
            with_flusher(r#""Type": "flusher_file", "Filepath": "/a", "FilePath": "/b""#),
            &["flushers[0].Filepath is not a known key (did you mean FilePath?)"],
        ),
    ] {
        expect("p.json", &text, parts);
    }
}

#[test]
fn the_keys_of_flusher_http_are_checked() {
    for (text, parts) in [
        (with_flusher(r#""Type": "flusher_http""#), &["flushers[0].RemoteURL is missing"][..]),
        (
            with_flusher(r#""Type": "flusher_http", "RemoteURL": "h:80""#),
            &["flushers[0].RemoteURL must be a URL"],
        ),
        (
            with_flusher(r#""Type": "flusher_http", "RemoteURL": "http://u:geheim@h/""#),
            &["flushers[0].RemoteURL holds a user or password", "Authentication.Basic"],
        ),
        (with_http(r#""RemoteUrl": "x""#), &["flushers[0].RemoteUrl", "did you mean RemoteURL?"]),
        (with_http(r#""Timeout": 10"#), &["flushers[0].Timeout must be from 1ms", "nanoseconds"]),
        (with_http(r#""Timeout": "10""#), &["flushers[0].Timeout must be a time with its unit"]),
        (with_http(r#""Timeout": "2h""#), &["flushers[0].Timeout must be from 1ms to 1h"]),
        (with_http(r#""Compression": "snappy""#), &["Compression (snappy) is not supported"]),
        (with_http(r#""Compression": "zip""#), &["flushers[0].Compression must be gzip"]),
        (with_http(r#""Concurrency": 0"#), &["flushers[0].Concurrency must be", "from 1 to 64"]),
        (
            with_http(r#""Retry": {"MaxRetryTimes": 3}"#),
            &["flushers[0].Retry.MaxRetryTimes is not supported", "until it is taken"],
        ),
        (with_http(r#""Retry": {"Enable": false}"#), &["Retry.Enable (false) is not supported"]),
        (
            with_http(r#""Retry": {"InitialDelay": "1m", "MaxDelay": "1s"}"#),
            &["flushers[0].Retry.InitialDelay must not be longer than MaxDelay"],
        ),
        (with_http(r#""Retry": {"MaxDelays": "1s"}"#), &["Retry.MaxDelays", "mean MaxDelay?"]),
        (
            with_http(r#""Convert": {"Protocol": "custom_single"}"#),
            &["flushers[0].Convert is not supported", "one JSON object a line"],
        ),
        (
            with_http(r#""DropEventWhenQueueFull": true"#),
            &["flushers[0].DropEventWhenQueueFull (true) is not", "nothing is dropped"],
        ),
        (
            with_http(r#""Headers": {"Authorization": "Bearer geheim"}"#),
            &["flushers[0].Headers.Authorization is a secret", "use Authentication"],
        ),
        (
            with_http(r#""Headers": {"Content-Length": "1"}"#),
            &["flushers[0].Headers.Content-Length is set by irontail"],
        ),
        (with_http(r#""Headers": {"a b": "1"}"#), &["Headers.a b is no header name"]),
        (with_http(r#""Headers": {"X": "a\nb"}"#), &["Headers.X has a character"]),
        (with_http(r#""Headers": {"X": "%{tag.x}"}"#), &["Headers.X has %{...} in it"]),
        (with_http(r#""Headers": {"X": "1", "x": "2"}"#), &["stands there twice in different"]),
        (with_http(r#""Query": {"token": "geheim"}"#), &["Query.token is a secret"]),
        (with_http(r#""Query": {"a": 1}"#), &["flushers[0].Query.a must be text"]),
        (
            with_http(r#""Authentication": {}"#),
            &[
                "flushers[0].Authentication must hold exactly one of Basic, Bearer, ApiKey and Header",
            ],
        ),
        (
            with_http(r#""Authentication": {"Bearer": {"Token": "geheim"}}"#),
            &["Authentication.Bearer.Token would be saved in clear", "${env:NAME}"],
        ),
        (
            with_http(r#""Authentication": {"Bearer": {"Token": "geheim ${env:T}"}}"#),
            &["Authentication.Bearer.Token would be saved in clear", "${file:PATH}"],
        ),
        (
            with_http(r#""Authentication": {"Bearer": {"Token": "${env:T}", "TokenEnv": "T"}}"#),
            &["Bearer must hold exactly one of TokenEnv, TokenFile and Token"],
        ),
        (
            with_http(r#""Headers": {"X": "${env:geheim"}"#),
            &["flushers[0].Headers.X has a ${ without its }"],
        ),
        (
            with_http(r#""Headers": {"X": "${vault:geheim}"}"#),
            &["Headers.X has a ${...} that is neither ${env:NAME} nor ${file:PATH}"],
        ),
        (
            with_http(r#""Authentication": {"Bearer": {"TokenEnv": "abc.def-ghi"}}"#),
            &["Authentication.Bearer.TokenEnv must be the name of a variable, not its value"],
        ),
        (
            with_http(r#""Authentication": {"Bearer": {}}"#),
            &["Authentication.Bearer must hold exactly one of TokenEnv, TokenFile and Token"],
        ),
        (
            with_http(r#""Authentication": {"Basic": {"Username": "a:b", "PasswordEnv": "P"}}"#),
            &["flushers[0].Authentication.Basic.Username must not have a :"],
        ),
        (
            with_http(
                r#""Authentication": {"Header": {"Name": "X Y", "ValueFile": "/run/secret"}}"#,
            ),
            &["flushers[0].Authentication.Header.Name is no header name"],
        ),
        (
            with_http(
                r#""Authentication": {"PlainText": {"Username": "x"}, "Bearer": {"TokenEnv": "T"}}"#,
            ),
            &["flushers[0].Authentication.PlainText is not supported", "use Basic"],
        ),
        (with_http(r#""TLS": {"CAfile": "/x"}"#), &["TLS.CAfile", "did you mean CAFile?"]),
        (with_http(r#""TLS": {"CertFile": "/x"}"#), &["TLS.CertFile needs KeyFile beside it"]),
        (with_http(r#""TLS": {"KeyFile": "/x"}"#), &["TLS.KeyFile needs CertFile beside it"]),
        (with_http(r#""TLS": {"MinVersion": "1.1"}"#), &["TLS.MinVersion must be \"1.2\" or"]),
        (with_http(r#""TLS": {"MaxVersion": "1.2"}"#), &["flushers[0].TLS.MaxVersion (text) is"]),
        (with_http(r#""TLS": {"CAFile": ""}"#), &["flushers[0].TLS.CAFile must not be empty"]),
        (
            with_flusher(r#""Type": "flusher_http", "RemoteURL": "http://h/", "TLS": {}"#),
            &["flushers[0].TLS needs a RemoteURL that begins with https://"],
        ),
    ] {
        expect("p.json", &text, parts);
        assert!(!messages(&load_one("p.json", &text))[0].contains("geheim"), "{text}");
    }
}

#[test]
fn yaml_scalars_are_typed_as_written() {
    let base = "inputs:\n- Type: input_file\n  FilePaths: [/a/*.log]\n";
    let end = "flushers:\n- Type: flusher_stdout\n";
    for (line, parts) in [
        ("  TailSizeKB: '1024'\n", &["inputs[0].TailSizeKB must be a whole number"][..]),
        ("  TailSizeKB: 0x10\n", &["inputs[0].TailSizeKB must be a whole number"]),
        ("  TailSizeKB:\n", &["TailSizeKB must be a whole", "not nothing: give it a value"]),
        ("  EnableContainerDiscovery: yes\n", &["must be true or false", "yes, no, on and off"]),
        ("  FileOffsetKey: 5\n", &["inputs[0].FileOffsetKey must be text, not the number 5"]),
        ("  Tags: [a]\n", &["inputs[0].Tags must be an object, not a list"]),
        ("  ExcludeFiles: a.log\n", &["inputs[0].ExcludeFiles must be a list of texts, not text"]),
    ] {
        expect("p.yaml", &format!("{base}{line}{end}"), parts);
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let text = r#"{
        "inputs": [{"Type": "input_file", "FilePaths": ["", 5], "TailSizeKb": 1, "Multiline": 1}],
        "flushers": [{"Type": "flusher_pulsar"}, {"Type": "flusher_file", "MaxFiles": 0}],
        "global": {"TopicType": 7}, "nonsense": true
    }"#;
    let errors = messages(&load_one("p.json", text));
    for key in [
        "inputs[0].FilePaths[0]",
        "inputs[0].FilePaths[1]",
        "inputs[0].TailSizeKb",
        "inputs[0].Multiline",
        "flushers[0].Type",
        "flushers[1].FilePath",
        "flushers[1].MaxFiles",
        "global.TopicType",
        "nonsense",
    ] {
        assert_eq!(errors.iter().filter(|e| e.contains(key)).count(), 1, "{key}: {errors:#?}");
    }
    assert_eq!(errors.len(), 9, "{errors:#?}");
}

#[test]
fn a_pipeline_that_is_off_is_not_looked_at() {
    let loaded = load_one("p.yaml", "enable: false\ninputs: [nonsense]\n");
    assert!(loaded.errors.is_empty() && loaded.pipelines.is_empty());
    assert_eq!(loaded.disabled.len(), 1);
    assert_eq!(loaded.disabled[0].0, "p");
}
