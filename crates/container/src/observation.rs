//! What a source of containers tells.

use std::collections::BTreeSet;

use crate::{Container, Error, Source};

/// One thing that a source tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum Observation {
    /// A container as it is now.
    Seen(Box<Container>),
    /// A container was removed.
    Gone(Source, String),
    /// The source has told of everything there is: containers of these ids, no others.
    Listed(Source, BTreeSet<String>),
    /// A container that came and went before it could be looked at: what it printed is lost to
    /// the agent, and counted by containers.
    Missed {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// Its image.
        image: String,
    },
    /// One container cannot be understood; it is looked at again later.
    Unreadable {
        /// Its id.
        id: String,
        /// Why.
        error: Error,
    },
    /// The source cannot tell at the moment; it is asked again.
    Trouble(Source, Error),
}
