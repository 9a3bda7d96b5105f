//! What the actions that restrict people share: managed policies of groups, users and roles, and whom they must not touch.

mod administrators;
pub mod attaching;
pub mod attachments;
pub mod grants;
pub mod names;
pub mod of_stack;
pub mod own_policy;
mod patterns;
pub mod protected;
pub mod shut_out;
pub mod swap;
pub mod trust;
