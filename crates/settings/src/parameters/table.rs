//! The table of all parameters, a row each: its names, what it means, how it is read, how it is
//! shown. The fields of [`Parameters`], [`DEFINITIONS`] and what `irontail check` prints are made
//! of it, so a new parameter is one row (and a line of CONFIGURATION.md).
//! Sources: iLogtail's own names (core/app_config of versions 1.8 and 3), and DESIGN for ours.

use std::path::PathBuf;
use std::time::Duration;

use super::definition::{CONFIG, Definition};
use super::reader::Reader;
use super::show::{Entry, bytes, count, entry, names, or, path, paths, time};
use super::{OnLostState, values};
use crate::origin::Setting;

const PATH: &str = "path";
const BYTES: &str = "bytes, or text with KiB, MiB or GiB";
const COUNT: &str = "number";
const SECONDS: &str = "seconds, or text with a unit (\"10s\")";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const PIB: u64 = 1 << 50;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Makes all that is made of the rows.
macro_rules! parameters {
    ($($name:ident: $type:ty {
        json: $json:expr,
        environment: $environment:expr,
        flag: $flag:expr,
        kind: $kind:expr,
        default: $default:expr,
        meaning: $meaning:literal,
        read: $read:expr,
        show: $show:expr,
    })*) => {
        /// All parameters, each with where it came from.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Parameters {
            $(#[doc = $meaning] pub $name: Setting<$type>,)*
            /// Account ids.
            pub user_ids: Vec<Setting<String>>,
            /// Ids of machine groups.
            pub user_defined_ids: Vec<Setting<String>>,
            /// Sentences for the log, to be logged once at start.
            pub notes: Vec<String>,
        }

        /// All parameters, in the order in which `irontail check` prints them.
        pub const DEFINITIONS: &[Definition] = &[
            $(Definition {
                name: stringify!($name),
                json: &$json,
                environment: &$environment,
                flag: $flag,
                kind: $kind,
                default: $default,
                meaning: $meaning,
            },)*
            CONFIG,
        ];

        impl Parameters {
            /// Reads every row.
            pub(super) fn read(reader: &mut Reader<'_, '_>) -> Self {
                $(
                    let read: fn(&mut Reader<'_, '_>, &'static str) -> Setting<$type> = $read;
                    let $name = read(reader, stringify!($name));
                )*
                Parameters {
                    $($name,)*
                    user_ids: Vec::new(),
                    user_defined_ids: Vec::new(),
                    notes: Vec::new(),
                }
            }

            /// Every parameter as text, in the order of the reference.
            pub fn entries(&self) -> Vec<Entry> {
                let mut entries = Vec::new();
                $(
                    let show: fn(&$type) -> String = |value| ($show)(value);
                    entries.push(entry(stringify!($name), &self.$name, show));
                )*
                let text = String::clone;
                entries.extend(self.user_ids.iter().map(|id| entry("user_id", id, text)));
                let groups = self.user_defined_ids.iter();
                entries.extend(groups.map(|id| entry("user_defined_id", id, text)));
                entries
            }
        }
    };
}

parameters! {
    state_dir: PathBuf {
        json: [],
        environment: ["IRONTAIL_STATE_DIR"],
        flag: Some("--state-dir"),
        kind: PATH,
        default: "the directory of check_point_filename where that is set, else \
                  /var/lib/irontail (run) or $XDG_STATE_HOME/irontail/HASH (collect)",
        meaning: "STATE: where the defaults of the next parameters lie",
        read: |reader, _| reader.state_dir.clone(),
        show: path,
    }
    user_config_file_path: PathBuf {
        json: ["user_config_file_path"],
        environment: [
            "user_config_file_path",
            "ALIYUN_LOGTAIL_USER_CONIFG_PATH",
            "ALIYUN_LOGTAIL_USER_CONFIG_PATH",
            "LOONG_USER_CONFIG_FILE_PATH",
        ],
        flag: None,
        kind: PATH,
        default: "STATE/user_log_config.json",
        meaning: "the pipelines in force, saved when a change takes effect",
        read: |reader, name| reader.state_file(name, "user_log_config.json"),
        show: path,
    }
    docker_file_cache_path: PathBuf {
        json: ["docker_file_cache_path"],
        environment: [
            "docker_file_cache_path",
            "ALIYUN_LOGTAIL_DOCKER_FILE_CACHE_PATH",
            "LOONG_DOCKER_FILE_CACHE_PATH",
        ],
        flag: None,
        kind: PATH,
        default: "STATE/docker_path_config.json",
        meaning: "container paths and their host paths, saved on every change",
        read: |reader, name| reader.state_file(name, "docker_path_config.json"),
        show: path,
    }
    check_point_filename: PathBuf {
        json: ["check_point_filename", "check_point_file_path"],
        environment: [
            "ALIYUN_LOGTAIL_CHECK_POINT_PATH",
            "check_point_filename",
            "LOONG_CHECK_POINT_FILENAME",
        ],
        flag: None,
        kind: PATH,
        default: "STATE/logtail_check_point",
        meaning: "progress: the snapshot; the journal lies beside it",
        read: |reader, _| reader.check_point.clone(),
        show: path,
    }
    check_point_dump_interval: Duration {
        json: ["check_point_dump_interval"],
        environment: [
            "check_point_dump_interval",
            "ALIYUN_LOGTAIL_CHECKPOINT_DUMP_INTERVAL",
            "LOONG_CHECK_POINT_DUMP_INTERVAL",
        ],
        flag: None,
        kind: SECONDS,
        default: "60",
        meaning: "how often the snapshot is written; reading goes on meanwhile (1 s to 1 day)",
        read: |reader, name| reader.seconds(name, MINUTE, SECOND..=DAY),
        show: time,
    }
    buffer_file_path: PathBuf {
        json: ["buffer_file_path"],
        environment: [
            "buffer_file_path",
            "ALIYUN_LOGTAIL_BUFFER_FILE_PATH",
            "LOONG_BUFFER_FILE_PATH",
        ],
        flag: None,
        kind: PATH,
        default: "STATE",
        meaning: "the directory of logtail_buffer_file_* (the spool's segments)",
        read: |reader, name| reader.path(name, reader.state_dir.value.clone()),
        show: path,
    }
    logtail_sys_conf_dir: PathBuf {
        json: ["logtail_sys_conf_dir"],
        environment: [
            "ALIYUN_LOGTAIL_SYS_CONF_DIR",
            "logtail_sys_conf_dir",
            "LOONG_LOGTAIL_SYS_CONF_DIR",
        ],
        flag: None,
        kind: PATH,
        default: "/etc/ilogtail",
        meaning: "pipelines in config/local/, user_defined_id, users/",
        read: |reader, name| reader.path(name, PathBuf::from("/etc/ilogtail")),
        show: path,
    }
    in_flight_bytes_max: u64 {
        json: ["in_flight_bytes_max"],
        environment: ["IRONTAIL_IN_FLIGHT_BYTES_MAX"],
        flag: None,
        kind: BYTES,
        default: "16 MiB",
        meaning: "most raw bytes in requests on their way, all senders together (1 MiB to 64 GiB)",
        read: |reader, name| reader.bytes(name, 16 * MIB, MIB..=64 * GIB),
        show: bytes,
    }
    request_bytes_max: u64 {
        json: ["request_bytes_max"],
        environment: ["IRONTAIL_REQUEST_BYTES_MAX"],
        flag: None,
        kind: BYTES,
        default: "1 MiB",
        meaning: "most raw bytes in one request (64 KiB to 64 MiB)",
        read: |reader, name| reader.bytes(name, MIB, 64 * KIB..=64 * MIB),
        show: bytes,
    }
    spool_bytes_max: u64 {
        json: ["spool_bytes_max"],
        environment: ["IRONTAIL_SPOOL_BYTES_MAX"],
        flag: None,
        kind: BYTES,
        default: "1 GiB",
        meaning: "most bytes in the spool; past it the oldest vanishing bytes are dropped and \
                  counted (0: no spool)",
        read: |reader, name| reader.bytes(name, GIB, 0..=PIB),
        show: bytes,
    }
    pinned_bytes_max: u64 {
        json: ["pinned_bytes_max"],
        environment: ["IRONTAIL_PINNED_BYTES_MAX"],
        flag: None,
        kind: BYTES,
        default: "1 GiB",
        meaning: "most bytes of deleted files that are held open",
        read: |reader, name| reader.bytes(name, GIB, 0..=PIB),
        show: bytes,
    }
    files_max: u64 {
        json: ["files_max"],
        environment: ["IRONTAIL_FILES_MAX"],
        flag: None,
        kind: COUNT,
        default: "200000",
        meaning: "how many files are followed; further ones wait until others are gone, and are \
                  counted (irontail_left_out_files)",
        read: |reader, name| reader.count(name, 200_000, 1..=100_000_000),
        show: count,
    }
    shutdown_budget: Duration {
        json: ["shutdown_budget"],
        environment: ["IRONTAIL_SHUTDOWN_BUDGET"],
        flag: None,
        kind: SECONDS,
        default: "10",
        meaning: "how long a shutdown may take, the drain included (100 ms to 1 h)",
        read: |reader, name| reader.seconds(name, 10 * SECOND, SECOND / 10..=HOUR),
        show: time,
    }
    state_lock_wait: Duration {
        json: ["state_lock_wait"],
        environment: ["IRONTAIL_STATE_LOCK_WAIT"],
        flag: None,
        kind: SECONDS,
        default: "30",
        meaning: "how long to wait for state that another agent still holds (0 to 1 h)",
        read: |reader, name| reader.seconds(name, 30 * SECOND, Duration::ZERO..=HOUR),
        show: time,
    }
    node_name: Option<String> {
        json: ["node_name", "working_hostname"],
        environment: ["IRONTAIL_NODE_NAME", "working_hostname", "ALIYUN_LOGTAIL_WORKING_HOSTNAME"],
        flag: None,
        kind: "text",
        default: "the host's /etc/hostname",
        meaning: "the node's name in records (__tag__:__hostname__)",
        read: |reader, name| reader.take(name, None, None, values::node_name),
        show: |name| or(name, "the host's /etc/hostname"),
    }
    old_state_dirs: Vec<PathBuf> {
        json: ["old_state_dirs"],
        environment: ["IRONTAIL_OLD_STATE_DIRS"],
        flag: None,
        kind: "list of paths; in the environment with : between them",
        default: "none",
        meaning: "further places where an earlier agent's state is looked for",
        read: |reader, name| reader.paths(name),
        show: paths,
    }
    on_lost_state: OnLostState {
        json: ["on_lost_state"],
        environment: ["IRONTAIL_ON_LOST_STATE"],
        flag: Some("--on-lost-state"),
        kind: "refuse, from_beginning or from_end",
        default: "refuse",
        meaning: "what to do where state existed and cannot be read",
        read: |reader, name| {
            let flag = reader.line.on_lost_state;
            reader.take(name, flag, OnLostState::Refuse, values::on_lost_state)
        },
        show: OnLostState::to_string,
    }
    require_durable_state: bool {
        json: ["require_durable_state"],
        environment: ["IRONTAIL_REQUIRE_DURABLE_STATE"],
        flag: Some("--require-durable-state"),
        kind: "true or false",
        default: "false",
        meaning: "refuse state on a file system that dies with the container",
        read: |reader, name| {
            let flag = reader.line.require_durable_state.then_some(true);
            reader.take(name, flag, false, values::flag)
        },
        show: bool::to_string,
    }
    admin: Option<String> {
        json: ["admin"],
        environment: ["IRONTAIL_ADMIN"],
        flag: Some("--admin"),
        kind: "address:port",
        default: "off",
        meaning: "where /healthz, /readyz and /metrics are served",
        read: |reader, name| reader.admin(name),
        show: |address| or(address, "off"),
    }
    env_tags: Vec<(String, String)> {
        json: [],
        environment: ["LOONG_ENV_TAGS", "LOONG_LOG_ENV_TAGS", "ALIYUN_LOG_ENV_TAGS"],
        flag: None,
        kind: "names of environment variables with | between them",
        default: "none",
        meaning: "variables of the agent that every record carries as tags",
        read: |reader, name| reader.env_tags(name),
        show: names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_parameters() {
        for names in [|d: &Definition| d.json, |d: &Definition| d.environment] {
            let mut names: Vec<&str> = DEFINITIONS.iter().flat_map(names).copied().collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        }
    }
}
