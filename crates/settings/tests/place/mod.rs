//! A directory of configuration files that goes away.
#![allow(clippy::disallowed_methods)] // writes the files that the tests read
#![allow(dead_code)] // each test file uses a part

use std::fs;
use std::path::{Path, PathBuf};

use settings::{Loaded, Pipeline, load};

/// The directory, with `config/local` in it.
pub struct Place(pub tempfile::TempDir);

impl Place {
    pub fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("tempdir"));
        fs::create_dir_all(place.local()).expect("mkdir");
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn local(&self) -> PathBuf {
        self.path().join("config/local")
    }

    /// Writes a file below the directory and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        fs::write(&path, text).expect("write");
        path
    }

    /// Loads `sources` (names below the directory) and `config/local`.
    pub fn load(&self, sources: &[&str]) -> Loaded {
        let sources: Vec<PathBuf> = sources.iter().map(PathBuf::from).collect();
        load(&sources, &self.local(), self.path(), &flusher::DESTINATIONS)
    }
}

/// Loads one document as a file of this name.
pub fn load_one(name: &str, text: &str) -> Loaded {
    let place = Place::new();
    place.write(name, text);
    place.load(&[name])
}

/// The pipeline of a good document.
pub fn pipeline(name: &str, text: &str) -> Pipeline {
    let mut loaded = load_one(name, text);
    assert!(loaded.errors.is_empty(), "{:?}\n{text}", messages(&loaded));
    loaded.pipelines.pop().expect("a pipeline")
}

/// All errors as text.
pub fn messages(loaded: &Loaded) -> Vec<String> {
    loaded.errors.iter().map(ToString::to_string).collect()
}
