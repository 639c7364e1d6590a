//! One input of a pipeline, as its files need it.

use std::sync::Arc;
use std::time::Duration;

use delivery::Delivery;
use settings::FirstStart;
use tail::Framing;

use crate::config::translate::Tagging;

/// One input of a pipeline, wired to the pipeline's deliveries.
pub struct Input {
    /// The pipeline's deliveries.
    pub deliveries: Vec<Arc<Delivery>>,
    /// How its records are tagged.
    pub tagging: Arc<Tagging>,
    /// Where files begin that were there at the first start.
    pub first_start: FirstStart,
    /// How long a last line without a newline is waited for.
    pub flush_timeout: Duration,
    /// What a read may not cut in two.
    pub framing: Framing,
    /// Whether it is of a container.
    pub is_container: bool,
}
