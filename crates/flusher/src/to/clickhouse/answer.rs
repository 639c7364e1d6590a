//! What ClickHouse's answer to an insert means: decided by the number of the exception, since most
//! of them come with status 500. Pure, by one table.
//! Source: ClickHouse's `src/Common/ErrorCodes.cpp`.

use crate::Verdict;
use crate::http::{Reply, excerpt, retry, verdict};

/// The row cannot be read, or does not fit its column: another one may.
const ROW: [u32; 20] =
    [6, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 131, 321, 349, 407, 441, 467, 469, 691];

/// Somebody has to act: the table, the user, the rights, the query.
const CONDITION: [u32; 15] = [16, 36, 47, 48, 60, 62, 81, 115, 164, 192, 193, 194, 497, 515, 516];

/// The verdict on an answer to an insert of so many rows.
pub(super) fn insert_verdict(reply: &Reply<'_>, records: u64) -> Verdict {
    let answer = &reply.answer;
    let said = reply.header("x-clickhouse-exception-code").and_then(|code| code.parse().ok());
    let code: Option<u32> = said.or_else(|| in_body(answer.body));
    match code {
        Some(code) if ROW.contains(&code) => Verdict::Refused {
            reason: format!("exception {code}{}", excerpt(answer.body)),
            may_have_stored: false,
            splittable: records > 1,
        },
        Some(code) if CONDITION.contains(&code) => {
            retry(answer, true, "check Table, Database, Columns and the user's rights")
        }
        Some(_) => retry(answer, false, ""),
        None => match (answer.status, verdict(answer)) {
            (200, verdict) => verdict,
            // A proxy's: nothing else says that a row is stored, or that it is bad.
            (413, verdict @ Verdict::Refused { .. }) => verdict,
            (_, verdict @ Verdict::Retry { .. }) => verdict,
            _ => retry(answer, true, "no answer of ClickHouse; check Endpoint"),
        },
    }
}

/// The number in `Code: 60. DB::Exception: ...`, which a body begins with, or ends with where the
/// exception came late.
fn in_body(body: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, behind) = text.split_once("Code: ")?;
    if !behind.contains("Exception") {
        return None;
    }
    let digits = behind.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(behind.len());
    behind[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Answer;

    fn name(status: u16, code: &str, body: &str) -> &'static str {
        let (retry_after, is_whole, body) = (None, true, body.as_bytes());
        let answer = Answer { status, retry_after, body, is_whole, sent_before: false };
        let headers = [("x-clickhouse-exception-code", code)];
        let headers = if code.is_empty() { &headers[..0] } else { &headers[..] };
        match insert_verdict(&Reply::of(answer, headers), 2) {
            Verdict::Taken => "taken",
            Verdict::Retry { condition: true, .. } => "condition",
            Verdict::Retry { .. } => "again",
            Verdict::Refused { splittable: true, .. } => "split",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_exception_decides_and_not_the_status() {
        for (status, code, body, expected) in [
            (200, "", "", "taken"),
            (200, "", "Code: 252. DB::Exception: too many parts", "again"),
            (200, "60", "", "condition"),
            (200, "", "<html>", "condition"),
            (204, "", "", "condition"),
            (400, "27", "", "split"),
            (500, "53", "", "split"),
            (500, "", "Code: 117, e.displayText() = DB::Exception: Cannot parse", "split"),
            (500, "252", "", "again"),
            (500, "241", "", "again"),
            (500, "319", "", "again"),
            (500, "242", "", "again"),
            (503, "209", "", "again"),
            (404, "60", "", "condition"),
            (404, "81", "", "condition"),
            (500, "16", "", "condition"),
            (403, "497", "", "condition"),
            (401, "194", "", "condition"),
            (500, "9999", "", "again"),
            (400, "", "", "condition"),
            (413, "", "", "split"),
            (502, "", "", "again"),
            (409, "", "", "condition"),
        ] {
            assert_eq!(name(status, code, body), expected, "{status} {code} {body}");
        }
    }
}
