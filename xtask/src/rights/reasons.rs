//! Reasons for grants that no call of the tests uses, for resources that are wide, and for calls that are refused. Those of an
//! action stand beside its grants; here are those of the stack's other roles.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use guardrails_aws::actions::CATALOG;
use guardrails_aws::grants::sid;

use super::recorded::covers;

const ALL_ACTIONS: &str = include_str!("../../../examples/all-actions.yaml");

/// Reasons by role and action.
pub struct Reasons {
    unused: Rows,
    wide: Rows,
}

type Rows = Vec<(String, String, String)>;

impl Reasons {
    /// Those of the stack's roles: the fixed ones below, and those that the actions declare.
    ///
    /// # Errors
    /// When the file that asks for every action cannot be read.
    pub fn of_the_stack() -> Result<Self> {
        let config = CATALOG.parse("examples/all-actions.yaml", ALL_ACTIONS).context("reading the file with all actions")?;
        let mut reasons = Self { unused: rows(UNUSED), wide: rows(WIDE) };
        for action in CATALOG.entries() {
            let role = format!("{}Role", sid(&action.name.split('-').collect::<Vec<_>>()));
            for grant in action.grants(&config)? {
                let row = |(name, why): &(&str, &str)| (role.clone(), (*name).to_owned(), (*why).to_owned());
                reasons.unused.extend(grant.unused.iter().map(row));
                reasons.wide.extend(grant.wide.iter().map(row));
            }
        }
        Ok(reasons)
    }

    /// Adds those of a role that is not the stack's, which stand in the record.
    pub fn add_wide(&mut self, role: &str, wide: &BTreeMap<String, String>) {
        self.wide.extend(wide.iter().map(|(action, why)| (role.to_owned(), action.clone(), why.clone())));
    }

    /// Why `role` is granted `action` though no recorded call used it.
    pub fn unused(&self, role: &str, action: &str) -> Option<&str> {
        reason(&self.unused, role, action)
    }

    /// Why `role` may make `action` on any resource of its kind.
    pub fn wide(&self, role: &str, action: &str) -> Option<&str> {
        reason(&self.wide, role, action)
    }
}

/// Why a test has a call of `role` refused.
pub fn refused(role: &str, action: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(of, name, _)| *of == role && covers(name, action)).map(|(_, _, why)| *why)
}

fn rows(list: &[(&str, &str, &str)]) -> Rows {
    list.iter().map(|(role, action, why)| ((*role).to_owned(), (*action).to_owned(), (*why).to_owned())).collect()
}

fn reason<'a>(rows: &'a Rows, role: &str, action: &str) -> Option<&'a str> {
    let found = rows.iter().find(|(of, name, _)| (of == "*" || of == role) && covers(name, action));
    found.map(|(_, _, why)| why.as_str())
}

/// Role, action, reason. An action may end in `*`.
const UNUSED: &[(&str, &str, &str)] = &[
    ("ScheduleRole", "*", "the local AWS's Scheduler calls its target, and sends to its queue, without a role"),
    ("MachineRole", "logs:*", "Step Functions asks for these eight before it takes a machine that writes a log"),
    ("*", "logs:CreateLogStream", "the Lambda service writes the log with the function's role"),
    ("*", "logs:PutLogEvents", "the Lambda service writes the log with the function's role"),
    (
        "MasterRole",
        "states:DescribeExecution",
        "asked when an alert finds a run whose execution may have died: tests/model/engine/runs.rs",
    ),
    (
        "ReconcileRole",
        "states:SendTaskSuccess",
        "wakes a run when a person's time to answer is over: tests/model/engine/approvals.rs",
    ),
    ("VerifyRole", "iam:GetUser", "asked of users who are restricted by name: tests/model/verify/asking.rs"),
];

/// Budgets are the product's by their tag.
const BY_TAG: &str = "whether there is a budget of a name, and whose, is looked at before one is made or deleted";
/// The principals that a run restricted.
const PEOPLE: &str = "open runs may have restricted whom the file no longer names, and any role may be one to assume";

/// Role, action, reason.
const WIDE: &[(&str, &str, &str)] = &[
    ("BudgetRole", "budgets:ListTagsForResource", BY_TAG),
    ("BudgetRole", "budgets:ViewBudget", BY_TAG),
    ("MasterRole", "budgets:ViewBudget", "an alert may name any budget"),
    ("VerifyRole", "iam:GetGroup", PEOPLE),
    ("VerifyRole", "iam:SimulatePrincipalPolicy", PEOPLE),
];

/// Role, action, reason.
const REFUSED: &[(&str, &str, &str)] = &[
    ("MasterRole", "budgets:ViewBudget", "deployed::approvals takes the right away, to see that an alert then is not enforced"),
    ("StopInstancesRole", "autoscaling:ResumeProcesses", "deployed::budgets takes the group's tag away while it is held"),
    (
        "SwapGroupPolicyRole",
        "iam:AttachGroupPolicy",
        "deployed::rollbacks takes the right away, to see that a refused step is left alone",
    ),
    ("VerifyRole", "iam:SimulatePrincipalPolicy", "deployed::verify has a role of which IAM may not be asked"),
];
