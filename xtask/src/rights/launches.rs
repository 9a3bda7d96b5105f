//! The ways to launch that the local AWS has not, and those that stay open: the evaluator says which of them a restricted user
//! has, before, after a swap and under a Deny. The policies are those that `deny-actions` attaches, and AWS's own of the
//! walk-through.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use guardrails_aws::iam::own_policy::{OwnPolicy, spending};
use serde_json::{Value as Json, json};

use super::evaluator::{ALLOWED, Question};
use super::recorded::Policies;

/// AWS managed policies, as AWS publishes them.
const MANAGED: &str = include_str!("../../rights/managed.json");
const FULL_ACCESS: &str = "AmazonEC2FullAccess";
const READ_ONLY: &str = "AmazonEC2ReadOnlyAccess";
const ADMINISTRATOR: &str = "AdministratorAccess";
const UNDER_DENY: &str = "AdministratorAccess under a Deny";
const UNDER_WIDER_DENY: &str = "AdministratorAccess under a Deny with `also`";

/// The evaluator's word for a call that a Deny is about.
const DENIED: &str = "ExplicitlyDenied";
/// Its word for a call that nothing allows.
const NOT_ALLOWED: &str = "ImplicitlyDenied";

/// How somebody with the walk-through's full access launches.
const WAYS: &[&str] = &[
    "ec2:RunInstances",
    "ec2:StartInstances",
    "ec2:CreateFleet",
    "ec2:ModifyFleet",
    "ec2:RequestSpotFleet",
    "ec2:RequestSpotInstances",
    "ec2:RunScheduledInstances",
    "autoscaling:CreateAutoScalingGroup",
    "autoscaling:UpdateAutoScalingGroup",
    "autoscaling:SetDesiredCapacity",
];
/// The calls that lead to others' rights: denied where the file says so under `also`.
const BY_OTHERS: &[&str] = &["sts:AssumeRole", "iam:PassRole"];
/// The calls that look, and those that end spending: open to everybody under a Deny.
const OPEN: &[&str] = &[
    "ec2:DescribeInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
    "ec2:CancelSpotInstanceRequests",
    "ec2:DeleteFleets",
    "autoscaling:DeleteAutoScalingGroup",
    "autoscaling:SuspendProcesses",
    "rds:StopDBInstance",
    "rds:DeleteDBInstance",
    "eks:DeleteNodegroup",
    "ecs:StopTask",
    "ecs:DeleteService",
    "sagemaker:StopNotebookInstance",
    "s3:GetObject",
    "s3:PutObject",
    "dynamodb:GetItem",
    "logs:GetLogEvents",
    "cloudformation:DeleteStack",
    "iam:ChangePassword",
];

/// A call of a user with some policies, and the expected verdict.
pub struct Attempt {
    who: &'static str,
    action: String,
    expected: &'static str,
}

impl Attempt {
    pub fn question(&self) -> Question {
        Question::of_user(self.who, &self.action)
    }

    /// The error of a verdict.
    pub fn mistake(&self, verdict: &str) -> Option<String> {
        let Self { who, action, expected } = self;
        (verdict != *expected).then(|| format!("a user with {who}: {action} must be {expected}, and is {verdict}"))
    }
}

/// Every attempt.
pub fn all() -> Vec<Attempt> {
    let denied = spending();
    let attempt = |who, expected| move |action: &str| Attempt { who, action: action.to_owned(), expected };
    let ways = WAYS.iter().copied();
    let mut all: Vec<Attempt> = ways.clone().map(attempt(FULL_ACCESS, ALLOWED)).collect();
    all.extend(ways.clone().map(attempt(READ_ONLY, NOT_ALLOWED)));
    all.extend(ways.map(attempt(UNDER_DENY, DENIED)));
    all.extend(denied.iter().map(String::as_str).map(attempt(ADMINISTRATOR, ALLOWED)));
    all.extend(denied.iter().map(String::as_str).map(attempt(UNDER_DENY, DENIED)));
    all.extend(BY_OTHERS.iter().copied().map(attempt(UNDER_DENY, ALLOWED)));
    all.extend(BY_OTHERS.iter().copied().map(attempt(UNDER_WIDER_DENY, DENIED)));
    all.extend(OPEN.iter().copied().map(attempt(UNDER_WIDER_DENY, ALLOWED)));
    all
}

/// The policies of each sort of user.
///
/// # Errors
/// When a policy is not of the form that IAM takes.
pub fn policies() -> Result<BTreeMap<String, Policies>> {
    let managed: BTreeMap<String, Json> = serde_json::from_str(MANAGED)?;
    let own = |name: &str| -> Result<(String, Json)> {
        let policy = managed.get(name).ok_or_else(|| anyhow!("managed.json has no {name}"))?;
        Ok((name.to_owned(), policy.clone()))
    };
    let deny = |also: &[&str]| -> Result<Vec<(String, Json)>> {
        let actions: Vec<String> = spending().into_iter().chain(also.iter().map(|action| (*action).to_owned())).collect();
        let policies = OwnPolicy::denying(&actions).map_err(|why| anyhow!(why))?;
        Ok(policies.into_iter().map(|policy| (format!("deny-{}", policy.hash), policy.document)).collect())
    };
    let mut policies = BTreeMap::new();
    for name in [FULL_ACCESS, READ_ONLY] {
        policies.insert(name.to_owned(), Policies::of([own(name)?]));
    }
    let all = (
        ADMINISTRATOR.to_owned(),
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}),
    );
    policies.insert(ADMINISTRATOR.to_owned(), Policies::of([all.clone()]));
    policies.insert(UNDER_DENY.to_owned(), Policies::of(std::iter::once(all.clone()).chain(deny(&[])?)));
    policies.insert(UNDER_WIDER_DENY.to_owned(), Policies::of(std::iter::once(all).chain(deny(BY_OTHERS)?)));
    Ok(policies)
}
