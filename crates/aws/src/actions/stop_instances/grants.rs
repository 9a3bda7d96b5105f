//! What the function of `stop-instances` may do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::params::{Params, UntaggedGroups};
use crate::ec2::operators;
use crate::grants::{Grant, Use, sid};

const GROUP: &str = "autoScalingGroup:*:autoScalingGroupName/*";

/// For all the stages that ask for it.
pub(super) fn all(all: &[Params]) -> Vec<Grant> {
    if all.is_empty() {
        return Vec::new();
    }
    let mut grants = vec![look(), operators::grant(), start_encrypted(all)];
    let mut scopes: BTreeMap<String, Vec<&Params>> = BTreeMap::new();
    for params in all {
        scopes.entry(json!(params.tag).to_string()).or_default().push(params);
    }
    for (index, of_tag) in scopes.values().enumerate() {
        let tags = of_tag[0].tag.iter().map(|(key, values)| (format!("aws:ResourceTag/{key}"), values));
        let tagged = json!({"StringEquals": tags.collect::<BTreeMap<String, Vec<&str>>>()});
        grants.push(Grant {
            sid: sid(&["StopAndStart", &index.to_string()]),
            uses: &[Use::Apply, Use::Rollback],
            actions: &["ec2:StopInstances", "ec2:StartInstances"],
            resources: arns(of_tag, "ec2", "instance/*"),
            condition: tagged.clone(),
            why_any: None,
        });
        let by_tag = of_tag.iter().copied().filter(|params| params.untagged_groups == UntaggedGroups::Leave);
        grants.extend(suspend(&["SuspendAndResume", &index.to_string()], &by_tag.collect::<Vec<_>>(), tagged));
    }
    // Where the stage says so: a group need not carry its members' tags, and then IAM cannot tell it by them.
    let any = all.iter().filter(|params| params.untagged_groups == UntaggedGroups::Stop);
    grants.extend(suspend(&["SuspendAndResumeAny"], &any.collect::<Vec<_>>(), json!(null)));
    grants
}

fn suspend(name: &[&str], scope: &[&Params], condition: Json) -> Option<Grant> {
    (!scope.is_empty()).then(|| Grant {
        sid: sid(name),
        uses: &[Use::Apply, Use::Rollback],
        actions: &["autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses", "autoscaling:SetInstanceHealth"],
        resources: arns(scope, "autoscaling", GROUP),
        condition,
        why_any: None,
    })
}

fn look() -> Grant {
    Grant {
        sid: "Look".to_owned(),
        uses: &[Use::Plan, Use::Apply, Use::Rollback],
        actions: &[
            "ec2:DescribeRegions",
            "ec2:DescribeInstances",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeSpotInstanceRequests",
            "ec2:DescribeInstanceStatus",
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeInstanceRefreshes",
            "autoscaling:DescribeScalingActivities",
            "elasticloadbalancing:DescribeTargetHealth",
            "elasticloadbalancing:DescribeInstanceHealth",
        ],
        resources: vec!["*".to_owned()],
        condition: json!(null),
        why_any: Some("AWS has no resource for these Describe calls"),
    }
}

/// Volumes under a key of the account's own: EC2 gets a grant to it when the instance starts, in the caller's name.
fn start_encrypted(all: &[Params]) -> Grant {
    Grant {
        sid: "StartEncrypted".to_owned(),
        uses: &[Use::Rollback],
        actions: &["kms:CreateGrant"],
        resources: arns(&all.iter().collect::<Vec<_>>(), "kms", "key/*"),
        condition: json!({
            "Bool": {"kms:GrantIsForAWSResource": "true"},
            "StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"},
        }),
        why_any: None,
    }
}

/// ARNs of all resources of a kind in the Regions of these; those of every Region take in all the others.
fn arns(scope: &[&Params], service: &str, kind: &str) -> Vec<String> {
    let arns: BTreeSet<String> = scope.iter().flat_map(|params| params.regions.arns(service, kind)).collect();
    let all = arns.iter().find(|arn| arn.contains(&format!(":{service}:*:"))).cloned();
    all.map_or_else(|| arns.into_iter().collect(), |all| vec![all])
}
