//! What the spool promises its caller, case by case.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Threads and files of a test.

mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use disk::{Disk, Fault, OperationKind, SimDisk};
use spool::{Error, Note, Options, Place, Spool, Standing, Waiting};
use world::{Books, DIR, bounds_of, delivery_of, raw_of, ticket_of};

/// A spool of small segments in which every frame waits.
fn open_with(disk: &SimDisk, options: Options) -> (Spool, Vec<Note>) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Spool::open(disk, Path::new(DIR), &options, &mut |_| Standing::Waiting).unwrap()
}

fn open(disk: &SimDisk) -> Spool {
    let (spool, notes) = open_with(disk, Books::default().options());
    assert_eq!(notes, []);
    spool
}

fn append(spool: &Spool, request: u64) -> Result<Place, Error> {
    spool.append(ticket_of(request), &bounds_of(request), &raw_of(request))
}

/// Fills `disk` with requests 1 to `count`; where they lie.
fn filled(disk: &SimDisk, count: u64) -> (Spool, Vec<Place>) {
    let spool = open(disk);
    let places = (1..=count).map(|request| append(&spool, request).unwrap()).collect();
    (spool, places)
}

fn files(disk: &SimDisk) -> Vec<String> {
    let names = disk.outside().list(Path::new(DIR)).unwrap();
    names.into_iter().map(|name| name.into_string().unwrap()).collect()
}

fn segment_name(sequence: u64) -> String {
    format!("logtail_buffer_file_i{sequence:020}")
}

/// All requests of a delivery in the order in which they are handed out.
fn drained(spool: &Spool, number: u64) -> Vec<u64> {
    let (mut found, mut after) = (Vec::new(), None);
    while let Some(head) = spool.next(delivery_of(number), after).unwrap() {
        found.push(head.ticket.request.0);
        after = Some(head.place);
    }
    found
}

#[test]
fn requests_come_back_as_themselves_oldest_first_to_their_delivery() {
    let disk = SimDisk::new(1);
    drop(filled(&disk, 12));
    let spool = open(&disk);
    for number in 0..3 {
        let expected: Vec<u64> = (1..=12).filter(|request| request % 3 == number).collect();
        assert_eq!(drained(&spool, number), expected);
    }
    let head = spool.next(delivery_of(2), None).unwrap().unwrap();
    assert_eq!((head.ticket, &head.bounds), (ticket_of(2), &bounds_of(2)));
    let frame = spool.read(head.place).unwrap();
    let pieces: Vec<_> = frame.pieces().map(|(range, raw)| (range.file.0, raw.len())).collect();
    let third = raw_of(2).len() / 3;
    assert_eq!(pieces, [(1, third), (2, raw_of(2).len() - third)]);
    assert_eq!(frame.pieces().flat_map(|(_, raw)| raw.to_vec()).collect::<Vec<_>>(), raw_of(2));
}

#[test]
fn segments_are_capped_and_a_longer_frame_has_one_of_its_own() {
    let disk = SimDisk::new(1);
    let options = Options { segment_bytes: 4_000, ..Options::default() };
    let (spool, _) = open_with(&disk, options);
    let places: Vec<Place> = (1..=40).map(|request| append(&spool, request).unwrap()).collect();
    let mut lens: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for place in &places {
        let (frames, len) = lens.entry(place.segment).or_insert((0, 32));
        (*frames, *len) = (*frames + 1, *len + place.len);
    }
    assert!(lens.values().all(|&(frames, len)| frames == 1 || len <= 4_000), "{lens:?}");
    assert!(lens.values().any(|&(frames, _)| frames > 1));
    assert!(lens.values().any(|&(frames, len)| frames == 1 && len > 4_000));
    let stored = files(&disk);
    assert_eq!(stored, lens.keys().map(|&sequence| segment_name(sequence)).collect::<Vec<_>>());
    assert_eq!(spool.bytes(), lens.values().map(|&(_, len)| len).sum::<u64>());
}

#[test]
fn appending_goes_on_in_the_newest_segment_after_a_restart() {
    let disk = SimDisk::new(1);
    let (_, before) = filled(&disk, 1);
    let place = append(&open(&disk), 2).unwrap();
    assert_eq!((place.segment, place.position), (before[0].segment, 32 + before[0].len));
}

#[test]
fn a_failed_sync_moves_the_frame_into_a_new_segment() {
    for kind in [OperationKind::SyncData, OperationKind::SyncDir] {
        // The directory is synced with the first frame, the file with each.
        let before = if kind == OperationKind::SyncDir { 0 } else { 1 };
        let run = |fail_at: Option<u64>| {
            let disk = SimDisk::new(1);
            let (spool, places) = filled(&disk, before);
            let begin = disk.operations();
            fail_at.inspect(|&number| disk.fail_at(number, Fault::Io, 1));
            let place = append(&spool, 9).unwrap();
            assert_eq!(spool.read(place).unwrap().raw, raw_of(9));
            let last = places.last().map_or(0, |place| place.segment);
            (disk, place, last, begin as usize)
        };
        let (disk, _, _, begin) = run(None);
        let sync = disk.trace()[begin..].iter().position(|operation| operation.kind == kind);
        let (disk, place, last, _) = run(Some((begin + sync.unwrap()) as u64));
        assert!(place.segment > last, "{kind:?}");
        let left = if before == 0 { vec![] } else { vec![segment_name(last)] };
        assert_eq!(files(&disk), [left, vec![segment_name(place.segment)]].concat());
    }
}

#[test]
fn a_disk_that_stays_broken_or_full_refuses_the_frame_and_recovers() {
    for fault in [Fault::Io, Fault::Full] {
        let disk = SimDisk::new(1);
        let (spool, places) = filled(&disk, 4);
        disk.fail_at(disk.operations(), fault, u64::MAX);
        let mut requests = 5..;
        let error = requests.find_map(|request| append(&spool, request).err()).unwrap();
        assert!(error.is_transient(), "{error}");
        assert_eq!(error.is_full(), fault == Fault::Full, "{error}");
        disk.heal();
        append(&spool, 100).unwrap();
        assert!(places.iter().all(|place| spool.read(*place).is_ok()));
        assert_eq!(drained(&open(&disk), 100 % 3).last(), Some(&100));
    }
}

#[test]
fn a_full_spool_says_how_much_must_go_and_drops_the_oldest_segments() {
    let disk = SimDisk::new(1);
    let spool = open(&disk);
    let (mut request, mut places) = (0, BTreeMap::new());
    let needed = loop {
        request += 1;
        match append(&spool, request) {
            Ok(place) => places.insert(request, place),
            Err(Error::Full { needed, limit: 120_000 }) => break needed,
            Err(error) => panic!("{error}"),
        };
    };
    let draft = raw_of(request).len() as u64;
    assert!(spool.bytes() + draft < 120_000 + needed && needed <= draft + 1_000, "{needed}");
    let (mut dropped, mut expected) = (Vec::new(), BTreeMap::new());
    let gone = spool
        .drop_oldest(needed, &mut |head| {
            let waiting: &mut Waiting = expected.entry(head.bounds.delivery).or_default();
            waiting.frames += 1;
            waiting.bytes += head.place.len;
            dropped.push(head.ticket.request.0);
            true
        })
        .unwrap();
    assert_eq!(gone.deliveries, expected);
    assert_eq!(dropped, (1..=dropped.len() as u64).collect::<Vec<_>>(), "the oldest");
    assert_eq!(gone.segments, [places[&1].segment], "no more than is needed");
    assert!(matches!(append(&spool, request), Err(Error::Full { .. })), "not yet removed");
    assert!(spool.remove_segment(gone.segments[0]).unwrap());
    append(&spool, request).unwrap();
}

#[test]
fn dropping_ends_when_the_caller_says_so() {
    let disk = SimDisk::new(1);
    let (spool, _) = filled(&disk, 5);
    let mut shown = 0;
    let dropped = spool.drop_oldest(1, &mut |_| {
        shown += 1;
        shown < 3
    });
    let dropped = dropped.unwrap();
    assert_eq!(dropped.segments, []);
    assert_eq!(dropped.deliveries.values().map(|waiting| waiting.frames).sum::<u64>(), 2);
    assert_eq!(spool.waiting().values().map(|waiting| waiting.frames).sum::<u64>(), 3);
}

#[test]
fn a_segment_goes_only_when_all_its_frames_are_done_with() {
    let disk = SimDisk::new(1);
    let (spool, places) = filled(&disk, 3);
    let sequence = places[0].segment;
    assert!(!spool.done(places[0], delivery_of(1)));
    assert!(!spool.done(places[1], delivery_of(2)));
    assert!(!spool.remove_segment(sequence).unwrap());
    assert!(spool.done(places[2], delivery_of(3)));
    assert_eq!((spool.removable(), spool.lowest_live()), (vec![sequence], sequence));
    assert!(spool.remove_segment(sequence).unwrap());
    assert!(!spool.remove_segment(sequence).unwrap(), "there is none any more");
    assert_eq!((files(&disk), spool.bytes()), (vec![], 0));
    assert_eq!(spool.lowest_live(), sequence + 1);
    assert_eq!(append(&spool, 4).unwrap().segment, sequence + 1);
}

#[test]
fn a_removal_that_failed_can_be_repeated() {
    for failing in [OperationKind::Unlink, OperationKind::SyncDir] {
        let disk = SimDisk::new(1);
        let (spool, places) = filled(&disk, 1);
        spool.done(places[0], delivery_of(1));
        let offset = if failing == OperationKind::Unlink { 0 } else { 1 };
        disk.fail_at(disk.operations() + offset, Fault::Io, 1);
        assert!(spool.remove_segment(places[0].segment).is_err());
        assert_eq!(disk.trace().last().unwrap().kind, failing);
        assert_eq!(spool.lowest_live(), places[0].segment, "not yet durably gone");
        assert!(spool.remove_segment(places[0].segment).unwrap());
        assert_eq!(files(&disk.after_power_loss(3)), Vec::<String>::new());
    }
}

#[test]
fn segments_below_the_lowest_live_one_are_removed_unread() {
    let disk = SimDisk::new(1);
    let (_, places) = filled(&disk, 30);
    let lowest = places[29].segment;
    assert!(lowest > places[0].segment + 1);
    let options = Options { lowest_live: Some(lowest), ..Books::default().options() };
    let (spool, notes) = open_with(&disk, options);
    let removed = lowest - places[0].segment;
    assert_eq!(notes.len() as u64, removed);
    assert!(notes.iter().all(|note| matches!(note, Note::Removed { bytes: 1.., .. })));
    assert!(notes[0].to_string().contains("was delivered before: removed"), "{}", notes[0]);
    assert_eq!((files(&disk), spool.lowest_live()), (vec![segment_name(lowest)], lowest));
    assert_eq!(files(&disk.after_power_loss(1)), [segment_name(lowest)]);
}

#[test]
fn numbers_of_segments_are_never_given_again() {
    let disk = SimDisk::new(1);
    let (spool, places) = filled(&disk, 1);
    spool.done(places[0], delivery_of(1));
    spool.remove_segment(places[0].segment).unwrap();
    let lowest_live = Some(spool.lowest_live());
    let options = Options { lowest_live, ..Books::default().options() };
    let place = append(&open_with(&disk, options).0, 1).unwrap();
    assert_eq!(place.segment, places[0].segment + 1);
    // Nor where the newest segment held nothing finished.
    let empty = Path::new(DIR).join(segment_name(place.segment + 1));
    disk.create(&empty, 0).unwrap();
    let spool = open(&disk);
    assert_eq!(files(&disk), [segment_name(place.segment)]);
    spool.done(place, delivery_of(1));
    spool.remove_segment(place.segment).unwrap();
    assert_eq!(append(&spool, 2).unwrap().segment, place.segment + 2);
}

#[test]
fn what_waits_is_known_for_every_delivery_also_unknown_ones() {
    let disk = SimDisk::new(1);
    let (_, places) = filled(&disk, 7);
    let waiting = open(&disk).waiting();
    for number in 0..3 {
        let own = (1..=7).filter(|request| request % 3 == number);
        let own: Vec<u64> = own.map(|request| places[request as usize - 1].len).collect();
        let expected = Waiting { frames: own.len() as u64, bytes: own.iter().sum() };
        assert_eq!(waiting[&delivery_of(number)], expected);
    }
}

#[test]
fn a_write_cut_short_by_a_kill_is_cut_off_without_a_copy() {
    let disk = SimDisk::new(5);
    let (spool, places) = filled(&disk, 1);
    disk.crash_at(disk.operations() + 1); // in the raw bytes of the next frame
    append(&spool, 4).unwrap_err();
    let disk = disk.after_kill();
    let (spool, notes) = open_with(&disk, Books::default().options());
    let end = 32 + places[0].len;
    match &notes[..] {
        [Note::Cut { position, bytes, head: None, quarantined: None, .. }] => {
            assert!(*position == end && *bytes > 0);
        }
        other => panic!("{other:?}"),
    }
    assert!(notes[0].to_string().contains("bytes cut off at"), "{}", notes[0]);
    assert_eq!(spool.bytes(), end);
}

#[test]
fn other_agents_buffers_are_left_alone() {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    let foreign = Path::new(DIR).join("logtail_buffer_file_1700000000");
    disk.create(&foreign, 0).unwrap().write_all_at(b"theirs", 0).unwrap();
    let (spool, _) = filled(&disk, 2);
    assert_eq!(disk.read(&foreign).unwrap(), b"theirs");
    let found = spool::foreign(&disk, Path::new(DIR)).unwrap();
    assert_eq!((found.len(), found[0].bytes, &found[0].path), (1, 6, &foreign));
    assert!(spool.bytes() > 6, "and not counted as ours");
}

#[test]
fn senders_and_spillers_work_at_the_same_time() {
    let disk = SimDisk::new(1);
    let (spool, _) = open_with(&disk, Options { segment_bytes: 10_000, ..Options::default() });
    let delivered = std::thread::scope(|scope| {
        for half in 0..2 {
            let spool = &spool;
            scope.spawn(move || {
                for request in (half * 100..half * 100 + 100).filter(|request| request % 3 != 0) {
                    append(spool, request).unwrap();
                }
            });
        }
        let drain = |number: u64| {
            let spool = &spool;
            scope.spawn(move || {
                let expected = (0..200).filter(|request| request % 3 == number).count();
                let mut delivered = 0;
                while delivered < expected {
                    let Some(head) = spool.next(delivery_of(number), None).unwrap() else {
                        std::thread::yield_now();
                        continue;
                    };
                    let request = head.ticket.request.0;
                    assert_eq!(spool.read(head.place).unwrap().raw, raw_of(request));
                    if spool.done(head.place, head.bounds.delivery) {
                        spool.remove_segment(head.place.segment).unwrap();
                    }
                    delivered += 1;
                }
                delivered
            })
        };
        [drain(1), drain(2)].map(|handle| handle.join().unwrap())
    });
    assert_eq!(delivered, [67, 66]);
    for sequence in spool.removable() {
        assert!(spool.remove_segment(sequence).unwrap());
    }
    assert_eq!((spool.bytes(), files(&disk)), (0, vec![]));
}

#[test]
fn errors_say_what_to_do() {
    let disk = SimDisk::new(1);
    let (spool, _) = filled(&disk, 1);
    let text = |error: Error| error.to_string();
    let wrong = spool.append(ticket_of(1), &bounds_of(1), b"not its bytes").unwrap_err();
    assert!(!wrong.is_transient());
    assert!(text(wrong).contains("not those of its ranges"));
    let tiny = Options { limit_bytes: 100, ..Options::default() };
    let never = append(&open_with(&SimDisk::new(1), tiny).0, 1).unwrap_err();
    assert!(!never.is_transient() && !never.is_full());
    assert!(text(never).contains("longer than the spool's limit"));
    disk.fail_at(disk.operations(), Fault::Full, u64::MAX);
    let full = (2..).find_map(|request| append(&spool, request).err()).unwrap();
    assert!(text(full).ends_with("; free space on its file system"));
    disk.heal();
    let limit = (2..).find_map(|request| append(&spool, request).err()).unwrap();
    assert!(limit.is_full() && limit.is_transient());
    assert!(text(limit).contains("raise the limit, or see why the destination takes nothing"));
}

#[test]
fn a_segment_of_a_newer_version_is_refused() {
    let disk = SimDisk::new(1);
    let (_, places) = filled(&disk, 1);
    let path = Path::new(DIR).join(segment_name(places[0].segment));
    let mut header = disk.read(&path).unwrap()[..32].to_vec();
    header[16..20].copy_from_slice(&2u32.to_le_bytes());
    let sum = crc32c::crc32c(&header[..28]);
    header[28..].copy_from_slice(&sum.to_le_bytes());
    disk.open(&path).unwrap().write_all_at(&header, 0).unwrap();
    let error = Books::default().open(&disk).err().unwrap();
    assert!(matches!(error, Error::Newer { version: 2, .. }));
    assert!(!error.is_transient() && error.to_string().contains("start the version that wrote"));
}

#[test]
fn a_directory_in_place_of_a_segment_is_an_error_that_names_it() {
    let disk = SimDisk::new(1);
    disk.create_dir_all(&Path::new(DIR).join(segment_name(1))).unwrap();
    let text = Books::default().open(&disk).err().unwrap().to_string();
    assert!(text.contains(&segment_name(1)), "{text}");
    assert!(text.ends_with("move away what stands in its place"), "{text}");
}
