//! The processors that irontail has: one row each, from a `Type` to what reads its keys. A new one is
//! a file and a row.

use std::any::Any;
use std::sync::Arc;

use settings::{Plugin, ProcessorConfig, Stage};

use crate::alter::{desensitize, fields, filter, severity};
use crate::parse::{container_json, delimiter, json, logfmt, regex, timestamp};
use crate::time::host;
use crate::{Chain, Processor};

/// The processors, for [`settings::load`] and its like.
pub static PROCESSORS: [Plugin<Arc<dyn Stage>>; 12] = [
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
    Plugin { name: "processor_rename", read: |section, _| row(fields::read_rename(section)) },
    Plugin { name: "processor_severity", read: |section, _| row(severity::read(section)) },
];

/// What a row makes: all that [`chain`] has to know to find the processor again.
#[derive(Debug)]
struct Registered(Arc<dyn Processor>);

impl Stage for Registered {}

fn row(processor: Option<Box<dyn Processor>>) -> Option<Arc<dyn Stage>> {
    Some(Arc::new(Registered(processor?.into())))
}

/// The chain of entries of `processors` that were read with [`PROCESSORS`].
///
/// # Panics
/// Where one was read with another table.
pub fn chain(configs: &[ProcessorConfig]) -> Chain {
    let stage = |config: &ProcessorConfig| {
        let stage: &dyn Any = config.stage.as_ref();
        let registered: &Registered =
            stage.downcast_ref().expect("entries of processors are read with this crate's table");
        crate::Stage {
            kind: config.kind,
            settings: config.document.clone(),
            processor: registered.0.clone(),
        }
    };
    Chain::new(configs.iter().map(stage).collect())
}
