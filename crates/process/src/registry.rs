//! The processors that irontail has: one row each, from a `Type` to what reads its keys. A new one is
//! a file and a row. All are stages of a [`Chain`] but those that decide by the clock ([`limits`]).

use std::any::Any;
use std::sync::Arc;

use settings::{Plugin, ProcessorConfig, Stage};

use crate::alter::{desensitize, fields, filter, severity};
use crate::parse::{container_json, delimiter, json, logfmt, regex, timestamp};
use crate::rate_limit::{self, RateLimit};
use crate::time::host;
use crate::{Chain, Processor};

/// The processors, for [`settings::load`] and its like.
pub static PROCESSORS: [Plugin<Arc<dyn Stage>>; 13] = [
    Plugin { name: "processor_add_fields", read: |section, _| row(fields::read_add(section)) },
    Plugin {
        name: "processor_desensitize_native",
        read: |section, _| row(desensitize::read(section)),
    },
    Plugin { name: "processor_drop", read: |section, _| row(fields::read_drop(section)) },
    Plugin { name: "processor_filter_regex_native", read: |section, _| row(filter::read(section)) },
    Plugin {
        name: "processor_parse_container_json",
        read: |section, _| row(container_json::read(section)),
    },
    Plugin {
        name: "processor_parse_delimiter_native",
        read: |section, _| row(delimiter::read(section)),
    },
    Plugin { name: "processor_parse_json_native", read: |section, _| row(json::read(section)) },
    Plugin { name: "processor_parse_logfmt", read: |section, _| row(logfmt::read(section)) },
    Plugin { name: "processor_parse_regex_native", read: |section, _| row(regex::read(section)) },
    Plugin {
        name: "processor_parse_timestamp_native",
        read: |section, _| row(timestamp::read(section, &host::zone_file)),
    },
    Plugin {
        name: "processor_rate_limit",
        read: |section, _| Some(Arc::new(Registered::Limit(rate_limit::read(section)?))),
    },
    Plugin { name: "processor_rename", read: |section, _| row(fields::read_rename(section)) },
    Plugin { name: "processor_severity", read: |section, _| row(severity::read(section)) },
];

/// What a row makes: all that [`chain`] and [`limits`] have to know to find the processor again.
#[derive(Debug)]
enum Registered {
    Pure(Arc<dyn Processor>),
    Limit(RateLimit),
}

impl Stage for Registered {}

fn row(processor: Option<Box<dyn Processor>>) -> Option<Arc<dyn Stage>> {
    Some(Arc::new(Registered::Pure(processor?.into())))
}

/// The chain of entries of `processors` that were read with [`PROCESSORS`].
///
/// # Panics
/// Where one was read with another table.
pub fn chain(configs: &[ProcessorConfig]) -> Chain {
    let stage = |(at, config): (usize, &ProcessorConfig)| match registered(config) {
        Registered::Pure(processor) => Some(crate::Stage {
            at,
            kind: config.kind,
            settings: config.document.clone(),
            processor: processor.clone(),
        }),
        Registered::Limit(_) => None,
    };
    Chain::new(configs.iter().enumerate().filter_map(stage).collect())
}

/// The rate limits among entries of `processors`, each with its place there.
///
/// # Panics
/// As [`chain`].
pub fn limits(configs: &[ProcessorConfig]) -> Vec<(usize, RateLimit)> {
    let limit = |(at, config): (usize, &ProcessorConfig)| match registered(config) {
        Registered::Limit(limit) => Some((at, limit.clone())),
        Registered::Pure(_) => None,
    };
    configs.iter().enumerate().filter_map(limit).collect()
}

fn registered(config: &ProcessorConfig) -> &Registered {
    let stage: &dyn Any = config.stage.as_ref();
    stage.downcast_ref().expect("entries of processors are read with this crate's table")
}
