//! Protocols of destinations, as a receiver sees them: strict where the vendor's server is, and
//! with its memory of what it has already.

mod elasticsearch;
mod loki;
mod page;
mod s3;
mod sls;
mod vendors;
mod victorialogs;

pub use elasticsearch::Elasticsearch;
pub use loki::Loki;
pub use page::{Page, Protocol};
pub use s3::S3;
pub use sls::Sls;
pub use vendors::{AliyunSls, Chdb, MotoS3, ProtoOtlp};
pub use victorialogs::VictoriaLogs;
