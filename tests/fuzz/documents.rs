//! Configuration: documents of pipelines, and the saved ones.

use std::path::Path;

use process::split::Multiline;
use settings::Plugins;

use crate::Target;

static PLUGINS: Plugins = Plugins {
    destinations: &flusher::DESTINATIONS,
    processors: &process::registry::PROCESSORS,
    multiline: Some(Multiline::check),
};

/// A pipeline's file, as JSON and as YAML.
pub const PIPELINES: Target = Target {
    name: "pipelines",
    seeds: || {
        let mut seeds: Vec<Vec<u8>> =
            DOCUMENTS.iter().map(|text| text.as_bytes().to_vec()).collect();
        seeds.push(YAML.as_bytes().to_vec());
        seeds
    },
    make: || {
        let dir = tempfile::tempdir().expect("the temporary directory can be written");
        Box::new(move |input| {
            for name in ["p.json", "p.yaml"] {
                let path = dir.path().join(name);
                std::fs::write(&path, input).expect("the temporary directory has room");
                let loaded = settings::load(
                    std::slice::from_ref(&path),
                    Path::new("/nowhere"),
                    dir.path(),
                    PLUGINS,
                );
                let shown = loaded.errors.iter().map(|error| error.to_string().len());
                assert!(shown.max().unwrap_or(0) < 64 * 1024, "a message repeats too much");
                for pipeline in &loaded.pipelines {
                    let _ = pipeline.inputs_hash();
                    for at in 0..pipeline.flushers.len() {
                        let _ = pipeline.shape_hash(at);
                    }
                }
            }
        })
    },
};

/// The pipelines that were in force.
pub const SAVED_CONFIGURATION: Target = Target {
    name: "saved-configuration",
    seeds: || {
        let saved = include_bytes!("../data/state-6950960/user_log_config.json");
        let document = DOCUMENTS[0];
        let ours = format!(
            "{{\"irontail\":{{\"version\":1}},\"pipelines\":[{{\"name\":\"a\",\"origin\":\"/a.json\",\
             \"document\":{document}}}]}}"
        );
        let theirs = "{\"metrics\":{\"a\":{\"enable\":true}}}";
        vec![saved.to_vec(), ours.into_bytes(), theirs.as_bytes().to_vec()]
    },
    make: || {
        Box::new(|input| {
            if let Ok(text) = std::str::from_utf8(input) {
                let dir = Path::new("/");
                let _ = settings::read_saved(Path::new("/saved.json"), text, dir, PLUGINS);
            }
        })
    },
};

const DOCUMENTS: [&str; 2] = [
    r#"{"inputs":[{"Type":"input_file","FilePaths":["/var/log/**/*.log"],"MaxDirSearchDepth":3,
        "ExcludeFiles":["*.gz"],"TailSizeKB":10,"Multiline":{"StartPattern":"\\d+.*"},
        "Tags":{"FilePathTagKey":"path"},"RotatedFilePaths":["old/"]}],
        "processors":[{"Type":"processor_parse_regex_native","SourceKey":"content","Regex":"(.*)","Keys":["a"]},
        {"Type":"processor_rate_limit","RecordsPerSecond":5,"Per":"tag","TagKey":"x"}],
        "flushers":[{"Type":"flusher_http","RemoteURL":"https://h/p","Headers":{"X":"${env:HOME}"},
        "Retry":{"InitialDelay":"1s"}},{"Type":"flusher_file","FilePath":"/tmp/o","MaxFiles":3}]}"#,
    r#"{"global":{"TopicType":"custom","TopicFormat":"t"},
        "inputs":[{"Type":"input_container_stdio","IgnoringStderr":true,
        "ContainerFilters":{"K8sNamespaceRegex":"^a$","IncludeEnv":{"A":"^b"}},"Multiline":{"Mode":"java"}}],
        "flushers":[{"Type":"flusher_elasticsearch","Endpoint":"http://h:9200","Index":"a-{%Y}"},
        {"Type":"flusher_loki","URL":"http://h/"},{"Type":"flusher_otlp","Endpoint":"http://h:4318"}]}"#,
];

const YAML: &str = "enable: true\ninputs:\n  - Type: input_file\n    FilePaths:\n      - /a/*.log\n    \
    Multiline: {Mode: go}\nprocessors:\n  - Type: processor_parse_json_native\n    SourceKey: content\n\
    flushers:\n  - Type: flusher_stdout\n    OnlyStdout: yes\n";
