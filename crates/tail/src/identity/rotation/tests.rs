//! The decision by table.

use super::*;
use crate::identity::judge::tests::{known, numbered};

/// (inode, whether it bears the family's own name, content), oldest first.
type Files<'a> = Vec<(u64, bool, &'a [u8])>;

fn decisions(knowns: &[Known], files: Files, alive: Files) -> Vec<Decision> {
    let members: Vec<Member> = files
        .iter()
        .map(|(inode, base, content)| Member {
            identity: Identity { dev: 1, inode: *inode, birth: Some(7) },
            size: content.len() as u64,
            base: *base,
            is_log: *base,
            wanted: true,
            named_after: false,
            compressed: false,
            sure: None,
            bytes: content,
        })
        .collect();
    let alive = alive.iter().map(|(_, base, content)| Alive {
        size: content.len() as u64,
        base: *base,
        bytes: content,
        generation: None,
        unlinked: false,
    });
    decide(knowns, &members, &alive.collect::<Vec<_>>(), Path::new("/logs/app.log"))
}

#[test]
fn rotation_by_rename_by_table() {
    use Decision::*;
    let (a, b, c) = (numbered("a", 60), numbered("b", 60), numbered("c", 60));
    let reached = |inode, content| known(inode, content, &[960]);
    let rows: Vec<(&str, Vec<Known>, Files, Vec<Decision>)> = vec![
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
        assert_eq!(decisions(&knowns, files, vec![]), expected, "{name}");
    }
}

#[test]
fn a_reused_inode_is_a_new_file() {
    let (a, b) = (numbered("a", 60), numbered("b", 60));
    let mut known = known(1, &a, &[960]);
    known.seen.identity.birth = Some(6);
    assert_eq!(decisions(&[known], vec![(1, true, &b)], vec![]), [Decision::New]);
}

#[test]
fn copytruncate_while_down_by_table() {
    use Decision::*;
    let (a, b, c) = (numbered("a", 60), numbered("b", 60), numbered("c", 60));
    let long = numbered("a", 200);
    let edited = [&a[..1100], b"X", &a[1101..]].concat();
    let equal = b"the very same line over and over\n".repeat(60);
    let next = |resume| Next { known: 0, resume };
    let reached = |content| vec![known(1, content, &[960])];
    let rebooted = vec![Known { same_boot: false, ..known(1, &a, &[64, 960]) }];
    let link = [&a[..64], &b[..]].concat();
    let short = |content: &'static [u8]| vec![known(1, content, &[content.len() as u64])];
    let rows: Vec<(&str, Vec<Known>, Files, Vec<Decision>)> = vec![
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
            "the same short banner at the next start",
            vec![known(1, &a[..192], &[192])],
            vec![(2, true, &a)],
            vec![New],
        ),
        (
            "replaced by what was read and more",
            vec![known(1, &a, &[256, 1920])],
            vec![(2, true, &long)],
            vec![Home(0)],
        ),
        (
            "replaced, but for one place that was read",
            vec![known(1, &a, &[1152, 1920])],
            vec![(2, true, &edited)],
            vec![New],
        ),
        (
            "one line over and over",
            vec![known(1, &equal, &[640, 1280])],
            vec![(2, true, &equal)],
            vec![New],
        ),
        (
            "an editor renamed it and wrote it anew",
            vec![known(1, &a, &[960, 1920])],
            vec![(1, false, &a), (2, true, &long)],
            vec![Copy, Home(0)],
        ),
        (
            "renamed with bytes that are not in the next",
            vec![known(1, &long, &[960, 1920])],
            vec![(1, false, &long), (2, true, &a)],
            vec![Same(0), New],
        ),
        (
            "rebooted, the copy has the tail",
            rebooted.clone(),
            vec![(2, false, &a), (1, true, &link)],
            vec![Home(0), next(None)],
        ),
        ("rebooted, the tail is lost", rebooted, vec![(1, true, &link)], vec![next(Some(64))]),
        (
            "copied, refilled, being copied again",
            reached(&a),
            vec![(2, false, &a), (3, false, &b), (1, true, &b)],
            vec![Home(0), Copy, next(None)],
        ),
        ("rewritten in place, no copy", reached(&a), vec![(1, true, &b)], vec![next(None)]),
    ];
    for (name, knowns, files, expected) in rows {
        assert_eq!(decisions(&knowns, files, vec![]), expected, "{name}");
    }
}

#[test]
fn copies_of_living_files_by_table() {
    use Decision::*;
    let (a, b) = (numbered("a", 60), numbered("b", 60));
    let banner = [&a[..1024], &b[1024..]].concat();
    let rows: Vec<(&str, Files, Files, Vec<Decision>)> = vec![
        ("a copy", vec![(2, false, &a)], vec![(1, true, &a)], vec![Copy]),
        ("a copy in the making", vec![(2, false, &a[..400])], vec![(1, true, &a)], vec![Copy]),
        ("too short to tell", vec![(2, false, &a[..200])], vec![(1, true, &a)], vec![PerhapsCopy]),
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
            "part of a rotated file, as it was when it was copied",
            vec![(2, false, &a[..960])],
            vec![(1, false, &a)],
            vec![Copy],
        ),
        (
            "a short part of a rotated file",
            vec![(2, false, &a[..192])],
            vec![(1, false, &a)],
            vec![New],
        ),
        ("empty", vec![(2, false, b"")], vec![(1, true, &a)], vec![New]),
        ("the family's own name is no copy", vec![(2, true, &a)], vec![(1, false, &a)], vec![New]),
    ];
    for (name, files, alive, expected) in rows {
        assert_eq!(decisions(&[], files, alive), expected, "{name}");
    }
}

#[test]
fn the_youngest_generation_of_a_file_is_the_one_its_inode_holds() {
    let (a, b) = (numbered("a", 60), numbered("b", 60));
    let mut second = known(1, &b, &[960]);
    second.seen.generation = 1;
    for knowns in [[known(1, &a, &[960]), second.clone()], [second, known(1, &a, &[960])]] {
        let newest = knowns.iter().position(|known| known.seen.generation == 1).unwrap();
        assert_eq!(decisions(&knowns, vec![(1, true, &b)], vec![]), [Decision::Same(newest)]);
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
        is_log: false,
        wanted: true,
        named_after: false,
        compressed: false,
        sure: None,
        bytes: &content,
    };
    let decisions = |members: &[Member]| decide(&knowns, members, &[], Path::new("/logs/app.log"));
    assert_eq!(decisions(&[on(2), on(1)])[1], Decision::Same(0));
    assert_eq!(decisions(&[on(2)]), [Decision::Same(0)]);
}

#[test]
fn a_log_that_was_replaced_goes_on_under_its_own_name_and_not_in_an_equal_copy() {
    let a = numbered("a", 60);
    let knowns = [known(1, &a, &[960])];
    let content = &a[..];
    let member = |inode, is_log, birth| Member {
        identity: Identity { dev: 1, inode, birth: Some(birth) },
        size: a.len() as u64,
        base: true,
        is_log,
        wanted: is_log,
        named_after: false,
        compressed: false,
        sure: None,
        bytes: &content,
    };
    // The copy has the inode number that the log had, and no name of the family.
    let members = || [member(2, true, 8), member(1, false, 9)];
    let decisions = |members: &[Member]| decide(&knowns, members, &[], Path::new("/logs/app.log"));
    assert_eq!(decisions(&members()), [Decision::Home(0), Decision::New]);
    let mut turned = members();
    turned.reverse();
    assert_eq!(decisions(&turned), [Decision::New, Decision::Home(0)]);
}

#[test]
fn equal_heads_in_many_files_confuse_nothing() {
    let banner = numbered("banner", 40);
    let contents: Vec<Vec<u8>> =
        (0..100).map(|i| [&banner[..], &numbered(&format!("file{i}"), 20)[..]].concat()).collect();
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
    let expected: Vec<Decision> = (0..100).map(Decision::Home).collect();
    assert_eq!(decisions(&knowns, files, vec![]), expected);
}

#[test]
fn an_unlinked_file_moves_only_into_a_copy_that_has_all_of_it() {
    let a = numbered("a", 200);
    let gone = Known { unlinked: true, ..known(9, &a, &[6400]) };
    assert_eq!(
        decisions(std::slice::from_ref(&gone), vec![(2, true, &a)], vec![]),
        [Decision::Home(0)]
    );
    assert_eq!(decisions(&[gone], vec![(2, true, &a[..6000])], vec![]), [Decision::New]);
}
