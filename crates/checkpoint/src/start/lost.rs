//! Whether the journal behind a snapshot was lost: a pure decision over what was found.
//! A running agent always has a segment for its next record, durable before the snapshot that
//! counts on it. Only the last snapshot of a stop, which says so, needs no journal. So a segment
//! that should be there and is not, or of which nothing can be read, took answers along: what was
//! delivered since the snapshot is unknown, and that is never decided in silence.
//! A loss of power may take what was not synced, also the whole of a new segment: what can be
//! that counts as such, unless the system was not started anew since.
//! Not here: what is done about it (`recover.rs`).

use crate::snapshot::write::{About, Mark};
use crate::start::replay::{Segment, Worth};

/// Why the journal counts as lost, as a sentence; `None` where it does not. `is_newest`: the
/// snapshot is the last one that was written.
pub(crate) fn lost_journal(
    about: &About,
    is_newest: bool,
    same_boot: bool,
    segments: &[Segment],
) -> Option<String> {
    let About { sequence, mark, .. } = about;
    if *mark == Mark::Stopped && is_newest {
        return None;
    }
    if let Some(newest) = segments.last().filter(|newest| is_uncertain(newest, same_boot)) {
        let path = newest.path.display();
        return Some(format!("what {path}, the newest part of the journal, held is unknown"));
    }
    let reaches = |segment: &Segment| segment.is_proven && segment.last >= *sequence;
    if *mark == Mark::Absent || segments.iter().any(reaches) {
        return None;
    }
    Some(format!(
        "the journal behind record {sequence}, the last one in the snapshot, is missing although \
         the agent was not stopped"
    ))
}

/// Whether records of a segment may have been lost, nobody knows how many.
fn is_uncertain(segment: &Segment, same_boot: bool) -> bool {
    let is_bad = matches!(segment.worth, Worth::Blank | Worth::Damaged(_));
    let is_whole_in_doubt = segment.records == 0 || segment.is_power_loss;
    is_bad && is_whole_in_doubt && (same_boot || !segment.is_power_loss)
}

#[cfg(test)]
mod tests {
    use record::NodeId;

    use super::*;
    use crate::journal::frame::Stamp;

    fn segment(last: u64, records: u64, worth: Worth) -> Segment {
        let is_proven = matches!(worth, Worth::Whole | Worth::Torn);
        let is_power_loss = worth == Worth::Blank;
        let path = "/s/journal".into();
        Segment { path, last, records, good_end: 64, worth, is_proven, is_power_loss }
    }

    fn damaged(records: u64, is_power_loss: bool) -> Segment {
        let worth = Worth::Damaged(String::new());
        Segment { is_power_loss, ..segment(10 + records, records, worth) }
    }

    #[test]
    fn a_journal_is_lost_where_it_should_be_and_nothing_of_it_can_be_read() {
        use Mark::{Absent, Running, Stopped};
        let none = || vec![];
        let ready = || vec![segment(10, 0, Worth::Whole)];
        let before = || segment(9, 5, Worth::Whole);
        let reaching = || segment(10, 5, Worth::Torn);
        let blank = || vec![reaching(), segment(10, 0, Worth::Blank)];
        let garbage = || vec![reaching(), damaged(0, true)];
        let link = || vec![reaching(), damaged(0, false)];
        let short = || vec![reaching(), damaged(3, true)];
        let flipped = || vec![reaching(), damaged(3, false)];
        let alien = || vec![segment(99, 0, Worth::Alien)];
        // What was found, the newest snapshot's mark, whether it was used, same boot: lost?
        type Row = (&'static str, Vec<Segment>, Mark, bool, bool, bool);
        let table: Vec<Row> = vec![
            ("a stop needs none", none(), Stopped, true, true, false),
            ("a stop needs none, whatever is there", link(), Stopped, true, true, false),
            ("none behind a running agent", none(), Running, true, true, true),
            ("none, also after a loss of power", none(), Running, true, false, true),
            ("none, but an old version wrote it", none(), Absent, true, true, false),
            ("none behind the snapshot before the last", none(), Stopped, false, true, true),
            ("one for the next record", ready(), Running, true, true, false),
            ("it ends before the snapshot", vec![before()], Running, true, true, true),
            ("it ends with the snapshot", vec![reaching()], Running, true, true, false),
            ("another node's", alien(), Running, true, true, true),
            ("emptied", blank(), Running, true, true, true),
            ("empty after a loss of power", blank(), Running, true, false, false),
            ("garbage", garbage(), Running, true, true, true),
            ("garbage of a loss of power", garbage(), Running, true, false, false),
            ("garbage that an old version's was", garbage(), Absent, true, true, true),
            ("a link", link(), Running, true, false, true),
            ("cut short", short(), Running, true, true, true),
            ("cut short by a loss of power", short(), Running, true, false, false),
            ("bad places between good ones", flipped(), Running, true, true, false),
        ];
        for (what, segments, mark, is_newest, same_boot, lost) in table {
            let stamp = Stamp { node: NodeId(1), epoch: 1 };
            let about = About { stamp, sequence: 10, boot_id: String::new(), mark };
            let found = lost_journal(&about, is_newest, same_boot, &segments);
            assert_eq!(found.is_some(), lost, "{what}: {found:?}");
        }
    }
}
