//! Patterns of every kind, and what is likely to be a mistake in one.

use std::fs;

use serde_json::json;
use testkit::{ndjson, until};
use tests::{ENOUGH, Stage};

#[test]
fn braces_trees_and_the_home_directory_are_searched_and_what_matches_nothing_is_named() {
    let stage = Stage::new();
    let home = stage.path("home");
    for dir in ["home", "logs/x/log", "logs/x/y/log"] {
        fs::create_dir_all(stage.path(dir)).unwrap();
    }
    for name in ["logs/a.log", "logs/b.log", "logs/x/log/c.log", "logs/x/y/log/d.log"] {
        fs::write(stage.path(name), format!("{name}\n")).unwrap();
    }
    fs::write(home.join("h.log"), "home\n").unwrap();
    let nothing = stage.log("none-*.log");
    let input = json!({
        "Type": "input_file",
        "FilePaths": [stage.log("{a,b}.log"), stage.log("**/log/*.log"), "~/h.log", nothing],
        "MaxDirSearchDepth": 2,
        "TailSizeKB": 1024,
    });
    let output = json!({ "Type": "flusher_file", "FilePath": stage.path("out.json") });
    stage.pipeline("app", &json!({ "inputs": [input], "flushers": [output] }));
    let check = stage.command(&["check", "--config"]).arg(stage.path("config"));
    let (code, out, error) = check.env("HOME", &home).output();
    assert_eq!(code, Some(0), "{out}{error}");
    let said: Vec<&str> = out.lines().filter(|line| line.contains("nothing matches")).collect();
    assert_eq!(said, [format!("  nothing matches {}", nothing.display())]);
    assert_eq!(out.matches("  collects ").count(), 5, "{out}");

    let agent = stage.run().env("HOME", &home).start();
    until(ENOUGH, "every file", || {
        let body = fs::read(stage.path("out.json")).unwrap_or_default();
        match ndjson::records(&body).count() {
            5 => Ok(()),
            count => Err(format!("{count}: {}", agent.log())),
        }
    });
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0));
    assert_eq!(stop.log.matches("matches nothing now").count(), 1, "{}", stop.log);
    assert!(stop.log.contains("none-*.log matches nothing now"), "{}", stop.log);
}

#[test]
fn what_looks_like_a_mistake_is_refused_with_its_cure() {
    for (pattern, cure) in [
        ("$HOME/x.log", "write the whole path"),
        ("~you/x.log", "write the whole path"),
        ("/logs/*.log,*.LOG", "make each pattern an entry of its own, or write {a,b}"),
        ("/logs/*.log ", "ends with a blank: remove it"),
        ("/logs/{a/b,c}.log", "{ without its }"),
    ] {
        let stage = Stage::new();
        let (code, out, error) = stage.command(&["collect"]).arg(pattern).output();
        assert_eq!(code, Some(1), "{pattern}: {out}{error}");
        assert!(error.contains(cure), "{pattern}: {error}");
    }
}
