//! `pause-clusters`: pauses the clusters of Redshift that carry the tags, and resumes those that it paused. A scheduled action that
//! would resume or resize such a cluster is disabled before its cluster is paused, and enabled after it is resumed. A cluster that
//! Redshift would refuse to pause is left alone, with the reason, before Redshift is called.
//!
//! No emulator serves this: one knows no scheduled actions and pauses a paused cluster, and the other has no Redshift. The double of
//! `verification/world` refuses as AWS's documentation says. None of it was tried on AWS.

mod params;
mod redshift;
mod schedules;
mod warehouses;

use guardrails_model::pace::Limit;

pub use self::params::Keys;
pub use self::schedules::Schedules;
pub use self::warehouses::Warehouses;
use crate::declared::{About, Joins, Noun, Service};
use crate::switch::{Switched, Switches};

/// The action.
pub type PauseClusters = Switched<Clusters>;

/// Changes of Redshift towards a pause, and those back. It documents no figures: two a second at the most. Each way has a bucket of its
/// own, so that a rollback right after a pause does not come back to its clusters while their list lags behind.
const PAUSES: Limit = Limit::new("redshift-pauses", 4.0, 2.0);
const RESUMES: Limit = Limit::new("redshift-resumes", 4.0, 2.0);
/// A cluster of Redshift.
const CLUSTER: Noun = Noun { one: "Redshift cluster", many: "Redshift clusters" };

/// Scheduled actions, and then the clusters that they act on.
pub struct Clusters;

impl Switches for Clusters {
    const ABOUT: About = About {
        limits: &[PAUSES, RESUMES],
        services: &[Service {
            name: "Redshift clusters",
            stops: "the nodes by the hour, on demand",
            goes_on: "storage, snapshots, reserved nodes",
            lost: "the cluster version, IP addresses of nodes, audit logs; tables without backup, where `no-backup-tables: lose`",
        }],
        joins_stop_all: Some(Joins::set(1)),
        ..About::new(
            "pause-clusters",
            "pauses the Redshift clusters that carry the tags, after it disabled the scheduled actions that would resume them",
            "resumes just the clusters that it paused, and then enables their scheduled actions",
        )
    };
    const NOUN: Noun = CLUSTER;
    type Options = Keys;
    type Parts = (Schedules, Warehouses);
}
