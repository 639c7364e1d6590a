//! Tables of sources whose keys are read out of the sources: one pointer each.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use record::FileUid;

use crate::Source;

/// A source as the key of a map, found by its uid and generation.
#[derive(Clone, Debug)]
pub struct BySource(pub Arc<Source>);

impl Borrow<(FileUid, u32)> for BySource {
    fn borrow(&self) -> &(FileUid, u32) {
        self.0.key_ref()
    }
}

impl PartialEq for BySource {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for BySource {}

impl Hash for BySource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}
