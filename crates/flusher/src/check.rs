//! What a check of a destination found, step after step, for people.

/// One step of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckStep {
    /// Its name: `dns`, `tcp`, `tls`, `request`, `authentication`, `clock`.
    pub name: &'static str,
    /// What was found, or what is wrong and what to do.
    pub outcome: Result<String, String>,
}

impl CheckStep {
    /// A step with this outcome.
    pub(crate) fn new(name: &'static str, outcome: Result<String, String>) -> Self {
        Self { name, outcome }
    }
}
