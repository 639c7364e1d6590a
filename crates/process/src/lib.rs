//! From raw bytes to records: bytes are split into events, and events pass a chain of pure stages.
//! Knows neither where bytes come from nor where records go.
//!
//! ```
//! use std::path::Path;
//!
//! use process::{Context, Keep, registry};
//! use record::Event;
//!
//! let entry = serde_json::json!({"Type": "processor_parse_json_native", "SourceKey": "content"});
//! let path = Path::new("example.json");
//! let (config, errors) = settings::read_processor(path, &entry, &registry::PROCESSORS);
//! assert!(errors.is_empty());
//! let chain = registry::chain(&[config.unwrap()]);
//!
//! let mut event = Event::new();
//! event.begin(0, "content", r#"{"level":"warn","disk":91}"#.into());
//! let mut tallies = chain.tallies();
//! assert_eq!(chain.apply(&mut event, &Context::default(), &mut tallies), Keep::Yes);
//! assert_eq!(event.value(b"disk"), Some(&b"91"[..]));
//! ```
//!
//! Invariant: everything here is a function of raw bytes, configuration and the
//! request's time. The same bounds give the same records, before and after a crash. Rate limits are
//! only read here ([`RateLimit`]).

mod alter {
    pub(crate) mod desensitize;
    pub(crate) mod fields;
    pub(crate) mod filter;
    pub(crate) mod severity;
}
mod chain;
mod parse {
    pub(crate) mod container_json;
    pub(crate) mod delimiter;
    pub(crate) mod json;
    pub(crate) mod logfmt;
    pub(crate) mod regex;
    pub(crate) mod source;
    pub(crate) mod timestamp;
}
mod rate_limit;
pub mod registry;
pub mod split;
mod stage;
mod text {
    pub(crate) mod dialect;
    pub(crate) mod json;
    pub(crate) mod pattern;
    pub(crate) mod program;
}
mod time {
    pub(crate) use record::calendar as civil;
    pub(crate) mod host;
    pub(crate) mod strptime;
    pub(crate) mod zone;
}

#[cfg(test)]
mod tests;

pub use chain::{Chain, Stage};
pub use rate_limit::{Mode, Per, Rate, RateLimit};
pub use stage::{Context, Keep, Processor, Reason, Tally};
