//! What the tests share: a small world of files and deliveries, and short ways to say things.

use std::path::Path;
use std::sync::Arc;

use disk::{Disk, SimDisk};
use record::{
    Bounds, DeliveryKey, FileSeen, FileUid, FlusherKey, Head, Identity, PipelineKey, Range,
    Signature, Tags,
};

use crate::start::node;
use crate::{Checkpoint, Error, FileSpan, OnLost, Options, Place, Recovery};

/// Small, so that a short run fills several.
pub(crate) const SEGMENT_LEN: u64 = 8 * 1024;

pub(crate) const BOOT: &str = "boot-1";

pub(crate) fn place() -> Place {
    Place { snapshot: "/state/logtail_check_point".into() }
}

pub(crate) fn options() -> Options {
    Options {
        place: place(),
        boot_id: BOOT.to_owned(),
        now_unix_nanos: 1_666_777_777_000_000_000,
        on_lost: OnLost::Refuse,
        evidence: Vec::new(),
    }
}

pub(crate) fn open(disk: &SimDisk) -> Result<(Checkpoint, Recovery), Error> {
    open_with(disk, options())
}

pub(crate) fn open_with(disk: &SimDisk, options: Options) -> Result<(Checkpoint, Recovery), Error> {
    Checkpoint::open_with(Arc::new(disk.clone()), options, SEGMENT_LEN, node::random)
}

/// Opens a directory that nothing is wrong with.
pub(crate) fn reopen(disk: &SimDisk) -> (Checkpoint, Recovery) {
    let (checkpoint, recovery) = open(disk).expect("the directory can be read");
    assert_eq!(recovery.notes, Vec::<String>::new());
    (checkpoint, recovery)
}

pub(crate) fn delivery(number: u64) -> DeliveryKey {
    DeliveryKey { pipeline: PipelineKey(number), flusher: FlusherKey(number * 16) }
}

pub(crate) fn file(number: u64) -> FileSeen {
    FileSeen {
        uid: FileUid(u128::from(number)),
        generation: 0,
        identity: Identity { dev: 8, inode: 1000 + number, birth: Some(-7) },
        head: Head { len: 256, hash: number },
        signature: Signature { size: 100, hash: u64::MAX - number },
        logical: Path::new(&format!("/log/{number}.log")).into(),
        real: Path::new(&format!("/log/{number}.log")).into(),
        size: 5000,
    }
}

pub(crate) fn range(file: u64, start: u64, end: u64) -> Range {
    let tags = Tags(vec![("__path__".to_owned(), format!("/log/{file}.log"))]);
    Range {
        file: FileUid(u128::from(file)),
        generation: 0,
        start,
        end,
        crc: end as u32,
        anchor: end ^ 0xABCD,
        tags: Arc::new(tags),
    }
}

pub(crate) fn bounds(to: u64, ranges: &[(u64, u64, u64)]) -> Bounds {
    let ranges = ranges.iter().map(|&(file, start, end)| range(file, start, end));
    Bounds { delivery: delivery(to), time: 1000, encoding: 5, ranges: ranges.collect() }
}

pub(crate) fn span(file: u64, start: u64, end: u64) -> FileSpan {
    FileSpan { file: FileUid(u128::from(file)), generation: 0, start, end }
}

/// The acknowledged spans of a file's first generation.
pub(crate) fn acked(checkpoint: &Checkpoint, to: u64, file: u64) -> Vec<(u64, u64)> {
    let progress = checkpoint.progress(delivery(to), FileUid(u128::from(file)), 0);
    progress.acked.iter().collect()
}

/// The open spans of a file's first generation.
pub(crate) fn in_flight(checkpoint: &Checkpoint, to: u64, file: u64) -> Vec<(u64, u64)> {
    let progress = checkpoint.progress(delivery(to), FileUid(u128::from(file)), 0);
    progress.open.iter().collect()
}

/// The names in the state directory.
pub(crate) fn names(disk: &SimDisk) -> Vec<String> {
    let names = disk.list(Path::new("/state")).expect("the directory is there");
    names.into_iter().map(|name| name.into_string().expect("our names are ASCII")).collect()
}
