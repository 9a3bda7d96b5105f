//! The principals that no guardrail may restrict, or nobody could roll back: the operators, the roles of the stack itself, and
//! the last who have `AdministratorAccess`.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::Client;
use guardrails_model::action::ActionError;
use guardrails_model::principal::Principal;
use guardrails_model::verdict::Verdict;

use super::administrators::{self, Administrators, Groups};
use super::{of_stack, shut_out};
use crate::context::Context;
use crate::error::Failure;
use crate::grants::{Grant, Use};

/// Under these paths roles are AWS's own, and IAM lets nobody attach anything to them.
const OF_AWS: [&str; 2] = ["/aws-service-role/", "/aws-reserved/"];

/// The members of a group.
#[derive(Debug, Default)]
pub struct Members {
    /// The ARNs of operators.
    pub operators: Vec<String>,
    /// All other users.
    pub others: Vec<Principal>,
}

/// Looks whom a restriction would hit.
pub struct Protected {
    iam: Client,
    arns: Vec<String>,
    operators: BTreeSet<Principal>,
    stack: Option<String>,
    together: BTreeSet<Principal>,
    administrators: Administrators,
}

impl Protected {
    /// For the operators, the stack and the stage of `context`, where `denies` are Deny policies besides the stack's own.
    #[must_use]
    pub fn of(context: &Context<'_>, denies: BTreeSet<String>) -> Self {
        Self {
            iam: Client::new(&context.sdk),
            arns: context.operators.to_vec(),
            operators: context.operators.iter().filter_map(|arn| folded(arn)).collect(),
            stack: context.stack.clone(),
            together: context.restricted.iter().cloned().collect(),
            administrators: Administrators::of(context, denies),
        }
    }

    /// The members of `group`; none, when there is no such group.
    ///
    /// # Errors
    /// When IAM does not say.
    pub async fn members(&self, group: &str) -> Result<Members, ActionError> {
        let mut groups = Groups::new(&self.iam);
        let mut members = Members::default();
        for arn in groups.members(group).await? {
            let Some(user) = Principal::of_arn(arn) else { continue };
            if self.operators.contains(&user.folded()) {
                members.operators.push(arn.clone());
            } else {
                members.others.push(user);
            }
        }
        Ok(members)
    }

    /// Those of `principals` that must not be restricted together, each with the reason. A principal that the stage restricts
    /// besides counts for restricted too.
    ///
    /// # Errors
    /// When IAM does not say who is in a group, what a role is, or who is an administrator.
    pub async fn refusals(&self, principals: &BTreeSet<Principal>) -> Result<BTreeMap<Principal, String>, ActionError> {
        let mut refused = BTreeMap::new();
        let mut groups = Groups::new(&self.iam);
        for principal in principals {
            let why = match self.why_not(principal, &mut groups).await {
                Err(ActionError::Refused(why)) => Some(why),
                other => other?,
            };
            refused.extend(why.map(|why| (principal.clone(), why)));
        }
        let others = principals.iter().filter(|principal| !refused.contains_key(principal)).cloned().collect();
        for (principal, why) in self.administrators.last_of(&others, &self.together, &self.operators, &mut groups).await? {
            refused.entry(principal).or_insert(why);
        }
        Ok(refused)
    }

    /// Why `principal` must not be restricted, whoever else is.
    async fn why_not(&self, principal: &Principal, groups: &mut Groups) -> Result<Option<String>, ActionError> {
        let (kind, name) = (principal.kind(), principal.name());
        if self.operators.contains(&principal.folded()) {
            return Ok(Some(format!("{kind} `{name}` is an operator, who could then not roll back")));
        }
        match principal {
            Principal::Group(_) => {
                let users = groups.members(name).await?;
                let operator = users.iter().find(|arn| folded(arn).is_some_and(|of| self.operators.contains(&of)));
                Ok(operator.map(|arn| format!("group `{name}` has the operator {arn} in it, who could then not roll back")))
            }
            Principal::User(_) => Ok(None),
            Principal::Role(_) => self.why_not_role(name).await,
        }
    }

    /// Can anybody become an operator when `denied` may assume no role, nor `perhaps` others?
    ///
    /// # Errors
    /// When IAM asks to come back later.
    pub async fn is_open(&self, denied: &BTreeSet<Principal>, perhaps: &BTreeSet<Principal>) -> Result<Verdict, ActionError> {
        let mut groups = Groups::new(&self.iam);
        let open = shut_out::is_open(&self.iam, &self.arns, denied, &mut groups).await?;
        if open != Verdict::Yes || perhaps.is_empty() {
            return Ok(open);
        }
        let all = denied.union(perhaps).cloned().collect();
        let open = shut_out::is_open(&self.iam, &self.arns, &all, &mut groups).await?;
        let untold = || Verdict::Unknown("what a policy of your own denies is not known here".to_owned());
        Ok(if open == Verdict::Yes { Verdict::Yes } else { untold() })
    }

    /// The ARNs of the operators.
    #[must_use]
    pub fn operators(&self) -> &[String] {
        &self.arns
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
        Ok(self.stack.as_deref().and_then(|stack| of_stack::why_not(&role, stack)))
    }
}

/// The rights to look whether `principals` must not be restricted, for an action that does not restrict them by itself.
#[must_use]
pub fn grants(principals: &[Principal]) -> Vec<Grant> {
    if principals.is_empty() {
        return Vec::new();
    }
    let read = |sid: &str, kind: &str, actions: &'static [&'static str]| {
        let names: BTreeSet<&str> = principals.iter().filter(|one| one.kind() == kind).map(Principal::name).collect();
        let arn = |path: &str, name: &str| format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:{kind}/{path}{name}");
        let resources: Vec<String> = names.iter().flat_map(|name| ["", "*/"].map(|path| arn(path, name))).collect();
        (!resources.is_empty()).then(|| Grant {
            sid: sid.to_owned(),
            uses: &[Use::Plan, Use::Apply],
            actions,
            resources,
            ..Grant::default()
        })
    };
    let mut grants: Vec<Grant> = [read("ReadGroups", "group", &["iam:GetGroup"]), read("ReadRoles", "role", &["iam:GetRole"])]
        .into_iter()
        .flatten()
        .collect();
    grants.extend(administrators::grants(BTreeSet::new()));
    grants
}

/// The principal of an ARN, for comparing.
fn folded(arn: &str) -> Option<Principal> {
    Principal::of_arn(arn).map(|principal| principal.folded())
}
