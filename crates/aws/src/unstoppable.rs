//! Services whose cost no action stops, each with the reason and a remedy. docs/services.md has them as a table, and `plan --cost-explorer` names those
//! that a project's money goes to.
//! `plan --file` names those that carry the budget's tag.

use std::fmt::Write;

use rust_decimal::Decimal;

use crate::catalog::Catalog;

/// A service, or a kind of cost of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unstoppable {
    /// Its name for a reader whose money goes there.
    pub name: &'static str,
    /// Why nothing stops it.
    pub why: &'static str,
    /// The remedy: a Deny, a cap, or work by hand.
    pub help: &'static str,
    /// Its costs, as Cost Explorer names them.
    costs: &'static [Costs],
    /// Its kinds of resource, as the index of tags names them: `ec2:natgateway`, or `s3:` for all of a service.
    kinds: &'static [&'static str],
    /// The action that stops it, in a version that has this action.
    unless: Option<&'static str>,
}

/// Costs as Cost Explorer names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Costs {
    /// A part of the service's name. An empty one is in all.
    service: &'static str,
    /// Parts of usage types, of which one is enough. All usage types, where there are none.
    usage: &'static [&'static str],
}

/// All costs of a service.
const fn all(service: &'static str) -> Costs {
    Costs { service, usage: &[] }
}

/// The costs of these usage types.
const fn some(service: &'static str, usage: &'static [&'static str]) -> Costs {
    Costs { service, usage }
}

impl Unstoppable {
    const fn new(name: &'static str, why: &'static str, help: &'static str, costs: &'static [Costs]) -> Self {
        Self { name, why, help, costs, kinds: &[], unless: None }
    }

    /// The same, with the kinds of resource that cost so.
    const fn of(self, kinds: &'static [&'static str]) -> Self {
        Self { kinds, ..self }
    }

    /// Is a resource of this kind its?
    fn has(&self, kind: &str) -> bool {
        self.kinds.iter().any(|one| kind == *one || (one.ends_with(':') && kind.starts_with(one)))
    }

    /// Is a cost of this service and usage type its?
    fn is(&self, service: &str, usage: &str) -> bool {
        self.costs.iter().any(|costs| {
            service.contains(costs.service) && (costs.usage.is_empty() || costs.usage.iter().any(|part| usage.contains(part)))
        })
    }
}

/// The usual ones. A cost is that of the first one that it fits. The names of services are those of Cost Explorer's API. Those of usage
/// types are from AWS's price lists and bills in public, and were not tried.
const ALL: &[Unstoppable] = &[
    Unstoppable::new(
        "Bedrock, provisioned throughput",
        "AWS has no stop. Deleting it does not end a commitment.",
        "Delete it by hand where there is no commitment.",
        &[some("Bedrock", &["ProvisionedThroughput"])],
    )
    .of(&["bedrock:provisioned-model"]),
    Unstoppable::new(
        "Bedrock, on demand",
        "There is nothing that runs. Each call costs.",
        "Deny the calls: `deny-actions` with `usage: true`, on the roles that call.",
        &[all("Bedrock")],
    ),
    Unstoppable::new(
        "NAT gateways",
        "AWS has no stop. A new one has another id, and all routes have to change.",
        "Delete it by hand, and its routes.",
        &[some("", &["NatGateway"])],
    )
    .of(&["ec2:natgateway"]),
    Unstoppable::new(
        "Data transfer",
        "It costs by the gigabyte, and goes on with everything that runs.",
        "Find its source in Cost Explorer.",
        &[some("", &["DataTransfer", "AWS-Out-Bytes", "AWS-In-Bytes"])],
    ),
    Unstoppable::new(
        "Volumes, snapshots, IP addresses",
        "They cost by being there, also beside a stopped instance.",
        "Delete the ones that nobody needs.",
        &[some("", &["EBS:", "ElasticIP", "PublicIPv4"])],
    )
    .of(&["ec2:elastic-ip", "ec2:snapshot", "ec2:volume"]),
    Unstoppable::new(
        "Load balancers",
        "They cost by being there, and by the traffic.",
        "Delete the ones that nobody needs.",
        &[all("Elastic Load Balancing")],
    )
    .of(&["elasticloadbalancing:loadbalancer"]),
    Unstoppable::new(
        "OpenSearch domains",
        "AWS has no stop. A domain cannot go to zero nodes.",
        "Make it smaller, or take a snapshot and delete it.",
        &[all("OpenSearch"), all("Elasticsearch")],
    )
    .of(&["es:domain"]),
    Unstoppable::new(
        "ElastiCache, MemoryDB",
        "AWS has no stop. A smaller cluster moves or loses its data.",
        "Take a snapshot where the engine has them, and delete it.",
        &[all("ElastiCache"), all("MemoryDB")],
    )
    .of(&["elasticache:cluster", "elasticache:replicationgroup", "elasticache:serverlesscache", "memorydb:cluster"]),
    Unstoppable::new("MSK", "AWS has no stop.", "Make it smaller, or delete it.", &[all("Managed Streaming for Apache Kafka")])
        .of(&["kafka:cluster"]),
    Unstoppable::new("Kinesis", "A stream's shards can be halved, and not go to zero.", "Make it smaller.", &[all("Kinesis")])
        .of(&["kinesis:stream"]),
    Unstoppable::new(
        "Running jobs: training, Batch, Glue, CodeBuild, Step Functions",
        "A stopped job does not continue later.",
        "Disable their schedules and triggers, and deny their starts. They end by themselves.",
        &[some("SageMaker", &["Train", "Processing"]), all("AWS Glue"), all("CodeBuild"), all("Step Functions")],
    ),
    Unstoppable::new(
        "Redshift Serverless",
        "It has no pause. It costs while a query runs.",
        "Cap it: set a usage limit that deactivates it.",
        &[some("Redshift", &["Serverless"])],
    )
    .of(&["redshift-serverless:workgroup"]),
    Unstoppable::new(
        "SageMaker notebooks and endpoints",
        "A notebook can be stopped, and an endpoint only deleted. No action does either.",
        "Stop notebooks by hand. Delete endpoints that nobody calls.",
        &[all("SageMaker")],
    )
    .of(&["sagemaker:endpoint", "sagemaker:notebook-instance"]),
    Unstoppable::new(
        "EKS clusters",
        "The control plane costs as long as it exists. Its nodes are left alone, since EKS would replace them.",
        "Scale the node groups to zero by hand, or delete the cluster.",
        &[all("Elastic Container Service for Kubernetes"), all("Elastic Kubernetes Service")],
    )
    .of(&["eks:cluster"]),
    Unstoppable {
        unless: Some("stop-functions"),
        ..Unstoppable::new(
            "Lambda",
            "Each call costs. Provisioned concurrency costs by the hour.",
            "Set a function's reserved concurrency to 0, and remove provisioned concurrency.",
            &[all("AWS Lambda")],
        )
        .of(&["lambda:function"])
    },
    Unstoppable::new(
        "DynamoDB",
        "There is nothing that runs. Each request costs, and so does provisioned capacity.",
        "Cap it: set the maximum throughput of tables on demand.",
        &[all("DynamoDB")],
    )
    .of(&["dynamodb:table"]),
    Unstoppable::new(
        "S3",
        "Storage costs by being there, and each request costs.",
        "Delete objects, or let a lifecycle rule do it.",
        &[all("Simple Storage Service")],
    )
    .of(&["s3:"]),
    Unstoppable::new(
        "WorkSpaces",
        "A WorkSpace that is always on costs by the month. No action stops one.",
        "Change it to AutoStop, or remove it.",
        &[all("WorkSpaces")],
    )
    .of(&["workspaces:workspace"]),
];

/// The services that no action of the catalogue stops.
pub fn services(catalog: &Catalog) -> impl Iterator<Item = &'static Unstoppable> {
    ALL.iter().filter(|one| one.unless.is_none_or(|action| catalog.find(action).is_err()))
}

/// The service of a resource of this kind, where no action of the catalogue stops it. The index of tags names kinds so: `ec2:natgateway`.
#[must_use]
pub fn of_kind(catalog: &Catalog, kind: &str) -> Option<&'static Unstoppable> {
    services(catalog).find(|one| one.has(kind))
}

/// The table of them, as Markdown.
#[must_use]
pub fn table(catalog: &Catalog) -> String {
    let mut table = String::from("| my money goes to | why nothing stops it | help |\n| --- | --- | --- |\n");
    for Unstoppable { name, why, help, .. } in services(catalog) {
        let _ = writeln!(table, "| {name} | {why} | {help} |");
    }
    table
}

/// The sums of these costs that go to services which no action stops, the largest first. Each cost is of a service and a usage type.
#[must_use]
pub fn sums(catalog: &Catalog, costs: &[(String, String, Decimal)]) -> Vec<(&'static Unstoppable, Decimal)> {
    let mut sums: Vec<(&'static Unstoppable, Decimal)> = services(catalog).map(|one| (one, Decimal::ZERO)).collect();
    for (service, usage, dollars) in costs {
        if let Some((_, sum)) = sums.iter_mut().find(|(one, _)| one.is(service, usage)) {
            *sum = sum.saturating_add(*dollars);
        }
    }
    // Less than a cent is no cost.
    sums.retain(|(_, sum)| *sum >= Decimal::new(1, 2));
    sums.sort_by(|(_, a), (_, b)| b.cmp(a));
    sums
}
