//! Attaching managed policies to groups, users and roles, and detaching them.

pub mod attaching;
pub mod attachments;
pub mod drift;
pub mod grants;
mod identities;
mod members;
mod plan;
mod reads;
mod room;
pub mod swap;
