//! Who runs beside whom. Every agent of a node hears what a container asks for by its environment,
//! whoever's container it is: the test of that runs alone.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static TURNS: RwLock<()> = RwLock::new(());

/// A test's turn; over when it is dropped. A test takes one only.
pub enum Turn {
    /// Beside others.
    Beside { _guard: RwLockReadGuard<'static, ()> },
    /// While no other runs.
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

impl Turn {
    /// Waits while somebody runs alone.
    pub fn beside() -> Self {
        Self::Beside { _guard: TURNS.read().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Waits for all others.
    pub fn alone() -> Self {
        Self::Alone { _guard: TURNS.write().unwrap_or_else(PoisonError::into_inner) }
    }
}
