//! Answers about databases.

use std::collections::BTreeMap;

use super::database::{Database, Databases, Kind};
use crate::account::Account;
use crate::wire::{Call, Refusal, list, next, page, tag};

/// Most records of one answer.
const MOST: usize = 100;

/// A page of databases of one kind.
pub fn databases(account: &Account, databases: &Databases, call: &Call, kind: Kind) -> Result<String, Refusal> {
    let most = records(call)?;
    let (identifier, filter, all, one) = match kind {
        Kind::Instance => ("DBInstanceIdentifier", "db-instance-id", "DBInstances", "DBInstance"),
        Kind::Cluster => ("DBClusterIdentifier", "db-cluster-id", "DBClusters", "DBCluster"),
    };
    let mut found: Vec<&Database> = if call.get(identifier).is_some() {
        vec![named(databases, call, kind)?]
    } else {
        databases.values().filter(|database| database.kind == kind && database.region == call.region).collect()
    };
    for number in 1.. {
        let Some(name) = call.get(&format!("Filters.Filter.{number}.Name")) else { break };
        let values = call.list(&format!("Filters.Filter.{number}.Values.Value"));
        if name == filter {
            found.retain(|database| values.contains(&database.name.as_str()) || values.contains(&database.arn().as_str()));
        } else if name == "db-cluster-id" {
            found.retain(|database| database.member_of.as_ref().is_some_and(|cluster| values.contains(&cluster.as_str())));
        } else {
            return Err(invalid(format!("Unrecognized filter name: {name}")));
        }
    }
    let (found, marker) = page(found, call.get("Marker"), most.min(account.page));
    let found = found.into_iter().map(|database| shown(databases, database));
    Ok(format!("{}{}", list(all, one, found), next("Marker", marker)))
}

/// A page of global clusters.
pub fn global_clusters(account: &Account, call: &Call) -> Result<String, Refusal> {
    let most = records(call)?;
    let (found, marker) = page(account.global_clusters.iter().collect(), call.get("Marker"), most.min(account.page));
    let found = found.into_iter().map(|(name, members): (&String, &Vec<String>)| {
        let members = members.iter().map(|arn| tag("DBClusterArn", arn));
        format!("{}{}", tag("GlobalClusterIdentifier", name), list("GlobalClusterMembers", "GlobalClusterMember", members))
    });
    Ok(format!("{}{}", list("GlobalClusters", "GlobalClusterMember", found), next("Marker", marker)))
}

/// Most records that a call wants.
fn records(call: &Call) -> Result<usize, Refusal> {
    let most = call.number("MaxRecords")?.unwrap_or(MOST);
    if (20..=MOST).contains(&most) {
        return Ok(most);
    }
    Err(invalid(format!("Invalid value {most} for MaxRecords. Must be between 20 and 100")))
}

/// A page of blue/green deployments.
pub fn deployments(account: &Account, call: &Call) -> Result<String, Refusal> {
    let most = records(call)?;
    if account.no_deployments {
        let message = "Could not find operation DescribeBlueGreenDeployments for version 2014-10-31".to_owned();
        return Err(Refusal(400, "InvalidAction", message));
    }
    let of_region = |(source, ..): &&(String, String, &str)| source.split(':').nth(3) == Some(&call.region);
    let all: Vec<_> = account.deployments.iter().filter(of_region).collect();
    let (found, marker) = page(all, call.get("Marker"), most.min(account.page));
    let found = found
        .into_iter()
        .map(|(source, target, status)| format!("{}{}{}", tag("Source", source), tag("Target", target), tag("Status", status)));
    Ok(format!("{}{}", list("BlueGreenDeployments", "member", found), next("Marker", marker)))
}

/// A call for the record: IAM's action, the resource, and the resource's tags.
pub(crate) fn told(account: &Account, call: &Call) -> (String, String, BTreeMap<String, String>) {
    let of = |kind: Kind| named(&account.databases, call, kind).ok();
    let database = of(Kind::Instance).or_else(|| of(Kind::Cluster));
    let all = |kind: &str, region: &str| format!("arn:aws:rds:{region}:123456789012:{kind}:*");
    let resource = match (call.operation.as_str(), database) {
        (_, Some(database)) => database.arn(),
        ("DescribeDBInstances", None) => all("db", &call.region),
        ("DescribeDBClusters", None) => all("cluster", &call.region),
        ("DescribeGlobalClusters", None) => all("global-cluster", ""),
        (_, None) => all("deployment", &call.region),
    };
    let tags = database.map(|database| database.tags.clone()).unwrap_or_default();
    (format!("rds:{}", call.operation), resource, tags)
}

/// The database that a call names.
pub(super) fn named<'a>(databases: &'a Databases, call: &Call, kind: Kind) -> Result<&'a Database, Refusal> {
    let (parameter, code) = match kind {
        Kind::Instance => ("DBInstanceIdentifier", "DBInstanceNotFound"),
        Kind::Cluster => ("DBClusterIdentifier", "DBClusterNotFoundFault"),
    };
    let name = call.require(parameter)?;
    let is_it = |database: &&Database| {
        let named = database.name == name || database.arn() == name;
        named && database.kind == kind && database.region == call.region
    };
    let missing = || Refusal(404, code, format!("{name} not found."));
    databases.values().find(is_it).ok_or_else(missing)
}

fn invalid(message: String) -> Refusal {
    Refusal(400, "InvalidParameterValue", message)
}

/// All of a database that its describer needs to know.
pub(super) fn shown(databases: &Databases, database: &Database) -> String {
    let tags = database.tags.iter().map(|(key, value)| format!("{}{}", tag("Key", key), tag("Value", value)));
    let optional = |name: &str, value: Option<&str>| value.map(|value| tag(name, value)).unwrap_or_default();
    let restarts = database.restarts.map(|at| at.to_string());
    let common = [
        tag("Engine", database.engine),
        tag("MultiAZ", &database.multi_az.to_string()),
        optional("KmsKeyId", database.key.as_deref()),
        optional("AutomaticRestartTime", restarts.as_deref()),
        list("TagList", "Tag", tags),
    ];
    let pending = database.pending.map(|(field, value)| tag(field, value)).unwrap_or_default();
    let pending = format!("<PendingModifiedValues>{pending}</PendingModifiedValues>");
    let own = match database.kind {
        Kind::Instance => {
            let (of_cluster, of_instance): (Vec<&String>, Vec<&String>) =
                database.replicas.iter().partition(|replica| replica.contains(":cluster:"));
            vec![
                tag("DBInstanceIdentifier", &database.name),
                tag("DBInstanceArn", &database.arn()),
                tag("DbiResourceId", &database.id),
                tag("DBInstanceStatus", database.status),
                optional("DBInstanceClass", database.class),
                tag("PubliclyAccessible", &database.public.to_string()),
                optional("DBClusterIdentifier", database.member_of.as_deref()),
                optional("ReadReplicaSourceDBInstanceIdentifier", database.source.as_deref()),
                list("ReadReplicaDBInstanceIdentifiers", "ReadReplicaDBInstanceIdentifier", of_instance.into_iter().cloned()),
                list("ReadReplicaDBClusterIdentifiers", "ReadReplicaDBClusterIdentifier", of_cluster.into_iter().cloned()),
                pending,
            ]
        }
        Kind::Cluster => {
            let is_member =
                |other: &&Database| other.region == database.region && other.member_of.as_ref() == Some(&database.name);
            let members = databases.values().filter(is_member).map(|member| tag("DBInstanceIdentifier", &member.name));
            let scalability = database.limitless.then_some("limitless");
            vec![
                tag("DBClusterIdentifier", &database.name),
                tag("DBClusterArn", &database.arn()),
                tag("DbClusterResourceId", &database.id),
                tag("Status", database.status),
                tag("EngineMode", database.mode),
                optional("DBClusterInstanceClass", database.class),
                optional("ClusterScalabilityType", scalability),
                optional("GlobalClusterIdentifier", database.global.as_deref()),
                optional("ReplicationSourceIdentifier", database.source.as_deref()),
                list("ReadReplicaIdentifiers", "ReadReplicaIdentifier", database.replicas.iter().cloned()),
                list("DBClusterMembers", "DBClusterMember", members),
                if database.pending.is_some() { pending } else { String::new() },
            ]
        }
    };
    format!("{}{}", common.concat(), own.concat())
}
