//! Containers come and go while the agent looks.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use testkit::until;
use tests::ENOUGH;

use crate::book::Receiver;
use crate::site::{GRACE, Site, sized, upper_dir, verdict};

#[test]
fn a_container_that_lives_for_50_ms_is_collected() {
    let Some(site) = Site::new() else { return };
    let receiver = Receiver::start();
    site.collect_stdout(&receiver.url());
    site.collect_files(&receiver.url(), &["/root/log/*.log"]);
    let agent = site.agent().start();
    let mut apps = Vec::new();
    let mut wanted = Vec::new();
    for number in 0..sized(20, 6) {
        let script = format!(
            "mkdir -p /root/log; echo out{number}; echo file{number} >/root/log/a.log; sleep 0.05"
        );
        apps.push(site.docker.container(&format!("brief{number}")).start(&["sh", "-c", &script]));
        wanted.extend([format!("out{number}"), format!("file{number}")]);
    }
    let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
    receiver.wait(&wanted, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

#[test]
fn a_container_that_removes_itself_is_collected_or_named_as_missed() {
    let Some(site) = Site::new() else { return };
    let receiver = Receiver::start();
    site.collect_stdout(&receiver.url());
    let agent = site.agent().start();
    sleep(Duration::from_secs(2));
    let mut names = Vec::new();
    for (number, pause) in ["0", "0.02", "2"].into_iter().enumerate() {
        let name = site.docker.name(&format!("gone{number}"));
        let label = site.docker.label();
        let label = format!("{}={}", label.0, label.1);
        let script = format!("echo out{number}; sleep {pause}");
        let image = site.docker.image();
        let args = ["run", "--rm", "--label", &label, "--name", &name, image, "sh", "-c", &script];
        site.docker.run(&args);
        names.push(name);
    }
    until(ENOUGH, "each container's line, or its name among the missed", || {
        let (contents, log) = (receiver.contents(), agent.log());
        let told = |number: usize| {
            contents.contains(&format!("out{number}")) || log.contains(&names[number])
        };
        if (0..3).all(told) { Ok(()) } else { Err(format!("{contents:?}; {log}")) }
    });
    assert!(receiver.contents().contains(&"out2".to_owned()), "it lived for two seconds");
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}

/// Open descriptors of a process on files below `dir`.
fn open_below(pid: u32, dir: &Path) -> Vec<String> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let target = |link: fs::DirEntry| fs::read_link(link.path()).ok();
    let targets = links.filter_map(|link| target(link.unwrap()));
    targets.filter(|path| path.starts_with(dir)).map(|path| path.display().to_string()).collect()
}

#[test]
fn removing_a_container_by_force_loses_no_tail_and_pins_nothing() {
    let Some(site) = Site::new() else { return };
    let receiver = Receiver::start();
    site.collect_stdout(&receiver.url());
    site.collect_files(&receiver.url(), &["/root/log/*.log"]);
    let written = [site.lines(0, 20_000), site.lines(1, 2_000)];
    let agent = site.agent().start();
    let script = "mkdir -p /root/log; cat /lines/1; cat /lines/0 >/root/log/a.log; touch /written
        exec pause";
    let app = site.writer("app").start(&["sh", "-c", script]);
    let upper = upper_dir(&app);
    // Removed while it is being read: as soon as all is written, and the agent has begun with the
    // file, of which the first line comes after or between the 2,000 of the output.
    until(ENOUGH, "the file", || fs::metadata(upper.join("written")).map(drop));
    receiver.wait_lines(2_001, ENOUGH);
    let start = Instant::now();
    app.remove();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    receiver.wait_lines(22_000, ENOUGH);
    until(Duration::from_secs(10), "no descriptor of the container's files", || {
        match open_below(agent.pid(), upper.parent().unwrap()) {
            open if open.is_empty() => Ok(()),
            open => Err(open.join(", ")),
        }
    });
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    verdict(&written, &receiver).assert_exactly_once();
}

#[test]
fn a_volume_of_two_containers_is_one_file_and_outlives_one_of_them() {
    let Some(site) = Site::new() else { return };
    let receiver = Receiver::start();
    site.collect_files(&receiver.url(), &["/logs/*.log"]);
    let volume = site.docker.volume("shared");
    let written = site.lines(0, 600);
    let agent = site.agent().start();
    let writer = site.writer("writer").volume(volume.name(), "/logs");
    let _writer = writer.start(&["sh", "-c", "emit /lines/0 10 0.2 /logs/a.log; exec pause"]);
    let other = site.docker.container("other").volume(volume.name(), "/logs").start(&["pause"]);
    receiver.wait_lines(100, ENOUGH);
    other.stop(GRACE);
    receiver.wait_lines(300, ENOUGH);
    other.remove();
    receiver.wait_lines(600, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    verdict(&[written], &receiver).assert_exactly_once();
}

#[test]
fn the_same_name_with_a_new_id_loses_nothing() {
    let Some(site) = Site::new() else { return };
    let receiver = Receiver::start();
    site.collect_stdout(&receiver.url());
    site.collect_files(&receiver.url(), &["/root/log/*.log"]);
    let agent = site.agent().start();
    let rounds = 4;
    let written: Vec<_> = (0..2 * rounds).map(|writer| site.lines(writer, 500)).collect();
    for round in 0..rounds {
        let (out, file) = (2 * round, 2 * round + 1);
        let script = format!(
            "mkdir -p /root/log; emit /lines/{file} 50 0.05 /root/log/a.log; \
             emit /lines/{out} 500 0"
        );
        let app = site.writer("web").start(&["sh", "-c", &script]);
        app.wait_exit(ENOUGH);
        app.remove();
    }
    receiver.wait_lines(u64::from(rounds) * 1_000, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    verdict(&written, &receiver).assert_exactly_once();
}

#[test]
fn without_the_engine_the_saved_map_is_enough_to_go_on() {
    let Some(site) = Site::new() else { return };
    let receiver = Receiver::start();
    site.collect_files(&receiver.url(), &["/root/log/*.log"]);
    let written = site.lines(0, 400);
    let script = "mkdir -p /root/log; emit /lines/0 10 0.2 /root/log/a.log; exec pause";
    let _app = site.writer("app").start(&["sh", "-c", script]);
    let agent = site.agent().start();
    receiver.wait_lines(50, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    let agent = site.agent().env("DOCKER_HOST", "unix:///nowhere/docker.sock").start();
    receiver.wait_lines(400, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    verdict(&[written], &receiver).assert_exactly_once();
}
