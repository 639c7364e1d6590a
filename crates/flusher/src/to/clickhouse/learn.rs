//! What a server is asked before the first insert, and what its answers say. Pure.
//! Source: ClickHouse's tables `system.settings`, `system.tables`, `system.merge_tree_settings`.

use super::options::literal;

/// Which settings the server has: it refuses one that it does not know.
pub(super) const ASK_SETTINGS: &str = "SELECT countIf(name = 'async_insert'), \
     countIf(name = 'insert_deduplication_token'), countIf(name = 'deduplicate_insert') \
     FROM system.settings";

/// Settings that not every version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// `async_insert`, since 21.11.
    pub(super) asynchronous: bool,
    /// `insert_deduplication_token`, since 22.2.
    pub(super) token: bool,
    /// `deduplicate_insert`, since 26.2.
    pub(super) deduplicate: bool,
}

/// The answer to [`ASK_SETTINGS`].
pub(super) fn known_settings(body: &[u8]) -> Option<Known> {
    let text = std::str::from_utf8(body).ok()?;
    let mut known = text.trim_ascii().split('\t').map(|count| match count {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    });
    let mut next = || known.next()?;
    let (asynchronous, token, deduplicate) = (next()?, next()?, next()?);
    Some(Known { asynchronous, token, deduplicate })
}

/// Asks how many inserts a table remembers: the defaults of two settings, its engine, and what its
/// own definition says of them.
pub(super) fn ask_window(database: &str, table: &str) -> String {
    let default = |name: &str| {
        format!("(SELECT any(value) FROM system.merge_tree_settings WHERE name = '{name}')")
    };
    format!(
        "SELECT {}, {}, engine, engine_full FROM system.tables WHERE database = {} AND name = {}",
        default(REPLICATED),
        default(NOT_REPLICATED),
        literal(database),
        literal(table)
    )
}

const REPLICATED: &str = "replicated_deduplication_window";
const NOT_REPLICATED: &str = "non_replicated_deduplication_window";

/// The answer to [`ask_window`]: how many inserts the table remembers; 0 where it remembers none.
/// `None`: there is no such table, or it is no answer.
pub(super) fn window(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?.trim_ascii();
    let mut columns = text.splitn(4, '\t');
    let (replicated, plain) = (columns.next()?, columns.next()?);
    let (engine, definition) = (columns.next()?, columns.next()?);
    let (name, default) = match engine {
        _ if !engine.ends_with("MergeTree") => return Some(0),
        _ if engine.starts_with("Replicated") || engine.starts_with("Shared") => {
            (REPLICATED, replicated)
        }
        _ => (NOT_REPLICATED, plain),
    };
    Some(own_setting(definition, name).or_else(|| default.parse().ok()).unwrap_or(0))
}

/// `NAME = 100` in a table's definition. One of the two names is the end of the other: all of it
/// counts.
fn own_setting(definition: &str, name: &str) -> Option<u64> {
    let (_, settings) = definition.rsplit_once("SETTINGS ")?;
    settings.split(',').find_map(|setting| {
        let (found, value) = setting.split_once('=')?;
        (found.trim() == name).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_says_which_settings_it_has() {
        let known =
            |asynchronous, token, deduplicate| Some(Known { asynchronous, token, deduplicate });
        for (body, expected) in [
            ("0\t0\t0\n", known(false, false, false)),
            ("1\t1\t0\n", known(true, true, false)),
            ("1\t1\t1", known(true, true, true)),
            ("1\t1", None),
            ("", None),
            ("<html>", None),
        ] {
            assert_eq!(known_settings(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_table_remembers_what_its_engine_and_its_own_settings_say() {
        for (body, expected) in [
            (
                "10000\t0\tMergeTree\tMergeTree ORDER BY id SETTINGS index_granularity = 8192",
                Some(0),
            ),
            (
                "10000\t0\tMergeTree\tMergeTree ORDER BY id SETTINGS index_granularity = 8192, \
                 non_replicated_deduplication_window = 500",
                Some(500),
            ),
            ("10000\t7\tReplacingMergeTree\tReplacingMergeTree ORDER BY id", Some(7)),
            (
                "10000\t0\tReplicatedMergeTree\tReplicatedMergeTree('/a', 'b') ORDER BY id",
                Some(10_000),
            ),
            (
                "1000\t0\tSharedMergeTree\tSharedMergeTree ORDER BY id SETTINGS \
                 replicated_deduplication_window = 0",
                Some(0),
            ),
            // The setting of the other kind says nothing.
            (
                "100\t0\tMergeTree\tMergeTree ORDER BY id SETTINGS \
                 replicated_deduplication_window = 9",
                Some(0),
            ),
            ("100\t\\N\tMergeTree\tMergeTree ORDER BY id", Some(0)),
            ("100\t100\tDistributed\tDistributed(c, d, t)", Some(0)),
            ("100\t100\tNull\tNull", Some(0)),
            ("", None),
        ] {
            assert_eq!(window(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn names_cannot_end_the_question() {
        let asked = ask_window("a'b", "c\\");
        assert!(asked.ends_with(r"database = 'a\'b' AND name = 'c\\'"), "{asked}");
    }
}
