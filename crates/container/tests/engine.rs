//! A real Docker engine: what it tells, how it is followed, how files of its containers are
//! opened. Images are made from scratch; everything that a test makes it removes by id.
#![allow(clippy::unwrap_used)] // a test says by panicking that it failed
#![allow(clippy::disallowed_methods)] // the test is the user of the engine

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use container::{
    AskedNames, Bundles, Change, Container, ContainerRoot, DOCKER_DIR, DockerFiles, DockerWatch,
    Error, HostRoot, Inventory, LogDriver, MountKind, Observation, PathMap, Source, State,
    docker_socket,
};
use process::split::{Assembly, for_each};

const BUSYBOX: &str = "/bin/busybox";

/// An engine, an image in it, and what has to be removed at the end.
struct Engine {
    image: String,
    made: Mutex<Vec<String>>,
}

/// The engine; `None`, said loudly, where there is none. Then failing where it is required.
fn engine(test: &str) -> Option<Engine> {
    let answers =
        Command::new("docker").arg("version").output().is_ok_and(|out| out.status.success());
    if !answers || !Path::new(BUSYBOX).exists() {
        let why =
            if answers { "no static /bin/busybox (busybox-static)" } else { "no Docker engine" };
        assert!(std::env::var_os("IRONTAIL_REQUIRE").is_none(), "{test}: {why}");
        eprintln!("\n*** SKIPPED {test}: {why} ***\n");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::copy(BUSYBOX, bin.join("busybox")).unwrap();
    for applet in ["sh", "sleep", "mkdir", "printf", "ln", "true", "echo"] {
        std::os::unix::fs::symlink("busybox", bin.join(applet)).unwrap();
    }
    std::fs::create_dir(dir.path().join("baked")).unwrap();
    std::os::unix::fs::symlink("/vol", dir.path().join("baked/logs")).unwrap();
    let mut tar = Command::new("tar")
        .args(["-C", dir.path().to_str().unwrap(), "-c", "."])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let import = Command::new("docker")
        .args(["import", "-"])
        .stdin(tar.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(tar.wait().unwrap().success() && import.status.success());
    let image = String::from_utf8(import.stdout).unwrap().trim().to_string();
    Some(Engine { image, made: Mutex::default() })
}

fn docker(args: &[&str]) -> String {
    let out = Command::new("docker").args(args).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_string()
}

impl Engine {
    /// Runs a shell command in a container and gives the container's id.
    fn run(&self, options: &[&str], command: &str) -> String {
        self.make(&[&["run", "-d"], options].concat(), command)
    }

    fn make(&self, verb: &[&str], command: &str) -> String {
        let args = [verb, &[self.image.as_str(), "/bin/sh", "-c", command]].concat();
        let id = docker(&args);
        self.made.lock().unwrap().push(id.clone());
        id
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for id in self.made.lock().unwrap().iter() {
            let _ = Command::new("docker").args(["rm", "-f", "-v", id]).output();
        }
        let _ = Command::new("docker").args(["rmi", "-f", &self.image]).output();
    }
}

/// What the tests look at.
fn asked() -> Arc<AskedNames> {
    let env = ["TIER", "A"].map(String::from).into();
    Arc::new(AskedNames { env, labels: ["app".to_string()].into(), ..AskedNames::default() })
}

/// An agent's thread that follows the engine.
struct Follower {
    watch: DockerWatch,
    inventory: Inventory,
    changes: Vec<Change>,
    missed: Vec<String>,
    lists: usize,
    troubles: usize,
}

impl Follower {
    fn new(socket: &Path) -> Follower {
        Follower {
            watch: DockerWatch::new(socket, &HostRoot::at("/"), &asked()),
            inventory: Inventory::new(),
            changes: Vec::new(),
            missed: Vec::new(),
            lists: 0,
            troubles: 0,
        }
    }

    fn step(&mut self) {
        let Follower { watch, inventory, changes, missed, lists, troubles } = self;
        watch.step(Instant::now(), Duration::from_millis(100), &mut |observation| {
            match &observation {
                Observation::Missed { id, .. } => missed.push(id.clone()),
                Observation::Listed(..) => *lists += 1,
                Observation::Trouble(..) => *troubles += 1,
                _ => {}
            }
            changes.extend(inventory.apply(&observation));
        });
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&Follower) -> bool) {
        let started = Instant::now();
        while !is_so(self) {
            assert!(started.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
            self.step();
        }
    }

    fn get(&self, id: &str) -> Option<&Container> {
        self.inventory.get(id)
    }

    fn state(&self, id: &str) -> Option<State> {
        self.get(id).map(|container| container.state)
    }
}

fn socket() -> PathBuf {
    let named = std::env::var("DOCKER_HOST").ok();
    docker_socket(&HostRoot::at("/"), named.as_deref()).unwrap().expect("the engine has a socket")
}

fn listed() -> Follower {
    let mut follower = Follower::new(&socket());
    follower.until("the first list", |follower| follower.lists > 0);
    follower
}

fn read(root: &ContainerRoot, path: &str) -> Result<String, Error> {
    let mut text = String::new();
    root.open(Path::new(path))?.file.read_to_string(&mut text).unwrap();
    Ok(text)
}

/// What a container printed, as its log has it now.
fn printed(container: &Container) -> Vec<String> {
    let (logs, path) = ContainerRoot::of_logs(&HostRoot::at("/"), container).expect("it has a log");
    let raw = read(&logs, path.to_str().unwrap()).unwrap_or_default();
    let mut found = Vec::new();
    for_each(raw.as_bytes(), &mut Assembly::new(), |record| {
        assert!(record.time_nanos().is_some());
        let stream = record.stream.expect("a line of Docker's").as_str();
        found.push(format!("{stream} {}", String::from_utf8_lossy(record.content)));
    });
    found
}

const WRITE_EVERYWHERE: &str = "echo out; echo err >&2; mkdir -p /root/log; \
    echo root > /root/log/1.log; echo volume > /vol/a.log; echo bind > /bind/a.log; \
    echo memory > /mem/a.log; echo shm > /dev/shm/a.log; ln -s /vol/a.log /root/log/link.log; \
    echo ready > /root/ready; sleep 1000";

/// Waits until the container has done what it was started for.
fn wait_ready(follower: &mut Follower, id: &str) -> (Container, ContainerRoot) {
    let host = HostRoot::at("/");
    let ready = |follower: &Follower| {
        let running = follower.get(id).filter(|container| container.pid.is_some());
        running.is_some_and(|container| {
            read(&ContainerRoot::new(&host, container), "/root/ready").is_ok()
        })
    };
    follower.until("the container is ready", ready);
    let container = follower.get(id).unwrap().clone();
    let root = ContainerRoot::new(&host, &container);
    (container, root)
}

#[test]
fn all_that_is_known_of_a_container_is_told_and_all_its_files_open() {
    let Some(engine) = engine("all that is known of a container") else { return };
    let bind = tempfile::tempdir().unwrap();
    let bind_option = format!("{}:/bind", bind.path().display());
    let options = [
        "-e",
        "TIER=front",
        "--label",
        "app=web",
        "-v",
        "/vol",
        "-v",
        &bind_option,
        "--tmpfs",
        "/mem",
        "--log-opt",
        "labels=app",
    ];
    let id = engine.run(&options, WRITE_EVERYWHERE);
    let mut follower = listed();
    let (container, root) = wait_ready(&mut follower, &id);

    assert_eq!(container.source, Source::Docker);
    assert_eq!(container.state, State::Running);
    assert_eq!(container.env.as_ref().unwrap()["TIER"], "front");
    assert_eq!(container.labels.as_ref().unwrap()["app"], "web");
    assert_eq!(container.log_driver, LogDriver::JsonFile);
    assert!(container.ip.starts_with("172."), "{}", container.ip);
    assert!(container.created.starts_with("20"), "{}", container.created);
    let kind = |destination: &str| {
        container.mounts.iter().find(|mount| mount.destination == destination).unwrap().kind
    };
    assert_eq!((kind("/bind"), kind("/vol")), (MountKind::Bind, MountKind::Volume));

    let files = [
        ("/root/log/1.log", "root\n"),
        ("/vol/a.log", "volume\n"),
        ("/bind/a.log", "bind\n"),
        ("/mem/a.log", "memory\n"),
        ("/dev/shm/a.log", "shm\n"),
        ("/root/log/link.log", "volume\n"),
        ("/baked/logs/a.log", "volume\n"),
    ];
    for (path, content) in files {
        assert_eq!(read(&root, path).unwrap(), content, "{path}");
    }
    // Here and through the mapped path it is one file.
    let map = PathMap::new(&container);
    let host_path = map.host_path(Path::new("/root/log/1.log")).unwrap();
    assert_eq!(std::fs::read_to_string(host_path).unwrap(), "root\n");
    // The log has attributes, because of the log option.
    // The two streams come by different pipes: their order is the engine's.
    let mut both = printed(&container);
    both.sort();
    assert_eq!(both, ["stderr err", "stdout out"]);
    assert!(std::fs::read_to_string(container.log_path.unwrap()).unwrap().contains("\"attrs\""));
}

#[test]
fn files_and_bundles_tell_what_the_api_tells() {
    let Some(engine) = engine("files and bundles against the API") else { return };
    let id = engine.run(&["-e", "A=b", "-v", "/vol", "--tmpfs", "/mem"], WRITE_EVERYWHERE);
    let stopped = engine.run(&[], "echo done");
    let mut follower = listed();
    let (by_api, _) = wait_ready(&mut follower, &id);
    follower.until("the other one stops", |f| f.state(&stopped) == Some(State::Exited));

    let host = HostRoot::at("/");
    let mut by_files = Inventory::new();
    let mut files = DockerFiles::new(&host, Path::new(DOCKER_DIR), &asked());
    files.poll(&mut |observation| drop(by_files.apply(&observation)));
    let by_file = by_files.get(&id).expect("it has its files");
    let mut expected = Container { source: Source::DockerFiles, ..by_api.clone() };
    // The image's layers are only in the API's answer.
    expected.lower_dirs.clear();
    expected.tmpfs.sort();
    expected.mounts.sort();
    let mut found = by_file.clone();
    found.tmpfs.sort();
    found.mounts.sort();
    assert_eq!(found, expected);
    assert_eq!(by_files.get(&stopped).unwrap().state, State::Exited);
    let mut seen = 0;
    files.poll(&mut |observation| {
        let ours = |container: &Container| container.id == id || container.id == stopped;
        seen += usize::from(matches!(&observation, Observation::Seen(c) if ours(c)));
    });
    assert_eq!(seen, 0, "what did not change is not read again");

    let mut by_bundles = Inventory::new();
    let mut bundles = Bundles::new(&host, None, &asked());
    bundles.poll(&mut |observation| drop(by_bundles.apply(&observation)));
    let by_bundle = by_bundles.get(&id).expect("it has a bundle");
    assert_eq!(by_bundle.env.as_ref().unwrap()["A"], "b");
    assert_eq!(by_bundle.pid, by_api.pid);
    assert_eq!(by_bundle.upper_dir, by_api.upper_dir);
    assert!(by_bundles.get(&stopped).is_none(), "it goes with the process");
    let root = ContainerRoot::new(&host, by_bundle);
    assert_eq!(read(&root, "/vol/a.log").unwrap(), "volume\n");
    assert_eq!(read(&root, "/mem/a.log").unwrap(), "memory\n");
}

#[test]
fn a_life_is_followed_from_creation_to_removal() {
    let Some(engine) = engine("a life is followed") else { return };
    let mut follower = listed();
    let id = engine.make(&["create"], "echo $$; sleep 1000");
    follower.until("created", |f| f.state(&id) == Some(State::Created));
    let log_path = follower.get(&id).unwrap().log_path.clone();
    docker(&["start", &id]);
    follower.until("started", |f| f.get(&id).is_some_and(|found| found.pid.is_some()));
    assert_eq!(follower.get(&id).unwrap().log_path, log_path, "the log is where it was said to be");
    let first = follower.get(&id).unwrap().pid;
    docker(&["restart", "-t", "0", &id]);
    follower.until("restarted", |f| {
        f.get(&id).is_some_and(|found| found.pid.is_some() && found.pid != first)
    });
    let name = format!("renamed-{}", &id[..12]);
    docker(&["rename", &id, &name]);
    follower.until("renamed", |f| f.get(&id).is_some_and(|found| found.name == name));
    docker(&["stop", "-t", "0", &id]);
    follower.until("stopped", |f| f.state(&id) == Some(State::Exited));
    assert!(follower.get(&id).unwrap().upper_dir.is_some(), "its files are still there");
    docker(&["rm", &id]);
    follower.until("removed", |f| f.get(&id).is_none());
    let is_added = |change: &Change| matches!(change, Change::Added(found) if found.id == id);
    assert_eq!(follower.changes.iter().filter(|change| is_added(change)).count(), 1);
    assert_eq!(follower.troubles, 0);
}

#[test]
fn containers_that_live_for_a_moment_are_seen_with_all_that_they_printed() {
    let Some(engine) = engine("containers that live for a moment") else { return };
    let mut follower = listed();
    let ids: Vec<String> = (0..10)
        .map(|at| engine.run(&[], &format!("echo {at}-one; echo {at}-two; printf {at}-end")))
        .collect();
    for id in &ids {
        follower.until("it was seen and is over", |f| f.state(id) == Some(State::Exited));
    }
    for (at, id) in ids.iter().enumerate() {
        let expected = ["one", "two", "end"].map(|word| format!("stdout {at}-{word}"));
        assert_eq!(printed(follower.get(id).unwrap()), expected);
    }
}

#[test]
fn containers_that_remove_themselves_are_seen_in_time_or_counted_as_missed() {
    let Some(engine) = engine("containers that remove themselves") else { return };
    let mut follower = listed();
    let runs = AtomicBool::new(true);
    let ids: Vec<String> = std::thread::scope(|scope| {
        let user = scope.spawn(|| {
            let run = |_| engine.run(&["--rm"], "echo gone");
            let ids = (0..8).map(run).collect();
            runs.store(false, Ordering::SeqCst);
            ids
        });
        while runs.load(Ordering::SeqCst) {
            follower.step();
        }
        user.join().unwrap()
    });
    let is_removed = |follower: &Follower, id: &String| {
        let is_it = |c: &Change| matches!(c, Change::Removed(found) if found.id == *id);
        follower.changes.iter().any(is_it)
    };
    for id in &ids {
        follower.until("told and gone, or missed", |f| f.missed.contains(id) || is_removed(f, id));
        assert!(!(follower.missed.contains(id) && is_removed(&follower, id)), "not both");
    }
    let missed = ids.iter().filter(|id| follower.missed.contains(id)).count();
    println!("{missed} of {} containers with --rm were missed", ids.len());
    assert!(missed < ids.len(), "a container is looked at when it is created");
}

#[test]
fn a_hostile_container_reads_no_file_of_the_host() {
    let Some(engine) = engine("a hostile container") else { return };
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let secret = secret.to_str().unwrap();
    let command = format!(
        "mkdir -p /root/log; ln -s {secret} /root/log/absolute.log; ln -s {secret} /vol/v.log; \
         ln -s /proc/self/root{secret} /root/log/proc.log; ln -s /proc/1/root{secret} /mem/m.log; \
         echo ready > /root/ready; sleep 1000"
    );
    let id = engine.run(&["-v", "/vol", "--tmpfs", "/mem"], &command);
    let mut follower = listed();
    let (container, root) = wait_ready(&mut follower, &id);
    for path in ["/root/log/absolute.log", "/root/log/proc.log", "/vol/v.log"] {
        let mapped = PathMap::new(&container).host_path(Path::new(path)).unwrap();
        let control = std::fs::read_to_string(mapped).unwrap();
        assert_eq!(control, "secret", "the control leaks: {path}");
        assert!(read(&root, path).unwrap_err().is_not_found(), "{path}");
    }
    let control = format!("/proc/{}/root/mem/m.log", container.pid.unwrap());
    assert!(std::fs::read_link(control).is_ok(), "the link is there");
    assert!(read(&root, "/mem/m.log").is_err());
    // Its process id in the hands of another container is not believed.
    let other = Container { id: "f".repeat(64), ..container };
    let error = read(&ContainerRoot::new(&HostRoot::at("/"), &other), "/mem/x").unwrap_err();
    assert!(matches!(error, Error::Process { .. }), "{error}");
}

#[test]
fn a_tmpfs_of_a_stopped_container_is_refused_by_name() {
    let Some(engine) = engine("a tmpfs of a stopped container") else { return };
    let id = engine.run(&["--tmpfs", "/mem"], "echo x > /mem/a.log");
    let mut follower = listed();
    follower.until("it stops", |f| f.state(&id) == Some(State::Exited));
    let root = ContainerRoot::new(&HostRoot::at("/"), follower.get(&id).unwrap());
    let error = read(&root, "/mem/a.log").unwrap_err();
    assert!(matches!(error, Error::Tmpfs { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("/mem") && text.contains("does not run"), "{text}");
    assert!(text.contains("hostPID and SYS_PTRACE"), "{text}");
}

/// A socket before the engine's, whose connections can be cut.
struct Proxy {
    _dir: tempfile::TempDir,
    socket: PathBuf,
    is_up: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<UnixStream>>>,
}

impl Proxy {
    fn new() -> Proxy {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let is_up = Arc::new(AtomicBool::new(true));
        let connections: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
        let (up, open) = (is_up.clone(), connections.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if !up.load(Ordering::SeqCst) {
                    continue;
                }
                let engine = UnixStream::connect(socket()).unwrap();
                open.lock()
                    .unwrap()
                    .extend([client.try_clone().unwrap(), engine.try_clone().unwrap()]);
                let (from, to) = (client.try_clone().unwrap(), engine.try_clone().unwrap());
                std::thread::spawn(move || pump(from, to));
                std::thread::spawn(move || pump(engine, client));
            }
        });
        Proxy { _dir: dir, socket: path, is_up, connections }
    }

    fn cut(&self) {
        self.is_up.store(false, Ordering::SeqCst);
        for stream in self.connections.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn pump(mut from: UnixStream, mut to: UnixStream) {
    let mut buffer = [0; 4096];
    while let Ok(len) = from.read(&mut buffer) {
        if len == 0 || to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn what_happens_while_the_engine_is_away_is_told_afterwards() {
    let Some(engine) = engine("the engine is away") else { return };
    let proxy = Proxy::new();
    let stays = engine.run(&[], "sleep 1000");
    let restarts = engine.run(&[], "sleep 1000");
    let goes = engine.run(&[], "sleep 1000");
    let mut follower = Follower::new(&proxy.socket);
    follower.until("the first list", |f| f.lists > 0);
    let pid = follower.get(&restarts).unwrap().pid;
    assert!(follower.watch.is_connected());

    proxy.cut();
    follower.until("the connection is lost", |f| f.troubles > 0);
    docker(&["rm", "-f", &goes]);
    docker(&["restart", "-t", "0", &restarts]);
    let new = engine.run(&[], "echo new");
    follower.until("it is tried again", |f| f.troubles > 1);
    assert!(follower.get(&goes).is_some(), "nothing is forgotten because nobody answers");

    proxy.is_up.store(true, Ordering::SeqCst);
    follower.until("it is listed again", |f| f.lists > 1);
    assert!(follower.get(&goes).is_none());
    assert_eq!(follower.state(&stays), Some(State::Running));
    assert_ne!(follower.get(&restarts).unwrap().pid, pid);
    follower.until("the new one is over", |f| f.state(&new) == Some(State::Exited));
    assert_eq!(printed(follower.get(&new).unwrap()), ["stdout new"]);
}
