//! Where a container may write its logs: each place is collected, and goes on being collected
//! over a restart of the agent, of the container, and of both.

use std::time::Duration;

use testkit::{ContainerPlan, DockerContainer, Written};
use tests::ENOUGH;

use crate::book::Receiver;
use crate::site::{GRACE, Site, verdict};

/// Long enough to see all restarts, at 50 lines a second.
const LINES: u64 = 1_500;
const BETWEEN: Duration = Duration::from_millis(1_500);

/// Collects what the container writes as writer 0 while the agent, the container, and both are
/// restarted.
fn survives_restarts(site: &Site, plan: ContainerPlan, script: &str) {
    let receiver = Receiver::start();
    site.collect_stdout(&receiver.url());
    site.collect_files(&receiver.url(), &["/logs/*.log", "/root/log/*.log"]);
    let written = site.lines(0, LINES);
    let app = plan.start(&["sh", "-c", script]);
    let restart = |app: &DockerContainer| {
        app.stop(GRACE);
        app.start();
    };
    let wait = || std::thread::sleep(BETWEEN);
    let agent = site.agent().start();
    wait();
    assert_eq!(agent.stop(ENOUGH).code, Some(0)); // the agent
    wait();
    let agent = site.agent().start();
    wait();
    restart(&app); // the container
    wait();
    assert_eq!(agent.stop(ENOUGH).code, Some(0)); // both
    restart(&app);
    wait();
    let agent = site.agent().start();
    receiver.wait_lines(LINES, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    verdict(&[written], &receiver).assert_exactly_once();
}

/// Writes the lines of writer 0 at `path`, in the foreground so that SIGTERM reaches `emit`.
fn emit_to(path: &str) -> String {
    let dir = path.rsplit_once('/').unwrap().0;
    format!("mkdir -p {dir}; exec emit /lines/0 10 0.2 {path}")
}

#[test]
fn a_path_of_the_containers_own_layer() {
    let Some(site) = Site::new() else { return };
    survives_restarts(&site, site.writer("app"), &emit_to("/root/log/app.log"));
}

#[test]
fn a_bind_mount() {
    let Some(site) = Site::new() else { return };
    let dir = site.stage.path("bound");
    std::fs::create_dir(&dir).unwrap();
    survives_restarts(&site, site.writer("app").volume(dir, "/logs"), &emit_to("/logs/app.log"));
}

#[test]
fn a_named_volume() {
    let Some(site) = Site::new() else { return };
    let volume = site.docker.volume("logs");
    let plan = site.writer("app").volume(volume.name(), "/logs");
    survives_restarts(&site, plan, &emit_to("/logs/app.log"));
}

#[test]
fn a_log_behind_a_symbolic_link_into_a_volume() {
    let Some(site) = Site::new() else { return };
    let volume = site.docker.volume("data");
    let plan = site.writer("app").volume(volume.name(), "/data");
    let link = "mkdir -p /root/log; ln -sf /data/real.txt /root/log/app.log";
    survives_restarts(&site, plan, &format!("{link}; {}", emit_to("/data/real.txt")));
}

#[test]
fn standard_output() {
    let Some(site) = Site::new() else { return };
    survives_restarts(&site, site.writer("app"), "exec emit /lines/0 10 0.2");
}

#[test]
fn standard_output_rotated_by_docker() {
    let Some(site) = Site::new() else { return };
    let rotating = ["--log-opt", "max-size=32k", "--log-opt", "max-file=9"];
    let plan = site.writer("app").options(&rotating);
    survives_restarts(&site, plan, "exec emit /lines/0 10 0.2");
}

#[test]
fn a_tmpfs_over_a_restart_of_the_agent() {
    let Some(site) = Site::new() else { return };
    let receiver = Receiver::start();
    site.collect_files(&receiver.url(), &["/logs/*.log"]);
    let written: Written = site.lines(0, 400);
    let plan = site.writer("app").options(&["--tmpfs", "/logs"]);
    let _app = plan.start(&["sh", "-c", "emit /lines/0 10 0.2 /logs/app.log; exec pause"]);
    for _ in 0..3 {
        let agent = site.agent().start();
        std::thread::sleep(BETWEEN);
        assert_eq!(agent.stop(ENOUGH).code, Some(0));
    }
    let agent = site.agent().start();
    receiver.wait_lines(written.lines, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    verdict(&[written], &receiver).assert_exactly_once();
}
