//! Generations whose own file holds them no more, and those whose file has another name by now: in
//! which of the files found do they go on. Pure decisions, a part of `rotation.rs`.

use record::HEAD_LEN_MIN;

use crate::identity::bytes::{repeats_one_line, same_bytes};
use crate::identity::found::{Alive, Decision, Member};
use crate::identity::judge::Known;
use crate::identity::order::order_of;

/// Generations that live on in copies, or in what took the place of their file.
pub(crate) fn by_copy(
    knowns: &[Known],
    members: &[Member],
    alive: &[Alive],
    decisions: &mut [Decision],
) {
    // The more was read of one, the less can be mistaken for it.
    let read = |k: usize| (knowns[k].reached(), knowns[k].seen.size);
    let order = order_of(knowns.len(), &mut |a, b| read(a) > read(b));
    for (k, known) in order.into_iter().map(|k| (k, &knowns[k])) {
        let same = decisions.iter().position(|decision| *decision == Decision::Same(k));
        let generation = Some((known.seen.uid, known.seen.generation));
        let there = alive.iter().find(|alive| alive.generation == generation);
        if same.is_some() || known.is_elsewhere {
            by_replacement((k, known), same, members, there, decisions);
            continue;
        }
        let is_next =
            |decision: &Decision| matches!(decision, Decision::Next { known, .. } if *known == k);
        let rewritten = decisions.iter().position(is_next);
        let holds = |&m: &usize| {
            let member = &members[m];
            let is_proof = match member.base || known.is_kin {
                true => {
                    rewritten.is_none()
                        && (known.is_continued_in(member.size, member.bytes)
                            || there.is_some_and(|there| holds_all(member, there)))
                }
                // Its original is gone, and somewhere it has to be.
                false if member.compressed => true,
                false => rewritten.is_some() || known.has_long_head(),
            };
            // Without a name its bytes are there all the same.
            let lives = known.lives_in(member.size, member.bytes)
                || ((member.base || known.is_kin)
                    && there.is_some_and(|there| holds_all(member, there)));
            decisions[m] == Decision::New && is_proof && lives
        };
        let mut copies = (0..members.len()).filter(holds);
        let copy = match known.has_long_head() || rewritten.is_some() {
            // Of two that hold the same the log goes on, which is written to.
            true => copies.max_by_key(|&m| (members[m].size, members[m].is_log)),
            // What was known is older than what came since.
            false => copies.next(),
        };
        if let Some(m) = copy {
            decisions[m] = Decision::Home(k);
            // What the crash seemed to have cut off is in the copy: it was copied and rewritten.
            if let Some(m) = rewritten {
                decisions[m] = Decision::Next { known: k, resume: None };
            }
        }
    }
}

/// A new file under the log's own name that holds what is known and has another name by now: an
/// editor made a copy and moved the original out of its way, or the other way round. It goes on
/// in the file that is written to.
fn by_replacement(
    (k, known): (usize, &Known),
    same: Option<usize>,
    members: &[Member],
    there: Option<&Alive>,
    decisions: &mut [Decision],
) {
    let original = match (same, there) {
        (Some(same), _) if members[same].is_log || members[same].compressed => return,
        (Some(same), _) => members[same].alive(),
        (None, Some(there)) => *there,
        (None, None) => return,
    };
    let holds = |m: &usize| {
        let member = &members[*m];
        let is_new = decisions[*m] == Decision::New && member.is_log && !member.compressed;
        let holds_read = known.reached() >= original.size
            && member.size >= original.size
            && known.is_continued_in(member.size, member.bytes);
        is_new && (holds_read || holds_all(member, &original))
    };
    if let Some(m) = (0..members.len()).find(holds) {
        decisions[m] = Decision::Home(k);
        if let Some(same) = same {
            decisions[same] = Decision::Copy;
        }
    }
}

/// Whether a file begins with all that another one holds, and that is enough to be no chance.
fn holds_all(member: &Member, original: &Alive) -> bool {
    let len = original.size;
    len >= u64::from(HEAD_LEN_MIN)
        && member.size >= len
        && same_bytes(member.bytes, original.bytes, len)
        && !repeats_one_line(member.bytes, len)
}
