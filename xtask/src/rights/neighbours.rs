//! The neighbours of a call: the same on another resource, or under other conditions; and the calls that no function may make at
//! all.

use std::collections::BTreeSet;
use std::fmt;

use super::evaluator::Question;
use super::reasons::Reasons;
use super::recorded::{Call, Recorded};

/// A call that must be refused.
pub struct Neighbour {
    call: Call,
    what: String,
}

/// The calls that no function may make, whatever it is for. `{role}` is its own role's name.
const NEVER: &[(&str, &str)] = &[
    ("ec2:RunInstances", "arn:aws:ec2:us-east-1:123456789012:instance/*"),
    ("ec2:TerminateInstances", "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0"),
    ("ec2:DeleteVolume", "arn:aws:ec2:us-east-1:123456789012:volume/vol-0123456789abcdef0"),
    (
        "autoscaling:DeleteAutoScalingGroup",
        "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:0f0f:autoScalingGroupName/any",
    ),
    (
        "autoscaling:TerminateInstanceInAutoScalingGroup",
        "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:0f0f:autoScalingGroupName/any",
    ),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/{role}"),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/Administrator"),
    ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/{role}"),
    ("iam:AttachRolePolicy", "arn:aws:iam::123456789012:role/{role}"),
    ("iam:UpdateAssumeRolePolicy", "arn:aws:iam::123456789012:role/{role}"),
    ("iam:DeleteRolePermissionsBoundary", "arn:aws:iam::123456789012:role/{role}"),
    ("iam:CreateUser", "arn:aws:iam::123456789012:user/any"),
    ("iam:CreateAccessKey", "arn:aws:iam::123456789012:user/any"),
    ("iam:AddUserToGroup", "arn:aws:iam::123456789012:group/any"),
    ("iam:PutGroupPolicy", "arn:aws:iam::123456789012:group/any"),
    ("iam:DeleteGroup", "arn:aws:iam::123456789012:group/any"),
    ("iam:CreatePolicyVersion", "arn:aws:iam::123456789012:policy/any"),
    ("sts:AssumeRole", "arn:aws:iam::123456789012:role/Administrator"),
    ("dynamodb:Scan", "arn:aws:dynamodb:us-east-1:123456789012:table/any"),
    ("dynamodb:DeleteItem", "arn:aws:dynamodb:us-east-1:123456789012:table/any"),
    ("dynamodb:DeleteTable", "arn:aws:dynamodb:us-east-1:123456789012:table/any"),
    ("lambda:UpdateFunctionCode", "arn:aws:lambda:us-east-1:123456789012:function:any"),
    ("lambda:DeleteFunction", "arn:aws:lambda:us-east-1:123456789012:function:any"),
    ("lambda:DeleteAlias", "arn:aws:lambda:us-east-1:123456789012:function:any"),
    ("lambda:DeleteEventSourceMapping", "arn:aws:lambda:us-east-1:123456789012:event-source-mapping:any"),
    ("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:any"),
    ("states:UpdateStateMachine", "arn:aws:states:us-east-1:123456789012:stateMachine:any"),
    ("states:StopExecution", "arn:aws:states:us-east-1:123456789012:execution:any:any"),
    ("kms:ScheduleKeyDeletion", "arn:aws:kms:us-east-1:123456789012:key/any"),
    ("s3:GetObject", "arn:aws:s3:::any/any"),
    ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:123456789012:secret:any"),
];

/// Every neighbour of every call that was allowed.
pub fn of(recorded: &Recorded, reasons: &Reasons) -> Vec<Neighbour> {
    let allowed: Vec<&Call> = recorded.calls.iter().filter(|call| call.allowed).collect();
    let mut neighbours = Vec::new();
    let mut roles = BTreeSet::new();
    for call in &allowed {
        if roles.insert((&call.role, &call.policies)) {
            neighbours.extend(NEVER.iter().map(|(action, resource)| {
                let resource = resource.replace("{role}", call.principal.rsplit('/').nth(1).unwrap_or_default());
                let call = Call { action: (*action).to_owned(), resource, keys: [].into(), key_policy: None, ..(*call).clone() };
                Neighbour { call, what: "no function may".to_owned() }
            }));
        }
        neighbours.extend(elsewhere(call, reasons));
        neighbours.extend(otherwise(call, recorded, reasons));
    }
    let mut seen = BTreeSet::new();
    neighbours.retain(|neighbour| seen.insert(neighbour.call.clone()));
    neighbours
}

/// The same call on another resource of the kind, which carries no tags.
fn elsewhere(call: &Call, reasons: &Reasons) -> Option<Neighbour> {
    if reasons.wide(&call.role, &call.action).is_some() {
        return None;
    }
    let resource = another(&call.resource)?;
    let keys = call.keys.iter().filter(|(key, _)| !key.contains("resourcetag/"));
    let keys = keys.map(|(key, value)| (key.clone(), value.clone())).collect();
    Some(Neighbour { call: Call { resource, keys, key_policy: None, ..call.clone() }, what: "another resource".to_owned() })
}

/// The same call, with another value of each condition key that the role's policies ask about.
fn otherwise(call: &Call, recorded: &Recorded, reasons: &Reasons) -> Vec<Neighbour> {
    // A call may be wide in its targets. Which policy it attaches is asked about all the same.
    let is_wide = reasons.wide(&call.role, &call.action).is_some();
    let policies = &recorded.policies[&call.policies];
    let asked = call.keys.iter().filter(|(key, _)| policies.ask_about(key) && (!is_wide || *key == "iam:policyarn"));
    let changed = asked.map(|(key, value)| {
        let mut keys = call.keys.clone();
        let other = match key.as_str() {
            "iam:policyarn" => "\"arn:aws:iam::aws:policy/AdministratorAccess\"",
            _ if value.starts_with('[') => "[\"another\"]",
            _ => "\"another\"",
        };
        keys.insert(key.clone(), other.to_owned());
        Neighbour { call: Call { keys, ..call.clone() }, what: format!("another {key}") }
    });
    changed.collect()
}

/// The ARN of another resource of the same kind, as far as the ARN names one.
fn another(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let (start, resource) = (parts.get(..5)?.join(":"), *parts.get(5)?);
    if resource.contains('*') {
        return None;
    }
    let other = match resource.split_once([':', '/']) {
        // An execution belongs to a machine, a stream to a log group: another of those.
        Some((kind @ ("execution" | "log-group"), rest)) => {
            let (name, below) = rest.split_once(':').unwrap_or((rest, ""));
            format!("{kind}:{name}-another:{below}")
        }
        // A version or an alias belongs to a function: the same of another.
        Some(("function", rest)) if rest.contains(':') => {
            let (name, qualifier) = rest.split_once(':').unwrap_or((rest, ""));
            format!("function:{name}-another:{qualifier}")
        }
        // A queue, a topic, a bucket are nothing but a name; of the rest the name comes last.
        _ => format!("{resource}-another"),
    };
    Some(format!("{start}:{other}"))
}

impl Neighbour {
    /// The role that made the call.
    pub fn role(&self) -> &str {
        &self.call.role
    }

    /// May it be called?
    pub fn question(&self) -> Question {
        Question::of(&self.call)
    }
}

impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.call, self.what)
    }
}
