//! The stack's own policies, which `deny-actions` attaches: each an explicit Deny of a list of actions. They are made by
//! CloudFormation, and named by what they deny, so that an action finds them without asking, and the list is never rewritten
//! under those who have it. Whatever the list, they deny to touch the guardrails too: what is said here, and by the template,
//! which knows the stack's parts.

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

/// What is denied when guardrails.yaml does not say: policies/deny-spending.json.
const SPENDING: &str = include_str!("../../../../policies/deny-spending.json");
/// IAM takes a managed policy of so many characters, white space aside.
const LONGEST: usize = 6144;
/// Characters of it that the template needs for the stack's own parts, with the longest names that they get.
pub const ROOM_FOR_THE_STACK: usize = 870;
/// What a guardrail sees by, denied whatever the list is: a budget that is raised or deleted sends no alert, nor does one whose tag
/// is counted no more. On every budget: the policy must not grow with the guardrails, nor be another when there are more.
const SIGHT: [&str; 2] = ["budgets:ModifyBudget", "ce:UpdateCostAllocationTagsStatus"];
/// Letters of a policy's hash.
const HASH: usize = 10;

/// A policy of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPolicy {
    /// Says what is in it: others have another.
    pub hash: String,
    /// The document.
    pub document: Json,
}

/// Where the stack stands, to be filled in by CloudFormation.
pub const TEMPLATE: Home<'_> =
    Home { partition: "${AWS::Partition}", account: "${AWS::AccountId}", region: "${AWS::Region}", stack: "${AWS::StackName}" };

impl OwnPolicy {
    /// The policy that denies `actions`.
    ///
    /// # Errors
    /// When IAM does not take one so long.
    pub fn denying(actions: &[String]) -> Result<Self, String> {
        let besides = SIGHT.map(str::to_owned).into_iter().filter(|action| !actions.contains(action));
        let all: Vec<String> = actions.iter().cloned().chain(besides).collect();
        let document = document(&shortened(&all));
        let (letters, most) = (document.to_string().len(), LONGEST - ROOM_FOR_THE_STACK);
        if letters > most {
            return Err(format!(
                "its policy would have {letters} characters, and IAM takes {LONGEST}, of which {ROOM_FOR_THE_STACK} are kept for what \
                 protects the guardrails themselves: name fewer actions, or name them as `rds:Create*`"
            ));
        }
        // Of the list alone: how it is written, and what is denied besides, may change without being another policy.
        Ok(Self { hash: format!("{:x}", Sha256::digest(self::document(actions).to_string()))[..HASH].to_owned(), document })
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
    let document: Json = serde_json::from_str(SPENDING).unwrap_or_default();
    let statements = document["Statement"].as_array().into_iter().flatten();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().into_iter().flatten());
    actions.filter_map(|action| action.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::iam::names;

    #[test]
    fn the_file_denies_each_action_once_on_everything_and_leaves_room_for_more() {
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
        // What policies/README.md says may be added.
        let more =
            ["sts:AssumeRole", "iam:PassRole", "iam:CreateUser", "iam:CreateAccessKey", "iam:CreateRole", "iam:PutUserPolicy"];
        OwnPolicy::denying(&[actions, more.map(str::to_owned).to_vec()].concat()).unwrap();
    }

    #[test]
    fn a_policy_is_named_by_what_it_denies_and_by_its_stack() {
        let home = Home { partition: "aws", account: "123456789012", region: "eu-west-1", stack: "guardrails" };
        let one = OwnPolicy::denying(&["ec2:RunInstances".to_owned()]).unwrap();
        let other = OwnPolicy::denying(&["ec2:StartInstances".to_owned()]).unwrap();
        assert_ne!(one.hash, other.hash);
        assert_eq!(one.hash, "9cbdd5f68b", "whoever has it attached has it by this name");
        let arn = format!("arn:aws:iam::123456789012:policy/guardrails-eu-west-1-deny-{}", one.hash);
        assert_eq!(one.arn(&home), arn);
        assert!(is_own_deny(&one.name(&home)), "what IAM says of it is known to be ours");
        for others in ["AmazonEC2FullAccess", "team-deny-all", "deny-0123456789", "team-deny-01234567890", "team-deny-ABCDEF0123"]
        {
            assert!(!is_own_deny(others), "{others}");
        }
    }

    #[test]
    fn what_iam_would_not_take_is_refused() {
        let many: Vec<String> = (0..300).map(|number| format!("service:SomeActionOfThatName{number}")).collect();
        assert!(OwnPolicy::denying(&many).unwrap_err().contains("and IAM takes 6144"));
    }
}
