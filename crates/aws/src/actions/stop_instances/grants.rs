//! The rights of the function of `stop-instances`.

use serde_json::json;

use super::params::{StopInstances, UntaggedGroups};
use crate::ec2::operators;
use crate::grants::{Grant, Reasons, Use, by_tag, widest};

/// Stops and starts instances.
const POWER: &[&str] = &["ec2:StopInstances", "ec2:StartInstances"];
/// Keeps a group from replacing its members, sets them aside, and lets it have them again.
const SUSPEND: &[&str] = &[
    "autoscaling:SuspendProcesses",
    "autoscaling:ResumeProcesses",
    "autoscaling:SetInstanceHealth",
    "autoscaling:EnterStandby",
    "autoscaling:ExitStandby",
    "autoscaling:SetDesiredCapacity",
];
/// Sets a group's minimum; see [`minimum_alone`].
const RESIZE: &[&str] = &["autoscaling:UpdateAutoScalingGroup"];

const RESIZED_BY_OTHERS: Reasons =
    &[("autoscaling:SetDesiredCapacity", "only where others changed a held group: tests/actions/groups/pipelines.rs")];
const NOT_CHECKED: &str = "the local AWS checks no role for it: tests/actions/groups.rs";

/// For all the stages that ask for it.
pub(super) fn all(all: &[&StopInstances]) -> Vec<Grant> {
    let mut grants = vec![look(), operators::grant(), start_encrypted(all), start_licensed(all)];
    grants.extend(by_tag("StopAndStart", POWER, all.iter().map(|params| (&params.tag, instances(params)))));
    if all.iter().any(|params| params.who_started) {
        grants.push(who_started());
    }
    // Where the stage says so: a group need not carry its members' tags, and then IAM cannot tell it by them.
    let (any, by_tags): (Vec<&StopInstances>, Vec<_>) =
        all.iter().copied().partition(|params| params.untagged_groups == UntaggedGroups::Stop);
    let suspend = by_tag("SuspendAndResume", SUSPEND, by_tags.iter().map(|params| (&params.tag, groups(params))));
    grants.extend(suspend.into_iter().map(|grant| Grant { unused: RESIZED_BY_OTHERS, ..grant }));
    let resize = by_tag("SetMinimum", RESIZE, by_tags.iter().map(|params| (&params.tag, groups(params))));
    grants.extend(resize.into_iter().map(minimum_alone));
    if !any.is_empty() {
        let everywhere = |sid: &str, actions| Grant {
            sid: sid.to_owned(),
            uses: &[Use::Apply, Use::Rollback],
            actions,
            unused: RESIZED_BY_OTHERS,
            resources: widest(any.iter().copied().flat_map(groups)),
            ..Grant::default()
        };
        grants.push(everywhere("SuspendAndResumeAny", SUSPEND));
        grants.push(minimum_alone(everywhere("SetMinimumAny", RESIZE)));
    }
    grants
}

/// The call must set the minimum, and may set neither the maximum nor the launch configuration, the subnets or a launch template's
/// version. IAM has no key for the rest of the call. The keys are in the service authorization reference; that a call
/// without these fields has no such keys could not be tried on AWS.
fn minimum_alone(mut grant: Grant) -> Grant {
    let mut condition = grant.condition.take();
    if condition.is_null() {
        condition = json!({});
    }
    condition["NumericGreaterThanEquals"] = json!({"autoscaling:MinSize": "0"});
    condition["Null"] = json!({
        "autoscaling:MaxSize": "true",
        "autoscaling:LaunchConfigurationName": "true",
        "autoscaling:VPCZoneIdentifiers": "true",
    });
    condition["BoolIfExists"] = json!({"autoscaling:LaunchTemplateVersionSpecified": "false"});
    Grant { condition, ..grant }
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
            "ec2:DescribeVolumes",
            "ec2:DescribeInstanceStatus",
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeInstanceRefreshes",
            "autoscaling:DescribeScalingActivities",
            "autoscaling:DescribeScheduledActions",
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

/// CloudTrail's event history names the principal that started an instance.
fn who_started() -> Grant {
    Grant {
        sid: "WhoStarted".to_owned(),
        uses: &[Use::Apply],
        actions: &["cloudtrail:LookupEvents"],
        resources: vec!["*".to_owned()],
        why_any: Some("AWS has no resource for CloudTrail's event history"),
        unused: &[("cloudtrail:LookupEvents", "the local AWS keeps no such history: tests/actions/who_started.rs")],
        ..Grant::default()
    }
}

/// A licence configuration of License Manager is a second resource of a start, often of the account that shares it. The instance itself is started by its
/// tag alone.
fn start_licensed(all: &[&StopInstances]) -> Grant {
    let configurations = |params: &&StopInstances| params.regions.arns_anywhere("license-manager", "license-configuration:*");
    Grant {
        sid: "StartLicensed".to_owned(),
        uses: &[Use::Rollback],
        actions: &["ec2:StartInstances"],
        resources: widest(all.iter().flat_map(configurations)),
        ..Grant::default()
    }
}

/// Encrypted volumes: EC2 gets a grant to their key when the instance starts, in the caller's name. The key may be another account's,
/// whose key policy has to allow it too.
fn start_encrypted(all: &[&StopInstances]) -> Grant {
    Grant {
        sid: "StartEncrypted".to_owned(),
        uses: &[Use::Rollback],
        actions: &["kms:CreateGrant"],
        resources: widest(all.iter().flat_map(|params| params.regions.arns_anywhere("kms", "key/*"))),
        condition: json!({
            "Bool": {"kms:GrantIsForAWSResource": "true"},
            "StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"},
        }),
        unused: &[("kms:CreateGrant", "EC2 asks for it in its name to start an encrypted instance")],
        ..Grant::default()
    }
}
