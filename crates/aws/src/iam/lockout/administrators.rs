//! The administrators: principals with `AdministratorAccess`, and those who are left when some are restricted.
//!
//! This does not see administrators by other policies than that one, whether anybody can assume a role that has it, or people who
//! sign in as the account's root. Where nobody has it, nothing is known, and nothing refused for it. Of the denied principals it
//! sees those to whom a Deny of this stack's is attached. It also sees the Deny of people's own that is about to be attached. A
//! principal that lost `AdministratorAccess` has it no more.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::Client;
use aws_sdk_iam::types::PolicyScopeType;
use guardrails_model::action::ActionError;
use guardrails_model::glob::glob;
use guardrails_model::principal::Principal;

use crate::context::{Context, Home};
use crate::error::Failure;
use crate::grants::{Grant, Use};
use crate::iam::deny_policy::own_policy::TEMPLATE;

/// Looks for administrators.
pub(super) struct Administrators {
    iam: Client,
    policy: String,
    /// A pattern for the ARNs of the stack's own Deny policies.
    own_denies: Option<String>,
    denies: BTreeSet<String>,
}

/// The principals that have a policy. Users and roles in small letters: to IAM a name is one name, whatever their case.
#[derive(Default)]
struct Having {
    users: BTreeSet<String>,
    roles: BTreeSet<String>,
    groups: BTreeSet<String>,
}

/// The members of each group, which is asked for once.
pub(super) struct Groups {
    iam: Client,
    known: BTreeMap<String, Vec<String>>,
}

impl Administrators {
    /// In the account of `context`, where `denies` are Deny policies besides the stack's own.
    pub(super) fn of(context: &Context<'_>, denies: BTreeSet<String>) -> Self {
        let region = context.region();
        Self {
            iam: Client::new(&context.sdk),
            policy: format!("arn:{}:iam::aws:policy/AdministratorAccess", context.partition()),
            own_denies: context.home(&region).as_ref().map(Home::any_deny),
            denies,
        }
    }

    /// Of `principals`, those who are administrators, if nobody remains who is one. These do not remain: they themselves,
    /// principals that the stage restricts `together` with them, and principals that are denied already. Of a group that the
    /// stage restricts, `operators` never count as restricted.
    ///
    /// # Errors
    /// When IAM does not say.
    pub(super) async fn last_of(
        &self,
        principals: &BTreeSet<Principal>,
        together: &BTreeSet<Principal>,
        operators: &BTreeSet<Principal>,
        groups: &mut Groups,
    ) -> Result<BTreeMap<Principal, String>, ActionError> {
        let mut found = self.having(&self.policy).await?;
        if found.is_nobody() {
            return Ok(BTreeMap::new());
        }
        let mut out = self.denied().await?;
        for group in &out.groups {
            out.users.extend(groups.users(group).await?);
        }
        for principal in principals.union(together) {
            out.add(principal);
            if let Principal::Group(name) = principal {
                let users = groups.users(name).await?;
                out.users.extend(users.into_iter().filter(|user| !operators.contains(&Principal::User(user.clone()))));
            }
        }
        let remains = |users: &BTreeSet<String>| users.iter().any(|user| !out.users.contains(user));
        if remains(&found.users) || found.roles.iter().any(|role| !out.roles.contains(role)) {
            return Ok(BTreeMap::new());
        }
        // The members of groups are asked for only as long as nobody else is found.
        for group in std::mem::take(&mut found.groups) {
            let users = groups.users(&group).await?;
            if remains(&users) {
                return Ok(BTreeMap::new());
            }
            found.users.extend(users);
        }
        let mut hit = BTreeMap::new();
        for principal in principals {
            let is_hit = match principal {
                Principal::Group(name) => !groups.users(name).await?.is_disjoint(&found.users),
                Principal::User(name) => found.users.contains(&name.to_ascii_lowercase()),
                Principal::Role(name) => found.roles.contains(&name.to_ascii_lowercase()),
            };
            if is_hit {
                hit.insert(principal.clone(), why(principal));
            }
        }
        Ok(hit)
    }

    /// The principals that have a Deny.
    async fn denied(&self) -> Result<Having, ActionError> {
        let mut denies = self.denies.clone();
        if let Some(own) = &self.own_denies {
            let pages = self.iam.list_policies().scope(PolicyScopeType::Local).only_attached(true).max_items(1000);
            let mut pages = pages.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| Failure::of(&error).reading("looking for the stack's own Deny policies"))?;
                let arns = page.policies.unwrap_or_default().into_iter().filter_map(|policy| policy.arn);
                denies.extend(arns.filter(|arn| glob(own, arn)));
            }
        }
        let mut whom = Having::default();
        for policy in &denies {
            whom.extend(self.having(policy).await?);
        }
        Ok(whom)
    }

    /// The principals that have `policy`; nobody, when there is no such policy.
    async fn having(&self, policy: &str) -> Result<Having, ActionError> {
        let mut found = Having::default();
        let mut pages = self.iam.list_entities_for_policy().policy_arn(policy).into_paginator().send();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => {
                    found
                        .users
                        .extend(page.policy_users().iter().filter_map(|user| user.user_name().map(str::to_ascii_lowercase)));
                    found
                        .roles
                        .extend(page.policy_roles().iter().filter_map(|role| role.role_name().map(str::to_ascii_lowercase)));
                    found.groups.extend(page.policy_groups().iter().filter_map(|group| group.group_name().map(str::to_owned)));
                }
                Err(error) => {
                    let failure = Failure::of(&error);
                    if failure.is("NoSuchEntity") {
                        break;
                    }
                    return Err(failure.reading(&format!("looking who has {policy}")));
                }
            }
        }
        Ok(found)
    }
}

impl Having {
    fn is_nobody(&self) -> bool {
        self.users.is_empty() && self.roles.is_empty() && self.groups.is_empty()
    }

    fn add(&mut self, principal: &Principal) {
        let name = principal.name();
        match principal {
            // Groups are asked about by their names.
            Principal::Group(_) => self.groups.insert(name.to_owned()),
            Principal::User(_) => self.users.insert(name.to_ascii_lowercase()),
            Principal::Role(_) => self.roles.insert(name.to_ascii_lowercase()),
        };
    }

    fn extend(&mut self, other: Self) {
        self.users.extend(other.users);
        self.roles.extend(other.roles);
        self.groups.extend(other.groups);
    }
}

impl Groups {
    pub(super) fn new(iam: &Client) -> Self {
        Self { iam: iam.clone(), known: BTreeMap::new() }
    }

    /// The names of the users in a group, in small letters.
    async fn users(&mut self, group: &str) -> Result<BTreeSet<String>, ActionError> {
        let name = |arn: &String| match Principal::of_arn(arn) {
            Some(Principal::User(name)) => Some(name.to_ascii_lowercase()),
            _ => None,
        };
        Ok(self.members(group).await?.iter().filter_map(name).collect())
    }

    /// The ARNs of the users in a group; none, when there is no such group.
    pub(super) async fn members(&mut self, group: &str) -> Result<&[String], ActionError> {
        if !self.known.contains_key(group) {
            let members = self.ask(group).await?;
            self.known.insert(group.to_owned(), members);
        }
        Ok(&self.known[group])
    }

    async fn ask(&self, group: &str) -> Result<Vec<String>, ActionError> {
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

fn why(principal: &Principal) -> String {
    let (kind, name) = (principal.kind(), principal.name());
    format!(
        "with {kind} `{name}` the last would be restricted who have AdministratorAccess: whoever has it besides is restricted by the same \
         stage, or denied already; leave one administrator out"
    )
}

/// The rights to look for administrators, where `denies` are Deny policies besides the stack's own.
pub(in crate::iam) fn grants(denies: BTreeSet<String>) -> Vec<Grant> {
    let grant = |sid: &str, actions, resources, why_any| Grant {
        sid: sid.to_owned(),
        uses: &[Use::Plan, Use::Apply],
        actions,
        resources,
        why_any,
        ..Grant::default()
    };
    let administrators = "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess".to_owned();
    let policies = [administrators, TEMPLATE.any_deny()].into_iter().chain(denies).collect();
    // Which groups have administrators in them, only the account knows.
    let groups = vec!["arn:${AWS::Partition}:iam::${AWS::AccountId}:group/*".to_owned()];
    vec![
        grant("WhoIsAdministrator", &["iam:ListEntitiesForPolicy"], policies, None),
        Grant {
            unused: &[("iam:ListPolicies", "asked where somebody is an administrator: tests/actions/restrictions.rs")],
            ..grant(
                "WhichDenyIsAttached",
                &["iam:ListPolicies"],
                vec!["*".to_owned()],
                Some("AWS has no resource for listing policies"),
            )
        },
        Grant {
            unused: &[("iam:GetGroup", "asked of groups of administrators: tests/actions/restrictions.rs")],
            wide: &[("iam:GetGroup", "whoever is in a group of administrators must be known, and any group can be one")],
            ..grant("WhoIsInTheirGroups", &["iam:GetGroup"], groups, None)
        },
    ]
}
