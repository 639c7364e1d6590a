//! The drain report of an agent that was to stop before it had started, as while it waited for a
//! lock or for room on the disk: nothing was read or sent, and all that the state says is left to
//! the next start. Reads the state and changes nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use checkpoint::{Dump, FileDump, Place};
use disk::RealDisk;

use crate::follow::progress::FileTotals;
use crate::run::drain_report::{DrainReport, Unanswered};
use crate::run::interrupts::Reason;

/// Prints the report. `persisted` is false where the start could not write what it had to.
pub fn report(reason: &Reason, place: Place, during: &str, persisted: bool) {
    let state = place.snapshot.display().to_string();
    let (totals, unanswered) = match checkpoint::inspect(&RealDisk, &place) {
        Ok(dump) => (totals(&dump), unanswered(dump)),
        Err(error) => {
            log::warn!("the drain report counts no files: {error}");
            (FileTotals::default(), Vec::new())
        }
    };
    let (Reason::Asked(reason) | Reason::Failed(reason)) = reason;
    let time = Duration::ZERO;
    let during = Some(during);
    let drain = DrainReport { reason, during, state, totals, unanswered, time, persisted };
    eprintln!("{}", drain.line(std::iter::empty()));
}

fn unanswered(dump: Dump) -> Vec<Unanswered> {
    let open = dump.requests.into_iter();
    open.map(|open| Unanswered { delivery: open.delivery, key: open.key, bytes: open.bytes })
        .collect()
}

fn totals(dump: &Dump) -> FileTotals {
    let unread_bytes = dump.files.iter().map(|file| unread(file, len_now(file))).sum();
    FileTotals { files: dump.files.len(), unread_bytes, ..FileTotals::default() }
}

/// Bytes that no request holds yet, over all deliveries.
fn unread(file: &FileDump, len: u64) -> u64 {
    let held = |spans: &[(u64, u64)]| -> u64 {
        spans.iter().map(|(begin, end)| end.min(&len).saturating_sub(*begin)).sum()
    };
    let by_delivery = file.progress.iter();
    by_delivery
        .map(|progress| len.saturating_sub(held(&progress.acked) + held(&progress.open)))
        .sum()
}

/// A file's length now; where its name leads to another file, as it was seen last.
fn len_now(file: &FileDump) -> u64 {
    let seen = file.size.unwrap_or_default();
    let path = file.real_path.as_deref().or(file.path.as_deref());
    let metadata = path.and_then(|path| fs::metadata(path).ok());
    let same = metadata.filter(|now| {
        now.is_file() && Some(now.dev()) == file.dev && Some(now.ino()) == file.inode
    });
    same.map_or(seen, |now| now.len())
}

#[cfg(test)]
mod tests {
    use checkpoint::ProgressDump;

    use super::*;

    #[test]
    fn unread_is_what_is_neither_acknowledged_nor_in_a_request_for_each_delivery() {
        let progress = |acked: &[(u64, u64)], open: &[(u64, u64)]| ProgressDump {
            delivery: String::new(),
            pipeline: None,
            flusher: None,
            offset: 0,
            acked: acked.to_vec(),
            open: open.to_vec(),
            anchors: 0,
        };
        let cases = [
            (vec![], 0),
            (vec![progress(&[], &[])], 100),
            (vec![progress(&[(0, 40), (60, 70)], &[(40, 50)])], 40),
            (vec![progress(&[(0, 100)], &[]), progress(&[(0, 10)], &[])], 90),
            // It was longer once.
            (vec![progress(&[(0, 400)], &[])], 0),
        ];
        for (progress, expected) in cases {
            let file = FileDump {
                uid: String::new(),
                generation: 0,
                path: None,
                real_path: None,
                dev: None,
                inode: None,
                size: None,
                head_len: None,
                head_hash: None,
                progress,
            };
            assert_eq!(unread(&file, 100), expected, "{file:?}");
        }
    }
}
