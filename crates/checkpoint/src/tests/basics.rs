//! What each method does, and that it is still so after a kill.

use std::path::Path;
use std::sync::Arc;

use disk::SimDisk;
use record::{Anchor, FileSeen, FileUid, RequestId};

use super::world::*;
use crate::{Checkpoint, Error, FileSpan, Origin, PipelineClaim, RateLimited};

fn fresh() -> (SimDisk, Checkpoint) {
    let disk = SimDisk::new(1);
    let (checkpoint, recovery) = reopen(&disk);
    assert_eq!(recovery.origin, Origin::Fresh);
    (disk, checkpoint)
}

/// The checkpoint as it is now, as a kill leaves it, and as the snapshot alone tells it.
fn ways_to_see_it(disk: &SimDisk, checkpoint: &Checkpoint, check: impl Fn(&Checkpoint)) {
    check(checkpoint);
    check(&reopen(&disk.after_kill()).0);
    checkpoint.snapshot(1).unwrap();
    check(&reopen(&disk.after_kill()).0);
}

#[test]
fn a_fresh_directory_gets_a_node_and_keeps_it() {
    let (disk, checkpoint) = fresh();
    let (again, recovery) = reopen(&disk.after_kill());
    assert_eq!(recovery.origin, Origin::Ours);
    assert_eq!(again.node_id(), checkpoint.node_id());
    assert!(recovery.same_boot);
}

#[test]
fn a_clock_that_was_wrong_dates_nothing_after_a_restart() {
    const MINUTE: i64 = 60 * 1_000_000_000;
    let now = 1_000 * MINUTE;
    // Ahead of the clock by this much, then right: the last timestamp is what?
    for (ahead, last) in [(4 * MINUTE, now + 4 * MINUTE), (6 * MINUTE, now)] {
        let (disk, checkpoint) = fresh();
        for (start, time) in [(0, now + ahead), (10, now)] {
            let bounds = bounds(1, &[(1, start, start + 10)]);
            checkpoint.bounds(&record::Bounds { time, ..bounds }).unwrap();
        }
        let (_, recovery) = reopen(&disk.after_kill());
        assert_eq!(recovery.last_times, [(delivery(1), last)]);
    }
}

#[test]
fn acks_in_any_order_survive_a_kill() {
    let (disk, checkpoint) = fresh();
    checkpoint.see(&file(1)).unwrap();
    let first = checkpoint.bounds(&bounds(1, &[(1, 0, 100)])).unwrap();
    let second = checkpoint.bounds(&bounds(1, &[(1, 100, 200)])).unwrap();
    let third = checkpoint.bounds(&bounds(1, &[(1, 200, 300)])).unwrap();
    checkpoint.taken(&[third.request, first.request], b"receipt").unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(acked(checkpoint, 1, 1), [(0, 100), (200, 300)]);
        assert_eq!(in_flight(checkpoint, 1, 1), [(100, 200)]);
        let progress = checkpoint.progress(delivery(1), FileUid(1), 0);
        let anchors: Vec<_> = [100, 300].map(|end| range(1, 0, end).end_anchor()).into();
        assert_eq!(progress.anchors, anchors);
    });
    let (checkpoint, recovery) = reopen(&disk.after_kill());
    assert_eq!(recovery.files, [file(1)]);
    assert_eq!(recovery.receipts, [(delivery(1), b"receipt".to_vec())]);
    assert_eq!(recovery.last_times, [(delivery(1), 1000)]);
    assert_eq!(recovery.open.len(), 1);
    assert_eq!(recovery.open[0].ticket, second);
    assert_eq!(recovery.open[0].bounds, bounds(1, &[(1, 100, 200)]));
    checkpoint.taken(&[second.request], b"").unwrap();
    assert_eq!(acked(&checkpoint, 1, 1), [(0, 300)]);
}

#[test]
fn deliveries_of_one_file_do_not_touch_each_other() {
    let (disk, checkpoint) = fresh();
    checkpoint.see(&file(1)).unwrap();
    let ticket = checkpoint.bounds(&bounds(1, &[(1, 0, 50)])).unwrap();
    checkpoint.bounds(&bounds(2, &[(1, 0, 70)])).unwrap();
    checkpoint.taken(&[ticket.request], b"").unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(acked(checkpoint, 1, 1), [(0, 50)]);
        assert_eq!(acked(checkpoint, 2, 1), []);
        assert_eq!(in_flight(checkpoint, 2, 1), [(0, 70)]);
    });
}

#[test]
fn the_same_bounds_have_the_same_key_whatever_was_journaled_before() {
    let (_, checkpoint) = fresh();
    let key = checkpoint.bounds(&bounds(1, &[(1, 0, 50)])).unwrap().key;
    checkpoint.bounds(&bounds(1, &[(2, 0, 50), (3, 0, 50)])).unwrap();
    assert_eq!(checkpoint.bounds(&bounds(1, &[(1, 0, 50)])).unwrap().key, key);
    let (_, other) = fresh();
    other.bounds(&bounds(1, &[(4, 0, 1)])).unwrap();
    assert_eq!(other.bounds(&bounds(1, &[(1, 0, 50)])).unwrap().key, key);
    let mut retagged = bounds(1, &[(1, 0, 50)]);
    Arc::make_mut(&mut retagged.ranges[0].tags).0[0].1 = "/other".to_owned();
    let mut later = bounds(1, &[(1, 0, 50)]);
    later.time += 1;
    for different in [retagged, later, bounds(2, &[(1, 0, 50)]), bounds(1, &[(1, 0, 51)])] {
        assert_ne!(other.bounds(&different).unwrap().key, key, "{different:?}");
    }
}

#[test]
fn refused_bytes_count_and_the_rest_is_settled_by_taken() {
    let (disk, checkpoint) = fresh();
    let ticket = checkpoint.bounds(&bounds(1, &[(1, 0, 100), (2, 0, 30)])).unwrap();
    // What lies outside the request is not acknowledged.
    checkpoint.refused(ticket.request, &[span(1, 40, 400), span(3, 0, 9)]).unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(acked(checkpoint, 1, 1), [(40, 100)]);
        assert_eq!(acked(checkpoint, 1, 3), []);
        assert_eq!(in_flight(checkpoint, 1, 1), [(0, 40)]);
    });
    checkpoint.taken(&[ticket.request], b"").unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(acked(checkpoint, 1, 1), [(0, 100)]);
        assert_eq!(acked(checkpoint, 1, 2), [(0, 30)]);
        assert_eq!(in_flight(checkpoint, 1, 1), []);
    });
}

#[test]
fn a_request_refused_bit_by_bit_is_settled_with_the_last_bit() {
    let (disk, checkpoint) = fresh();
    let ticket = checkpoint.bounds(&bounds(1, &[(1, 0, 100), (2, 0, 30)])).unwrap();
    checkpoint.refused(ticket.request, &[span(1, 50, 100)]).unwrap();
    checkpoint.snapshot(1).unwrap();
    let (checkpoint, recovery) = reopen(&disk.after_kill());
    assert_eq!(recovery.open.len(), 1);
    checkpoint.refused(ticket.request, &[span(1, 0, 50)]).unwrap();
    checkpoint.refused(ticket.request, &[span(2, 0, 30)]).unwrap();
    let error = checkpoint.taken(&[ticket.request], b"").unwrap_err();
    assert!(matches!(error, Error::UnknownRequest(id) if id == ticket.request));
}

#[test]
fn refused_bytes_leave_a_proof_of_where_they_end() {
    let (disk, checkpoint) = fresh();
    let ticket = checkpoint.bounds(&bounds(1, &[(1, 0, 100), (2, 0, 30)])).unwrap();
    checkpoint.refused(ticket.request, &[span(1, 0, 100), span(2, 0, 20)]).unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        let anchors = |file| checkpoint.progress(delivery(1), FileUid(file), 0).anchors;
        assert_eq!(anchors(1), [range(1, 0, 100).end_anchor()]);
        assert_eq!(anchors(2), [], "the end of that one is not refused");
    });
}

#[test]
fn a_split_leaves_its_parts_open_and_the_whole_closed() {
    let (disk, checkpoint) = fresh();
    let whole = checkpoint.bounds(&bounds(1, &[(1, 0, 100)])).unwrap();
    let parts = [bounds(1, &[(1, 0, 40)]), bounds(1, &[(1, 40, 100)])];
    let tickets = checkpoint.split(whole.request, &parts).unwrap();
    let next = checkpoint.bounds(&bounds(1, &[(1, 100, 120)])).unwrap();
    assert!(tickets.iter().all(|ticket| ticket.request != next.request), "ids are unique");
    checkpoint.taken(&[tickets[1].request], b"").unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(acked(checkpoint, 1, 1), [(40, 100)]);
        assert_eq!(in_flight(checkpoint, 1, 1), [(0, 40), (100, 120)]);
    });
    let (_, recovery) = reopen(&disk.after_kill());
    let open: Vec<_> = recovery.open.iter().map(|open| open.ticket).collect();
    assert_eq!(open, [tickets[0], next]);
    assert_eq!(recovery.open[0].bounds, parts[0]);
}

#[test]
fn a_closed_request_goes_on_as_survivors_lost_bytes_and_unread_ones() {
    let (disk, checkpoint) = fresh();
    let request = checkpoint.bounds(&bounds(1, &[(1, 0, 100), (2, 0, 30), (3, 0, 9)])).unwrap();
    let survivors = [bounds(1, &[(2, 0, 30)])];
    let tickets =
        checkpoint.close_request(request.request, &survivors, &[span(1, 0, 100)]).unwrap();
    assert_eq!(tickets.len(), 1);
    assert_ne!(tickets[0].key, request.key);
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(acked(checkpoint, 1, 1), [(0, 100)], "lost counts as acknowledged");
        assert_eq!(in_flight(checkpoint, 1, 2), [(0, 30)]);
        assert_eq!((acked(checkpoint, 1, 3), in_flight(checkpoint, 1, 3)), (vec![], vec![]));
    });
    assert!(checkpoint.close_request(tickets[0].request, &[], &[]).unwrap().is_empty());
    assert_eq!(in_flight(&checkpoint, 1, 2), []);
}

#[test]
fn a_spooled_request_is_acknowledged_durable_and_remembered_until_its_segment_is_gone() {
    let (disk, checkpoint) = fresh();
    let first = checkpoint.bounds(&bounds(1, &[(1, 0, 100)])).unwrap();
    let second = checkpoint.bounds(&bounds(1, &[(1, 100, 200)])).unwrap();
    checkpoint.spooled(first.request, 7, 64).unwrap();
    checkpoint.spooled(second.request, 7, 999).unwrap();
    assert_eq!(checkpoint.durable_sequence(), checkpoint.last_sequence());
    let (after, recovery) = open(&disk.after_power_loss(3)).unwrap();
    assert_eq!(acked(&after, 1, 1), [(0, 200)]);
    assert_eq!(recovery.open, []);
    let spooled: Vec<_> =
        recovery.spooled.iter().map(|s| (s.request.ticket, s.segment, s.position)).collect();
    assert_eq!(spooled, [(first, 7, 64), (second, 7, 999)]);

    // Sent from the spool: one as it was, one in two parts.
    checkpoint.taken(&[first.request], b"").unwrap();
    let parts = [bounds(1, &[(1, 100, 150)]), bounds(1, &[(1, 150, 200)])];
    let tickets = checkpoint.split(second.request, &parts).unwrap();
    checkpoint.taken(&[tickets[0].request], b"").unwrap();
    checkpoint.snapshot(1).unwrap();
    let (_, recovery) = reopen(&disk.after_kill());
    assert_eq!(recovery.drained, [(7, 64)]);
    assert_eq!(recovery.spooled.len(), 1, "the other part is still in the frame");
    assert_eq!(recovery.spooled[0].request.bounds, parts[1]);
    assert_eq!(recovery.spooled[0].position, 999);

    checkpoint.taken(&[tickets[1].request], b"").unwrap();
    let (_, recovery) = reopen(&disk.after_kill());
    assert_eq!(recovery.drained, [(7, 64), (7, 999)], "with the last part the frame is done");
    checkpoint.spool_lowest(8).unwrap();
    checkpoint.snapshot(1).unwrap();
    let (checkpoint, recovery) = reopen(&disk.after_kill());
    assert_eq!((recovery.drained, recovery.spool_lowest), (vec![], 8));
    assert_eq!(acked(&checkpoint, 1, 1), [(0, 200)]);
}

#[test]
fn a_place_in_the_spool_that_is_used_again_is_not_done() {
    let (disk, checkpoint) = fresh();
    let first = checkpoint.bounds(&bounds(1, &[(1, 0, 100)])).unwrap();
    checkpoint.spooled(first.request, 1, 32).unwrap();
    checkpoint.taken(&[first.request], b"").unwrap();
    let second = checkpoint.bounds(&bounds(1, &[(1, 100, 200)])).unwrap();
    checkpoint.spooled(second.request, 1, 32).unwrap();
    let (_, recovery) = reopen(&disk.after_kill());
    assert_eq!((recovery.drained, recovery.spooled.len()), (vec![], 1));
}

#[test]
fn baselines_count_as_acknowledged_and_are_complete_once_for_ever() {
    let (disk, checkpoint) = fresh();
    checkpoint.baseline(delivery(1), FileUid(1), 0, 500).unwrap();
    assert!(!checkpoint.is_baseline_complete(delivery(1)));
    checkpoint.baseline_complete(delivery(1)).unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(acked(checkpoint, 1, 1), [(0, 500)]);
        assert!(checkpoint.is_baseline_complete(delivery(1)));
        assert!(!checkpoint.is_baseline_complete(delivery(2)));
    });
}

#[test]
fn where_a_baseline_and_passed_over_bytes_end_is_proven() {
    let (disk, checkpoint) = fresh();
    checkpoint.see(&file(1)).unwrap();
    let proof = |offset| Anchor { offset, hash: offset + 7 };
    checkpoint.proven_baseline(delivery(1), FileUid(1), 0, proof(500)).unwrap();
    checkpoint.passed_over(delivery(1), &[span(1, 500, 501)], proof(501)).unwrap();
    // Bytes that end elsewhere than the proof, and a file that is not known.
    checkpoint.passed_over(delivery(1), &[span(1, 501, 600)], proof(550)).unwrap();
    checkpoint.passed_over(delivery(1), &[span(9, 0, 5)], proof(5)).unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        let progress = checkpoint.progress(delivery(1), FileUid(1), 0);
        assert_eq!(progress.acked.iter().collect::<Vec<_>>(), [(0, 600)]);
        assert_eq!(progress.anchors, [proof(500), proof(501)]);
        assert_eq!(acked(checkpoint, 1, 9), []);
    });
}

#[test]
fn what_is_taken_back_is_acknowledged_by_no_delivery() {
    let (disk, checkpoint) = fresh();
    for to in [1, 2] {
        let ticket = checkpoint.bounds(&bounds(to, &[(1, 0, 100), (1, 100, 300)])).unwrap();
        checkpoint.taken(&[ticket.request], b"").unwrap();
    }
    checkpoint.take_back(FileUid(1), 0, 100).unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(acked(checkpoint, 1, 1), [(0, 100)]);
        assert_eq!(acked(checkpoint, 2, 1), [(0, 100)]);
    });
}

#[test]
fn what_has_not_changed_is_not_journaled_again() {
    let (disk, checkpoint) = fresh();
    checkpoint.see(&file(1)).unwrap();
    let before = checkpoint.last_sequence();
    checkpoint.see(&file(1)).unwrap();
    assert_eq!(checkpoint.last_sequence(), before);
    let moved = FileSeen { real: Path::new("/log/1.log.1").into(), size: 6000, ..file(1) };
    checkpoint.see(&moved).unwrap();
    assert_eq!(checkpoint.last_sequence(), before + 1);
    for _ in 0..2 {
        assert_eq!(reopen(&disk.after_kill()).1.files, std::slice::from_ref(&moved));
        checkpoint.snapshot(1).unwrap();
    }
}

#[test]
fn a_late_ack_of_an_old_generation_does_not_touch_the_new_one() {
    let (disk, checkpoint) = fresh();
    checkpoint.see(&file(1)).unwrap();
    let acks = [(1, 0, 100), (1, 100, 200), (1, 200, 300)];
    let tickets = acks.map(|ack| checkpoint.bounds(&bounds(1, &[ack])).unwrap().request);
    checkpoint.taken(&tickets[..2], b"").unwrap();
    let next = FileSeen { generation: 1, ..file(1) };
    checkpoint.begin_generation(&next, &[(delivery(1), 150)]).unwrap();
    checkpoint.taken(&tickets[2..], b"").unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        let progress = checkpoint.progress(delivery(1), FileUid(1), 1);
        assert_eq!(progress.acked.iter().collect::<Vec<_>>(), [(0, 150)]);
        assert_eq!(progress.anchors, [range(1, 0, 100).end_anchor()], "proved before, and kept");
        assert_eq!(acked(checkpoint, 1, 1), [(0, 300)]);
    });
    assert_eq!(reopen(&disk.after_kill()).1.files, [file(1), next]);
}

#[test]
fn a_late_ack_does_not_bring_back_a_file_that_was_dropped() {
    let (disk, checkpoint) = fresh();
    for generation in 0..3 {
        checkpoint.see(&FileSeen { generation, ..file(1) }).unwrap();
    }
    checkpoint.see(&file(2)).unwrap();
    let ticket = checkpoint.bounds(&bounds(1, &[(1, 0, 100)])).unwrap();
    checkpoint.drop_generation(FileUid(1), 1).unwrap();
    let generations: Vec<u32> =
        reopen(&disk.after_kill()).1.files.iter().map(|seen| seen.generation).collect();
    assert_eq!(generations, [0, 2, 0]);
    checkpoint.drop_file(FileUid(1)).unwrap();
    checkpoint.snapshot(1).unwrap();
    reopen(&disk.after_kill());
    checkpoint.taken(&[ticket.request], b"").unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(acked(checkpoint, 1, 1), []);
    });
    assert_eq!(reopen(&disk.after_kill()).1.files, [file(2)]);
}

#[test]
fn nonsense_is_refused_before_it_is_journaled() {
    let (_, checkpoint) = fresh();
    let before = checkpoint.last_sequence();
    let many: Vec<_> = (0..1025).map(|at| (1, at, at + 1)).collect();
    for nonsense in [bounds(1, &[]), bounds(1, &[(1, 5, 5)]), bounds(1, &many)] {
        assert!(matches!(checkpoint.bounds(&nonsense), Err(Error::Invalid(_))));
    }
    let unknown = RequestId(77);
    let errors = [
        checkpoint.taken(&[unknown], b"").unwrap_err(),
        checkpoint.refused(unknown, &[span(1, 0, 1)]).unwrap_err(),
        checkpoint.spooled(unknown, 1, 1).unwrap_err(),
        checkpoint.split(unknown, &[bounds(1, &[(1, 0, 1)])]).unwrap_err(),
        checkpoint.close_request(unknown, &[], &[]).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::UnknownRequest(RequestId(77))), "{error}");
        assert!(error.to_string().contains("77") && !error.is_transient());
    }
    let open = checkpoint.bounds(&bounds(1, &[(1, 0, 9)])).unwrap();
    assert!(matches!(checkpoint.split(open.request, &[]), Err(Error::Invalid(_))));
    assert_eq!(checkpoint.last_sequence(), before + 2, "tags and bounds");
}

#[test]
fn claimed_keys_stay_when_a_pipeline_is_renamed() {
    let (disk, checkpoint) = fresh();
    let claim = |name: &str, inputs, flushers: &[&str]| PipelineClaim {
        name: name.to_owned(),
        inputs,
        flushers: flushers.iter().map(|name| (*name).to_owned()).collect(),
    };
    let keys = checkpoint.claim(&[claim("a", 1, &["http x", "file y"])]).unwrap();
    assert_eq!(checkpoint.durable_sequence(), checkpoint.last_sequence());
    let to = record::DeliveryKey { pipeline: keys[0].pipeline, flusher: keys[0].flushers[0] };
    checkpoint.baseline(to, FileUid(1), 0, 10).unwrap();
    let (checkpoint, _) = reopen(&disk.after_kill());
    let renamed = checkpoint.claim(&[claim("b", 1, &["file y", "http x"])]).unwrap();
    assert_eq!(renamed[0].pipeline, keys[0].pipeline);
    assert_eq!(renamed[0].flushers, [keys[0].flushers[1], keys[0].flushers[0]]);
}

#[test]
fn a_rewind_sends_again_under_new_ids_unless_the_same_are_asked_for() {
    for same_ids in [false, true] {
        let (disk, checkpoint) = fresh();
        checkpoint.see(&file(1)).unwrap();
        checkpoint.see(&file(2)).unwrap();
        let done = checkpoint.bounds(&bounds(1, &[(1, 0, 100)])).unwrap();
        checkpoint.taken(&[done.request], b"").unwrap();
        let open = checkpoint.bounds(&bounds(1, &[(1, 100, 150), (2, 0, 10)])).unwrap();
        let error = checkpoint.rewind("/log/1.log", 101, same_ids).unwrap_err();
        assert!(matches!(error, Error::BeyondProgress { acked: 100, .. }), "{error}");
        let error = checkpoint.rewind("/log/none.log", 0, same_ids).unwrap_err();
        assert!(matches!(error, Error::NoSuchFile { .. }), "{error}");

        let seen = checkpoint.rewind("/log/1.log", 60, same_ids).unwrap();
        assert_eq!(seen.generation, u32::from(!same_ids));
        assert_eq!(checkpoint.durable_sequence(), checkpoint.last_sequence());
        ways_to_see_it(&disk, &checkpoint, |checkpoint| {
            let progress = checkpoint.progress(delivery(1), FileUid(1), seen.generation);
            assert_eq!(progress.acked.iter().collect::<Vec<_>>(), [(0, 60)]);
            assert!(progress.open.is_empty());
            assert_eq!(in_flight(checkpoint, 1, 2), [(0, 10)]);
        });
        let (_, recovery) = reopen(&disk.after_kill());
        assert_eq!(recovery.files, [seen, file(2)]);
        assert_eq!(recovery.open.len(), 1);
        assert_ne!(recovery.open[0].ticket.key, open.key, "what is left has a new key");
    }
}

#[test]
fn a_rewind_asks_which_file_is_meant() {
    let (_, checkpoint) = fresh();
    checkpoint.see(&file(1)).unwrap();
    let rotated = FileSeen { logical: Path::new("/log/1.log").into(), ..file(2) };
    checkpoint.see(&rotated).unwrap();
    assert_eq!(checkpoint.rewind("/log/1.log", 0, true).unwrap().uid, FileUid(1), "it is there");
    assert_eq!(checkpoint.rewind("/log/2.log", 0, true).unwrap().uid, FileUid(2));
    assert_eq!(checkpoint.rewind(&FileUid(2).to_string(), 0, true).unwrap().uid, FileUid(2));
    checkpoint.see(&FileSeen { real: Path::new("/log/1.log.2").into(), ..file(1) }).unwrap();
    match checkpoint.rewind("/log/1.log", 0, true).unwrap_err() {
        Error::NoSuchFile { candidates, .. } => assert_eq!(candidates.len(), 2),
        other => panic!("{other}"),
    }
}

#[test]
fn odd_names_and_values_come_back_from_the_snapshot() {
    use std::os::unix::ffi::OsStrExt;
    let (disk, checkpoint) = fresh();
    let mut odd = file(1);
    odd.real = Path::new(std::ffi::OsStr::from_bytes(b"/log/\xff\"\\\n\x01.log")).into();
    odd.identity.birth = None;
    odd.size = u64::MAX;
    checkpoint.see(&odd).unwrap();
    let mut tagged = bounds(1, &[(1, 0, u64::MAX)]);
    Arc::make_mut(&mut tagged.ranges[0].tags).0[0].1 = "\u{0}\n\"\u{20ac}],".to_owned();
    tagged.time = i64::MIN;
    checkpoint.bounds(&tagged).unwrap();
    for _ in 0..2 {
        let (_, recovery) = reopen(&disk.after_kill());
        assert_eq!(recovery.files, std::slice::from_ref(&odd));
        assert_eq!(recovery.open[0].bounds, tagged);
        checkpoint.snapshot(1).unwrap();
    }
}

#[test]
fn an_answer_may_name_bytes_of_an_older_generation() {
    let (_, checkpoint) = fresh();
    let ticket = checkpoint.bounds(&bounds(1, &[(1, 0, 100)])).unwrap();
    let other = FileSpan { generation: 1, ..span(1, 0, 100) };
    checkpoint.refused(ticket.request, &[other]).unwrap();
    assert_eq!(acked(&checkpoint, 1, 1), [], "not its generation");
}

#[test]
fn any_span_can_be_unwanted_and_brings_back_no_file() {
    let (disk, checkpoint) = fresh();
    checkpoint.see(&file(1)).unwrap();
    checkpoint.baseline(delivery(1), FileUid(1), 0, 10).unwrap();
    checkpoint.unwanted(delivery(1), &[span(1, 20, 30), span(1, 50, 60), span(9, 0, 5)]).unwrap();
    checkpoint.unwanted(delivery(2), &[span(1, 0, 7)]).unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(acked(checkpoint, 1, 1), [(0, 10), (20, 30), (50, 60)]);
        assert_eq!(acked(checkpoint, 2, 1), [(0, 7)]);
        assert_eq!(acked(checkpoint, 1, 9), []);
    });
    checkpoint.unwanted(delivery(1), &[span(1, 10, 50)]).unwrap();
    assert_eq!(acked(&checkpoint, 1, 1), [(0, 60)]);
}

#[test]
fn what_a_rate_limit_leaves_out_is_acknowledged_and_counted_for_ever() {
    let (disk, checkpoint) = fresh();
    checkpoint.see(&file(1)).unwrap();
    checkpoint.baseline(delivery(1), FileUid(1), 0, 0).unwrap();
    let end = |offset, hash| Anchor { offset, hash };
    checkpoint.rate_limited(delivery(1), &[span(1, 20, 30)], end(30, 7), 2).unwrap();
    checkpoint.rate_limited(delivery(1), &[span(1, 30, 35)], end(35, 8), 1).unwrap();
    // A file that was dropped.
    checkpoint.rate_limited(delivery(2), &[span(9, 0, 4)], end(4, 9), 1).unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(acked(checkpoint, 1, 1), [(20, 35)]);
        assert_eq!(acked(checkpoint, 2, 9), []);
        let of = |number| {
            let RateLimited { bytes, records } = checkpoint.rate_limited_of(delivery(number));
            (bytes, records)
        };
        assert_eq!([of(1), of(2), of(3)], [(15, 3), (4, 1), (0, 0)]);
    });
    let anchors = checkpoint.progress(delivery(1), FileUid(1), 0).anchors;
    assert!(anchors.contains(&end(35, 8)), "it proves the place: {anchors:?}");
}

#[test]
fn a_missed_file_stays_missed_until_it_is_seen_again() {
    let (disk, checkpoint) = fresh();
    checkpoint.see(&file(1)).unwrap();
    assert!(!checkpoint.is_missed(FileUid(1), 0));
    checkpoint.missed(FileUid(1), 0).unwrap();
    checkpoint.missed(FileUid(9), 0).unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert!(checkpoint.is_missed(FileUid(1), 0));
        assert!(!checkpoint.is_missed(FileUid(9), 0));
    });
    checkpoint.see(&file(1)).unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert!(!checkpoint.is_missed(FileUid(1), 0));
    });
}

#[test]
fn since_when_a_file_is_gone_is_known_until_it_is_seen_again() {
    let (disk, checkpoint) = fresh();
    checkpoint.see(&file(1)).unwrap();
    checkpoint.gone(FileUid(1), 0, 1_700_000_000).unwrap();
    checkpoint.gone(FileUid(1), 0, 1_800_000_000).unwrap();
    checkpoint.gone(FileUid(9), 0, 1).unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(checkpoint.gone_at(FileUid(1), 0), Some(1_700_000_000), "the first time counts");
        assert_eq!(checkpoint.gone_at(FileUid(9), 0), None, "it brings back no file");
    });
    checkpoint.see(&file(1)).unwrap();
    ways_to_see_it(&disk, &checkpoint, |checkpoint| {
        assert_eq!(checkpoint.gone_at(FileUid(1), 0), None);
    });
}
