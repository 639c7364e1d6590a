//! Tests of the whole: a checkpoint on a disk, closed and opened again.
#![allow(clippy::disallowed_methods)] // Threads that tests wait for.

mod basics;
mod crash;
mod damage;
mod durability;
mod looking;
mod model;
mod takeover;
mod world;
