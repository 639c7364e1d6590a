//! All deliveries that there are, in one list that everybody shares who needs them. Who goes through
//! it takes those that there are now: one that comes or goes meanwhile is met in the next turn.
//! Nothing here is durable. Not here: their threads (the agent).

use std::sync::{Arc, Mutex, MutexGuard};

use record::DeliveryKey;

use crate::delivery::delivery::Delivery;

/// All deliveries that there are.
#[derive(Clone, Default)]
pub struct Deliveries(Arc<Mutex<Arc<[Arc<Delivery>]>>>);

impl FromIterator<Arc<Delivery>> for Deliveries {
    fn from_iter<I: IntoIterator<Item = Arc<Delivery>>>(deliveries: I) -> Self {
        Self(Arc::new(Mutex::new(deliveries.into_iter().collect())))
    }
}

impl Deliveries {
    /// Those that there are now.
    pub fn now(&self) -> Arc<[Arc<Delivery>]> {
        Arc::clone(&self.list())
    }

    /// The one of this key.
    pub fn get(&self, key: DeliveryKey) -> Option<Arc<Delivery>> {
        self.list().iter().find(|delivery| delivery.config.key == key).cloned()
    }

    /// One more, in place of one of the same key.
    pub fn add(&self, delivery: Arc<Delivery>) {
        let mut list = self.list();
        let key = delivery.config.key;
        let others = list.iter().filter(|other| other.config.key != key).cloned();
        let all: Vec<_> = others.chain([delivery]).collect();
        *list = all.into();
    }

    /// Takes one away; it, where it was there.
    pub fn remove(&self, key: DeliveryKey) -> Option<Arc<Delivery>> {
        let mut list = self.list();
        let (gone, left): (Vec<_>, Vec<_>) =
            list.iter().cloned().partition(|delivery| delivery.config.key == key);
        *list = left.into();
        gone.into_iter().next()
    }

    fn list(&self) -> MutexGuard<'_, Arc<[Arc<Delivery>]>> {
        self.0.lock().expect("no holder panics")
    }
}
