//! Where pipelines come from: files and directories, the command line, the saved configuration.

mod ad_hoc;
mod load;
mod saved;

pub use load::{Loaded, load};
pub use saved::{Saved, read_saved, save};
