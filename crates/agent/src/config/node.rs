//! What the agent knows of its machine: the node's name, the boot, the wall clock.

use std::path::Path;

pub use delivery::unix_nanos;

/// The name that goes into the records: the setting, else the host's own name, which in a
/// container is the mounted host's. Never the pod's: a resend from a new pod must be the same.
pub fn name(setting: Option<&str>) -> String {
    let host_files = ["/logtail_host/etc/hostname", "/etc/hostname", "/proc/sys/kernel/hostname"];
    setting
        .map(str::to_owned)
        .into_iter()
        .chain(host_files.iter().filter_map(|path| first_line(Path::new(path))))
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// The kernel's id of this boot (`/proc/sys/kernel/random/boot_id`); empty where it is not told.
pub fn boot_id() -> String {
    first_line(Path::new("/proc/sys/kernel/random/boot_id")).unwrap_or_default()
}

fn first_line(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_setting_beats_the_machine() {
        assert_eq!(super::name(Some("node-7")), "node-7");
        assert!(!super::name(None).is_empty());
    }
}
