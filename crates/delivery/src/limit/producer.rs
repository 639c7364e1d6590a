//! What writes the records of a file, as rate limits tell sources apart.

use std::sync::Arc;

use process::Per;
use record::Tags;

/// The container that a file belongs to; all empty for one of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its namespace of Kubernetes.
    pub namespace: String,
    /// `NAMESPACE/POD/CONTAINER`, or its name where it is of no pod: the same one after a restart.
    pub container: String,
}

/// Where a file belongs to, and its tags.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producer {
    pub origin: Arc<Origin>,
    pub tags: Arc<Tags>,
}

impl Producer {
    /// Its name where limits are `per` something; those that have none share one.
    pub fn name(&self, per: &Per) -> &str {
        match per {
            Per::Pipeline => "",
            Per::Container => &self.origin.container,
            Per::Namespace => &self.origin.namespace,
            Per::Tag(name) => {
                let mut tags = self.tags.written();
                tags.find(|(tag, _)| tag == name).map_or("", |(_, value)| value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producers_are_told_apart_by_what_the_limit_says() {
        let origin = Origin { namespace: "shop".into(), container: "shop/web-0/nginx".into() };
        let tags = Tags(vec![(Tags::FORMAT.into(), "text".into()), ("app".into(), "web".into())]);
        let producer = Producer { origin: Arc::new(origin), tags: Arc::new(tags) };
        let tag = |name: &str| Per::Tag(name.to_owned());
        for (per, expected) in [
            (Per::Pipeline, ""),
            (Per::Container, "shop/web-0/nginx"),
            (Per::Namespace, "shop"),
            (tag("app"), "web"),
            (tag("tier"), ""),
            (tag(Tags::FORMAT), ""),
        ] {
            assert_eq!(producer.name(&per), expected, "{per:?}");
        }
    }
}
