//! From files and directories to pipelines: which files are read, and that no two define one
//! pipeline. Files are read, nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::document::{Syntax, read_text};
use crate::error::Error;
use crate::pipeline::{Outcome, Pipeline, Plugins, Surroundings, read_pipeline};
use crate::section::Report;

/// The most files that one directory of pipelines may hold.
const FILES_MAX: usize = 10_000;

/// What was found in the configured places.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The pipelines to run, in the order of their names.
    pub pipelines: Vec<Pipeline>,
    /// Pipelines that say `enable: false`, as (name, file).
    pub disabled: Vec<(String, PathBuf)>,
    /// Sentences for the log: files that were passed over, keys without effect.
    pub notes: Vec<String>,
    /// Everything that is wrong. Not empty: do not start. All of them transient: a source is not
    /// there yet, and the saved pipelines may run.
    pub errors: Vec<Error>,
}

/// Reads the pipelines of `sources` (files, or directories of them) and of `local`
/// (`<logtail_sys_conf_dir>/config/local`, which need not exist), which are made of
/// `plugins`. Relative paths in them are meant from `working_dir`.
pub fn load(
    sources: &[PathBuf],
    local: &Path,
    working_dir: &Path,
    plugins: impl Into<Plugins>,
) -> Loaded {
    let mut loaded = Loaded::default();
    let mut files = Vec::new();
    for source in sources {
        find(&working_dir.join(source), &mut files, &mut loaded);
    }
    match fs::metadata(local) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        _ => find(local, &mut files, &mut loaded),
    }
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    let mut named: BTreeMap<String, PathBuf> = BTreeMap::new();
    let plugins = plugins.into();
    let around = Surroundings::of_a_file(working_dir).joining(plugins.multiline);
    for file in files {
        // One file, named twice or through a link, is one file.
        let real = fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
        if !seen.insert(real) {
            continue;
        }
        let Some(name) = file.file_stem().and_then(|stem| stem.to_str()) else {
            loaded.errors.push(Error::NotConfiguration {
                path: file,
                problem: "its name is not UTF-8, and would be the pipeline's: rename it".into(),
            });
            continue;
        };
        if let Some(first) = named.get(name) {
            loaded.errors.push(Error::DuplicatePipeline {
                name: name.to_owned(),
                first: first.clone(),
                second: file.clone(),
            });
            continue;
        }
        named.insert(name.to_owned(), file.clone());
        read_file(name, &file, &around, plugins, &mut loaded);
    }
    loaded.pipelines.sort_by(|a, b| a.name.cmp(&b.name));
    loaded
}

/// Adds the pipeline files of `source`: itself, or those directly inside it.
fn find(source: &Path, files: &mut Vec<PathBuf>, loaded: &mut Loaded) {
    let failed = |source_error| Error::Read { path: source.to_owned(), source: source_error };
    match fs::metadata(source) {
        Err(error) => return loaded.errors.push(failed(error)),
        Ok(metadata) if !metadata.is_dir() => {
            if Syntax::of(source).is_some() {
                return files.push(source.to_owned());
            }
            return loaded.errors.push(Error::NotConfiguration {
                path: source.to_owned(),
                problem: "is no pipeline: its name must end in .json, .yaml or .yml".into(),
            });
        }
        Ok(_) => {}
    }
    let entries = match fs::read_dir(source) {
        Ok(entries) => entries,
        Err(error) => return loaded.errors.push(failed(error)),
    };
    let mut inside = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => inside.push(entry.path()),
            Err(error) => return loaded.errors.push(failed(error)),
        }
        if inside.len() > FILES_MAX {
            return loaded.errors.push(Error::NotConfiguration {
                path: source.to_owned(),
                problem: format!("holds more than {FILES_MAX} files: that is no configuration"),
            });
        }
    }
    inside.sort();
    for path in inside {
        if is_hidden(&path) {
            continue;
        }
        let is_file = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file());
        if Syntax::of(&path).is_some() && is_file {
            files.push(path);
        } else {
            loaded.notes.push(format!(
                "{}: passed over: only *.json, *.yaml and *.yml directly inside are pipelines",
                path.display()
            ));
        }
    }
}

/// Names that begin with a dot: a mounted ConfigMap has some (`..data`), editors make others.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn read_file(
    name: &str,
    file: &Path,
    around: &Surroundings<'_>,
    plugins: Plugins,
    loaded: &mut Loaded,
) {
    let syntax = Syntax::of(file).expect("find takes only files with a known extension");
    let report = Report::new(file);
    match read_text(file).and_then(|text| syntax.parse(file, &text)) {
        Ok(document) => match read_pipeline(name, &document, &report, around, plugins) {
            Outcome::Run(pipeline) => loaded.pipelines.push(*pipeline),
            Outcome::Disabled => loaded.disabled.push((name.to_owned(), file.to_owned())),
            Outcome::Wrong => {}
        },
        Err(error) => report.error(error),
    }
    loaded.take(report);
}

impl Loaded {
    /// Adds what a file's report says.
    pub(crate) fn take(&mut self, report: Report) {
        self.errors.extend(report.errors.into_inner());
        self.notes.extend(report.notes.into_inner());
    }
}
