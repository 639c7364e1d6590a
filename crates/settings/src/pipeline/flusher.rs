//! Where a pipeline sends to: the kinds of destination, and what every flusher has.

use std::path::PathBuf;

use super::http::HttpTarget;
use super::plugins::FLUSHERS;
use super::read::Surroundings;
use crate::foreign::{Foreign, Plain, only, refused};
use crate::section::Section;

/// One flusher of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlusherConfig {
    /// Names it within its pipeline: type and target, and a number where two are equal.
    /// It stays the same when flushers are reordered or tuned.
    pub name: String,
    /// The destination.
    pub target: Target,
    /// The field that carries the record id; `None`: no such field.
    pub record_id_key: Option<String>,
    /// Whether a request's bounds survive a loss of power before its first byte goes out.
    pub sync_before_send: bool,
    /// How many requests may be on their way at once. With 1 a file's records arrive in order.
    pub concurrency: usize,
}

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `flusher_stdout`: the agent's standard output.
    Stdout,
    /// `flusher_file`.
    File(FileTarget),
    /// `flusher_http`.
    Http(Box<HttpTarget>),
    /// `flusher_blackhole`: nowhere.
    Blackhole,
}

/// `flusher_file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTarget {
    /// The file that is appended to; absolute.
    pub path: PathBuf,
    /// When it is rotated; `None`: never (`irontail collect`).
    pub rotation: Option<Rotation>,
}

/// When an output file is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The size in bytes at which the file is rotated.
    pub file_bytes_max: u64,
    /// How many files there are at most, the current one among them.
    pub files_max: u32,
}

/// The most requests of one flusher on their way at once.
const CONCURRENCY_MAX: u64 = 64;
/// LoongCollector's default of `MaxFileSize`.
const FILE_BYTES: u64 = 10_485_760;
/// A file smaller than this would be rotated with every request.
const FILE_BYTES_MIN: u64 = 4096;
/// The greatest file: 1 TiB.
const FILE_BYTES_MAX: u64 = 1 << 40;
/// LoongCollector's default of `MaxFiles`.
const FILES: u64 = 10;
/// The most files that one output is kept in.
const FILES_MAX: u64 = 10_000;

const FOREIGN: [Foreign; 1] =
    [refused("Match", "every flusher gets every record: remove the key, or make two pipelines")];

const STDOUT_FOREIGN: [Foreign; 6] = [
    only("OnlyStdout", Plain::Flag(true), "records go to standard output and nowhere else"),
    only("KeyValuePairs", Plain::Flag(true), "a record is always one flat object"),
    only(
        "Tags",
        Plain::Flag(true),
        "tags stand in every record: leave them out with \
          inputs[0].Tags",
    ),
    refused("FileName", "use flusher_file"),
    refused("MaxSize", "use flusher_file"),
    refused("MaxRolls", "use flusher_file"),
];

impl FlusherConfig {
    /// Reads one entry of `flushers`.
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<FlusherConfig> {
        let kind = FLUSHERS.read(section)?;
        section.foreign(&FOREIGN);
        let record_id_key = section.text("RecordIdKey");
        if record_id_key == Some("") {
            section.wrong("RecordIdKey", "must not be empty: name the field or remove the key");
        }
        let sync_before_send = section.flag("SyncBeforeSend").unwrap_or(false);
        let mut concurrency = 1;
        let target = match kind {
            "flusher_file" => FileTarget::read(section, around).map(Target::File),
            "flusher_http" => {
                concurrency = section.number("Concurrency", 1..=CONCURRENCY_MAX).unwrap_or(1);
                HttpTarget::read(section, around).map(Box::new).map(Target::Http)
            }
            "flusher_stdout" => {
                section.foreign(&STDOUT_FOREIGN);
                Some(Target::Stdout)
            }
            _ => Some(Target::Blackhole),
        };
        section.finish();
        let target = target?;
        Some(FlusherConfig {
            name: target.name(),
            target,
            record_id_key: record_id_key.map(str::to_owned),
            sync_before_send,
            concurrency: usize::try_from(concurrency).unwrap_or(1),
        })
    }
}

impl Target {
    /// Type and target, spelled the same way however the operator spelled them.
    fn name(&self) -> String {
        match self {
            Target::Stdout => "flusher_stdout".into(),
            Target::File(file) => format!("flusher_file {}", file.path.display()),
            Target::Http(http) => format!("flusher_http {}", http.url),
            Target::Blackhole => "flusher_blackhole".into(),
        }
    }
}

impl FileTarget {
    fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<FileTarget> {
        let path = section.required_text("FilePath");
        let file_bytes_max = section.number("MaxFileSize", FILE_BYTES_MIN..=FILE_BYTES_MAX);
        let files_max = section.number("MaxFiles", 1..=FILES_MAX).unwrap_or(FILES);
        let path = path?;
        if path.ends_with('/') || path.contains('\0') {
            section.wrong("FilePath", "must name a file, as in /var/lib/irontail/out.ndjson");
        }
        let rotation = Rotation {
            file_bytes_max: file_bytes_max.unwrap_or(FILE_BYTES),
            files_max: u32::try_from(files_max).unwrap_or(u32::MAX),
        };
        Some(FileTarget {
            path: around.absolute(path),
            rotation: around.rotates_outputs.then_some(rotation),
        })
    }
}

/// Makes names unique: where targets are equal, the second and further ones get a number, in the
/// order of what their documents say, so that reordering them changes no name.
pub(crate) fn number_equal_names(flushers: &mut [(FlusherConfig, String)]) {
    let mut order: Vec<usize> = (0..flushers.len()).collect();
    order.sort_by(|&a, &b| {
        let key = |at: usize| (&flushers[at].0.name, &flushers[at].1);
        key(a).cmp(&key(b))
    });
    let names: Vec<String> = order.iter().map(|&at| flushers[at].0.name.clone()).collect();
    for (rank, &at) in order.iter().enumerate() {
        let equal = names[..rank].iter().filter(|name| **name == names[rank]).count();
        if equal > 0 {
            flushers[at].0.name = format!("{} #{}", names[rank], equal + 1);
        }
    }
}
