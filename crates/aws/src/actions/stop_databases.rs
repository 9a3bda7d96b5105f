//! `stop-databases`: stops the DB instances of RDS and the clusters of Aurora, Neptune and `DocumentDB` that carry the tags, and starts
//! those that it stopped. One API serves all of them. A database that RDS would refuse to stop is left alone, with the reason, before
//! RDS is called. RDS starts a stopped database by itself after seven days: a round stops it again.

mod clusters;
mod instances;
mod params;
mod rds;

use guardrails_model::pace::Limit;

pub use self::clusters::Clusters;
pub use self::instances::Instances;
pub use self::params::{Keys, PendingChanges};
use crate::declared::{About, Joins, Noun, Service};
use crate::switch::{Switched, Switches};

/// The action.
pub type StopDatabases = Switched<Databases>;

/// Stops and starts. RDS documents no figures: two a second at the most.
const CHANGES: Limit = Limit::new("rds-changes", 4.0, 2.0);

/// "Being started due to it exceeding the maximum allowed time being stopped", of an instance and of a cluster. The round's work waits
/// until it is up, and stops it then.
const RESTARTS: &str = r#"{
    "source": ["aws.rds"],
    "detail-type": ["RDS DB Instance Event", "RDS DB Cluster Event"],
    "detail": {"EventID": ["RDS-EVENT-0153", "RDS-EVENT-0154"]}
}"#;

/// DB instances, and clusters. Members of a cluster stop with it.
pub struct Databases;

impl Switches for Databases {
    const ABOUT: About = About {
        limits: &[CHANGES],
        services: &[Service {
            name: "RDS instances; Aurora, Neptune and DocumentDB clusters",
            stops: "the instances by the hour",
            goes_on: "storage, backups; an hour or two a week, since RDS starts them after seven days",
            lost: "a public IP address, pending changes",
        }],
        wakes: Some(RESTARTS),
        joins_stop_all: Some(Joins::set(1)),
        ..About::new(
            "stop-databases",
            "stops the RDS instances and the Aurora, Neptune and DocumentDB clusters that carry the tags, in all Regions",
            "starts just the databases that it stopped",
        )
    };
    const NOUN: Noun = Noun { one: "database", many: "databases" };
    type Options = Keys;
    type Parts = (Instances, Clusters);
}
