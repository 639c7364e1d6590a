//! Which destinations there are: a row each, from a flusher's `Type` to what reads its keys. A
//! name that has no row is no destination; nothing falls through to another one.

use std::sync::Arc;

use serde_json::Value;
use settings::{Destination, FlusherConfig, Plugin};

use crate::target::Target;
use crate::to::blackhole::Blackhole;
use crate::to::clickhouse::ClickhouseTarget;
use crate::to::elasticsearch::ElasticsearchTarget;
use crate::to::file::FileOptions;
use crate::to::http::HttpTarget;
use crate::to::loki::LokiTarget;
use crate::to::otlp::OtlpTarget;
use crate::to::s3::S3Target;
use crate::to::sls::SlsTarget;
use crate::to::stdout::Stdout;

/// The destinations, for [`settings::load`] and its like.
pub static DESTINATIONS: [Plugin<Arc<dyn Destination>>; 10] = [
    Plugin { name: "flusher_blackhole", read: |_, _| row(Blackhole) },
    Plugin {
        name: "flusher_clickhouse",
        read: |section, around| row(ClickhouseTarget::read(section, around)?),
    },
    Plugin {
        name: "flusher_elasticsearch",
        read: |section, around| row(ElasticsearchTarget::read(section, around)?),
    },
    Plugin {
        name: "flusher_file",
        read: |section, around| row(FileOptions::read(section, around)?),
    },
    Plugin {
        name: "flusher_http",
        read: |section, around| row(HttpTarget::read(section, around)?),
    },
    Plugin {
        name: "flusher_loki",
        read: |section, around| row(LokiTarget::read(section, around)?),
    },
    Plugin {
        name: "flusher_otlp",
        read: |section, around| row(OtlpTarget::read(section, around)?),
    },
    Plugin { name: "flusher_s3", read: |section, around| row(S3Target::read(section, around)?) },
    Plugin { name: "flusher_sls", read: |section, around| row(SlsTarget::read(section, around)?) },
    Plugin { name: "flusher_stdout", read: |section, _| row(Stdout::read(section)) },
];

/// The destination of an entry of `flushers` that was read with [`DESTINATIONS`].
///
/// # Panics
/// Where the entry was read with another table.
pub fn target(config: &FlusherConfig) -> &dyn Target {
    let destination: &dyn std::any::Any = config.destination.as_ref();
    let registered: &Registered = destination
        .downcast_ref()
        .expect("entries of flushers are read with this crate's table, which makes nothing else");
    registered.0.as_ref()
}

/// What a row makes: all that [`target`] has to know to find the destination again.
#[derive(Debug)]
struct Registered(Box<dyn Target>);

fn row(target: impl Target) -> Option<Arc<dyn Destination>> {
    Some(Arc::new(Registered(Box::new(target))))
}

impl Destination for Registered {
    fn name(&self) -> String {
        self.0.name()
    }

    fn shape(&self) -> Value {
        self.0.shape()
    }

    fn concurrency(&self) -> usize {
        self.0.concurrency()
    }
}
