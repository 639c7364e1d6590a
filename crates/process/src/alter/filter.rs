//! `processor_filter_regex_native`: which events go on.
//!
//! As LoongCollector: a pattern must match the whole value; a missing field matches nothing (so that
//! `not` of it is true); an event without fields goes nowhere; `ConditionExp` before `FilterKey` with
//! `FilterRegex` before `Include`; with no condition everything passes.

use record::Event;
use settings::Section;

use crate::text::pattern::Pattern;
use crate::{Context, Keep, Processor, Reason, Tally};

/// The stage.
#[derive(Debug)]
struct Filter {
    condition: Option<Condition>,
    cleans: bool,
}

#[derive(Debug)]
enum Condition {
    Matches(String, Pattern),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

/// The deepest tree of conditions.
const DEPTH_MAX: usize = 32;

pub(crate) fn read(section: &Section<'_>) -> Option<Box<dyn Processor>> {
    let tree = section.section("ConditionExp").map(|tree| condition(&tree, 0));
    let lists = lists(section);
    let include = include(section);
    let cleans = section.flag("DiscardingNonUTF8").unwrap_or(false);
    let condition = match (tree, lists, include) {
        (Some(tree), ..) => Some(tree?),
        (None, Some(lists), _) => Some(lists?),
        (None, None, include) => include,
    };
    Some(Box::new(Filter { condition, cleans }))
}

fn matches(section: &Section<'_>, at: String, key: &str, pattern: &str) -> Option<Condition> {
    match Pattern::whole(pattern) {
        Ok(pattern) => Some(Condition::Matches(key.to_owned(), pattern)),
        Err(problem) => {
            section.wrong_at(at, problem);
            None
        }
    }
}

fn condition(section: &Section<'_>, depth: usize) -> Option<Condition> {
    if depth > DEPTH_MAX {
        section.wrong("operands", format!("are nested deeper than {DEPTH_MAX}"));
        return None;
    }
    let condition = if section.has("operator") || section.has("operands") {
        operation(section, depth)
    } else {
        let kind = section.text("type");
        if kind.is_some_and(|kind| kind != "regex") {
            section.wrong("type", "must be regex");
        }
        let (key, pattern) = (section.required_text("key"), section.required_text("exp"));
        matches(section, section.key("exp"), key?, pattern?)
    };
    section.finish();
    condition
}

fn operation(section: &Section<'_>, depth: usize) -> Option<Condition> {
    let operator = section.required_text("operator").map(str::to_lowercase);
    let operands = section.sections("operands");
    let read: Vec<Option<Condition>> =
        operands.iter().flatten().map(|operand| condition(operand, depth + 1)).collect();
    let wanted = match operator.as_deref()? {
        "not" => 1,
        "and" | "or" => 2,
        _ => {
            section.wrong("operator", "must be and, or or not");
            return None;
        }
    };
    if read.len() != wanted {
        let problem = format!("must have {wanted} entries for this operator, not {}", read.len());
        section.wrong("operands", problem);
        return None;
    }
    let mut conditions: Vec<Condition> = read.into_iter().collect::<Option<_>>()?;
    Some(match operator.as_deref()? {
        "not" => Condition::Not(Box::new(conditions.pop()?)),
        "and" => Condition::And(conditions),
        _ => Condition::Or(conditions),
    })
}

/// `FilterKey` and `FilterRegex`: `None` where both are absent or empty.
fn lists(section: &Section<'_>) -> Option<Option<Condition>> {
    let (keys, patterns) = (section.texts("FilterKey"), section.texts("FilterRegex"));
    if !section.has("FilterKey") && !section.has("FilterRegex") {
        return None;
    }
    let (keys, patterns) = (keys.unwrap_or_default(), patterns.unwrap_or_default());
    if keys.len() != patterns.len() {
        let problem = format!("has {} entries, and FilterRegex {}", keys.len(), patterns.len());
        section.wrong("FilterKey", problem);
        return Some(None);
    }
    if keys.is_empty() {
        return None;
    }
    let pairs = keys.iter().zip(patterns);
    let conditions: Vec<Option<Condition>> =
        pairs.map(|((_, key), (at, pattern))| matches(section, at, key, pattern)).collect();
    Some(conditions.into_iter().collect::<Option<_>>().map(Condition::And))
}

fn include(section: &Section<'_>) -> Option<Condition> {
    let entries = section.text_map("Include").filter(|entries| !entries.is_empty())?;
    let conditions: Vec<Condition> = entries
        .into_iter()
        .filter_map(|(at, key, pattern)| matches(section, at, key, pattern))
        .collect();
    Some(Condition::And(conditions))
}

impl Condition {
    fn holds(&self, event: &Event<'_>) -> bool {
        match self {
            Condition::Matches(key, pattern) => {
                event.value(key.as_bytes()).is_some_and(|value| pattern.is_match(value))
            }
            Condition::Not(condition) => !condition.holds(event),
            Condition::And(conditions) => conditions.iter().all(|one| one.holds(event)),
            Condition::Or(conditions) => conditions.iter().any(|one| one.holds(event)),
        }
    }
}

impl Processor for Filter {
    fn apply<'a>(&'a self, event: &mut Event<'a>, _: &Context, tally: &mut Tally) -> Keep {
        let is_wanted = match &self.condition {
            Some(condition) => !event.is_empty() && condition.holds(event),
            None => true,
        };
        if !is_wanted {
            tally.count(Reason::Filtered);
            return Keep::No;
        }
        if self.cleans {
            (0..event.len()).for_each(|at| clean(event, at));
        }
        Keep::Yes
    }
}

/// Puts a blank in the place of each byte of a name or value that is no UTF-8.
fn clean(event: &mut Event<'_>, at: usize) {
    let field = event.field(at);
    if std::str::from_utf8(event.bytes(field.name)).is_err() {
        let name = event.store_from(field.name, blank_out);
        event.set_name(at, name);
    }
    if std::str::from_utf8(event.bytes(field.value)).is_err() {
        let value = event.store_from(field.value, blank_out);
        event.set_value(at, value);
    }
}

fn blank_out(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        out.extend(chunk.invalid().iter().map(|_| b' '));
    }
}
