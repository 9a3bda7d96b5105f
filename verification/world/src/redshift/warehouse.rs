//! A cluster and a scheduled action, as a test describes them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Key;
use crate::place::HOME;

/// A cluster.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, as Redshift tells them")]
pub struct Warehouse {
    /// Its name, which may be given again once it is deleted.
    pub name: String,
    /// Its Region.
    pub region: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Redshift's own id of it: the end of its namespace's ARN.
    pub namespace: String,
    /// The type of its nodes.
    pub node_type: &'static str,
    /// How many it has.
    pub nodes: i32,
    /// How many of its tables no snapshot holds: they are gone when it is paused, unless its nodes back up every table.
    pub without_backup: usize,
    /// Is it in two zones?
    pub multi_az: bool,
    /// Are its keys in a hardware security module?
    pub hsm: bool,
    /// Days for which automated snapshots are kept; 0 when there are none.
    pub retention: i32,
    /// Snapshots of it: when they were begun, and their status.
    pub snapshots: Vec<(Timestamp, &'static str)>,
    /// Does Redshift say that it does not support a pause, for a reason that it shows nowhere?
    pub unsupported: bool,
    /// Its status.
    pub status: &'static str,
    /// The status that it is on its way to, and when it gets there.
    pub becomes: Option<(Timestamp, &'static str)>,
    /// How often it was resumed, by whomever.
    pub resumes: usize,
}

impl Warehouse {
    /// An available cluster with a fresh snapshot, and with tags such as `Project=Beta Stage=dev`.
    #[must_use]
    pub fn new(name: &str, tags: &str) -> Self {
        let tags = tags.split_whitespace().filter_map(|tag| tag.split_once('='));
        Self {
            name: name.to_owned(),
            region: HOME.to_owned(),
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            namespace: format!("ns-{name}"),
            node_type: "ra3.xlplus",
            nodes: 2,
            without_backup: 0,
            multi_az: false,
            hsm: false,
            retention: 1,
            snapshots: Vec::new(),
            unsupported: false,
            status: "available",
            becomes: None,
            resumes: 0,
        }
    }

    /// In that status.
    #[must_use]
    pub fn in_status(self, status: &'static str) -> Self {
        Self { status, ..self }
    }

    /// It becomes that at that time.
    #[must_use]
    pub fn becoming(self, status: &'static str, at: Timestamp) -> Self {
        Self { becomes: Some((at, status)), ..self }
    }

    /// Somebody made it so, or Redshift did.
    pub fn set(&mut self, status: &'static str) {
        (self.status, self.becomes) = (status, None);
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:redshift:{}:123456789012:cluster:{}", self.region, self.name)
    }

    pub(super) fn key(&self) -> Key {
        (self.region.clone(), self.name.clone())
    }
}

/// The work of a scheduled action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// It resumes its cluster.
    Resume,
    /// It resizes it.
    Resize,
    /// It pauses it.
    Pause,
}

/// A scheduled action.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Its Region.
    pub region: String,
    /// Its cluster's name.
    pub cluster: String,
    /// Its work.
    pub does: Does,
    /// Its state, such as `ACTIVE`.
    pub state: &'static str,
    /// When it falls due next. It does so each day at that time.
    pub next: Option<Timestamp>,
}

impl Schedule {
    /// An active one, which never falls due.
    #[must_use]
    pub fn new(name: &str, cluster: &str, does: Does) -> Self {
        let (name, cluster) = (name.to_owned(), cluster.to_owned());
        Self { name, region: HOME.to_owned(), cluster, does, state: "ACTIVE", next: None }
    }

    /// In that state.
    #[must_use]
    pub fn in_state(self, state: &'static str) -> Self {
        Self { state, ..self }
    }

    /// It falls due then, and each day after.
    #[must_use]
    pub fn due(self, at: Timestamp) -> Self {
        Self { next: Some(at), ..self }
    }

    pub(super) fn key(&self) -> Key {
        (self.region.clone(), self.name.clone())
    }
}
