//! How Auto Scaling refuses.

use crate::wire::Refusal;

pub(super) fn invalid(message: String) -> Refusal {
    Refusal(400, "ValidationError", message)
}

pub(super) fn not_found(name: &str) -> Refusal {
    invalid(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}
