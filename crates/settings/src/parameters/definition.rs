//! The table of all parameters: their names in JSON and in the environment, defaults, meaning.
//! Sources: iLogtail's own names (core/app_config of versions 1.8 and 3), and DESIGN for ours.

/// A parameter.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name here; the first of its names in JSON, unless it has none there.
    pub name: &'static str,
    /// Its names in the JSON file, the stronger first.
    pub json: &'static [&'static str],
    /// Environment variables, the stronger first.
    pub environment: &'static [&'static str],
    /// The flag of the command line.
    pub flag: Option<&'static str>,
    /// The kind and unit of its values.
    pub kind: &'static str,
    /// Its default as text.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const PATH: &str = "path";
const BYTES: &str = "bytes, or text with KiB, MiB or GiB";
const SECONDS: &str = "seconds, or text with a unit (\"10s\")";

/// All parameters, in the order in which `irontail check` prints them.
pub const DEFINITIONS: [Definition; 20] = [
    Definition {
        name: "state_dir",
        json: &[],
        environment: &["IRONTAIL_STATE_DIR"],
        flag: Some("--state-dir"),
        kind: PATH,
        default: "the directory of check_point_filename where that is set, else \
                  /var/lib/irontail (run) or $XDG_STATE_HOME/irontail/HASH (collect)",
        meaning: "STATE: where the defaults of the next parameters lie",
    },
    Definition {
        name: "user_config_file_path",
        json: &["user_config_file_path"],
        environment: &[
            "user_config_file_path",
            "ALIYUN_LOGTAIL_USER_CONIFG_PATH",
            "ALIYUN_LOGTAIL_USER_CONFIG_PATH",
            "LOONG_USER_CONFIG_FILE_PATH",
        ],
        flag: None,
        kind: PATH,
        default: "STATE/user_log_config.json",
        meaning: "the pipelines in force, saved when a change takes effect",
    },
    Definition {
        name: "docker_file_cache_path",
        json: &["docker_file_cache_path"],
        environment: &[
            "docker_file_cache_path",
            "ALIYUN_LOGTAIL_DOCKER_FILE_CACHE_PATH",
            "LOONG_DOCKER_FILE_CACHE_PATH",
        ],
        flag: None,
        kind: PATH,
        default: "STATE/docker_path_config.json",
        meaning: "container paths and their host paths, saved on every change",
    },
    Definition {
        name: "check_point_filename",
        json: &["check_point_filename", "check_point_file_path"],
        environment: &[
            "ALIYUN_LOGTAIL_CHECK_POINT_PATH",
            "check_point_filename",
            "LOONG_CHECK_POINT_FILENAME",
        ],
        flag: None,
        kind: PATH,
        default: "STATE/logtail_check_point",
        meaning: "progress: the snapshot; the journal lies beside it",
    },
    Definition {
        name: "check_point_dump_interval",
        json: &["check_point_dump_interval"],
        environment: &[
            "check_point_dump_interval",
            "ALIYUN_LOGTAIL_CHECKPOINT_DUMP_INTERVAL",
            "LOONG_CHECK_POINT_DUMP_INTERVAL",
        ],
        flag: None,
        kind: SECONDS,
        default: "60",
        meaning: "how often the snapshot is written; reading goes on meanwhile (1 s to 1 day)",
    },
    Definition {
        name: "buffer_file_path",
        json: &["buffer_file_path"],
        environment: &[
            "buffer_file_path",
            "ALIYUN_LOGTAIL_BUFFER_FILE_PATH",
            "LOONG_BUFFER_FILE_PATH",
        ],
        flag: None,
        kind: PATH,
        default: "STATE",
        meaning: "the directory of logtail_buffer_file_* (the spool's segments)",
    },
    Definition {
        name: "logtail_sys_conf_dir",
        json: &["logtail_sys_conf_dir"],
        environment: &[
            "ALIYUN_LOGTAIL_SYS_CONF_DIR",
            "logtail_sys_conf_dir",
            "LOONG_LOGTAIL_SYS_CONF_DIR",
        ],
        flag: None,
        kind: PATH,
        default: "/etc/ilogtail",
        meaning: "pipelines in config/local/, user_defined_id, users/",
    },
    Definition {
        name: "in_flight_bytes_max",
        json: &["in_flight_bytes_max"],
        environment: &["IRONTAIL_IN_FLIGHT_BYTES_MAX"],
        flag: None,
        kind: BYTES,
        default: "16 MiB",
        meaning: "most raw bytes in requests on their way, all senders together (1 MiB to 64 GiB)",
    },
    Definition {
        name: "request_bytes_max",
        json: &["request_bytes_max"],
        environment: &["IRONTAIL_REQUEST_BYTES_MAX"],
        flag: None,
        kind: BYTES,
        default: "1 MiB",
        meaning: "most raw bytes in one request (64 KiB to 64 MiB)",
    },
    Definition {
        name: "spool_bytes_max",
        json: &["spool_bytes_max"],
        environment: &["IRONTAIL_SPOOL_BYTES_MAX"],
        flag: None,
        kind: BYTES,
        default: "1 GiB",
        meaning: "most bytes in the spool; past it the oldest vanishing bytes are dropped and \
                  counted (0: no spool)",
    },
    Definition {
        name: "pinned_bytes_max",
        json: &["pinned_bytes_max"],
        environment: &["IRONTAIL_PINNED_BYTES_MAX"],
        flag: None,
        kind: BYTES,
        default: "1 GiB",
        meaning: "most bytes of deleted files that are held open",
    },
    Definition {
        name: "shutdown_budget",
        json: &["shutdown_budget"],
        environment: &["IRONTAIL_SHUTDOWN_BUDGET"],
        flag: None,
        kind: SECONDS,
        default: "10",
        meaning: "how long a shutdown may take, the drain included (100 ms to 1 h)",
    },
    Definition {
        name: "state_lock_wait",
        json: &["state_lock_wait"],
        environment: &["IRONTAIL_STATE_LOCK_WAIT"],
        flag: None,
        kind: SECONDS,
        default: "30",
        meaning: "how long to wait for state that another agent still holds (0 to 1 h)",
    },
    Definition {
        name: "node_name",
        json: &["node_name", "working_hostname"],
        environment: &["IRONTAIL_NODE_NAME", "working_hostname", "ALIYUN_LOGTAIL_WORKING_HOSTNAME"],
        flag: None,
        kind: "text",
        default: "the host's /etc/hostname",
        meaning: "the node's name in records (__tag__:__hostname__)",
    },
    Definition {
        name: "old_state_dirs",
        json: &["old_state_dirs"],
        environment: &["IRONTAIL_OLD_STATE_DIRS"],
        flag: None,
        kind: "list of paths; in the environment with : between them",
        default: "none",
        meaning: "further places where an earlier agent's state is looked for",
    },
    Definition {
        name: "on_lost_state",
        json: &["on_lost_state"],
        environment: &["IRONTAIL_ON_LOST_STATE"],
        flag: Some("--on-lost-state"),
        kind: "refuse, from_beginning or from_end",
        default: "refuse",
        meaning: "what to do where state existed and cannot be read",
    },
    Definition {
        name: "require_durable_state",
        json: &["require_durable_state"],
        environment: &["IRONTAIL_REQUIRE_DURABLE_STATE"],
        flag: Some("--require-durable-state"),
        kind: "true or false",
        default: "false",
        meaning: "refuse state on a file system that dies with the container",
    },
    Definition {
        name: "admin",
        json: &["admin"],
        environment: &["IRONTAIL_ADMIN"],
        flag: Some("--admin"),
        kind: "address:port",
        default: "off",
        meaning: "where /healthz, /readyz and /metrics are served",
    },
    Definition {
        name: "env_tags",
        json: &[],
        environment: &["LOONG_ENV_TAGS", "LOONG_LOG_ENV_TAGS", "ALIYUN_LOG_ENV_TAGS"],
        flag: None,
        kind: "names of environment variables with | between them",
        default: "none",
        meaning: "variables of the agent that every record carries as tags",
    },
    Definition {
        name: "config",
        json: &[],
        environment: &["ALIYUN_LOGTAIL_CONFIG", "LOONG_CONFIG"],
        flag: None,
        kind: PATH,
        default: "none",
        meaning: "the JSON file of these parameters",
    },
];

/// The definition of a parameter.
pub(super) fn definition(name: &str) -> &'static Definition {
    DEFINITIONS
        .iter()
        .find(|definition| definition.name == name)
        .expect("every parameter that is read stands in the table")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_parameters() {
        let mut names: Vec<&str> = DEFINITIONS.iter().flat_map(|d| d.json).copied().collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        let mut names: Vec<&str> =
            DEFINITIONS.iter().flat_map(|d| d.environment).copied().collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
