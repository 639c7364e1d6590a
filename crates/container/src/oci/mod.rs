//! containerd and CRI-O without their API: OCI bundles and the log directories of pods.

pub(crate) mod bundles;
pub(crate) mod pod_logs;
pub(crate) mod shape;
