//! Attaching managed policies to groups, users and roles, and detaching them.

pub mod attaching;
pub mod attachments;
pub mod drift;
pub mod grants;
pub mod swap;
