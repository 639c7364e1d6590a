//! What happens at a start (`open`): `recover` reads the directory and decides (`replay`: the journal
//! onto the snapshot; `takeover`: from iLogtail; `lost`: without the journal), `repair` mends,
//! `recovery` is what the agent gets to know. `inspect` is a start that only looks.

pub(crate) mod inspect;
pub(crate) mod lost;
pub(crate) mod node;
mod open;
pub(crate) mod recover;
mod recovery;
pub(crate) mod repair;
pub(crate) mod replay;
pub(crate) mod takeover;
