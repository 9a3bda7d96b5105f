//! Whom no guardrail may lock out: the operators, the stack's own roles, the last administrators, and who deploys.

pub(super) mod administrators;
pub mod of_stack;
pub mod protected;
pub mod shut_out;
pub mod trust;
