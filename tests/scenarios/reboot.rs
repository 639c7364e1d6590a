//! After a crash of the system, whose boot id is another: what it took of a log is counted, and
//! nothing that is still there is collected again. Needs root.

use std::fs::File;

use testkit::{Destination, Faults, Verdict, another_boot};
use tests::{ENOUGH, Stage};

/// Bytes of a line, the newline included.
const LINE: u64 = 121;

#[test]
fn acknowledged_bytes_that_a_crash_of_the_system_took_are_counted_and_nothing_comes_again() {
    let stage = Stage::new();
    let Some(rebooted) = another_boot(&stage.path("")) else { return };
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let mut log = stage.log_file("app.log");
    let agent = stage.run().start();
    for lines in [600, 1_000] {
        log.append(lines - log.written().lines);
        destination.wait_lines(lines, ENOUGH);
    }
    agent.sigkill();
    let file = File::options().write(true).open(log.path()).unwrap();
    file.set_len(600 * LINE).unwrap();

    log.append(50);
    let agent = stage.run().program(&rebooted).start();
    destination.wait_lines(1_050, ENOUGH);
    let stop = agent.stop(ENOUGH);
    assert_eq!(stop.code, Some(0), "{}", stop.log);
    let said = "lost 48400 bytes of it that had been collected";
    assert_eq!(stop.log.matches(said).count(), 1, "{}", stop.log);
    let counters = stop.report["deliveries"].as_object().unwrap().values().next().unwrap();
    assert_eq!(counters["source_lost_tail_bytes"], 400 * LINE, "{}", stop.report);
    let verdict = destination.ledger(|ledger| Verdict::of_ledger(&[log.written()], ledger));
    verdict.assert_exactly_once_by_key();
}
