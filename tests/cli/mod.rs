//! What `crates/cli` says and takes, where it needs no AWS.

mod command;
