//! RDS as both parts use it: its clients, statuses, error codes and words.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::Client;
use aws_sdk_rds::types::{BlueGreenDeployment, DbInstance, Filter, PendingModifiedValues, Tag};
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::ids::Value;
use jiff::Timestamp;

use crate::context::Context;
use crate::error::{Codes, Failure};
use crate::grants::{Grant, Use};
use crate::switch::{Drift, Reach};

/// Records of a page, and names in a filter: RDS takes 20 to 100 records.
pub(super) const PAGE: i32 = 100;
/// Names that one call asks for.
pub(super) const NAMES: usize = 50;

/// RDS says when it starts a stopped database by itself. Where it does not say so, that is after seven days.
pub(super) const DRIFT: Drift = Drift::ReapplyAfter(7 * 24 * 3600);
/// The figures are for all databases. RDS says of a stop "several minutes", and of a start "minutes to hours". A start is asked for again for as long.
pub(super) const PATIENCE: Patience = Patience { poll: 30, limit: 6 * 3600, give_up: 6 * 3600 };
/// `InvalidParameterCombination` is the answer for a member of a cluster, and for an engine that cannot be stopped.
pub(super) const CODES: Codes = Codes {
    not_now: &["InvalidDBInstanceState", "InvalidDBClusterStateFault"],
    no_room: &[
        "InsufficientDBInstanceCapacity",
        "InsufficientDBClusterCapacityFault",
        "InsufficientStorageClusterCapacity",
        "InstanceQuotaExceeded",
    ],
    not_for_it: &["InvalidParameterCombination"],
};
/// The answer to a start when RDS may not use the storage's key.
const NO_KEY: &str = "KMSKeyNotAccessibleFault";

pub(super) const AVAILABLE: &str = "available";
pub(super) const STOPPED: &str = "stopped";
/// RDS stopped it because it may not use its key, and starts it when it may again.
const KEY_IS_AWAY: &str = "inaccessible-encryption-credentials-recoverable";
/// Statuses that no stop and no start ends.
const BROKEN: &[&str] = &[
    "cloning-failed",
    "failed",
    "inaccessible-encryption-credentials",
    "incompatible-create",
    "incompatible-credentials",
    "incompatible-network",
    "incompatible-option-group",
    "incompatible-parameters",
    "incompatible-restore",
    "insufficient-capacity",
    "migration-failed",
    "restore-error",
    "storage-full",
];

/// The note on each database, before it stops.
pub(super) const NOTE: &str =
    "its storage goes on costing, nobody can modify it until it is started, and each start is charged an hour";

/// RDS's clients.
pub(super) struct Rds {
    pub(super) reads: Client,
    pub(super) changes: Client,
}

impl Rds {
    pub(super) fn new(context: &Context<'_>) -> Self {
        Self { reads: Client::new(&context.sdk), changes: Client::new(&context.sdk_for_changes()) }
    }

    /// The ARNs of the databases that are in a blue/green deployment which has not switched over.
    pub(super) async fn in_deployments(&self) -> Result<BTreeSet<String>, ActionError> {
        let (mut arns, mut marker) = (BTreeSet::new(), None);
        loop {
            let page = self.reads.describe_blue_green_deployments().max_records(PAGE).set_marker(marker).send().await;
            let page = match page.map_err(|error| Failure::of(&error)) {
                // A Region or a partition that has none of them does not know the call.
                Err(failure) if failure.is("InvalidAction") => return Ok(arns),
                other => other.map_err(|failure| failure.reading("listing blue/green deployments"))?,
            };
            let open = page.blue_green_deployments().iter().filter(|one| one.status() != Some("SWITCHOVER_COMPLETED"));
            arns.extend(open.flat_map(members));
            marker = page.marker;
            if marker.is_none() {
                return Ok(arns);
            }
        }
    }
}

/// The time at which RDS starts a stopped database by itself.
pub(super) fn restarts(at: Option<&aws_smithy_types::DateTime>) -> Option<Timestamp> {
    Timestamp::from_second(at?.secs()).ok()
}

/// The ARNs of both sides of a deployment, replicas too.
fn members(deployment: &BlueGreenDeployment) -> impl Iterator<Item = String> {
    let details = deployment.switchover_details().iter().flat_map(|one| [one.source_member(), one.target_member()]);
    [deployment.source(), deployment.target()].into_iter().chain(details).flatten().map(str::to_owned)
}

/// The right to know which databases are in blue/green deployments.
pub(super) fn deployments_grant(reach: &Reach<'_>) -> Grant {
    Grant {
        sid: "ReadDeployments".to_owned(),
        uses: &[Use::Plan, Use::Apply],
        actions: &["rds:DescribeBlueGreenDeployments"],
        resources: reach.arns("rds", "deployment:*"),
        ..Grant::default()
    }
}

/// All instances, or those that the filter lets through.
pub(super) async fn instances(rds: &Rds, filter: Option<Filter>) -> Result<Vec<DbInstance>, ActionError> {
    let filters = filter.map(|filter| vec![filter]);
    let (mut found, mut marker) = (Vec::new(), None);
    loop {
        let call = rds.reads.describe_db_instances().max_records(PAGE);
        let page = call.set_filters(filters.clone()).set_marker(marker).send().await;
        let page = page.map_err(|error| Failure::of(&error).reading("listing DB instances"))?;
        found.extend(page.db_instances.unwrap_or_default());
        marker = page.marker;
        if marker.is_none() {
            return Ok(found);
        }
    }
}

/// Are there changes of an instance that wait for its maintenance window? RDS shows an empty list where there are none.
pub(super) fn is_pending(instance: &DbInstance) -> bool {
    let nothing = PendingModifiedValues::builder().build();
    instance.pending_modified_values().is_some_and(|pending| *pending != nothing)
}

/// A filter by names.
pub(super) fn filter(name: &str, values: &[&String]) -> Filter {
    let values = values.iter().map(|value| (*value).clone()).collect();
    // RDS's own model requires both, and both are given.
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// The tags of a database.
pub(super) fn tags(list: &[Tag]) -> BTreeMap<String, String> {
    list.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect()
}

/// Its setting in a status. One that nobody has heard of is on its way to another.
pub(super) fn seen(status: &str, key: Option<&str>) -> Seen {
    match status {
        AVAILABLE | STOPPED => Seen::Is(Value::new(status)),
        "starting" => Seen::Moving(Value::new(AVAILABLE)),
        "stopping" => Seen::Moving(Value::new(STOPPED)),
        KEY_IS_AWAY => Seen::FellBack(Value::new(STOPPED), key_is_away(key)),
        other => Seen::Moving(Value::new(other.replace('-', " "))),
    }
}

/// The words for a database that is on its way to its end, if it is.
pub(super) fn ending(status: &str) -> Option<String> {
    matches!(status, "deleting" | "delete-precheck").then(|| "it is being deleted".to_owned())
}

/// The words for a status that no stop and no start ends, if it is one.
pub(super) fn broken(status: &str, key: Option<&str>) -> Option<String> {
    let key = key.filter(|_| status == "inaccessible-encryption-credentials");
    let key = key.map(|key| format!(" (its key is {key})")).unwrap_or_default();
    BROKEN.contains(&status).then(|| format!("its status is {status}{key}: nothing stops or starts it until that is mended"))
}

/// The failure of a start, with the key that RDS may not use.
pub(super) fn with_key(failure: Failure, key: Option<&str>) -> Failure {
    if failure.is(NO_KEY) {
        Failure { message: format!("{}: {}", failure.message, key_is_away(key)), ..failure }
    } else {
        failure
    }
}

/// Is the failure about the storage's key?
pub(super) fn is_about_key(failure: &Failure) -> bool {
    failure.is(NO_KEY)
}

fn key_is_away(key: Option<&str>) -> String {
    format!("RDS may not use its key {}: enable the key, and let RDS use it", key.unwrap_or("of KMS"))
}

/// Names, each once, in a sentence.
pub(super) fn names(of: &[String]) -> String {
    of.join(", ")
}

/// The name, if there is one. Some answers have an empty element where others leave it out.
pub(super) fn named(name: Option<&str>) -> Option<&str> {
    name.filter(|name| !name.is_empty())
}
