//! Files that go away before every delivery has all of them: what of them was not sent is counted,
//! told once, and remembered over a restart, so that it is not told again. What a request holds
//! that has no answer yet is not counted here: should that not go out, its resend tells it.
//! A kill between telling and journaling tells it twice; nothing here moves progress but over
//! bytes that are nowhere any more.
//! Not here: which files went away (the tail), counters (`counters.rs`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use checkpoint::FileSpan;
use record::{FileSeen, FileUid};
use tail::{Cut, CutCause};

use delivery::Counter;
use delivery::Delivery;
use delivery::LossReason;
use delivery::{Stop, Stores};

/// A file that is followed no more may turn up again under another name: two full searches.
const TURNS_UP_WITHIN: Duration = Duration::from_secs(90);
const NANOS: i64 = 1_000_000_000;

/// A generation ended: truncated, or cut by a crash of the system.
pub fn cut(stores: &Stores, deliveries: &[Arc<Delivery>], cut: &Cut) -> Result<(), Stop> {
    let (old, path) = (&cut.old, cut.old.real.display());
    if let CutCause::SourceLostTail(bytes) = cut.cause {
        for delivery in deliveries.iter().filter(|delivery| follows(stores, delivery, old)) {
            delivery.meter.counters.lose(LossReason::SourceLostTail, old.uid, bytes);
        }
        log::warn!("{path}: the system lost {bytes} bytes of it that had been collected");
    }
    let lost = count(stores, deliveries, old, cut.kept, LossReason::Truncated)?;
    let (inode, size, kept) = (old.identity.inode, old.size, cut.kept);
    if matches!(cut.cause, CutCause::SourceLostTail(_)) {
        if lost.bytes > 0 {
            log::warn!("{path}: and {} bytes that had not been collected", lost.bytes);
        }
        // The rest is read as the next generation: nothing looks for this one any more.
        return stores.persist_alone(|checkpoint| checkpoint.missed(old.uid, old.generation));
    }
    match (lost.bytes, kept) {
        (0, 0) => log::debug!("{path} (inode {inode}): truncated; its {size} bytes are collected"),
        (0, _) => log::debug!(
            "{path} (inode {inode}): truncated; a copy of {kept} bytes holds what is not collected"
        ),
        (bytes, _) => log::warn!(
            "{path}: truncated with {bytes} bytes unread; no copy holds them, they are lost (inode \
             {inode}, last known size {size} bytes)"
        ),
    }
    if cut.kept > 0 { Ok(()) } else { remember(stores, old, lost) }
}

/// A saved generation was found nowhere at the start.
pub fn missing(stores: &Stores, deliveries: &[Arc<Delivery>], seen: &FileSeen) -> Result<(), Stop> {
    let is_replaced = seen.logical.symlink_metadata().is_ok();
    let (loss, when) = match is_replaced {
        true => (LossReason::RotatedAway, When::RotatedWhileDown),
        false => (LossReason::Vanished, When::GoneWhileDown),
    };
    let is_reported = stores.checkpoint.is_missed(seen.uid, seen.generation);
    let mut readers =
        deliveries.iter().filter(|delivery| follows(stores, delivery, seen)).peekable();
    let is_read = readers.peek().is_some();
    let lost = count(stores, deliveries, seen, 0, loss)?;
    let fate = Fate::of(is_reported, is_read, lost, when, seen);
    if matches!(fate, Fate::Suspected | Fate::Finished) {
        readers.for_each(|delivery| delivery.meter.counters.add(Counter::MissingFiles, 1));
    }
    fate.tell(when, seen);
    gone(stores, seen)?;
    remember(stores, seen, lost)
}

/// Remembers since when a file is followed no more: for so long a copy of it can have turned up.
pub fn gone(stores: &Stores, seen: &FileSeen) -> Result<(), Stop> {
    let now = stores.clock.now().unix_nanos / NANOS;
    stores.persist_alone(|checkpoint| checkpoint.gone(seen.uid, seen.generation, now))
}

/// When a generation was found to be nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Another file has its name by now.
    RotatedWhileDown,
    GoneWhileDown,
    Running,
}

/// What is known of the bytes of a generation that is nowhere. Each case has a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was reported before, by this agent or the one before it.
    Reported,
    /// No delivery reads it any more.
    Unread,
    /// So many bytes of it were not sent.
    Lost(u64),
    /// What was not acknowledged is in requests without an answer, whose resend tells.
    Unanswered,
    /// All that was known of it was collected; what was written to it after that is lost.
    Suspected,
    /// All of it was collected, and nothing wrote to it any more.
    Finished,
}

impl Fate {
    fn of(is_reported: bool, is_read: bool, lost: Lost, when: When, seen: &FileSeen) -> Self {
        // What was rotated before is deleted in the end, and nothing writes to it any more.
        let is_active = seen.real.file_name() == seen.logical.file_name();
        match lost {
            _ if is_reported => Self::Reported,
            _ if !is_read => Self::Unread,
            Lost { bytes: 0, is_unanswered: true } => Self::Unanswered,
            Lost { bytes: 0, .. } if is_active && when != When::Running => Self::Suspected,
            Lost { bytes: 0, .. } => Self::Finished,
            Lost { bytes, .. } => Self::Lost(bytes),
        }
    }

    fn tell(self, when: When, seen: &FileSeen) {
        let (level, line) = self.line(when, seen);
        log::log!(level, "{line}");
    }

    /// What is said of it, and how loud.
    fn line(self, when: When, seen: &FileSeen) -> (log::Level, String) {
        let how = match when {
            When::RotatedWhileDown => "rotated away while the agent was down",
            When::GoneWhileDown => "gone while the agent was down",
            When::Running => "gone",
        };
        let (level, what) = match self {
            Self::Reported => (log::Level::Debug, "; as was reported before".to_owned()),
            Self::Unread => (log::Level::Info, "; no pipeline reads it any more".to_owned()),
            Self::Lost(bytes) => (log::Level::Warn, format!(", with {bytes} bytes unread: lost")),
            Self::Unanswered => (
                log::Level::Info,
                "; what is not acknowledged is in requests without an answer, which are sent again \
                 as far as that can be"
                    .to_owned(),
            ),
            Self::Suspected => (
                log::Level::Warn,
                "; it was collected up to that size, and lines written after that are lost".to_owned(),
            ),
            Self::Finished if when == When::Running => {
                (log::Level::Debug, "; all of it is collected".to_owned())
            }
            Self::Finished => (log::Level::Info, "; all of it is collected".to_owned()),
        };
        let (path, inode, size) = (seen.real.display(), seen.identity.inode, seen.size);
        (level, format!("{path}: {how}{what} (inode {inode}, last known size {size} bytes)"))
    }
}

/// Files that are followed no more, each until it is clear that it is nowhere.
#[derive(Default)]
pub struct Vanished(Vec<(Instant, FileSeen)>);

impl Vanished {
    /// It is followed no more.
    pub fn add(&mut self, seen: FileSeen, now: Instant) {
        self.0.push((now, seen));
    }

    /// It is followed again.
    pub fn remove(&mut self, uid: FileUid, generation: u32) {
        self.0.retain(|(_, seen)| (seen.uid, seen.generation) != (uid, generation));
    }

    /// Counts what did not turn up again, though every place where it may be was looked at.
    pub fn count_due(
        &mut self,
        stores: &Stores,
        deliveries: &[Arc<Delivery>],
        now: Instant,
        may_be_unseen: impl Fn(&FileSeen) -> bool,
    ) -> Result<(), Stop> {
        // A look that failed proves nothing: it is repeated first.
        let is_due = |(since, seen): &mut (Instant, FileSeen)| {
            now.saturating_duration_since(*since) >= TURNS_UP_WITHIN && !may_be_unseen(seen)
        };
        for (_, seen) in self.0.extract_if(.., is_due).collect::<Vec<_>>() {
            let is_reported = stores.checkpoint.is_missed(seen.uid, seen.generation);
            let is_read = deliveries.iter().any(|delivery| follows(stores, delivery, &seen));
            let lost = count(stores, deliveries, &seen, 0, LossReason::Vanished)?;
            let when = When::Running;
            Fate::of(is_reported, is_read, lost, when, &seen).tell(when, &seen);
            remember(stores, &seen, lost)?;
        }
        Ok(())
    }
}

/// Whether a delivery reads a generation.
fn follows(stores: &Stores, delivery: &Delivery, seen: &FileSeen) -> bool {
    stores.checkpoint.is_followed(delivery.config.key, seen.uid, seen.generation)
}

/// What is lost of a generation.
#[derive(Clone, Copy, Debug, Default)]
struct Lost {
    /// No request holds them; of several deliveries the most.
    bytes: u64,
    /// Whether requests hold some of it that have no answer.
    is_unanswered: bool,
}

/// Counts, for each delivery that follows it, what it had not yet sent of a generation from `kept`
/// on.
fn count(
    stores: &Stores,
    deliveries: &[Arc<Delivery>],
    old: &FileSeen,
    kept: u64,
    loss: LossReason,
) -> Result<Lost, Stop> {
    let (file, generation) = (old.uid, old.generation);
    if stores.checkpoint.is_missed(file, generation) {
        return Ok(Lost::default()); // It was counted before.
    }
    let mut lost = Lost::default();
    for delivery in deliveries.iter().filter(|delivery| follows(stores, delivery, old)) {
        let key = delivery.config.key;
        let progress = stores.checkpoint.progress(key, file, generation);
        lost.is_unanswered |= !progress.open.is_empty();
        let mut claimed = progress.acked;
        claimed.merge(&progress.open);
        let gaps = claimed.gaps(kept, old.size);
        let bytes: u64 = gaps.iter().map(|(start, end)| end - start).sum();
        if bytes == 0 {
            continue;
        }
        delivery.meter.counters.lose(loss, file, bytes);
        lost.bytes = lost.bytes.max(bytes);
        if kept > 0 {
            // The rest of it lives on in a copy, which ends here.
            let span = |(start, end)| FileSpan { file, generation, start, end };
            let spans: Vec<_> = gaps.into_iter().map(span).collect();
            stores.persist(&delivery.meter, |checkpoint| checkpoint.unwanted(key, &spans))?;
        }
    }
    Ok(lost)
}

/// Journals that the generation is counted.
fn remember(stores: &Stores, seen: &FileSeen, lost: Lost) -> Result<(), Stop> {
    if lost.bytes == 0 && !lost.is_unanswered {
        return Ok(());
    }
    stores.persist_alone(|checkpoint| checkpoint.missed(seen.uid, seen.generation))
}

#[cfg(test)]
mod tests {
    use record::{Head, Identity, Signature};

    use std::path::Path;

    use super::*;

    const WHENS: [When; 3] = [When::RotatedWhileDown, When::GoneWhileDown, When::Running];

    fn seen(real: &str) -> FileSeen {
        FileSeen {
            uid: FileUid(1),
            generation: 0,
            identity: Identity { dev: 1, inode: 4711, birth: None },
            head: Head::default(),
            signature: Signature::default(),
            logical: Path::new("/d/app.log").into(),
            real: Path::new(real).into(),
            size: 815,
        }
    }

    #[test]
    fn no_file_that_is_not_found_goes_without_a_line_by_table() {
        use log::Level::{Debug, Info, Warn};
        let lost = |bytes, is_unanswered| Lost { bytes, is_unanswered };
        let mut cases = 0;
        for when in WHENS {
            for is_active in [true, false] {
                for (is_reported, is_read) in
                    [(true, true), (true, false), (false, true), (false, false)]
                {
                    for lost in [lost(0, false), lost(0, true), lost(7, false), lost(7, true)] {
                        let seen = seen(if is_active { "/d/app.log" } else { "/d/app.log.1" });
                        let fate = Fate::of(is_reported, is_read, lost, when, &seen);
                        let (level, line) = fate.line(when, &seen);
                        let expected = match (is_reported, is_read, lost.bytes, lost.is_unanswered)
                        {
                            (true, ..) => (Fate::Reported, Debug),
                            (_, false, ..) => (Fate::Unread, Info),
                            (_, _, 7, _) => (Fate::Lost(7), Warn),
                            (_, _, _, true) => (Fate::Unanswered, Info),
                            _ if when == When::Running => (Fate::Finished, Debug),
                            _ if is_active => (Fate::Suspected, Warn),
                            _ => (Fate::Finished, Info),
                        };
                        assert_eq!((fate, level), expected, "{when:?} {is_active} {lost:?}");
                        let name = seen.real.to_string_lossy();
                        for part in [&*name, "inode 4711", "815 bytes"] {
                            assert!(line.contains(part), "{part} is not in: {line}");
                        }
                        cases += 1;
                    }
                }
            }
        }
        assert_eq!(cases, 96);
    }
}
