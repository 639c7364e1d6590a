#!/usr/bin/env bash
# irontail as one Docker container of a host: iLogtail's `docker run`, with the image's name
# changed.
#
#   deploy/docker-run.sh [OPTION OF docker run]...
#
# From the environment, each with a default:
#   STATE_DIR      directory of the host that keeps the state over restarts
#   PIPELINES_DIR  directory of the host with the pipelines
#   REGION, ALIYUN_LOGTAIL_USER_ID, ALIYUN_LOGTAIL_USER_DEFINED_ID   as iLogtail takes them
#   IMAGE, NAME    of the container
#
# It also runs with `--read-only --cap-drop ALL --cap-add DAC_READ_SEARCH`.
set -euo pipefail

state_dir=${STATE_DIR-/var/lib/ilogtail}
pipelines_dir=${PIPELINES_DIR-/etc/ilogtail/config/local}
region=${REGION-cn-hangzhou}

exec docker run -d --name "${NAME-irontail}" \
  -v /:/logtail_host:ro \
  -v /var/run:/var/run \
  -v "$state_dir:/etc/ilogtail/checkpoint" \
  -v "$pipelines_dir:/etc/ilogtail/config/local:ro" \
  -e "ALIYUN_LOGTAIL_CONFIG=/etc/ilogtail/conf/$region/ilogtail_config.json" \
  -e "ALIYUN_LOGTAIL_USER_ID=${ALIYUN_LOGTAIL_USER_ID-}" \
  -e "ALIYUN_LOGTAIL_USER_DEFINED_ID=${ALIYUN_LOGTAIL_USER_DEFINED_ID-}" \
  -e user_config_file_path=/etc/ilogtail/checkpoint/user_log_config.json \
  -e docker_file_cache_path=/etc/ilogtail/checkpoint/docker_path_config.json \
  -e check_point_filename=/etc/ilogtail/checkpoint/logtail_check_point \
  -e check_point_dump_interval=60 \
  -e buffer_file_path=/etc/ilogtail/checkpoint \
  "$@" \
  "${IMAGE-irontail:latest}"
