//! The calls: the members of a group, the roles and whom they trust, and the answers of IAM's policy simulator.

use std::collections::BTreeSet;
use std::time::Duration;
use std::{io, iter};

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PermissionsBoundaryDecisionDetail, PolicyEvaluationDecisionType,
    Statement,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use guardrails_model::verify::{Caller, Decision, LAUNCHES, Launching, Simulated, Trust, launching};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::Failure;

/// Between two calls: ten a second, of the rate that the account's users, consoles and deployments share.
pub(super) const APART: Duration = Duration::from_millis(100);
/// Roles that one call asks about.
pub(super) const AT_ONCE: usize = 50;
/// The most that IAM lists in one page.
const PAGE: i32 = 1000;
const ASSUME: &str = "sts:AssumeRole";
const REGION: &str = "aws:RequestedRegion";
/// Where AWS keeps the roles of its own services: nobody else can assume them.
const SERVICE_LINKED: &str = "/aws-service-role/";

/// Asks IAM, one call after another.
pub struct Asker {
    iam: Client,
    region: String,
    apart: Duration,
}

/// A role, and whom it trusts.
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) trust: Trust,
}

impl Asker {
    /// One whose calls are so far apart.
    #[must_use]
    pub fn at_pace(sdk: &SdkConfig, apart: Duration) -> Self {
        Self { iam: Client::new(sdk), region: sdk.region().map(ToString::to_string).unwrap_or_default(), apart }
    }

    /// ARNs of a group's members; nothing when there is no such group.
    pub(super) async fn members(&self, group: &str) -> Result<Option<Vec<String>>, Failure> {
        let mut pages = self.iam.get_group().group_name(group).max_items(PAGE).into_paginator().send();
        let mut members = Vec::new();
        loop {
            self.wait().await;
            match pages.next().await {
                None => return Ok(Some(members)),
                Some(Ok(page)) => members.extend(page.users.into_iter().map(|user| user.arn)),
                Some(Err(error)) => {
                    let failure = Failure::of(&error);
                    return if failure.is("NoSuchEntity") { Ok(None) } else { Err(asking(failure, "iam:GetGroup")) };
                }
            }
        }
    }

    /// A user's ARN: it may have a path.
    pub(super) async fn user(&self, name: &str) -> Result<Option<String>, Failure> {
        self.wait().await;
        match self.iam.get_user().user_name(name).send().await {
            Ok(found) => Ok(found.user.map(|user| user.arn)),
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.is("NoSuchEntity") { Ok(None) } else { Err(asking(failure, "iam:GetUser")) }
            }
        }
    }

    /// The account's roles in the order of their ARNs, without those of AWS's own services.
    pub(super) async fn roles(&self) -> Result<Vec<Role>, Failure> {
        let mut pages = self.iam.list_roles().max_items(PAGE).into_paginator().send();
        let mut roles = Vec::new();
        loop {
            self.wait().await;
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(|error| asking(Failure::of(&error), "iam:ListRoles"))?;
            roles.extend(page.roles.into_iter().filter(|role| !role.path.starts_with(SERVICE_LINKED)).map(|role| {
                let document = role.assume_role_policy_document.unwrap_or_default();
                let document = percent_decode_str(&document).decode_utf8_lossy().into_owned();
                Role { trust: Trust::read(&document), arn: role.arn, name: role.role_name }
            }));
        }
        roles.sort_by(|a, b| a.arn.cmp(&b.arn));
        Ok(roles)
    }

    /// The launches that a user or a role could make.
    pub(super) async fn launching(&self, arn: &str) -> Result<Launching, Failure> {
        self.launching_without(arn, &BTreeSet::new()).await
    }

    /// The same, as if the policies of these ARNs were attached to nobody. IAM knows that since July 2026; it was not tried on AWS.
    pub(super) async fn launching_without(&self, arn: &str, policies: &BTreeSet<String>) -> Result<Launching, Failure> {
        let partition = arn.split(':').nth(1).unwrap_or("aws");
        let account = Caller { arn }.account();
        let on: BTreeSet<String> = LAUNCHES.iter().map(|launch| launch.resource(partition, &self.region, account)).collect();
        let actions = LAUNCHES.iter().map(|launch| launch.action.to_owned()).collect();
        let answers = self.simulate(arn, actions, on.into_iter().collect(), policies).await?;
        Ok(launching(&answers, partition, &self.region, account))
    }

    /// The answers of their own policies on assuming each of these roles: [`AT_ONCE`] at most.
    pub(super) async fn assuming(&self, arn: &str, roles: &BTreeSet<&str>) -> Result<Vec<Simulated>, Failure> {
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        self.simulate(arn, vec![ASSUME.to_owned()], roles, &BTreeSet::new()).await
    }

    async fn simulate(
        &self,
        arn: &str,
        actions: Vec<String>,
        on: Vec<String>,
        without: &BTreeSet<String>,
    ) -> Result<Vec<Simulated>, Failure> {
        let call = self.iam.simulate_principal_policy().policy_source_arn(arn);
        // Else a policy that is for this Region only counts as one for none.
        let region = ContextEntry::builder().context_key_name(REGION).context_key_type(ContextKeyTypeEnum::String);
        let region = region.context_key_values(&self.region).build();
        let call = call.set_action_names(Some(actions)).set_resource_arns(Some(on)).context_entries(region);
        let mut answers = Vec::new();
        let mut marker = None;
        // The SDK's own pages take no change of their requests.
        loop {
            self.wait().await;
            let excluded = without.clone();
            let page = call.clone().set_marker(marker).customize().map_request(move |request| excluding(request, &excluded));
            let page = page.send().await.map_err(|error| asking(Failure::of(&error), "iam:SimulatePrincipalPolicy"))?;
            answers.extend(page.evaluation_results.unwrap_or_default().into_iter().flat_map(read));
            marker = page.marker.filter(|_| page.is_truncated);
            if marker.is_none() {
                return Ok(answers);
            }
        }
    }

    async fn wait(&self) {
        tokio::time::sleep(self.apart).await;
    }
}

/// Adds the policies that are to be left out, before the request is signed. The SDK's own parameter is of no use: its version 1.133.0
/// writes `PolicyExclusionList.member.1.member`, where IAM's model has the kind of the identifier.
fn excluding(mut request: HttpRequest, policies: &BTreeSet<String>) -> Result<HttpRequest, io::Error> {
    if policies.is_empty() {
        return Ok(request);
    }
    let form = request.body().bytes().and_then(|form| str::from_utf8(form).ok());
    let form = form.ok_or_else(|| io::Error::other("the request is no form"))?.to_owned();
    let excluded = (1..).zip(policies).map(|(index, arn)| {
        let arn = utf8_percent_encode(arn, NON_ALPHANUMERIC);
        format!("&PolicyExclusionList.member.{index}.PolicyArn={arn}")
    });
    let form: String = iter::once(form).chain(excluded).collect();
    request.headers_mut().insert("content-length", form.len().to_string());
    *request.body_mut() = SdkBody::from(form);
    Ok(request)
}

/// Says which call it was, so that a caller without the right to it can be given it.
fn asking(failure: Failure, call: &str) -> Failure {
    Failure { message: format!("{call}: {}", failure.message), ..failure }
}

/// The answer on each resource. IAM gives one for each call, with those on each resource in it, or one for each of both. The
/// answer on the whole counts only where the resource's own answer says nothing: the whole is denied as soon as one of them is.
fn read(result: EvaluationResult) -> Vec<Simulated> {
    let forbidden = result.organizations_decision_detail.is_some_and(|detail| !detail.allowed_by_organizations);
    let bounded = |detail: PermissionsBoundaryDecisionDetail| !detail.allowed_by_permissions_boundary;
    let bounded_at_all = result.permissions_boundary_decision_detail.map(bounded);
    let action = result.eval_action_name;
    let simulated = |resource, decision, matched, missing: Option<Vec<String>>, bounded: Option<bool>| {
        let is_denied = decision != Decision::Allowed;
        Simulated {
            action: action.clone(),
            resource,
            decision,
            policies: policies(matched),
            missing: missing.unwrap_or_default(),
            bounded: is_denied && bounded.or(bounded_at_all).unwrap_or_default(),
            forbidden: is_denied && forbidden,
        }
    };
    let on_each = result.resource_specific_results.unwrap_or_default();
    if on_each.is_empty() {
        let resource = result.eval_resource_name.unwrap_or_else(|| "*".to_owned());
        let decision = decision(&result.eval_decision);
        return vec![simulated(resource, decision, result.matched_statements, result.missing_context_values, None)];
    }
    let on_each = on_each.into_iter().map(|one| {
        let bounded = one.permissions_boundary_decision_detail.map(bounded);
        let decision = decision(&one.eval_resource_decision);
        simulated(one.eval_resource_name, decision, one.matched_statements, one.missing_context_values, bounded)
    });
    on_each.collect()
}

/// A decision that this program does not know is no permission.
fn decision(decision: &PolicyEvaluationDecisionType) -> Decision {
    match decision {
        PolicyEvaluationDecisionType::Allowed => Decision::Allowed,
        PolicyEvaluationDecisionType::ExplicitDeny => Decision::ExplicitDeny,
        _ => Decision::ImplicitDeny,
    }
}

fn policies(matched: Option<Vec<Statement>>) -> Vec<String> {
    let names: BTreeSet<String> =
        matched.unwrap_or_default().into_iter().filter_map(|statement| statement.source_policy_id).collect();
    names.into_iter().collect()
}
