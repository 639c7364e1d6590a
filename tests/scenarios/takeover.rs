//! Progress that iLogtail left behind is taken over: only what follows it is collected.

use testkit::{Destination, Faults, IlogtailCheckpoint, LogFile, Rotation, numbered};
use tests::{ENOUGH, Stage};

#[test]
fn only_bytes_after_ilogtails_offsets_are_collected() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    let state = stage.state();
    std::fs::create_dir(&state).unwrap();

    // Lines of 120 bytes and a newline. The first log was read to its 300th line, the second not
    // at all, of the third the rotated file was read to its 50th.
    let mut logs: Vec<_> = (0..3)
        .map(|writer| LogFile::create(writer, &stage.log(&format!("{writer}.log")), 120))
        .collect();
    logs.iter_mut().for_each(|log| log.append(1_000));
    logs[2].rotate(Rotation::Rename { keep: 5 });
    logs[2].append(10);
    let mut checkpoint = IlogtailCheckpoint::new();
    let config = "##1.0##project$app";
    checkpoint.file(logs[0].path(), logs[0].path(), 300 * 121, config);
    checkpoint.file(logs[1].path(), logs[1].path(), 0, config);
    checkpoint.file(logs[2].path(), &numbered(logs[2].path(), 1), 50 * 121, config);
    checkpoint.file(logs[2].path(), logs[2].path(), 4 * 121, config);
    checkpoint.write(&state.join("logtail_check_point"));

    let expected = [(0, 300..1_000), (1, 0..1_000), (2, 50..1_000), (2, 1_004..1_010)];
    let agent = stage.run().start();
    let count = expected.iter().map(|(_, lines)| lines.end - lines.start).sum();
    destination.wait_lines(count, ENOUGH);
    logs[0].append(5);
    destination.wait_lines(count + 5, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));

    destination.ledger(|ledger| {
        let arrivals = ledger.by_key();
        assert_eq!(arrivals.distinct(), count + 5, "nothing from before the offsets");
        assert_eq!(ledger.raw().repeated(), 0);
        for (writer, lines) in expected {
            for sequence in lines {
                assert!(arrivals.has(writer, sequence), "line {sequence} of writer {writer}");
            }
        }
    });
}

#[test]
fn a_signature_that_does_not_fit_means_another_file() {
    let stage = Stage::new();
    let destination = Destination::start(Faults::none());
    stage.pipeline_to_http(&destination.url());
    std::fs::create_dir(stage.state()).unwrap();
    let mut log = stage.log_file("app.log");
    log.append(100);
    let mut checkpoint = IlogtailCheckpoint::new();
    checkpoint.file(log.path(), log.path(), 50 * 121, "##1.0##project$app");
    for entry in checkpoint.entries_mut().values_mut() {
        entry["sig_hash"] = 1234.into();
    }
    checkpoint.write(&stage.state().join("logtail_check_point"));

    let agent = stage.run().start();
    destination.wait_lines(100, ENOUGH);
    assert_eq!(agent.stop(ENOUGH).code, Some(0));
}
