//! The saved map `docker_path_config.json`: which containers there were and where on the host
//! their files are, so that an agent that starts knows it before it asks anybody, and after the
//! engine has forgotten.
//!
//! The shape is iLogtail's, version 1.0.0, so that either agent reads what the other wrote; what
//! it has no place for is in an `irontail` object of each container. Version 0.1.0 is read too.
//! Saved as a whole through `disk` (temporary file, sync, rename), mode 0600: a crash leaves the
//! old map or the new one. Of environments and labels only what a filter or a tag names is
//! saved, and the variables that ask for pipelines: secrets stay out. A damaged file is kept beside and
//! said; the map is then empty.
//! Not here: the shapes (`v1.rs`), when to save (the agent: on every add and remove).

use std::path::{Path, PathBuf};

use disk::Disk;

use crate::saved::contents::SavedMap;
use crate::saved::v1::{self, Shape};
use crate::{AskedNames, Container, Error};

/// Only the agent's user reads it: it names what runs on the machine.
const MODE: u32 = 0o600;

impl SavedMap {
    /// Reads the map at `path`; none there is an empty one. `asked` is what filters and tags name
    /// now: where its variables are not all among those of the saving agent, the environments count
    /// as unknown until a runtime tells them, and so with labels. `now_unix` (seconds) goes into the name of a damaged file.
    ///
    /// Errors: [`Error::Read`] where the file is there and cannot be read, [`Error::Newer`]
    /// where a later agent wrote it.
    pub fn load(
        disk: &dyn Disk,
        path: &Path,
        asked: &AskedNames,
        now_unix: i64,
    ) -> Result<SavedMap, Error> {
        let content = match disk.read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(SavedMap::default());
            }
            Err(source) => return Err(Error::Read { path: path.into(), source }),
        };
        match v1::parse(&content, asked) {
            Ok(Shape::Map(map)) => Ok(map),
            Ok(Shape::Newer(version)) => Err(Error::Newer { path: path.into(), version }),
            Err(reason) => {
                let kept = quarantine(disk, path, now_unix)?;
                let note = format!(
                    "{} is damaged ({reason}); it is kept as {} and the map begins empty: \
                     containers that no runtime tells of any more are not known",
                    path.display(),
                    kept.display()
                );
                Ok(SavedMap { notes: vec![note], ..SavedMap::default() })
            }
        }
    }

    /// Saves `containers` at `path`; of their environments and labels only what is `asked` for.
    ///
    /// Errors: [`Error::Save`]; the old map is then still there.
    pub fn save<'a>(
        disk: &dyn Disk,
        path: &Path,
        containers: impl Iterator<Item = &'a Container>,
        asked: &AskedNames,
    ) -> Result<(), Error> {
        let content = v1::render(containers, asked);
        disk.replace(path, MODE, &mut |file| file.write_all(&content))
            .map_err(|source| Error::Save { path: path.into(), source })
    }
}

/// Moves a damaged file out of the way under a name that is not taken.
fn quarantine(disk: &dyn Disk, path: &Path, now_unix: i64) -> Result<PathBuf, Error> {
    let failed = |source| Error::Save { path: path.into(), source };
    let mut name = path.as_os_str().to_os_string();
    name.push(format!(".corrupt-{now_unix}"));
    let mut kept = PathBuf::from(name);
    while disk.stat(&kept).map_err(failed)?.is_some() {
        kept.as_mut_os_string().push("+");
    }
    disk.rename(path, &kept).map_err(failed)?;
    if let Some(dir) = path.parent() {
        disk.sync_dir(dir).map_err(failed)?;
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{K8s, LogDriver, Mount, MountKind, Source, State};
    use disk::{Fault, RealDisk, SimDisk};
    use std::collections::{BTreeMap, BTreeSet};

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    /// These variables, and the label of pods `team`.
    fn asked(env: &[&str]) -> AskedNames {
        let pod_labels = names(&["team"]);
        AskedNames { env: names(env), pod_labels, ..AskedNames::default() }
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn pod() -> Container {
        Container {
            id: "a".repeat(64),
            name: "web".into(),
            image: "nginx:1".into(),
            env: Some(map(&[
                ("TIER", "front"),
                ("PASSWORD", "hunter2"),
                ("aliyun_logs_a", "stdout"),
            ])),
            labels: None,
            k8s: Some(K8s {
                namespace: "shop".into(),
                pod: "web-0".into(),
                uid: "u-1".into(),
                container: "web".into(),
                sandbox: false,
                labels: Some(map(&[("team", "a")])),
            }),
            mounts: vec![
                Mount { source: "/srv".into(), destination: "/data".into(), kind: MountKind::Bind },
                Mount {
                    source: "/vols/v".into(),
                    destination: "/vol".into(),
                    kind: MountKind::Volume,
                },
            ],
            tmpfs: vec!["/dev/shm".into()],
            upper_dir: Some("/upper".into()),
            lower_dirs: vec!["/lower".into()],
            root_dir: Some("/root".into()),
            log_path: Some("/var/log/pods/shop_web-0_u-1/web/0.log".into()),
            log_driver: LogDriver::Cri,
            pid: Some(42),
            ip: "10.0.0.2".into(),
            state: State::Exited,
            created: "2026-11-22T15:58:53Z".into(),
            source: Source::Bundles,
        }
    }

    fn load(disk: &dyn Disk, path: &Path, env: &[&str]) -> Result<SavedMap, Error> {
        SavedMap::load(disk, path, &asked(env), 1_795_363_133)
    }

    #[test]
    fn what_is_saved_comes_back_but_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker_path_config.json");
        assert_eq!(load(&RealDisk, &path, &[]).unwrap(), SavedMap::default());
        let plain = Container { k8s: None, pid: None, env: None, ..pod() };
        let all = [pod(), plain.clone()];
        SavedMap::save(&RealDisk, &path, all.iter(), &asked(&["TIER", "OTHER"])).unwrap();

        let mut expected = pod();
        expected.env = Some(map(&[("TIER", "front"), ("aliyun_logs_a", "stdout")]));
        assert_eq!(load(&RealDisk, &path, &["TIER"]).unwrap().containers, [expected, plain]);
        // Asked for what was not saved, the environment is unknown, not empty.
        let asked = load(&RealDisk, &path, &["TIER", "NEW"]).unwrap();
        assert_eq!(asked.containers[0].env, None);

        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("PASSWORD"), "{text}");
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn labels_that_were_not_asked_for_are_unknown_once_they_are() {
        let disk = SimDisk::new(1);
        let path = write(&disk, b"{}");
        let labels = Some(map(&[("app", "web"), ("other", "x")]));
        let saved = Container { labels, ..pod() };
        let app = AskedNames { labels: names(&["app"]), ..asked(&[]) };
        SavedMap::save(&disk, &path, [saved].iter(), &app).unwrap();
        let text = String::from_utf8(disk.read(&path).unwrap()).unwrap();
        assert!(!text.contains("other"), "{text}");
        let load = |now: &AskedNames| {
            let mut containers = SavedMap::load(&disk, &path, now, 1).unwrap().containers;
            let found = containers.remove(0);
            (found.env, found.labels, found.k8s.unwrap().labels)
        };
        let env = Some(map(&[("aliyun_logs_a", "stdout")]));
        let (labels, of_pod) = (Some(map(&[("app", "web")])), Some(map(&[("team", "a")])));
        assert_eq!(load(&app), (env.clone(), labels.clone(), of_pod.clone()));
        let more = AskedNames { labels: names(&["app", "new"]), ..asked(&[]) };
        assert_eq!(load(&more), (env.clone(), None, of_pod.clone()), "unknown, not empty");
        let more = AskedNames { pod_labels: names(&["team", "new"]), ..app.clone() };
        assert_eq!(load(&more), (env.clone(), labels.clone(), None), "unknown, not empty");
        let less = AskedNames { labels: names(&["app"]), ..AskedNames::default() };
        assert_eq!(load(&less), (env, labels, Some(map(&[]))));
        // A map of before these lists has all labels.
        let old = text.replace("\"label_names\"", "\"a\"").replace("\"pod_label_names\"", "\"b\"");
        let path = write(&disk, old.as_bytes());
        let found = SavedMap::load(&disk, &path, &more, 1).unwrap().containers.remove(0);
        assert_eq!(found.k8s.unwrap().labels, of_pod);
    }

    #[test]
    fn the_map_of_ilogtail_is_read() {
        let disk = SimDisk::new(1);
        let path = write(&disk, include_bytes!("../../tests/data/ilogtail_3.2_docker_path.json"));
        let map = load(&disk, &path, &["TIER"]).unwrap();
        let [web, pod] = &map.containers[..] else { panic!("two containers: {map:?}") };
        assert_eq!((web.name.as_str(), web.image.as_str()), ("web", "nginx:1"));
        assert_eq!((web.source, &web.log_driver), (Source::Docker, &LogDriver::JsonFile));
        assert_eq!(web.k8s, None);
        assert_eq!(web.upper_dir, Some("/var/lib/docker/overlay2/h/diff".into()));
        assert_eq!(web.env.as_ref().unwrap()["TIER"], "front");
        assert_eq!(web.mounts[0].destination, "/data");
        let k8s = pod.k8s.as_ref().unwrap();
        assert_eq!((k8s.pod.as_str(), k8s.uid.as_str(), k8s.sandbox), ("web-0", "u-1", false));
        assert_eq!(k8s.labels, Some(self::map(&[("team", "a")])));
        assert_eq!((pod.state, pod.source), (State::Exited, Source::Bundles));
    }

    #[test]
    fn the_maps_of_ilogtail_before_3_2_are_read() {
        let disk = SimDisk::new(1);
        let path = write(&disk, include_bytes!("../../tests/data/ilogtail_1.x_docker_path.json"));
        let map = load(&disk, &path, &[]).unwrap();
        assert_eq!(map.containers.len(), 2, "rows of one container are one container");
        let by_tags = &map.containers[0];
        assert_eq!((by_tags.name.as_str(), by_tags.image.as_str()), ("web", "nginx:1"));
        assert_eq!(by_tags.upper_dir, None);
        let by_meta = &map.containers[1];
        assert_eq!(by_meta.upper_dir, Some("/var/lib/docker/overlay2/h/diff".into()));
        assert_eq!(by_meta.k8s.as_ref().unwrap().namespace, "shop");
        assert_eq!(by_meta.mounts[0].source, Path::new("/srv/data"));
        let first = &map.base_dirs[0];
        assert_eq!(first.config, "##1.0##proj$nginx");
        assert_eq!(first.path, Path::new("/var/lib/docker/overlay2/h/diff/root/log"));
        assert_eq!(map.base_dirs.len(), 3);
        assert_eq!(map.notes.len(), 1, "the damaged row is said: {:?}", map.notes);
    }

    fn write(disk: &SimDisk, content: &[u8]) -> PathBuf {
        let path = PathBuf::from("/state/docker_path_config.json");
        disk.create_dir_all(Path::new("/state")).unwrap();
        disk.replace(&path, MODE, &mut |file| file.write_all(content)).unwrap();
        path
    }

    #[test]
    fn a_damaged_map_is_set_aside_and_logged() {
        let damaged: [&[u8]; 6] = [
            b"",
            b"{",
            b"[]",
            b"\0\0\0\0",
            b"{\"Containers\":3}",
            b"{\"version\":\"0.1.0\",\"detail\":1}",
        ];
        for content in damaged {
            let disk = SimDisk::new(1);
            let path = write(&disk, content);
            // A name that is taken is not lost either.
            let taken = PathBuf::from("/state/docker_path_config.json.corrupt-1795363133");
            disk.replace(&taken, MODE, &mut |file| file.write_all(b"older")).unwrap();
            let map = load(&disk, &path, &[]).unwrap();
            assert!(map.containers.is_empty());
            assert!(map.notes[0].contains(".corrupt-1795363133+"), "{:?}", map.notes);
            assert_eq!(disk.stat(&path).unwrap(), None);
            assert_eq!(disk.read(&taken).unwrap(), b"older");
            let kept = PathBuf::from("/state/docker_path_config.json.corrupt-1795363133+");
            assert_eq!(disk.read(&kept).unwrap(), content);
            for seed in 0..10 {
                let after = disk.after_power_loss(seed);
                assert!(
                    after.stat(&kept).unwrap().is_some() && after.stat(&path).unwrap().is_none()
                );
            }
        }
    }

    #[test]
    fn no_flipped_byte_makes_it_panic() {
        let content = include_bytes!("../../tests/data/ilogtail_3.2_docker_path.json");
        for at in 0..content.len() {
            let mut flipped = content.to_vec();
            flipped[at] ^= 1 << (at % 8);
            let disk = SimDisk::new(1);
            let path = write(&disk, &flipped);
            match load(&disk, &path, &[]) {
                Ok(_) => {}
                Err(error) => assert!(matches!(error, Error::Newer { .. }), "{error}"),
            }
        }
    }

    #[test]
    fn a_newer_map_is_refused() {
        let disk = SimDisk::new(1);
        let path = write(&disk, b"{\"version\":\"2.0.0\",\"Containers\":[]}");
        let error = load(&disk, &path, &[]).unwrap_err();
        assert!(matches!(error, Error::Newer { .. }) && !error.is_transient());
        assert!(error.to_string().contains("run the newer agent"), "{error}");
        assert!(disk.stat(&path).unwrap().is_some(), "it is left alone");
    }

    #[test]
    fn a_map_that_cannot_be_written_or_read_is_an_error() {
        let disk = SimDisk::new(1);
        let path = write(&disk, b"{}");
        let next = disk.operations() + 1;
        disk.fail_at(next, Fault::Full, 100);
        let error = SavedMap::save(&disk, &path, [pod()].iter(), &asked(&[])).unwrap_err();
        assert!(matches!(error, Error::Save { .. }) && error.is_transient(), "{error}");
        disk.heal();
        assert_eq!(disk.read(&path).unwrap(), b"{}", "the old map is still there");

        let dir = tempfile::tempdir().unwrap();
        let error = load(&RealDisk, dir.path(), &[]).unwrap_err();
        assert!(matches!(error, Error::Read { .. }), "{error}");
    }

    #[test]
    fn a_crash_at_any_step_leaves_the_old_map_or_the_new_one() {
        let old = [Container { name: "old".into(), ..pod() }];
        let new = [Container { name: "new".into(), ..pod() }];
        let save = |disk: &SimDisk, path: &Path, all: &[Container]| {
            SavedMap::save(disk, path, all.iter(), &asked(&[]))
        };
        let (mut crashes, mut found) = (0, BTreeSet::new());
        for at in 1.. {
            let disk = SimDisk::new(at);
            let path = write(&disk, b"{}");
            save(&disk, &path, &old).unwrap();
            disk.crash_at(disk.operations() + at);
            let is_saved = save(&disk, &path, &new).is_ok();
            for after in [disk.after_kill(), disk.after_power_loss(at)] {
                let map = load(&after, &path, &[]).unwrap();
                assert_eq!(map.notes, [""; 0], "never damaged");
                let name = map.containers[0].name.clone();
                assert!(!is_saved || name == "new");
                found.insert(name);
            }
            if is_saved {
                break;
            }
            crashes += 1;
        }
        println!("{crashes} crash points");
        assert!(crashes >= 4);
        assert_eq!(found, names(&["new", "old"]));
    }
}
