//! What an answer to PutLogs means. Pure, by one table.
//! Source: the vendor's "Common error codes" and "PutLogs", and LoongCollector's sender.

use serde::Deserialize;

use crate::Verdict;
use crate::http::{Reply, excerpt, retry};

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(rename = "errorCode", default)]
    code: String,
}

/// What is to be done.
pub(super) struct Means {
    pub(super) verdict: Verdict,
    /// The service's clock in seconds since 1970, where ours is too far from it to be believed.
    pub(super) server_time: Option<i64>,
}

/// What an answer to a request of so many records means.
pub(super) fn sls_verdict(reply: &Reply<'_>, records: u64) -> Means {
    let answer = &reply.answer;
    let problem: Problem = serde_json::from_slice(answer.body).unwrap_or_default();
    let refused = |why: &str| Verdict::Refused {
        reason: format!("{why}{}", excerpt(answer.body)),
        may_have_stored: false,
        splittable: records > 1,
    };
    let is_genuine = reply.header("x-log-requestid").is_some();
    let mut server_time = None;
    let verdict = match (answer.status, problem.code.as_str()) {
        (200, _) if is_genuine && answer.is_whole => Verdict::Taken,
        (200, _) if is_genuine => retry(answer, false, "but the answer broke off"),
        _ if !is_genuine && answer.status < 500 => {
            retry(answer, true, "no answer of the Log Service; check Endpoint and the proxy")
        }
        (_, "RequestTimeExpired") => {
            server_time = reply.header("x-log-time").and_then(|text| text.parse().ok());
            let cure = "this machine's clock differs from its by too much; set the clock";
            retry(answer, server_time.is_none(), cure)
        }
        (_, "PostBodyTooLarge") | (413, _) => refused("too large for it"),
        (_, "PostBodyInvalid" | "InvalidFormat") => refused("it does not take these logs"),
        (_, "WriteQuotaExceed" | "ShardWriteQuotaExceed" | "ExceedQuota") | (429, _) => {
            retry(answer, false, "")
        }
        (401, _) => retry(answer, true, "it does not know these keys; check Credentials, Region"),
        (403, _) => retry(answer, true, "these keys may not write here; check their rights"),
        (404, _) => retry(answer, true, "there is no such place; check Project and Logstore"),
        (500.., _) => retry(answer, false, ""),
        _ => retry(answer, true, ""),
    };
    Means { verdict, server_time }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Answer;

    fn of(status: u16, code: &str, headers: &[(&'static str, &str)]) -> Means {
        let body = match code {
            "" => String::new(),
            code => format!("{{\"errorCode\":\"{code}\",\"errorMessage\":\"m\"}}"),
        };
        let (retry_after, is_whole, body) = (None, true, body.as_bytes());
        let answer = Answer { status, retry_after, body, is_whole, sent_before: false };
        sls_verdict(&Reply::of(answer, headers), 2)
    }

    fn name(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Taken => "taken",
            Verdict::Retry { condition: true, .. } => "condition",
            Verdict::Retry { .. } => "again",
            Verdict::Refused { splittable: true, .. } => "split",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers_of_the_log_service_by_table() {
        for (status, code, expected) in [
            (200, "", "taken"),
            (400, "PostBodyTooLarge", "split"),
            (400, "PostBodyInvalid", "split"),
            (400, "InvalidFormat", "split"),
            (400, "ParameterInvalid", "condition"),
            (400, "PostBodyUncompressError", "condition"),
            (401, "SignatureNotMatch", "condition"),
            (401, "Unauthorized", "condition"),
            (403, "WriteQuotaExceed", "again"),
            (403, "ShardWriteQuotaExceed", "again"),
            (403, "ProjectForbidden", "condition"),
            (404, "ProjectNotExist", "condition"),
            (404, "LogStoreNotExist", "condition"),
            (500, "InternalServerError", "again"),
            (503, "ServerBusy", "again"),
            (502, "", "again"),
        ] {
            let genuine = [("x-log-requestid", "1")];
            assert_eq!(name(&of(status, code, &genuine).verdict), expected, "{status} {code}");
        }
        for status in [200, 400, 403, 404] {
            assert_eq!(name(&of(status, "", &[]).verdict), "condition", "{status} of a proxy");
        }
        let expired = [("x-log-requestid", "1"), ("x-log-time", "1785542400")];
        let means = of(400, "RequestTimeExpired", &expired);
        assert_eq!((name(&means.verdict), means.server_time), ("again", Some(1_785_542_400)));
    }
}
