//! The stack's own Deny policies, which `deny-actions` attaches, several to each principal. One closes the guardrails themselves. The
//! others deny a list of actions: IAM limits a policy's length, so a long list takes more than one.
//!
//! CloudFormation makes them. A policy of a list is named by the actions that it denies, so an action finds it without asking, and no
//! list is rewritten under a principal that has it. The closing policy has one name, and the template updates it in its place.

use guardrails_model::ids::{FacetId, RunId};
use guardrails_model::ledger::{Ledger, LedgerError};
use guardrails_model::phase::Phase;
use guardrails_model::principal::Principal;
use guardrails_model::record::{Run, Step};
use guardrails_model::verify::is_own_deny;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::patterns::shortened;
use crate::context::Home;

/// The actions that are denied when guardrails.yaml does not say: policies/deny-spending.json.
const SPENDING: &str = include_str!("../../../../../policies/deny-spending.json");
/// The calls that cost by use, denied where guardrails.yaml says so.
const USAGE: &str = include_str!("../../../../../policies/deny-usage.json");
/// IAM takes a managed policy of so many characters, white space aside.
const LONGEST: usize = 6144;
/// Characters that the closing policy has for the stack's own parts, which the template fills in.
pub const ROOM_FOR_THE_STACK: usize = 5700;
/// Characters that the version before kept for the same in each of its policies.
pub const FORMER_ROOM_FOR_THE_STACK: usize = 870;
/// Policies that a list may take: a principal has ten, and needs some for its own.
const MOST_LISTED: usize = 4;
/// The calls that would blind a guardrail, denied with every list.
///
/// - A budget that is raised or deleted sends no alert, nor does one whose tag is counted no more.
/// - Without the stack's tag, a budget is no more the stack's to correct.
/// - A subscription that ends, or filters, tells nobody. IAM knows no resource for these two.
///
/// They are denied on every budget: the policy must not grow with the guardrails, nor be another when there are more.
const SIGHT: [&str; 6] = [
    "budgets:ModifyBudget",
    "budgets:TagResource",
    "budgets:UntagResource",
    "ce:UpdateCostAllocationTagsStatus",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
];
/// The same as the version before had them.
const FORMER_SIGHT: [&str; 2] = ["budgets:ModifyBudget", "ce:UpdateCostAllocationTagsStatus"];
/// Calls that joined policies/deny-spending.json after the version before. Its runs hold the list without them.
const JOINED: [&str; 35] = [
    "appsync:CreateApiCache",
    "appsync:UpdateApiCache",
    "batch:UpdateJobQueue",
    "docdb-elastic:StartCluster",
    "ecs:CreateExpressGatewayService",
    "ecs:UpdateExpressGatewayService",
    "eks:UpdateNodegroupVersion",
    "elasticmapreduce:PutAutoScalingPolicy",
    "events:EnableRule",
    "events:PutRule",
    "glue:StartCrawler",
    "glue:StartCrawlerSchedule",
    "glue:StartTrigger",
    "glue:UpdateTrigger",
    "iam:AddUserToGroup",
    "iam:UpdateGroup",
    "iam:UpdateUser",
    "kinesisanalytics:StartApplication",
    "lambda:CreateEventSourceMapping",
    "lambda:DeleteFunctionConcurrency",
    "lambda:PutFunctionConcurrency",
    "lambda:UpdateEventSourceMapping",
    "neptune-graph:StartGraph",
    "osis:StartPipeline",
    "redshift-serverless:DeleteUsageLimit",
    "redshift-serverless:UpdateUsageLimit",
    "redshift:CreateScheduledAction",
    "redshift:ModifyScheduledAction",
    "sagemaker:CreateInferenceComponent",
    "sagemaker:StartMlflowTrackingServer",
    "sagemaker:UpdateInferenceComponentRuntimeConfig",
    "scheduler:CreateSchedule",
    "scheduler:UpdateSchedule",
    "wafv2:AssociateWebACL",
    "wafv2:DisassociateWebACL",
];
/// Letters of a policy's hash.
const HASH: usize = 10;

/// A policy of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPolicy {
    /// The reason for it.
    pub kind: Kind,
    /// Its name's last part.
    pub hash: String,
    /// The document, without the stack's own parts.
    pub document: Json,
}

/// The reason for a policy of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It closes the guardrails themselves. The template adds the stack's parts.
    Closing,
    /// It denies a list of actions, or a part of a list.
    Listed,
    /// The version before had one policy for both. Its runs hold it, so it stays. The template adds the stack's parts.
    Former,
}

/// Where the stack stands, to be filled in by CloudFormation.
pub const TEMPLATE: Home<'_> =
    Home { partition: "${AWS::Partition}", account: "${AWS::AccountId}", region: "${AWS::Region}", stack: "${AWS::StackName}" };

impl OwnPolicy {
    /// The policies that deny `actions`, the closing one first.
    ///
    /// # Errors
    /// When the list takes more policies than a principal has room for.
    pub fn denying(actions: &[String]) -> Result<Vec<Self>, String> {
        let listed = parts(actions);
        if listed.len() > MOST_LISTED {
            return Err(format!(
                "its list would take {} policies of {LONGEST} characters, which is more than {MOST_LISTED}: IAM lets a group have ten, and \
                 it has others: name fewer actions, or name them as `rds:Create*`",
                listed.len()
            ));
        }
        let listed = listed.into_iter().map(|part| Self {
            kind: Kind::Listed,
            hash: hash(&json!(["listed", part])),
            document: document(&shortened(part)),
        });
        Ok(std::iter::once(Self::closing()).chain(listed).collect())
    }

    /// The policy that closes the guardrails.
    #[must_use]
    pub fn closing() -> Self {
        Self { kind: Kind::Closing, hash: hash(&json!(["closing"])), document: document(&SIGHT.map(str::to_owned)) }
    }

    /// The one policy that the version before had for `actions`, where it had one.
    #[must_use]
    pub fn former(actions: &[String]) -> Option<Self> {
        let besides = FORMER_SIGHT.map(str::to_owned).into_iter().filter(|action| !actions.contains(action));
        let all: Vec<String> = actions.iter().cloned().chain(besides).collect();
        let former = Self { kind: Kind::Former, hash: hash(&document(actions)), document: document(&shortened(&all)) };
        (former.document.to_string().len() <= LONGEST - FORMER_ROOM_FOR_THE_STACK).then_some(former)
    }

    /// Its name in a stack. A stack of that name may stand in another Region too, and IAM's names are the account's.
    #[must_use]
    pub fn name(&self, home: &Home<'_>) -> String {
        format!("{}{}", home.deny(), self.hash)
    }

    /// Its ARN in a stack.
    #[must_use]
    pub fn arn(&self, home: &Home<'_>) -> String {
        format!("{}{}", home.denies(), self.hash)
    }
}

impl Home<'_> {
    /// How the names of the stack's policies begin.
    fn deny(&self) -> String {
        format!("{}-{}-deny-", self.stack, self.region)
    }

    /// How their ARNs begin.
    fn denies(&self) -> String {
        format!("arn:{}:iam::{}:policy/{}", self.partition, self.account, self.deny())
    }

    /// A pattern of IAM's for their ARNs.
    #[must_use]
    pub fn any_deny(&self) -> String {
        self.denies() + &"?".repeat(HASH)
    }
}

/// Names a policy by `content`: how a list is written may change without being another policy.
fn hash(content: &Json) -> String {
    format!("{:x}", Sha256::digest(content.to_string()))[..HASH].to_owned()
}

/// The list in parts, each for a policy. They follow from the list alone, and not from how it is written shorter.
fn parts(actions: &[String]) -> Vec<&[String]> {
    let most = LONGEST - document(&[]).to_string().len();
    let (mut parts, mut first, mut letters) = (Vec::new(), 0, 0);
    for (at, action) in actions.iter().enumerate() {
        // With quotation marks and a comma.
        letters += action.len() + 3;
        if letters > most {
            parts.push(&actions[first..at]);
            (first, letters) = (at, action.len() + 3);
        }
    }
    parts.push(&actions[first..]);
    parts.retain(|part| !part.is_empty());
    parts
}

fn document(actions: &[String]) -> Json {
    let statement = json!({"Sid": "BudgetGuardrails", "Effect": "Deny", "Action": actions, "Resource": "*"});
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

/// The first of `open` runs that has to do with another stack's policy of this sort, and its facet: the roles of the stack at `home` may
/// neither attach nor detach it.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn held_of_another(ledger: &Ledger, open: &[Run], home: &Home<'_>) -> Result<Option<(RunId, FacetId)>, LedgerError> {
    for run in open {
        let mut found = None;
        let note = |step: Step| {
            let is_over = matches!(step.phase, Phase::Skipped | Phase::RolledBack | Phase::Abandoned);
            if !is_over && is_of_another(&step.facet, home) {
                found = Some(step.facet);
            }
        };
        ledger.visit(run, note).await?;
        if let Some(facet) = found {
            return Ok(Some((run.id.clone(), facet)));
        }
    }
    Ok(None)
}

fn is_of_another(facet: &FacetId, home: &Home<'_>) -> bool {
    let (_, _, policy) = facet.parts();
    let name = policy.rsplit('/').next().unwrap_or(policy);
    let is_ours = name.strip_prefix(&home.deny()).is_some_and(|hash| hash.len() == HASH);
    Principal::of_policy(facet).is_some() && is_own_deny(name) && !is_ours
}

/// The actions of policies/deny-spending.json.
#[must_use]
pub fn spending() -> Vec<String> {
    actions_of(SPENDING)
}

/// The actions of policies/deny-usage.json.
#[must_use]
pub fn usage() -> Vec<String> {
    actions_of(USAGE)
}

fn actions_of(policy: &str) -> Vec<String> {
    let document: Json = serde_json::from_str(policy).unwrap_or_default();
    let statements = document["Statement"].as_array().into_iter().flatten();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().into_iter().flatten());
    actions.filter_map(|action| action.as_str().map(str::to_owned)).collect()
}

/// The list as the version before had it, where `actions` has all of policies/deny-spending.json.
#[must_use]
pub fn formerly(actions: &[String]) -> Option<Vec<String>> {
    let has_all = spending().iter().all(|action| actions.contains(action));
    has_all.then(|| actions.iter().filter(|action| !JOINED.contains(&action.as_str())).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::names;

    #[test]
    fn file_denies_each_action_once_and_leaves_room_for_more() {
        let document: Json = serde_json::from_str(SPENDING).unwrap();
        for statement in document["Statement"].as_array().unwrap() {
            let keys: Vec<&String> = statement.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["Sid", "Effect", "Action", "Resource"]);
            assert_eq!((statement["Effect"].as_str(), statement["Resource"].as_str()), (Some("Deny"), Some("*")));
        }
        let actions = spending();
        assert!(actions.len() > 150 && actions.iter().all(|action| names::action(action).is_ok() && !action.contains('*')));
        let mut once = actions.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), actions.len());
        for launch in ["ec2:RunInstances", "ec2:CreateFleet", "ec2:RequestSpotInstances", "autoscaling:CreateAutoScalingGroup"] {
            assert!(actions.iter().any(|action| action == launch), "{launch}");
        }
        // The actions that may be added, as policies/README.md says.
        let more =
            ["sts:AssumeRole", "iam:PassRole", "iam:CreateUser", "iam:CreateAccessKey", "iam:CreateRole", "iam:PutUserPolicy"];
        let more = [actions, more.map(str::to_owned).to_vec()].concat();
        assert_eq!(OwnPolicy::denying(&more).unwrap().len(), 3, "the closing policy, and two for the list");
        let all = [more, usage()].concat();
        assert_eq!(OwnPolicy::denying(&all).unwrap().len(), 3, "calls that cost by use have room beside them");
    }

    #[test]
    fn list_of_the_version_before_keeps_its_policy() {
        let mut actions = spending();
        actions.sort();
        let before = formerly(&actions).unwrap();
        assert_eq!(actions.len() - before.len(), JOINED.len());
        assert!(JOINED.iter().all(|call| actions.contains(&(*call).to_owned())));
        assert_eq!(OwnPolicy::former(&before).unwrap().hash, "9f9ae91085", "groups have it attached by this name");
        assert_eq!(formerly(&["ec2:RunInstances".to_owned()]), None, "a list of people's own is what it was");
    }

    fn listed(action: &str) -> OwnPolicy {
        OwnPolicy::denying(&[action.to_owned()]).unwrap().remove(1)
    }

    #[test]
    fn a_policy_is_named_by_its_actions_and_by_its_stack() {
        let home = Home { partition: "aws", account: "123456789012", region: "eu-west-1", stack: "guardrails" };
        let (one, other) = (listed("ec2:RunInstances"), listed("ec2:StartInstances"));
        assert_ne!(one.hash, other.hash);
        let former = OwnPolicy::former(&["ec2:RunInstances".to_owned()]).unwrap();
        let hashes = [&OwnPolicy::closing().hash, &one.hash, &former.hash];
        assert_eq!(hashes, ["c6ab1f991f", "a0d1ab21b0", "9cbdd5f68b"], "a principal has it attached by this name");
        let arn = format!("arn:aws:iam::123456789012:policy/guardrails-eu-west-1-deny-{}", one.hash);
        assert_eq!(one.arn(&home), arn);
        assert!(is_own_deny(&one.name(&home)), "IAM's answers name it, and it is known to be ours");
        for others in ["AmazonEC2FullAccess", "team-deny-all", "deny-0123456789", "team-deny-01234567890", "team-deny-ABCDEF0123"]
        {
            assert!(!is_own_deny(others), "{others}");
        }
    }

    #[test]
    fn a_long_list_takes_several_policies() {
        let many: Vec<String> = (100..600).map(|number| format!("service:SomeActionOfThatName{number}")).collect();
        let policies = OwnPolicy::denying(&many).unwrap();
        assert_eq!(policies[0], OwnPolicy::closing());
        assert!(policies.len() > 3 && policies.iter().all(|policy| policy.document.to_string().len() <= LONGEST));
        let denied = policies[1..].iter().flat_map(|policy| policy.document["Statement"][0]["Action"].as_array().unwrap());
        assert_eq!(denied.map(|action| action.as_str().unwrap()).collect::<Vec<_>>(), many);
        let hashes: std::collections::BTreeSet<&String> = policies.iter().map(|policy| &policy.hash).collect();
        assert_eq!(hashes.len(), policies.len());
        assert_eq!(OwnPolicy::former(&many), None, "the version before had no policy for it");
    }

    #[test]
    fn a_list_for_which_a_group_has_no_room_is_refused() {
        let many: Vec<String> = (100..999).map(|number| format!("service:SomeActionOfThatName{number}")).collect();
        assert!(OwnPolicy::denying(&many).unwrap_err().contains("its list would take 6 policies of 6144 characters"));
    }
}
