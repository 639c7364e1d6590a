//! Damaged and odd configurations: `irontail check` exits 1 and names the file and the key.

use serde_json::{Value, json};
use tests::Stage;

/// What `irontail check` says of one file: (exit code, everything it printed).
fn check(stage: &Stage, name: &str, text: &[u8]) -> (Option<i32>, String) {
    let path = stage.path("config").join(name);
    std::fs::write(&path, text).unwrap();
    let (code, out, error) = stage.command(&["check", "--config"]).arg(&path).output();
    std::fs::remove_file(&path).unwrap();
    (code, out + &error)
}

/// A good pipeline with `change` made to it.
fn changed(stage: &Stage, change: impl FnOnce(&mut Value)) -> Value {
    let mut pipeline = json!({
        "inputs": [{ "Type": "input_file", "FilePaths": [stage.log("*.log")] }],
        "flushers": [{ "Type": "flusher_http", "RemoteURL": "http://127.0.0.1:9/logs" }],
    });
    change(&mut pipeline);
    pipeline
}

#[test]
fn a_good_configuration_passes_and_shows_what_it_would_collect() {
    let stage = Stage::new();
    stage.log_file("app.log").append(1);
    let text = changed(&stage, |_| {}).to_string();
    let (code, said) = check(&stage, "good.json", text.as_bytes());
    assert_eq!(code, Some(0), "{said}");
    for part in ["app.log", "check_point_dump_interval", "user_config_file_path"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}

#[test]
fn each_bad_value_is_refused_with_file_and_key() {
    let stage = Stage::new();
    type Change = fn(&mut Value);
    let cases: &[(&str, Change)] = &[
        ("inputs", |p| _ = p.as_object_mut().unwrap().remove("inputs")),
        ("flushers", |p| _ = p.as_object_mut().unwrap().remove("flushers")),
        ("inputs", |p| p["inputs"] = json!([])),
        ("inputs", |p| p["inputs"] = json!("input_file")),
        ("flushers", |p| p["flushers"] = json!({})),
        ("enabel", |p| p["enabel"] = json!(true)),
        ("Type", |p| p["inputs"][0]["Type"] = json!("input_fil")),
        ("Type", |p| p["inputs"][0]["Type"] = json!(5)),
        ("Type", |p| _ = p["inputs"][0].as_object_mut().unwrap().remove("Type")),
        ("FilePaths", |p| _ = p["inputs"][0].as_object_mut().unwrap().remove("FilePaths")),
        ("FilePaths", |p| p["inputs"][0]["FilePaths"] = json!([])),
        ("FilePaths", |p| p["inputs"][0]["FilePaths"] = json!("/var/log/*.log")),
        ("FilePaths", |p| p["inputs"][0]["FilePaths"] = json!([7])),
        ("FilePaths", |p| p["inputs"][0]["FilePaths"] = json!([""])),
        ("FilePaths", |p| p["inputs"][0]["FilePaths"] = json!(["/var/**/a/**"])),
        ("FilePath", |p| p["inputs"][0]["FilePath"] = json!("/var/log/*.log")),
        ("MaxDirSearchDepth", |p| p["inputs"][0]["MaxDirSearchDepth"] = json!("deep")),
        ("TailSizeKB", |p| p["inputs"][0]["TailSizeKB"] = json!(-1)),
        ("FlushTimeoutSecs", |p| p["inputs"][0]["FlushTimeoutSecs"] = json!([])),
        ("ExcludeFiles", |p| p["inputs"][0]["ExcludeFiles"] = json!(true)),
        ("Type", |p| p["flushers"][0]["Type"] = json!("flusher_htp")),
        ("RemoteURL", |p| _ = p["flushers"][0].as_object_mut().unwrap().remove("RemoteURL")),
        ("RemoteURL", |p| p["flushers"][0]["RemoteURL"] = json!("gopher://x")),
        ("RemoteURL", |p| p["flushers"][0]["RemoteURL"] = json!(12)),
        ("RemoteUrl", |p| p["flushers"][0]["RemoteUrl"] = json!("http://x")),
        ("Headers", |p| p["flushers"][0]["Headers"] = json!([1])),
        ("FilePath", |p| p["flushers"] = json!([{ "Type": "flusher_file" }])),
        ("processors[0].Mode", |p| {
            let multiline = json!({ "StartPattern": "[0-9].*" });
            p["inputs"] = json!([{ "Type": "input_container_stdio", "Multiline": multiline }]);
            let limit =
                json!({ "Type": "processor_rate_limit", "BytesPerSecond": 9, "Mode": "drop" });
            p["processors"] = json!([limit]);
        }),
    ];
    for (number, (key, change)) in cases.iter().enumerate() {
        let pipeline = changed(&stage, change);
        let name = format!("bad{number}.json");
        let (code, said) = check(&stage, &name, pipeline.to_string().as_bytes());
        assert_eq!(code, Some(1), "{pipeline}\n{said}");
        assert!(said.contains(&name), "the file is not named\n{pipeline}\n{said}");
        assert!(said.contains(key), "the key {key} is not named\n{pipeline}\n{said}");
    }
}

#[test]
fn each_damaged_file_is_refused_and_named() {
    let stage = Stage::new();
    let cases: &[(&str, &[u8])] = &[
        ("empty.json", b""),
        ("cut.json", b"{\"inputs\": [{\"Type\": \"input_file\""),
        ("list.json", b"[]"),
        ("number.json", b"7"),
        ("nul.json", b"\0\0\0\0"),
        ("latin1.json", b"{\"inputs\": \"\xe9\"}"),
        ("tabs.yaml", b"inputs:\n\t- Type: input_file\n"),
        ("cut.yaml", b"inputs:\n  - Type: \"input_file\n"),
        ("text.yaml", b"hello\n"),
        ("twice.json", b"{\"inputs\": [], \"inputs\": []}"),
    ];
    for (name, text) in cases {
        let (code, said) = check(&stage, name, text);
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    let deep = "[".repeat(100_000);
    let (code, said) = check(&stage, "deep.json", deep.as_bytes());
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn a_misspelt_key_is_answered_with_the_nearest_known_one() {
    let stage = Stage::new();
    let pipeline = changed(&stage, |p| p["inputs"][0]["FilePath"] = json!(["/a"]));
    let (_, said) = check(&stage, "app.json", pipeline.to_string().as_bytes());
    assert!(said.contains("FilePaths"), "{said}");
    let pipeline = changed(&stage, |p| p["flushers"][0]["Type"] = json!("flusher_htp"));
    let (_, said) = check(&stage, "app.json", pipeline.to_string().as_bytes());
    assert!(said.contains("flusher_http"), "{said}");
}

#[test]
fn two_pipelines_of_one_name_are_refused() {
    let stage = Stage::new();
    let text = changed(&stage, |_| {}).to_string();
    for name in ["config/app.json", "config/app.yaml"] {
        std::fs::write(stage.path(name), &text).unwrap();
    }
    let (code, out, error) =
        stage.command(&["check", "--config"]).arg(stage.path("config")).output();
    assert_eq!(code, Some(1), "{out}{error}");
    assert!((out + &error).contains("app"));
}

#[test]
fn a_missing_configuration_file_is_refused_and_named() {
    let stage = Stage::new();
    let (code, out, error) =
        stage.command(&["check", "--config"]).arg(stage.path("nowhere.json")).output();
    assert_eq!(code, Some(1), "{out}{error}");
    assert!((out + &error).contains("nowhere.json"));
}

#[test]
fn an_input_that_is_our_own_output_is_refused() {
    let stage = Stage::new();
    let pipeline = changed(&stage, |p| {
        p["flushers"] = json!([{ "Type": "flusher_file", "FilePath": stage.log("out.log") }]);
    });
    let (code, said) = check(&stage, "loop.json", pipeline.to_string().as_bytes());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("loop.json") && said.contains("out.log"), "{said}");
}

#[test]
fn run_refuses_what_check_refuses() {
    let stage = Stage::new();
    let pipeline = changed(&stage, |p| p["flushers"][0]["RemoteUrl"] = json!("http://x"));
    stage.pipeline("app", &pipeline);
    let (code, _, error) = stage.run().output();
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("app.json") && error.contains("RemoteUrl"), "{error}");
}

#[test]
fn bad_parameters_are_refused_with_their_origin() {
    let stage = Stage::new();
    stage.pipeline("app", &changed(&stage, |_| {}));
    for (name, value) in
        [("check_point_dump_interval", "often"), ("check_point_dump_interval", "-1")]
    {
        let (code, out, error) = stage
            .command(&["check", "--config"])
            .arg(stage.path("config"))
            .env(name, value)
            .output();
        assert_eq!(code, Some(1), "{name}={value}: {out}{error}");
        assert!((out + &error).contains(name), "{name}={value}");
    }
    let file = stage.path("ilogtail_config.json");
    std::fs::write(&file, "{\"check_point_dump_interval\": \"x\"}").unwrap();
    let (code, out, error) = stage
        .command(&["check", "--config"])
        .arg(stage.path("config"))
        .env("ALIYUN_LOGTAIL_CONFIG", &file)
        .output();
    let said = out + &error;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("ilogtail_config.json"), "{said}");
    assert!(said.contains("check_point_dump_interval"), "{said}");
}
