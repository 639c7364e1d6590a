//! Files that go away before every delivery has all of them: what of them was not sent is counted,
//! told once, and remembered over a restart, so that it is not told again. What a request holds
//! that has no answer yet is not counted here: should that not go out, its resend tells it.
//! A kill between telling and journaling tells it twice; nothing here moves progress but over
//! bytes that are nowhere any more.
//! Not here: which files went away (the tail), counters (`loss.rs`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use checkpoint::FileSpan;
use record::{FileSeen, FileUid};
use tail::{Cut, CutCause};

use crate::delivery::Delivery;
use crate::lane::{Shared, Stop};
use crate::loss::Loss;

/// A file that is followed no more may turn up again under another name: two full searches.
const TURNS_UP_WITHIN: Duration = Duration::from_secs(90);

/// A generation ended: truncated, or cut by a crash of the system.
pub fn cut(shared: &Shared, deliveries: &[Arc<Delivery>], cut: &Cut) -> Result<(), Stop> {
    let (old, path) = (&cut.old, cut.old.real.display());
    if let CutCause::SourceLostTail(bytes) = cut.cause {
        for delivery in deliveries.iter().filter(|delivery| follows(shared, delivery, old)) {
            delivery.account.lose(Loss::SourceLostTail, old.uid, bytes);
        }
        log::warn!("{path}: the system lost {bytes} bytes of it that had been collected");
    }
    let lost = count(shared, deliveries, old, cut.kept, Loss::Truncated)?;
    if lost.bytes > 0 {
        let bytes = lost.bytes;
        log::warn!(
            "{path}: truncated with {bytes} bytes unread; no copy holds them, they are lost"
        );
    }
    if cut.kept > 0 { Ok(()) } else { remember(shared, old, lost) }
}

/// A saved generation was found nowhere at the start.
pub fn missing(shared: &Shared, deliveries: &[Arc<Delivery>], seen: &FileSeen) -> Result<(), Stop> {
    let is_replaced = seen.logical.symlink_metadata().is_ok();
    let (loss, how) = match is_replaced {
        true => (Loss::RotatedAway, "rotated away"),
        false => (Loss::Vanished, "gone"),
    };
    let lost = count(shared, deliveries, seen, 0, loss)?;
    if lost.bytes > 0 {
        let (path, bytes) = (seen.real.display(), lost.bytes);
        log::warn!("{path}: {how} while the agent was down, with {bytes} bytes unread: lost");
    }
    remember(shared, seen, lost)
}

/// Files that are followed no more, each until it is clear that it is nowhere.
#[derive(Default)]
pub struct Closings(Vec<(Instant, FileSeen)>);

impl Closings {
    /// It is followed no more.
    pub fn add(&mut self, seen: FileSeen, now: Instant) {
        self.0.push((now, seen));
    }

    /// It is followed again.
    pub fn remove(&mut self, uid: FileUid, generation: u32) {
        self.0.retain(|(_, seen)| (seen.uid, seen.generation) != (uid, generation));
    }

    /// Counts what did not turn up again.
    pub fn settle(
        &mut self,
        shared: &Shared,
        deliveries: &[Arc<Delivery>],
        now: Instant,
    ) -> Result<(), Stop> {
        let is_due = |(since, _): &mut (Instant, FileSeen)| {
            now.saturating_duration_since(*since) >= TURNS_UP_WITHIN
        };
        for (_, seen) in self.0.extract_if(.., is_due).collect::<Vec<_>>() {
            let lost = count(shared, deliveries, &seen, 0, Loss::Vanished)?;
            if lost.bytes > 0 {
                log::warn!("{}: gone with {} bytes unread: lost", seen.real.display(), lost.bytes);
            }
            remember(shared, &seen, lost)?;
        }
        Ok(())
    }
}

/// Whether a delivery reads a generation.
fn follows(shared: &Shared, delivery: &Delivery, seen: &FileSeen) -> bool {
    shared.checkpoint.is_followed(delivery.terms.key, seen.uid, seen.generation)
}

/// What is lost of a generation.
#[derive(Clone, Copy, Default)]
struct Lost {
    /// No request holds them; of several deliveries the most.
    bytes: u64,
    /// Whether requests hold some of it that have no answer.
    is_unanswered: bool,
}

/// Counts, for each delivery that follows it, what it had not yet sent of a generation from `kept`
/// on.
fn count(
    shared: &Shared,
    deliveries: &[Arc<Delivery>],
    old: &FileSeen,
    kept: u64,
    loss: Loss,
) -> Result<Lost, Stop> {
    let (file, generation) = (old.uid, old.generation);
    if shared.checkpoint.is_missed(file, generation) {
        return Ok(Lost::default()); // It was counted before.
    }
    let mut lost = Lost::default();
    for delivery in deliveries.iter().filter(|delivery| follows(shared, delivery, old)) {
        let key = delivery.terms.key;
        let progress = shared.checkpoint.progress(key, file, generation);
        lost.is_unanswered |= !progress.open.is_empty();
        let mut claimed = progress.acked;
        claimed.merge(&progress.open);
        let gaps = claimed.gaps(kept, old.size);
        let bytes: u64 = gaps.iter().map(|(start, end)| end - start).sum();
        if bytes == 0 {
            continue;
        }
        delivery.account.lose(loss, file, bytes);
        lost.bytes = lost.bytes.max(bytes);
        if kept > 0 {
            // The rest of it lives on in a copy, which ends here.
            let span = |(start, end)| FileSpan { file, generation, start, end };
            let spans: Vec<_> = gaps.into_iter().map(span).collect();
            shared.persist(delivery, |checkpoint| checkpoint.unwanted(key, &spans))?;
        }
    }
    Ok(lost)
}

/// Journals that the generation is counted.
fn remember(shared: &Shared, seen: &FileSeen, lost: Lost) -> Result<(), Stop> {
    if lost.bytes == 0 && !lost.is_unanswered {
        return Ok(());
    }
    shared.persist_alone(|checkpoint| checkpoint.missed(seen.uid, seen.generation))
}
