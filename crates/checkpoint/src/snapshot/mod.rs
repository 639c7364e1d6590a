//! The snapshot `logtail_check_point`: the state up to a record of the journal, as one JSON file
//! in iLogtail's shape (`ilogtail`) with an object of ours (`shape`, `text`) and a last line by
//! which damage is found (`seal`). `write` and `read` are each other's opposite; `store` keeps
//! two generations.

pub(crate) mod ilogtail;
pub(crate) mod read;
pub(crate) mod seal;
pub(crate) mod shape;
pub(crate) mod store;
pub(crate) mod text;
pub(crate) mod write;
