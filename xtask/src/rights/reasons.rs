//! Grants that no call of the tests uses, resources that are wide, and calls that are refused, each with its reason.

use super::recorded::covers;

/// Why `role` is granted `action` though no recorded call used it.
pub fn unused(role: &str, action: &str) -> Option<&'static str> {
    reason(UNUSED, role, action)
}

/// Why `role` may make `action` on any resource of its kind.
pub fn wide(role: &str, action: &str) -> Option<&'static str> {
    reason(WIDE, role, action)
}

/// Why a test has a call of `role` refused.
pub fn refused(role: &str, action: &str) -> Option<&'static str> {
    reason(REFUSED, role, action)
}

fn reason(list: &[(&str, &str, &'static str)], role: &str, action: &str) -> Option<&'static str> {
    let found = list.iter().find(|(of, name, _)| (*of == "*" || *of == role) && covers(name, action));
    found.map(|(_, _, why)| *why)
}

/// Role, action, reason. An action may end in `*`.
const UNUSED: &[(&str, &str, &str)] = &[
    ("ScheduleRole", "*", "the local AWS's Scheduler calls its target, and sends to its queue, without a role"),
    ("MachineRole", "logs:*", "Step Functions asks for these eight before it takes a machine that writes a log"),
    ("*", "logs:CreateLogStream", "the Lambda service writes the log with the function's role"),
    ("*", "logs:PutLogEvents", "the Lambda service writes the log with the function's role"),
    (
        "*",
        "iam:GetInstanceProfile",
        "asked of instances that have a profile, which the local AWS' have not: tests/actions/instances.rs",
    ),
    (
        "MasterRole",
        "states:DescribeExecution",
        "asked when an alert finds a run whose execution may have died: tests/model/drive/runs.rs",
    ),
    (
        "ReconcileRole",
        "states:SendTaskSuccess",
        "wakes a run when a person's time to answer is over: tests/model/drive/approvals.rs",
    ),
    ("StopInstancesRole", "ec2:DescribeSpotInstanceRequests", "the local AWS has no Spot Instances: tests/actions/instances.rs"),
    ("StopInstancesRole", "kms:CreateGrant", "EC2 asks for it in its name to start an encrypted instance"),
    (
        "StopInstancesRole",
        "elasticloadbalancing:DescribeInstanceHealth",
        "the local AWS checks no role for it: tests/actions/groups.rs",
    ),
    (
        "StopInstancesRole",
        "elasticloadbalancing:DescribeTargetHealth",
        "the local AWS checks no role for it: tests/actions/groups.rs",
    ),
    ("SwapPolicyRole", "iam:GetAccountSummary", "the quota is asked for only near it: tests/actions/restrictions.rs"),
    (
        "SwapPolicyRole",
        "iam:ListPolicies",
        "asked where somebody is an administrator, and here nobody is: tests/actions/restrictions.rs",
    ),
    (
        "SwapPolicyRole",
        "iam:GetGroup",
        "asked of groups of administrators, of which there are none: tests/actions/restrictions.rs",
    ),
    ("VerifyRole", "iam:GetUser", "asked of users who are restricted by name: tests/model/verify/asking.rs"),
];

/// Whoever is an administrator must be known, in whichever group.
const ADMINISTRATORS: &str = "whoever is in a group of administrators must be known, and any group can be one";
/// Budgets are the product's by their tag.
const BY_TAG: &str = "whether there is a budget of a name, and whose, is looked at before one is made or deleted";
/// Whom a run restricted.
const PEOPLE: &str = "open runs may have restricted whom the file no longer names, and any role may be one to assume";

/// Role, action, reason.
const WIDE: &[(&str, &str, &str)] = &[
    ("BudgetRole", "budgets:ListTagsForResource", BY_TAG),
    ("BudgetRole", "budgets:ViewBudget", BY_TAG),
    ("MasterRole", "budgets:ViewBudget", "an alert may name any budget"),
    ("DenyActionsRole", "iam:GetGroup", ADMINISTRATORS),
    (
        "DenyActionsRole",
        "iam:GetRole",
        "where it denies to assume roles, who could become an operator must be known: who deploys is one, too",
    ),
    ("SwapGroupPolicyRole", "iam:GetGroup", ADMINISTRATORS),
    ("VerifyRole", "iam:GetGroup", PEOPLE),
    ("VerifyRole", "iam:SimulatePrincipalPolicy", PEOPLE),
];

/// Role, action, reason.
const REFUSED: &[(&str, &str, &str)] = &[
    ("MasterRole", "budgets:ViewBudget", "deployed::approvals takes the right away, to see that an alert then is not enforced"),
    ("StopInstancesRole", "autoscaling:ResumeProcesses", "deployed::budgets takes the group's tag away while it is held"),
    ("VerifyRole", "iam:SimulatePrincipalPolicy", "deployed::verify has a role of which IAM may not be asked"),
];
