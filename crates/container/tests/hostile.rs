//! What a container can do to lead the agent to a file that is none of its own, each attack with
//! a control: a plain open of the mapped path, which it does lead there.
#![allow(clippy::unwrap_used)] // a test says by panicking that it failed
#![allow(clippy::disallowed_methods)] // the test is the container that attacks

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{DirEntryExt, FileTypeExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use container::{Container, ContainerRoot, Error, FileKind, HostRoot, Mount, MountKind};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, ResolveFlags};
use tempfile::TempDir;

const SECRET: &str = "the secret of the host";
const MINE: &str = "a line of the container";

/// A host with a secret in it, a container, and another container.
struct World {
    dir: TempDir,
    host: HostRoot,
    container: Container,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for made in ["etc", "c/upper/log", "c/lower", "vols/v/sub", "other/upper", "shared/app"] {
            fs::create_dir_all(root.join(made)).unwrap();
        }
        for secret in ["etc/shadow", "etc/app.log", "other/upper/app.log"] {
            fs::write(root.join(secret), SECRET).unwrap();
        }
        for mine in ["c/upper/log/app.log", "vols/v/app.log", "shared/app/app.log"] {
            fs::write(root.join(mine), MINE).unwrap();
        }
        let mount = |source: &str, destination: &str| Mount {
            source: source.into(),
            destination: destination.into(),
            kind: MountKind::Bind,
        };
        let container = Container {
            id: "c".repeat(64),
            name: "evil".into(),
            upper_dir: Some("/c/upper".into()),
            lower_dirs: vec!["/c/lower".into()],
            mounts: vec![
                mount("/vols/v", "/vol"),
                mount("/shared/app", "/app"),
                mount("/vols/v/app.log", "/one.log"),
            ],
            ..Container::default()
        };
        World { host: HostRoot::at(root), dir, container }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn root(&self) -> ContainerRoot {
        ContainerRoot::new(&self.host, &self.container)
    }

    /// Opens as an agent does that only maps paths.
    fn plain(&self, path: &str) -> Option<String> {
        let host_path = match path.starts_with("/../") {
            // It would not clean them.
            true => PathBuf::from("/c/upper").join(path.trim_start_matches('/')),
            false => self.root().map().host_path(Path::new(path))?,
        };
        fs::read_to_string(self.host.prefixed(&host_path)).ok()
    }
}

fn content(mut file: File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn no_link_leads_out_of_the_container() {
    let world = World::new();
    let shadow = world.at("etc/shadow");
    let shadow = shadow.to_str().unwrap();
    let in_proc = format!("/proc/self/root{shadow}");
    let by_pid = format!("/proc/{}/root{shadow}", std::process::id());
    let by_cwd = format!("/proc/self/cwd/{}{shadow}", "../".repeat(20));
    let link = |at: &str, target: &str| symlink(target, world.at(at)).unwrap();
    link("c/upper/log/absolute", shadow);
    link("c/upper/log/relative", "../../../etc/shadow");
    link("c/upper/log/chain", "chain2");
    link("c/upper/log/chain2", "/log/../log/chain3");
    link("c/upper/log/chain3", shadow);
    link("c/upper/log/dir", "../../../etc");
    link("c/upper/log/proc", &in_proc);
    link("c/upper/log/pid", &by_pid);
    link("c/upper/log/cwd", &by_cwd);
    link("c/upper/log/other", "../../../other/upper/app.log");
    link("vols/v/up", "../../etc/shadow");
    link("vols/v/sub/up", "../../../other/upper");
    link("c/lower/baked", shadow);
    let attacks = [
        "/log/absolute",
        "/log/relative",
        "/log/dir/shadow",
        "/log/proc",
        "/log/pid",
        "/log/cwd",
        "/log/other",
        "/vol/up",
        "/vol/sub/up/app.log",
        "/../../etc/shadow",
        "/../../other/upper/app.log",
    ];
    let root = world.root();
    for attack in attacks {
        assert_eq!(world.plain(attack).as_deref(), Some(SECRET), "the control leaks: {attack}");
        let error = root.open(Path::new(attack)).unwrap_err();
        assert!(error.is_not_found(), "{attack}: {error}");
        assert!(root.stat(Path::new(attack)).is_err(), "{attack}");
    }
    // These a plain open follows to nowhere; they lead nowhere here too.
    for attack in ["/log/chain", "/baked"] {
        assert!(root.open(Path::new(attack)).unwrap_err().is_not_found(), "{attack}");
    }
    let listed = fs::read_dir(world.at("c/upper/log/dir")).unwrap().count();
    assert!(listed > 0, "the control lists the host's directory");
    assert!(root.list(Path::new("/log/dir")).is_err());
}

#[test]
fn links_are_followed_as_the_container_sees_them() {
    let world = World::new();
    let link = |at: &str, target: &str| symlink(target, world.at(at)).unwrap();
    link("c/upper/log/to-volume", "/vol/app.log");
    link("c/upper/log/up-and-over", "../../../vol/sub/../app.log");
    link("c/upper/log/to-one", "/one.log");
    link("vols/v/to-root", "/log/app.log");
    link("vols/v/to-app", "../app");
    // What the image brings is not in the upper directory.
    link("c/lower/logs", "/vol");
    fs::create_dir_all(world.at("c/lower/opt/x")).unwrap();
    link("c/lower/opt/x/data", "../../app");
    let cases = [
        ("/log/app.log", "/log/app.log", "/c/upper/log/app.log"),
        ("/log/to-volume", "/vol/app.log", "/vols/v/app.log"),
        ("/log/up-and-over", "/vol/app.log", "/vols/v/app.log"),
        ("/log/to-one", "/one.log", "/vols/v/app.log"),
        ("/vol/to-root", "/log/app.log", "/c/upper/log/app.log"),
        ("/vol/to-app/app.log", "/app/app.log", "/shared/app/app.log"),
        ("/logs/app.log", "/vol/app.log", "/vols/v/app.log"),
        ("/opt/x/data/app.log", "/app/app.log", "/shared/app/app.log"),
    ];
    let root = world.root();
    for (path, resolved, host_path) in cases {
        let opened = root.open(Path::new(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(opened.path, Path::new(resolved), "{path}");
        assert_eq!(opened.host_path.as_deref(), Some(Path::new(host_path)), "{path}");
        assert_eq!(content(opened.file), MINE, "{path}");
    }
    let names = |path: &str| {
        let listing = root.list(Path::new(path)).unwrap();
        let mut names: Vec<_> =
            listing.map(|entry| entry.unwrap().0.into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names("/"), ["app", "log", "one.log", "vol"]);
    assert_eq!(names("/logs"), ["app.log", "sub", "to-app", "to-root"]);
}

#[test]
fn a_loop_of_links_ends() {
    let world = World::new();
    symlink("b", world.at("c/upper/a")).unwrap();
    symlink("a", world.at("c/upper/b")).unwrap();
    symlink("deep/deep/deep/deep/x", world.at("c/upper/deep")).unwrap();
    for path in ["/a", "/deep"] {
        let error = world.root().open(Path::new(path)).unwrap_err();
        assert!(matches!(error, Error::Loop { .. }), "{path}: {error}");
        assert!(error.to_string().contains("too many symbolic links"));
    }
}

#[test]
fn only_regular_files_are_opened_and_nothing_blocks() {
    let world = World::new();
    let log = world.at("c/upper/log");
    rustix::fs::mknodat(CWD, log.join("fifo"), rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(log.join("socket")).unwrap();
    let null = rustix::fs::makedev(1, 3);
    let device = rustix::fs::FileType::CharacterDevice;
    let has_device = rustix::fs::mknodat(CWD, log.join("null"), device, Mode::RWXU, null).is_ok();
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let control = |name: &str| {
        OpenOptions::new().read(true).custom_flags(nonblocking).open(log.join(name)).is_ok()
    };
    let mut cases = vec![("fifo", "a FIFO"), ("socket", "a socket"), (".", "a directory")];
    if has_device {
        cases.push(("null", "a device"));
    } else {
        eprintln!("SKIPPED: no right to make a device");
    }
    let root = world.root();
    for (name, expected) in cases {
        assert!(name == "socket" || control(name), "the control opens {name}");
        let started = Instant::now();
        let path = Path::new("/log").join(name);
        match root.open(&path) {
            Err(Error::Kind { kind, .. }) => assert_eq!(kind, expected),
            other => panic!("{name}: {other:?}"),
        }
        assert!(started.elapsed() < Duration::from_secs(1), "{name} blocked");
        let kind = root.stat(&path).unwrap().kind;
        let is_special = matches!(kind, FileKind::Fifo | FileKind::Socket | FileKind::Device);
        assert_eq!(is_special, name != ".", "{name}");
    }
    drop(socket);
    assert!(fs::metadata(log.join("fifo")).unwrap().file_type().is_fifo());
}

#[test]
fn what_the_kernel_makes_up_is_not_read() {
    // The operator gave the container the host's /proc, as for a node exporter.
    let mut world = World::new();
    world.host = HostRoot::at("/");
    world.container.upper_dir = Some(world.at("c/upper"));
    let (source, destination) = ("/proc".into(), "/proc".into());
    world.container.mounts = vec![Mount { source, destination, kind: MountKind::Bind }];
    symlink("/proc/version", world.at("c/upper/log/version.log")).unwrap();
    assert!(fs::read(world.at("c/upper/log/version.log")).is_ok(), "the control reads it");
    let error = world.root().open(Path::new("/log/version.log")).unwrap_err();
    assert!(matches!(error, Error::Kind { .. }), "{error}");
    // A link of the kernel's own is text like any other: it leads back into the container.
    symlink("/proc/self/root/log/app.log", world.at("c/upper/log/root.log")).unwrap();
    let opened = world.root().open(Path::new("/log/root.log")).unwrap();
    assert_eq!(opened.path, Path::new("/log/app.log"));
}

#[test]
fn a_mount_whose_source_was_swapped_is_refused() {
    // Another container has /shared, this one /shared/app: the other swaps it for a link.
    let world = World::new();
    let root = world.root();
    let path = Path::new("/app/app.log");
    assert_eq!(content(root.open(path).unwrap().file), MINE);
    fs::rename(world.at("shared/app"), world.at("shared/app.old")).unwrap();
    symlink("../etc", world.at("shared/app")).unwrap();
    assert_eq!(world.plain("/app/app.log").as_deref(), Some(SECRET), "the control leaks");
    let error = root.open(path).unwrap_err();
    assert!(matches!(error, Error::Replaced { .. }), "{error}");
    assert!(error.to_string().contains("HostToContainer"), "{error}");
    // The container did not lose it, and gets it back.
    fs::remove_file(world.at("shared/app")).unwrap();
    fs::rename(world.at("shared/app.old"), world.at("shared/app")).unwrap();
    assert_eq!(content(root.open(path).unwrap().file), MINE);
}

#[test]
fn a_sparse_file_and_odd_names_are_only_looked_at() {
    let world = World::new();
    let sparse = File::create(world.at("c/upper/log/sparse.log")).unwrap();
    sparse.set_len(10 << 30).unwrap();
    fs::write(world.at("c/upper/log/two\nlines\n.log"), MINE).unwrap();
    let root = world.root();
    let started = Instant::now();
    assert_eq!(root.stat(Path::new("/log/sparse.log")).unwrap().len, 10 << 30);
    root.open(Path::new("/log/sparse.log")).unwrap();
    assert!(started.elapsed() < Duration::from_secs(1));
    let names: Vec<_> =
        root.list(Path::new("/log")).unwrap().map(|entry| entry.unwrap().0).collect();
    assert!(names.contains(&"two\nlines\n.log".into()), "{names:?}");
    assert_eq!(content(root.open(Path::new("/log/two\nlines\n.log")).unwrap().file), MINE);
}

#[test]
fn a_huge_directory_costs_what_is_read_of_it() {
    // A million takes minutes to make, and not a second to list.
    let entries = match std::env::var_os("IRONTAIL_LONG") {
        Some(_) => 1_000_000,
        None => 20_000,
    };
    let world = World::new();
    let dir = File::open(world.at("c/upper/log")).unwrap();
    for at in 0..entries {
        rustix::fs::symlinkat("x", &dir, format!("entry-{at}.log")).unwrap();
    }
    let root = world.root();
    let started = Instant::now();
    let few: Vec<_> = root.list(Path::new("/log")).unwrap().take(100).collect();
    let of_few = started.elapsed();
    assert_eq!(few.len(), 100);
    let started = Instant::now();
    let all = root.list(Path::new("/log")).unwrap().count();
    let of_all = started.elapsed();
    assert_eq!(all, entries + 1);
    println!("{entries} entries: 100 of them in {of_few:?}, all in {of_all:?}");
}

/// How long an attack may take to show what it is to show, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Swaps two names and attacks, at least `swaps` times, and until `attack` has shown all it can.
fn while_swapping(a: &Path, b: &Path, swaps: u32, mut attack: impl FnMut() -> bool) {
    let started = Instant::now();
    let (stop, count) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut is_shown = false;
        while count.load(Ordering::Relaxed) < swaps || !is_shown && started.elapsed() < PATIENCE {
            is_shown = attack();
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn no_race_leads_out_of_the_container() {
    let world = World::new();
    let secret_dir = world.at("etc");
    let at = |path: &str| world.at(path);
    // A directory against a link to one of the host, relative and absolute.
    fs::create_dir_all(at("c/upper/race")).unwrap();
    fs::write(at("c/upper/race/app.log"), MINE).unwrap();
    symlink("../../etc", at("c/upper/race-relative")).unwrap();
    symlink(&secret_dir, at("c/upper/race-absolute")).unwrap();
    // A file against a link to one of the host, and against a FIFO.
    symlink("../../../etc/app.log", at("c/upper/log/race-link")).unwrap();
    let fifo = at("c/upper/log/race-fifo");
    rustix::fs::mknodat(CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
    // A directory in a volume against a link out of it.
    fs::create_dir_all(at("vols/v/race")).unwrap();
    fs::write(at("vols/v/race/app.log"), MINE).unwrap();
    symlink("../../etc", at("vols/v/race-link")).unwrap();
    // The source of a mount against a link.
    symlink("../etc", at("shared/app-link")).unwrap();
    // Enough of them always; each of them alone where time is no matter.
    let swaps = if std::env::var_os("IRONTAIL_REQUIRE").is_some() { 10_000 } else { 2_000 };
    let attacks = [
        ("/race/app.log", "c/upper/race", "c/upper/race-relative"),
        ("/race/app.log", "c/upper/race", "c/upper/race-absolute"),
        ("/log/app.log", "c/upper/log/app.log", "c/upper/log/race-link"),
        ("/log/app.log", "c/upper/log/app.log", "c/upper/log/race-fifo"),
        ("/vol/race/app.log", "vols/v/race", "vols/v/race-link"),
        ("/app/app.log", "shared/app", "shared/app-link"),
    ];
    for (path, a, b) in attacks {
        let root = world.root();
        // The mount's source is known from before the attack.
        root.stat(Path::new("/app")).unwrap();
        let (mut opened, mut leaks, mut turn) = (0, 0, 0);
        while_swapping(&at(a), &at(b), swaps, || {
            if let Ok(found) = root.open(Path::new(path)) {
                assert_eq!(content(found.file), MINE, "{path} against {b}");
                opened += 1;
            }
            turn += 1;
            // A plain open of a FIFO would block: it is no control there.
            if turn % 4 == 0 && !b.ends_with("fifo") {
                leaks += u32::from(world.plain(path).as_deref() == Some(SECRET));
            }
            opened > 0 && (leaks > 0 || b.ends_with("fifo"))
        });
        println!("{path} against {b}: opened {opened} times, the control leaked {leaks} times");
        assert!(opened > 0, "{path} against {b} was never opened");
        assert!(leaks > 0 || b.ends_with("fifo"), "the control leaks: {path} against {b}");
        // Back to where it was for the next attack.
        if fs::symlink_metadata(at(a)).unwrap().file_type().is_symlink()
            || fs::symlink_metadata(at(a)).unwrap().file_type().is_fifo()
        {
            rustix::fs::renameat_with(CWD, at(a), CWD, at(b), RenameFlags::EXCHANGE).unwrap();
        }
    }
}

/// Random trees of links: where the kernel's own RESOLVE_IN_ROOT gets somewhere, the walk gets to
/// the same file; where the walk gets somewhere, it is inside.
#[test]
fn the_walk_agrees_with_resolve_in_root() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut agreed, mut compared) = (0, 0);
    for _ in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c", "d"];
        let mut dirs = vec![PathBuf::new()];
        for _ in 0..30 {
            let path = dirs[random.usize(0..dirs.len())].join(names[random.usize(0..4)]);
            let target = random_path(&mut random, &names);
            match random.u32(0..5) {
                0 => drop(File::create_new(dir.path().join(&path))),
                1 | 2 => drop(symlink(target, dir.path().join(&path))),
                _ => {
                    let is_flat = path.components().count() < 5;
                    if is_flat && fs::create_dir(dir.path().join(&path)).is_ok() {
                        dirs.push(path);
                    }
                }
            }
        }
        let container = Container { upper_dir: Some(dir.path().into()), ..Container::default() };
        let root = ContainerRoot::new(&HostRoot::at("/"), &container);
        let base = File::open(dir.path()).unwrap();
        for _ in 0..100 {
            let path = random_path(&mut random, &names);
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let kernel = rustix::fs::openat2(&base, path.as_str(), flags, Mode::empty(), resolve);
            let ours = root.stat(Path::new(&path));
            compared += 1;
            if let Ok(kernel) = kernel {
                let kernel = File::from(kernel).metadata().unwrap();
                let ours = ours.unwrap_or_else(|error| panic!("{path}: {error}"));
                assert_eq!((ours.identity.dev, ours.identity.inode), (kernel.dev(), kernel.ino()));
                agreed += 1;
            } else if let Ok(ours) = ours {
                // A name that is not there, and up again: the kernel is stricter.
                let inside = dirs.iter().any(|known| {
                    let known = dir.path().join(known);
                    fs::metadata(&known).is_ok_and(|stat| stat.ino() == ours.identity.inode)
                        || fs::read_dir(&known).is_ok_and(|mut entries| {
                            entries.any(|entry| entry.unwrap().ino() == ours.identity.inode)
                        })
                });
                assert!(inside, "{path}");
            }
        }
    }
    println!("{agreed} of {compared} paths led somewhere");
    assert!(agreed > 100);
}

fn random_path(random: &mut fastrand::Rng, names: &[&str; 4]) -> String {
    let mut path = String::from(if random.bool() { "/" } else { "" });
    for at in 0..random.usize(1..5) {
        if at > 0 {
            path.push('/');
        }
        path.push_str(if random.u32(0..4) == 0 { ".." } else { names[random.usize(0..4)] });
    }
    path
}
