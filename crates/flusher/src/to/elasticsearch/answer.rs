//! What an answer to `_bulk` means. Pure: each document has a status of its own, and the worst one
//! decides, since a request that is sent again creates nothing twice.
//! Source: Elasticsearch's "Bulk API" and OpenSearch's; `failure_store` of "Data stream failure
//! store" (8.19, 9.1).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Verdict;
use crate::http::{Answer, retry, verdict};

#[derive(Deserialize)]
struct Bulk {
    #[serde(default)]
    items: Vec<BTreeMap<String, Item>>,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    error: Option<Problem>,
    failure_store: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reason: String,
}

/// What became of one document, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Taken,
    Aside,
    Refused,
    Again,
    /// Nothing is taken until somebody acts.
    Condition,
}

fn outcome(item: &Item) -> Outcome {
    let kind = item.error.as_ref().map_or("", |problem| problem.kind.as_str());
    match (item.status, kind) {
        (200 | 201, "") if item.failure_store.as_deref() == Some("used") => Outcome::Aside,
        // There already: ids are those of records, so it is this one.
        (200 | 201, "") | (409, _) => Outcome::Taken,
        (_, "cluster_block_exception" | "index_not_found_exception" | "security_exception")
        | (401 | 403 | 404, _) => Outcome::Condition,
        (400, _) => Outcome::Refused,
        _ => Outcome::Again,
    }
}

/// The verdict on an answer to so many documents.
pub(super) fn bulk_verdict(answer: &Answer<'_>, records: u64) -> Verdict {
    if answer.status != 200 || !answer.is_whole {
        return whole(answer, records);
    }
    let Ok(bulk) = serde_json::from_slice::<Bulk>(answer.body) else {
        return retry(answer, true, "no answer to _bulk; check Endpoint");
    };
    let items: Vec<&Item> = bulk.items.iter().flat_map(BTreeMap::values).collect();
    if items.len() as u64 != records {
        let cure = format!("it speaks of {} documents of {records}", items.len());
        return retry(answer, true, &cure);
    }
    let worst = items.iter().map(|item| outcome(item)).max().unwrap_or(Outcome::Taken);
    let such = || items.iter().filter(|item| outcome(item) == worst);
    let reason = such().next().map_or(String::new(), |item| said(item));
    let reason = format!("{} of {records} documents: {reason}", such().count());
    match worst {
        Outcome::Taken => Verdict::Taken,
        Outcome::Aside => Verdict::Aside { records: such().count() as u64, reason },
        Outcome::Refused => {
            Verdict::Refused { reason, may_have_stored: false, splittable: records > 1 }
        }
        Outcome::Again | Outcome::Condition => {
            let condition = worst == Outcome::Condition;
            Verdict::Retry { after: answer.retry_after, reason, condition }
        }
    }
}

/// An answer to the request as a whole says nothing of a record, but where it is too large.
fn whole(answer: &Answer<'_>, records: u64) -> Verdict {
    match answer.status {
        413 => Verdict::Refused {
            reason: "status 413 (above its http.max_content_length)".into(),
            may_have_stored: false,
            splittable: records > 1,
        },
        400 => retry(answer, true, "it cannot read the request; check Index and Pipeline"),
        200 => retry(answer, false, "but the answer broke off"),
        201..=299 | 409 => retry(answer, true, "no answer to _bulk; check Endpoint"),
        _ => verdict(answer),
    }
}

/// What an item says, in one bounded line.
fn said(item: &Item) -> String {
    let store = item.failure_store.as_ref().map(|store| format!(" failure_store {store}"));
    let problem = item.error.as_ref().map(|problem| {
        let text = format!("{}: {}", problem.kind, problem.reason);
        crate::http::excerpt(text.as_bytes())
    });
    format!("status {}{}{}", item.status, store.unwrap_or_default(), problem.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(status: u16, body: &str, records: u64) -> &'static str {
        let (retry_after, body, is_whole) = (None, body.as_bytes(), true);
        let answer = Answer { status, retry_after, body, is_whole, sent_before: false };
        match bulk_verdict(&answer, records) {
            Verdict::Taken => "taken",
            Verdict::Aside { .. } => "aside",
            Verdict::Retry { condition: true, .. } => "condition",
            Verdict::Retry { .. } => "again",
            Verdict::Refused { splittable: true, .. } => "split",
            Verdict::Refused { .. } => "refused",
            other => panic!("{other:?}"),
        }
    }

    fn items(statuses: &[(u16, &str)]) -> String {
        let items = statuses.iter().map(|(status, kind)| match *kind {
            "" => format!("{{\"create\":{{\"status\":{status}}}}}"),
            "used" => format!("{{\"create\":{{\"status\":{status},\"failure_store\":\"used\"}}}}"),
            kind => format!(
                "{{\"create\":{{\"status\":{status},\"error\":{{\"type\":\"{kind}\",\"reason\":\"r\"}}}}}}"
            ),
        });
        let items: Vec<_> = items.collect();
        format!("{{\"errors\":true,\"items\":[{}]}}", items.join(","))
    }

    #[test]
    fn the_worst_document_decides() {
        let (taken, there) = ((201, ""), (409, "version_conflict_engine_exception"));
        let busy = (429, "es_rejected_execution_exception");
        let wrong = (400, "document_parsing_exception");
        let full = (403, "cluster_block_exception");
        for (statuses, expected) in [
            (vec![taken, there], "taken"),
            (vec![taken, (201, "used")], "aside"),
            (vec![taken, wrong], "split"),
            (vec![wrong], "refused"),
            (vec![(400, "illegal_argument_exception")], "refused"),
            (vec![wrong, busy, taken], "again"),
            (vec![(503, "unavailable_shards_exception")], "again"),
            (vec![(500, "")], "again"),
            (vec![busy, full, wrong], "condition"),
            (vec![(404, "index_not_found_exception")], "condition"),
            (vec![(400, "index_not_found_exception")], "condition"),
        ] {
            let body = items(&statuses);
            assert_eq!(name(200, &body, statuses.len() as u64), expected, "{statuses:?}");
        }
        assert_eq!(name(200, &items(&[taken]), 2), "condition", "fewer items than documents");
        assert_eq!(name(200, "", 1), "condition");
        assert_eq!(name(200, "<html>sign in</html>", 1), "condition");
    }

    #[test]
    fn an_answer_to_the_whole_request_refuses_no_document() {
        for (status, expected) in [
            (413, "split"),
            (400, "condition"),
            (401, "condition"),
            (403, "condition"),
            (404, "condition"),
            (201, "condition"),
            (409, "condition"),
            (429, "again"),
            (500, "again"),
            (503, "again"),
        ] {
            assert_eq!(name(status, "{}", 2), expected, "{status}");
        }
    }
}
