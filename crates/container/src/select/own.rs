//! Which container this process runs in, if in any: what it prints and writes is never collected.
//!
//! Read off the process's own list of mounts (`/proc/self/mountinfo`), which no runtime keeps from
//! it: the upper directory of its root file system, the files that Docker mounts from a directory
//! named by the container's id, the termination log that the kubelet mounts by pod and name.
//! Pure but for the reading of that list.

use std::path::{Path, PathBuf};

use crate::Container;
use crate::tree::overlay;

/// The container of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnContainer {
    upper_dir: Option<PathBuf>,
    /// What on the host lies at paths that runtimes mount into every container.
    sources: Vec<String>,
}

/// Paths at which every runtime mounts something of the container's own.
const OWN_FILES: [&str; 4] =
    ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/dev/termination-log"];

/// An id shorter than this is none that could be searched for.
const ID_LEN_MIN: usize = 12;

impl OwnContainer {
    /// Looks at this process.
    pub fn detect() -> OwnContainer {
        OwnContainer::from_mountinfo(&overlay::own_mounts())
    }

    fn from_mountinfo(mountinfo: &str) -> OwnContainer {
        let source = |line: &str| {
            let mut fields = line.split(' ').skip(3);
            let (source, point) = (fields.next()?, fields.next()?);
            OWN_FILES.contains(&point).then(|| source.to_owned())
        };
        OwnContainer {
            upper_dir: overlay::in_mountinfo(mountinfo, Path::new("/")).map(|dirs| dirs.upper),
            sources: mountinfo.lines().filter_map(source).collect(),
        }
    }

    /// Whether it is this one.
    pub fn is(&self, container: &Container) -> bool {
        let mounted = |part: &str| self.sources.iter().any(|source| source.contains(part));
        let same_dir = self.upper_dir.is_some() && self.upper_dir == container.upper_dir;
        let same_id = container.id.len() >= ID_LEN_MIN && mounted(&format!("/{}/", container.id));
        let same_name = container.k8s.as_ref().is_some_and(|k8s| {
            !k8s.uid.is_empty()
                && !k8s.container.is_empty()
                && mounted(&format!("/pods/{}/containers/{}/", k8s.uid, k8s.container))
        });
        same_dir || same_id || same_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::K8s;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_process_knows_its_container_by_table() {
        let root =
            "1 2 0:9 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/own/diff,workdir=/w\n";
        let hosts =
            format!("3 1 8:1 /docker/containers/{ID}/hosts /etc/hosts rw - ext4 /dev/sda rw\n");
        let log =
            "4 1 8:1 /kubelet/pods/u-1/containers/agent/5f2 /dev/termination-log rw - ext4 a rw\n";
        let other = format!("5 1 8:1 /docker/containers/{ID}/x /data rw - ext4 /dev/sda rw\n");
        let container = Container {
            id: ID.into(),
            upper_dir: Some("/own/diff".into()),
            k8s: Some(K8s { uid: "u-1".into(), container: "agent".into(), ..K8s::default() }),
            ..Container::default()
        };
        let stranger = Container {
            id: ID.replace('0', "f"),
            upper_dir: Some("/other/diff".into()),
            k8s: Some(K8s { uid: "u-1".into(), container: "web".into(), ..K8s::default() }),
            ..Container::default()
        };
        for (mounts, is_own) in [
            (root, true),
            (hosts.as_str(), true),
            (log, true),
            (other.as_str(), false),
            ("", false),
        ] {
            let own = OwnContainer::from_mountinfo(mounts);
            assert_eq!(own.is(&container), is_own, "{mounts}");
            assert!(!own.is(&stranger), "{mounts}");
        }
        assert!(!OwnContainer::default().is(&Container::default()));
    }
}
