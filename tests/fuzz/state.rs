//! The state directory: snapshot, journal and spool, as a release left them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use checkpoint::Place;
use disk::{Disk, RealDisk};
use spool::{Spool, Standing};

use crate::Target;

/// The files of a state; the first byte of an input says which one it replaces.
const FILES: [(&str, &[u8]); 4] = [
    ("logtail_check_point", include_bytes!("../data/state-6950960/logtail_check_point")),
    ("logtail_check_point.prev", include_bytes!("../data/state-6950960/logtail_check_point.prev")),
    (
        "logtail_check_point.journal.00000000000000000001",
        include_bytes!("../data/state-6950960/logtail_check_point.journal.00000000000000000001"),
    ),
    (
        "logtail_check_point.journal.00000000000000000008",
        include_bytes!("../data/state-6950960/logtail_check_point.journal.00000000000000000008"),
    ),
];
const NODE: &[u8] = include_bytes!("../data/state-6950960/irontail_node_id");
const FRAMES: &[u8] =
    include_bytes!("../data/state-6950960/logtail_buffer_file_i00000000000000000001");

/// Snapshot and journal.
pub const CHECKPOINT: Target = Target {
    name: "checkpoint",
    seeds: || {
        let with = |(at, (_, bytes)): (usize, &(&str, &[u8]))| [&[at as u8][..], bytes].concat();
        FILES.iter().enumerate().map(with).collect()
    },
    make: || {
        let dir = tempfile::tempdir().expect("the temporary directory can be written");
        let disk = RealDisk;
        Box::new(move |input| {
            let Some((which, bytes)) = input.split_first() else { return };
            write(dir.path(), "irontail_node_id", NODE);
            for (at, (name, usual)) in FILES.iter().enumerate() {
                let is_it = at == usize::from(*which) % FILES.len();
                write(dir.path(), name, if is_it { bytes } else { usual });
            }
            let place = Place { snapshot: dir.path().join("logtail_check_point") };
            let _ = checkpoint::inspect(&disk, &place);
        })
    },
};

/// A segment of the spool.
pub const SPOOL: Target = Target {
    name: "spool",
    seeds: || vec![FRAMES.to_vec()],
    make: || {
        let dir = tempfile::tempdir().expect("the temporary directory can be written");
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        Box::new(move |input| {
            let path = dir.path().join("spool");
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).expect("the temporary directory can be written");
            write(&path, "logtail_buffer_file_i00000000000000000001", input);
            let mut places: Vec<spool::Place> = Vec::new();
            let opened =
                Spool::open(disk.clone(), &path, &spool::Options::default(), &mut |head| {
                    places.push(head.place);
                    Standing::Waiting
                });
            if let Ok((spool, _)) = opened {
                places.iter().for_each(|place| drop(spool.read(*place)));
            }
        })
    },
};

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    let path: PathBuf = dir.join(name);
    fs::write(path, bytes).expect("the temporary directory has room");
}
