//! The parts that the actions on people's rights share: managed policies of groups, users and roles, and the principals that they
//! must not touch.

pub mod attach;
pub mod aws_policies;
pub mod deny_policy;
pub mod lockout;
pub mod names;

pub use self::attach::{attaching, attachments, drift, grants, swap};
pub use self::deny_policy::own_policy;
pub use self::lockout::{of_stack, protected, shut_out, trust};
