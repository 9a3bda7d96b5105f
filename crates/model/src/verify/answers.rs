//! The answers of IAM's simulator, and their meaning for launching.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::omit::is_default;
use crate::verdict::Verdict;

/// Why it cannot be told of a call that the organization does not allow. A service control policy that denies is no such case:
/// since July 2026 the simulator evaluates its conditions and resources, and answers with an explicit Deny. That was not tried on
/// AWS.
const AS_SIMULATED: &str = "the organisation's policies deny it as simulated";

/// The simulator's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Some statement allows it, and none denies it.
    Allowed,
    /// Nothing allows it.
    ImplicitDeny,
    /// A statement denies it.
    ExplicitDeny,
}

/// Its answer about one call on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// The call, such as `ec2:RunInstances`.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// Its decision.
    pub decision: Decision,
    /// The policies whose statements decide, by the simulator's names.
    pub policies: Vec<String>,
    /// Keys of the request of which nothing is known, and which any statement of theirs asks for, also one that says nothing of
    /// this call.
    pub missing: Vec<String>,
    /// The permissions boundary does not allow it.
    pub bounded: bool,
    /// The organization does not allow it.
    pub forbidden: bool,
}

impl Simulated {
    /// Do their own policies allow it?
    #[must_use]
    pub fn allowed(&self) -> Verdict {
        match self.decision {
            Decision::Allowed => Verdict::Yes,
            Decision::ImplicitDeny | Decision::ExplicitDeny => self.unclear().unwrap_or(Verdict::No),
        }
    }

    /// Does one of their policies, or the organization, deny it whatever a role's trust policy says?
    #[must_use]
    pub fn denied(&self) -> Verdict {
        match self.decision {
            Decision::ImplicitDeny if !self.forbidden => Verdict::No,
            Decision::ImplicitDeny | Decision::ExplicitDeny => self.unclear().unwrap_or(Verdict::Yes),
            Decision::Allowed => Verdict::No,
        }
    }

    /// Does their permissions boundary keep them from it?
    #[must_use]
    pub fn beyond_boundary(&self) -> Verdict {
        if self.bounded { self.unclear().unwrap_or(Verdict::Yes) } else { Verdict::No }
    }

    /// Is it closed by a policy of ours? That has no conditions, and wins over every Allow.
    #[must_use]
    pub fn is_closed_by_us(&self) -> bool {
        self.decision == Decision::ExplicitDeny && self.policies.iter().any(|policy| is_own_deny(policy))
    }

    /// The missing keys that a request for this call can have: those of its service, and those that all services have.
    pub fn open(&self) -> impl Iterator<Item = &str> {
        let service = self.action.split(':').next().unwrap_or_default();
        let can_have = move |key: &&str| {
            let of = key.split(':').next().unwrap_or_default();
            of.eq_ignore_ascii_case("aws") || of.eq_ignore_ascii_case(service)
        };
        self.missing.iter().map(String::as_str).filter(can_have)
    }

    /// Why a denial may be none for another request than the simulated one.
    fn unclear(&self) -> Option<Verdict> {
        if self.is_closed_by_us() {
            return None;
        }
        if self.forbidden && self.decision != Decision::ExplicitDeny {
            return Some(Verdict::Unknown(AS_SIMULATED.to_owned()));
        }
        let open: Vec<&str> = self.open().collect();
        (!open.is_empty()).then(|| Verdict::Unknown(format!("their policies ask for {}", open.join(", "))))
    }
}

/// Is it, by its name, a policy that this product made to deny? `<stack>-<region>-deny-<ten hexadecimal digits>`.
#[must_use]
pub fn is_own_deny(policy: &str) -> bool {
    let is_digit = |letter: u8| matches!(letter, b'0'..=b'9' | b'a'..=b'f');
    policy.rsplit_once("-deny-").is_some_and(|(_, hash)| hash.len() == 10 && hash.bytes().all(is_digit))
}

/// A way to start or to enlarge paid computing that IAM is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// The call.
    pub action: &'static str,
    /// The resource on which it must be allowed at least: service and resource of an ARN.
    on: (&'static str, &'static str),
}

/// The main ways to launch, the first first.
pub const LAUNCHES: &[Launch] = &[
    Launch { action: "ec2:RunInstances", on: ("ec2", "instance/*") },
    Launch { action: "ec2:CreateFleet", on: ("ec2", "fleet/*") },
    Launch { action: "ec2:RequestSpotInstances", on: ("ec2", "spot-instances-request/*") },
    Launch { action: "ec2:RequestSpotFleet", on: ("ec2", "spot-fleet-request/*") },
    Launch { action: "ec2:StartInstances", on: ("ec2", "instance/*") },
    Launch { action: "autoscaling:CreateAutoScalingGroup", on: ("autoscaling", GROUP) },
    Launch { action: "autoscaling:UpdateAutoScalingGroup", on: ("autoscaling", GROUP) },
];

const GROUP: &str = "autoScalingGroup:*:autoScalingGroupName/*";

impl Launch {
    /// The resource that the question names: any name in one Region. A right on everything is a right on these, and so is one on
    /// all resources of the kind; a Deny on them counts too.
    #[must_use]
    pub fn resource(&self, partition: &str, region: &str, account: &str) -> String {
        let (service, resource) = self.on;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// Whether somebody may launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launching {
    /// By these calls, because of these policies.
    Can {
        /// The calls, in the order of [`LAUNCHES`].
        actions: Vec<String>,
        /// The simulator's names of the policies.
        policies: Vec<String>,
    },
    /// Nothing.
    Cannot,
    /// It depends on keys that only a request has.
    CannotTell(String),
}

/// Reads the answers about one person or role.
#[must_use]
pub fn launching(answers: &[Simulated], partition: &str, region: &str, account: &str) -> Launching {
    let (mut actions, mut policies, mut missing) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut is_forbidden = false;
    for launch in LAUNCHES {
        let on = launch.resource(partition, region, account);
        let of = |answer: &&Simulated| answer.action.eq_ignore_ascii_case(launch.action) && answer.resource == on;
        let Some(answer) = answers.iter().find(of) else {
            missing.insert(format!("{}, of which IAM said nothing", launch.action));
            continue;
        };
        match answer.decision {
            Decision::Allowed => {
                actions.push(launch.action.to_owned());
                policies.extend(answer.policies.iter().cloned());
            }
            Decision::ImplicitDeny | Decision::ExplicitDeny if answer.is_closed_by_us() => {}
            Decision::ImplicitDeny if answer.forbidden => is_forbidden = true,
            Decision::ImplicitDeny | Decision::ExplicitDeny => missing.extend(answer.open().map(str::to_owned)),
        }
    }
    let depends = (!missing.is_empty()).then(|| format!("it depends on {}", missing.into_iter().collect::<Vec<_>>().join(", ")));
    let unclear: Vec<String> = is_forbidden.then(|| AS_SIMULATED.to_owned()).into_iter().chain(depends).collect();
    if !actions.is_empty() {
        Launching::Can { actions, policies: policies.into_iter().collect() }
    } else if unclear.is_empty() {
        Launching::Cannot
    } else {
        Launching::CannotTell(unclear.join("; "))
    }
}

/// Policies that are kept of a way. IAM attaches no more than twenty to a role.
const MOST_POLICIES: usize = 24;
/// Policies that its words name.
const MOST_SAID: usize = 3;

/// A way in which somebody can launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Way {
    /// The name of the role that they would assume; directly when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// The calls.
    pub actions: Vec<String>,
    /// The policies that allow them.
    pub policies: Vec<String>,
    /// How many more policies there are than are kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more_policies: usize,
}

impl Way {
    /// As much of it as is kept.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.more_policies += self.policies.len().saturating_sub(MOST_POLICIES);
        self.policies.truncate(MOST_POLICIES);
        self
    }

    /// In words, after "can launch": `by P (ec2:RunInstances)`.
    #[must_use]
    pub fn words(&self) -> String {
        let through = self.through.as_ref().map(|role| format!("through role {role} ")).unwrap_or_default();
        let named = self.policies.iter().take(MOST_SAID).cloned();
        let more = match self.more_policies + self.policies.len().saturating_sub(MOST_SAID) {
            0 => None,
            1 => Some("1 more policy".to_owned()),
            more => Some(format!("{more} more policies")),
        };
        let policies: Vec<String> = named.chain(more).collect();
        let policies = if policies.is_empty() { "a policy that IAM does not name".to_owned() } else { policies.join(", ") };
        let more = self.actions.len().saturating_sub(1);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{through}by {policies} ({}{more})", self.actions.first().map_or("no call", String::as_str))
    }
}

/// A policy's name as IAM's simulator gives it, for people: that of a managed policy is its own; an inline policy's begins with
/// the user, role or group that has it.
#[must_use]
pub fn policy_words(id: &str, arn: &str) -> String {
    let name = arn.rsplit('/').next().unwrap_or_default();
    let kind = if arn.contains(":role/") { "role" } else { "user" };
    if let Some(own) = id.strip_prefix(&format!("{kind}_{name}_")) {
        return format!("inline policy {own}");
    }
    id.strip_prefix("group_").map_or_else(|| id.to_owned(), |of_group| format!("inline policy of a group ({of_group})"))
}
