//! A spool of 10 GiB on the real disk opens, and is read, within 32 MiB.
#![allow(clippy::unwrap_used)]

mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use disk::{Disk, RealDisk};
use record::{Bounds, DeliveryKey};
use spool::{Options, Spool, Standing};
use world::{bounds_of, ticket_of};

const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
const SPOOL_BYTES: u64 = 10 * 1024 * 1024 * 1024;
const MEMORY_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Raw bytes of a long frame, and of a short one.
const RAW_LENS: [u64; 2] = [1024 * 1024, 100];

const SEGMENT_HEADER: usize = 32;
const FRAME_PREFIX: usize = 40;

/// The most memory that this process has had.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

fn bounds(len: u64) -> Bounds {
    let mut bounds = bounds_of(1);
    bounds.ranges = vec![bounds.ranges[0].clone(); 20];
    for (at, range) in (0..).zip(&mut bounds.ranges) {
        (range.start, range.end) = (at, if at == 0 { len } else { at });
    }
    bounds
}

/// A segment's header and a frame's head, as the spool itself writes them.
fn template(len: u64) -> (Vec<u8>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk);
    let open = Spool::open(disk, dir.path(), &Options::default(), &mut |_| Standing::Waiting);
    let place = open.unwrap().0.append(ticket_of(1), &bounds(len), &vec![0; len as usize]).unwrap();
    let segment = std::fs::read(segment_path(dir.path(), place.segment)).unwrap();
    let lead = &segment[SEGMENT_HEADER..segment.len() - len as usize];
    (segment[..SEGMENT_HEADER].to_vec(), lead.to_vec())
}

fn segment_path(dir: &Path, sequence: u64) -> std::path::PathBuf {
    dir.join(format!("logtail_buffer_file_i{sequence:020}"))
}

/// The number in `bytes` at `at` replaced, and the checksum behind it set right.
fn patch(bytes: &mut [u8], numbers: &[(usize, u64)], summed: usize, after: usize) {
    for (at, number) in numbers {
        bytes[*at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..summed]), &bytes[after..]);
    bytes[summed..summed + 4].copy_from_slice(&sum.to_le_bytes());
}

/// Writes a sparse segment of frames whose raw bytes are zeros; returns how many.
fn write_segment(dir: &Path, sequence: u64, len: u64, (header, lead): &(Vec<u8>, Vec<u8>)) -> u64 {
    let file = RealDisk.create(&segment_path(dir, sequence), 0).unwrap();
    let mut header = header.clone();
    patch(&mut header, &[(20, sequence)], 28, SEGMENT_HEADER);
    file.write_all_at(&header, 0).unwrap();
    let (mut position, mut frames) = (SEGMENT_HEADER as u64, 0);
    let mut lead = lead.clone();
    while position + lead.len() as u64 + len <= SEGMENT_BYTES {
        patch(&mut lead, &[(8, sequence), (16, position)], 36, FRAME_PREFIX);
        file.write_all_at(&lead, position).unwrap();
        position += lead.len() as u64 + len;
        frames += 1;
    }
    file.set_len(position).unwrap();
    frames
}

#[test]
fn a_spool_of_10_gib_opens_within_32_mib() {
    let dir = tempfile::tempdir().unwrap();
    let templates = RAW_LENS.map(template);
    let mut written = 0;
    for sequence in 1..=SPOOL_BYTES / SEGMENT_BYTES {
        let which = usize::from(sequence == 1);
        written += write_segment(dir.path(), sequence, RAW_LENS[which], &templates[which]);
    }
    let begin = Instant::now();
    let (mut shown, mut some) = (0, Vec::new());
    let options = Options { limit_bytes: 2 * SPOOL_BYTES, ..Options::default() };
    let (spool, notes) = Spool::open(Arc::new(RealDisk), dir.path(), &options, &mut |head| {
        shown += 1;
        assert_eq!(head.ticket, ticket_of(1));
        if shown % 500 == 0 {
            some.push(head.place);
        }
        Standing::Waiting
    })
    .unwrap();
    let took = begin.elapsed();
    assert_eq!((shown, notes), (written, vec![]));
    assert!(spool.bytes() > SPOOL_BYTES / 100 * 95);
    // Handing out and reading take one frame at a time.
    let delivery: DeliveryKey = bounds(0).delivery;
    for place in some {
        assert_eq!(spool.read(place).unwrap().head.place, place);
        let next = spool.next(delivery, Some(place)).unwrap();
        assert!(next.is_none_or(|head| head.place > place));
    }
    let peak = peak_bytes();
    println!("spool: {shown} frames in {} bytes opened in {took:?}, peak {peak}", spool.bytes());
    assert!(peak <= MEMORY_BYTES_MAX, "{peak} bytes");
}
