//! `flusher_file` on a disk that crashes at every operation, by a kill and by a loss of power,
//! and that fails for a while: every record stands in the output exactly once.
#![allow(clippy::unwrap_used)] // a test says by panicking that it failed

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use disk::{Disk, Fault, SimDisk};
use flusher::{
    Committed, Error, FileFlusher, FileOptions, Flusher, Outgoing, RecordShape, Verdict,
};
use record::{Bounds, DeliveryKey, FlusherKey, PipelineKey, RequestId, RequestKey, Ticket};

const OUT: &str = "/var/out/app.log";
const REQUESTS: u64 = 14;
/// Requests between two commits.
const GROUP: usize = 3;

/// What a journal would hold: per record the acknowledged requests and the receipt, and how many
/// of its records are synced.
#[derive(Clone, Default)]
struct Ledger {
    records: Vec<(Vec<RequestId>, Vec<u8>)>,
    synced: usize,
}

impl Ledger {
    fn write(&mut self, committed: &Committed<'_>) {
        self.records.push((committed.requests.to_vec(), committed.receipt.to_vec()));
        if committed.durable {
            self.synced = self.records.len();
        }
    }

    fn acknowledged(&self) -> BTreeSet<RequestId> {
        self.records.iter().flat_map(|(requests, _)| requests.clone()).collect()
    }

    fn receipt(&self) -> Option<&[u8]> {
        self.records.last().map(|(_, receipt)| receipt.as_slice())
    }

    /// What is left of it after a loss of power: all that was synced and, of the rest, a beginning.
    fn after_power_loss(&self, seed: u64) -> Ledger {
        let kept =
            self.synced + fastrand::Rng::with_seed(seed).usize(..=self.records.len() - self.synced);
        Ledger { records: self.records[..kept].to_vec(), synced: kept }
    }
}

/// Bodies of different lengths, some longer than a page.
fn body(id: u64) -> Vec<u8> {
    let lines = 1 + id % 4;
    (0..lines)
        .flat_map(|line| {
            let filling = "x".repeat((id * 397 + line * 31) as usize % 1900);
            format!("{{\"request\":{id},\"line\":{line},\"text\":\"{filling}\"}}\n").into_bytes()
        })
        .collect()
}

fn flusher(disk: &SimDisk, max_file_size: Option<u64>) -> FileFlusher {
    let options = FileOptions { max_file_size, max_files: 20, ..FileOptions::new(OUT.into()) };
    FileFlusher::new(Arc::new(disk.clone()), options, RecordShape::default())
}

/// One life of an agent: recovers, sends what is not acknowledged, commits group by group.
fn live(flusher: &FileFlusher, ledger: &mut Ledger) -> Result<(), Error> {
    let receipt = ledger.receipt().map(<[u8]>::to_vec);
    flusher.recover(receipt.as_deref(), &mut |committed| {
        ledger.write(committed);
        Ok(())
    })?;
    let done = ledger.acknowledged();
    let mut left: Vec<u64> = (0..REQUESTS).filter(|&id| !done.contains(&RequestId(id))).collect();
    left.reverse();
    // Bounded: a fault heals, a crash ends every operation with an error.
    let mut failures = 0;
    while !left.is_empty() {
        let group = left.split_off(left.len().saturating_sub(GROUP));
        let sent = group.iter().rev().all(|&id| send(flusher, id) == Verdict::Written);
        let committed = flusher.commit(&mut |committed| {
            ledger.write(committed);
            Ok(())
        });
        if !sent || committed.is_err() {
            failures += 1;
            if failures > 20 {
                committed?;
                return Err(Error::Locked { path: OUT.into() });
            }
            let done = ledger.acknowledged();
            left.extend(group.into_iter().filter(|&id| !done.contains(&RequestId(id))));
        }
    }
    Ok(())
}

fn send(flusher: &FileFlusher, id: u64) -> Verdict {
    let ticket = Ticket { request: RequestId(id), key: RequestKey(id.into()) };
    flusher.send(&Outgoing {
        ticket,
        bounds: &BOUNDS,
        body: &body(id),
        records: 1 + id % 4,
        sent_before: false,
    })
}

/// All outputs, oldest first.
fn content(disk: &SimDisk) -> Vec<u8> {
    let disk = disk.outside();
    let mut content = Vec::new();
    for number in (0..30).rev() {
        let path = if number == 0 { OUT.to_string() } else { format!("{OUT}.{number}") };
        if disk.stat(Path::new(&path)).unwrap().is_some() {
            content.extend(disk.read(Path::new(&path)).unwrap());
        }
    }
    content
}

fn assert_once(disk: &SimDisk, context: &str) {
    let content = content(disk);
    let expected: Vec<u8> = (0..REQUESTS).flat_map(body).collect();
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.lines().map(|line| line.chars().take(40).collect()).collect()
    };
    assert_eq!(lines(&content), lines(&expected), "{context}");
    assert_eq!(content, expected, "{context}");
}

/// How two lives end, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Kill,
    PowerLoss,
}
use End::{Kill, PowerLoss};

/// What no flusher here looks at.
static BOUNDS: Bounds = Bounds {
    delivery: DeliveryKey { pipeline: PipelineKey(0), flusher: FlusherKey(0) },
    time: 0,
    encoding: 0,
    ranges: Vec::new(),
};

/// Crashes at every operation of a life, and once more in the life after it.
fn crash_everywhere(max_file_size: Option<u64>, ends: [End; 2]) {
    let whole = SimDisk::new(7);
    live(&flusher(&whole, max_file_size), &mut Ledger::default()).unwrap();
    assert_once(&whole, "without a crash");
    // A loss of power leaves one of many things; a kill only one.
    let seeds = if ends == [Kill, Kill] { 1 } else { 6 };
    for (at, seed) in (0..whole.operations()).flat_map(|at| (0..seeds).map(move |seed| (at, seed)))
    {
        let disk = SimDisk::new(at);
        let mut ledger = Ledger::default();
        disk.crash_at(at);
        let lived = live(&flusher(&disk, max_file_size), &mut ledger);
        assert!(lived.is_err() || disk.is_crashed(), "crash at {at}");
        let (disk, mut ledger) = next_life(&disk, &ledger, ends[0], seed);
        let again = (at + seed) % 17;
        disk.crash_at(again);
        let _ = live(&flusher(&disk, max_file_size), &mut ledger);
        let (disk, mut ledger) = next_life(&disk, &ledger, ends[1], seed + 1000);
        live(&flusher(&disk, max_file_size), &mut ledger).unwrap();
        let context = format!("rotation {max_file_size:?}, {ends:?} at {at}, {again}, seed {seed}");
        assert_once(&disk, &context);
    }
}

fn next_life(disk: &SimDisk, ledger: &Ledger, end: End, seed: u64) -> (SimDisk, Ledger) {
    match end {
        Kill => (disk.after_kill(), ledger.clone()),
        PowerLoss => (disk.after_power_loss(seed), ledger.after_power_loss(seed)),
    }
}

#[test]
fn a_kill_at_any_operation_leaves_every_record_once() {
    crash_everywhere(None, [Kill, Kill]);
}

#[test]
fn a_kill_at_any_operation_of_rotating_outputs_leaves_every_record_once() {
    crash_everywhere(Some(4000), [Kill, Kill]);
}

#[test]
fn power_loss_at_any_operation_leaves_every_record_once() {
    crash_everywhere(None, [PowerLoss, PowerLoss]);
}

#[test]
fn power_loss_at_any_operation_of_rotating_outputs_leaves_every_record_once() {
    crash_everywhere(Some(4000), [PowerLoss, PowerLoss]);
}

#[test]
fn power_loss_after_a_kill_leaves_every_record_once() {
    crash_everywhere(None, [Kill, PowerLoss]);
    crash_everywhere(Some(4000), [Kill, PowerLoss]);
}

#[test]
fn a_disk_that_fails_for_a_while_costs_and_repeats_nothing() {
    for max_file_size in [None, Some(4000)] {
        let whole = SimDisk::new(7);
        live(&flusher(&whole, max_file_size), &mut Ledger::default()).unwrap();
        for at in 8..whole.operations() {
            for (fault, count) in
                [(Fault::Full, 1), (Fault::Full, 9), (Fault::Io, 1), (Fault::Io, 4)]
            {
                let disk = SimDisk::new(at);
                disk.fail_at(at, fault, count);
                let mut ledger = Ledger::default();
                let context = format!("rotation {max_file_size:?}, {fault:?} at {at} for {count}");
                match live(&flusher(&disk, max_file_size), &mut ledger) {
                    Ok(()) => assert_once(&disk, &context),
                    // Failed to open: the agent says so and tries again.
                    Err(Error::Output { .. }) => {}
                    Err(error) => panic!("{context}: {error}"),
                }
                // What a failed sync left behind must not show after a loss of power.
                let (disk, mut ledger) = next_life(&disk, &ledger, PowerLoss, at);
                live(&flusher(&disk, max_file_size), &mut ledger).unwrap();
                assert_once(&disk, &format!("{context}, then power loss"));
            }
        }
    }
}
