//! The names under which a record says where it comes from (`Tags`).
//! An empty name leaves the tag out; `__default__` stands for the default name.

use crate::section::Section;

/// Stands for the default name of a tag or field.
pub(crate) const DEFAULT_NAME: &str = "__default__";

/// Names of the tags of a file's records, without `__tag__:`; `None`: the tag is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagNames {
    /// The file's path.
    pub path: Option<String>,
    /// The file's inode.
    pub inode: Option<String>,
    /// The Kubernetes namespace.
    pub namespace: Option<String>,
    /// The pod's name.
    pub pod_name: Option<String>,
    /// The pod's uid.
    pub pod_uid: Option<String>,
    /// The container's name.
    pub container_name: Option<String>,
    /// The container's address.
    pub container_ip: Option<String>,
    /// The container's image.
    pub image_name: Option<String>,
}

/// What the records of an input come from, which decides the tags that they have by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) file: bool,
    pub(crate) container: bool,
}

impl TagNames {
    /// Reads `Tags` of an input.
    pub(crate) fn read(input: &Section<'_>, source: Source) -> TagNames {
        let section = input.section("Tags");
        let name = |key: &'static str, applies: bool, by_default: bool, default: &str| {
            let text = section.as_ref().and_then(|section| section.text(key));
            if text.is_some_and(|text| !applies && !text.is_empty()) {
                let at = section.as_ref().map_or(String::new(), |section| section.key(key));
                input.report().wrong(at, "names a tag that this input does not have: remove it");
            }
            renamed(text, (applies && by_default).then_some(default), default)
        };
        let Source { file, container } = source;
        let image = match &section {
            Some(section) if section.has("ContainerImageTagKey") => "ContainerImageTagKey",
            _ => "ContainerImageNameTagKey",
        };
        let tags = TagNames {
            path: name("FilePathTagKey", file, true, "__path__"),
            inode: name("FileInodeTagKey", file, false, "__inode__"),
            namespace: name("K8sNamespaceTagKey", container, true, "_namespace_"),
            pod_name: name("K8sPodNameTagKey", container, true, "_pod_name_"),
            pod_uid: name("K8sPodUidTagKey", container, true, "_pod_uid_"),
            container_name: name("ContainerNameTagKey", container, true, "_container_name_"),
            container_ip: name("ContainerIpTagKey", container, true, "_container_ip_"),
            image_name: name(image, container, true, "_image_name_"),
        };
        if let Some(section) = section {
            section.finish();
        }
        tags
    }

    /// All names that are in use.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &String> {
        self.by_kind().into_iter().flatten()
    }

    /// All names in a fixed order.
    pub(crate) fn by_kind(&self) -> [&Option<String>; 8] {
        let TagNames {
            path,
            inode,
            namespace,
            pod_name,
            pod_uid,
            container_name,
            container_ip,
            image_name,
        } = self;
        [path, inode, namespace, pod_name, pod_uid, container_name, container_ip, image_name]
    }
}

/// The name that `text` gives: absent means `absent`, empty means none, `__default__` means
/// `default`.
pub(crate) fn renamed(text: Option<&str>, absent: Option<&str>, default: &str) -> Option<String> {
    match text {
        None => absent.map(str::to_owned),
        Some("") => None,
        Some(DEFAULT_NAME) => Some(default.to_owned()),
        Some(name) => Some(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_by_table() {
        let some = |text: &str| Some(text.to_owned());
        for (text, absent, expected) in [
            (None, Some("d"), some("d")),
            (None, None, None),
            (Some(""), Some("d"), None),
            (Some("__default__"), None, some("d")),
            (Some("x"), Some("d"), some("x")),
        ] {
            assert_eq!(renamed(text, absent, "d"), expected, "{text:?}");
        }
    }
}
