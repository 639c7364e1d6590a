//! Good pipelines: what they become, and that JSON and YAML become the same.

mod place;

use std::path::Path;
use std::time::Duration;

use flusher::{Auth, Backoff, Compression, FileOptions, HttpOptions, Secret, TlsOptions};
use place::{load_one, pipeline};
use settings::{Expected, FirstStart, FlusherConfig, Input, Pipeline, TagNames};

const FULL_JSON: &str = include_str!("data/full.json");
const FULL_YAML: &str = include_str!("data/full.yaml");

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Whether a flusher sends to what prints like this.
fn assert_destination(flusher: &FlusherConfig, expected: &str) {
    assert_eq!(format!("{:?}", flusher.destination), format!("Registered({expected})"));
}

/// Both files in one place, so that relative paths are equal.
fn both() -> (Pipeline, Pipeline, std::path::PathBuf) {
    let place = place::Place::new();
    place.write("j/full.json", FULL_JSON);
    place.write("y/full.yaml", FULL_YAML);
    let one = |name: &str| {
        let mut loaded = place.load(&[name]);
        assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
        loaded.pipelines.pop().expect("pipeline")
    };
    (one("j/full.json"), one("y"), place.path().to_owned())
}

#[test]
fn json_and_yaml_give_the_same_pipeline() {
    let (json, mut yaml, _) = both();
    assert!(yaml.origin.ends_with("y/full.yaml"));
    yaml.origin = json.origin.clone();
    assert_eq!(json, yaml);
}

#[test]
fn every_key_of_a_full_pipeline_becomes_its_value() {
    let (pipeline, _, dir) = both();
    assert_eq!(pipeline.name, "full");
    assert_eq!(pipeline.create_time, 1_700_000_000);
    assert_eq!(pipeline.global.topic, some("shop"));
    assert_eq!(pipeline.global.host_name_tag, some("node"));
    assert_eq!(pipeline.global.env_tags.as_ref().expect("env tags")["_node_ip_"], "ip");
    assert!(pipeline.needs_containers());

    let Input::File(file) = &pipeline.input else { panic!("{:?}", pipeline.input) };
    let paths: Vec<&str> = file.paths.iter().map(|path| path.as_str()).collect();
    assert_eq!(paths, ["/srv/shop/**/*.log", "/srv/shop/audit-[0-9].txt"]);
    assert_eq!(file.paths[0].base(), Path::new("/srv/shop"));
    assert_eq!(file.max_dir_search_depth, Some(3));
    assert_eq!(file.exclude_file_paths[0].as_str(), "/srv/shop/debug/*.log");
    assert_eq!(file.exclude_files[0].as_str(), "*.gz");
    assert_eq!(file.exclude_dirs[0].as_str(), "/srv/shop/tmp");
    let rotated: Vec<&str> = file.rotated_file_paths.iter().map(|path| path.as_str()).collect();
    assert_eq!(rotated, ["old/*", "/srv/archive/**/*.gz"]);
    assert_eq!(file.first_start, FirstStart::Tail(64 * 1024));
    assert_eq!(file.flush_timeout, Duration::from_secs(5));
    assert_eq!(file.offset_key, some("__file_offset__"));
    assert_eq!(
        file.tags,
        TagNames {
            path: some("path"),
            inode: some("__inode__"),
            namespace: some("_namespace_"),
            pod_name: some("_pod_name_"),
            pod_uid: some("_pod_uid_"),
            container_name: some("_container_name_"),
            container_ip: None,
            image_name: some("_image_name_"),
        }
    );
    let containers = file.containers.as_ref().expect("containers");
    assert_eq!(containers.k8s_label_tags["app"], "k8s_app");
    assert_eq!(containers.env_tags["VERSION"], "version");
    let filters = &containers.filters;
    let namespace = filters.k8s_namespace.as_ref().expect("pattern");
    assert!(namespace.is_found_in("till") && !namespace.is_found_in("tills"));
    assert_eq!(filters.include_env.len(), 3);
    assert_eq!(filters.include_env[0].value, Expected::Exactly("web".into()));
    assert_eq!(filters.include_env[1].value, Expected::Anything);
    let Expected::Matching(tier) = &filters.include_env[2].value else { panic!("{filters:?}") };
    assert!(tier.is_found_in("frontend") && !tier.is_found_in("a front"));
    assert_eq!(filters.exclude_k8s_label[0].name, "logs");

    assert_eq!(pipeline.flushers.len(), 4);
    let http = &pipeline.flushers[0];
    let url = "https://logs.example.com/in?a=b&db=my%20logs";
    assert_eq!(http.name, format!("flusher_http {url}"));
    assert_eq!(http.concurrency(), 4);
    assert_eq!(http.record_id_key, some("id"));
    let password = Secret::File("/run/secrets/logs".into());
    assert_destination(
        http,
        &format!(
            "HttpTarget({:?})",
            HttpOptions {
                headers: vec![("X-Scope-OrgID".into(), "shop".into())],
                auth: Auth::Basic { user: "agent".into(), password },
                timeout: Duration::from_secs(20),
                compression: Compression::Gzip,
                retry: Backoff { min: Duration::from_millis(500), max: Duration::from_secs(60) },
                tls: TlsOptions { ca_file: Some(dir.join("ca.pem")), ..TlsOptions::default() },
                concurrency: 4,
                ..HttpOptions::new(url)
            }
        ),
    );
    let output = FileOptions {
        max_file_size: Some(1_048_576),
        max_files: 3,
        ..FileOptions::new(dir.join("out/shop.ndjson"))
    };
    assert_destination(&pipeline.flushers[1], &format!("{output:?}"));
    assert_destination(&pipeline.flushers[2], "Stdout");
    assert_destination(&pipeline.flushers[3], "Blackhole");
    assert_eq!(
        pipeline.document["flushers"][0]["RemoteURL"],
        "HTTPS://Logs.Example.com:443/in?a=b"
    );
}

#[test]
fn the_defaults_are_loongcollectors() {
    let text = r#"{"inputs": [{"Type": "input_file", "FilePaths": ["/a.log"]}],
                   "flushers": [{"Type": "flusher_http", "RemoteURL": "http://h"},
                                {"Type": "flusher_file", "FilePath": "/o"}]}"#;
    let pipeline = pipeline("p.json", text);
    let Input::File(file) = &pipeline.input else { panic!("{:?}", pipeline.input) };
    assert_eq!(file.max_dir_search_depth, Some(0));
    assert_eq!(file.first_start, FirstStart::Tail(1024 * 1024));
    assert_eq!(file.flush_timeout, Duration::from_secs(60));
    assert_eq!(file.offset_key, None);
    assert_eq!(file.tags, TagNames { path: some("__path__"), ..TagNames::default() });
    assert!(file.containers.is_none() && !pipeline.needs_containers());
    assert_eq!(pipeline.global.host_name_tag, some("__hostname__"));
    assert_eq!((pipeline.global.topic.as_ref(), pipeline.create_time), (None, 0));
    let http = HttpOptions {
        timeout: Duration::from_secs(60),
        retry: Backoff { min: Duration::from_secs(1), max: Duration::from_secs(30) },
        compression: Compression::None,
        auth: Auth::None,
        concurrency: 1,
        ..HttpOptions::new("http://h/")
    };
    assert_destination(&pipeline.flushers[0], &format!("HttpTarget({http:?})"));
    let output = FileOptions { max_file_size: Some(10_485_760), ..FileOptions::new("/o".into()) };
    assert_eq!(output.max_files, 10);
    assert_destination(&pipeline.flushers[1], &format!("{output:?}"));
}

#[test]
fn container_output_is_read_into_values() {
    let text = "
inputs:
- Type: input_container_stdio
  IgnoringStderr: true
  KeepingSourceWhenParseFail: false
  FlushTimeoutSecs: 3
  ContainerFilters: {K8sContainerRegex: web}
  Tags: {ContainerImageTagKey: image, FilePathTagKey: ''}
flushers:
- Type: flusher_stdout
";
    let pipeline = pipeline("p.yaml", text);
    assert!(pipeline.needs_containers());
    let Input::ContainerStdio(stdio) = &pipeline.input else { panic!("{:?}", pipeline.input) };
    assert!(!stdio.ignoring_stdout && stdio.ignoring_stderr);
    assert!(!stdio.keeping_source_when_parse_fail);
    assert_eq!(stdio.flush_timeout, Duration::from_secs(3));
    assert_eq!(stdio.first_start, FirstStart::Tail(1024 * 1024));
    assert_eq!(stdio.tags.image_name, some("image"));
    assert_eq!(stdio.tags.path, None);
    assert_eq!(stdio.tags.container_ip, some("_container_ip_"));
    assert!(stdio.containers.filters.k8s_container.is_some());
}

#[test]
fn the_older_position_key_adds_tag_and_field() {
    let text = r#"{"inputs": [{"Type": "input_file", "FilePaths": ["/a.log"],
        "AppendingLogPositionMeta": true}], "flushers": [{"Type": "flusher_stdout"}]}"#;
    let pipeline = pipeline("p.json", text);
    let Input::File(file) = &pipeline.input else { panic!() };
    assert_eq!(file.tags.inode, some("__inode__"));
    assert_eq!(file.offset_key, some("__file_offset__"));
}

#[test]
fn negative_depth_has_no_limit() {
    let text = r#"{"inputs": [{"Type": "input_file", "FilePaths": ["/a/**/b.log"],
        "MaxDirSearchDepth": -1}], "flushers": [{"Type": "flusher_stdout"}]}"#;
    let pipeline = pipeline("p.json", text);
    let Input::File(file) = &pipeline.input else { panic!() };
    assert_eq!(file.max_dir_search_depth, None);
}

#[test]
fn keys_that_tune_the_inside_of_loongcollector_are_said_to_have_no_effect() {
    let text = r#"{
        "global": {"Priority": 2, "StructureType": "v1"},
        "inputs": [{"Type": "input_file", "FilePaths": ["/a.log"], "MaxDirSearchDepth": 5,
            "RotatorQueueSize": 10, "CloseUnusedReaderIntervalSec": 60, "PreservedDirDepth": -1,
            "AllowingIncludedByMultiConfigs": false, "ReadDelaySkipThresholdBytes": 0,
            "EnableExactlyOnce": 0, "TailingAllMatchedFiles": false, "Multiline": {}}],
        "aggregators": [], "extensions": [],
        "flushers": [{"Type": "flusher_http", "RemoteURL": "https://h/", "QueueCapacity": 9,
            "MaxConnsPerHost": 1, "TLS": {"InsecureSkipVerify": true}}]
    }"#;
    let loaded = load_one("p.json", text);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    for key in [
        "p.json: global.Priority has no effect",
        "p.json: inputs[0].RotatorQueueSize has no effect",
        "inputs[0].CloseUnusedReaderIntervalSec has no effect",
        "inputs[0].PreservedDirDepth has no effect",
        "inputs[0].AllowingIncludedByMultiConfigs has no effect",
        "inputs[0].MaxDirSearchDepth has no effect",
        "flushers[0].QueueCapacity has no effect",
        "flushers[0].MaxConnsPerHost has no effect",
        "flushers[0].TLS.InsecureSkipVerify lets anybody",
    ] {
        assert!(loaded.notes.iter().any(|n| n.contains(key)), "{key}: {:#?}", loaded.notes);
    }
    assert_eq!(loaded.notes.len(), 9, "{:#?}", loaded.notes);
}

#[test]
fn a_secret_that_goes_in_clear_is_said() {
    let text = r#"{"inputs": [{"Type": "input_file", "FilePaths": ["/a.log"]}],
        "flushers": [{"Type": "flusher_http", "RemoteURL": "http://h/",
            "Authentication": {"Header": {"Name": "X-Api-Key", "ValueEnv": "KEY"}}}]}"#;
    let loaded = load_one("p.json", text);
    assert!(loaded.notes[0].contains("flushers[0].Authentication goes over the network in clear"));
}
