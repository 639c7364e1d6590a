//! What a container's records are tagged with, under LoongCollector's names. Pure.
//!
//! The parameter `Tags` renames a tag (`ContainerNameTagKey: name`), removes it (`""`) or leaves
//! it (`__default__`). A tag without a value is left out: a container of no pod has no
//! `_pod_name_`, one in the host's network no `_container_ip_`.

use std::collections::BTreeMap;

use crate::Container;

/// The value in `Tags` that stands for a tag's default name.
const DEFAULT: &str = "__default__";

/// Key in `Tags`, default name of the tag (`core/constants/TagConstants.cpp`), in the order in
/// which tags are written.
const TAGS: [(&str, &str); 6] = [
    (NAMESPACE, "_namespace_"),
    (POD, "_pod_name_"),
    (UID, "_pod_uid_"),
    (CONTAINER, "_container_name_"),
    (IP, "_container_ip_"),
    (IMAGE, "_image_name_"),
];
const NAMESPACE: &str = "K8sNamespaceTagKey";
const POD: &str = "K8sPodNameTagKey";
const UID: &str = "K8sPodUidTagKey";
const CONTAINER: &str = "ContainerNameTagKey";
const IP: &str = "ContainerIpTagKey";
const IMAGE: &str = "ContainerImageNameTagKey";
/// What LoongCollector's manual calls the last one.
const IMAGE_IN_MANUAL: &str = "ContainerImageTagKey";

/// A pipeline's wishes about tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagRules {
    /// `Tags`: key of the tag to its name. Keys of other tags are passed over.
    pub names: BTreeMap<String, String>,
    /// `ExternalEnvTag`: environment variable to tag.
    pub external_env: BTreeMap<String, String>,
    /// `ExternalK8sLabelTag`: pod label to tag.
    pub external_k8s_label: BTreeMap<String, String>,
}

impl TagRules {
    /// Whether `key` of the parameter `Tags` is one of a container's.
    pub fn is_key(key: &str) -> bool {
        key == IMAGE_IN_MANUAL || TAGS.iter().any(|(known, _)| *known == key)
    }

    /// The tags of a container as (name, value): its own, then those of its environment, then
    /// those of its pod's labels.
    pub fn tags(&self, container: &Container) -> Vec<(String, String)> {
        let mut tags = Vec::new();
        let mut add = |name: &str, value: &str| {
            if !name.is_empty() && !value.is_empty() {
                tags.push((name.to_string(), value.to_string()));
            }
        };
        for (key, default) in TAGS {
            add(self.name_of(key, default), value_of(key, container));
        }
        let pod_labels = container.k8s.as_ref().and_then(|k8s| k8s.labels.as_ref());
        for (rules, values) in
            [(&self.external_env, container.env.as_ref()), (&self.external_k8s_label, pod_labels)]
        {
            for (key, name) in rules {
                add(name, values.and_then(|values| values.get(key)).map_or("", String::as_str));
            }
        }
        tags
    }

    fn name_of<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        let in_manual = || (key == IMAGE).then(|| self.names.get(IMAGE_IN_MANUAL)).flatten();
        match self.names.get(key).or_else(in_manual).map(String::as_str) {
            None | Some(DEFAULT) => default,
            Some(name) => name,
        }
    }
}

fn value_of<'a>(key: &str, container: &'a Container) -> &'a str {
    let k8s = container.k8s.as_ref();
    match key {
        NAMESPACE => k8s.map_or("", |k8s| &k8s.namespace),
        POD => k8s.map_or("", |k8s| &k8s.pod),
        UID => k8s.map_or("", |k8s| &k8s.uid),
        // In a pod the name that the pod gives it, not the long one that Docker shows.
        CONTAINER => match k8s.map(|k8s| k8s.container.as_str()) {
            None | Some("") => &container.name,
            Some(name) => name,
        },
        IP => &container.ip,
        _ => &container.image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::K8s;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn container() -> Container {
        Container {
            name: "k8s_nginx_web-0_shop_u-1_0".into(),
            image: "nginx:1".into(),
            ip: "172.17.0.2".into(),
            env: Some(map(&[("TIER", "front"), ("SECRET", "x")])),
            k8s: Some(K8s {
                namespace: "shop".into(),
                pod: "web-0".into(),
                uid: "u-1".into(),
                container: "nginx".into(),
                sandbox: false,
                labels: Some(map(&[("team", "a")])),
            }),
            ..Container::default()
        }
    }

    fn tags(rules: &TagRules, container: &Container) -> Vec<String> {
        rules.tags(container).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn defaults_by_table() {
        let rules = TagRules::default();
        let expected = [
            "_namespace_=shop",
            "_pod_name_=web-0",
            "_pod_uid_=u-1",
            "_container_name_=nginx",
            "_container_ip_=172.17.0.2",
            "_image_name_=nginx:1",
        ];
        assert_eq!(tags(&rules, &container()), expected);
        let plain = Container { k8s: None, name: "web".into(), ip: String::new(), ..container() };
        assert_eq!(tags(&rules, &plain), ["_container_name_=web", "_image_name_=nginx:1"]);
    }

    #[test]
    fn tags_are_renamed_removed_and_added() {
        let rules = TagRules {
            names: map(&[
                ("K8sPodUidTagKey", ""),
                ("K8sPodNameTagKey", "pod"),
                ("K8sNamespaceTagKey", "__default__"),
                ("ContainerImageTagKey", "image"),
                ("ContainerIpTagKey", ""),
                ("FilePathTagKey", "path"),
            ]),
            external_env: map(&[("TIER", "tier"), ("MISSING", "missing")]),
            external_k8s_label: map(&[("team", "team"), ("none", "none")]),
        };
        let expected = [
            "_namespace_=shop",
            "pod=web-0",
            "_container_name_=nginx",
            "image=nginx:1",
            "tier=front",
            "team=a",
        ];
        assert_eq!(tags(&rules, &container()), expected);
        assert!(TagRules::is_key("ContainerIpTagKey") && !TagRules::is_key("FilePathTagKey"));
    }
}
