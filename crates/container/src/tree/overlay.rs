//! The directories behind an overlay mount, out of what the kernel says of mounts. Where Docker
//! gives no `UpperDir` (29 and later on containerd's image store) and for every bundle of
//! containerd this is the only way to them.
//!
//! First the agent's own list of mounts: it shows the host's overlay mounts where they propagate
//! to the agent, and needs no right at all. Else the list of the container's process, which
//! needs ptrace access and a living process; so what was found once is saved (`saved/map.rs`).
//! A path is only taken where it is absolute: some runtimes mount relative to their directory.

use std::path::{Path, PathBuf};

use crate::tree::host::Process;
use crate::{Container, HostRoot};

/// What an overlay mount is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OverlayDirs {
    pub upper: PathBuf,
    /// The uppermost first.
    pub lowers: Vec<PathBuf>,
}

/// The mounts that this process sees; empty where they cannot be read.
pub(crate) fn own_mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}

/// Fills in the upper and lower directories of a container that has none yet. `own_mounts` is
/// this process's mountinfo.
pub(crate) fn fill_dirs(host: &HostRoot, own_mounts: &str, container: &mut Container) {
    if container.upper_dir.is_some() {
        return;
    }
    let by_mount = || {
        let root = container.root_dir.as_ref()?;
        in_mountinfo(own_mounts, &host.prefixed(root))
    };
    let by_process = || {
        let process = Process::open(host, container.pid?, &container.id).ok()?;
        in_mounts(&process.read("mounts").ok()?)
    };
    if let Some(dirs) = by_mount().or_else(by_process) {
        container.upper_dir = Some(dirs.upper);
        container.lower_dirs = dirs.lowers;
    }
}

/// The overlay at `mount_point` in a mountinfo file (proc(5)): the last one there is on top.
pub(crate) fn in_mountinfo(mountinfo: &str, mount_point: &Path) -> Option<OverlayDirs> {
    mountinfo.lines().rev().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let point = unescape(mount.split(' ').nth(4)?);
        let mut file_system = file_system.split(' ');
        let is_here = Path::new(&point) == mount_point && file_system.next() == Some("overlay");
        is_here.then(|| dirs_of(file_system.nth(1)?)).flatten()
    })
}

/// The overlay at `/` in a mounts file (fstab(5)).
fn in_mounts(mounts: &str) -> Option<OverlayDirs> {
    mounts.lines().rev().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let is_root = fields.next() == Some("/") && fields.next() == Some("overlay");
        is_root.then(|| dirs_of(fields.next()?)).flatten()
    })
}

/// Out of the options of an overlay mount: `lowerdir=a:b,upperdir=c,workdir=d`; newer kernels
/// write `lowerdir+=a,lowerdir+=b`. A colon or comma within a path has a backslash before it.
fn dirs_of(options: &str) -> Option<OverlayDirs> {
    let mut upper = None;
    let mut lowers = Vec::new();
    for option in split_unescaped(&unescape(options), ',') {
        let Some((key, value)) = option.split_once('=') else { continue };
        let add = |path: &String| PathBuf::from(path.replace("\\:", ":").replace("\\,", ","));
        match key {
            "upperdir" => upper = Some(add(&value.to_string())),
            "lowerdir" => lowers.extend(split_unescaped(value, ':').iter().map(add)),
            "lowerdir+" => lowers.push(add(&value.to_string())),
            _ => {}
        }
    }
    lowers.retain(|path| path.is_absolute());
    upper.filter(|path| path.is_absolute()).map(|upper| OverlayDirs { upper, lowers })
}

fn split_unescaped(text: &str, at: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for character in text.chars() {
        if character == at && !escaped {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("there is always one part").push(character);
        }
        escaped = character == '\\' && !escaped;
    }
    parts
}

/// The kernel writes space, tab, newline and backslash in these files as `\` and three octal
/// digits.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|octal| u8::from_str_radix(octal, 8).ok());
        match code {
            Some(code @ (b' ' | b'\t' | b'\n' | b'\\' | b'#')) => {
                plain.push(char::from(code));
                rest = &rest[at + 4..];
            }
            _ => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // builds the file system that it looks at

    use super::*;

    fn dirs(upper: &str, lowers: &[&str]) -> Option<OverlayDirs> {
        Some(OverlayDirs { upper: upper.into(), lowers: lowers.iter().map(Into::into).collect() })
    }

    #[test]
    fn options_by_table() {
        let cases = [
            ("rw,lowerdir=/a:/b,upperdir=/u,workdir=/w", dirs("/u", &["/a", "/b"])),
            ("rw,lowerdir+=/a,lowerdir+=/b,upperdir=/u", dirs("/u", &["/a", "/b"])),
            ("rw,lowerdir=l/X:l/Y,upperdir=/u", dirs("/u", &[])),
            (r"rw,lowerdir=/a\134:x:/b,upperdir=/u\040v", dirs("/u v", &["/a:x", "/b"])),
            (r"rw,lowerdir=/a,upperdir=/u\134,v,workdir=/w", dirs("/u,v", &["/a"])),
            ("rw,lowerdir=/a,upperdir=h/diff", None),
            ("ro,lowerdir=/a:/b", None),
            ("rw", None),
        ];
        for (options, expected) in cases {
            assert_eq!(dirs_of(options), expected, "{options}");
        }
    }

    #[test]
    fn the_topmost_overlay_at_the_mount_point_counts() {
        let line = |point: &str, kind: &str, upper: &str| {
            format!(
                "36 35 0:50 / {point} rw,noatime shared:1 - {kind} overlay rw,upperdir={upper}\n"
            )
        };
        let text = [
            line("/r/a", "overlay", "/one"),
            line("/r/a", "overlay", "/two"),
            line("/r/a\\040b", "overlay", "/space"),
            line("/r/c", "ext4", "/no"),
        ]
        .concat();
        let at = |point: &str| in_mountinfo(&text, Path::new(point)).map(|dirs| dirs.upper);
        assert_eq!(at("/r/a"), Some("/two".into()));
        assert_eq!(at("/r/a b"), Some("/space".into()));
        assert_eq!(at("/r/c"), None);
        assert_eq!(at("/r"), None);
    }

    #[test]
    fn the_process_is_asked_where_no_mount_is_seen_and_only_if_it_is_the_containers() {
        let dir = tempfile::tempdir().unwrap();
        let host = HostRoot::at(dir.path());
        let proc = dir.path().join("proc/42");
        std::fs::create_dir_all(&proc).unwrap();
        std::fs::write(proc.join("cgroup"), "0::/docker/abc\n").unwrap();
        let mounts = "overlay / overlay rw,lowerdir=/l,upperdir=/u,workdir=/w 0 0\n";
        std::fs::write(proc.join("mounts"), mounts).unwrap();
        let container = |id: &str| Container {
            id: id.into(),
            root_dir: Some("/run/rootfs".into()),
            pid: Some(42),
            ..Container::default()
        };
        let fill = |mounts: &str, mut container: Container| {
            fill_dirs(&host, mounts, &mut container);
            container.upper_dir
        };
        assert_eq!(fill("", container("abc")), Some("/u".into()));
        assert_eq!(fill("", container("other")), None, "the number was given out again");
        let here = host.prefixed(Path::new("/run/rootfs"));
        let seen = format!("1 1 0:1 / {} rw - overlay o rw,upperdir=/seen", here.display());
        assert_eq!(fill(&seen, container("abc")), Some("/seen".into()));
        let known = Container { upper_dir: Some("/known".into()), ..container("abc") };
        assert_eq!(fill(&seen, known), Some("/known".into()));
    }

    #[test]
    fn the_root_of_a_process_is_the_overlay_at_slash() {
        let mounts = "overlay / overlay rw,relatime,lowerdir=/l,upperdir=/u,workdir=/w 0 0\n\
                      proc /proc proc rw 0 0\n\
                      overlay /other overlay rw,lowerdir=/l,upperdir=/x 0 0\n";
        assert_eq!(in_mounts(mounts), dirs("/u", &["/l"]));
        assert_eq!(in_mounts("fuse-overlayfs / fuse.fuse-overlayfs rw 0 0\n"), None);
    }
}
