//! Principals by the identities that IAM gave them. A name is no identity. A group or a user may be renamed. Another principal may be made
//! under the name of a deleted one. Roles cannot be renamed.

use guardrails_model::action::ActionError;
use guardrails_model::principal::Principal;

use super::attachments::Attachments;
use crate::error::Failure;

/// Where a principal is found.
pub(super) enum Found {
    /// Under this name.
    Here(Principal),
    /// It was deleted, in words.
    Gone(String),
    /// It cannot be told, for this reason.
    Unclear(String),
}

impl Attachments {
    /// The principal that was called `named` when it had `identity`. Without an identity the name decides.
    ///
    /// # Errors
    /// When IAM asks to come back later.
    pub(super) async fn find(&self, named: &Principal, identity: Option<&str>) -> Result<Found, ActionError> {
        let Some(identity) = identity else { return Ok(Found::Here(named.clone())) };
        let unclear = |failure: Failure| match failure.reading(&format!("looking for {named}, which IAM knows as {identity}")) {
            error @ ActionError::Retryable(_) => Err(error),
            error => Ok(Found::Unclear(error.to_string())),
        };
        let present = match self.identity(named).await {
            Ok(present) => present,
            Err(failure) => return unclear(failure),
        };
        if present.as_deref() == Some(identity) {
            return Ok(Found::Here(named.clone()));
        }
        match self.renamed(named, identity).await {
            Ok(Some(principal)) => Ok(Found::Here(principal)),
            Ok(None) if present.is_some() => Ok(Found::Gone(format!(
                "the {named} was deleted, and another was made under its name: that one is left as it is"
            ))),
            Ok(None) => Ok(Found::Gone(format!("the {named} was deleted"))),
            Err(failure) => unclear(failure),
        }
    }

    /// The identity of the principal of this name, if there is one.
    pub(super) async fn identity(&self, principal: &Principal) -> Result<Option<String>, Failure> {
        let iam = &self.iam;
        let found = match principal {
            Principal::Group(name) => {
                let answer = iam.get_group().group_name(name).max_items(1).send().await;
                answer.map(|answer| answer.group.map(|group| group.group_id)).map_err(|error| Failure::of(&error))
            }
            Principal::User(name) => {
                let answer = iam.get_user().user_name(name).send().await;
                answer.map(|answer| answer.user.map(|user| user.user_id)).map_err(|error| Failure::of(&error))
            }
            Principal::Role(name) => {
                let answer = iam.get_role().role_name(name).send().await;
                answer.map(|answer| answer.role.map(|role| role.role_id)).map_err(|error| Failure::of(&error))
            }
        };
        match found {
            Err(failure) if failure.is("NoSuchEntity") => Ok(None),
            found => found,
        }
    }

    /// The principal that has the identity under another name.
    async fn renamed(&self, named: &Principal, identity: &str) -> Result<Option<Principal>, Failure> {
        match named {
            Principal::Group(_) => {
                let mut pages = self.iam.list_groups().max_items(1000).into_paginator().send();
                while let Some(page) = pages.next().await {
                    let groups = page.map_err(|error| Failure::of(&error))?.groups;
                    if let Some(group) = groups.into_iter().find(|group| group.group_id() == identity) {
                        return Ok(Some(Principal::Group(group.group_name)));
                    }
                }
            }
            Principal::User(_) => {
                let mut pages = self.iam.list_users().max_items(1000).into_paginator().send();
                while let Some(page) = pages.next().await {
                    let users = page.map_err(|error| Failure::of(&error))?.users;
                    if let Some(user) = users.into_iter().find(|user| user.user_id() == identity) {
                        return Ok(Some(Principal::User(user.user_name)));
                    }
                }
            }
            Principal::Role(_) => {}
        }
        Ok(None)
    }
}
