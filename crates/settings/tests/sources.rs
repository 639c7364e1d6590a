//! Where pipelines come from: files, directories, the command line, the saved configuration.
#![allow(clippy::disallowed_methods)] // makes the links that Kubernetes makes

mod place;

use std::path::{Path, PathBuf};

use flusher::DESTINATIONS;
use place::{Place, messages};
use settings::{Error, FirstStart, Input, Pipeline, Saved, load, read_saved, save};

const GOOD: &str = "inputs: [{Type: input_file, FilePaths: [/a.log]}]\n\
                    flushers: [{Type: flusher_stdout}]\n";

fn names(pipelines: &[Pipeline]) -> Vec<&str> {
    pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect()
}

#[test]
fn files_and_directories_and_the_local_one_are_read() {
    let place = Place::new();
    place.write("one.yaml", GOOD);
    place.write("dir/b.yml", GOOD);
    place.write("dir/a.yaml", GOOD);
    place.write("dir/readme.txt", "no pipeline");
    place.write("dir/sub/c.yaml", "not read: ]");
    place.write("dir/.hidden.yaml", "not read: ]");
    place.write("config/local/z.yaml", GOOD);
    let loaded = place.load(&["one.yaml", "dir"]);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    assert_eq!(names(&loaded.pipelines), ["a", "b", "one", "z"]);
    assert_eq!(loaded.notes.len(), 2, "{:?}", loaded.notes);
    assert!(loaded.notes[0].contains("dir/readme.txt: passed over"), "{:?}", loaded.notes);
    assert!(loaded.notes[1].contains("dir/sub: passed over"));
}

#[test]
fn one_name_in_two_files_names_both() {
    let place = Place::new();
    place.write("a/p.yaml", GOOD);
    place.write("b/p.json", "{}");
    let loaded = place.load(&["a", "b"]);
    let errors = messages(&loaded);
    assert_eq!(errors.len(), 1, "{errors:?}");
    for part in ["b/p.json: pipeline \"p\" is also defined in", "a/p.yaml", "rename one"] {
        assert!(errors[0].contains(part), "{}", errors[0]);
    }
}

#[test]
fn one_file_that_is_named_twice_is_one_pipeline() {
    let place = Place::new();
    place.write("a/p.yaml", GOOD);
    std::os::unix::fs::symlink("p.yaml", place.path().join("a/q.yaml")).expect("symlink");
    let loaded = place.load(&["a", "a/p.yaml", "a/../a/p.yaml"]);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    assert_eq!(names(&loaded.pipelines), ["p"]);
}

#[test]
fn a_mounted_config_map_is_read_through_its_links() {
    // How Kubernetes lays one out: app.yaml -> ..data/app.yaml, ..data -> ..2026_11_22.
    let place = Place::new();
    place.write("config/local/..2026_11_22/app.yaml", GOOD);
    let local = place.local();
    std::os::unix::fs::symlink("..2026_11_22", local.join("..data")).expect("symlink");
    std::os::unix::fs::symlink("..data/app.yaml", local.join("app.yaml")).expect("symlink");
    let loaded = place.load(&[]);
    assert!(loaded.errors.is_empty() && loaded.notes.is_empty(), "{loaded:?}");
    assert_eq!(names(&loaded.pipelines), ["app"]);
    assert!(loaded.pipelines[0].origin.ends_with("config/local/app.yaml"));
}

#[test]
fn a_source_that_is_not_there_is_transient_and_the_local_one_may_be_missing() {
    let dir = tempfile::tempdir().expect("tempdir");
    let missing = dir.path().join("missing.yaml");
    let loaded =
        load(std::slice::from_ref(&missing), &dir.path().join("local"), dir.path(), &DESTINATIONS);
    assert_eq!(loaded.errors.len(), 1);
    assert!(loaded.errors[0].is_transient());
    let text = loaded.errors[0].to_string();
    assert!(text.contains("missing.yaml: cannot be read") && text.contains("check that"), "{text}");
    assert!(std::error::Error::source(&loaded.errors[0]).is_some());
    let nothing = load(&[], &dir.path().join("local"), dir.path(), &DESTINATIONS);
    assert!(nothing.errors.is_empty() && nothing.pipelines.is_empty());
}

#[test]
fn a_source_that_is_no_configuration_says_what_to_do() {
    let place = Place::new();
    place.write("p.txt", GOOD);
    let name = std::ffi::OsStr::new;
    for (source, part) in [
        (name("p.txt"), "p.txt: is no pipeline: its name must end in .json, .yaml or .yml"),
        (name("/dev/null"), "its name must end in"),
    ] {
        let loaded = load(&[PathBuf::from(source)], &place.local(), place.path(), &DESTINATIONS);
        let errors = messages(&loaded);
        assert!(errors[0].contains(part), "{errors:?}");
        assert!(!loaded.errors[0].is_transient());
    }
    use std::os::unix::ffi::OsStrExt;
    let odd = place.path().join(std::ffi::OsStr::from_bytes(b"\xff.yaml"));
    std::os::unix::fs::symlink(place.path().join("p.txt"), &odd).expect("symlink");
    let loaded = load(&[odd], &place.local(), place.path(), &DESTINATIONS);
    assert!(messages(&loaded)[0].contains("its name is not UTF-8"), "{:?}", loaded.errors);
}

#[test]
fn the_command_line_makes_a_pipeline() {
    let patterns = ["logs/*.log".to_owned(), "/var/log/x".into(), "./logs/*.log".into()];
    for (to, target) in [
        ("stdout", "flusher_stdout"),
        ("out.ndjson", "flusher_file /work/out.ndjson"),
        ("http://h:80/x", "flusher_http http://h/x"),
    ] {
        let pipeline = Pipeline::ad_hoc(
            &patterns,
            to,
            FirstStart::Beginning,
            Path::new("/work"),
            &DESTINATIONS,
        )
        .expect("pipeline");
        assert_eq!(pipeline.flushers[0].name, target);
        assert_eq!(pipeline.name, "collect");
        let Input::File(file) = &pipeline.input else { panic!("{:?}", pipeline.input) };
        let paths: Vec<&str> = file.paths.iter().map(|path| path.as_str()).collect();
        assert_eq!(paths, ["/var/log/x", "/work/logs/*.log"]);
        assert_eq!(file.first_start, FirstStart::Beginning);
        assert_eq!(file.max_dir_search_depth, None);
        if to == "out.ndjson" {
            let destination = format!("{:?}", pipeline.flushers[0].destination);
            let never = destination.contains("max_file_size: None");
            assert!(never, "collect never drops its own output: {destination}");
        }
    }
    let many: Vec<String> = (0..500).map(|n| format!("/var/log/{n}.log")).collect();
    let expanded =
        Pipeline::ad_hoc(&many, "stdout", FirstStart::Tail(0), Path::new("/"), &DESTINATIONS);
    assert!(expanded.is_ok(), "what a shell expanded is taken");
}

#[test]
fn a_bad_command_line_names_the_argument() {
    for (pattern, to, part) in [
        ("/a/b**/c", "stdout", "command line: pattern \"/a/b**/c\" has ** within a component"),
        ("/a/", "stdout", "command line: pattern \"/a/\" names a directory"),
        ("/a", "", "command line: --to must be stdout, a file or a URL"),
        ("/a", "ftp://h/", "(command line): flushers[0].RemoteURL must be a URL"),
        ("/a", "out/", "(command line): flushers[0].FilePath must name a file"),
    ] {
        let errors = Pipeline::ad_hoc(
            &[pattern.into()],
            to,
            FirstStart::Tail(0),
            Path::new("/work"),
            &DESTINATIONS,
        )
        .expect_err("an error");
        assert!(errors[0].to_string().contains(part), "{pattern} {to}: {}", errors[0]);
    }
}

#[test]
fn the_place_of_a_command_line_depends_on_patterns_and_destination_alone() {
    let hash = |patterns: &[&str], to, dir: &str| {
        let patterns: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
        let pipeline =
            Pipeline::ad_hoc(&patterns, to, FirstStart::Tail(0), Path::new(dir), &DESTINATIONS);
        pipeline.expect("pipeline").ad_hoc_hash()
    };
    let base = hash(&["/a", "/b"], "stdout", "/");
    assert_eq!(hash(&["/b", "/a", "/b"], "stdout", "/elsewhere"), base);
    assert_eq!(hash(&["a", "b"], "stdout", "/"), base);
    assert_ne!(hash(&["a", "b"], "stdout", "/elsewhere"), base);
    assert_ne!(hash(&["/a"], "stdout", "/"), base);
    assert_ne!(hash(&["/a", "/b"], "out", "/"), base);
    // Directories of earlier versions must be found again.
    assert_eq!(format!("{base:016x}"), AD_HOC_HASH);
}

const AD_HOC_HASH: &str = "3b4dc9245b5a3c1c";

#[test]
fn saved_pipelines_come_back_as_they_were() {
    let place = Place::new();
    place.write("a.json", include_str!("data/full.json"));
    place.write("b.yaml", GOOD);
    let loaded = place.load(&["a.json", "b.yaml"]);
    let text = save(&loaded.pipelines);
    assert!(!text.contains("geheim"));
    let saved =
        read_saved(Path::new("/s/user_log_config.json"), &text, place.path(), &DESTINATIONS);
    let Ok(Saved::Ours(back)) = saved else { panic!("{saved:?}") };
    assert!(back.errors.is_empty(), "{:?}", back.errors);
    assert_eq!(back.pipelines, loaded.pipelines);
    assert_eq!(save(&back.pipelines), text);
}

#[test]
fn a_saved_file_that_is_not_ours_is_left_alone() {
    let path = Path::new("/s/user_log_config.json");
    let read = |text: &str| read_saved(path, text, Path::new("/"), &DESTINATIONS);
    let ilogtail = r####"{"metrics": {"##1.0##p$l": {"enable": true}}}"####;
    assert!(matches!(read(ilogtail), Ok(Saved::Ilogtail)));
    for (text, part) in [
        ("", "/s/user_log_config.json:1:1: the file is empty"),
        ("[]", "is no configuration that irontail saved"),
        ("{}", "is no configuration that irontail saved"),
        (r#"{"irontail": {"version": 1}}"#, "is no configuration that irontail saved"),
        (r#"{"irontail": {"version": 1}, "pipelines": [1]}"#, "is no configuration that irontail"),
        (r#"{"irontail": {"version": 1}, "pipelines": [{"name": "x"}]}"#, "is no configuration"),
        (r#"{"irontail": {"version": 2}, "pipelines": []}"#, "a later version of irontail"),
    ] {
        let error = read(text).expect_err("an error").to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let old = r#"{"irontail": {"version": 1}, "pipelines": [
        {"name": "p", "origin": "/etc/p.yaml", "document": {"nonsense": 1}}]}"#;
    let Ok(Saved::Ours(loaded)) = read(old) else { panic!() };
    assert!(loaded.pipelines.is_empty());
    assert!(messages(&loaded)[0].contains("/etc/p.yaml: "));
    assert!(!matches!(loaded.errors[0], Error::Read { .. }));
}
