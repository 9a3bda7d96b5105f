//! The Deny policies that the stack has of its own.

pub mod own_policy;
mod patterns;
