//! Which pod a Docker container belongs to: by the labels that the kubelet puts on it, else by
//! the name that it gives it. Pure.

use std::collections::BTreeMap;

use crate::K8s;

/// Labels of the kubelet (`k8s.io/kubelet/pkg/types`).
const NAMESPACE: &str = "io.kubernetes.pod.namespace";
const POD: &str = "io.kubernetes.pod.name";
const UID: &str = "io.kubernetes.pod.uid";
const CONTAINER: &str = "io.kubernetes.container.name";
/// What dockershim and cri-dockerd say a container is: `podsandbox` or `container`.
const DOCKER_TYPE: &str = "io.kubernetes.docker.type";
/// The container name by which they know a sandbox.
const SANDBOX_NAME: &str = "POD";

/// Whether a label says which pod a container belongs to.
pub(crate) fn is_label(name: &str) -> bool {
    [NAMESPACE, POD, UID, CONTAINER, DOCKER_TYPE].contains(&name)
}

/// The pod of a container with these labels and this Docker name.
pub(crate) fn pod_of(labels: &BTreeMap<String, String>, name: &str) -> Option<K8s> {
    from_labels(labels).or_else(|| from_name(name))
}

/// The pod, by the kubelet's labels. A sandbox also carries the pod's own labels: they are those
/// that are none of the kubelet's.
pub(crate) fn from_labels(labels: &BTreeMap<String, String>) -> Option<K8s> {
    let get = |key: &str| labels.get(key).cloned();
    let (pod, namespace) = (get(POD)?, get(NAMESPACE)?);
    let container = get(CONTAINER).unwrap_or_default();
    let kind = labels.get(DOCKER_TYPE).map(String::as_str);
    let sandbox = kind == Some("podsandbox") || container == SANDBOX_NAME;
    let own = |key: &String| !key.starts_with("io.kubernetes.") && !key.starts_with("annotation.");
    let pod_labels = || labels.clone().into_iter().filter(|(key, _)| own(key)).collect();
    Some(K8s {
        namespace,
        pod,
        uid: get(UID).unwrap_or_default(),
        container: if sandbox { String::new() } else { container },
        sandbox,
        labels: sandbox.then(pod_labels),
    })
}

/// The pod, by a Docker name `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>` (none of the
/// parts can hold an underscore).
pub(crate) fn from_name(name: &str) -> Option<K8s> {
    let parts: Vec<&str> = name.trim_start_matches('/').split('_').collect();
    let [prefix, container, pod, namespace, uid, _attempt] = parts[..] else { return None };
    if prefix != "k8s" {
        return None;
    }
    let sandbox = container == SANDBOX_NAME;
    Some(K8s {
        namespace: namespace.into(),
        pod: pod.into(),
        uid: uid.into(),
        container: if sandbox { String::new() } else { container.into() },
        sandbox,
        labels: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn names_by_table() {
        let pod = |container: &str, sandbox| K8s {
            namespace: "shop".into(),
            pod: "web-0".into(),
            uid: "u-1".into(),
            container: container.into(),
            sandbox,
            labels: None,
        };
        let cases = [
            ("/k8s_nginx_web-0_shop_u-1_3", Some(pod("nginx", false))),
            ("k8s_POD_web-0_shop_u-1_0", Some(pod("", true))),
            ("k8s_too_few_parts", None),
            ("k8s_a_b_c_d_e_f", None),
            ("app_nginx_web-0_shop_u-1_3", None),
            ("web", None),
        ];
        for (name, expected) in cases {
            assert_eq!(from_name(name), expected, "{name}");
        }
    }

    #[test]
    fn labels_name_the_pod_and_a_sandbox_carries_the_pod_labels() {
        let mut all = labels(&[
            (POD, "web-0"),
            (NAMESPACE, "shop"),
            (UID, "u-1"),
            (CONTAINER, "nginx"),
            (DOCKER_TYPE, "container"),
            ("tier", "front"),
            ("annotation.io.kubernetes.container.hash", "1"),
        ]);
        let found = from_labels(&all).unwrap();
        assert_eq!((found.container.as_str(), found.sandbox), ("nginx", false));
        assert_eq!(found.labels, None, "a container's own labels are not the pod's");

        all.insert(DOCKER_TYPE.into(), "podsandbox".into());
        all.insert(CONTAINER.into(), "POD".into());
        let found = from_labels(&all).unwrap();
        assert!(found.sandbox);
        assert_eq!(found.labels, Some(labels(&[("tier", "front")])));
    }

    #[test]
    fn labels_beat_the_name() {
        let all = labels(&[(POD, "a"), (NAMESPACE, "b")]);
        assert_eq!(pod_of(&all, "k8s_x_y_z_u_0").unwrap().pod, "a");
        assert_eq!(pod_of(&labels(&[]), "k8s_x_y_z_u_0").unwrap().pod, "y");
    }
}
