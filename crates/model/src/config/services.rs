//! Names of services, as AWS Budgets filters by them. The console of Cost Explorer shows others for some, and a budget with one of
//! those watches nothing, without a word.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};

/// A name, or a list of names.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Reads a name, or a list of them.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(Names)
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a service, such as `Amazon Elastic Compute Cloud - Compute`, or a list of them")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Vec<String>, E> {
        Ok(vec![name.to_owned()])
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut sequence: S) -> Result<Vec<String>, S::Error> {
        let mut names = Vec::new();
        while let Some(name) = sequence.next_element()? {
            names.push(name);
        }
        Ok(names)
    }
}

/// The name that Cost Explorer has for the instances alone.
const COMPUTE: &str = "Amazon Elastic Compute Cloud - Compute";
/// Its name for volumes, NAT gateways, addresses and traffic.
const OTHER: &str = "EC2 - Other";

/// Names by which AWS Budgets filters, and others by which people know the service. They are compared without regard to letter case and
/// signs. Each name was seen in an answer of Cost Explorer's API; the list is not whole, and a name that is not in it is taken as it is.
const KNOWN: [(&str, &[&str]); 24] = [
    (
        COMPUTE,
        &["EC2", "Amazon EC2", "EC2 Instances", "EC2-Instances (Elastic Compute Cloud - Compute)", "Elastic Compute Cloud"],
    ),
    (OTHER, &["Amazon EC2 Other", "EBS", "Amazon EBS", "NAT", "NAT Gateway"]),
    ("Amazon Elastic Load Balancing", &["EC2-ELB (Elastic Load Balancing)", "ELB", "Elastic Load Balancing", "ALB"]),
    ("Amazon EC2 Container Registry (ECR)", &["EC2 Container Registry (ECR)", "ECR", "Amazon ECR", "Elastic Container Registry"]),
    (
        "Amazon Relational Database Service",
        &["RDS", "Amazon RDS", "Relational Database Service (RDS)", "Relational Database Service"],
    ),
    ("Amazon Simple Storage Service", &["S3", "Amazon S3", "S3 (Simple Storage Service)", "Simple Storage Service"]),
    ("AmazonCloudWatch", &["CloudWatch"]),
    ("AWS Lambda", &["Lambda", "Amazon Lambda"]),
    ("Amazon DynamoDB", &["DynamoDB", "AWS DynamoDB"]),
    ("Amazon Elastic Container Service", &["ECS", "Amazon ECS", "Elastic Container Service"]),
    ("Amazon Elastic Container Service for Kubernetes", &["EKS", "Amazon EKS", "Elastic Kubernetes Service"]),
    ("Amazon Virtual Private Cloud", &["VPC", "Amazon VPC", "VPC (Virtual Private Cloud)"]),
    ("Amazon SageMaker", &["SageMaker", "AWS SageMaker"]),
    ("Amazon Elastic MapReduce", &["EMR", "Amazon EMR", "EMR (Elastic MapReduce)"]),
    ("Amazon ElastiCache", &["ElastiCache"]),
    ("Amazon Redshift", &["Redshift"]),
    ("Amazon Route 53", &["Route 53", "Route53"]),
    ("Amazon CloudFront", &["CloudFront"]),
    ("Amazon API Gateway", &["API Gateway"]),
    ("AWS Key Management Service", &["KMS", "AWS KMS", "Key Management Service"]),
    ("Amazon Simple Queue Service", &["SQS", "Amazon SQS", "SQS (Simple Queue Service)"]),
    ("Amazon Simple Notification Service", &["SNS", "Amazon SNS", "SNS (Simple Notification Service)"]),
    ("AWS Secrets Manager", &["Secrets Manager"]),
    ("AWS Glue", &["Glue"]),
];

/// The mistake in the name of a service, if it is a known one.
pub(super) fn check(service: &str) -> Result<(), String> {
    if service.trim().is_empty() {
        return Err(format!("`service` holds an empty name: expected names such as `{COMPUTE}`"));
    }
    let given = folded(service);
    let meant = KNOWN.iter().find(|(name, others)| folded(name) == given || others.iter().any(|other| folded(other) == given));
    match meant {
        Some((name, _)) if *name != service => Err(format!(
            "AWS Budgets knows no service `{service}`, so the budget would watch nothing: write `{name}`{}",
            match *name {
                COMPUTE => ", and `EC2 - Other` too for volumes, NAT gateways and traffic",
                OTHER => ", which holds volumes, NAT gateways and traffic",
                _ => "",
            }
        )),
        _ => Ok(()),
    }
}

/// Does a budget of these services count instances, and not the volumes, NAT gateways and traffic that belong to them?
pub(super) fn misses_other(services: &[String]) -> bool {
    services.iter().any(|service| service == COMPUTE) && !services.iter().any(|service| service == OTHER)
}

fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn name_of_the_console_is_refused_with_the_right_one() {
        for (written, right) in [
            ("EC2-Instances (Elastic Compute Cloud - Compute)", COMPUTE),
            ("EC2-Other", OTHER),
            ("NAT gateway", OTHER),
            ("amazon elastic compute cloud - compute", COMPUTE),
            ("EC2-ELB (Elastic Load Balancing)", "Amazon Elastic Load Balancing"),
            ("Amazon CloudWatch", "AmazonCloudWatch"),
        ] {
            let why = check(written).unwrap_err();
            assert!(why.contains(&format!("`{written}`")) && why.contains(&format!("write `{right}`")), "{why}");
        }
    }

    #[test]
    fn right_and_unknown_names_are_taken() {
        for (name, _) in KNOWN {
            assert_eq!(check(name), Ok(()));
        }
        assert_eq!(check("Claude Opus 5 (Amazon Bedrock Edition)"), Ok(()));
        assert!(check(" ").unwrap_err().contains("an empty name"));
    }

    #[test]
    fn each_spelling_means_one_service() {
        let mut seen = BTreeMap::new();
        for (name, others) in KNOWN {
            for spelling in [name].iter().chain(others) {
                if let Some(before) = seen.insert(folded(spelling), name) {
                    assert_eq!(before, name, "{spelling}");
                }
            }
        }
    }

    #[test]
    fn budget_of_instances_alone_misses_their_volumes() {
        let services = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(misses_other(&services(&[COMPUTE])));
        assert!(!misses_other(&services(&[COMPUTE, OTHER])) && !misses_other(&services(&["AWS Lambda"])) && !misses_other(&[]));
    }
}
