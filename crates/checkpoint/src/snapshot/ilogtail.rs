//! iLogtail's own snapshot: the entries that we write for it, and those that it left for us.
//! Shape and keys are those of its CheckPointManager (version 200); the entries of the 2022
//! articles have the first eleven keys, later versions add some. `offset` is a decimal string.
//! Any bytes can be read; one bad entry is noted and passed over.
//! Not here: what the offsets are worth (`recover.rs`, the agent).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use record::{PipelineKey, Signature};
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ForeignFile;
use crate::state::values::{FileState, Seen};

/// How many bad entries are named; the rest is only counted.
const NAMED_MAX: usize = 10;

/// What iLogtail left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForeignFound {
    pub files: Vec<ForeignFile>,
    /// About entries that were passed over.
    pub notes: Vec<String>,
}

/// For each pipeline how far the slowest of its deliveries is.
pub(crate) fn offsets(file: &FileState) -> BTreeMap<PipelineKey, u64> {
    let mut offsets = BTreeMap::new();
    for cursor in &file.cursors {
        let offset = offsets.entry(cursor.delivery.pipeline).or_insert(u64::MAX);
        *offset = cursor.prefix().min(*offset);
    }
    offsets
}

/// One entry as iLogtail writes it.
#[derive(Serialize)]
pub(crate) struct Entry<'a> {
    file_name: Cow<'a, str>,
    real_file_name: Cow<'a, str>,
    resolved_file_name: Cow<'a, str>,
    offset: String,
    sig_size: u32,
    sig_hash: u64,
    sig: &'static str,
    update_time: i64,
    dev: u64,
    inode: u64,
    file_open: u8,
    container_stopped: u8,
    container_id: &'static str,
    last_force_read: u8,
    config_name: &'a str,
    idx_in_reader_array: i8,
}

/// Its place in the queue of rotated files is not known (iLogtail's own value for that).
const PLACE_UNKNOWN: i8 = -3;

impl<'a> Entry<'a> {
    /// The entry of a file of ours; `update_time` in seconds since 1970.
    pub(crate) fn of_seen(
        seen: &'a Seen,
        config_name: &'a str,
        offset: u64,
        update_time: i64,
    ) -> Self {
        let Seen { identity, signature, logical, real, .. } = seen;
        let at = (identity.dev, identity.inode);
        Self::new(logical, real, at, *signature, config_name, offset, update_time)
    }

    /// The entry that iLogtail left, as it was.
    pub(crate) fn of_foreign(file: &'a ForeignFile, update_time: i64) -> Self {
        let ForeignFile { file_name, real_file_name, dev, inode, signature, .. } = file;
        let (name, at) = (&file.config_name, (*dev, *inode));
        Self::new(file_name, real_file_name, at, *signature, name, file.offset, update_time)
    }

    fn new(
        logical: &'a Path,
        real: &'a Path,
        (dev, inode): (u64, u64),
        signature: Signature,
        config_name: &'a str,
        offset: u64,
        update_time: i64,
    ) -> Self {
        Self {
            file_name: logical.to_string_lossy(),
            real_file_name: real.to_string_lossy(),
            resolved_file_name: real.to_string_lossy(),
            offset: offset.to_string(),
            sig_size: signature.size,
            sig_hash: signature.hash,
            sig: "",
            update_time,
            dev,
            inode,
            file_open: 1,
            container_stopped: 0,
            container_id: "",
            last_force_read: 0,
            config_name,
            idx_in_reader_array: PLACE_UNKNOWN,
        }
    }

    /// Writes `"key":{...}`.
    pub(crate) fn write_keyed(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { file_name, dev, inode, config_name, .. } = self;
        serde_json::to_writer(&mut *out, &format!("{file_name}*{dev}*{inode}*{config_name}"))?;
        out.write_all(b":")?;
        Ok(serde_json::to_writer(out, self)?)
    }
}

/// Reads a snapshot as iLogtail would.
///
/// # Errors
/// It is no JSON, or has members that iLogtail does not write (so that a damaged snapshot of
/// ours never passes for one of its); the `irontail` member is allowed if `is_ours`.
pub(crate) fn read(text: &str, is_ours: bool) -> serde_json::Result<ForeignFound> {
    let mut json = serde_json::Deserializer::from_str(text);
    let found = json.deserialize_map(Root { is_ours })?;
    json.end()?;
    Ok(found)
}

/// The outermost object.
struct Root {
    is_ours: bool,
}

impl<'de> Visitor<'de> for Root {
    type Value = ForeignFound;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object with a check_point")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ForeignFound, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "check_point" => found = Some(map.next_value::<CheckPoints>()?.0),
                "version" | "dir_check_point" => drop(map.next_value::<IgnoredAny>()?),
                "irontail" if self.is_ours => drop(map.next_value::<IgnoredAny>()?),
                other => return Err(de::Error::custom(format_args!("unknown member {other:?}"))),
            }
        }
        found.ok_or_else(|| de::Error::missing_field("check_point"))
    }
}

/// The object of entries, read one at a time; `null` where iLogtail knew no file.
struct CheckPoints(ForeignFound);

impl<'de> Deserialize<'de> for CheckPoints {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = CheckPoints;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object of entries, or null")
    }

    fn visit_unit<E>(self) -> Result<CheckPoints, E> {
        Ok(CheckPoints(ForeignFound::default()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CheckPoints, A::Error> {
        let mut found = ForeignFound::default();
        let mut bad = 0;
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            match entry(&value) {
                Ok(file) => found.files.push(file),
                Err(why) => {
                    bad += 1;
                    if bad <= NAMED_MAX {
                        found.notes.push(format!("entry {key:?} of iLogtail's snapshot {why}"));
                    }
                }
            }
        }
        if bad > NAMED_MAX {
            let more = bad - NAMED_MAX;
            found.notes.push(format!("{more} more entries of iLogtail's snapshot are bad"));
        }
        Ok(CheckPoints(found))
    }
}

/// One entry, or what is wrong with it.
pub(crate) fn entry(value: &Value) -> Result<ForeignFile, &'static str> {
    let text = |key| value.get(key).and_then(Value::as_str);
    let number = |key| match value.get(key) {
        None => Ok(0),
        Some(Value::String(digits)) => digits.parse().map_err(|_| "has a number that is none"),
        Some(value) => value.as_u64().ok_or("has a number that is none"),
    };
    let file_name = text("file_name").ok_or("has no file_name")?;
    if value.get("offset").is_none() {
        return Err("has no offset");
    }
    let size = u32::try_from(number("sig_size")?).map_err(|_| "has a sig_size that is none")?;
    Ok(ForeignFile {
        file_name: file_name.into(),
        real_file_name: text("real_file_name")
            .filter(|n| !n.is_empty())
            .unwrap_or(file_name)
            .into(),
        dev: number("dev")?,
        inode: number("inode")?,
        signature: Signature { size, hash: number("sig_hash")? },
        offset: number("offset")?,
        config_name: text("config_name").unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As iLogtail of the 2022 articles writes it.
    const ARTICLE: &str = r###"{
        "check_point" : {
            "/logtail_host/root/log/1.log*64768*1835021*##1.0##proj$nginx" : {
                "config_name" : "##1.0##proj$nginx", "dev" : 64768, "file_name" :
                "/logtail_host/root/log/1.log", "file_open" : 1, "inode" : 1835021, "offset" : "8",
                "real_file_name" : "/logtail_host/root/log/1.log.1", "sig" : "",
                "sig_hash" : 12345678901234567890, "sig_size" : 8, "update_time" : 1666777777
            }
        },
        "dir_check_point" : { "/logtail_host/root" : {
            "sub_dir" : [ "/logtail_host/root/log" ], "update_time" : 1666777777 } },
        "version" : 200
    }"###;

    fn article_file() -> ForeignFile {
        ForeignFile {
            file_name: "/logtail_host/root/log/1.log".into(),
            real_file_name: "/logtail_host/root/log/1.log.1".into(),
            dev: 64768,
            inode: 1_835_021,
            signature: Signature { size: 8, hash: 12_345_678_901_234_567_890 },
            offset: 8,
            config_name: "##1.0##proj$nginx".to_owned(),
        }
    }

    #[test]
    fn an_article_era_snapshot_is_read() {
        let found = read(ARTICLE, false).unwrap();
        assert_eq!(found, ForeignFound { files: vec![article_file()], notes: vec![] });
    }

    #[test]
    fn an_entry_that_we_write_is_read_back() {
        let mut text = b"{\"check_point\":{".to_vec();
        Entry::of_foreign(&article_file(), 5).write_keyed(&mut text).unwrap();
        text.extend_from_slice(b"},\"version\":200}");
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(r#""offset":"8""#), "a decimal string: {text}");
        assert!(text.contains(r###"log/1.log*64768*1835021*##1.0##proj$nginx":{"###), "{text}");
        assert_eq!(read(&text, false).unwrap().files, [article_file()]);
    }

    #[test]
    fn a_bad_entry_is_noted_and_passed_over() {
        let bad = [
            "5",
            "null",
            r#"{"file_name":"/a"}"#,
            r#"{"file_name":"/a","offset":"x"}"#,
            r#"{"file_name":"/a","offset":-1}"#,
            r#"{"file_name":"/a","offset":"1","inode":1.5}"#,
            r#"{"file_name":"/a","offset":"1","sig_size":4294967296}"#,
        ];
        for entry in bad {
            let text = format!(
                r#"{{"check_point":{{"bad":{entry},"good":{{"file_name":"/b","offset":3}}}}}}"#
            );
            let found = read(&text, false).unwrap();
            assert_eq!(found.notes.len(), 1, "{entry}");
            assert_eq!((found.files.len(), found.files[0].offset), (1, 3), "{entry}");
        }
    }

    #[test]
    fn what_is_no_snapshot_of_ilogtail_is_an_error() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "{}",
            "[]",
            "{\"check_point\":5}",
            "{\"check_point\":{}}x",
            &deep,
            "{\"check_point\":{},\"irontail\":{}}",
            "{\"check_point\":{},\"irontaim\":{}}",
        ] {
            assert!(read(text, false).is_err(), "{}", &text[..text.len().min(50)]);
        }
        assert!(read("{\"check_point\":null,\"version\":200}", false).is_ok(), "it knew no file");
        assert!(read("{\"check_point\":{},\"irontail\":{}}", true).is_ok());
    }
}
