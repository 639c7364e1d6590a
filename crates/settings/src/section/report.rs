//! What is wrong with one file, and what is to be logged about it: all of it, gathered.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The errors and notes of one file.
pub(crate) struct Report {
    pub(crate) path: PathBuf,
    pub(crate) errors: RefCell<Vec<Error>>,
    pub(crate) notes: RefCell<Vec<String>>,
}

impl Report {
    pub(crate) fn new(path: &Path) -> Self {
        Report { path: path.to_owned(), errors: RefCell::default(), notes: RefCell::default() }
    }

    pub(crate) fn error(&self, error: Error) {
        self.errors.borrow_mut().push(error);
    }

    /// Reports a wrong value.
    pub(crate) fn wrong(&self, key: String, problem: impl Into<String>) {
        let problem = problem.into();
        self.error(Error::Value { path: self.path.clone(), key, problem });
    }
}
