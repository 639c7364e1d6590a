//! `processor_rate_limit`: how much of a source may be collected in a second, as its section of the
//! configuration says it.
//!
//! It decides by the clock, so it is no stage of a chain: a resend would be another request. The
//! delivery asks it before the bounds of a request are journaled, whatever its place in
//! `processors` is. Not here: what has been used of a limit, and what follows from that (`delivery`).

use settings::{Foreign, Section, refused};

/// What LoongCollector's plugin of this name has.
const FOREIGN: [Foreign; 2] = [
    refused("Limit", "give RecordsPerSecond, and Mode drop where records are to be dropped"),
    refused("Fields", "say with Per which records share a limit"),
];

/// The greatest rate and burst.
const AMOUNT_MAX: u64 = 1 << 40;

/// What a section says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Which records share a limit.
    pub per: Per,
    /// What becomes of what is over it.
    pub mode: Mode,
    /// Raw bytes.
    pub bytes: Option<Rate>,
    /// Records.
    pub records: Option<Rate>,
}

/// So much in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How much, on average.
    pub per_second: u64,
    /// How much at once, after a pause.
    pub burst: u64,
}

/// Which records share a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Per {
    /// All of the pipeline.
    Pipeline,
    /// Those of a container.
    Container,
    /// Those of a namespace of Kubernetes.
    Namespace,
    /// Those with the same value of this tag.
    Tag(String),
}

/// What becomes of what is over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It stays in its file until there is room for it.
    Delay,
    /// It is left out and counted.
    Drop,
}

pub(crate) fn read(section: &Section<'_>) -> Option<RateLimit> {
    section.foreign(&FOREIGN);
    let bytes = rate(section, "BytesPerSecond", "BurstBytes");
    let records = rate(section, "RecordsPerSecond", "BurstRecords");
    if !section.has("BytesPerSecond") && !section.has("RecordsPerSecond") {
        section.wrong_itself("has no limit: give BytesPerSecond, RecordsPerSecond or both");
    }
    let mode = match section.text("Mode") {
        None | Some("delay") => Mode::Delay,
        Some("drop") => Mode::Drop,
        Some(_) => {
            section.wrong("Mode", "must be delay or drop");
            return None;
        }
    };
    Some(RateLimit { per: per(section)?, mode, bytes, records })
}

fn per(section: &Section<'_>) -> Option<Per> {
    let tag = section.text("TagKey");
    let per = match (section.text("Per"), tag) {
        (Some("tag"), Some(name)) if !name.is_empty() => return Some(Per::Tag(name.to_owned())),
        (Some("tag"), _) => {
            section.wrong("TagKey", "must name a tag where Per is tag");
            return None;
        }
        (None | Some("pipeline"), _) => Per::Pipeline,
        (Some("container"), _) => Per::Container,
        (Some("namespace"), _) => Per::Namespace,
        (Some(_), _) => {
            section.wrong("Per", "must be pipeline, container, namespace or tag");
            return None;
        }
    };
    if tag.is_some() {
        section.wrong("TagKey", "is only for Per: tag");
    }
    Some(per)
}

fn rate(section: &Section<'_>, rate: &'static str, burst: &'static str) -> Option<Rate> {
    let per_second = section.number(rate, 1..=AMOUNT_MAX);
    let given = section.number(burst, 1..=AMOUNT_MAX);
    if given.is_some() && !section.has(rate) {
        section.wrong(burst, format!("is only for {rate}, which is missing"));
    }
    let per_second = per_second?;
    Some(Rate { per_second, burst: given.unwrap_or(per_second) })
}
