//! `processor_parse_timestamp_native`: the time in a field becomes the record's.
//!
//! As LoongCollector: the field stays; the format needs to fit only the beginning of the text; a text
//! that does not fit leaves the record's time as it is (and is counted). Different, each with its
//! reason: an offset in the text (`%z`) holds where `SourceTimezone` is absent, there it is ignored;
//! what is older than twelve hours stays, unless `DiscardOlderThanSecs` says how old is too old,
//! and is then counted; a format without a year needs `SourceYear`, without which every record is of
//! the year 1900 there and dropped. "Now" is the time of the request, so that a resend is the same.

use record::Event;
use settings::Section;

use crate::time::{civil, strptime, zone::Zone};
use crate::{Context, Keep, Processor, Reason, Tally};

const NANOS: i64 = 1_000_000_000;
/// A hundred years: older than any log.
const AGE_SECS_MAX: u64 = 3_153_600_000;

/// The stage.
#[derive(Debug)]
struct ParseTimestamp {
    key: String,
    format: String,
    zone: Zone,
    /// Whether an offset in the text holds.
    takes_offset: bool,
    /// `None`: the year that is nearest to the request's time.
    year: Option<i64>,
    age_secs_max: Option<i64>,
}

pub(crate) fn read(
    section: &Section<'_>,
    zone_file: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Option<Box<dyn Processor>> {
    let key = section.required_text("SourceKey");
    let format = section.required_text("SourceFormat");
    if let Some(problem) = format.and_then(strptime::problem) {
        section.wrong("SourceFormat", problem);
    }
    let zone_name = section.text("SourceTimezone");
    let zone = match zone_name {
        None => Some(local_zone(zone_file)),
        Some(name) => {
            let zone = Zone::fixed(name).or_else(|| Zone::from_file(&zone_file(name)?));
            if zone.is_none() {
                let problem = "must be an offset, as in GMT+08:00, or the name of a zone that this \
                               host has below /usr/share/zoneinfo";
                section.wrong("SourceTimezone", problem);
            }
            zone
        }
    };
    let year = section.signed("SourceYear");
    let has_year = format.is_none_or(strptime::has_year);
    match year {
        None | Some(..0) if !has_year => section.wrong(
            "SourceYear",
            "must be given where SourceFormat has no year: 0 takes the year from the present time",
        ),
        Some(10_000..) => section.wrong("SourceYear", "must be at most 9999"),
        _ => {}
    }
    let age = section.number("DiscardOlderThanSecs", 1..=AGE_SECS_MAX);
    Some(Box::new(ParseTimestamp {
        key: key?.to_owned(),
        format: format?.to_owned(),
        zone: zone?,
        takes_offset: zone_name.is_none(),
        year: year.filter(|year| *year > 0),
        age_secs_max: age.and_then(|age| i64::try_from(age).ok()),
    }))
}

/// The host's zone; Greenwich where it has none.
fn local_zone(zone_file: &dyn Fn(&str) -> Option<Vec<u8>>) -> Zone {
    zone_file("").and_then(|bytes| Zone::from_file(&bytes)).unwrap_or(Zone::Fixed(0))
}

impl Processor for ParseTimestamp {
    fn apply<'a>(&'a self, event: &mut Event<'a>, context: &Context, tally: &mut Tally) -> Keep {
        let Some(text) = event.value(self.key.as_bytes()) else { return Keep::Yes };
        match self.time(text, context) {
            None => {
                tally.parse_error(text);
                Keep::Yes
            }
            Some(time) => {
                event.time = Some(time);
                self.is_young(time, context, tally)
            }
        }
    }

    fn fingerprint(&self) -> u64 {
        self.zone.fingerprint()
    }
}

impl ParseTimestamp {
    /// Nanoseconds since 1970.
    fn time(&self, text: &[u8], context: &Context) -> Option<i64> {
        let parts = strptime::parse(self.format.as_bytes(), text)?;
        let seconds = match parts.epoch {
            Some(seconds) => seconds,
            None => {
                let utc = |year: i64| {
                    let local = parts.seconds(year)?;
                    let given = parts.offset.filter(|_| self.takes_offset);
                    Some(local - given.unwrap_or_else(|| self.zone.offset_at_local(local)))
                };
                match (parts.full_year(), self.year) {
                    (Some(year), _) | (None, Some(year)) => utc(year)?,
                    (None, None) => nearest(utc, context.time.div_euclid(NANOS))?,
                }
            }
        };
        seconds.checked_mul(NANOS)?.checked_add(parts.nanos).filter(|time| *time > 0)
    }

    fn is_young(&self, time: i64, context: &Context, tally: &mut Tally) -> Keep {
        let age = context.time.saturating_sub(time) / NANOS;
        if self.age_secs_max.is_some_and(|max| age > max) {
            tally.count(Reason::Old);
            return Keep::No;
        }
        Keep::Yes
    }
}

/// Of the years around `now` the one in which a time is nearest to it.
fn nearest(utc: impl Fn(i64) -> Option<i64>, now: i64) -> Option<i64> {
    let year = civil::year_of(now.div_euclid(civil::DAY));
    (year - 1..=year + 1).filter_map(utc).min_by_key(|time| (time - now).abs())
}
