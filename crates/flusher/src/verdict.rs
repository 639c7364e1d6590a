//! What became of a request, decided from an HTTP answer alone. A pure function, so that the whole
//! table stands in one test. Statuses that the table does not name never cost a record: they wait.
//! Not here: when to try again (`backoff.rs`), cutting a refused request in two (the agent).

use std::time::Duration;

/// How much of a destination's answer a reason quotes, in bytes.
const EXCERPT_LEN_MAX: usize = 200;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The destination has it.
    Taken,
    /// The destination has it, durable only after the next [`crate::Flusher::commit`], which names
    /// the request to the journal itself.
    Unsettled,
    /// Not taken, or nobody knows: send the same request again.
    Retry {
        /// The earliest moment, if the destination said one.
        after: Option<Duration>,
        /// Why, with the URL or path, and the cure where there is one.
        reason: String,
        /// Whether the destination as a whole takes nothing until somebody acts (a wrong
        /// password, no such address). Other requests would fare the same.
        condition: bool,
    },
    /// The destination says that it has this request, which it never got: its key is that of
    /// something else. An alarm; it is tried again, for only the destination's owner can tell.
    Conflict {
        /// Why, with the URL or path.
        reason: String,
    },
    /// The destination will never take this request as it is.
    Refused {
        /// Why.
        reason: String,
        /// Whether some of its records may be stored all the same; it must not be cut in two then.
        may_have_stored: bool,
        /// Whether each half of it may do better.
        splittable: bool,
    },
    /// The destination is gone for good (the reader of a pipe): stop.
    Broken {
        /// Why.
        reason: String,
    },
}

impl Verdict {
    /// The same with `context` before its reason.
    pub fn with_context(mut self, context: &str) -> Self {
        match &mut self {
            Self::Taken | Self::Unsettled => {}
            Self::Retry { reason, .. }
            | Self::Conflict { reason }
            | Self::Refused { reason, .. }
            | Self::Broken { reason } => *reason = format!("{context}: {reason}"),
        }
        self
    }
}

/// An HTTP answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// `Retry-After`, parsed ([`crate::retry_after`]).
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub body: &'a [u8],
    /// Whether the request may have been sent before.
    pub sent_before: bool,
}

/// The verdict on an answer of an endpoint that takes or refuses a request as a whole.
///
/// A 409 on a resend means "I have this already", unless it comes with a `Retry-After`: then the
/// first try is still being worked on. On a first send it is a conflict.
pub fn verdict(answer: &Answer<'_>) -> Verdict {
    let after = answer.retry_after;
    let retry = |condition| Verdict::Retry { after, reason: reason(answer), condition };
    match answer.status {
        200..=299 => Verdict::Taken,
        400 | 413 | 422 => {
            Verdict::Refused { reason: reason(answer), may_have_stored: false, splittable: true }
        }
        408 | 425 | 429 | 500..=599 => retry(false),
        409 if answer.sent_before && after.is_some() => retry(false),
        409 if answer.sent_before => Verdict::Taken,
        409 => Verdict::Conflict { reason: reason(answer) },
        _ => retry(true),
    }
}

/// A sentence about an answer: the status, the cure, the beginning of what the destination said.
fn reason(answer: &Answer<'_>) -> String {
    let mut reason = match cure(answer.status) {
        Some(cure) => format!("status {} ({cure})", answer.status),
        None => format!("status {}", answer.status),
    };
    let said = String::from_utf8_lossy(&answer.body[..answer.body.len().min(EXCERPT_LEN_MAX)]);
    let said: Vec<&str> = said.split_whitespace().collect();
    if !said.is_empty() {
        reason.push_str(": ");
        reason.extend(said.join(" ").chars().filter(|c| !c.is_control()));
    }
    reason
}

/// What to do about a status that a person must mend.
fn cure(status: u16) -> Option<&'static str> {
    Some(match status {
        300..=399 => "it redirects; set RemoteURL to the address that it names",
        401 => "it wants credentials; check user, password or token",
        402 => "it wants to be paid; check the account",
        403 => "it forbids this; check the credentials' rights",
        404 | 410 => "there is nothing at this path; check RemoteURL",
        405 => "it takes no POST here; check RemoteURL",
        407 => "the proxy wants credentials; check HTTPS_PROXY or HTTP_PROXY",
        409 => "it has another request under this key; look at what it stored",
        415 => "it does not take this Content-Type or Compression",
        431 => "its limit for headers is too low; check Headers",
        400 | 422 => "it cannot read the records",
        413 => "the request is too large for it",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, sent_before: bool) -> Verdict {
        verdict(&Answer { status, retry_after: None, body: b"", sent_before })
    }

    fn name(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Taken => "taken",
            Verdict::Retry { condition: true, .. } => "condition",
            Verdict::Retry { .. } => "retry",
            Verdict::Conflict { .. } => "conflict",
            Verdict::Refused { may_have_stored: false, splittable: true, .. } => "refused",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_status_of_the_protocol_has_its_verdict() {
        let cases: [(&[u16], &str); 5] = [
            (&[200, 201, 202, 204, 206, 299], "taken"),
            (&[400, 413, 422], "refused"),
            (&[408, 425, 429, 500, 501, 502, 503, 504, 507, 599], "retry"),
            (&[300, 301, 302, 303, 304, 307, 308, 401, 402, 403, 404, 405, 407], "condition"),
            (&[409], "conflict"),
        ];
        for (statuses, expected) in cases {
            for &status in statuses {
                assert_eq!(name(&of(status, false)), expected, "{status}");
                if status != 409 {
                    assert_eq!(name(&of(status, true)), expected, "{status} on a resend");
                }
            }
        }
    }

    #[test]
    fn no_status_outside_the_table_costs_a_record() {
        for status in 0..=u16::MAX {
            let verdict = of(status, false);
            match name(&verdict) {
                "taken" => assert!((200..300).contains(&status), "{status}"),
                "refused" => assert!([400, 413, 422].contains(&status), "{status}"),
                _ => {}
            }
        }
    }

    #[test]
    fn a_destination_that_has_it_already_took_it_only_if_it_was_sent_before() {
        let after = Some(Duration::from_secs(1));
        let answer = |sent_before, retry_after| {
            verdict(&Answer { status: 409, retry_after, body: b"", sent_before })
        };
        assert_eq!(name(&answer(false, None)), "conflict");
        assert_eq!(name(&answer(false, after)), "conflict");
        assert_eq!(name(&answer(true, None)), "taken");
        assert_eq!(name(&answer(true, after)), "retry", "the first try is still being worked on");
    }

    #[test]
    fn a_reason_quotes_the_answer_in_one_bounded_line() {
        let body = format!("<html>\n\tno\x1b[31m such\0 table {}", "x".repeat(1000));
        let answer =
            Answer { status: 404, retry_after: None, body: body.as_bytes(), sent_before: false };
        let Verdict::Retry { reason, .. } = verdict(&answer).with_context("POST http://a/b") else {
            panic!("404 is a condition")
        };
        assert!(reason.starts_with("POST http://a/b: status 404 (there is nothing"), "{reason}");
        assert!(reason.contains(": <html> no[31m such table xxx"), "{reason}");
        assert!(reason.len() < 400 && !reason.contains(char::is_control), "{reason}");
    }

    #[test]
    fn retry_after_is_passed_on_with_conditions_too() {
        let after = Some(Duration::from_secs(9));
        for status in [429, 503, 403] {
            let answer = Answer { status, retry_after: after, body: b"", sent_before: false };
            let Verdict::Retry { after: found, .. } = verdict(&answer) else { panic!("{status}") };
            assert_eq!(found, after);
        }
    }
}
