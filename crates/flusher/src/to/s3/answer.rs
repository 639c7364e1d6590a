//! What an answer to the PUT of an object means. Pure, by one table.
//! Source: Amazon's "Error responses" of the S3 API, and "How to prevent object overwrites with
//! conditional writes". A code counts more than the status that it comes with.

use crate::Verdict;
use crate::http::aws::element;
use crate::http::{Probed, Reply, excerpt, retry};

/// What is to be done.
pub(super) struct Means {
    pub(super) verdict: Verdict,
    /// Whether the keys must be looked for anew.
    pub(super) keys_are_bad: bool,
}

/// What an answer to a request of so many records means.
pub(super) fn means(reply: &Reply<'_>, records: u64) -> Means {
    let answer = &reply.answer;
    let text = String::from_utf8_lossy(answer.body);
    let code = element(&text, "Code").unwrap_or_default();
    let region = reply.header("x-amz-bucket-region").unwrap_or_default();
    let verdict = match (answer.status, code) {
        (200, "") if answer.is_whole && reply.header("etag").is_some() => Verdict::Taken,
        (200, _) => retry(answer, true, "no answer of an object store; check Endpoint"),
        (412, _) if answer.sent_before => Verdict::Taken,
        (412, _) => Verdict::Conflict {
            reason: format!("there is an object of this key{}", excerpt(answer.body)),
        },
        (501, _) => retry(answer, true, "it knows no conditional writes; set Conditional: false"),
        (400, "RequestTimeout" | "BadDigest" | "IncompleteBody") | (409 | 429 | 500..=599, _) => {
            retry(answer, false, "")
        }
        (400 | 413, "EntityTooLarge") | (413, _) if records > 1 => Verdict::Refused {
            reason: format!("too large for it{}", excerpt(answer.body)),
            may_have_stored: false,
            splittable: true,
        },
        (_, "RequestTimeTooSkewed") => {
            retry(answer, true, "this machine's clock differs from its by too much; set the clock")
        }
        (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "InvalidAccessKeyId")
        | (_, "SignatureDoesNotMatch") => {
            retry(answer, true, "it does not know these keys; check Credentials")
        }
        (403, _) => retry(answer, true, "these keys may not write here; check their rights"),
        (404, _) => retry(answer, true, "there is no such bucket; check Bucket and Endpoint"),
        (300..=399, _) | (400, "AuthorizationHeaderMalformed") => {
            let cure = match region {
                "" => "the bucket is elsewhere; check Region and Endpoint".to_owned(),
                region => format!("the bucket is in another region: set Region to {region}"),
            };
            retry(answer, true, &cure)
        }
        _ => retry(answer, true, ""),
    };
    let keys_are_bad = matches!(answer.status, 401 | 403) || code.contains("Token");
    Means { verdict, keys_are_bad }
}

/// What an answer to a listing means, for a check. Listing is a right that writing does not need.
pub(super) fn list_means(reply: &Reply<'_>) -> Probed {
    let text = String::from_utf8_lossy(reply.answer.body);
    match (reply.answer.status, element(&text, "Code").unwrap_or_default()) {
        (200, "") => Probed::Works("the bucket is there".into()),
        (403, "AccessDenied") => Probed::Works(
            "the keys are known; they may not list the bucket, which is not needed, and whether \
             they may write shows with the first object"
                .into(),
        ),
        _ => {
            let Means { verdict, keys_are_bad } = means(reply, 1);
            let reason = match verdict {
                Verdict::Retry { reason, .. } | Verdict::Conflict { reason } => reason,
                Verdict::Refused { reason, .. } => reason,
                _ => "no answer of an object store; check Endpoint".into(),
            };
            if keys_are_bad { Probed::Denied(reason) } else { Probed::Fails(reason) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Answer;

    fn name(status: u16, code: &str, sent_before: bool) -> &'static str {
        let body = match code {
            "" => String::new(),
            code => format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>"),
        };
        let (retry_after, is_whole) = (None, true);
        let body = body.as_bytes();
        let answer = Answer { status, retry_after, body, is_whole, sent_before };
        let headers = [("etag", "\"0\"")];
        match means(&Reply::of(answer, &headers), 2).verdict {
            Verdict::Taken => "taken",
            Verdict::Retry { condition: true, .. } => "condition",
            Verdict::Retry { .. } => "retry",
            Verdict::Conflict { .. } => "conflict",
            Verdict::Refused { splittable: true, .. } => "split",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers_of_an_object_store_by_table() {
        for (status, code, expected) in [
            (200, "", "taken"),
            (200, "InternalError", "condition"),
            (204, "", "condition"),
            (412, "PreconditionFailed", "conflict"),
            (409, "ConditionalRequestConflict", "retry"),
            (409, "OperationAborted", "retry"),
            (400, "RequestTimeout", "retry"),
            (400, "EntityTooLarge", "split"),
            (413, "", "split"),
            (429, "", "retry"),
            (500, "InternalError", "retry"),
            (503, "SlowDown", "retry"),
            (503, "ServiceUnavailable", "retry"),
            (400, "ExpiredToken", "condition"),
            (400, "AuthorizationHeaderMalformed", "condition"),
            (400, "InvalidArgument", "condition"),
            (401, "", "condition"),
            (403, "AccessDenied", "condition"),
            (403, "InvalidAccessKeyId", "condition"),
            (403, "SignatureDoesNotMatch", "condition"),
            (403, "RequestTimeTooSkewed", "condition"),
            (404, "NoSuchBucket", "condition"),
            (301, "PermanentRedirect", "condition"),
            (307, "TemporaryRedirect", "condition"),
            (501, "NotImplemented", "condition"),
        ] {
            assert_eq!(name(status, code, false), expected, "{status} {code}");
            let again = if status == 412 { "taken" } else { expected };
            assert_eq!(name(status, code, true), again, "{status} {code} on a resend");
        }
    }
}
