//! What happens at a start: `recover` reads the directory and decides (`takeover`: from
//! iLogtail), `recovery` is what the agent gets to know, `repair` mends. `inspect` is a start
//! that only looks.

pub(crate) mod inspect;
pub(crate) mod node;
pub(crate) mod recover;
pub(crate) mod recovery;
pub(crate) mod repair;
pub(crate) mod takeover;
