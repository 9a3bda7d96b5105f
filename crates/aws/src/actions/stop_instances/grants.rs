//! What the function of `stop-instances` may do.

use serde_json::json;

use super::params::{StopInstances, UntaggedGroups};
use crate::ec2::operators;
use crate::grants::{Grant, Use, by_tag, widest};

/// Stops and starts instances.
const POWER: &[&str] = &["ec2:StopInstances", "ec2:StartInstances"];
/// Keeps a group from replacing its members, and lets it do so again.
const SUSPEND: &[&str] = &["autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses", "autoscaling:SetInstanceHealth"];

const NOT_CHECKED: &str = "the local AWS checks no role for it: tests/actions/groups.rs";

/// For all the stages that ask for it.
pub(super) fn all(all: &[&StopInstances]) -> Vec<Grant> {
    let mut grants = vec![look(), operators::grant(), start_encrypted(all)];
    grants.extend(by_tag("StopAndStart", POWER, all.iter().map(|params| (&params.tag, instances(params)))));
    // Where the stage says so: a group need not carry its members' tags, and then IAM cannot tell it by them.
    let (any, by_tags): (Vec<&StopInstances>, Vec<_>) =
        all.iter().copied().partition(|params| params.untagged_groups == UntaggedGroups::Stop);
    grants.extend(by_tag("SuspendAndResume", SUSPEND, by_tags.iter().map(|params| (&params.tag, groups(params)))));
    if !any.is_empty() {
        grants.push(Grant {
            sid: "SuspendAndResumeAny".to_owned(),
            uses: &[Use::Apply, Use::Rollback],
            actions: SUSPEND,
            resources: widest(any.into_iter().flat_map(groups)),
            ..Grant::default()
        });
    }
    grants
}

fn instances(params: &StopInstances) -> Vec<String> {
    params.regions.arns("ec2", "instance/*")
}

fn groups(params: &StopInstances) -> Vec<String> {
    params.regions.arns("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*")
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
        why_any: Some("AWS has no resource for these Describe calls"),
        unused: &[
            ("ec2:DescribeSpotInstanceRequests", "the local AWS has no Spot Instances: tests/actions/instances.rs"),
            ("elasticloadbalancing:DescribeInstanceHealth", NOT_CHECKED),
            ("elasticloadbalancing:DescribeTargetHealth", NOT_CHECKED),
        ],
        ..Grant::default()
    }
}

/// Volumes under a key of the account's own: EC2 gets a grant to it when the instance starts, in the caller's name.
fn start_encrypted(all: &[&StopInstances]) -> Grant {
    Grant {
        sid: "StartEncrypted".to_owned(),
        uses: &[Use::Rollback],
        actions: &["kms:CreateGrant"],
        resources: widest(all.iter().flat_map(|params| params.regions.arns("kms", "key/*"))),
        condition: json!({
            "Bool": {"kms:GrantIsForAWSResource": "true"},
            "StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"},
        }),
        unused: &[("kms:CreateGrant", "EC2 asks for it in its name to start an encrypted instance")],
        ..Grant::default()
    }
}
