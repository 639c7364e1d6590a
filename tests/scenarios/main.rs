//! Every promise to a user, shown with the real binary.

#![allow(clippy::disallowed_methods)] // The harness is the world outside.
#![allow(clippy::unwrap_used)] // All of it is test code.

mod accounting;
mod admin;
mod bad_config;
mod batches;
mod check_connect;
mod clickhouse;
mod commands;
mod commit_order;
mod damaged_lines;
mod descriptors;
mod elasticsearch;
mod ends;
mod engine_answers;
mod faults;
mod globs;
mod kills;
mod line_ends;
mod loki;
mod lost_state;
mod multiline;
mod multiline_output;
mod nuls;
mod odd_files;
mod otlp;
mod pod_logs_dir;
mod processors;
mod proxy;
mod rate_limits;
mod reboot;
mod restore_order;
mod rotation;
mod rotation_table;
mod s3;
mod saved_config;
mod secrets;
mod shutdown;
mod sls;
mod spool;
mod spool_damage;
mod state_dir;
mod state_files;
mod storage;
mod takeover;
mod talkative;
mod upgrade;
mod vendors;
mod victorialogs;
mod wrong_clock;
