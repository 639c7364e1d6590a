//! What agents said was lost, summed over their runs: kills take the counters with them, and each
//! loss is told once, whichever run told it.

use testkit::Ledger;

/// Lost bytes by what was said of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// Gone with their files.
    pub files: u64,
    /// Gone with a request that the destination never got.
    pub requests: u64,
    /// Sent again under new keys though the destination has them: what was with them in a request
    /// that could not be sent again.
    pub again: u64,
    /// Of such requests: what went away with a file that was not counted yet. The agent got no
    /// answer, and says with the file that these bytes are lost.
    pub unanswered: u64,
}

impl Reported {
    /// Reads a log of agents, against the book of their destination.
    pub fn of(log: &str, ledger: &Ledger) -> Self {
        let mut reported = Self::default();
        for line in log.lines() {
            if let Some(bytes) = number_before(line, " bytes unread: lost") {
                reported.files += bytes;
            } else if let Some(bytes) = number_before(line, " bytes of request ") {
                let key = line.split(" bytes of request ").nth(1).and_then(|rest| rest.get(..32));
                let is_stored = key.is_some_and(|key| ledger.has_stored(key));
                if !is_stored {
                    reported.requests += bytes;
                } else {
                    let number = |text| number_before(line, text).unwrap_or(0);
                    reported.unanswered += number(" are unread again");
                    reported.again += number(" go out under a new key");
                }
            }
        }
        reported
    }

    /// All that is lost.
    pub fn lost(&self) -> u64 {
        self.files + self.requests
    }
}

fn number_before(line: &str, text: &str) -> Option<u64> {
    let before = line.split(text).next().filter(|before| before.len() < line.len())?;
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_summed() {
        let key = "0".repeat(32);
        let log = format!(
            "[x WARN gone] /a: gone while the agent was down, with 121 bytes unread: lost\n\
             [x WARN gone] /b: rotated away while the agent was down, with 9 bytes unread: lost\n\
             app/http: 50 bytes of request {key} are no longer in their files and cannot be sent \
             again, 3 are unread again; the other 7 go out under a new key\n\
             12 bytes of something else\n"
        );
        let reported = Reported::of(&log, &Ledger::new());
        assert_eq!(reported, Reported { files: 130, requests: 50, ..Reported::default() });
        assert_eq!(reported.lost(), 180);
    }
}
