//! The pipeline of `irontail collect`: made as a document, then read as any other, so that one
//! set of rules holds for both.

use std::path::Path;

use serde_json::json;

use crate::error::Error;
use crate::pipeline::{
    FilePattern, FirstStart, Input, Outcome, Pipeline, Plugins, Surroundings, home, read_pipeline,
};
use crate::section::Report;

/// The most patterns: a shell that expands `*` itself hands over many.
const PATTERNS_MAX: usize = 10_000;

/// Stands for a file's name in the pipeline's origin.
const ORIGIN: &str = "(command line)";

impl Pipeline {
    /// The pipeline of `irontail collect PATTERN... --to DESTINATION`; `to` is `stdout`, a URL,
    /// or a file, which is not rotated.
    ///
    /// # Errors
    /// A bad pattern or destination.
    pub fn ad_hoc(
        patterns: &[String],
        to: &str,
        first_start: FirstStart,
        working_dir: &Path,
        plugins: impl Into<Plugins>,
    ) -> Result<Pipeline, Vec<Error>> {
        let wrong = |argument: &str, problem: String| Error::CommandLine {
            argument: argument.to_owned(),
            problem,
        };
        let around = Surroundings {
            working_dir,
            home: home(),
            file_paths_max: PATTERNS_MAX,
            multiline: None,
            rotates_outputs: false,
        };
        let mut absolute: Vec<String> = Vec::new();
        let mut errors = Vec::new();
        for pattern in patterns {
            match FilePattern::parse(pattern, working_dir, around.home.as_deref()) {
                Ok(parsed) => absolute.push(parsed.as_str().to_owned()),
                Err(problem) => errors.push(wrong(&format!("pattern {pattern:?}"), problem)),
            }
        }
        absolute.sort();
        absolute.dedup();
        let flusher = match to {
            "stdout" => json!({ "Type": "flusher_stdout" }),
            "" => {
                errors.push(wrong("--to", "must be stdout, a file or a URL".into()));
                json!({ "Type": "flusher_blackhole" })
            }
            url if is_url(url) => json!({ "Type": "flusher_http", "RemoteURL": url }),
            file => json!({ "Type": "flusher_file", "FilePath": file }),
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        let document = json!({
            "inputs": [{ "Type": "input_file", "FilePaths": absolute, "MaxDirSearchDepth": -1 }],
            "flushers": [flusher],
        });
        let report = Report::new(Path::new(ORIGIN));
        match read_pipeline("collect", &document, &report, &around, plugins.into()) {
            Outcome::Run(mut pipeline) => {
                if let Input::File(input) = &mut pipeline.input {
                    input.first_start = first_start;
                }
                Ok(*pipeline)
            }
            _ => Err(report.errors.into_inner()),
        }
    }
}

/// Whether a destination is a URL: it has a scheme. A file of such a name is `./name`.
fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}
