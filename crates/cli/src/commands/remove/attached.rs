//! Refuses a removal while a Deny policy of the stack is attached: CloudFormation deletes no such policy, and would stop halfway.

use anyhow::{Result, anyhow};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::{Stack, StackResourceSummary};
use guardrails_aws::error::Failure;

use super::stack::Stacks;

/// How the template names the Deny policies.
const DENY: &str = "DenyPolicy";

/// # Errors
/// When a principal has such a policy that no open run holds, or when IAM does not answer.
pub(super) async fn refuse(sdk: &SdkConfig, stacks: &Stacks<'_>, stack: &Stack) -> Result<()> {
    let resources = stacks.resources(stack.stack_id().unwrap_or_default()).await?;
    let is_deny = |one: &&StackResourceSummary| one.logical_resource_id().is_some_and(|name| name.starts_with(DENY));
    let policies = resources.iter().filter(is_deny).filter_map(StackResourceSummary::physical_resource_id);
    let iam = aws_sdk_iam::Client::new(sdk);
    let mut commands = Vec::new();
    for policy in policies.filter(|id| id.starts_with("arn:")) {
        commands.extend(detaching(&iam, policy).await?);
    }
    if commands.is_empty() {
        return Ok(());
    }
    Err(anyhow!(
        "not removed: principals have Deny policies of the stack that no open run holds, so another person attached them\nhint: see \
         whether they are still needed, and detach them. CloudFormation deletes no attached policy:\n  {}",
        commands.join("\n  ")
    ))
}

/// The commands that detach `policy` from all who have it.
async fn detaching(iam: &aws_sdk_iam::Client, policy: &str) -> Result<Vec<String>> {
    let mut commands = Vec::new();
    let mut pages = iam.list_entities_for_policy().policy_arn(policy).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.is("NoSuchEntity") {
                    return Ok(commands);
                }
                return Err(anyhow!("looking who has the policy {policy}: {}", failure.message));
            }
        };
        let names = |kind: &str, name: Option<&str>| {
            format!("aws iam detach-{kind}-policy --{kind}-name {} --policy-arn {policy}", name.unwrap_or_default())
        };
        commands.extend(page.policy_groups().iter().map(|one| names("group", one.group_name())));
        commands.extend(page.policy_users().iter().map(|one| names("user", one.user_name())));
        commands.extend(page.policy_roles().iter().map(|one| names("role", one.role_name())));
    }
    Ok(commands)
}
