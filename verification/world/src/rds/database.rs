//! A database, as a test describes it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::place::HOME;

/// The databases of the account, by their ARNs.
pub type Databases = BTreeMap<String, Database>;

/// The two kinds of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A DB instance, which may be a member of a cluster.
    Instance,
    /// A DB cluster, which is stopped and started with its members.
    Cluster,
}

impl Kind {
    /// As ARNs have it.
    pub(super) fn of_arn(self) -> &'static str {
        if self == Self::Instance { "db" } else { "cluster" }
    }
}

/// A DB instance or a DB cluster.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, as RDS tells them")]
pub struct Database {
    /// Its kind.
    pub kind: Kind,
    /// Its name, which may be given again once it is deleted.
    pub name: String,
    /// Its Region.
    pub region: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// RDS's own id of it.
    pub id: String,
    /// Its engine.
    pub engine: &'static str,
    /// The class of an instance, or of each node of a Multi-AZ DB cluster.
    pub class: Option<&'static str>,
    /// Has it a standby?
    pub multi_az: bool,
    /// Does an instance have a public address?
    pub public: bool,
    /// The cluster that an instance is a member of.
    pub member_of: Option<String>,
    /// The name or ARN of the database that it replicates.
    pub source: Option<String>,
    /// The names or ARNs of its replicas.
    pub replicas: Vec<String>,
    /// A change that waits for the maintenance window: a field and its value.
    pub pending: Option<(&'static str, &'static str)>,
    /// The mode of a cluster's engine.
    pub mode: &'static str,
    /// Is it a Limitless Database?
    pub limitless: bool,
    /// The global cluster that it is of.
    pub global: Option<String>,
    /// The key that its storage is encrypted under.
    pub key: Option<String>,
    /// Does RDS refuse to stop it for a reason that it shows nowhere?
    pub unforeseen: bool,
    /// May RDS not use that key?
    pub key_gone: bool,
    /// Seconds for which it was not stopped, until it was stopped last. RDS bills them.
    pub billed: i64,
    /// How often it was started, by whomever.
    pub starts: usize,
    /// Its status.
    pub status: &'static str,
    /// The status that it is on its way to, and when it gets there.
    pub becomes: Option<(Timestamp, &'static str)>,
    /// When RDS starts it by itself.
    pub restarts: Option<Timestamp>,
    /// Since when it is billed.
    pub since: Option<Timestamp>,
}

impl Database {
    fn new(kind: Kind, name: &str, engine: &'static str, tags: &str) -> Self {
        let tags = tags.split_whitespace().filter_map(|tag| tag.split_once('='));
        Self {
            kind,
            name: name.to_owned(),
            region: HOME.to_owned(),
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            id: format!("{}-{}", kind.of_arn(), name.to_ascii_uppercase()),
            engine,
            class: None,
            multi_az: false,
            public: false,
            member_of: None,
            source: None,
            replicas: Vec::new(),
            pending: None,
            mode: "provisioned",
            limitless: false,
            global: None,
            key: None,
            unforeseen: false,
            key_gone: false,
            billed: 0,
            starts: 0,
            status: "available",
            becomes: None,
            restarts: None,
            since: None,
        }
    }

    /// A DB instance that is available, with tags such as `Project=Beta Stage=dev`.
    #[must_use]
    pub fn instance(name: &str, engine: &'static str, tags: &str) -> Self {
        Self { class: Some("db.t3.micro"), ..Self::new(Kind::Instance, name, engine, tags) }
    }

    /// A DB cluster that is available.
    #[must_use]
    pub fn cluster(name: &str, engine: &'static str, tags: &str) -> Self {
        Self::new(Kind::Cluster, name, engine, tags)
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

    /// In that Region.
    #[must_use]
    pub fn in_region(self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self }
    }

    /// A member of that cluster.
    #[must_use]
    pub fn member_of(self, cluster: &str) -> Self {
        Self { member_of: Some(cluster.to_owned()), ..self }
    }

    /// Somebody made it so, or RDS did.
    pub fn set(&mut self, status: &'static str, now: Timestamp) {
        self.become_now(status, now);
        self.becomes = None;
    }

    /// Seconds for which it was not stopped, until `now`.
    #[must_use]
    pub fn billed(&self, now: Timestamp) -> i64 {
        self.billed + self.since.map_or(0, |since| (now - since).get_seconds())
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:rds:{}:123456789012:{}:{}", self.region, self.kind.of_arn(), self.name)
    }

    pub(super) fn become_now(&mut self, status: &'static str, now: Timestamp) {
        self.billed = self.billed(now);
        self.since = (status != "stopped").then_some(now);
        self.restarts = self.restarts.filter(|_| status == "stopped");
        self.status = status;
    }
}
