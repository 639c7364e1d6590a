//! What a delivery shows of itself. Only memory: a crash leaves nothing.

pub mod counters;
pub mod lag;
pub mod limit_counts;
#[expect(clippy::module_inception, reason = "the folder's main type")]
pub mod meter;
pub mod stage_counts;
