//! Parameters: which of the places that hold a value wins, and what is said of a wrong one.

mod place;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use place::Place;
use settings::{CommandLine, Error, OnLostState, Origin, Parameters};

/// An environment that has no directory of iLogtail's to find ids in.
fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, OsString> {
    let mut map: BTreeMap<String, OsString> =
        pairs.iter().map(|(name, value)| (name.to_string(), OsString::from(value))).collect();
    map.entry("ALIYUN_LOGTAIL_SYS_CONF_DIR".into()).or_insert("/nowhere/ilogtail".into());
    map
}

fn resolve(
    pairs: &[(&str, &str)],
    json: Option<&str>,
    line: &CommandLine,
) -> Result<Parameters, Vec<String>> {
    let map = environment(pairs);
    let file = json.map(|text| (Path::new("/etc/x.json"), text));
    Parameters::resolve(&|name| map.get(name).cloned(), file, line, Path::new("/work"))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn good(pairs: &[(&str, &str)], json: Option<&str>, line: &CommandLine) -> Parameters {
    resolve(pairs, json, line).expect("parameters")
}

fn from_env(name: &str) -> Origin {
    Origin::Environment(name.to_owned())
}

fn from_file(key: &str) -> Origin {
    Origin::File("/etc/x.json".into(), Some(key.to_owned()))
}

/// Environment, file, command line; STATE and its origin.
type StateCase = (Pairs, Option<&'static str>, CommandLine, String, Origin);
type Pairs = &'static [(&'static str, &'static str)];

#[test]
fn state_is_found_by_the_rule() {
    let flag = |dir: &str| CommandLine { state_dir: Some(dir.into()), ..CommandLine::default() };
    let none = CommandLine::default;
    let hash = 0x0123_4567_89ab_cdef_u64;
    let ad_hoc = || CommandLine { ad_hoc: Some(hash), ..CommandLine::default() };
    let below = |dir: &str| format!("{dir}/irontail/{hash:016x}");
    let json = Some(r#"{"check_point_filename": "/j/logtail_check_point"}"#);
    let cases: [StateCase; 15] = [
        (&[], None, none(), "/var/lib/irontail".into(), Origin::Default),
        (
            &[("IRONTAIL_STATE_DIR", "/e"), ("check_point_filename", "/c/p")],
            json,
            flag("/f"),
            "/f".into(),
            Origin::CommandLine("--state-dir".into()),
        ),
        (&[], None, flag("rel"), "/work/rel".into(), Origin::CommandLine("--state-dir".into())),
        (
            &[("IRONTAIL_STATE_DIR", "/e"), ("check_point_filename", "/c/p")],
            json,
            none(),
            "/e".into(),
            from_env("IRONTAIL_STATE_DIR"),
        ),
        (&[("IRONTAIL_STATE_DIR", "")], None, none(), "/var/lib/irontail".into(), Origin::Default),
        (
            &[("check_point_filename", "/c/p")],
            json,
            none(),
            "/c".into(),
            from_env("check_point_filename"),
        ),
        (
            &[("ALIYUN_LOGTAIL_CHECK_POINT_PATH", "/a/p"), ("check_point_filename", "/a/p")],
            json,
            none(),
            "/a".into(),
            from_env("ALIYUN_LOGTAIL_CHECK_POINT_PATH"),
        ),
        (
            &[("LOONG_CHECK_POINT_FILENAME", "/l/p")],
            json,
            none(),
            "/l".into(),
            from_env("LOONG_CHECK_POINT_FILENAME"),
        ),
        (&[], json, none(), "/j".into(), from_file("check_point_filename")),
        (
            &[],
            Some(r#"{"check_point_file_path": "/k/p"}"#),
            none(),
            "/k".into(),
            from_file("check_point_file_path"),
        ),
        (
            &[],
            Some(r#"{"check_point_filename": ""}"#),
            none(),
            "/var/lib/irontail".into(),
            Origin::Default,
        ),
        (
            &[("check_point_filename", "/p")],
            None,
            none(),
            "/".into(),
            from_env("check_point_filename"),
        ),
        (
            &[("XDG_STATE_HOME", "/x"), ("HOME", "/h")],
            None,
            ad_hoc(),
            below("/x"),
            from_env("XDG_STATE_HOME"),
        ),
        (
            &[("XDG_STATE_HOME", "relative"), ("HOME", "/h")],
            None,
            ad_hoc(),
            below("/h/.local/state"),
            Origin::Default,
        ),
        (&[], None, ad_hoc(), below("/var/lib"), Origin::Default),
    ];
    for (pairs, json, line, dir, origin) in cases {
        let parameters = good(pairs, json, &line);
        assert_eq!(parameters.state_dir.value, Path::new(&dir), "{pairs:?} {json:?} {line:?}");
        assert_eq!(parameters.state_dir.origin, origin, "{pairs:?} {json:?} {line:?}");
    }
}

#[test]
fn the_defaults_lie_in_state() {
    let line = CommandLine { state_dir: Some("/s".into()), ..CommandLine::default() };
    let p = good(&[], None, &line);
    assert_eq!(p.user_config_file_path.value, Path::new("/s/user_log_config.json"));
    assert_eq!(p.docker_file_cache_path.value, Path::new("/s/docker_path_config.json"));
    assert_eq!(p.check_point_filename.value, Path::new("/s/logtail_check_point"));
    assert_eq!(p.check_point_filename.origin, Origin::Default);
    assert_eq!(p.check_point_dump_interval.value, Duration::from_secs(60));
    assert_eq!(p.buffer_file_path.value, Path::new("/s"));
    assert_eq!(p.logtail_sys_conf_dir.value, Path::new("/nowhere/ilogtail"));
    assert_eq!(p.logtail_sys_conf_dir.value, Path::new("/nowhere/ilogtail"));
    assert_eq!(p.in_flight_bytes_max.value, 16 << 20);
    assert_eq!(p.request_bytes_max.value, 1 << 20);
    assert_eq!(p.spool_bytes_max.value, 1 << 30);
    assert_eq!(p.pinned_bytes_max.value, 1 << 30);
    assert_eq!(p.shutdown_budget.value, Duration::from_secs(10));
    assert_eq!(p.state_lock_wait.value, Duration::from_secs(30));
    assert_eq!(p.node_name.value, None);
    assert_eq!(p.on_lost_state.value, OnLostState::Refuse);
    assert!(!p.require_durable_state.value);
    assert_eq!(p.admin.value, None);
    assert!(p.old_state_dirs.value.is_empty() && p.env_tags.value.is_empty());
    assert!(p.notes.is_empty(), "{:?}", p.notes);
    let unset = Parameters::resolve(&|_| None, None, &line, Path::new("/")).expect("parameters");
    assert_eq!(unset.logtail_sys_conf_dir.value, Path::new("/etc/ilogtail"));
}

#[test]
fn the_environment_beats_the_file_for_every_parameter() {
    let cases = [
        ("user_config_file_path", "user_config_file_path", "/e/x", "\"/j/x\""),
        ("user_config_file_path", "ALIYUN_LOGTAIL_USER_CONIFG_PATH", "/e/x", "\"/j/x\""),
        ("docker_file_cache_path", "docker_file_cache_path", "/e/x", "\"/j/x\""),
        ("docker_file_cache_path", "ALIYUN_LOGTAIL_DOCKER_FILE_CACHE_PATH", "/e/x", "\"/j/x\""),
        ("check_point_filename", "check_point_filename", "/e/x", "\"/j/x\""),
        ("check_point_filename", "ALIYUN_LOGTAIL_CHECK_POINT_PATH", "/e/x", "\"/j/x\""),
        ("check_point_dump_interval", "check_point_dump_interval", "7s", "8"),
        ("check_point_dump_interval", "ALIYUN_LOGTAIL_CHECKPOINT_DUMP_INTERVAL", "7s", "8"),
        ("buffer_file_path", "buffer_file_path", "/e/x", "\"/j/x\""),
        ("logtail_sys_conf_dir", "ALIYUN_LOGTAIL_SYS_CONF_DIR", "/e/x", "\"/j/x\""),
        ("in_flight_bytes_max", "IRONTAIL_IN_FLIGHT_BYTES_MAX", "2 MiB", "3145728"),
        ("request_bytes_max", "IRONTAIL_REQUEST_BYTES_MAX", "2 MiB", "3145728"),
        ("spool_bytes_max", "IRONTAIL_SPOOL_BYTES_MAX", "2 MiB", "\"3MiB\""),
        ("pinned_bytes_max", "IRONTAIL_PINNED_BYTES_MAX", "2 MiB", "3145728"),
        ("shutdown_budget", "IRONTAIL_SHUTDOWN_BUDGET", "7s", "\"8s\""),
        ("state_lock_wait", "IRONTAIL_STATE_LOCK_WAIT", "7s", "8"),
        ("node_name", "IRONTAIL_NODE_NAME", "node-7", "\"node-8\""),
        ("old_state_dirs", "IRONTAIL_OLD_STATE_DIRS", "/e/x", "[\"/j/x\"]"),
        ("on_lost_state", "IRONTAIL_ON_LOST_STATE", "from_end", "\"from_beginning\""),
        ("require_durable_state", "IRONTAIL_REQUIRE_DURABLE_STATE", "true", "false"),
        ("admin", "IRONTAIL_ADMIN", "127.0.0.1:7", "\"127.0.0.1:8\""),
    ];
    for (name, variable, words, value) in cases {
        let json = format!("{{\"{name}\": {value}}}");
        let shown = |pairs: &[(&str, &str)]| {
            let parameters = good(pairs, Some(&json), &CommandLine::default());
            let entries = parameters.entries();
            let entry = entries.iter().find(|entry| entry.name == name).expect("entry");
            (entry.value.clone(), entry.origin.clone())
        };
        assert_eq!(shown(&[(variable, words)]), (words.to_owned(), from_env(variable)), "{name}");
        if variable != "ALIYUN_LOGTAIL_SYS_CONF_DIR" {
            let (file, origin) = shown(&[]);
            assert_ne!(file, words, "{name}");
            assert_eq!(origin, from_file(name), "{name}");
        }
    }
}

#[test]
fn the_command_line_beats_the_environment() {
    let line = CommandLine {
        on_lost_state: Some(OnLostState::FromEnd),
        require_durable_state: true,
        admin: Some("127.0.0.1:1".into()),
        ..CommandLine::default()
    };
    let p = good(
        &[
            ("IRONTAIL_ON_LOST_STATE", "from_beginning"),
            ("IRONTAIL_REQUIRE_DURABLE_STATE", "false"),
            ("IRONTAIL_ADMIN", "127.0.0.1:2"),
        ],
        None,
        &line,
    );
    assert_eq!(p.on_lost_state.value, OnLostState::FromEnd);
    assert!(p.require_durable_state.value);
    assert_eq!(p.admin.value.as_deref(), Some("127.0.0.1:1"));
    assert_eq!(p.admin.origin, Origin::CommandLine("--admin".into()));
}

#[test]
fn a_wrong_value_names_its_place() {
    let file = |json: &'static str| (&[][..], Some(json));
    let variable = |pair: &'static [(&'static str, &'static str)]| (pair, None);
    for ((pairs, json), parts) in [
        (file("{"), &["/etc/x.json:1:1", "not valid JSON"][..]),
        (file("[]"), &["/etc/x.json", "holds a list", "parameters are an object"]),
        (file(r#"{"a": 1, "a": 1}"#), &["/etc/x.json:1:", "stands there twice"]),
        (
            file(r#"{"check_point_dump_interval": -5}"#),
            &["/etc/x.json: check_point_dump_interval must be a time from 1s to 24h"],
        ),
        (file(r#"{"check_point_dump_interval": 0}"#), &["check_point_dump_interval must be"]),
        (file(r#"{"check_point_dump_interval": true}"#), &["check_point_dump_interval must be"]),
        (file(r#"{"check_point_filename": 5}"#), &["check_point_filename must be a path"]),
        (file(r#"{"check_point_filename": "/a/"}"#), &["must name a file, not a directory"]),
        (file(r#"{"buffer_file_path": []}"#), &["/etc/x.json: buffer_file_path must be a path"]),
        (
            file(r#"{"check_point_filname": "/a/b"}"#),
            &["check_point_filname is not a known key (did you mean check_point_filename?)"],
        ),
        (file(r#"{"spool_bytes_max": "1GB"}"#), &["spool_bytes_max must be a size", "GiB"]),
        (file(r#"{"in_flight_bytes_max": 5}"#), &["in_flight_bytes_max must be a size from 1 MiB"]),
        (file(r#"{"old_state_dirs": "/a"}"#), &["old_state_dirs must be a list of paths"]),
        (file(r#"{"require_durable_state": 1}"#), &["require_durable_state must be true or false"]),
        (
            variable(&[("check_point_dump_interval", "soon")]),
            &["environment variable check_point_dump_interval must be a time"],
        ),
        (
            variable(&[("IRONTAIL_ON_LOST_STATE", "ignore")]),
            &["IRONTAIL_ON_LOST_STATE must be refuse, from_beginning or from_end"],
        ),
        (
            variable(&[("IRONTAIL_ADMIN", "9090")]),
            &["environment variable IRONTAIL_ADMIN must be an address and a port"],
        ),
        (
            variable(&[("ALIYUN_LOG_FILE_TAGS", "/etc/tags.json")]),
            &["ALIYUN_LOG_FILE_TAGS is not supported", "ALIYUN_LOG_ENV_TAGS"],
        ),
    ] {
        let errors = resolve(pairs, json, &CommandLine::default()).expect_err("an error");
        assert_eq!(errors.len(), 1, "{errors:?}");
        for part in parts {
            assert!(errors[0].contains(part), "no {part:?} in {}", errors[0]);
        }
    }
    let line = CommandLine { admin: Some("x".into()), ..CommandLine::default() };
    let errors = resolve(&[("IRONTAIL_SHUTDOWN_BUDGET", "2h")], None, &line).expect_err("errors");
    assert_eq!(errors.len(), 2, "all at once: {errors:?}");
    assert!(errors[1].contains("command line: --admin must be"), "{}", errors[1]);
}

#[test]
fn the_file_of_an_ilogtail_is_taken_as_it_is() {
    let json = r#"{
        "config_server_address": "http://logtail.example.com", "data_server_list": [],
        "cpu_usage_limit": 0.4, "mem_usage_limit": 384, "max_bytes_per_sec": 20971520,
        "buffer_file_num": 25, "buffer_file_path": "", "streamlog_formats": [], "zzz_own_flag": 1,
        "check_point_dump_interval": 30, "working_hostname": "node-3"
    }"#;
    let p = good(&[], Some(json), &CommandLine::default());
    assert_eq!(p.check_point_dump_interval.value, Duration::from_secs(30));
    assert_eq!(p.node_name.value.as_deref(), Some("node-3"));
    assert_eq!(p.buffer_file_path.origin, Origin::Default);
    let said = |part: &str| p.notes.iter().any(|note| note.contains(part));
    assert!(said("/etc/x.json: cpu_usage_limit has no effect in irontail"), "{:?}", p.notes);
    assert!(said("buffer_file_num has no effect in irontail; see spool_bytes_max"));
    assert!(said("zzz_own_flag is not known here"));
    assert_eq!(p.notes.len(), 8, "{:?}", p.notes);
}

#[test]
fn the_articles_environment_puts_all_state_in_one_place() {
    let p = good(
        &[
            ("user_config_file_path", "/etc/ilogtail/checkpoint/user_log_config.json"),
            ("docker_file_cache_path", "/etc/ilogtail/checkpoint/docker_path_config.json"),
            ("check_point_filename", "/etc/ilogtail/checkpoint/logtail_check_point"),
            ("check_point_dump_interval", "60"),
            ("buffer_file_path", "/etc/ilogtail/checkpoint"),
            ("ALIYUN_LOGTAIL_USER_ID", "123, 456,123"),
            ("ALIYUN_LOGTAIL_USER_DEFINED_ID", "k8s-group"),
            ("ALIYUN_LOG_ENV_TAGS", "_node_name_|_node_ip_|_node_name_"),
            ("_node_name_", "node-1"),
        ],
        None,
        &CommandLine::default(),
    );
    let dir = Path::new("/etc/ilogtail/checkpoint");
    assert_eq!(p.state_dir.value, dir);
    for path in [&p.user_config_file_path, &p.docker_file_cache_path, &p.check_point_filename] {
        assert_eq!(path.value.parent(), Some(dir));
    }
    let ids: Vec<&str> = p.user_ids.iter().map(|id| id.value.as_str()).collect();
    assert_eq!(ids, ["123", "456"]);
    assert_eq!(p.user_defined_ids[0].value, "k8s-group");
    assert_eq!(p.env_tags.value, [("_node_name_".to_owned(), "node-1".to_owned())]);
    assert_eq!(p.notes.len(), 1, "{:?}", p.notes);
    assert!(p.notes[0].contains("_node_ip_ is to be a tag"), "{:?}", p.notes);
}

#[test]
fn two_names_of_one_parameter_that_disagree_are_said() {
    let p = good(
        &[("check_point_filename", "/a/p"), ("ALIYUN_LOGTAIL_CHECK_POINT_PATH", "/b/p")],
        None,
        &CommandLine::default(),
    );
    assert_eq!(p.check_point_filename.value, Path::new("/b/p"));
    assert!(p.notes[0].contains("check_point_filename has no effect: ALIYUN_LOGTAIL_CHECK_POINT"));
}

#[test]
fn ids_are_read_from_files_too() {
    let place = Place::new();
    place.write("user_defined_id", "group-a\n\n group-b \ngroup-c\n");
    place.write("users/1001", "");
    place.write("users/1002", "");
    place.write("users/.swp", "");
    let dir = place.path().to_str().expect("utf8");
    let p = good(
        &[
            ("ALIYUN_LOGTAIL_SYS_CONF_DIR", dir),
            ("ALIYUN_LOGTAIL_USER_ID", "1002"),
            ("ALIYUN_LOGTAIL_USER_DEFINED_ID", "group-c"),
        ],
        None,
        &CommandLine::default(),
    );
    let values = |ids: &[settings::Setting<String>]| -> Vec<String> {
        ids.iter().map(|id| id.value.clone()).collect()
    };
    assert_eq!(values(&p.user_ids), ["1002", "1001"]);
    assert_eq!(p.user_ids[1].origin, Origin::File(place.path().join("users"), None));
    assert_eq!(values(&p.user_defined_ids), ["group-c", "group-a", "group-b"]);
    assert!(p.notes.is_empty());
}

#[test]
fn a_missing_file_means_defaults_and_is_said_once() {
    let place = Place::new();
    let load = |path: &Path| {
        let map = environment(&[("ALIYUN_LOGTAIL_CONFIG", path.to_str().expect("utf8"))]);
        Parameters::load(
            &|name| map.get(name).cloned(),
            &CommandLine::default(),
            Path::new("/work"),
        )
    };
    let missing = load(&place.path().join("none.json")).expect("defaults");
    assert_eq!(missing.notes.len(), 1);
    assert!(missing.notes[0].contains("none.json (named by ALIYUN_LOGTAIL_CONFIG) does not exist"));
    let path = place.write("x.json", r#"{"shutdown_budget": 5}"#);
    let found = load(&path).expect("parameters");
    assert_eq!(found.shutdown_budget.value, Duration::from_secs(5));
    let errors = load(place.path()).expect_err("a directory");
    assert!(matches!(errors[0], Error::NotConfiguration { .. }));
    let none = Parameters::load(&|_| None, &CommandLine::default(), Path::new("/work"));
    assert!(none.expect("defaults").notes.is_empty());
}

#[test]
fn check_prints_name_value_and_origin() {
    let p = good(&[("buffer_file_path", "/b")], None, &CommandLine::default());
    let lines: Vec<String> = p.entries().iter().map(ToString::to_string).collect();
    for line in [
        "state_dir = /var/lib/irontail  (default)",
        "buffer_file_path = /b  (from environment buffer_file_path)",
        "check_point_dump_interval = 1m  (default)",
        "spool_bytes_max = 1 GiB  (default)",
        "node_name = the host's /etc/hostname  (default)",
        "on_lost_state = refuse  (default)",
        "admin = off  (default)",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line}: {lines:#?}");
    }
    let named: Vec<&str> = p.entries().iter().map(|entry| entry.name).collect();
    for definition in settings::DEFINITIONS.iter().filter(|one| one.name != "config") {
        assert!(named.contains(&definition.name), "{}", definition.name);
    }
}

#[test]
fn a_path_that_is_no_text_is_kept() {
    use std::os::unix::ffi::OsStringExt;
    let odd = OsString::from_vec(b"/s/\xff".to_vec());
    let env = |name: &str| (name == "IRONTAIL_STATE_DIR").then(|| odd.clone());
    let p = Parameters::resolve(&env, None, &CommandLine::default(), Path::new("/"));
    assert_eq!(p.expect("parameters").state_dir.value, PathBuf::from(odd.clone()));
}
