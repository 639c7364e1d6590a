//! What tells of containers: Docker's files, bundles, the saved map.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use container::{AskedNames, Bundles, DockerFiles, HostRoot, SavedMap};
use disk::RealDisk;

use crate::Target;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The names that the inputs below have.
fn asked() -> Arc<AskedNames> {
    let names = || ["A", "a", "tier"].map(str::to_owned).into();
    Arc::new(AskedNames { env: names(), labels: names(), pod_labels: names() })
}

/// `config.v2.json` of a container.
pub const DOCKER_FILES: Target = Target {
    name: "docker-files",
    seeds: || vec![DOCKER.as_bytes().to_vec()],
    make: || {
        let dir = tempfile::tempdir().expect("the temporary directory can be written");
        let at = dir.path().join("var/lib/docker/containers").join(ID);
        fs::create_dir_all(&at).expect("the temporary directory can be written");
        let host = HostRoot::at(dir.path());
        Box::new(move |input| {
            let _keep = &dir;
            fs::write(at.join("config.v2.json"), input).expect("there is room");
            fs::write(at.join("hostconfig.json"), input).expect("there is room");
            let root = Path::new("/var/lib/docker");
            DockerFiles::new(&host, root, &asked()).poll(&mut |_| {});
        })
    },
};

/// `config.json` of a bundle.
pub const BUNDLES: Target = Target {
    name: "bundles",
    seeds: || vec![BUNDLE.as_bytes().to_vec()],
    make: || {
        let dir = tempfile::tempdir().expect("the temporary directory can be written");
        let tasks = "run/containerd/io.containerd.runtime.v2.task/k8s.io";
        let at = dir.path().join(tasks).join(ID);
        fs::create_dir_all(&at).expect("the temporary directory can be written");
        fs::write(at.join("init.pid"), "1").expect("there is room");
        let host = HostRoot::at(dir.path());
        Box::new(move |input| {
            let _keep = &dir;
            fs::write(at.join("config.json"), input).expect("there is room");
            Bundles::new(&host, None, &asked()).poll(&mut |_| {});
        })
    },
};

/// `docker_path_config.json`, of either version.
pub const SAVED_MAP: Target = Target {
    name: "saved-map",
    seeds: || MAPS.iter().map(|text| text.as_bytes().to_vec()).collect(),
    make: || {
        let dir = tempfile::tempdir().expect("the temporary directory can be written");
        let disk = RealDisk;
        Box::new(move |input| {
            let path = dir.path().join("docker_path_config.json");
            fs::write(&path, input).expect("there is room");
            let _ = SavedMap::load(&disk, &path, &asked(), 0);
            // What was damaged is put aside each time.
            for entry in fs::read_dir(dir.path()).into_iter().flatten().flatten() {
                let _ = fs::remove_file(entry.path());
            }
        })
    },
};

const DOCKER: &str = r#"{"ID":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "Name":"/web","Created":"2026-11-28T10:00:00.1Z","Image":"sha256:1","LogPath":"/l/x-json.log",
    "Config":{"Env":["A=b","aliyun_logs_x=stdout"],"Labels":{"a":"b"},"Image":"web:1"},
    "State":{"Running":true,"Pid":7,"StartedAt":"2026-11-28T10:00:00Z","FinishedAt":"0001-01-01T00:00:00Z"},
    "MountPoints":{"/data":{"Source":"/v","Destination":"/data","RW":true,"Type":"bind"}},
    "HostConfig":{"LogConfig":{"Type":"json-file","Config":{}},"Tmpfs":{"/t":""}},
    "NetworkSettings":{"Networks":{"bridge":{"IPAddress":"172.17.0.2"}}}}"#;

const BUNDLE: &str = r#"{"ociVersion":"1.0.2","process":{"env":["A=b"]},"root":{"path":"rootfs"},
    "hostname":"web","mounts":[{"destination":"/data","type":"bind","source":"/v","options":["rbind"]}],
    "annotations":{"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.container-name":"web",
    "io.kubernetes.cri.sandbox-id":"s","io.kubernetes.cri.sandbox-name":"web-0",
    "io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-uid":"u",
    "io.kubernetes.cri.sandbox-log-directory":"/var/log/pods/shop_web-0_u"}}"#;

const MAPS: [&str; 3] = [
    r#"{"version":"1.0.0","detail":[{"config_name":"","container_id":"0123","params":
        "{\"ID\":\"0123\",\"Mounts\":[{\"Source\":\"/v\",\"Destination\":\"/data\"}],\"UpperDir\":\"/u\",\"LogPath\":\"/l\",\"MetaDatas\":[\"_container_name_\",\"web\"]}"}]}"#,
    r#"{"version":"1.0.0","detail":[{"irontail":{"id":"0123","name":"web","state":"running"}}]}"#,
    r#"{"version":"0.1.0","detail":[{"config_name":"c","container_id":"0123",
        "params":"{\"AllCmd\":false,\"ContainerIDList\":[\"0123\"],\"Path\":\"/p\"}"}]}"#,
];
