//! Many containers at once.

use std::thread;
use std::time::{Duration, Instant};

use testkit::{DockerContainer, Usage, Written};
use tests::ENOUGH;

use crate::book::Receiver;
use crate::site::{GRACE, Site, names, sized, verdict};

/// How many containers are started at a time.
const STARTERS: u64 = 4;

/// Starts containers 0..count, several at a time.
fn start_all(count: u64, start: impl Fn(u32) -> DockerContainer + Sync) -> Vec<DockerContainer> {
    let start = &start;
    thread::scope(|scope| {
        let starters: Vec<_> = (0..STARTERS)
            .map(|first| {
                let numbers = (first..count).step_by(STARTERS as usize);
                scope.spawn(move || numbers.map(|number| start(number as u32)).collect::<Vec<_>>())
            })
            .collect();
        starters.into_iter().flat_map(|starter| starter.join().unwrap()).collect()
    })
}

/// Drops containers several at a time: removing one takes a while.
fn drop_all(mut containers: Vec<DockerContainer>) {
    thread::scope(|scope| {
        let share = containers.len().div_ceil(STARTERS as usize).max(1);
        while !containers.is_empty() {
            let rest = containers.split_off(containers.len().min(share));
            let part = std::mem::replace(&mut containers, rest);
            scope.spawn(move || drop(part));
        }
    });
}

/// 50 containers, 20 lines/s each on standard output and in a file (2,000 a second together),
/// while the agent's container is restarted five times and killed five times.
#[test]
fn fifty_containers_over_ten_ends_of_the_agent_lose_and_repeat_nothing() {
    let Some(site) = Site::with_image() else { return };
    let receiver = Receiver::start();
    site.collect_stdout(&receiver.url());
    site.collect_files(&receiver.url(), &["/root/log/*.log"]);
    let (count, lines) = (sized(50, 12), sized(1_200, 400));
    let writers = (0..2 * count as u32).map(|writer| site.lines(writer, lines));
    let written: Vec<Written> = writers.collect();
    let agent = site.agent_container(&site.stage.state());
    let apps = start_all(count, |number| {
        let (out, file) = (2 * number, 2 * number + 1);
        let script = format!(
            "mkdir -p /root/log; emit /lines/{file} 20 1 /root/log/app.log & \
             emit /lines/{out} 20 1; wait; exec pause"
        );
        site.writer(&format!("app{number}")).start(&["sh", "-c", &script])
    });
    let mut rss_peak = 0;
    for end in 0..10 {
        thread::sleep(Duration::from_secs(sized(4, 1)));
        let usage = Usage::of(agent.pid().expect("the agent runs")).unwrap();
        rss_peak = rss_peak.max(usage.rss_peak_bytes);
        if end % 2 == 0 {
            agent.stop(GRACE);
        } else {
            agent.kill("KILL");
            agent.wait_exit(ENOUGH);
        }
        agent.start();
    }
    receiver.wait_lines(written.iter().map(|one| one.lines).sum(), 3 * ENOUGH);
    agent.stop(GRACE);
    drop_all(apps);
    verdict(&written, &receiver).assert_exactly_once_by_key();
    eprintln!("{count} containers, peak resident memory of the agent {} KiB", rss_peak / 1024);
    assert!(rss_peak <= 25 << 20, "{rss_peak} bytes resident");
    assert!(names(&site.stage.state()).contains(&"docker_path_config.json".to_owned()));
}

#[test]
fn containers_that_print_ten_lines_and_exit_at_once_are_collected() {
    let Some(site) = Site::new() else { return };
    let receiver = Receiver::start();
    site.collect_stdout(&receiver.url());
    let count = sized(200, 40);
    let written: Vec<Written> = (0..count as u32).map(|writer| site.lines(writer, 10)).collect();
    let agent = site.agent().start();
    let apps = start_all(count, |number| {
        site.writer(&format!("brief{number}")).start(&["cat", &format!("/lines/{number}")])
    });
    receiver.wait_lines(10 * count, 2 * ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
    drop_all(apps);
    verdict(&written, &receiver).assert_exactly_once();
}

#[test]
fn stopped_containers_cost_nothing() {
    let Some(site) = Site::new() else { return };
    let receiver = Receiver::start();
    site.collect_stdout(&receiver.url());
    site.collect_files(&receiver.url(), &["/root/log/*.log"]);
    // What an agent uses within a while that begins after it has settled.
    let cost = || {
        let agent = site.agent().start();
        thread::sleep(Duration::from_secs(10));
        let (before, start) = (agent.usage(), Instant::now());
        thread::sleep(Duration::from_secs(20));
        let after = agent.usage();
        let share = (after.cpu - before.cpu).as_secs_f64() / start.elapsed().as_secs_f64();
        assert_eq!(agent.stop(ENOUGH).code, Some(0));
        (share, after.rss_peak_bytes)
    };
    let (idle, _) = cost();
    let count = sized(500, 40);
    let stopped = start_all(count, |number| {
        site.docker.container(&format!("stopped{number}")).start(&["true"])
    });
    let (share, rss_peak) = cost();
    drop_all(stopped);
    eprintln!("CPU share {idle:.4} without, {share:.4} with {count} stopped containers");
    assert!(share <= idle + 0.01, "{idle} -> {share}");
    assert!(rss_peak <= 25 << 20, "{rss_peak} bytes resident");
}
