//! What irontail does with containers, shown with the real binary on a real Docker engine and a
//! real containerd: one file a subject, each test a claim about what a user sees.
//!
//! Run by name, since it needs more than Rust: `cargo test -p tests --test containers`. What is
//! missing on the machine is said; `IRONTAIL_REQUIRE=1` makes that a failure. Tests of the image
//! take `IRONTAIL_IMAGE` (irontail:latest), which `scripts/image` makes. `IRONTAIL_LONG=1` runs
//! every test at full size.

#![allow(clippy::disallowed_methods)] // The harness is the world outside.
#![allow(clippy::unwrap_used)] // All of it is test code.

mod article;
mod book;
mod compose;
mod hostile;
mod lifecycle;
mod many;
mod places;
mod pods;
mod site;
mod turn;
mod wishes;
