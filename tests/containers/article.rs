//! The run of the article that irontail's state parameters come from, with the article's own
//! `docker run` and only the image's name changed.

use std::time::Duration;

use testkit::{DockerContainer, until};
use tests::ENOUGH;

use crate::book::Receiver;
use crate::site::{GRACE, Site, copy, image, names};

const COUNT_TO_THREE: &str = "for n in 1 2 3; do echo $n >>/root/log/1.log; done; exec pause";

/// A container that has written 1, 2, 3 to /root/log/1.log, and the pipeline that collects it.
fn scene() -> Option<(Site, Receiver, DockerContainer)> {
    let site = Site::with_image()?;
    let receiver = Receiver::start();
    site.collect_files(&receiver.url(), &["/root/log/*.log"]);
    let script = format!("mkdir -p /root/log; {COUNT_TO_THREE}");
    let app = site.docker.container("app").start(&["sh", "-c", &script]);
    Some((site, receiver, app))
}

fn write(app: &DockerContainer, line: &str) {
    app.exec(&["sh", "-c", &format!("echo {line} >>/root/log/1.log")]);
}

fn end(agent: DockerContainer) {
    agent.stop(GRACE);
    assert_eq!(agent.wait_exit(ENOUGH), 0, "{}", agent.stderr());
    agent.remove();
}

#[test]
fn after_a_restart_only_what_is_new_is_collected() {
    let Some((site, receiver, app)) = scene() else { return };
    let state = site.stage.state();
    let agent = site.agent_container(&state);
    receiver.wait(&["1", "2", "3"], ENOUGH);
    let record = receiver.record("1");
    assert_eq!(record["__tag__:__path__"], "/root/log/1.log");
    assert_eq!(record["__tag__:_container_name_"], app.name());
    assert_eq!(record["__tag__:_image_name_"], site.docker.image());
    // It is written once the first look at all containers is complete.
    let map = state.join("docker_path_config.json");
    until(ENOUGH, "the map of containers", || map.exists().then_some(()).ok_or("no map"));
    end(agent);

    write(&app, "4");
    let agent = site.agent_container(&state);
    receiver.wait(&["1", "2", "3", "4"], ENOUGH);
    end(agent);
    assert_eq!(receiver.contents(), ["1", "2", "3", "4"]);
    for name in ["docker_path_config.json", "logtail_check_point", "user_log_config.json"] {
        assert!(names(&state).iter().any(|there| there == name), "{:?}", names(&state));
    }
}

#[test]
fn without_the_mount_everything_comes_again_and_the_warning_was_there() {
    let Some((site, receiver, app)) = scene() else { return };
    let start = || {
        let agent = site.docker.container("agent").image(&image());
        let checkpoint = "/etc/ilogtail/checkpoint/logtail_check_point";
        let agent = agent
            .options(&["--network", "host"])
            .volume("/", "/logtail_host:ro")
            .volume("/var/run", "/var/run")
            .volume(site.stage.path("config"), "/etc/ilogtail/config/local:ro")
            .env("check_point_filename", checkpoint)
            .env("docker_file_cache_path", "/etc/ilogtail/checkpoint/docker_path_config.json");
        agent.start(&[])
    };
    let agent = start();
    receiver.wait(&["1", "2", "3"], ENOUGH);
    let said = agent.stderr();
    let warned = |line: &str| line.contains("/etc/ilogtail/checkpoint") && line.contains("WARN");
    assert!(said.lines().any(warned), "{said}");
    end(agent);

    write(&app, "4");
    let agent = start();
    receiver.wait(&["1", "2", "3", "1", "2", "3", "4"], ENOUGH);
    end(agent);
}

#[test]
fn state_that_cannot_last_is_refused_where_that_is_asked_for() {
    let Some(site) = Site::with_image() else { return };
    let agent = site.docker.container("agent").image(&image());
    let agent = agent
        .volume(site.stage.path("config"), "/etc/ilogtail/config/local:ro")
        .start(&["--require-durable-state"]);
    assert_eq!(agent.wait_exit(ENOUGH), 2, "{}", agent.stderr());
}

#[test]
fn moved_state_and_an_upgrade_lose_and_repeat_nothing() {
    let Some((site, receiver, app)) = scene() else { return };
    let state = site.stage.state();
    let agent = site.agent_container(&state);
    receiver.wait(&["1", "2", "3"], ENOUGH);
    end(agent);

    // The host path of the state moves.
    let moved = site.stage.path("moved");
    copy(&state, &moved);
    write(&app, "4");
    let agent = site.agent_container(&moved);
    receiver.wait(&["1", "2", "3", "4"], ENOUGH);

    // A rolling upgrade: the old container is stopped, a new one made with the same path.
    write(&app, "5");
    end(agent);
    write(&app, "6");
    let agent = site.agent_container(&moved);
    receiver.wait(&["1", "2", "3", "4", "5", "6"], ENOUGH);
    write(&app, "7");
    receiver.wait(&["1", "2", "3", "4", "5", "6", "7"], ENOUGH);
    end(agent);
    assert_eq!(receiver.contents().len(), 7);
}

#[test]
fn it_runs_read_only_with_one_capability() {
    let Some((site, receiver, _app)) = scene() else { return };
    let agent = site.docker.container("agent").image(&image());
    let hardening = [
        "--read-only",
        "--cap-drop=ALL",
        "--cap-add=DAC_READ_SEARCH",
        "--security-opt=no-new-privileges:true",
        "--network=host",
    ];
    let agent = agent
        .options(&hardening)
        .volume("/", "/logtail_host:ro")
        .volume("/var/run", "/var/run")
        .volume(site.stage.path("config"), "/etc/ilogtail/config/local:ro")
        .volume(site.stage.state(), "/etc/ilogtail/checkpoint")
        .env("docker_file_cache_path", "/etc/ilogtail/checkpoint/docker_path_config.json")
        .env("IRONTAIL_STATE_DIR", "/etc/ilogtail/checkpoint")
        .start(&["--require-durable-state"]);
    receiver.wait(&["1", "2", "3"], ENOUGH + Duration::from_secs(1));
    end(agent);
}
