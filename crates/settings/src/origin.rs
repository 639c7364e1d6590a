//! A value with the place that it came from, so that `irontail check` can say
//! `check_point_filename = /state/logtail_check_point (from environment check_point_filename)`.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// An environment variable of this name.
    Environment(String),
    /// A key of a file; without a key, the file as a whole.
    File(PathBuf, Option<String>),
    /// A flag of the command line.
    CommandLine(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => write!(f, "default"),
            Origin::Environment(name) => write!(f, "from environment {name}"),
            Origin::File(path, Some(key)) => write!(f, "from {} key {key}", path.display()),
            Origin::File(path, None) => write!(f, "from {}", path.display()),
            Origin::CommandLine(flag) => write!(f, "from command line {flag}"),
        }
    }
}

/// A value and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value in force.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}
