//! What the tests drive irontail with: the real binary as a process, writers that rotate their
//! logs, a destination that fails by script, and an oracle that counts lost and repeated lines.
//! For development only; nothing here is part of the agent.
//!
//! ```
//! use testkit::{Arrivals, push_line};
//!
//! let mut line = Vec::new();
//! push_line(&mut line, 7, 0, 80); // writer 7, its first line, 80 bytes
//! let mut arrivals = Arrivals::new();
//! arrivals.note(&line[..80]);
//! assert_eq!(arrivals.distinct(), 1);
//! assert_eq!(arrivals.missing(7, 3)[0].to_string(), "w7 1..3");
//! ```

// The harness is the world outside: it renames, truncates, spawns and panics as that does.
#![allow(clippy::disallowed_methods)]

mod agent;
mod arrivals;
mod binary;
mod boot;
mod clickhouse;
mod cri;
mod destination;
mod docker;
mod false_clock;
mod faults;
mod grpc;
mod http;
mod ilogtail;
mod image;
mod ledger;
mod line;
mod mount;
mod murmur;
pub mod ndjson;
mod need;
mod oracle;
mod otlp;
mod port;
mod protocol;
mod reply;
mod rotation;
mod tally;
mod touches;
mod usage;
mod vendor;
mod wait;
mod writer;

pub use agent::{Agent, AgentCommand, Stopped};
pub use arrivals::{Arrivals, Run};
pub use binary::binary;
pub use boot::another_boot;
pub use clickhouse::Clickhouse;
pub use cri::{
    ContainerState, ContainerStatus, Containerd, Executed, Pod, PodContainer, PodContainerPlan,
    PodPlan,
};
pub use destination::{Destination, Keeper};
pub use docker::{ContainerPlan, Docker, DockerContainer, DockerVolume};
pub use false_clock::FalseClock;
pub use faults::{Faults, Refusal, Treatment};
pub use http::Request;
pub use ilogtail::IlogtailCheckpoint;
pub use ledger::Ledger;
pub use line::{LINE_LEN_MIN, Line, parse_line, push_line, push_stack};
pub use mount::Mount;
pub use murmur::murmur3_x64_128;
pub use need::{or_left_out, packages, program};
pub use oracle::Verdict;
pub use otlp::{OtlpRecord, otlp_records};
pub use protocol::{
    AliyunSls, Chdb, Elasticsearch, Loki, MotoS3, Page, ProtoOtlp, Protocol, S3, Sls, VictoriaLogs,
};
pub use reply::Reply;
pub use rotation::{Rotation, numbered};
pub use tally::Tally;
pub use touches::{Touch, Touches};
pub use usage::{Usage, pinned_bytes};
pub use vendor::{Vendor, VendorAnswer};
pub use wait::until;
pub use writer::{LogFile, WriterPlan, Writers, Written};
