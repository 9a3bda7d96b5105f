//! The subcommands, one file each.

pub(crate) mod abandon;
pub(crate) mod approve;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod contract;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod package;
pub(crate) mod plan;
pub(crate) mod prices;
pub(crate) mod rearm;
pub(crate) mod reconcile;
pub(crate) mod remove;
pub(crate) mod rollback;
pub(crate) mod simulate;
pub(crate) mod status;
