//! Stops and starts, and how RDS refuses them. The codes are those of its API; no emulator gives all of them.

use jiff::Timestamp;

use super::database::{Database, Kind};
use super::describe::{named, shown};
use crate::account::Account;
use crate::wire::{Call, Refusal};

pub fn stop(account: &mut Account, call: &Call, now: Timestamp, kind: Kind) -> Result<String, Refusal> {
    let database = named(&account.databases, call, kind)?;
    refusal_to_stop(account, database)?;
    let (arn, name) = (database.arn(), database.name.clone());
    remember(account, now);
    account.turn_database(&arn, "stopping", "stopped", now);
    for arn in account.with_members(&arn) {
        if let Some(database) = account.databases.get_mut(&arn) {
            // It removes the changes that wait for a maintenance window.
            database.pending = None;
        }
    }
    Ok(answer(account, call, &arn, &name, kind))
}

pub fn start(account: &mut Account, call: &Call, now: Timestamp, kind: Kind) -> Result<String, Refusal> {
    let database = named(&account.databases, call, kind)?;
    let name = &database.name;
    if !matches!(database.status, "stopped" | "inaccessible-encryption-credentials-recoverable") {
        return Err(wrong_state(kind, format!("{name} is {}: it is not stopped", database.status)));
    }
    if database.key_gone {
        let message = "The specified KMS key doesn't exist, isn't enabled or isn't accessible by the current user.".to_owned();
        return Err(Refusal(400, "KMSKeyNotAccessibleFault", message));
    }
    if account.no_database_capacity {
        let message = format!("The requested DB Instance class for {name} is not available in the zone");
        return Err(Refusal(400, "InsufficientDBInstanceCapacity", message));
    }
    let (arn, name) = (database.arn(), name.clone());
    remember(account, now);
    account.turn_database(&arn, "starting", "available", now);
    Ok(answer(account, call, &arn, &name, kind))
}

/// Why it is not stopped, if so.
fn refusal_to_stop(account: &Account, database: &Database) -> Result<(), Refusal> {
    let (kind, name) = (database.kind, &database.name);
    let combination = |message| Err(Refusal(400, "InvalidParameterCombination", message));
    let refused = |message| Err(wrong_state(kind, message));
    if kind == Kind::Instance && database.member_of.is_some() {
        return combination(format!("{} DB instances are not eligible for stopping and starting.", database.engine));
    }
    if database.engine.starts_with("custom-") {
        return combination(format!("{} DB instances are not eligible for stopping and starting.", database.engine));
    }
    if database.mode == "serverless" || database.class.is_some() && kind == Kind::Cluster || database.limitless {
        return refused(format!("The cluster {name} cannot be stopped"));
    }
    if database.source.is_some() || !database.replicas.is_empty() {
        return refused(format!("{name} is a read replica, or has some"));
    }
    if database.engine.starts_with("sqlserver-") && database.multi_az {
        return refused(format!("{name} is a SQL Server DB instance in a Multi-AZ deployment"));
    }
    if database.global.as_ref().and_then(|global| account.global_clusters.get(global)).is_some_and(|members| members.len() > 1) {
        return refused(format!("{name} is not the only cluster in its global database"));
    }
    if database.unforeseen {
        return refused(format!("{name} cannot be stopped"));
    }
    let arn = database.arn();
    let is_open = |status: &str| status != "SWITCHOVER_COMPLETED";
    if account.deployments.iter().any(|(source, target, status)| is_open(status) && (*source == arn || *target == arn)) {
        return refused(format!("{name} is in a blue/green deployment"));
    }
    let is_member = |other: &&Database| kind == Kind::Cluster && other.member_of.as_ref() == Some(name);
    let busy = account.databases.values().filter(is_member).find(|member| member.status != "available");
    if let Some(busy) = busy.filter(|_| database.status == "available") {
        return Err(wrong_state(Kind::Instance, format!("{} is {}: it is not available", busy.name, busy.status)));
    }
    if database.status == "available" { Ok(()) } else { refused(format!("{name} is {}: it is not available", database.status)) }
}

fn wrong_state(kind: Kind, message: String) -> Refusal {
    let code = if kind == Kind::Instance { "InvalidDBInstanceState" } else { "InvalidDBClusterStateFault" };
    Refusal(400, code, message)
}

fn remember(account: &mut Account, now: Timestamp) {
    if account.lag > 0 {
        let before = account.databases.clone();
        account.past_databases.remember(now, account.lag, before);
    }
}

fn answer(account: &mut Account, call: &Call, arn: &str, name: &str, kind: Kind) -> String {
    account.touch(&call.region, name);
    let whole = if kind == Kind::Instance { "DBInstance" } else { "DBCluster" };
    format!("<{whole}>{}</{whole}>", shown(&account.databases, &account.databases[arn]))
}
