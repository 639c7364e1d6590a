//! Tags are spelled out once a segment, before their first use, and named by number after that.
//! A definition that was lost with a damaged record costs its requests their tags, not their
//! positions.

use std::collections::HashMap;
use std::sync::Arc;

use record::Tags;

/// Numbers for the tags of one segment.
#[derive(Default)]
pub(crate) struct Interner {
    ids: HashMap<Arc<Tags>, u32>,
    staged: Vec<Arc<Tags>>,
}

impl Interner {
    /// The number of these tags, a new one if they have none.
    pub(crate) fn id(&mut self, tags: &Arc<Tags>) -> u32 {
        if let Some(id) = self.ids.get(tags) {
            return *id;
        }
        let id = self.ids.len() as u32;
        self.ids.insert(Arc::clone(tags), id);
        self.staged.push(Arc::clone(tags));
        id
    }

    /// The definitions that were added since the last commit, to be written first.
    pub(crate) fn staged(&self) -> Vec<(u32, Arc<Tags>)> {
        let first = (self.ids.len() - self.staged.len()) as u32;
        (first..).zip(self.staged.iter().cloned()).collect()
    }

    /// They are written.
    pub(crate) fn commit(&mut self) {
        self.staged.clear();
    }

    /// They are not: the next use adds them again.
    pub(crate) fn roll_back(&mut self) {
        for tags in self.staged.drain(..) {
            self.ids.remove(&tags);
        }
    }
}

/// What the numbers of one segment stand for.
#[derive(Default)]
pub(crate) struct Definitions(HashMap<u32, Arc<Tags>>);

impl Definitions {
    /// Remembers a definition.
    pub(crate) fn define(&mut self, id: u32, tags: Tags) {
        self.0.insert(id, Arc::new(tags));
    }

    /// What a number stands for.
    pub(crate) fn get(&self, id: u32) -> Option<Arc<Tags>> {
        self.0.get(&id).cloned()
    }
}
