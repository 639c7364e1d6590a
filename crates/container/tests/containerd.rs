//! A real containerd of our own beside Docker's: bundles, overlay mounts, a process' memory.
#![allow(clippy::unwrap_used)] // a test says by panicking that it failed
#![allow(clippy::disallowed_methods)] // the test is the user of containerd

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use container::{
    AskedNames, Bundles, Change, Container, ContainerRoot, HostRoot, Inventory, Source, State,
};
use tempfile::TempDir;

/// A containerd with its own root, state and socket; it and its containers end with the test.
struct Containerd {
    dir: TempDir,
    process: Child,
    tasks: Vec<String>,
}

const NAMESPACE: &str = "k8s.io";

impl Containerd {
    /// `None`, said loudly, where it is not installed. Then failing where it is required.
    fn start(test: &str) -> Option<Containerd> {
        let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !has("containerd") || !has("ctr") || !Path::new("/bin/busybox").exists() {
            assert!(std::env::var_os("IRONTAIL_REQUIRE").is_none(), "{test}: no containerd");
            eprintln!("\n*** SKIPPED {test}: no containerd, ctr or /bin/busybox ***\n");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = \
             [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
            at("root"),
            at("state"),
            at("socket"),
        );
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        let process = Command::new("containerd")
            .args(["--config", &at("config.toml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let containerd = Containerd { dir, process, tasks: Vec::new() };
        containerd.make_root_file_system();
        let started = Instant::now();
        while !containerd.ctr(&["version"]).is_some_and(|text| text.contains("Server")) {
            assert!(started.elapsed() < Duration::from_secs(30), "containerd does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(containerd)
    }

    fn make_root_file_system(&self) {
        let bin = self.dir.path().join("image/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        for applet in ["sh", "sleep", "mkdir"] {
            std::os::unix::fs::symlink("busybox", bin.join(applet)).unwrap();
        }
        std::os::unix::fs::symlink("/work/log", self.dir.path().join("image/baked")).unwrap();
    }

    fn ctr(&self, args: &[&str]) -> Option<String> {
        let socket = self.dir.path().join("socket");
        let out = Command::new("ctr")
            .args(["--address", socket.to_str().unwrap(), "--namespace", NAMESPACE])
            .args(args)
            .output()
            .unwrap();
        out.status.success().then(|| String::from_utf8(out.stdout).unwrap())
    }

    /// Runs a shell command on a root file system that is an overlay, as a snapshotter makes it.
    fn run(&mut self, id: &str, options: &[&str], command: &str) {
        let image = self.import();
        let args = [
            &["run", "--detach", "--snapshotter", "overlayfs"],
            options,
            &[image.as_str(), id, "/bin/sh", "-c", command],
        ];
        self.tasks.push(id.into());
        self.ctr(&args.concat()).expect("ctr run");
    }

    /// The root file system as an image in the OCI layout, imported by ctr.
    fn import(&self) -> String {
        let at = |name: &str| self.dir.path().join(name);
        let sh = |script: &str| {
            let status = Command::new("sh").args(["-ec", script]).current_dir(at(".")).status();
            assert!(status.unwrap().success(), "{script}");
        };
        // One layer, its configuration, its manifest, their index.
        sh("mkdir -p oci/blobs/sha256; tar -C image --owner=0 --group=0 -cf layer .");
        let put = |content: &Path| {
            let out = Command::new("sha256sum").arg(content).output().unwrap();
            let digest = String::from_utf8(out.stdout).unwrap()[..64].to_string();
            std::fs::copy(content, at("oci/blobs/sha256").join(&digest)).unwrap();
            (format!("sha256:{digest}"), std::fs::metadata(content).unwrap().len())
        };
        let (layer, layer_len) = put(&at("layer"));
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"Env":["PATH=/bin"]}},
                "rootfs":{{"type":"layers","diff_ids":["{layer}"]}}}}"#
        );
        std::fs::write(at("config"), config).unwrap();
        let (config, config_len) = put(&at("config"));
        let image = "application/vnd.oci.image";
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{image}.manifest.v1+json",
                "config":{{"mediaType":"{image}.config.v1+json","digest":"{config}",
                           "size":{config_len}}},
                "layers":[{{"mediaType":"{image}.layer.v1.tar","digest":"{layer}",
                            "size":{layer_len}}}]}}"#
        );
        std::fs::write(at("manifest"), manifest).unwrap();
        let (manifest, manifest_len) = put(&at("manifest"));
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{image}.manifest.v1+json",
                "digest":"{manifest}","size":{manifest_len},
                "annotations":{{"io.containerd.image.name":"irontail.test/busybox:1"}}}}]}}"#
        );
        std::fs::write(at("oci/index.json"), index).unwrap();
        std::fs::write(at("oci/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        sh("tar -C oci -cf oci.tar .");
        let tar = at("oci.tar").display().to_string();
        self.ctr(&["images", "import", "--all-platforms", "--snapshotter", "overlayfs", &tar])
            .expect("ctr images import");
        "irontail.test/busybox:1".into()
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for id in &self.tasks {
            self.ctr(&["tasks", "kill", "--signal", "9", id]);
            for _ in 0..50 {
                if self.ctr(&["tasks", "delete", id]).is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            self.ctr(&["containers", "delete", id]);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read(root: &ContainerRoot, path: &str) -> Option<String> {
    let mut text = String::new();
    root.open(Path::new(path)).ok()?.file.read_to_string(&mut text).unwrap();
    Some(text)
}

#[test]
fn a_container_of_containerd_is_found_and_its_files_are_opened() {
    let Some(mut containerd) = Containerd::start("a container of containerd") else { return };
    let bind = tempfile::tempdir().unwrap();
    let mount = format!("type=bind,src={},dst=/bind,options=rbind:rw", bind.path().display());
    let command = "mkdir -p /work/log; echo root > /work/log/1.log; echo bind > /bind/a.log; \
                   echo memory > /dev/shm/a.log; echo > /work/ready; sleep 1000";
    let options = ["--env", "TIER=front", "--mount", &mount];
    containerd.run("irontail-test", &options, command);

    let host = HostRoot::at("/");
    let asked = AskedNames { env: ["TIER".to_string()].into(), ..AskedNames::default() };
    let mut bundles = Bundles::new(&host, Some(&containerd.state()), &Arc::new(asked));
    let mut inventory = Inventory::new();
    let mut poll = || {
        let mut changes = Vec::new();
        bundles.poll(&mut |observation| changes.extend(inventory.apply(&observation)));
        changes.retain(|change| {
            let (Change::Added(c) | Change::Updated(c) | Change::Stopped(c) | Change::Removed(c)) =
                change;
            c.id == "irontail-test"
        });
        (changes, inventory.get("irontail-test").cloned())
    };
    let started = Instant::now();
    let container = loop {
        let ready = |container: &Container| {
            read(&ContainerRoot::new(&host, container), "/work/ready").is_some()
        };
        if let Some(container) = poll().1.filter(ready) {
            break container;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "the container does not get ready");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((container.source, container.state), (Source::Bundles, State::Running));
    assert_eq!(container.env.as_ref().unwrap()["TIER"], "front");
    let upper = container.upper_dir.clone().expect("the overlay mount tells it");
    assert!(upper.starts_with(containerd.dir.path().join("root")), "{}", upper.display());
    assert_eq!(container.lower_dirs.len(), 1);

    let root = ContainerRoot::new(&host, &container);
    let files = [
        ("/work/log/1.log", "root\n"),
        ("/baked/1.log", "root\n"),
        ("/bind/a.log", "bind\n"),
        ("/dev/shm/a.log", "memory\n"),
    ];
    for (path, content) in files {
        assert_eq!(read(&root, path).as_deref(), Some(content), "{path}");
    }
    // By the process alone, where the agent sees no mounts of the host.
    let by_process = Container { upper_dir: None, root_dir: None, ..container.clone() };
    let error = ContainerRoot::new(&host, &by_process).open(Path::new("/work/log/1.log"));
    assert!(matches!(error, Err(container::Error::Unmapped { .. })), "{error:?}");

    assert!(poll().0.is_empty(), "nothing changed");
    drop(containerd);
    let (changes, left) = poll();
    assert!(matches!(&changes[..], [Change::Removed(_)]), "{changes:?}");
    assert_eq!(left, None);
}
