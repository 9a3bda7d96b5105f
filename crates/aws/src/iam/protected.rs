//! Whom no guardrail may restrict, or nobody could roll back: the operators, the roles of the stack itself, and the last who
//! have `AdministratorAccess`.
//!
//! What this does not see: administrators by other policies than that one, whether anybody can assume a role that has it, and
//! who signs in as the account's root. Where nobody has it, nothing is known, and nothing refused for it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::Client;
use aws_sdk_iam::types::Role;
use guardrails_model::action::ActionError;
use guardrails_model::principal::Principal;
use serde_json::json;

use crate::actions::Context;
use crate::error::Failure;
use crate::grants::{Grant, Use};

/// The longest part of a stack's name that CloudFormation puts before the names that it gives roles: they have 64 letters.
const STACK_PART: usize = 24;
/// Where CloudFormation says whose a role is.
const STACK_TAG: &str = "aws:cloudformation:stack-name";
/// Under these paths roles are AWS's own, and IAM lets nobody attach anything to them.
const OF_AWS: [&str; 2] = ["/aws-service-role/", "/aws-reserved/"];

/// Looks whom a restriction would hit.
pub struct Protected {
    iam: Client,
    operators: BTreeSet<Principal>,
    stack: Option<String>,
    administrators: String,
}

/// Who has `AdministratorAccess`.
#[derive(Default)]
struct Administrators {
    /// Users, by whichever way.
    users: BTreeSet<String>,
    roles: BTreeSet<String>,
    groups: BTreeSet<String>,
}

impl Protected {
    /// For the operators and the stack of `context`.
    #[must_use]
    pub fn of(context: &Context<'_>) -> Self {
        Self {
            iam: Client::new(&context.sdk),
            operators: context.operators.iter().filter_map(|arn| Principal::of_arn(arn)).collect(),
            stack: context.stack.clone(),
            administrators: format!("arn:{}:iam::aws:policy/AdministratorAccess", context.partition()),
        }
    }

    /// Which of `principals` must not be restricted together, each with the reason.
    ///
    /// # Errors
    /// When IAM does not say who is in a group, what a role is, or who is an administrator.
    pub async fn refusals(&self, principals: &BTreeSet<Principal>) -> Result<BTreeMap<Principal, String>, ActionError> {
        let mut refused = BTreeMap::new();
        let mut members: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for principal in principals {
            let why = match principal {
                Principal::Group(name) => {
                    let users = self.members(name).await?;
                    let operator = users.iter().find(|arn| Principal::of_arn(arn).is_some_and(|of| self.operators.contains(&of)));
                    let why =
                        operator.map(|arn| format!("group `{name}` has the operator {arn} in it, who could then not roll back"));
                    members.insert(name, users.iter().filter_map(|arn| user_name(arn)).collect());
                    why
                }
                _ if self.operators.contains(principal) => {
                    let (kind, name) = (principal.kind(), principal.name());
                    Some(format!("{kind} `{name}` is an operator, who could then not roll back"))
                }
                Principal::User(_) => None,
                Principal::Role(name) => self.why_not_role(name).await?,
            };
            refused.extend(why.map(|why| (principal.clone(), why)));
        }
        for (principal, why) in self.last_administrators(principals, &members).await? {
            refused.entry(principal).or_insert(why);
        }
        Ok(refused)
    }

    async fn why_not_role(&self, name: &str) -> Result<Option<String>, ActionError> {
        let role = match self.iam.get_role().role_name(name).send().await {
            Ok(answer) => answer.role,
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.is("NoSuchEntity") {
                    return Ok(None);
                }
                return Err(failure.reading(&format!("looking at the role {name}")));
            }
        };
        let Some(role) = role else { return Ok(None) };
        if OF_AWS.iter().any(|path| role.path().starts_with(path)) {
            return Ok(Some(format!("role `{name}` is AWS's own ({}): IAM lets nobody attach policies to it", role.path())));
        }
        let ours = self.stack.as_deref().filter(|stack| is_of_stack(&role, stack));
        Ok(ours.map(|stack| format!("role `{name}` is of the guardrails' own stack `{stack}`, which could then not roll back")))
    }

    /// Of `principals`, those who are administrators, if outside of them there is none.
    async fn last_administrators(
        &self,
        principals: &BTreeSet<Principal>,
        members: &BTreeMap<&str, BTreeSet<String>>,
    ) -> Result<BTreeMap<Principal, String>, ActionError> {
        let mut found = self.administrators().await?;
        let restricted: BTreeSet<&str> =
            members.values().flatten().map(String::as_str).chain(named(principals, "user")).collect();
        let roles: BTreeSet<&str> = named(principals, "role").collect();
        let remains = |found: &Administrators| {
            found.users.iter().any(|user| !restricted.contains(user.as_str()))
                || found.roles.iter().any(|role| !roles.contains(role.as_str()))
        };
        // The members of groups are asked for only as long as nobody else is found.
        for group in std::mem::take(&mut found.groups) {
            if remains(&found) {
                break;
            }
            let users = match members.get(group.as_str()) {
                Some(users) => users.clone(),
                None => self.members(&group).await?.iter().filter_map(|arn| user_name(arn)).collect(),
            };
            found.users.extend(users);
        }
        if remains(&found) {
            return Ok(BTreeMap::new());
        }
        let is_hit = |principal: &&Principal| match principal {
            Principal::Group(name) => members[name.as_str()].iter().any(|user| found.users.contains(user)),
            Principal::User(name) => found.users.contains(name),
            Principal::Role(name) => found.roles.contains(name),
        };
        let why = |principal: &Principal| {
            let (kind, name) = (principal.kind(), principal.name());
            format!("with {kind} `{name}` the last would be restricted who have AdministratorAccess: leave one administrator out")
        };
        Ok(principals.iter().filter(is_hit).map(|principal| (principal.clone(), why(principal))).collect())
    }

    async fn administrators(&self) -> Result<Administrators, ActionError> {
        let mut found = Administrators::default();
        let mut pages = self.iam.list_entities_for_policy().policy_arn(&self.administrators).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Failure::of(&error).reading("looking who has AdministratorAccess"))?;
            found.users.extend(page.policy_users().iter().filter_map(|user| user.user_name().map(str::to_owned)));
            found.roles.extend(page.policy_roles().iter().filter_map(|role| role.role_name().map(str::to_owned)));
            found.groups.extend(page.policy_groups().iter().filter_map(|group| group.group_name().map(str::to_owned)));
        }
        Ok(found)
    }

    /// The ARNs of the users in a group; none, when there is no such group.
    async fn members(&self, group: &str) -> Result<Vec<String>, ActionError> {
        let mut pages = self.iam.get_group().group_name(group).into_paginator().send();
        let mut users = Vec::new();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => users.extend(page.users.into_iter().map(|user| user.arn)),
                Err(error) => {
                    let failure = Failure::of(&error);
                    if failure.is("NoSuchEntity") {
                        return Ok(Vec::new());
                    }
                    return Err(failure.reading(&format!("looking at the members of group {group}")));
                }
            }
        }
        Ok(users)
    }
}

/// What looking for administrators takes. What the restricted themselves are asked, [`super::grants`] has.
#[must_use]
pub fn grants() -> Vec<Grant> {
    let grant = |sid: &str, actions, resource: &str| Grant {
        sid: sid.to_owned(),
        uses: &[Use::Plan, Use::Apply],
        actions,
        resources: vec![resource.to_owned()],
        condition: json!(null),
        why_any: None,
    };
    vec![
        grant("WhoIsAdministrator", &["iam:ListEntitiesForPolicy"], "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"),
        // Which groups have administrators in them, only the account knows.
        grant("WhoIsInTheirGroups", &["iam:GetGroup"], "arn:${AWS::Partition}:iam::${AWS::AccountId}:group/*"),
    ]
}

fn named<'a>(principals: &'a BTreeSet<Principal>, kind: &'a str) -> impl Iterator<Item = &'a str> {
    principals.iter().filter(move |principal| principal.kind() == kind).map(Principal::name)
}

fn user_name(arn: &str) -> Option<String> {
    match Principal::of_arn(arn) {
        Some(Principal::User(name)) => Some(name),
        _ => None,
    }
}

/// By its tag, its path, or a name such as CloudFormation gives.
fn is_of_stack(role: &Role, stack: &str) -> bool {
    let tagged = role.tags().iter().any(|tag| tag.key() == STACK_TAG && tag.value() == stack);
    tagged || role.path().split('/').any(|part| part == stack) || is_named_for(role.role_name(), stack)
}

/// CloudFormation names a role by its stack, its logical id and a random word: `guardrails-MasterRole-1ABC2DEF3GHI`.
fn is_named_for(role: &str, stack: &str) -> bool {
    let prefix = [stack, &stack[..stack.len().min(STACK_PART)]];
    let rest = prefix.iter().find_map(|prefix| role.strip_prefix(*prefix)?.strip_prefix('-'));
    rest.and_then(|rest| rest.split_once('-')).is_some_and(|(logical, random)| logical.ends_with("Role") && !random.contains('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_of_the_stack_is_known_by_the_name_that_cloudformation_gives_it() {
        let long = "budget-guardrails-of-the-platform-team";
        assert!(is_named_for("guardrails-MasterRole-1ABC2DEF3GHI", "guardrails"));
        assert!(is_named_for("budget-guardrails-of-the-SwapGroupPolicyRole-1ABC2DEF3GHI", long));
        assert!(!is_named_for("guardrails-beta-ci", "guardrails"));
        assert!(!is_named_for("ci-deployer", "guardrails"));
    }
}
