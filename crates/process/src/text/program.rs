//! Patterns that can be matched without ever trying again: a row of literals and of runs of bytes,
//! each run of bytes that cannot begin what follows it. `(\S+) \[([^\]]*)\] "([^"]*)"` is one, as
//! most patterns of access logs are. For these there is only one way to match, whatever the order
//! in which an engine tries, so that the answer is the same as any engine's.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::pattern::Groups;

/// The steps.
#[derive(Debug)]
pub(crate) struct Program {
    steps: Vec<Step>,
    binds_end: bool,
}

#[derive(Debug)]
enum Step {
    Literal(Box<[u8]>),
    Run { set: Set, min: usize, max: usize },
    Open(usize),
    Close(usize),
}

/// Bytes that a run takes.
#[derive(Debug)]
struct Set {
    has: Box<[bool; 256]>,
    stop: Stop,
}

/// How the end of a run is found.
#[derive(Debug)]
enum Stop {
    /// All bytes belong to it.
    Never,
    /// All but one.
    At(u8),
    /// Anything else.
    ByTable,
}

impl Program {
    /// `None`: the pattern needs an engine that tries again.
    pub(crate) fn new(pattern: &str) -> Option<Self> {
        let mut parser = ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true)
            .multi_line(true)
            .build();
        let hir = parser.parse(pattern).ok()?;
        let mut steps = Vec::new();
        let (parts, binds_end) = without_ends(&hir);
        for part in parts {
            flatten(part, &mut steps)?;
        }
        is_certain(&steps).then_some(Self { steps, binds_end })
    }

    /// Whether a `$` at its end asks for the end of the value.
    pub(crate) fn binds_end(&self) -> bool {
        self.binds_end
    }

    /// Matches all of `text`; the places of the groups are valid where it does.
    pub(crate) fn run(&self, text: &[u8], groups: &mut Groups) -> bool {
        let end = self.end(text, |step, at| match step {
            Step::Open(group) => groups[*group].0 = at,
            Step::Close(group) => groups[*group].1 = at,
            _ => {}
        });
        end == Some(text.len())
    }

    /// Whether it matches all of `text`, or its beginning.
    pub(crate) fn is_match(&self, text: &[u8], is_prefix: bool) -> bool {
        self.end(text, |_, _| {}).is_some_and(|end| is_prefix || end == text.len())
    }

    /// Where a match ends; `border` is called at the borders of groups.
    fn end(&self, text: &[u8], mut border: impl FnMut(&Step, usize)) -> Option<usize> {
        let mut at = 0;
        for step in &self.steps {
            match step {
                Step::Literal(literal) => {
                    if !text[at..].starts_with(literal) {
                        return None;
                    }
                    at += literal.len();
                }
                Step::Run { set, min, max } => {
                    let len = set.run_len(&text[at..], *max);
                    if len < *min {
                        return None;
                    }
                    at += len;
                }
                Step::Open(_) | Step::Close(_) => border(step, at),
            }
        }
        Some(at)
    }
}

impl Set {
    fn new(bytes: impl Iterator<Item = (u8, u8)>) -> Self {
        let mut has = Box::new([false; 256]);
        bytes.for_each(|(first, last)| has[usize::from(first)..=usize::from(last)].fill(true));
        let mut others = (0..=u8::MAX).filter(|byte| !has[usize::from(*byte)]);
        let stop = match (others.next(), others.next()) {
            (None, _) => Stop::Never,
            (Some(byte), None) => Stop::At(byte),
            _ => Stop::ByTable,
        };
        Self { has, stop }
    }

    fn run_len(&self, text: &[u8], max: usize) -> usize {
        let text = &text[..text.len().min(max)];
        match self.stop {
            Stop::Never => text.len(),
            Stop::At(byte) => memchr::memchr(byte, text).unwrap_or(text.len()),
            Stop::ByTable => {
                let is_other = |byte: &u8| !self.has[usize::from(*byte)];
                text.iter().position(is_other).unwrap_or(text.len())
            }
        }
    }
}

/// The parts of a pattern but for a `^` before and a `$` behind all others, and whether there was a
/// `$`: the ends of the value are where it is matched anyway.
fn without_ends(hir: &Hir) -> (&[Hir], bool) {
    let mut parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    let look = |part: &Hir| match part.kind() {
        HirKind::Look(look) => Some(*look),
        _ => None,
    };
    if let [first, rest @ ..] = parts
        && matches!(look(first), Some(Look::Start | Look::StartLF))
    {
        parts = rest;
    }
    if let [rest @ .., last] = parts
        && matches!(look(last), Some(Look::End | Look::EndLF))
    {
        return (rest, true);
    }
    (parts, false)
}

/// Appends the steps of a pattern. `None`: it is no row of them.
fn flatten(hir: &Hir, steps: &mut Vec<Step>) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => steps.push(Step::Literal(literal.0.clone())),
        HirKind::Class(class) => steps.push(Step::Run { set: set(class)?, min: 1, max: 1 }),
        HirKind::Repetition(repetition) => {
            let set = match repetition.sub.kind() {
                HirKind::Class(class) => set(class)?,
                HirKind::Literal(literal) => match *literal.0 {
                    [byte] => Set::new([(byte, byte)].into_iter()),
                    _ => return None,
                },
                _ => return None,
            };
            let max = repetition.max.map_or(usize::MAX, |max| max as usize);
            steps.push(Step::Run { set, min: repetition.min as usize, max });
        }
        HirKind::Capture(capture) => {
            let group = capture.index as usize - 1;
            steps.push(Step::Open(group));
            flatten(&capture.sub, steps)?;
            steps.push(Step::Close(group));
        }
        HirKind::Concat(parts) => {
            for part in parts {
                flatten(part, steps)?;
            }
        }
        HirKind::Look(_) | HirKind::Alternation(_) => return None,
    }
    Some(())
}

fn set(class: &Class) -> Option<Set> {
    match class {
        Class::Bytes(class) => {
            Some(Set::new(class.ranges().iter().map(|range| (range.start(), range.end()))))
        }
        Class::Unicode(class) if class.is_ascii() => {
            let byte = |character: char| character as u8;
            let ranges = class.ranges().iter();
            Some(Set::new(ranges.map(|range| (byte(range.start()), byte(range.end())))))
        }
        Class::Unicode(_) => None,
    }
}

/// Whether every run ends in one way only: at a byte that is not its own.
fn is_certain(steps: &[Step]) -> bool {
    steps.iter().enumerate().all(|(at, step)| match step {
        Step::Run { set, min, max } if min != max => is_apart(set, &steps[at + 1..]),
        _ => true,
    })
}

/// Whether nothing that may follow begins with a byte of the set.
fn is_apart(set: &Set, behind: &[Step]) -> bool {
    for step in behind {
        match step {
            Step::Open(_) | Step::Close(_) => {}
            Step::Literal(literal) => {
                let Some(first) = literal.first() else { continue };
                return !set.has[usize::from(*first)];
            }
            Step::Run { set: other, min, max } => {
                if *max > 0 && set.has.iter().zip(other.has.iter()).any(|(a, b)| *a && *b) {
                    return false;
                }
                if *min > 0 {
                    return true;
                }
            }
        }
    }
    true
}
