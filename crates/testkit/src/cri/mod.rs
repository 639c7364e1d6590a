//! Pods on a real containerd of the test's own: its container runtime interface (CRI), driven as
//! a kubelet drives it, beside whatever else runs on the machine.

mod containerd;
mod plan;
mod pod;
mod runtime;

pub use containerd::Containerd;
pub use plan::PodPlan;
pub use pod::{Pod, PodContainer, PodContainerPlan};
pub use runtime::{ContainerState, ContainerStatus, Executed};
