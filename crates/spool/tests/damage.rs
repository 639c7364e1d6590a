//! Damage of every kind to segments: never a panic, every other frame stays readable.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use disk::{Disk, SimDisk};
use spool::{Error, Note, Place, Spool};
use world::{Books, DIR, bounds_of, delivery_of, raw_of, ticket_of};

/// Short requests, so that every byte of their segment can be flipped.
fn short_requests() -> Vec<u64> {
    (1..).filter(|&request| (1..150).contains(&raw_of(request).len())).take(4).collect()
}

/// A disk with two segments of `short_requests` each, the second one the newest.
fn sample() -> (SimDisk, BTreeMap<u64, Place>) {
    let disk = SimDisk::new(1);
    let (spool, _, _) = Books::default().open(&disk).unwrap();
    let mut places = BTreeMap::new();
    for request in short_requests() {
        let append =
            |spool: &Spool| spool.append(ticket_of(request), &bounds_of(request), &raw_of(request));
        places.insert(request, append(&spool).unwrap());
    }
    let path = path_of(places.values().next().unwrap().segment);
    let len = disk.stat(&path).unwrap().unwrap().len;
    assert!(len < 2_000, "{len}");
    (disk, places)
}

fn path_of(sequence: u64) -> PathBuf {
    Path::new(DIR).join(format!("logtail_buffer_file_i{sequence:020}"))
}

fn copies(disk: &SimDisk) -> Vec<String> {
    let names = disk.list(Path::new(DIR)).unwrap().into_iter();
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.contains(".corrupt-")).collect()
}

/// The requests that a spool on `disk` gives back whole, and its notes.
fn readable(disk: &SimDisk) -> (BTreeSet<u64>, Vec<Note>) {
    let (spool, shown, notes) = Books::default().open(disk).unwrap();
    let mut whole = BTreeSet::new();
    for head in shown {
        match spool.read(head.place) {
            Ok(frame) => {
                let request = frame.head.ticket.request.0;
                assert_eq!((frame.head.bounds, frame.raw), (bounds_of(request), raw_of(request)));
                whole.insert(request);
            }
            Err(Error::Damaged { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    // What is handed out to senders is the same, and it ends.
    for number in 0..3 {
        let mut after = None;
        loop {
            match spool.next(delivery_of(number), after) {
                Ok(Some(head)) => after = Some(head.place),
                Ok(None) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    (whole, notes)
}

/// The sample with `edit` done to its segment; `sealed` puts an intact newer segment behind it.
fn edited(sealed: bool, edit: impl FnOnce(&SimDisk, &Path)) -> SimDisk {
    let (disk, places) = sample();
    let sequence = places.values().next().unwrap().segment;
    if sealed {
        // A newer one, with a request that is not among the short ones.
        let newer = SimDisk::new(2);
        let mut books = Books { lowest_live: Some(sequence + 1), ..Books::default() };
        let (spool, _, _) = books.open(&newer).unwrap();
        books.append(&spool).unwrap();
        let content = newer.read(&path_of(sequence + 1)).unwrap();
        disk.create(&path_of(sequence + 1), 0).unwrap().write_all_at(&content, 0).unwrap();
    }
    edit(&disk, &path_of(sequence));
    disk
}

#[test]
fn a_flipped_byte_costs_at_most_the_frame_it_lies_in() {
    let (sample_disk, places) = sample();
    let segment = places.values().next().unwrap().segment;
    let len = sample_disk.read(&path_of(segment)).unwrap().len() as u64;
    let mut cases = 0;
    for sealed in [false, true] {
        for position in 0..len {
            for flip in [0x01, 0x80, 0xff] {
                let disk = edited(sealed, |disk, path| {
                    let byte = disk.read(path).unwrap()[position as usize] ^ flip;
                    disk.open(path).unwrap().write_all_at(&[byte], position).unwrap();
                });
                let hit = |place: &Place| {
                    (place.position..place.position + place.len).contains(&position)
                };
                let (whole, notes) = readable(&disk);
                let case = format!("sealed {sealed}, byte {position} ^ {flip:#x}: {notes:?}");
                for (request, place) in &places {
                    assert_eq!(whole.contains(request), !hit(place), "{request}, {case}");
                }
                // A longer head than the file has bytes looks like a write that was cut short.
                let last = places.values().last().unwrap().position;
                let is_head_len = !sealed && (last + 24..last + 28).contains(&position);
                let made = copies(&disk).len();
                assert!(made == 1 || made == 0 && is_head_len, "{case}");
                // The next start finds the same, and makes no second copy.
                assert_eq!(readable(&disk).0, whole, "{case}");
                assert_eq!(copies(&disk).len(), made, "{case}");
                cases += 1;
            }
        }
    }
    println!("spool: {cases} flipped bytes");
}

#[test]
fn a_segment_cut_at_any_length_gives_the_frames_before_the_cut() {
    let (sample_disk, places) = sample();
    let segment = places.values().next().unwrap().segment;
    let len = sample_disk.read(&path_of(segment)).unwrap().len() as u64;
    for sealed in [false, true] {
        for cut in 0..len {
            for zeros_after in [false, true] {
                let disk = edited(sealed, |disk, path| {
                    let file = disk.open(path).unwrap();
                    file.set_len(cut).unwrap();
                    if zeros_after {
                        file.set_len(len).unwrap();
                    }
                });
                let (whole, notes) = readable(&disk);
                for (request, place) in &places {
                    let before = place.position + place.len <= cut;
                    let case = format!("sealed {sealed}, cut at {cut}, {request}: {notes:?}");
                    assert!(!before || whole.contains(request), "{case}");
                }
            }
        }
    }
}

#[test]
fn a_head_that_rots_while_the_spool_is_open_is_passed_over() {
    let (disk, places) = sample();
    let (spool, shown, _) = Books::default().open(&disk).unwrap();
    let victim = places[&short_requests()[1]];
    let owner = delivery_of(short_requests()[1]);
    disk.open(&path_of(victim.segment)).unwrap().write_all_at(b"\0", victim.position).unwrap();
    let error = spool.read(victim).unwrap_err();
    assert!(matches!(error, Error::Damaged { head: None, .. }), "{error}");
    assert!(!error.is_transient());
    assert_eq!(copies(&disk).len(), 1);
    let left: u64 = spool.waiting().values().map(|waiting| waiting.frames).sum();
    assert_eq!(left, shown.len() as u64 - 1, "the lost frame waits no more");
    let next = spool.next(owner, None).unwrap();
    assert!(next.is_none_or(|head| head.place != victim));
    for (request, place) in places.iter().filter(|(_, place)| **place != victim) {
        assert_eq!(spool.read(*place).unwrap().raw, raw_of(*request));
        spool.done(*place, delivery_of(*request));
    }
    assert_eq!(spool.removable(), [victim.segment], "and keeps no segment");
}

#[test]
fn a_sender_that_meets_a_rotten_head_is_told_and_goes_on_behind_it() {
    let (disk, places) = sample();
    let (spool, _, _) = Books::default().open(&disk).unwrap();
    for place in places.values() {
        let file = disk.open(&path_of(place.segment)).unwrap();
        file.write_all_at(b"\0", place.position).unwrap();
    }
    let first = delivery_of(short_requests()[0]);
    let error = spool.next(first, None).unwrap_err();
    assert!(error.to_string().contains("are skipped; "), "{error}");
    for number in 0..3 {
        assert!(spool.next(delivery_of(number), None).unwrap().is_none());
    }
    assert_eq!(spool.removable().len(), 1);
}

#[test]
fn raw_bytes_that_rot_are_reported_with_what_they_were() {
    let (disk, places) = sample();
    let (spool, _, _) = Books::default().open(&disk).unwrap();
    let request = short_requests()[0];
    let place = places[&request];
    let file = disk.open(&path_of(place.segment)).unwrap();
    file.write_all_at(b"\0\0\0\0", place.position + place.len - 4).unwrap();
    match spool.read(place).unwrap_err() {
        Error::Damaged { head: Some(head), quarantined: Some(copy), place: found, .. } => {
            assert_eq!((head.ticket, head.bounds), (ticket_of(request), bounds_of(request)));
            assert_eq!(found, place);
            assert_eq!(disk.read(&copy).unwrap().len() as u64, place.len);
            assert!(copy.to_str().unwrap().ends_with(".corrupt-1700000000"));
        }
        error => panic!("{error}"),
    }
}

#[test]
fn a_copy_that_cannot_be_made_stops_nothing() {
    let (disk, places) = sample();
    let place = places[&short_requests()[0]];
    let file = disk.open(&path_of(place.segment)).unwrap();
    file.write_all_at(b"\0", place.position).unwrap();
    disk.fail_at(disk.operations(), disk::Fault::Full, u64::MAX);
    let (whole, notes) = readable(&disk);
    assert_eq!(whole.len(), places.len() - 1);
    assert!(matches!(notes[..], [Note::Damaged { places: 1, copies: 0, .. }]), "{notes:?}");
    assert!(notes[0].to_string().contains("the frames around are kept"));
}

#[test]
fn copies_together_stay_within_their_limit() {
    // A sealed segment with 40 MiB of nothing, twice: the second copy would be too much.
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    for sequence in [1, 2] {
        let file = disk.create(&path_of(sequence), 0).unwrap();
        file.set_len(40 * 1024 * 1024).unwrap();
    }
    let newest = edited(false, |_, _| {});
    let content = newest.read(&path_of(1)).unwrap();
    disk.create(&path_of(3), 0).unwrap().write_all_at(&content, 0).unwrap();
    let (_, notes) = readable(&disk);
    assert!(copies(&disk).len() <= 2, "{notes:?}");
    let bytes = copies(&disk)
        .into_iter()
        .map(|name| disk.stat(&Path::new(DIR).join(name)).unwrap().unwrap().len);
    assert!(bytes.sum::<u64>() <= 64 * 1024 * 1024);
}
