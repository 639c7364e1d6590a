//! Which kind of file system a directory lies on, so that the agent can say when its state will
//! not outlive the container or the next boot.
//!
//! Promises nothing about single files; writes nothing, so a crash does nothing to it.
//! Not here: what to do about it.

use std::fmt;
use std::io;
use std::path::Path;

/// Magic numbers of statfs(2) and the kind each stands for. Source: the kernel's
/// include/uapi/linux/magic.h, except where a line says otherwise.
const KINDS: [(u32, Kind); 19] = [
    (0x794c_7630, Kind::Overlay),           // OVERLAYFS_SUPER_MAGIC
    (0x6175_6673, Kind::Overlay),           // aufs, Docker's older layers: aufs's own magic.h
    (0x0102_1994, Kind::Tmpfs),             // TMPFS_MAGIC
    (0x8584_58f6, Kind::Tmpfs),             // RAMFS_MAGIC
    (0x0000_ef53, Kind::Other("ext4")),     // EXT4_SUPER_MAGIC, ext2 and ext3 too
    (0x5846_5342, Kind::Other("xfs")),      // XFS_SUPER_MAGIC
    (0x9123_683e, Kind::Other("btrfs")),    // BTRFS_SUPER_MAGIC
    (0xf2f5_2010, Kind::Other("f2fs")),     // F2FS_SUPER_MAGIC
    (0x2fc1_2fc1, Kind::Other("zfs")),      // OpenZFS: include/sys/zfs_vfsops.h
    (0xca45_1a4e, Kind::Other("bcachefs")), // BCACHEFS_SUPER_MAGIC (bcachefs's own header)
    (0x0000_6969, Kind::Other("nfs")),      // NFS_SUPER_MAGIC
    (0xff53_4d42, Kind::Other("cifs")),     // CIFS_SUPER_MAGIC
    (0xfe53_4d42, Kind::Other("smb2")),     // SMB2_SUPER_MAGIC
    (0x0102_1997, Kind::Other("9p")),       // V9FS_MAGIC
    (0x00c3_6400, Kind::Other("ceph")),     // CEPH_SUPER_MAGIC
    (0x6573_5546, Kind::Other("fuse")),     // FUSE_SUPER_MAGIC
    (0x0000_4d44, Kind::Other("vfat")),     // MSDOS_SUPER_MAGIC
    (0x2011_bab0, Kind::Other("exfat")),    // EXFAT_SUPER_MAGIC
    (0x7371_7368, Kind::Other("squashfs")), // SQUASHFS_MAGIC
];

#[derive(Clone, Copy)]
enum Kind {
    Overlay,
    Tmpfs,
    Other(&'static str),
}

/// A kind of file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FsKind {
    /// A container's own layer: goes when the container is removed.
    Overlay,
    /// Memory: goes at the next boot, in a container often sooner.
    Tmpfs,
    /// Any other, by name (`ext4`), or by its magic number in hex where it has none here.
    Other(String),
}

impl FsKind {
    /// Whether what is written there is known not to outlive the container or the boot.
    pub fn is_volatile(&self) -> bool {
        !matches!(self, FsKind::Other(_))
    }

    fn of_magic(magic: u32) -> FsKind {
        match KINDS.iter().find(|(known, _)| *known == magic) {
            Some((_, Kind::Overlay)) => FsKind::Overlay,
            Some((_, Kind::Tmpfs)) => FsKind::Tmpfs,
            Some((_, Kind::Other(name))) => FsKind::Other((*name).to_owned()),
            None => FsKind::Other(format!("{magic:#x}")),
        }
    }
}

impl fmt::Display for FsKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FsKind::Overlay => f.write_str("overlay"),
            FsKind::Tmpfs => f.write_str("tmpfs"),
            FsKind::Other(name) => f.write_str(name),
        }
    }
}

/// The kind of file system that `path` lies on, or would lie on once it is made: where it does
/// not exist, that of the nearest directory above it.
pub fn filesystem(path: &Path) -> io::Result<FsKind> {
    let mut error = io::Error::from(io::ErrorKind::NotFound);
    for path in path.ancestors() {
        match rustix::fs::statfs(path) {
            // The kernel's field is signed on some machines; the numbers have 32 bits.
            Ok(found) => {
                let kind = FsKind::of_magic(found.f_type as u32);
                return Ok(if is_fuse_overlay(&kind, path) { FsKind::Overlay } else { kind });
            }
            Err(errno) => error = errno.into(),
        }
        if error.kind() != io::ErrorKind::NotFound {
            break;
        }
    }
    Err(error)
}

/// FUSE has one magic number for all that is made with it. Layers of containers are where the
/// kernel's own overlay cannot be used; the list of mounts tells.
fn is_fuse_overlay(kind: &FsKind, path: &Path) -> bool {
    if *kind != FsKind::Other("fuse".to_owned()) {
        return false;
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    fuse_overlay_at(&mounts, &path)
}

/// Whether the innermost mount that holds `path` is a FUSE overlay, by a list of mounts as in
/// proc(5). A mount point with a space in it is taken for none.
fn fuse_overlay_at(mountinfo: &str, path: &Path) -> bool {
    let mount = |line: &str| {
        let (mount, source) = line.split_once(" - ")?;
        let point = Path::new(mount.split(' ').nth(4)?);
        let is_overlay = source.split(' ').next() == Some("fuse.fuse-overlayfs");
        path.starts_with(point).then(|| (point.components().count(), is_overlay))
    };
    // Of those at one place the last one is on top.
    mountinfo.lines().filter_map(mount).max_by_key(|(depth, _)| *depth).is_some_and(|found| found.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_their_magic_numbers() {
        let cases = [
            (0x794c7630, "overlay", true),
            (0x61756673, "overlay", true),
            (0x01021994, "tmpfs", true),
            (0x858458f6, "tmpfs", true),
            (0xef53, "ext4", false),
            (0x58465342, "xfs", false),
            (0x9123683e, "btrfs", false),
            (0x6969, "nfs", false),
            (0x65735546, "fuse", false),
            (0x12345678, "0x12345678", false),
        ];
        for (magic, name, is_volatile) in cases {
            let kind = FsKind::of_magic(magic);
            assert_eq!((kind.to_string().as_str(), kind.is_volatile()), (name, is_volatile));
        }
    }

    #[test]
    fn the_file_system_of_a_missing_path_is_that_of_the_directory_above() {
        assert_eq!(filesystem(Path::new("/dev/shm/none/state")).unwrap(), FsKind::Tmpfs);
        assert_eq!(
            filesystem(Path::new("/proc/none")).unwrap(),
            FsKind::Other("0x9fa0".to_owned()) // PROC_SUPER_MAGIC
        );
    }

    #[test]
    fn the_layers_of_fuse_overlayfs_are_told_by_the_innermost_mount() {
        let mounts = "1 0 0:1 / / rw - fuse.fuse-overlayfs fuse-overlayfs rw\n\
                      2 1 8:1 /state /etc/ilogtail/checkpoint rw - ext4 /dev/sda rw\n\
                      3 1 0:9 / /mnt rw - fuse.sshfs host: rw\n";
        for (path, expected) in [
            ("/etc/ilogtail", true),
            ("/etc/ilogtail/checkpoint", false),
            ("/etc/ilogtail/checkpoint/deep", false),
            ("/mnt/x", false),
            ("/mntx", true),
        ] {
            assert_eq!(fuse_overlay_at(mounts, Path::new(path)), expected, "{path}");
        }
        assert!(!fuse_overlay_at("", Path::new("/")));
    }

    #[test]
    fn a_path_through_a_file_is_an_error() {
        assert!(filesystem(Path::new("/proc/version/state")).is_err());
    }
}
