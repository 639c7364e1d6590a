//! The names of LoongCollector's plugins: which ones irontail has, and which ones it knows well
//! enough to say that it has not. Source: that project's overview of plugins, August 2026.

use super::surroundings::Surroundings;
use crate::error::Error;
use crate::section::Section;
use crate::section::nearest::nearest;

/// A plugin that irontail has: its `Type`, and what reads its keys.
pub struct Plugin<T> {
    /// Its name.
    pub name: &'static str,
    /// From a section to the plugin; `None` where something is wrong, which is reported then.
    pub read: fn(&Section<'_>, &Surroundings<'_>) -> Option<T>,
}

/// One kind of plugin, as far as LoongCollector has more of it than irontail.
pub(crate) struct Kind {
    /// What LoongCollector has beside, with blanks between the names.
    known: &'static str,
    /// What to do instead.
    instead: &'static str,
}

pub(crate) const INPUTS: Kind = Kind {
    known: "
        input_agentsight input_command input_cpu_profiling input_file_security
        input_forward input_host_meta input_host_monitor input_internal_alarms
        input_internal_config_container_info input_internal_metrics input_journal
        input_network_observer input_network_security input_process_security
        input_prometheus input_static_file_onetime metric_debug_file metric_docker_file
        metric_input_example metric_meta_host metric_mock metric_system_v2 service_canal
        service_docker_stdout service_etw service_go_profile service_gpu_metric
        service_http_server service_input_example service_journal service_kafka
        service_kubernetes_meta service_mock service_mssql service_mysql service_otlp
        service_pgsql service_snmp service_syslog
    ",
    instead: "collect with input_file or input_container_stdio",
};

pub(crate) const PROCESSORS: Kind = Kind {
    known: "
        processor_add_fields processor_anchor processor_appender processor_base64_decoding
        processor_base64_encoding processor_cloud_meta processor_csv processor_default
        processor_desensitize processor_desensitize_native processor_dict_map
        processor_drop processor_drop_last_key processor_encrypt
        processor_fields_with_conditions processor_filter_key_regex processor_filter_regex
        processor_filter_regex_native processor_geoip processor_gotime processor_grok
        processor_json processor_log_to_sls_metric processor_md5 processor_otel_metric
        processor_otel_trace processor_packjson processor_parse_apsara_native
        processor_parse_delimiter_native processor_parse_json_native
        processor_parse_regex_native processor_parse_timestamp_native processor_pick_key
        processor_rate_limit processor_regex processor_rename processor_split_char
        processor_split_key_value processor_split_log_regex processor_split_log_string
        processor_split_string processor_spl processor_string_replace processor_strptime
        processor_timestamp_filter_native
    ",
    instead: "use one of irontail's own, or parse at the destination",
};

pub(crate) const FLUSHERS: Kind = Kind {
    known: "
        flusher_checker flusher_doris
        flusher_grpc flusher_kafka flusher_kafka_native flusher_kafka_v2
        flusher_otlp flusher_otlp_http flusher_otlp_log flusher_otlp_native
        flusher_prometheus flusher_pulsar flusher_sleep flusher_statistics
    ",
    instead: "send with flusher_http, flusher_file or flusher_stdout",
};

impl Kind {
    /// The plugin that a section asks for, out of those that there are. What has been added to
    /// `have` need not be taken from the names that are only known.
    pub(crate) fn find<'p, T>(
        &self,
        section: &Section<'_>,
        have: &'p [Plugin<T>],
    ) -> Option<&'p Plugin<T>> {
        let name = section.required_text("Type")?;
        if let Some(plugin) = have.iter().find(|plugin| plugin.name == name) {
            return Some(plugin);
        }
        if self.known.split_whitespace().any(|known| known == name) {
            section.refuse("Type", Some(name), self.instead);
            return None;
        }
        let ours = have.iter().map(|plugin| plugin.name);
        section.report().error(Error::UnknownType {
            path: section.report().path.clone(),
            key: section.key("Type"),
            name: name.chars().take(NAME_CHARS_MAX).collect(),
            nearest: nearest(name, ours.chain(self.known.split_whitespace())).map(str::to_owned),
        });
        None
    }
}

/// How much of a wrong name is repeated in a message.
const NAME_CHARS_MAX: usize = 80;
