//! Containers that want the agent to read what is not theirs, or to stop working. Each attack has
//! a control: a plain `open` of the same path on the host, which does leak. No byte of the secret
//! may reach the destination, and an honest container's lines must go on arriving.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use testkit::{Agent, DockerContainer, Written, until};
use tests::ENOUGH;

use crate::book::Receiver;
use crate::site::{Site, sized, upper_dir, verdict};

/// What must not arrive.
const SECRET: &str = "this line belongs to the host";
/// O_NONBLOCK on Linux: opening a FIFO returns at once.
const NONBLOCK: i32 = 0o4000;

/// A site with a secret of the host, and an honest container that writes 10 lines a second.
struct Scene {
    site: Site,
    receiver: Receiver,
    secret: PathBuf,
    honest: Written,
    agent: Agent,
    _honest: DockerContainer,
}

impl Scene {
    #[track_caller]
    fn new() -> Option<Self> {
        let site = Site::new()?;
        let receiver = Receiver::start();
        site.collect_files(&receiver.url(), &["/root/log/**/*.log", "/data/**/*.log"]);
        let secret = site.stage.path("secret");
        fs::create_dir(&secret).unwrap();
        fs::write(secret.join("a.log"), format!("{SECRET}\n").repeat(100)).unwrap();
        let honest = site.lines(0, 100_000);
        let script = "mkdir -p /root/log; emit /lines/0 2 0.2 /root/log/honest.log; exec pause";
        let container = site.writer("honest").start(&["sh", "-c", script]);
        let agent = site.agent().start();
        receiver.wait_lines(1, ENOUGH);
        Some(Self { site, receiver, secret, honest, agent, _honest: container })
    }

    /// The honest container's lines still come; then that nothing else came but what the
    /// attacker may say.
    #[track_caller]
    fn assert_safe(self, allowed: &[&str]) {
        // Long enough for several listings of every directory.
        thread::sleep(Duration::from_secs(3));
        let before = self.receiver.book(|book| book.ledger.by_key().distinct());
        self.receiver.wait_lines(before + 20, ENOUGH);
        assert_eq!(self.agent.stop(ENOUGH).code, Some(0));
        self.receiver.book(|book| {
            let text = String::from_utf8_lossy(&book.bytes);
            assert!(!text.contains(SECRET), "the secret arrived");
            let foreign = book.records.iter().map(|record| record["content"].as_str().unwrap());
            let foreign = foreign.filter(|content| !content.starts_with("w0 "));
            let strange: Vec<_> = foreign.filter(|content| !allowed.contains(content)).collect();
            assert!(strange.is_empty(), "{strange:?}");
        });
        let written = Written { lines: before, ..self.honest };
        assert_eq!(verdict(&[written], &self.receiver).lost, 0);
    }
}

/// Whether a plain `open` of the path on the host gives the secret.
fn leaks(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.contains(SECRET))
}

/// Runs a script in a fresh container; what it leaves in /root/log lies at the returned path.
#[track_caller]
fn attack(scene: &Scene, script: &str) -> (DockerContainer, PathBuf) {
    let script = format!("mkdir -p /root/log; cd /root/log; {script}; touch /ready; exec pause");
    let container = scene.site.docker.container("evil").start(&["sh", "-c", &script]);
    let upper = upper_dir(&container);
    until(ENOUGH, "the attack", || fs::metadata(upper.join("ready")).map(drop));
    (container, upper.join("root/log"))
}

#[test]
fn links_out_of_the_container_lead_nowhere() {
    let Some(scene) = Scene::new() else { return };
    let secret = scene.secret.display().to_string();
    let script = format!(
        "ln -s {secret}/a.log absolute.log; ln -s {up}{secret}/a.log up.log
         ln -s {secret} dir; ln -s {up}{secret} updir
         ln -s /proc/self/root{secret}/a.log root.log; ln -s /proc/1/root{secret}/a.log root1.log
         ln -s absolute.log chain.log; ln -s loop.log loop.log; echo mine >mine.log",
        up = "../".repeat(40),
    );
    let (_evil, dir) = attack(&scene, &script);
    for control in ["absolute.log", "dir/a.log", "root.log", "chain.log"] {
        assert!(leaks(&dir.join(control)), "{control}: the attack is none");
    }
    // Relative to the layer on the host, not to the container's root: enough `..` lead there too.
    assert!(leaks(&dir.join("up.log")) && leaks(&dir.join("updir/a.log")));
    scene.receiver.wait_lines(1, ENOUGH);
    scene.assert_safe(&["mine"]);
}

#[test]
fn a_link_into_another_container_leads_nowhere() {
    let Some(scene) = Scene::new() else { return };
    let victim = scene.site.docker.container("victim");
    let victim = victim.start(&["sh", "-c", &format!("echo '{SECRET}' >/secret.txt; exec pause")]);
    let path = upper_dir(&victim).join("secret.txt");
    until(ENOUGH, "the victim's file", || fs::metadata(&path).map(drop));
    let (_evil, dir) = attack(&scene, &format!("ln -s {} stolen.log", path.display()));
    assert!(leaks(&dir.join("stolen.log")));
    scene.assert_safe(&[]);
}

#[test]
fn a_directory_that_is_swapped_for_a_link_leaks_nothing() {
    let Some(scene) = Scene::new() else { return };
    // A mount of the container's, so that the swapping is done here and fast.
    let data = scene.site.stage.path("data");
    let (real, link, place) = (data.join("real"), data.join("link"), data.join("dir"));
    fs::create_dir_all(&real).unwrap();
    fs::write(real.join("a.log"), "mine\n").unwrap();
    symlink(&scene.secret, &link).unwrap();
    let evil = scene.site.docker.container("evil").volume(&data, "/data");
    let _evil = evil.start(&["pause"]);
    let (swaps, leaked, end) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                for other in [&real, &link] {
                    fs::rename(other, &place).unwrap();
                    thread::yield_now();
                    fs::rename(&place, other).unwrap();
                    swaps.fetch_add(1, Ordering::Relaxed);
                }
                // New names make the agent list, look and open again.
                let name = format!("{}.log", swaps.load(Ordering::Relaxed) % 50);
                fs::write(real.join(name), "mine\n").unwrap();
            }
        });
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                leaked.fetch_add(u64::from(leaks(&place.join("a.log"))), Ordering::Relaxed);
            }
        });
        thread::sleep(Duration::from_secs(sized(60, 15)));
        until(ENOUGH, "10,000 swaps", || match swaps.load(Ordering::Relaxed) {
            enough if enough >= 10_000 => Ok(()),
            few => Err(few),
        });
        end.store(true, Ordering::Relaxed);
    });
    let (swaps, leaked) = (swaps.into_inner(), leaked.into_inner());
    eprintln!("{swaps} swaps, {leaked} leaks through a plain open");
    assert!(leaked > 0, "the control does not leak: the race is none");
    scene.assert_safe(&["mine"]);
}

#[test]
fn a_pipe_and_a_device_are_no_logs_and_hold_nothing_up() {
    let Some(scene) = Scene::new() else { return };
    let (_evil, dir) =
        attack(&scene, "mkfifo pipe.log; mknod zero.log c 1 5; mkdir dir.log; echo mine >mine.log");
    let open =
        |name: &str| OpenOptions::new().read(true).custom_flags(NONBLOCK).open(dir.join(name));
    assert!(open("pipe.log").is_ok());
    if let Ok(mut device) = open("zero.log") {
        device.read_exact(&mut [1; 4096]).expect("a device gives bytes without an end");
    }
    scene.assert_safe(&["mine"]);
}

#[test]
fn a_huge_hole_holds_nobody_else_up() {
    let Some(scene) = Scene::new() else { return };
    let (_evil, dir) = attack(&scene, "truncate -s 10G hole.log; echo mine >mine.log");
    assert_eq!(File::open(dir.join("hole.log")).unwrap().metadata().unwrap().len(), 10 << 30);
    thread::sleep(Duration::from_secs(5));
    let arrived = scene.receiver.book(|book| book.bytes.len());
    assert!(arrived < 64 << 20, "{arrived} bytes of nothing arrived");
    let rss_peak = scene.agent.usage().rss_peak_bytes;
    assert!(rss_peak < 128 << 20, "{rss_peak} bytes resident");
    scene.assert_safe(&["mine"]);
}

#[test]
fn a_directory_with_very_many_files_holds_nobody_else_up() {
    let Some(scene) = Scene::new() else { return };
    let data = scene.site.stage.path("data");
    fs::create_dir(&data).unwrap();
    for number in 0..sized(1_000_000, 50_000) {
        File::create(data.join(format!("{number}.log"))).unwrap();
    }
    let evil = scene.site.docker.container("evil").volume(&data, "/data");
    let _evil = evil.start(&["pause"]);
    let arrived = || scene.receiver.book(|book| book.ledger.by_key().distinct());
    for _ in 0..3 {
        let before = arrived();
        scene.receiver.wait_lines(before + 20, ENOUGH);
    }
    scene.assert_safe(&[]);
}

#[test]
fn a_file_name_with_newlines_is_a_file_name() {
    let Some(scene) = Scene::new() else { return };
    let (_evil, _) = attack(&scene, "echo odd >\"$(printf 'a\\n{\"b\":\\t1}.log')\"");
    until(ENOUGH, "the odd file's line", || {
        let odd = scene.receiver.contents().iter().any(|content| content == "odd");
        if odd { Ok(()) } else { Err("not there") }
    });
    let path = scene.receiver.record("odd")["__tag__:__path__"].clone();
    assert_eq!(path, "/root/log/a\n{\"b\":\t1}.log");
    scene.assert_safe(&["odd"]);
}
