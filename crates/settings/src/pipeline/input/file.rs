//! `input_file`: lines of files, on the host or inside containers.

use std::time::Duration;

use super::container::ContainerSelection;
use super::pattern::{ExcludePattern, FilePattern, RotatedPattern};
use super::tags::{Source, TagNames, renamed};
use super::{FirstStart, reading};
use crate::pipeline::surroundings::Surroundings;
use crate::section::Section;
use crate::section::foreign::{Foreign, Plain, no_effect, only};

/// `input_file`.
#[derive(Clone, Debug, PartialEq)]
pub struct FileInput {
    /// Which files; paths inside containers where [`FileInput::containers`] is set.
    pub paths: Vec<FilePattern>,
    /// How many directories deep `**` reaches; `None`: as deep as there are.
    pub max_dir_search_depth: Option<u32>,
    /// Paths that are not collected.
    pub exclude_file_paths: Vec<ExcludePattern>,
    /// File names that are not collected.
    pub exclude_files: Vec<ExcludePattern>,
    /// Directories under which nothing is collected.
    pub exclude_dirs: Vec<ExcludePattern>,
    /// Where rotated files go that no pattern of `paths` looks for; relative ones are below the
    /// directory of each log.
    pub rotated_file_paths: Vec<RotatedPattern>,
    /// Where reading of a file begins that existed before the pipeline's first start.
    pub first_start: FirstStart,
    /// How long a last line without a newline, or record without an end, is waited for.
    pub flush_timeout: Duration,
    /// Which lines make one record: the section `Multiline` as text, keys sorted. `None`: each.
    pub multiline: Option<String>,
    /// Whether a `\r` before the end of a line is part of the record.
    pub keeps_carriage_return: bool,
    /// The field that carries a record's byte offset; `None`: no such field.
    pub offset_key: Option<String>,
    /// Names of the tags.
    pub tags: TagNames,
    /// Set where the files lie inside containers (`EnableContainerDiscovery`).
    pub containers: Option<ContainerSelection>,
}

/// The field of the byte offset by default.
const OFFSET_KEY: &str = "__file_offset__";
/// The tag of the inode by default.
const INODE_TAG: &str = "__inode__";
/// The deepest `MaxDirSearchDepth` that LoongCollector's documentation allows.
const DEPTH_MAX: i64 = 1000;

/// How many entries `RotatedFilePaths` may have.
const ROTATED_PATHS_MAX: usize = 10;

const FOREIGN: [Foreign; 10] = [
    no_effect("PreservedDirDepth", "every directory stays watched"),
    no_effect("MaxCheckpointDirSearchDepth", "moved files are found by what they are"),
    no_effect("CloseUnusedReaderIntervalSec", "a file stays open until all of it is acknowledged"),
    no_effect("RotatorQueueSize", "no rotated file is left out, however many there are"),
    no_effect("ReadDelayAlertThresholdBytes", "the lag of every file is reported"),
    no_effect("AllowingCollectingFilesInRootDir", "files in / are collected in any case"),
    only("ReadDelaySkipThresholdBytes", Plain::Number(0), "it would skip lines: remove the key"),
    only("TailingAllMatchedFiles", Plain::Flag(false), "it would ignore saved progress"),
    only("CollectingContainersMeta", Plain::Flag(false), "only lines are collected"),
    only(
        "EnableExactlyOnce",
        Plain::Number(0),
        "it belongs to flusher_sls; nothing is lost or \
          repeated without it: remove the key",
    ),
];

impl FileInput {
    /// Reads an input of type `input_file`.
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> FileInput {
        let in_containers = section.flag("EnableContainerDiscovery").unwrap_or(false);
        let containers = containers(section, in_containers);
        let paths = paths(section, around, in_containers);
        let source = Source { file: true, container: in_containers };
        let mut tags = TagNames::read(section, source);
        let offset_key = position(section, &mut tags);
        encoding(section);
        reading::shared(section);
        section.foreign(&FOREIGN);
        let input = FileInput {
            max_dir_search_depth: depth(section, &paths),
            paths,
            exclude_file_paths: excludes(section, "ExcludeFilePaths", ExcludePattern::path),
            exclude_files: excludes(section, "ExcludeFiles", ExcludePattern::file_name),
            exclude_dirs: excludes(section, "ExcludeDirs", ExcludePattern::path),
            rotated_file_paths: rotated(section),
            first_start: reading::first_start(section),
            flush_timeout: reading::flush_timeout(section),
            multiline: reading::multiline(section, around),
            keeps_carriage_return: section.flag("KeepCarriageReturn").unwrap_or(false),
            offset_key,
            tags,
            containers,
        };
        section.finish();
        input
    }
}

fn containers(section: &Section<'_>, in_containers: bool) -> Option<ContainerSelection> {
    let selection = ContainerSelection::read(section);
    for name in ["ContainerFilters", "ExternalK8sLabelTag", "ExternalEnvTag"] {
        if section.has(name) && !in_containers {
            section.wrong(name, "needs EnableContainerDiscovery: true beside it");
        }
    }
    in_containers.then_some(selection)
}

fn paths(
    section: &Section<'_>,
    around: &Surroundings<'_>,
    in_containers: bool,
) -> Vec<FilePattern> {
    if !section.has("FilePaths") {
        section.wrong("FilePaths", "is missing: name the files, as in [\"/var/log/*.log\"]");
    }
    let texts = section.texts("FilePaths").unwrap_or_default();
    let max = around.file_paths_max;
    if let Some(n) = section.len("FilePaths").filter(|n| !(1..=max).contains(n)) {
        section.wrong("FilePaths", format!("must have 1 to {max} entries, not {n}"));
        return Vec::new();
    }
    let mut paths = Vec::new();
    for (key, text) in texts {
        let parsed = if in_containers && !text.starts_with('/') {
            Err("must be an absolute path: it is one inside the container".to_owned())
        } else {
            FilePattern::parse(text, around.working_dir, around.home.as_deref())
        };
        match parsed {
            Ok(pattern) if paths.contains(&pattern) => {
                section.report().wrong(key, "stands there twice: remove one of the two");
            }
            Ok(pattern) => paths.push(pattern),
            Err(problem) => section.report().wrong(key, problem),
        }
    }
    paths
}

fn depth(section: &Section<'_>, paths: &[FilePattern]) -> Option<u32> {
    let depth = section.signed("MaxDirSearchDepth").unwrap_or(0);
    if depth > DEPTH_MAX {
        section.wrong(
            "MaxDirSearchDepth",
            format!("must be at most {DEPTH_MAX}, or negative for no limit"),
        );
    }
    if depth != 0 && !paths.is_empty() && !paths.iter().any(FilePattern::has_double_star) {
        section.note("MaxDirSearchDepth", "has no effect: no entry of FilePaths has a ** in it");
    }
    u32::try_from(depth).ok()
}

fn rotated(section: &Section<'_>) -> Vec<RotatedPattern> {
    let mut patterns = Vec::new();
    let texts = section.texts("RotatedFilePaths").unwrap_or_default();
    if texts.len() > ROTATED_PATHS_MAX {
        let problem = format!("must have at most {ROTATED_PATHS_MAX} entries, not {}", texts.len());
        section.wrong("RotatedFilePaths", problem);
        return patterns;
    }
    for (key, text) in texts {
        match RotatedPattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(problem) => section.report().wrong(key, problem),
        }
    }
    patterns
}

fn excludes(
    section: &Section<'_>,
    name: &'static str,
    parse: fn(&str) -> Result<ExcludePattern, String>,
) -> Vec<ExcludePattern> {
    let mut patterns = Vec::new();
    for (key, text) in section.texts(name).unwrap_or_default() {
        match parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(problem) => section.report().wrong(key, problem),
        }
    }
    patterns
}

/// The keys that say where in the file a record stands. The older one adds both.
fn position(section: &Section<'_>, tags: &mut TagNames) -> Option<String> {
    let offset_key = renamed(section.text("FileOffsetKey"), None, OFFSET_KEY);
    if section.flag("AppendingLogPositionMeta") != Some(true) {
        return offset_key;
    }
    if section.has("FileOffsetKey") || tags.inode.is_some() {
        section.wrong(
            "AppendingLogPositionMeta",
            "has no effect beside FileOffsetKey or Tags.FileInodeTagKey: remove it",
        );
    }
    tags.inode = Some(INODE_TAG.into());
    Some(OFFSET_KEY.into())
}

fn encoding(section: &Section<'_>) {
    let name = section.text("FileEncoding").map(str::to_lowercase);
    match name.as_deref() {
        None | Some("utf8") => {}
        Some(known @ ("gbk" | "utf16")) => {
            section.refuse("FileEncoding", Some(known), "only utf8 is read");
        }
        Some(_) => section.wrong("FileEncoding", "must be utf8"),
    }
}
