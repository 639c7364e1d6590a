//! Which lines make one record: a decision for each line, given whether a record is open. Pure.
//!
//! The five combinations of patterns are LoongCollector's; its tables are the tests here. With all
//! three patterns `ContinuePattern` is ignored (as there for container output, and logged there).
//! Not here: joining lines (`merge.rs`).

use settings::Section;

use super::preset::{Preset, Progress};
use crate::text::pattern::Pattern;

/// How lines are joined.
#[derive(Debug)]
pub struct Multiline {
    rules: Rules,
    /// Whether lines outside of any record are left out.
    discards_unmatched: bool,
}

#[derive(Debug)]
enum Rules {
    Start(Pattern),
    StartContinue(Pattern, Pattern),
    StartEnd(Pattern, Pattern),
    ContinueEnd(Pattern, Pattern),
    End(Pattern),
    Json,
    Preset(Preset),
}

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// An open record ends before it; it begins a new one.
    Begin,
    /// It belongs to the open record.
    Join,
    /// It belongs to the open record and ends it.
    JoinEnd,
    /// It is a record (nothing is open before it).
    Alone,
    /// An open record ends before it; it belongs to none.
    Unmatched,
    /// The lines of the open record belong to none, and neither does it.
    Break,
}

/// What is known of a line without the lines before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Boundary {
    /// Whether a record is open at it depends on them.
    Unknown,
    /// Nothing is open before it.
    Before,
    /// Nothing is open behind it.
    Behind,
}

/// What is remembered of the lines of an open record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memo {
    progress: Progress,
    depth: usize,
}

impl Multiline {
    /// Reads a section `Multiline`.
    pub fn read(section: &Section<'_>) -> Option<Multiline> {
        let mode = section.text("Mode").unwrap_or("custom");
        let pattern = |name: &'static str| {
            let text = section.text(name).filter(|text| !text.is_empty())?;
            match Pattern::prefix(text) {
                Ok(pattern) => Some(pattern),
                Err(problem) => {
                    section.wrong(name, problem);
                    None
                }
            }
        };
        let patterns = (pattern("StartPattern"), pattern("ContinuePattern"), pattern("EndPattern"));
        let discards_unmatched = match section.text("UnmatchedContentTreatment") {
            None | Some("single_line") => false,
            Some("discard") => true,
            Some(_) => {
                section.wrong("UnmatchedContentTreatment", "must be single_line or discard");
                false
            }
        };
        if section.flag("IgnoringUnmatchWarning") == Some(false) {
            let text = "has no effect in irontail: lines that match nothing are counted";
            section.note("IgnoringUnmatchWarning", text);
        }
        let rules = rules(section, mode, patterns);
        section.finish();
        Some(Multiline { rules: rules?, discards_unmatched })
    }

    /// Reports what is wrong with a section `Multiline`.
    pub fn check(section: &Section<'_>) {
        let _ = Multiline::read(section);
    }

    /// Reads the text of a section that [`Multiline::read`] took, as it is frozen with a range.
    /// `None`: it is none.
    pub fn parse(text: &str) -> Option<Multiline> {
        let document = serde_json::from_str(text).ok()?;
        let (found, errors) = settings::read_alone("".as_ref(), &document, Multiline::read);
        found.filter(|_| errors.is_empty())
    }

    /// Whether lines outside of any record are left out.
    pub(crate) fn discards_unmatched(&self) -> bool {
        self.discards_unmatched
    }

    /// Whether an open record is one where the run ends; otherwise its lines belong to none.
    pub(crate) fn ends_with_run(&self) -> bool {
        matches!(self.rules, Rules::Start(_) | Rules::StartContinue(..) | Rules::Preset(_))
    }

    /// Whether a line is the boundary of records whatever stands before it.
    pub(crate) fn boundary(&self, line: &[u8]) -> Boundary {
        let known = |is_known: bool, boundary| if is_known { boundary } else { Boundary::Unknown };
        match &self.rules {
            Rules::Start(start) => known(start.is_match(line), Boundary::Before),
            Rules::StartContinue(start, goes_on) => match goes_on.is_match(line) {
                true => Boundary::Unknown,
                false if start.is_match(line) => Boundary::Before,
                false => Boundary::Behind,
            },
            Rules::StartEnd(start, end) => {
                known(end.is_match(line) && !start.is_match(line), Boundary::Behind)
            }
            Rules::ContinueEnd(goes_on, _) => known(!goes_on.is_match(line), Boundary::Behind),
            Rules::End(end) => known(end.is_match(line), Boundary::Behind),
            Rules::Json => Boundary::Unknown,
            Rules::Preset(preset) => known(!preset.may_go_on(line), Boundary::Before),
        }
    }

    /// What a line does while no record is open.
    pub(crate) fn first(&self, line: &[u8], memo: &mut Memo) -> Act {
        *memo = Memo::default();
        let begin = |does: bool| if does { Act::Begin } else { Act::Unmatched };
        match &self.rules {
            Rules::Start(start) | Rules::StartContinue(start, _) | Rules::StartEnd(start, _) => {
                begin(start.is_match(line))
            }
            Rules::ContinueEnd(goes_on, _) if goes_on.is_match(line) => Act::Begin,
            Rules::ContinueEnd(_, end) => {
                if end.is_match(line) {
                    Act::Alone
                } else {
                    Act::Unmatched
                }
            }
            Rules::End(end) => {
                if end.is_match(line) {
                    Act::Alone
                } else {
                    Act::Begin
                }
            }
            Rules::Json => match (line.trim_ascii_start().first(), depth(0, line)) {
                (Some(b'{'), Some(0)) => Act::Alone,
                (Some(b'{'), Some(depth)) => {
                    memo.depth = depth;
                    Act::Begin
                }
                _ => Act::Unmatched,
            },
            Rules::Preset(preset) => {
                memo.progress = preset.begin(line);
                Act::Begin
            }
        }
    }

    /// What a line does behind an open record.
    pub(crate) fn next(&self, line: &[u8], memo: &mut Memo) -> Act {
        let act = match &self.rules {
            Rules::Start(start) => {
                if start.is_match(line) {
                    Act::Begin
                } else {
                    Act::Join
                }
            }
            Rules::StartContinue(_, goes_on) if goes_on.is_match(line) => Act::Join,
            Rules::StartContinue(start, _) => {
                if start.is_match(line) {
                    Act::Begin
                } else {
                    Act::Unmatched
                }
            }
            Rules::StartEnd(_, end) | Rules::End(end) => {
                if end.is_match(line) {
                    Act::JoinEnd
                } else {
                    Act::Join
                }
            }
            Rules::ContinueEnd(goes_on, _) if goes_on.is_match(line) => Act::Join,
            Rules::ContinueEnd(_, end) => {
                if end.is_match(line) {
                    Act::JoinEnd
                } else {
                    Act::Break
                }
            }
            Rules::Json => match depth(memo.depth, line) {
                None => Act::Break,
                Some(0) => Act::JoinEnd,
                Some(depth) => {
                    memo.depth = depth;
                    Act::Join
                }
            },
            Rules::Preset(preset) => match preset.go_on(memo.progress, line) {
                Some(progress) => {
                    memo.progress = progress;
                    Act::Join
                }
                None => Act::Begin,
            },
        };
        if act == Act::Begin {
            // What is remembered from now on is of the new record.
            return self.first(line, memo);
        }
        act
    }
}

type Patterns = (Option<Pattern>, Option<Pattern>, Option<Pattern>);

fn rules(section: &Section<'_>, mode: &str, patterns: Patterns) -> Option<Rules> {
    if mode == "custom" {
        return custom(section, patterns);
    }
    let (start, goes_on, end) = patterns;
    if start.is_some() || goes_on.is_some() || end.is_some() {
        section.wrong("Mode", "must be custom where there are patterns");
    }
    if mode == "JSON" {
        return Some(Rules::Json);
    }
    if mode == "whole_file" {
        section.refuse("Mode", Some(mode), "files are read as they grow");
        return None;
    }
    let preset = Preset::by_name(mode).map(Rules::Preset);
    if preset.is_none() {
        section.wrong("Mode", "must be custom, JSON, java, python, go or dotnet");
    }
    preset
}

fn custom(section: &Section<'_>, patterns: Patterns) -> Option<Rules> {
    let has = |name| section.has(name);
    Some(match patterns {
        (Some(start), goes_on, Some(end)) => {
            if goes_on.is_some() {
                let text = "has no effect beside StartPattern and EndPattern";
                section.note("ContinuePattern", text);
            }
            Rules::StartEnd(start, end)
        }
        (Some(start), Some(goes_on), None) => Rules::StartContinue(start, goes_on),
        (Some(start), None, None) => Rules::Start(start),
        (None, Some(goes_on), Some(end)) => Rules::ContinueEnd(goes_on, end),
        (None, None, Some(end)) => Rules::End(end),
        (None, Some(_), None) => {
            section.wrong("ContinuePattern", "needs StartPattern or EndPattern beside it");
            return None;
        }
        (None, None, None) => {
            if !["StartPattern", "ContinuePattern", "EndPattern"].into_iter().any(has) {
                section.wrong("StartPattern", "is missing: give a pattern, or another Mode");
            }
            return None;
        }
    })
}

/// How deep in JSON's objects and lists a line ends that begins so deep. `None`: it ends within a
/// string, which no JSON does.
fn depth(before: usize, line: &[u8]) -> Option<usize> {
    let (mut depth, mut is_text, mut skips) = (before, false, false);
    for &byte in line {
        if skips {
            skips = false;
            continue;
        }
        match byte {
            b'\\' if is_text => skips = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth += 1,
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (!is_text).then_some(depth)
}
