//! Documents and comments against the code: every file that they name exists, and the tables of
//! ARCHITECTURE.md list what there is. Reads the workspace, builds nothing.

#![allow(clippy::unwrap_used)] // A test, all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What ARCHITECTURE.md may be at most, so that it is read.
const ARCHITECTURE_LEN_MAX: usize = 16 * 1024;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// All files of the workspace that are written by hand, by their path below its root.
fn files() -> BTreeMap<String, String> {
    let (root, mut found) = (root(), BTreeMap::new());
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && name != "target" && name != ".git" {
                directories.push(path);
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(&path)
            {
                found.insert(name, text);
            }
        }
    }
    assert!(found.len() > 200, "only {} files below {}", found.len(), root.display());
    found
}

fn architecture() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap()
}

/// What stands between back ticks in a line.
fn ticked(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The comments of a Rust file; all lines of any other.
fn prose<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
    let comment = |line: &'a str| line.find("//").map(|begin| &line[begin..]);
    if name.ends_with(".rs") {
        text.lines().filter_map(comment).collect()
    } else {
        text.lines().collect()
    }
}

/// The rows of the table whose head's first cell is `head`, each as its cells.
fn table(text: &str, head: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let rows = text.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    let rows: Vec<_> = rows.take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "ARCHITECTURE.md has no table of {head}");
    rows
}

/// The product's sources without tests, by path.
fn product() -> BTreeMap<String, String> {
    let tests_only = ["crates/testkit/", "crates/simulation/"];
    let is_product = |name: &String| {
        name.starts_with("crates/")
            && name.contains("/src/")
            && name.ends_with(".rs")
            && !name.contains("/tests/")
            && !name.ends_with("/tests.rs")
            && !tests_only.iter().any(|crate_| name.starts_with(crate_))
    };
    let untested = |text: String| text.split("\n#[cfg(test)]\nmod ").next().unwrap().to_owned();
    files()
        .into_iter()
        .filter(|(name, _)| is_product(name))
        .map(|(name, text)| (name, untested(text)))
        .collect()
}

#[test]
fn every_source_file_that_a_document_or_comment_names_exists() {
    let files = files();
    let is_there = |named: &str| {
        files.keys().any(|name| name == named || name.ends_with(&format!("/{named}")))
    };
    let mut missing = Vec::new();
    for (name, text) in &files {
        // The table of mutants is generated: `scripts/mutants --check` compares it.
        if name.starts_with("scripts/mutants.d/") {
            continue;
        }
        if !["rs", "md", "toml", "yaml"].iter().any(|end| name.ends_with(&format!(".{end}"))) {
            continue;
        }
        for line in prose(name, text) {
            for word in ticked(line).filter(|word| word.ends_with(".rs") && !word.contains(' ')) {
                if !word.contains('*') && !is_there(word) {
                    missing.push(format!("{name}: `{word}`"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "named, and not there:\n{}", missing.join("\n"));
}

#[test]
fn every_test_that_an_invariant_names_exists() {
    let (text, files) = (architecture(), files());
    let (_, invariants) = text.split_once("## Invariants").unwrap();
    let sources: Vec<_> =
        files.iter().filter(|(name, _)| name.ends_with(".rs")).map(|(_, text)| text).collect();
    let is_test = |word: &&str| word.matches('_').count() > 2;
    let mut count = 0;
    for word in invariants.lines().flat_map(ticked).filter(is_test) {
        let declared = format!("fn {word}(");
        assert!(sources.iter().any(|text| text.contains(&declared)), "no test is named {word}");
        count += 1;
    }
    assert!(count >= 12, "only {count} tests are named");
}

#[test]
fn the_table_of_crates_is_the_workspace() {
    let listed: BTreeSet<String> = table(&architecture(), "crate")
        .iter()
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect();
    let crates = fs::read_dir(root().join("crates")).unwrap().map(Result::unwrap);
    let mut members: BTreeSet<String> = crates
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    members.insert("tests".to_owned());
    assert_eq!(listed, members);
}

#[test]
fn the_table_of_threads_has_the_names_that_are_spawned() {
    let mut listed: BTreeSet<String> = table(&architecture(), "thread")
        .iter()
        .flat_map(|row| ticked(&row[0]).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    listed.remove("irontail receive");
    let mut spawned = BTreeSet::new();
    for (name, text) in product() {
        if !name.starts_with("crates/agent/") && !name.starts_with("crates/delivery/") {
            continue;
        }
        let calls = ["spawn(", "spawn_loop(", "spawn_watched("];
        let calls = calls.iter().flat_map(|call| text.split(call).skip(1));
        for call in calls {
            // The first string among the arguments is the name; a call without one hands it on.
            let arguments = call.split(['{', '|', ';']).next().unwrap();
            let arguments = if arguments.contains("format!(") { call } else { arguments };
            if let Some(name) = arguments.split('"').nth(1)
                && call.find('"').is_some_and(|place| place < 80)
            {
                let (name, number) = name.split_once('{').unwrap_or((name, ""));
                spawned.insert(format!("{name}{}", if number.is_empty() { "" } else { "*" }));
            }
        }
    }
    assert_eq!(listed, spawned);
}

#[test]
fn the_table_of_channels_names_every_file_that_makes_one() {
    let listed: BTreeSet<String> = table(&architecture(), "channel")
        .iter()
        .flat_map(|row| ticked(&row[1]).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let mut making = BTreeSet::new();
    for (name, text) in product() {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let makes =
            |line: &str| line.contains("bounded(") && !line.trim_start().starts_with("use ");
        if code.clone().any(makes) {
            making.insert(name);
        }
    }
    let is = |file: &String, entry: &String| file.ends_with(&format!("/{entry}"));
    let unlisted: Vec<_> =
        making.iter().filter(|file| !listed.iter().any(|entry| is(file, entry))).collect();
    let gone: Vec<_> =
        listed.iter().filter(|entry| !making.iter().any(|file| is(file, entry))).collect();
    assert!(unlisted.is_empty() && gone.is_empty(), "not listed: {unlisted:?}; gone: {gone:?}");
}

#[test]
fn the_architecture_stays_short() {
    let len = architecture().len();
    assert!(len <= ARCHITECTURE_LEN_MAX, "ARCHITECTURE.md has {len} bytes");
}
