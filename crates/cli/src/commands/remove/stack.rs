//! The stacks of a name: the one that is there, and those that are gone, which CloudFormation knows for 90 days.

use std::cmp::Reverse;

use anyhow::{Result, anyhow, bail};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{ResourceStatus, Stack, StackEvent, StackResourceSummary, StackStatus};
use guardrails_aws::error::Failure;
use guardrails_model::ids::Nonce;

use crate::deployment::LEDGER_OUTPUT;
use crate::operation::{self, Ended, Operation};

/// The parameter that names the table of an adopted ledger.
const LEDGER_PARAMETER: &str = "LedgerTable";

/// The stacks of one name.
pub(super) struct Stacks<'a> {
    client: Client,
    name: &'a str,
}

/// The newest stack of the name.
pub(super) enum Found {
    /// It is there.
    Present(Box<Stack>),
    /// It is gone; its id.
    Deleted(String),
    /// CloudFormation knows none.
    Never,
}

impl<'a> Stacks<'a> {
    pub(super) fn new(sdk: &SdkConfig, name: &'a str) -> Self {
        Self { client: Client::new(sdk), name }
    }

    pub(super) async fn find(&self) -> Result<Found> {
        if let Some(stack) = operation::described(&self.client, self.name).await? {
            return Ok(Found::Present(Box::new(stack)));
        }
        Ok(self.deleted().await?.into_iter().next().map_or(Found::Never, Found::Deleted))
    }

    /// The stack with that id, also when it is gone.
    pub(super) async fn with_id(&self, id: &str) -> Result<Option<Stack>> {
        operation::described(&self.client, id).await
    }

    /// All stacks that are there, of any name.
    pub(super) async fn all(&self) -> Result<Vec<Stack>> {
        let stacks = self.client.describe_stacks().into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        stacks.map_err(|error| anyhow!("looking at the other stacks: {}", Failure::of(&error).message))
    }

    /// The ids of those that are gone, the newest first.
    pub(super) async fn deleted(&self) -> Result<Vec<String>> {
        let (mut ids, mut pages) =
            (Vec::new(), self.client.list_stacks().stack_status_filter(StackStatus::DeleteComplete).into_paginator().send());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| anyhow!("looking for deleted stacks: {}", Failure::of(&error).message))?;
            let ours = page.stack_summaries().iter().filter(|stack| stack.stack_name() == Some(self.name));
            ids.extend(ours.map(|stack| (stack.deletion_time().copied(), stack.stack_id().unwrap_or_default().to_owned())));
        }
        ids.sort_by_key(|(deleted, _)| Reverse(*deleted));
        Ok(ids.into_iter().map(|(_, id)| id).collect())
    }

    pub(super) async fn resources(&self, id: &str) -> Result<Vec<StackResourceSummary>> {
        let pages = self.client.list_stack_resources().stack_name(id).into_paginator().items().send();
        let resources = pages.collect::<Result<Vec<_>, _>>().await;
        resources.map_err(|error| anyhow!("looking at the resources of `{}`: {}", self.name, Failure::of(&error).message))
    }

    /// All that happened to the stack, the newest first.
    pub(super) async fn events(&self, id: &str) -> Result<Vec<StackEvent>> {
        let (mut events, mut pages) = (Vec::new(), self.client.describe_stack_events().stack_name(id).into_paginator().send());
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| anyhow!("looking what happened to `{}`: {}", self.name, Failure::of(&error).message))?;
            events.extend(page.stack_events.unwrap_or_default());
        }
        Ok(events)
    }

    /// The resources that CloudFormation could not delete.
    pub(super) async fn not_deleted(&self, id: &str) -> Result<Vec<String>> {
        let failed =
            self.resources(id).await?.into_iter().filter(|one| one.resource_status() == Some(&ResourceStatus::DeleteFailed));
        Ok(failed
            .map(|one| {
                let [name, kind, id] =
                    [one.logical_resource_id(), one.resource_type(), one.physical_resource_id()].map(Option::unwrap_or_default);
                format!("{name} ({kind}) {id} is still there")
            })
            .collect())
    }

    /// Deletes the stack, and waits for the end.
    pub(super) async fn delete(&self, stack: &Stack) -> Result<Ended> {
        let id = stack.stack_id().unwrap_or(self.name);
        let token = format!("guardrails-remove-{}", Nonce::fresh().as_str());
        let call = self.client.delete_stack().stack_name(id).client_request_token(&token).send().await;
        call.map_err(|error| {
            let failure = Failure::of(&error);
            let hint = if failure.message.contains("TerminationProtection") {
                format!(
                    "\nhint: somebody protected it: aws cloudformation update-termination-protection --stack-name {} \
                     --no-enable-termination-protection",
                    self.name
                )
            } else {
                String::new()
            };
            anyhow!("deleting the stack `{}`: {}{hint}", self.name, failure.message)
        })?;
        Operation::deletion(&self.client, self.name, id, Some(&token), None).ended().await
    }

    /// Waits for the end of a deletion that another command began.
    pub(super) async fn follow(&self, id: &str) -> Result<Ended> {
        let events = self.events(id).await?;
        let begins = |event: &&StackEvent| {
            event.logical_resource_id() == Some(self.name) && event.resource_status() == Some(&ResourceStatus::DeleteInProgress)
        };
        let begin = events.iter().find(begins);
        let token = begin.and_then(StackEvent::client_request_token);
        let since = begin.and_then(StackEvent::timestamp).copied();
        Operation::deletion(&self.client, self.name, id, token, since).ended().await
    }
}

/// The table of the ledger that the stack works with. A stack that was never whole has no output, and holds nothing.
pub(super) fn working_ledger(stack: &Stack) -> Option<String> {
    let own = stack.outputs().iter().find(|output| output.output_key() == Some(LEDGER_OUTPUT));
    own.and_then(|output| output.output_value()).map(str::to_owned)
}

/// The table of the stack's ledger, also where the stack is not whole.
pub(super) fn ledger(stack: &Stack) -> Option<String> {
    working_ledger(stack).or_else(|| adopted_ledger(stack))
}

/// The table of the ledger that the stack adopted.
pub(super) fn adopted_ledger(stack: &Stack) -> Option<String> {
    parameter(stack, LEDGER_PARAMETER).filter(|table| !table.is_empty())
}

/// The value of one of the stack's parameters.
pub(super) fn parameter(stack: &Stack, name: &str) -> Option<String> {
    let found = stack.parameters().iter().find(|parameter| parameter.parameter_key() == Some(name));
    found.and_then(|parameter| parameter.parameter_value()).map(str::to_owned)
}

/// # Errors
/// When something else is being done to the stack.
pub(super) fn may_be_deleted(stack: &Stack) -> Result<()> {
    let status = stack.stack_status().map_or("", StackStatus::as_str);
    if status.ends_with("_IN_PROGRESS") && status != "REVIEW_IN_PROGRESS" {
        bail!(
            "the stack `{}` is {status}: wait for that first, then guardrails remove again",
            stack.stack_name().unwrap_or_default()
        );
    }
    Ok(())
}
