//! Which files are there: directories listed on a schedule, names met, for the targets that are
//! interested in them. Opens nothing but directories.

pub(crate) mod absence;
pub(crate) mod awaited;
pub(crate) mod begun;
pub(crate) mod directory;
pub(crate) mod discovery;
pub(crate) mod failures;
pub(crate) mod first_search;
pub(crate) mod interest;
pub(crate) mod known_name;
pub(crate) mod listing;
pub(crate) mod look_again;
pub(crate) mod matches;
pub(crate) mod schedule;
pub(crate) mod walk;
