//! Targets and trees that come and go while the tail runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Tail, Target, Tree};

impl Tail {
    /// Puts a tree at a path, in the place of one that is there: from now on paths below `root`
    /// are the tree's. Mounts of what was there before a restart are made before the first
    /// [`Tail::poll`], so that saved files are found where they were.
    pub fn mount(&mut self, root: PathBuf, tree: Arc<dyn Tree>) {
        self.shared.trees.mount(root, tree);
    }

    /// Takes a tree away. What is open in it stays so.
    pub fn unmount(&mut self, root: &Path) {
        self.shared.trees.unmount(root);
    }

    /// Adds a target. [`crate::Event::Found`] tells of its files and [`crate::Event::Listed`]
    /// that the first search for them is over.
    pub fn add_target(&mut self, target: Target) {
        self.discovery.add(target);
    }

    /// Takes a target away. Files that are open and that no other target matches are read to
    /// their end, and closed when they are settled.
    pub fn remove_target(&mut self, id: usize) {
        self.discovery.remove(id);
    }
}
