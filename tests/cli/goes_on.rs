//! Money that goes on beside every stage: `plan --cost-explorer`.

use std::collections::BTreeSet;
use std::sync::Arc;

use guardrails_aws::actions::CATALOG;
use guardrails_aws::unstoppable;
use guardrails_cli::{GoesOn, plan_goes_on, plan_goes_on_words};
use guardrails_model::config::{Budget, Costs, Counts, Period, Tags};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::json;

use crate::world::World;

fn budget() -> Budget {
    Budget { tag: Tags::from([("Project", "Beta")]), ..Budget::new("100 USD".parse().unwrap(), Period::Monthly) }
}

fn world(costs: &[(&'static str, &'static str, &'static str)]) -> Arc<World> {
    let world = Arc::new(World::default());
    world.account().costs = costs.to_vec();
    world
}

async fn asked(world: &Arc<World>, budget: &Budget) -> Result<GoesOn, String> {
    let now: Timestamp = "2026-11-30T22:10:00Z".parse().unwrap();
    plan_goes_on(&world.config(), &CATALOG, budget, now).await
}

/// The costs of a project. Some of them are stopped by actions.
const COSTS: &[(&str, &str, &str)] = &[
    ("Amazon Elastic Compute Cloud - Compute", "USE1-BoxUsage:t3.micro", "90"),
    ("Amazon Redshift", "USE1-Node:ra3.xlplus", "70"),
    ("Amazon Relational Database Service", "USE1-InstanceUsage:db.t3", "50.5"),
    ("EC2 - Other", "USE1-NatGateway-Hours", "32.4"),
    ("EC2 - Other", "USE1-NatGateway-Bytes", "0.1000000001"),
    ("EC2 - Other", "USE1-EBS:VolumeUsage.gp3", "8"),
    ("EC2 - Other", "USE1-DataTransfer-Regional-Bytes", "3"),
    ("Amazon Bedrock", "USE1-Claude-input-tokens", "812.2"),
    ("Claude Opus 5 (Amazon Bedrock Edition)", "USE1-MP:output-tokens", "100"),
    ("Amazon Redshift", "USE1-Redshift:ServerlessUsage", "12"),
    ("Amazon ElastiCache", "NodeUsage:cache.t3.micro", "1.2E-7"),
    ("Tax", "", "7"),
];

#[tokio::test]
async fn money_that_nothing_stops_is_named_with_what_helps() {
    let world = world(COSTS);
    let words = plan_goes_on_words(&asked(&world, &budget()).await, &budget());
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines[0], "no action stops these costs, which Project=Beta had in the last 30 days:");
    let first = "  $912.20 Bedrock, on demand: There is nothing that runs. Each call costs. Deny the calls: `deny-actions` with `usage: \
                 true`, on the roles that call.";
    assert_eq!(lines[1], first, "{words}");
    for (line, starts) in lines[2..].iter().zip([
        "  $32.50 NAT gateways: AWS has no stop.",
        "  $12.00 Redshift Serverless: It has no pause. It costs while a query runs. Cap it:",
        "  $8.00 Volumes, snapshots, IP addresses:",
        "  $3.00 Data transfer:",
    ]) {
        assert!(line.starts_with(starts), "{line}, not {starts}");
    }
    assert_eq!(lines[6], "  $217.50 went to other services: docs/services.md has those that an action stops");
    assert_eq!(lines.len(), 7, "stopped services and sums below a cent are not there:\n{words}");
    assert!(world.account().page < COSTS.len(), "it came on several pages");
}

#[tokio::test]
async fn question_is_about_the_costs_that_the_budget_counts() {
    let world = world(&[]);
    let of_services = Budget { service: vec!["AWS Lambda".to_owned()], ..budget() };
    let everything = Budget { tag: Tags::default(), ..budget() };
    let counts = Counts { credits: true, refunds: true, costs: Costs::Amortized, ..Counts::default() };
    let net = Budget { counts, ..everything.clone() };
    for budget in [&budget(), &of_services, &everything, &net] {
        let words = plan_goes_on_words(&asked(&world, budget).await, budget);
        assert!(words.starts_with("of the services which no action stops, ") && words.contains("had no cost"), "{words}");
    }
    let sent = world.requests_with("Granularity");
    let tag = json!({"Tags": {"Key": "Project", "Values": ["Beta"]}});
    let service = json!({"Dimensions": {"Key": "SERVICE", "Values": ["AWS Lambda"]}});
    assert_eq!(sent[0]["TimePeriod"], json!({"Start": "2026-11-01", "End": "2026-12-01"}));
    let without = json!({"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Credit", "Refund"]}}});
    let filters: Vec<&serde_json::Value> = sent.iter().map(|one| &one["Filter"]).collect();
    assert_eq!(filters[..2], [&json!({"And": [tag, without]}), &json!({"And": [tag, service, without]})]);
    assert_eq!(filters[2], &without, "a credit hides where money goes");
    assert!(filters[3].is_null(), "{}", sent[3]);
    let metrics: Vec<_> = sent.iter().map(|one| &one["Metrics"][0]).collect();
    assert_eq!(metrics, ["UnblendedCost", "UnblendedCost", "UnblendedCost", "AmortizedCost"]);
}

#[tokio::test]
async fn denied_question_is_a_line_and_not_the_end() {
    let world = world(COSTS);
    world.account().refused.insert("GetCostAndUsage".to_owned());
    let words = plan_goes_on_words(&asked(&world, &budget()).await, &budget());
    assert!(words.starts_with("NOT KNOWN, which money goes to services that no action stops: ce:GetCostAndUsage: "), "{words}");
    assert!(words.contains("AccessDenied") && words.contains("not authorized"), "{words}");
}

#[tokio::test]
async fn amount_that_is_no_number_is_not_taken_for_zero() {
    let world = world(&[("Amazon Bedrock", "x", "much")]);
    let words = plan_goes_on_words(&asked(&world, &budget()).await, &budget());
    assert!(words.contains("NOT KNOWN") && words.contains("Amazon Bedrock costs `much`"), "{words}");
}

#[test]
fn table_has_each_service_that_no_action_stops_once() {
    let names: Vec<&str> = unstoppable::services(&CATALOG).map(|one| one.name).collect();
    assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len());
    let table = unstoppable::table(&CATALOG);
    assert!(names.iter().all(|name| table.contains(&format!("| {name} | "))), "{table}");
    let is_named = |name: &str| names.contains(&name);
    assert_eq!(is_named("Lambda"), CATALOG.find("stop-functions").is_err(), "an action that stops it takes it from the table");
}

#[test]
fn each_service_of_the_table_has_a_cost_of_its_own() {
    let cost = |service: &str, usage: &str| {
        let costs = [(service.to_owned(), usage.to_owned(), Decimal::ONE)];
        unstoppable::sums(&CATALOG, &costs).first().map(|(one, _)| one.name)
    };
    for (service, usage, name) in [
        ("Amazon Bedrock", "USE1-ProvisionedThroughput-ModelUnits", "Bedrock, provisioned throughput"),
        ("Amazon OpenSearch Service", "ESInstance:r6g", "OpenSearch domains"),
        ("Amazon MemoryDB", "NodeUsage", "ElastiCache, MemoryDB"),
        ("Amazon Managed Streaming for Apache Kafka", "Kafka.m5.large", "MSK"),
        ("Amazon Kinesis", "ShardHour", "Kinesis"),
        ("Amazon SageMaker", "USE1-Train:ml.m5.large", "Running jobs: training, Batch, Glue, CodeBuild, Step Functions"),
        ("AWS Glue", "ETL-DPU-Hour", "Running jobs: training, Batch, Glue, CodeBuild, Step Functions"),
        ("Amazon SageMaker", "USE1-Host:ml.m5.large", "SageMaker notebooks and endpoints"),
        ("Amazon Elastic Container Service for Kubernetes", "AmazonEKS-Hours:perCluster", "EKS clusters"),
        ("Amazon Elastic Load Balancing", "LoadBalancerUsage", "Load balancers"),
        ("Amazon DynamoDB", "WriteRequestUnits", "DynamoDB"),
        ("Amazon Simple Storage Service", "TimedStorage-ByteHrs", "S3"),
        ("Amazon Simple Storage Service", "DataTransfer-Out-Bytes", "Data transfer"),
        ("Amazon WorkSpaces", "AlwaysOn", "WorkSpaces"),
        ("Amazon Virtual Private Cloud", "USE1-PublicIPv4:InUseAddress", "Volumes, snapshots, IP addresses"),
    ] {
        assert_eq!(cost(service, usage), Some(name), "{service} {usage}");
    }
    for (service, usage) in [
        ("Amazon Elastic Compute Cloud - Compute", "BoxUsage"),
        ("Amazon Elastic Container Service", "Fargate-vCPU-Hours"),
        ("Amazon Redshift", "Node:ra3.xlplus"),
        ("Amazon Relational Database Service", "InstanceUsage"),
    ] {
        assert_eq!(cost(service, usage), None, "{service}: an action stops it");
    }
}
