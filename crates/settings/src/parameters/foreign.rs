//! Parameters that iLogtail or LoongCollector knows and irontail has no use for. Operators bring
//! their file along, so these are passed over with a note; they tune what does not exist here.
//! Source: core/app_config and docs of those projects.

/// Their names.
const WITHOUT_EFFECT: &str = "
    accept_multi_config batch_send_interval batch_send_metric_size bind_interface
    buffer_file_num buffer_file_size buffer_map_num buffer_map_size bytes_per_sec
    check_handler_timeout_interval check_profile_region checkpoint_find_max_file_count
    config_match_max_cache_size config_scan_interval config_server_address config_servers
    config_update_interval cpu_usage_limit data_server_list data_server_port data_servers
    default_access_key default_access_key_id default_max_inotify_watch_num
    default_tail_limit_kb dirfile_check_interval_ms discard_old_data
    docker_config_update_interval ebpf enable_checkpoint_sync_write enable_full_drain_mode
    enable_host_ip_replace enable_log_time_auto_adjust enable_polling_discovery
    enable_response_verification force_quit_read_timeout force_release_deleted_file_fd_timeout
    heartbeat_interval host_path_blacklist ignore_dir_inode_changed ignore_file_modify_timeout
    ilogtail_discard_interval ilogtail_discard_old_data include_config_path inotify_black_list
    input_flow_control logreader_filedeleted_remove_interval
    logreader_filerotate_remove_interval logreader_max_rotate_queue_size logtail_mode
    machine_cpu_usage_threshold max_bytes_per_sec max_docker_config_update_times
    max_holded_data_size max_multi_config max_open_files_limit max_read_buffer_size
    max_reader_open_files max_send_log_group_size max_watch_dir_count mem_usage_limit
    merge_log_count_limit metrics_report_method modify_cache_max modify_check_interval
    no_inotify polling_dir_first_watch_timeout polling_dirfile_check_interval_ms
    polling_file_first_watch_timeout polling_ignore_file_modify_timeout polling_max_stat_count
    polling_max_stat_count_per_config polling_max_stat_count_per_dir
    polling_modify_check_interval primary_region process_thread_count
    read_local_event_interval reader_close_unused_file_time resource_auto_scale
    scaled_cpu_usage_limit search_checkpoint_default_dir_depth send_request_concurrency
    send_running_status shennong_unix_socket sls_request_dscp streamlog_formats streamlog_open
    streamlog_pool_size_in_mb streamlog_rcv_size_each_call streamlog_tcp_addr
    streamlog_tcp_port system_boot_time truncate_pos_skip_bytes working_ip
";

/// Their names, one by one.
pub(super) fn without_effect() -> impl Iterator<Item = &'static str> {
    WITHOUT_EFFECT.split_whitespace()
}

/// What takes the place of a parameter, where something does.
pub(super) fn instead(name: &str) -> &'static str {
    match name {
        "buffer_file_num" | "buffer_file_size" => "; see spool_bytes_max",
        "buffer_map_num" | "buffer_map_size" => "; see in_flight_bytes_max",
        "max_send_log_group_size" | "batch_send_metric_size" => "; see request_bytes_max",
        "default_tail_limit_kb" => "; see TailSizeKB of the input",
        "send_request_concurrency" => "; see Concurrency of the flusher",
        "enable_full_drain_mode" | "force_quit_read_timeout" => "; see shutdown_budget",
        "host_path_blacklist" => "; see ExcludeDirs and ExcludeFilePaths of the input",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::DEFINITIONS;

    #[test]
    fn a_parameter_without_effect_is_none_of_ours() {
        for definition in DEFINITIONS {
            for name in definition.json {
                assert!(without_effect().all(|foreign| foreign != *name), "{name}");
            }
        }
    }
}
