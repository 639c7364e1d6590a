//! What a pipeline collects: the values, each with the reader of its keys beside it.

mod container;
mod file;
mod pattern;
mod reading;
mod stdio;
mod tags;

pub use container::{Condition, ContainerFilters, ContainerSelection, Expected, Pattern};
pub use file::FileInput;
pub use pattern::{ExcludePattern, FilePattern, RotatedPattern};
pub use stdio::StdioInput;
pub use tags::TagNames;

pub(super) use tags::renamed;

/// What a pipeline collects.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// `input_file`.
    File(FileInput),
    /// `input_container_stdio`.
    ContainerStdio(StdioInput),
}

/// Where reading of a file begins that existed before the pipeline's first start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// At its first byte.
    Beginning,
    /// This many bytes before its end (`TailSizeKB`).
    Tail(u64),
}
