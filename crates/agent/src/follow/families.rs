//! The generations that are followed, by the path under which they are collected. Nearly all
//! families have one, which takes no more than its pointer.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use tail::Source;

/// The families.
#[derive(Default)]
#[allow(clippy::box_collection)] // nearly all have none, and one word for it
pub(super) struct Families(HashMap<ByLogical, Option<Box<Vec<Arc<Source>>>>>);

/// One generation of a family, found by the family's path.
struct ByLogical(Arc<Source>);

impl Borrow<Path> for ByLogical {
    fn borrow(&self) -> &Path {
        self.0.logical()
    }
}

impl PartialEq for ByLogical {
    fn eq(&self, other: &Self) -> bool {
        self.0.logical() == other.0.logical()
    }
}

impl Eq for ByLogical {}

impl Hash for ByLogical {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let logical: &Path = self.0.logical();
        logical.hash(state);
    }
}

impl Families {
    /// The generations of a family, oldest first.
    pub(super) fn of(&self, logical: &Path) -> &[Arc<Source>] {
        match self.0.get_key_value(logical) {
            Some((_, Some(all))) => all,
            Some((ByLogical(only), None)) => std::slice::from_ref(only),
            None => &[],
        }
    }

    /// Adds one, unless it is there.
    pub(super) fn add(&mut self, source: &Arc<Source>) {
        let known = self.of(source.logical());
        if known.iter().any(|known| known.key() == source.key()) {
            return;
        }
        let mut all: Vec<_> = known.iter().chain([source]).cloned().collect();
        all.sort_unstable_by_key(|source| (source.rank(), source.key()));
        self.set(all);
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, source: &Source) {
        let known = self.of(source.logical()).iter();
        let all: Vec<_> = known.filter(|known| known.key() != source.key()).cloned().collect();
        self.0.remove(&**source.logical());
        self.set(all);
    }

    fn set(&mut self, all: Vec<Arc<Source>>) {
        let Some(first) = all.first().cloned() else { return };
        let all = (all.len() > 1).then(|| Box::new(all));
        self.0.insert(ByLogical(first), all);
    }
}
