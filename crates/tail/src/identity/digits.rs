//! Digits, dates and times that a rotation puts into a name, in any order and with any separators,
//! and what is left of the name without them.
//! Pure functions of names. Not here: which of them only rotation writes (`relatives.rs`).

use crate::identity::age::{Age, date_of, number};

/// The shortest name without extension that digits inside or in front make a relative of.
const STEM_LEN_MIN: usize = 2;

/// How many digits stand next to a name without a separator: a date.
const GLUED_DIGITS_MIN: usize = 8;

/// A run of digits and separators in a name.
#[derive(Clone, Debug)]
struct Run {
    /// Where each of its items begins and ends: a number, or a date with its time.
    items: Vec<(usize, usize, Item)>,
    /// Where it begins and ends with the separators around it.
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Number(u64),
    Moment(u32, u64),
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'.' | b'-' | b'_' | b'+' | b':' | b',' | b'@' | b' ')
}

/// What is left of a name without its runs of digits, the least taken away first.
pub(crate) fn without_runs(name: &[u8]) -> Vec<(Vec<u8>, Age)> {
    let runs = runs(name);
    let mut found = Vec::new();
    for run in runs.iter().rev() {
        let first = run.items.first().map_or(0, |item| item.0);
        for left in (0..run.items.len()).rev() {
            // The last items of a run go first, or, at the very beginning of a name, all.
            if first == run.start && run.start == 0 && left > 0 {
                continue;
            }
            let from = if left == 0 { run.start } else { run.items[left - 1].1 };
            found.extend(without(name, from, run.end).map(|base| (base, age(&run.items[left..]))));
        }
    }
    if let [first, .., last] = &runs[..]
        && first.end <= last.start
    {
        // Both, as of a date inside and a number behind.
        let items: Vec<_> = first.items.iter().chain(&last.items).copied().collect();
        let outer = without(name, last.start, last.end);
        let both = outer.and_then(|outer| without(&outer, first.start, first.end));
        found.extend(both.map(|base| (base, age(&items))));
    }
    found
}

/// A name without what stands from `from` to `end`, with one of the separators around that.
fn without(name: &[u8], from: usize, end: usize) -> Option<Vec<u8>> {
    let (before, after) = (&name[..from], &name[end..]);
    if before.is_empty() {
        // In front: what follows is the log's name.
        let stem = after.iter().position(|&byte| byte == b'.').unwrap_or(after.len());
        return (stem >= STEM_LEN_MIN).then(|| after.to_vec());
    }
    if after.is_empty() {
        return Some(before.to_vec());
    }
    if !after.starts_with(b".") || before.len() < STEM_LEN_MIN {
        return None;
    }
    Some([before, after].concat())
}

/// The runs of a name.
fn runs(name: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < name.len() {
        if !name[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let mut groups = vec![];
        let mut end = at;
        loop {
            let start = end;
            end += name[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            groups.push((start, end));
            // `T` separates a date from a time.
            let next = name.get(end).is_some_and(|&byte| is_separator(byte) || byte == b'T')
                && name.get(end + 1).is_some_and(u8::is_ascii_digit);
            if !next {
                break;
            }
            end += 1;
        }
        let last = end;
        if name.get(end) == Some(&b'Z') {
            end += 1;
        }
        let start = groups[0].0;
        let opens = start > 0 && is_separator(name[start - 1]);
        let closes = start == 0 && name.get(end).is_some_and(|&byte| is_separator(byte));
        let is_long = groups[0].1 - groups[0].0 >= GLUED_DIGITS_MIN
            || (groups.len() >= 3 && groups[0].1 - groups[0].0 == 4);
        let follows = name.get(end).is_none_or(|&byte| byte == b'.') || closes;
        // Digits within a word are no run.
        if (opens || closes || is_long) && (follows || (start == 0 && is_long)) {
            let items = items(name, &groups);
            let start = start - usize::from(opens);
            runs.push(Run { items, start, end: end + usize::from(closes) });
        }
        at = last.max(end);
    }
    runs
}

/// Dates with their times, and numbers.
fn items(name: &[u8], groups: &[(usize, usize)]) -> Vec<(usize, usize, Item)> {
    let value = |at: usize| groups.get(at).and_then(|&(start, end)| number(&name[start..end]));
    let len = |at: usize| groups.get(at).map_or(0, |&(start, end)| end - start);
    let mut items = Vec::new();
    let mut at = 0;
    while at < groups.len() {
        let begin = at;
        let digits = |at: usize| &name[groups[at].0..groups[at].1];
        let date = match (len(at), len(at + 1), len(at + 2)) {
            (4, 2, 2) => date_of(&[digits(at), digits(at + 1), digits(at + 2)].concat()),
            (2, 2, 4) => date_of(&[digits(at + 2), digits(at), digits(at + 1)].concat()),
            _ => None,
        };
        let date = match date {
            Some(date) => {
                at += 3;
                Some(date)
            }
            None if len(at) >= 8 && len(at) <= 17 && date_of(&digits(at)[..8]).is_some() => {
                let (date, time) = digits(at).split_at(8);
                at += 1;
                if !time.is_empty() {
                    let moment = Item::Moment(date_of(date).unwrap_or(0), padded(time));
                    items.push((groups[begin].0, groups[at - 1].1, moment));
                    continue;
                }
                date_of(date)
            }
            None if len(at) == 4 && len(at + 1) == 2 && len(at + 2) != 2 => {
                at += 2;
                Some(
                    (value(begin).unwrap_or(0) * 10_000 + value(begin + 1).unwrap_or(0) * 100)
                        as u32,
                )
            }
            None => None,
        };
        let Some(date) = date else {
            let item = match value(at) {
                // Seconds or milliseconds since 1970.
                Some(epoch) if matches!(len(at), 10 | 13) => Item::Moment(0, epoch),
                value => Item::Number(value.unwrap_or(u64::MAX)),
            };
            items.push((groups[at].0, groups[at].1, item));
            at += 1;
            continue;
        };
        let time = time_groups(name, groups, at);
        let digits: Vec<u8> = (at..at + time).flat_map(|at| digits(at).to_vec()).collect();
        at += time;
        let moment = Item::Moment(date, if time == 0 { 0 } else { padded(&digits) });
        items.push((groups[begin].0, groups[at - 1].1, moment));
    }
    items
}

/// How many groups from `at` on are the time of a date before them.
fn time_groups(name: &[u8], groups: &[(usize, usize)], at: usize) -> usize {
    let len = |at: usize| groups.get(at).map_or(0, |&(start, end)| end - start);
    match len(at) {
        6 | 9 | 10 | 13 => 1 + usize::from(len(at + 1) == 3),
        4 => 1,
        2 => {
            let pairs = (at..at + 3).take_while(|at| len(*at) == 2).count();
            // `.2026-11-28.01` is an index: an hour follows by another separator.
            let by_dot = groups.get(at).is_some_and(|&(start, _)| name[start - 1] == b'.');
            match pairs {
                1 if by_dot => 0,
                3 => 3 + usize::from(len(at + 3) == 3),
                pairs => pairs,
            }
        }
        _ => 0,
    }
}

/// A time of day as HHMMSSmmm; what is longer than that as it is.
fn padded(digits: &[u8]) -> u64 {
    let value = number(digits).unwrap_or(0);
    match digits.len() {
        10 | 13 => value,
        len => value * 10u64.pow(9u32.saturating_sub(len as u32)),
    }
}

fn age(items: &[(usize, usize, Item)]) -> Age {
    let mut moment = None;
    let mut index = None;
    for (_, _, item) in items {
        match item {
            Item::Moment(date, time) => moment = moment.or(Some((*date, *time))),
            Item::Number(number) => index = Some(*number),
        }
    }
    match (moment, index) {
        (Some((date, time)), index) => {
            Age::Date(date, time, index.unwrap_or(0).try_into().unwrap_or(u32::MAX))
        }
        (None, Some(number)) => Age::Number(number),
        (None, None) => Age::Unknown,
    }
}
