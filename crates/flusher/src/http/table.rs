//! From an HTTP answer to a verdict. A pure function, so that the whole table is in one test.
//! Statuses that the table does not name never cost a record: they wait.

use std::time::Duration;

use crate::Verdict;

/// How much of a destination's answer a reason quotes, in bytes.
const EXCERPT_LEN_MAX: usize = 200;

/// An HTTP answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// `Retry-After`, parsed ([`crate::retry_after`]).
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub body: &'a [u8],
    /// Whether all of the body came. An answer that broke off is no success.
    pub is_whole: bool,
    /// Whether the request may have been sent before.
    pub sent_before: bool,
}

/// The verdict on an answer of an endpoint that takes or refuses a request as a whole.
///
/// A 409 on a resend means "I have this already", unless it comes with a `Retry-After`: then the
/// first try is still being worked on. On a first send it is a conflict.
///
/// A success is 200, 201, 202 or 204, with all of its body, and none that is a web page: proxies
/// and login pages answer 200 too. Any other 2xx says that something else happened than what was
/// asked for (203: a proxy changed the answer; Loki's 260: a stream was not stored).
pub fn verdict(answer: &Answer<'_>) -> Verdict {
    let after = answer.retry_after;
    let retry = |condition| Verdict::Retry { after, reason: reason(answer), condition };
    match answer.status {
        200..=299 if !answer.is_whole => retry(false),
        200 | 201 | 202 | 204 if is_web_page(answer.body) => retry(true),
        200 | 201 | 202 | 204 => Verdict::Taken,
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
    let cure = match answer.status {
        200..=299 if !answer.is_whole => Some("but the answer broke off"),
        200..=299 if is_web_page(answer.body) => {
            Some("a web page, as of a login or a proxy; check RemoteURL and the proxy")
        }
        status => cure(status),
    };
    let mut reason = match cure {
        Some(cure) => format!("status {} ({cure})", answer.status),
        None => format!("status {}", answer.status),
    };
    reason.push_str(&excerpt(answer.body));
    reason
}

/// To be sent again. `cure` is for the operator, and may be empty.
pub(crate) fn retry(answer: &Answer<'_>, condition: bool, cure: &str) -> Verdict {
    let cure = if cure.is_empty() { String::new() } else { format!(" ({cure})") };
    let reason = format!("status {}{cure}{}", answer.status, excerpt(answer.body));
    Verdict::Retry { after: answer.retry_after, reason, condition }
}

/// `: ` and the beginning of what a destination said, on one line; nothing where it said nothing.
pub(crate) fn excerpt(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(&said[..said.len().min(EXCERPT_LEN_MAX)]);
    let said: Vec<&str> = said.split_whitespace().collect();
    if said.is_empty() {
        return String::new();
    }
    let line = said.join(" ");
    format!(": {}", line.replace(char::is_control, ""))
}

/// Whether a body is a document for people.
fn is_web_page(body: &[u8]) -> bool {
    let beginning = body.trim_ascii_start();
    ["<!doctype html", "<html"].iter().any(|tag| {
        beginning.get(..tag.len()).is_some_and(|found| found.eq_ignore_ascii_case(tag.as_bytes()))
    })
}

/// What to do about a status that a person must mend.
fn cure(status: u16) -> Option<&'static str> {
    Some(match status {
        200..=299 => "no answer that means stored; check RemoteURL",
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

    fn answer(status: u16) -> Answer<'static> {
        Answer { status, retry_after: None, body: b"", is_whole: true, sent_before: false }
    }

    fn of(status: u16, sent_before: bool) -> Verdict {
        verdict(&Answer { status, retry_after: None, body: b"", is_whole: true, sent_before })
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
        let cases: [(&[u16], &str); 6] = [
            (&[200, 201, 202, 204], "taken"),
            (&[203, 205, 206, 207, 226, 260, 299], "condition"),
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
                "taken" => assert!([200, 201, 202, 204].contains(&status), "{status}"),
                "refused" => assert!([400, 413, 422].contains(&status), "{status}"),
                _ => {}
            }
        }
    }

    #[test]
    fn a_destination_that_has_it_already_took_it_only_if_it_was_sent_before() {
        let after = Some(Duration::from_secs(1));
        let answer = |sent_before, retry_after| {
            verdict(&Answer { status: 409, retry_after, body: b"", is_whole: true, sent_before })
        };
        assert_eq!(name(&answer(false, None)), "conflict");
        assert_eq!(name(&answer(false, after)), "conflict");
        assert_eq!(name(&answer(true, None)), "taken");
        assert_eq!(name(&answer(true, after)), "retry", "the first try is still being worked on");
    }

    #[test]
    fn a_success_is_whole_and_no_web_page() {
        let torn = Answer { is_whole: false, ..answer(200) };
        assert_eq!(name(&verdict(&torn)), "retry");
        for (body, expected) in [
            (&b"<!DOCTYPE html><title>Sign in</title>"[..], "condition"),
            (b"\n  <HTML>", "condition"),
            (b"<ok/>", "taken"),
            (b"<", "taken"),
            (b"{\"stored\": 3}", "taken"),
        ] {
            let verdict = verdict(&Answer { body, ..answer(200) });
            assert_eq!(name(&verdict), expected, "{verdict:?}");
        }
    }

    #[test]
    fn a_reason_quotes_the_answer_in_one_bounded_line() {
        let body = format!("<html>\n\tno\x1b[31m such\0 table {}", "x".repeat(1000));
        let answer = Answer { body: body.as_bytes(), ..answer(404) };
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
            let answer = Answer { retry_after: after, ..answer(status) };
            let Verdict::Retry { after: found, .. } = verdict(&answer) else { panic!("{status}") };
            assert_eq!(found, after);
        }
    }
}
