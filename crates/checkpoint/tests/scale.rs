//! 100,000 cursors: how long a start takes and how much memory, and what an append costs while a
//! sync runs. Memory is asserted; times are printed (this machine may be busy):
//! `cargo test --release -p checkpoint --test scale -- --nocapture`.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // A test, with threads.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use checkpoint::{Checkpoint, OnLost, Options, Origin, Place, Recovery};
use disk::RealDisk;
use record::{
    Bounds, DeliveryKey, FileSeen, FileUid, FlusherKey, Head, Identity, PipelineKey,
    REQUEST_RANGES_MAX, Range, Signature, Tags,
};

const FILES: u64 = 100_000;
/// More than are kept of the last ones.
const ACKS_EACH: u64 = 20;
const MEMORY_MAX: u64 = 100 * 1024 * 1024;
const DIR_VARIABLE: &str = "IRONTAIL_TEST_SCALE_DIR";

fn open(dir: &Path) -> (Checkpoint, Recovery) {
    let options = Options {
        place: Place { snapshot: dir.join("logtail_check_point") },
        boot_id: "boot".to_owned(),
        now_unix_nanos: 1,
        on_lost: OnLost::Refuse,
        evidence: Vec::new(),
    };
    Checkpoint::open(Arc::new(RealDisk), options).expect("the directory can be opened")
}

fn delivery() -> DeliveryKey {
    DeliveryKey { pipeline: PipelineKey(1), flusher: FlusherKey(2) }
}

fn file(number: u64) -> FileSeen {
    let name = format!("/var/log/pods/namespace_pod-{number}_0123456789abcdef/app/0.log");
    FileSeen {
        uid: FileUid(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)),
        generation: 0,
        identity: Identity { dev: 2049, inode: 1_000_000 + number, birth: Some(1 << 60) },
        head: Head { len: 1024, hash: number.wrapping_mul(0x9E37_79B9_7F4A_7C15) },
        signature: Signature { size: 1024, hash: number.wrapping_mul(0xC2B2_AE3D_27D4_EB4F) },
        logical: Path::new(&name).into(),
        real: Path::new(&name).into(),
        size: 1 << 30,
    }
}

fn range(number: u64, at: u64, tags: &Arc<Tags>) -> Range {
    Range {
        file: file(number).uid,
        generation: 0,
        start: at << 20,
        end: (at + 1) << 20,
        crc: 7,
        anchor: (number + at).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        tags: Arc::clone(tags),
    }
}

fn fill(checkpoint: &Checkpoint) {
    let tags = Arc::new(Tags(vec![("__path__".to_owned(), "/var/log".to_owned())]));
    let numbers: Vec<u64> = (0..FILES).collect();
    for &number in &numbers {
        checkpoint.see(&file(number)).unwrap();
    }
    for at in 0..ACKS_EACH {
        for some in numbers.chunks(REQUEST_RANGES_MAX) {
            let ranges = some.iter().map(|&number| range(number, at, &tags)).collect();
            let bounds = Bounds { delivery: delivery(), time: 1, encoding: 1, ranges };
            let ticket = checkpoint.bounds(&bounds).unwrap();
            checkpoint.taken(&[ticket.request], b"").unwrap();
        }
    }
}

/// The most memory that this process ever had, in bytes (`VmHWM`).
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kib * 1024
}

/// What the process started by the test below does; nothing where nobody started it.
#[test]
fn load_in_a_process_of_its_own() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE).map(PathBuf::from) else {
        return;
    };
    let before = memory_peak();
    let begin = Instant::now();
    let (checkpoint, recovery) = open(&dir);
    let time = begin.elapsed();
    let peak = memory_peak();
    assert_eq!(recovery.origin, Origin::Ours);
    assert_eq!(recovery.files.len() as u64, FILES);
    let progress = checkpoint.progress(delivery(), file(FILES - 1).uid, 0);
    assert_eq!(progress.acked.covered_from(0), ACKS_EACH << 20);
    let size = std::fs::metadata(dir.join("logtail_check_point")).expect("there").len();
    println!(
        "{FILES} cursors with {} anchors each: {} MiB of snapshot loaded in {time:?}, \
         peak memory {} MiB ({} MiB before)",
        progress.anchors.len(),
        size >> 20,
        peak >> 20,
        before >> 20,
    );
    assert!(peak < MEMORY_MAX, "{peak} bytes of memory");
}

#[test]
fn a_hundred_thousand_cursors_load_in_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (checkpoint, _) = open(dir.path());
    let begin = Instant::now();
    fill(&checkpoint);
    println!("{} acks in {:?}", FILES * ACKS_EACH, begin.elapsed());
    let begin = Instant::now();
    checkpoint.snapshot(1).unwrap();
    println!("snapshot written in {:?}", begin.elapsed());
    let (longest, snapshots) = longest_append_during_snapshots(&checkpoint);
    println!("longest append during {snapshots} snapshots: {longest:?}");
    drop(checkpoint);
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "load_in_a_process_of_its_own", "--nocapture"])
        .env(DIR_VARIABLE, dir.path())
        .status()
        .unwrap();
    assert!(status.success());
}

fn longest_append_during_snapshots(checkpoint: &Checkpoint) -> (Duration, u32) {
    const SNAPSHOTS: u32 = 2;
    let done = AtomicBool::new(false);
    let mut longest = Duration::ZERO;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..SNAPSHOTS).for_each(|_| checkpoint.snapshot(1).unwrap());
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let begin = Instant::now();
            checkpoint.baseline(delivery(), file(1).uid, 0, 10).unwrap();
            longest = longest.max(begin.elapsed());
            std::thread::yield_now();
        }
    });
    (longest, SNAPSHOTS)
}

#[test]
fn an_append_does_not_wait_for_a_running_sync() {
    const APPENDS: u64 = 100_000;
    let dir = tempfile::tempdir().unwrap();
    let (checkpoint, _) = open(dir.path());
    let tags = Arc::new(Tags(vec![("__path__".to_owned(), "/var/log".to_owned())]));
    let done = AtomicBool::new(false);
    let mut times = Vec::new();
    let mut syncs = 0;
    std::thread::scope(|scope| {
        let syncer = scope.spawn(|| {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                checkpoint.sync().unwrap();
                count += 1;
            }
            count
        });
        for at in 0..APPENDS / 2 {
            let ranges = vec![range(1, at, &tags)];
            let bounds = Bounds { delivery: delivery(), time: 1, encoding: 1, ranges };
            let begin = Instant::now();
            let ticket = checkpoint.bounds(&bounds).unwrap();
            let bounded = Instant::now();
            checkpoint.taken(&[ticket.request], b"").unwrap();
            times.extend([bounded - begin, bounded.elapsed()]);
        }
        done.store(true, Ordering::Relaxed);
        syncs = syncer.join().unwrap();
    });
    times.sort_unstable();
    let at = |part: f64| times[(times.len() as f64 * part) as usize];
    println!(
        "{APPENDS} appends beside {syncs} syncs: p50 {:?}, p99 {:?}, p99.9 {:?}, longest {:?}",
        at(0.5),
        at(0.99),
        at(0.999),
        times.last().unwrap(),
    );
}
