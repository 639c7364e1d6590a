//! What became of the generations of one family: the known ones against the files found now. A
//! pure decision, the same at a start and while running:
//! 1. A file with a known inode number is judged (`identity.rs`): it, or it rewritten.
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

use crate::bytes::{Bytes, same_bytes};
use crate::identity::{Judgement, Known, judge};

/// A file of the family that was found and is not followed yet (or no longer trusted).
pub(crate) struct Member<'a> {
    pub(crate) identity: Identity,
    pub(crate) size: u64,
    /// Whether it bears the family's own name.
    pub(crate) base: bool,
    /// Whether it is compressed, `size` and `bytes` being those of what it holds.
    pub(crate) packed: bool,
    /// The known generation that it is, where nothing is to be decided.
    pub(crate) sure: Option<usize>,
    pub(crate) bytes: &'a dyn Bytes,
}

/// A file of the family whose generation is read where it is.
#[derive(Clone, Copy)]
pub(crate) struct Alive<'a> {
    pub(crate) size: u64,
    pub(crate) base: bool,
    pub(crate) bytes: &'a dyn Bytes,
}

/// What a found file is. Numbers are indices of the known generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// That generation, where it was or renamed.
    Same(usize),
    /// The file of that generation, holding the next one. `resume` is where the old one was cut
    /// by a crash of the system; `None`: rewritten, from 0.
    Next { known: usize, resume: Option<u64> },
    /// A copy in which that generation lives on.
    Home(usize),
    /// A copy of a file that is read.
    Copy,
    /// Perhaps a copy of a file that is read, too short to tell.
    PerhapsCopy,
    /// Nothing that was known.
    New,
}

/// Decides for each member, in the order given (oldest first).
pub(crate) fn decide(
    knowns: &[Known],
    members: &[Member],
    alive: &[Alive],
    logical: &Path,
) -> Vec<Fate> {
    let mut fates = vec![Fate::New; members.len()];
    by_inode(knowns, members, logical, &mut fates);
    by_copy(knowns, members, &mut fates);
    let is_read = |(member, fate): &(&Member, &Fate)| match fate {
        Fate::Same(_) | Fate::Next { .. } => true,
        // The file that is written to is the original, whatever became of what was known.
        Fate::New => member.base,
        _ => false,
    };
    let read = members.iter().zip(&fates).filter(is_read);
    let read = read.map(|(m, _)| Alive { size: m.size, base: m.base, bytes: m.bytes });
    let alive: Vec<Alive> = alive.iter().copied().chain(read).collect();
    for (member, fate) in members.iter().zip(&mut fates) {
        if *fate == Fate::New && member.size > 0 {
            *fate = copy_of_living(member, &alive);
        }
    }
    fates
}

/// A new file under the family's own name that begins like one that is gone holds it only if at
/// least so many bytes were read: shorter ones may be what a program writes whenever it starts.
const REPLACED_MIN: u64 = 4096;

fn by_inode(knowns: &[Known], members: &[Member], logical: &Path, fates: &mut [Fate]) {
    // The youngest generation of a file is the one that its inode holds.
    let mut order: Vec<usize> = (0..knowns.len()).collect();
    order.sort_by_key(|&k| std::cmp::Reverse(knowns[k].seen.generation));
    let mut taken: HashSet<usize> = members.iter().filter_map(|member| member.sure).collect();
    for (member, fate) in members.iter().zip(fates.iter_mut()) {
        *fate = member.sure.map_or(Fate::New, Fate::Same);
    }
    // A place on another device counts only when the file is not in its own.
    for same_dev in [true, false] {
        for (member, fate) in members.iter().zip(fates.iter_mut()) {
            let Identity { dev, inode, .. } = member.identity;
            let fits = |&k: &usize| {
                let old = &knowns[k].seen.identity;
                old.inode == inode && (old.dev == dev) == same_dev && !taken.contains(&k)
            };
            let candidates: Vec<usize> = order.iter().copied().filter(fits).collect();
            for k in candidates.into_iter().filter(|_| *fate == Fate::New) {
                *fate = match judge(&knowns[k], &member.identity, logical, member.bytes) {
                    Judgement::Same => Fate::Same(k),
                    Judgement::Rewritten => Fate::Next { known: k, resume: None },
                    Judgement::LostTail(at) => Fate::Next { known: k, resume: Some(at) },
                    Judgement::Different => continue,
                };
                taken.insert(k);
                break;
            }
        }
    }
}

fn by_copy(knowns: &[Known], members: &[Member], fates: &mut [Fate]) {
    // The more was read of one, the less can be mistaken for it.
    let mut order: Vec<usize> = (0..knowns.len()).collect();
    order.sort_by_key(|&k| std::cmp::Reverse((knowns[k].reached(), knowns[k].seen.size)));
    for (k, known) in order.into_iter().map(|k| (k, &knowns[k])) {
        if fates.contains(&Fate::Same(k)) {
            continue;
        }
        let is_next = |fate: &Fate| matches!(fate, Fate::Next { known, .. } if *known == k);
        let rewritten = fates.iter().position(is_next);
        let holds = |&m: &usize| {
            let member = &members[m];
            let is_proof = match member.base {
                true => rewritten.is_none() && known.reached() >= REPLACED_MIN,
                // Its original is gone, and somewhere it has to be.
                false if member.packed => true,
                false => rewritten.is_some() || known.has_long_head(),
            };
            fates[m] == Fate::New && is_proof && known.lives_in(member.size, member.bytes)
        };
        let mut copies = (0..members.len()).filter(holds);
        let copy = match known.has_long_head() || rewritten.is_some() {
            true => copies.max_by_key(|&m| members[m].size),
            // What was known is older than what came since.
            false => copies.next(),
        };
        if let Some(m) = copy {
            fates[m] = Fate::Home(k);
            // What the crash seemed to have cut off is in the copy: it was copied and rewritten.
            if let Some(m) = rewritten {
                fates[m] = Fate::Next { known: k, resume: None };
            }
        }
    }
}

fn copy_of_living(member: &Member, alive: &[Alive]) -> Fate {
    let holds_all = |alive: &Alive| {
        let fits = if alive.base { member.size <= alive.size } else { member.size == alive.size };
        fits && same_bytes(member.bytes, alive.bytes, member.size)
    };
    if member.base || !alive.iter().any(holds_all) {
        return Fate::New;
    }
    copy_of_len(member.size)
}

/// What a file is that holds so many bytes, all of which another one holds.
pub(crate) fn copy_of_len(len: u64) -> Fate {
    if len >= u64::from(HEAD_LEN_MIN) { Fate::Copy } else { Fate::PerhapsCopy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::{known, numbered};

    /// (inode, whether it bears the family's own name, content), oldest first.
    type Files<'a> = Vec<(u64, bool, &'a [u8])>;

    fn fates(knowns: &[Known], files: Files, alive: Files) -> Vec<Fate> {
        let members: Vec<Member> = files
            .iter()
            .map(|(inode, base, content)| Member {
                identity: Identity { dev: 1, inode: *inode, birth: Some(7) },
                size: content.len() as u64,
                base: *base,
                packed: false,
                sure: None,
                bytes: content,
            })
            .collect();
        let alive = alive.iter().map(|(_, base, content)| Alive {
            size: content.len() as u64,
            base: *base,
            bytes: content,
        });
        decide(knowns, &members, &alive.collect::<Vec<_>>(), Path::new("/logs/app.log"))
    }

    #[test]
    fn rotation_by_rename_by_table() {
        use Fate::*;
        let (a, b, c) = (numbered("a", 60), numbered("b", 60), numbered("c", 60));
        let reached = |inode, content| known(inode, content, &[960]);
        let rows: Vec<(&str, Vec<Known>, Files, Vec<Fate>)> = vec![
            ("nothing known", vec![], vec![(1, true, &a)], vec![New]),
            ("untouched", vec![reached(1, &a)], vec![(1, true, &a)], vec![Same(0)]),
            (
                "renamed once",
                vec![reached(1, &a)],
                vec![(1, false, &a), (2, true, &b)],
                vec![Same(0), New],
            ),
            (
                "renamed three times while down",
                vec![reached(1, &a)],
                vec![(1, false, &a), (2, false, &b), (3, false, &c), (4, true, b"")],
                vec![Same(0), New, New, New],
            ),
            (
                "several known, all shifted",
                vec![reached(1, &a), reached(2, &b)],
                vec![(1, false, &a), (2, false, &b), (3, true, &c)],
                vec![Same(0), Same(1), New],
            ),
            ("gone", vec![reached(1, &a)], vec![(2, true, &b)], vec![New]),
        ];
        for (name, knowns, files, expected) in rows {
            assert_eq!(fates(&knowns, files, vec![]), expected, "{name}");
        }
    }

    #[test]
    fn a_reused_inode_is_a_new_file() {
        let (a, b) = (numbered("a", 60), numbered("b", 60));
        let mut known = known(1, &a, &[960]);
        known.seen.identity.birth = Some(6);
        assert_eq!(fates(&[known], vec![(1, true, &b)], vec![]), [Fate::New]);
    }

    #[test]
    fn copytruncate_while_down_by_table() {
        use Fate::*;
        let (a, b, c) = (numbered("a", 60), numbered("b", 60), numbered("c", 60));
        let long = numbered("a", 200);
        let next = |resume| Next { known: 0, resume };
        let reached = |content| vec![known(1, content, &[960])];
        let rebooted = vec![Known { same_boot: false, ..known(1, &a, &[64, 960]) }];
        let shared = [&a[..64], &b[..]].concat();
        let short = |content: &'static [u8]| vec![known(1, content, &[content.len() as u64])];
        let rows: Vec<(&str, Vec<Known>, Files, Vec<Fate>)> = vec![
            (
                "copied, emptied",
                reached(&a),
                vec![(2, false, &a), (1, true, b"")],
                vec![Home(0), next(None)],
            ),
            (
                "copied, refilled",
                reached(&a),
                vec![(2, false, &a), (1, true, &b)],
                vec![Home(0), next(None)],
            ),
            (
                "written to before the copy",
                reached(&a[..960]),
                vec![(2, false, &a), (1, true, &b)],
                vec![Home(0), next(None)],
            ),
            (
                "three times",
                reached(&a),
                vec![(2, false, &a), (3, false, &b), (4, false, &c), (1, true, b"")],
                vec![Home(0), New, New, next(None)],
            ),
            (
                "the copy lacks what was read",
                reached(&a),
                vec![(2, false, &a[..900]), (1, true, b"")],
                vec![New, next(None)],
            ),
            (
                "short, copied and emptied",
                short(b"1\n2\n3\n"),
                vec![(2, false, b"1\n2\n3\n4\n"), (1, true, b"")],
                vec![Home(0), next(None)],
            ),
            (
                "short, other bytes in the older file",
                short(b"1\n2\n3\n"),
                vec![(2, false, b"1\n2\nX\n"), (1, true, b"")],
                vec![New, next(None)],
            ),
            (
                "short, the original is gone",
                short(b"1\n2\n3\n"),
                vec![(2, false, b"1\n2\n3\n")],
                vec![New],
            ),
            ("long, the original is gone", reached(&a), vec![(2, false, &a)], vec![Home(0)]),
            (
                "replaced by an editor",
                vec![known(1, &long, &[6400])],
                vec![(2, true, &long)],
                vec![Home(0)],
            ),
            (
                "the same banner at the next start",
                vec![known(1, &a, &[1920])],
                vec![(2, true, &a)],
                vec![New],
            ),
            (
                "rebooted, the copy has the tail",
                rebooted.clone(),
                vec![(2, false, &a), (1, true, &shared)],
                vec![Home(0), next(None)],
            ),
            (
                "rebooted, the tail is lost",
                rebooted,
                vec![(1, true, &shared)],
                vec![next(Some(64))],
            ),
            (
                "copied, refilled, being copied again",
                reached(&a),
                vec![(2, false, &a), (3, false, &b), (1, true, &b)],
                vec![Home(0), Copy, next(None)],
            ),
            ("rewritten in place, no copy", reached(&a), vec![(1, true, &b)], vec![next(None)]),
        ];
        for (name, knowns, files, expected) in rows {
            assert_eq!(fates(&knowns, files, vec![]), expected, "{name}");
        }
    }

    #[test]
    fn copies_of_living_files_by_table() {
        use Fate::*;
        let (a, b) = (numbered("a", 60), numbered("b", 60));
        let banner = [&a[..1024], &b[1024..]].concat();
        let rows: Vec<(&str, Files, Files, Vec<Fate>)> = vec![
            ("a copy", vec![(2, false, &a)], vec![(1, true, &a)], vec![Copy]),
            ("a copy in the making", vec![(2, false, &a[..400])], vec![(1, true, &a)], vec![Copy]),
            (
                "too short to tell",
                vec![(2, false, &a[..200])],
                vec![(1, true, &a)],
                vec![PerhapsCopy],
            ),
            (
                "a copy in the making of a new file",
                vec![(2, false, &a[..400]), (1, true, &a)],
                vec![],
                vec![Copy, New],
            ),
            ("an equal head alone", vec![(2, false, &banner)], vec![(1, true, &a)], vec![New]),
            ("longer than the file", vec![(2, false, &a)], vec![(1, true, &a[..960])], vec![New]),
            ("a copy of a rotated file", vec![(2, false, &a)], vec![(1, false, &a)], vec![Copy]),
            (
                "part of a rotated file",
                vec![(2, false, &a[..960])],
                vec![(1, false, &a)],
                vec![New],
            ),
            ("empty", vec![(2, false, b"")], vec![(1, true, &a)], vec![New]),
            (
                "the family's own name is no copy",
                vec![(2, true, &a)],
                vec![(1, false, &a)],
                vec![New],
            ),
        ];
        for (name, files, alive, expected) in rows {
            assert_eq!(fates(&[], files, alive), expected, "{name}");
        }
    }

    #[test]
    fn the_youngest_generation_of_a_file_is_the_one_its_inode_holds() {
        let (a, b) = (numbered("a", 60), numbered("b", 60));
        let mut second = known(1, &b, &[960]);
        second.seen.generation = 1;
        for knowns in [[known(1, &a, &[960]), second.clone()], [second, known(1, &a, &[960])]] {
            let newest = knowns.iter().position(|known| known.seen.generation == 1).unwrap();
            assert_eq!(fates(&knowns, vec![(1, true, &b)], vec![]), [Fate::Same(newest)]);
        }
    }

    #[test]
    fn another_device_counts_only_when_the_file_is_not_in_its_own_place() {
        let a = numbered("a", 60);
        let knowns = [known(1, &a, &[960])];
        let content = &a[..];
        let on = |dev| Member {
            identity: Identity { dev, inode: 1, birth: Some(7) },
            size: a.len() as u64,
            base: false,
            packed: false,
            sure: None,
            bytes: &content,
        };
        let fates = |members: &[Member]| decide(&knowns, members, &[], Path::new("/logs/app.log"));
        assert_eq!(fates(&[on(2), on(1)])[1], Fate::Same(0));
        assert_eq!(fates(&[on(2)]), [Fate::Same(0)]);
    }

    #[test]
    fn equal_heads_in_many_files_confuse_nothing() {
        let banner = numbered("banner", 40);
        let contents: Vec<Vec<u8>> = (0..100)
            .map(|i| [&banner[..], &numbered(&format!("file{i}"), 20)[..]].concat())
            .collect();
        let knowns: Vec<Known> = contents
            .iter()
            .enumerate()
            .map(|(i, content)| known(i as u64 + 1, content, &[content.len() as u64]))
            .collect();
        // All moved one inode on, as if restored from a backup: content alone tells.
        let files: Vec<(u64, bool, &[u8])> = contents
            .iter()
            .enumerate()
            .map(|(i, content)| (i as u64 + 1000, false, &content[..]))
            .collect();
        let expected: Vec<Fate> = (0..100).map(Fate::Home).collect();
        assert_eq!(fates(&knowns, files, vec![]), expected);
    }

    #[test]
    fn an_unlinked_file_moves_only_into_a_copy_that_has_all_of_it() {
        let a = numbered("a", 200);
        let gone = Known { unlinked: true, ..known(9, &a, &[6400]) };
        assert_eq!(
            fates(std::slice::from_ref(&gone), vec![(2, true, &a)], vec![]),
            [Fate::Home(0)]
        );
        assert_eq!(fates(&[gone], vec![(2, true, &a[..6000])], vec![]), [Fate::New]);
    }
}
