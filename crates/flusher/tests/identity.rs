//! What durable state depends on: under which name a delivery's progress is kept, and which hash
//! says that its records look the same. The values are those that version 0.1.0 computed; where
//! one changes, state directories of running agents no longer fit their configurations.
#![allow(clippy::unwrap_used)] // a test says by panicking that it failed
#![allow(clippy::disallowed_methods)] // writes the files that the tests read

use std::path::Path;

use flusher::{DESTINATIONS, RecordShape, target};
use record::PipelineKey;
use settings::{FirstStart, Pipeline, load};

/// Entries of `flushers`, each with the name that it has beside all the others.
const FLUSHERS: [(&str, &str); 12] = [
    (r#"{"Type": "flusher_stdout"}"#, "flusher_stdout #2"),
    (r#"{"Type": "flusher_stdout", "RecordIdKey": "id", "OnlyStdout": true}"#, "flusher_stdout"),
    (r#"{"Type": "flusher_blackhole"}"#, "flusher_blackhole #2"),
    (
        r#"{"Type": "flusher_blackhole", "RecordIdKey": "id", "SyncBeforeSend": true}"#,
        "flusher_blackhole",
    ),
    (
        r#"{"Type": "flusher_file", "FilePath": "/out//./logs/x.ndjson"}"#,
        "flusher_file /out/logs/x.ndjson",
    ),
    (
        r#"{"Type": "flusher_file",
            "FilePath": "/out/y",
            "MaxFileSize": 8192,
            "MaxFiles": 3,
            "RecordIdKey": "k"}"#,
        "flusher_file /out/y",
    ),
    (r#"{"Type": "flusher_http", "RemoteURL": "http://h"}"#, "flusher_http http://h/"),
    (
        r#"{"Type": "flusher_http",
            "RemoteURL": "HTTP://Logs.Example:80/In?a=B",
            "Query": {"c d": "e&f"},
            "Compression": "gzip"}"#,
        "flusher_http http://logs.example/In?a=B&c%20d=e%26f",
    ),
    (
        r#"{"Type": "flusher_http",
            "RemoteURL": "https://h:443/x",
            "Headers": {"X-Org": "a"},
            "RecordIdKey": "_id"}"#,
        "flusher_http https://h/x",
    ),
    (
        r#"{"Type": "flusher_http",
            "RemoteURL": "https://h:8443/x",
            "TLS": {"InsecureSkipVerify": true},
            "Timeout": "3s",
            "Concurrency": 4}"#,
        "flusher_http https://h:8443/x",
    ),
    (
        r#"{"Type": "flusher_http",
            "RemoteURL": "https://h/b",
            "Authentication": {"Basic": {"Username": "u",
            "PasswordEnv": "P"}}}"#,
        "flusher_http https://h/b",
    ),
    (
        r#"{"Type": "flusher_http",
            "RemoteURL": "http://[::1]:80/x",
            "Retry": {"InitialDelay": "1s"},
            "SyncBeforeSend": true}"#,
        "flusher_http http://[::1]/x",
    ),
];

/// Inputs with what stands beside them, the hash of `irontail collect` over the whole pipeline,
/// and of each of the flushers the hash of how its records look.
const SHAPES: [(&str, &str, u64, [u64; 12]); 3] = [
    (
        r#"{"Type": "input_file", "FilePaths": ["/a/*.log"]}"#,
        "",
        0xc7d2_a7f2_440e_a497,
        [
            0x3a73_7162_93c3_f43d,
            0x3220_c2b6_8d31_ead8,
            0x7525_43e4_d52d_ff41,
            0x0582_24e4_56aa_a898,
            0x5923_5b64_622a_4e20,
            0xc0af_dafb_a88b_d766,
            0x0675_d2e1_d28b_7967,
            0x0675_d2e1_d28b_7967,
            0x625a_0468_31c1_292d,
            0x0675_d2e1_d28b_7967,
            0x0675_d2e1_d28b_7967,
            0x0675_d2e1_d28b_7967,
        ],
    ),
    (
        r#"{"Type": "input_file", "FilePaths": ["/a/**/*.log"], "FileOffsetKey": "o",
            "Tags": {"FileInodeTagKey": "i"}}"#,
        r#", "global": {"TopicType": "custom", "TopicFormat": "t"}"#,
        0x690c_ac34_8e2d_502e,
        [
            0xc70c_9f7b_2467_06f6,
            0x46be_38d6_b26c_f72f,
            0xe6ba_edeb_a706_f08a,
            0xc8f5_07e9_192f_c6c1,
            0x130b_c547_df2c_eac1,
            0x93b5_c949_27b4_27c6,
            0xb04e_3b2c_49a8_4c54,
            0xb04e_3b2c_49a8_4c54,
            0x87df_f021_48dd_96be,
            0xb04e_3b2c_49a8_4c54,
            0xb04e_3b2c_49a8_4c54,
            0xb04e_3b2c_49a8_4c54,
        ],
    ),
    (
        r#"{"Type": "input_container_stdio", "ExternalEnvTag": {"A": "a"}}"#,
        "",
        0x8e4b_4cb5_409f_7f33,
        [
            0x7e98_4177_ae13_2d8b,
            0xfd37_6546_3bbc_cae0,
            0x62c4_ca4c_8198_555e,
            0x6ca8_fd39_f9b8_3e7a,
            0xdb4b_a891_b5b4_7d85,
            0xff03_b858_6328_f183,
            0x4a77_30b8_221f_acff,
            0x4a77_30b8_221f_acff,
            0x2565_7717_a3f9_229c,
            0x4a77_30b8_221f_acff,
            0x4a77_30b8_221f_acff,
            0x4a77_30b8_221f_acff,
        ],
    ),
];

/// Destinations of `irontail collect`, each with its name, the hash that names the state
/// directory, and that of how records look.
const COLLECT: [(&str, &str, u64, u64); 3] = [
    ("stdout", "flusher_stdout", 0x0e67_ef4b_c4be_2a03, 0x3a73_7162_93c3_f43d),
    ("out.ndjson", "flusher_file /w/out.ndjson", 0x666e_2486_9852_77a8, 0x5923_5b64_622a_4e20),
    ("https://h/x", "flusher_http https://h/x", 0x1bf4_f6e0_40b9_2c81, 0x0675_d2e1_d28b_7967),
];

/// The encoder's hash for a record id in `id`, in a pipeline whose key is 7.
const ENCODING: u64 = 0x3580_49af_abea_d4d5;

/// Reads one pipeline.
fn pipeline(input: &str, top: &str) -> Pipeline {
    let dir = tempfile::tempdir().unwrap();
    let flushers: Vec<&str> = FLUSHERS.iter().map(|(document, _)| *document).collect();
    let flushers = flushers.join(", ");
    let text = format!(r#"{{"inputs": [{input}], "flushers": [{flushers}]{top}}}"#);
    std::fs::write(dir.path().join("p.json"), text).unwrap();
    let mut loaded = load(&["p.json".into()], Path::new("/none"), dir.path(), &DESTINATIONS);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    loaded.pipelines.pop().unwrap()
}

#[test]
fn names_and_hashes_of_known_configurations_stay_what_they_were() {
    for (input, top, whole, shapes) in SHAPES {
        let pipeline = pipeline(input, top);
        assert_eq!(pipeline.ad_hoc_hash(), whole, "{input}");
        for (at, ((document, name), shape)) in FLUSHERS.iter().zip(shapes).enumerate() {
            assert_eq!(pipeline.flushers[at].name, *name, "{document}");
            assert_eq!(pipeline.shape_hash(at), shape, "{input} {document}");
        }
    }
}

#[test]
fn names_and_hashes_of_collect_stay_what_they_were() {
    for (to, name, place, shape) in COLLECT {
        let (patterns, first) = (["/var/log/*.log".to_owned()], FirstStart::Tail(0));
        let pipeline = Pipeline::ad_hoc(&patterns, to, first, Path::new("/w"), &DESTINATIONS);
        let pipeline = pipeline.unwrap();
        assert_eq!(pipeline.flushers[0].name, name);
        assert_eq!((pipeline.ad_hoc_hash(), pipeline.shape_hash(0)), (place, shape), "{to}");
    }
}

#[test]
fn the_encoders_own_hash_stays_what_it_was() {
    let shape = RecordShape {
        pipeline: PipelineKey(7),
        record_id_key: Some("id".into()),
        offset_key: None,
    };
    assert_eq!(RecordShape::default().encoding(), 0xc07b_286a_0b42_86e4);
    assert_eq!(shape.encoding(), ENCODING);
    let pipeline = pipeline(SHAPES[0].0, "");
    let disk: std::sync::Arc<dyn disk::Disk> = std::sync::Arc::new(disk::RealDisk);
    // Password variables of the test's own are not set.
    for config in pipeline.flushers.iter().filter(|one| one.name != "flusher_http https://h/b") {
        let flusher = target(config).flusher(&disk, shape.clone()).unwrap();
        assert_eq!(flusher.encoding(), ENCODING, "{}", config.name);
    }
}
