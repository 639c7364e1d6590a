//! What the first search for a target that came later waits for.

/// What the first search for a newcomer waits for.
#[derive(Debug)]
pub(crate) struct Awaited {
    /// So many directories that are to be listed, its roots counting as one.
    pub(crate) count: usize,
    pub(crate) is_told: bool,
}
