//! Which place on the host a path inside a container is. Pure: strings in, strings out.
//!
//! The longest mount destination that is a prefix of the path, component by component, decides;
//! where no mount covers it the path lies in the container's root file system, that is in its
//! upper directory, else below the mounted root. A memory file system has no place on the host:
//! it can only be reached through a process of the container ([`crate::ContainerRoot`]).
//!
//! Files that exist only in the layers of the image have no place here: nobody writes to them,
//! so they are no logs. Symbolic links are not followed here; that needs IO (`walk.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::Container;

/// What a part of a container's file tree is on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Area {
    /// The source of a bind mount or volume: a directory, or a single file.
    Mount(PathBuf),
    /// The upper directory of the root file system.
    Upper(PathBuf),
    /// The mounted root file system.
    Root(PathBuf),
    /// Memory of the container.
    Tmpfs,
    /// Not known.
    Unknown,
}

impl Area {
    /// The place on the host; `None` where it has none.
    pub fn host_dir(&self) -> Option<&Path> {
        match self {
            Area::Mount(dir) | Area::Upper(dir) | Area::Root(dir) => Some(dir),
            Area::Tmpfs | Area::Unknown => None,
        }
    }
}

/// The areas of one container by the path at which each begins; `/` is always among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMap {
    areas: BTreeMap<PathBuf, Area>,
}

impl PathMap {
    /// The map of a container.
    pub fn new(container: &Container) -> PathMap {
        let root = match (&container.upper_dir, &container.root_dir) {
            (Some(upper), _) => Area::Upper(upper.clone()),
            (None, Some(root)) => Area::Root(root.clone()),
            (None, None) => Area::Unknown,
        };
        let mut areas = BTreeMap::from([(PathBuf::from("/"), root)]);
        for destination in &container.tmpfs {
            areas.insert(clean(Path::new(destination)), Area::Tmpfs);
        }
        for mount in &container.mounts {
            let area = Area::Mount(mount.source.clone());
            areas.insert(clean(Path::new(&mount.destination)), area);
        }
        PathMap { areas }
    }

    /// One directory of the host, seen as if it were a whole file tree.
    pub fn of_dir(dir: &Path) -> PathMap {
        PathMap { areas: BTreeMap::from([(PathBuf::from("/"), Area::Mount(dir.into()))]) }
    }

    /// The area that begins exactly at `path` (a clean absolute path).
    pub fn area_at(&self, path: &Path) -> Option<&Area> {
        self.areas.get(path)
    }

    /// The area that `path` lies in, and the path at which that area begins.
    pub fn area_of(&self, path: &Path) -> (&Path, &Area) {
        let path = clean(path);
        path.ancestors()
            .find_map(|ancestor| self.areas.get_key_value(ancestor))
            .map(|(begin, area)| (begin.as_path(), area))
            .expect("the map has an area for / and every clean path ends its ancestors there")
    }

    /// The place of `path` on the host, without the host's prefix; `None` where it has none.
    /// Symbolic links are taken for what they are called.
    pub fn host_path(&self, path: &Path) -> Option<PathBuf> {
        let path = clean(path);
        let (begin, area) = self.area_of(&path);
        let rest = path.strip_prefix(begin).expect("an area of a path begins at its prefix");
        // `join("")` would add a slash.
        area.host_dir().map(|dir| if rest == Path::new("") { dir.into() } else { dir.join(rest) })
    }

    /// The names directly in `dir` at which, or below which, something is mounted.
    pub fn mounts_below(&self, dir: &Path) -> BTreeSet<OsString> {
        let first = |begin: &PathBuf| {
            let rest = begin.strip_prefix(dir).ok()?;
            rest.components().next().map(|name| name.as_os_str().to_os_string())
        };
        self.areas.keys().filter_map(first).collect()
    }
}

/// The path as an absolute one without `.`, `..` and doubled slashes; `..` stops at the root.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mount, MountKind};

    fn container() -> Container {
        let mount = |source: &str, destination: &str, kind| Mount {
            source: source.into(),
            destination: destination.into(),
            kind,
        };
        Container {
            upper_dir: Some("/var/lib/docker/overlay2/h/diff".into()),
            root_dir: Some("/var/lib/docker/overlay2/h/merged".into()),
            tmpfs: vec!["/tmpfs".into(), "/data/mem".into()],
            mounts: vec![
                mount("/srv/data", "/data", MountKind::Bind),
                mount("/srv/deep", "/data/deep/er/", MountKind::Bind),
                mount("/var/lib/docker/volumes/v/_data", "/vol", MountKind::Volume),
                mount("/srv/one.log", "/app/one.log", MountKind::Bind),
                mount("/", "/host", MountKind::Bind),
            ],
            ..Container::default()
        }
    }

    #[test]
    fn the_longest_mount_by_components_decides() {
        let map = PathMap::new(&container());
        let upper = "/var/lib/docker/overlay2/h/diff";
        let cases = [
            ("/data", Some("/srv/data".to_string())),
            ("/data/", Some("/srv/data".into())),
            ("/data/a.log", Some("/srv/data/a.log".into())),
            ("/database/a.log", Some(format!("{upper}/database/a.log"))),
            ("/data/deep/a.log", Some("/srv/data/deep/a.log".into())),
            ("/data/deep/er/a.log", Some("/srv/deep/a.log".into())),
            ("/data/deep/er/../a.log", Some("/srv/data/deep/a.log".into())),
            ("/vol/x/y", Some("/var/lib/docker/volumes/v/_data/x/y".into())),
            ("/app/one.log", Some("/srv/one.log".into())),
            ("/app/one.log.1", Some(format!("{upper}/app/one.log.1"))),
            ("/host/etc/hosts", Some("/etc/hosts".into())),
            ("/tmpfs/a.log", None),
            ("/tmpfs2/a.log", Some(format!("{upper}/tmpfs2/a.log"))),
            ("/data/mem/a.log", None),
            ("/root/log/1.log", Some(format!("{upper}/root/log/1.log"))),
            ("/../../etc/shadow", Some(format!("{upper}/etc/shadow"))),
            ("relative/a.log", Some(format!("{upper}/relative/a.log"))),
            ("/", Some(upper.into())),
        ];
        for (path, expected) in cases {
            assert_eq!(map.host_path(Path::new(path)), expected.map(PathBuf::from), "{path}");
        }
    }

    #[test]
    fn the_mounted_root_is_taken_only_without_an_upper_directory() {
        let mut container = Container { mounts: Vec::new(), ..container() };
        container.upper_dir = None;
        let path = Path::new("/a");
        let merged = "/var/lib/docker/overlay2/h/merged/a";
        assert_eq!(PathMap::new(&container).host_path(path), Some(merged.into()));
        container.root_dir = None;
        assert_eq!(PathMap::new(&container).host_path(path), None);
        assert_eq!(PathMap::new(&container).area_of(path), (Path::new("/"), &Area::Unknown));
    }

    #[test]
    fn mounts_show_up_in_the_directories_above_them() {
        let map = PathMap::new(&container());
        let names = |dir: &str| -> Vec<String> {
            let found = map.mounts_below(Path::new(dir));
            found.into_iter().map(|name| name.into_string().unwrap()).collect()
        };
        assert_eq!(names("/"), ["app", "data", "host", "tmpfs", "vol"]);
        assert_eq!(names("/data"), ["deep", "mem"]);
        assert_eq!(names("/data/deep"), ["er"]);
        assert!(names("/vol").is_empty());
    }
}
