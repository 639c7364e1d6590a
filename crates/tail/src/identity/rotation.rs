//! What became of the generations of one family: the known ones against the files found now. A
//! pure decision, the same at a start and while running:
//! 1. A file with a known inode number is judged (`judge.rs`): it, or it rewritten.
//! 2. A generation whose own file holds it no more may live on in a copy: copytruncate, an editor
//!    that writes a new file. It moves there, and only what was not read is read.
//! 3. A file that holds what another one holds, and the other one is read, is a copy: not read.
//! 4. All others are new.
//!
//! A short copy (under the length that proves something) is believed only where its original is
//! seen to be rewritten; until that can have happened it waits. A compressed one is believed as
//! well where its original is gone: compressing removes it, so that it has to be somewhere.

use std::collections::HashSet;
use std::path::Path;

use record::{HEAD_LEN_MIN, Identity};

use crate::identity::bytes::same_bytes;
use crate::identity::copies::by_copy;
use crate::identity::found::{Alive, Decision, Member};
use crate::identity::judge::{Judgement, Known, judge};
use crate::identity::order::order_of;

/// Decides for each member, in the order given (oldest first).
pub(crate) fn decide(
    knowns: &[Known],
    members: &[Member],
    alive: &[Alive],
    logical: &Path,
) -> Vec<Decision> {
    let mut decisions = vec![Decision::New; members.len()];
    by_inode(knowns, members, logical, &mut decisions);
    by_copy(knowns, members, alive, &mut decisions);
    let is_read = |(member, decision): &(&Member, &Decision)| match decision {
        Decision::Same(_) | Decision::Next { .. } | Decision::Home(_) => true,
        // The file that is written to is the original, whatever became of what was known.
        Decision::New => member.base,
        _ => false,
    };
    let read = members.iter().zip(&decisions).filter(is_read);
    let read = read.map(|(member, _)| member.alive());
    let mut alive: Vec<Alive> = alive.iter().copied().chain(read).collect();
    let found = decisions.clone();
    // What bears the name of a rotation is the original of what is only named after the log.
    for named_after in [false, true] {
        let mut new = Vec::new();
        for (member, decision) in members.iter().zip(&mut decisions) {
            if *decision != Decision::New || member.size == 0 || member.named_after != named_after {
                continue;
            }
            *decision = match holds_what_was_read(member, knowns, &found) {
                true => Decision::Copy,
                false => copy_of_living(member, &alive),
            };
            match named_after {
                _ if *decision != Decision::New || member.base || !member.wanted => {}
                true => alive.push(member.alive()),
                false => new.push(member.alive()),
            }
        }
        alive.extend(new);
    }
    decisions
}

/// Whether a file provably holds just what was read of a generation that is in another file: that
/// may be a compressed one, of which not all bytes are at hand.
fn holds_what_was_read(member: &Member, knowns: &[Known], decisions: &[Decision]) -> bool {
    let is_placed =
        |k: usize| decisions.contains(&Decision::Same(k)) || decisions.contains(&Decision::Home(k));
    let mut knowns = knowns.iter().enumerate();
    !member.base
        && knowns.any(|(k, known)| {
            is_placed(k)
                && member.size == known.reached()
                && known.is_continued_in(member.size, member.bytes)
        })
}

fn by_inode(knowns: &[Known], members: &[Member], logical: &Path, decisions: &mut [Decision]) {
    // The youngest generation of a file is the one that its inode holds.
    let generation = |k: usize| knowns[k].seen.generation;
    let order = order_of(knowns.len(), &mut |a, b| generation(a) > generation(b));
    let mut taken: HashSet<usize> = members.iter().filter_map(|member| member.sure).collect();
    for (member, decision) in members.iter().zip(decisions.iter_mut()) {
        *decision = member.sure.map_or(Decision::New, Decision::Same);
    }
    // A place on another device counts only when the file is not in its own.
    for same_dev in [true, false] {
        for (member, decision) in members.iter().zip(decisions.iter_mut()) {
            let Identity { dev, inode, .. } = member.identity;
            let fits = |&k: &usize| {
                let old = &knowns[k].seen.identity;
                old.inode == inode && (old.dev == dev) == same_dev && !taken.contains(&k)
            };
            let candidates: Vec<usize> = order.iter().copied().filter(fits).collect();
            for k in candidates.into_iter().filter(|_| *decision == Decision::New) {
                *decision = match judge(&knowns[k], &member.identity, logical, member.bytes) {
                    Judgement::Same => Decision::Same(k),
                    Judgement::Rewritten => Decision::Next { known: k, resume: None },
                    Judgement::LostTail(at) => Decision::Next { known: k, resume: Some(at) },
                    Judgement::Different => continue,
                };
                taken.insert(k);
                break;
            }
        }
    }
}

fn copy_of_living(member: &Member, alive: &[Alive]) -> Decision {
    let holds_all = |alive: &Alive| {
        // Of what was rotated away a part may be copied as well, if that is enough to be one.
        let is_part = alive.base || member.size >= u64::from(HEAD_LEN_MIN);
        let fits = if is_part { member.size <= alive.size } else { member.size == alive.size };
        fits && same_bytes(member.bytes, alive.bytes, member.size)
    };
    if member.base || !alive.iter().filter(|alive| !alive.unlinked).any(holds_all) {
        return Decision::New;
    }
    copy_of_len(member.size)
}

/// What a file is that holds so many bytes, all of which another one holds.
pub(crate) fn copy_of_len(len: u64) -> Decision {
    if len >= u64::from(HEAD_LEN_MIN) { Decision::Copy } else { Decision::PerhapsCopy }
}

#[cfg(test)]
mod tests;
