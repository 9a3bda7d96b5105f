//! The principals that no guardrail may lock out: the operators, the stack's own roles, the last administrators, and the deployer.

pub(super) mod administrators;
pub mod of_stack;
pub mod protected;
pub mod shut_out;
pub mod trust;
