//! IAM's answers about principals and their managed policies.

use std::collections::BTreeSet;

use aws_sdk_iam::types::SummaryKeyType;
use guardrails_model::action::ActionError;
use guardrails_model::principal::Principal;

use super::attachments::{Attachments, PER_GROUP};
use crate::error::Failure;

impl Attachments {
    /// The ARNs of the policies attached to `principal`, if there is such a one.
    pub(super) async fn attached(&self, principal: &Principal) -> Result<Option<BTreeSet<String>>, ActionError> {
        let mut policies = BTreeSet::new();
        let mut marker = None;
        loop {
            match self.page(principal, marker).await {
                Ok((page, next)) => {
                    policies.extend(page);
                    marker = next;
                    if marker.is_none() {
                        return Ok(Some(policies));
                    }
                }
                Err(failure) if failure.is("NoSuchEntity") => return Ok(None),
                Err(failure) => return Err(failure.reading(&format!("listing the policies of {principal}"))),
            }
        }
    }

    /// A page of them, and where the next begins.
    pub(super) async fn page(
        &self,
        principal: &Principal,
        marker: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), Failure> {
        let iam = &self.iam;
        let (policies, marker) = match principal {
            Principal::Group(name) => {
                let page = iam.list_attached_group_policies().group_name(name).set_marker(marker).send().await;
                let page = page.map_err(|error| Failure::of(&error))?;
                (page.attached_policies, page.marker)
            }
            Principal::User(name) => {
                let page = iam.list_attached_user_policies().user_name(name).set_marker(marker).send().await;
                let page = page.map_err(|error| Failure::of(&error))?;
                (page.attached_policies, page.marker)
            }
            Principal::Role(name) => {
                let page = iam.list_attached_role_policies().role_name(name).set_marker(marker).send().await;
                let page = page.map_err(|error| Failure::of(&error))?;
                (page.attached_policies, page.marker)
            }
        };
        let arns = policies.unwrap_or_default().into_iter().filter_map(|policy| policy.policy_arn).collect();
        Ok((arns, marker.filter(|marker| !marker.is_empty())))
    }

    /// How many managed policies IAM lets `principal` have.
    pub(super) async fn quota(&self, principal: &Principal) -> Result<usize, ActionError> {
        let key = match principal {
            Principal::Group(_) => return Ok(PER_GROUP),
            Principal::User(_) => SummaryKeyType::AttachedPoliciesPerUserQuota,
            Principal::Role(_) => SummaryKeyType::AttachedPoliciesPerRoleQuota,
        };
        let summary = self.iam.get_account_summary().send().await;
        let summary = summary.map_err(|error| Failure::of(&error).reading("asking for IAM's quotas of the account"))?;
        let quota = summary.summary_map().and_then(|map| map.get(&key)).copied();
        quota.and_then(|quota| usize::try_from(quota).ok()).ok_or_else(|| {
            ActionError::Refused(format!("IAM does not say how many managed policies a {} may have", principal.kind()))
        })
    }

    pub(super) async fn policy_exists(&self, policy: &str) -> Result<bool, ActionError> {
        if self.to_come.as_deref().is_some_and(|own| policy.starts_with(own)) {
            return Ok(true);
        }
        match self.iam.get_policy().policy_arn(policy).send().await {
            Ok(_) => Ok(true),
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.is("NoSuchEntity") { Ok(false) } else { Err(failure.reading(&format!("looking for {policy}"))) }
            }
        }
    }
}
