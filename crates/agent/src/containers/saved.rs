//! The saved map `docker_path_config.json`: read before anything is asked for, written whenever
//! a container comes, changes or goes. Written as a whole through `disk`: a crash leaves the old
//! map or the new one. A map that cannot be written is tried again; collecting goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use container::{AskedNames, Container, Inventory, SavedMap};
use disk::Disk;

use crate::config::node;

/// What others tell the saver.
#[derive(Default)]
pub struct SaverOrders {
    may_save: AtomicBool,
    is_lost: AtomicBool,
}

impl SaverOrders {
    /// The state directory is in order: nothing is saved before.
    pub fn permit(&self) {
        self.may_save.store(true, Ordering::Release);
    }

    /// What was saved may be gone with its directory: it is saved anew.
    pub fn save_anew(&self) {
        self.is_lost.store(true, Ordering::Release);
    }
}

/// Reads and writes the map.
pub struct Saver {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    asked: Arc<AskedNames>,
    /// Whether the state directory is in order: what an earlier run left unfinished there is
    /// removed first, and with it would go what is being written.
    orders: Arc<SaverOrders>,
    is_dirty: bool,
    is_failing: bool,
}

impl Saver {
    /// The map at `path`; of environments and labels it holds what is `asked` for.
    pub fn new(disk: Arc<dyn Disk>, path: PathBuf, asked: Arc<AskedNames>) -> Self {
        let orders = Arc::default();
        Self { disk, path, asked, orders, is_dirty: false, is_failing: false }
    }

    /// Where others tell it what to do.
    pub fn orders(&self) -> Arc<SaverOrders> {
        self.orders.clone()
    }

    /// Whether something waits to be saved.
    pub fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// The containers of the last run, and sentences for the log.
    ///
    /// # Errors
    /// Where the map is there and cannot be read, or was written by a later agent.
    pub fn load(&self) -> Result<(Vec<Container>, Vec<String>), container::Error> {
        let now = node::unix_nanos() / 1_000_000_000;
        let map = SavedMap::load(&*self.disk, &self.path, &self.asked, now)?;
        Ok((map.containers, map.notes))
    }

    /// What is saved is no longer what is known.
    pub fn touch(&mut self) {
        self.is_dirty = true;
    }

    /// Saves what is known now, where that is due. A failure is said once.
    pub fn save(&mut self, inventory: &Inventory) {
        self.is_dirty |= self.orders.is_lost.swap(false, Ordering::AcqRel);
        if !self.is_dirty || !self.orders.may_save.load(Ordering::Acquire) {
            return;
        }
        match SavedMap::save(&*self.disk, &self.path, inventory.iter(), &self.asked) {
            Ok(()) => (self.is_dirty, self.is_failing) = (false, false),
            Err(error) if !self.is_failing => {
                self.is_failing = true;
                log::error!("{error}; it is tried again");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use container::{Observation, Source};
    use disk::{Fault, SimDisk};

    use super::*;

    #[test]
    fn a_map_that_could_not_be_written_is_written_later() {
        let disk = SimDisk::new(1);
        disk.create_dir_all(Path::new("/state")).unwrap();
        let path = PathBuf::from("/state/docker_path_config.json");
        let mut saver = Saver::new(Arc::new(disk.clone()), path.clone(), Arc::default());
        let mut inventory = Inventory::new();
        let container =
            Container { id: "c".into(), source: Source::Docker, ..Container::default() };
        inventory.apply(&Observation::Seen(Box::new(container)));
        saver.save(&inventory);
        assert!(disk.read(&path).is_err(), "nothing changed: nothing is written");
        saver.touch();
        saver.save(&inventory);
        assert!(disk.read(&path).is_err(), "the state directory is not in order yet");
        saver.orders().permit();
        disk.fail_at(disk.operations() + 1, Fault::Full, 100);
        saver.save(&inventory);
        disk.heal();
        assert!(saver.is_failing && saver.is_dirty);
        saver.save(&inventory);
        assert_eq!(saver.load().unwrap().0.len(), 1);
        assert!(!saver.is_failing && !saver.is_dirty);
        disk.unlink(&path).unwrap();
        saver.save(&inventory);
        assert!(disk.read(&path).is_err(), "nothing changed");
        saver.orders().save_anew();
        saver.save(&inventory);
        assert_eq!(saver.load().unwrap().0.len(), 1);
    }
}
