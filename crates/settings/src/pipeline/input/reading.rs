//! The keys that every input has: where reading begins, how long an unfinished record is waited for,
//! which lines make one.

use std::time::Duration;

use super::FirstStart;
use crate::pipeline::surroundings::Surroundings;
use crate::section::Section;

/// LoongCollector's default of `TailSizeKB` on Linux.
const TAIL_KIB: u64 = 1024;
/// LoongCollector's upper bound of it (100 GiB).
const TAIL_KIB_MAX: u64 = 104_857_600;
/// LoongCollector's default of `FlushTimeoutSecs`.
const FLUSH_TIMEOUT_SECS: u64 = 60;
/// A day: a line that is not finished by then is finished.
const FLUSH_TIMEOUT_SECS_MAX: u64 = 86_400;

/// `TailSizeKB`.
pub(super) fn first_start(section: &Section<'_>) -> FirstStart {
    let kib = section.number("TailSizeKB", 0..=TAIL_KIB_MAX).unwrap_or(TAIL_KIB);
    FirstStart::Tail(kib * 1024)
}

/// `FlushTimeoutSecs`.
pub(super) fn flush_timeout(section: &Section<'_>) -> Duration {
    let seconds = section.number("FlushTimeoutSecs", 1..=FLUSH_TIMEOUT_SECS_MAX);
    Duration::from_secs(seconds.unwrap_or(FLUSH_TIMEOUT_SECS))
}

/// `Multiline` as text, keys sorted. `None`: every line is a record.
pub(super) fn multiline(section: &Section<'_>, around: &Surroundings<'_>) -> Option<String> {
    let rules = section.section("Multiline").filter(|rules| !rules.is_empty())?;
    let Some(check) = around.multiline else {
        section.refuse("Multiline", None, "a record is one line: remove the key");
        return None;
    };
    check(&rules);
    Some(rules.text_of_all())
}

/// `AllowingIncludedByMultiConfigs`: true is what irontail does anyway.
pub(super) fn shared(section: &Section<'_>) {
    if section.flag("AllowingIncludedByMultiConfigs") == Some(false) {
        let text = "has no effect in irontail: every pipeline collects what it matches";
        section.note("AllowingIncludedByMultiConfigs", text);
    }
}
