//! The destinations, a file or a folder each. Every one has its keys, the flusher that they make,
//! and a row in `registry.rs`.

pub(crate) mod blackhole;
pub(crate) mod clickhouse;
pub(crate) mod elasticsearch;
pub(crate) mod file;
pub(crate) mod http;
pub(crate) mod loki;
pub(crate) mod otlp;
pub(crate) mod s3;
pub(crate) mod sls;
pub(crate) mod stdout;
