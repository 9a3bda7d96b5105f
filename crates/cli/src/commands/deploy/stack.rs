//! The stack's change sets: proposed, shown, executed, waited for.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{Capability, ChangeSetStatus, ChangeSetType, Parameter, ResourceChange, StackStatus};
use guardrails_aws::error::Failure;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_template::{Limits, capability};
use serde_json::Value as Json;

use super::bucket::Bucket;
use crate::deployment;
use crate::operation::{self, Ended, Operation};
use crate::output::{self, Progress};

/// How long a change set may be computed.
const CHANGE_SET_PATIENCE: Duration = Duration::from_mins(5);

/// The stack.
pub(super) struct Stack<'a> {
    client: Client,
    name: &'a str,
}

/// A change set that can be executed.
pub(super) struct Changes {
    id: String,
    /// There was no such stack before.
    pub(super) creates: bool,
    rows: Vec<Vec<String>>,
}

impl Changes {
    pub(super) fn text(&self, wide: bool) -> String {
        output::table(wide, &["change", "resource", "type", "replaced"], self.rows.clone())
    }
}

impl<'a> Stack<'a> {
    pub(super) fn new(sdk: &'a SdkConfig, name: &'a str) -> Self {
        Self { client: Client::new(sdk), name }
    }

    /// The changes that deploying `template` would make; nothing when the stack is as it should be.
    pub(super) async fn propose(
        &self,
        template: &Json,
        parameters: &[(&str, String)],
        bucket: &Bucket,
    ) -> Result<Option<Changes>> {
        let creates = match self.status().await? {
            None | Some(StackStatus::ReviewInProgress) => true,
            Some(status) if status.as_str().ends_with("_IN_PROGRESS") => {
                return Err(anyhow!("the stack `{}` is {}: wait for that first", self.name, status.as_str()));
            }
            Some(status) => {
                self.can_be_updated(&status).await?;
                false
            }
        };
        let change_set = format!("guardrails-{}", SystemClock.now().strftime("%Y%m%d%H%M%S"));
        let kind = if creates { ChangeSetType::Create } else { ChangeSetType::Update };
        let mut given: Vec<Parameter> = parameters
            .iter()
            .map(|(key, value)| Parameter::builder().parameter_key(*key).parameter_value(value).build())
            .collect();
        // A parameter that was set before and is not given now stays: left out, it would fall back to its default.
        for key in self.parameters().await? {
            if template["Parameters"].get(&key).is_some() && !parameters.iter().any(|(given, _)| *given == key) {
                given.push(Parameter::builder().parameter_key(key).use_previous_value(true).build());
            }
        }
        let mut call = self
            .client
            .create_change_set()
            .stack_name(self.name)
            .change_set_name(&change_set)
            .change_set_type(kind)
            .capabilities(Capability::from(capability(template)))
            .set_parameters(Some(given));
        let body = template.to_string();
        call = if Limits::check(template, &body)?.needs_bucket {
            call.template_url(bucket.store_template(&change_set, body).await?)
        } else {
            call.template_body(body)
        };
        let made = call.send().await.map_err(|error| anyhow!("proposing the change: {}", Failure::of(&error).message))?;
        let id = made.id.unwrap_or(change_set);
        tokio::time::timeout(CHANGE_SET_PATIENCE, self.computed(id, creates))
            .await
            .map_err(|_| anyhow!("CloudFormation did not say within {} s what would change", CHANGE_SET_PATIENCE.as_secs()))?
    }

    /// Says what to do first about a stack that CloudFormation would not update.
    async fn can_be_updated(&self, status: &StackStatus) -> Result<()> {
        let name = self.name;
        let delete = "guardrails remove";
        let first = match status {
            StackStatus::RollbackComplete | StackStatus::RollbackFailed => {
                format!("it failed when it was made, and is kept only to be looked at: {delete}, then deploy again")
            }
            StackStatus::DeleteFailed => {
                let table = self.ledger().await?.unwrap_or_else(|| "TABLE".to_owned());
                format!(
                    "somebody wanted it gone, and it did not go, as long as it holds something (guardrails status). Put that back \
                     (guardrails rollback GUARDRAIL), delete it again ({delete}), and deploy with --adopt-ledger {table}"
                )
            }
            StackStatus::UpdateRollbackFailed => {
                format!("aws cloudformation continue-update-rollback --stack-name {name}, then deploy again")
            }
            _ => return Ok(()),
        };
        Err(anyhow!("the stack `{name}` is {}, and CloudFormation updates no such stack\nhint: {first}", status.as_str()))
    }

    async fn computed(&self, id: String, creates: bool) -> Result<Option<Changes>> {
        let mut progress = Progress::new();
        loop {
            let set = self.page(&id, None).await?;
            match set.status() {
                Some(ChangeSetStatus::CreateComplete) => {
                    let rows = self.rows(&id, set).await?;
                    return Ok(Some(Changes { id, creates, rows }));
                }
                Some(ChangeSetStatus::Failed) => {
                    let reason = set.status_reason().unwrap_or_default();
                    if reason.contains("didn't contain changes") || reason.contains("No updates are to be performed") {
                        self.client.delete_change_set().stack_name(self.name).change_set_name(&id).send().await.ok();
                        return Ok(None);
                    }
                    return Err(anyhow!("CloudFormation refuses the change: {reason}"));
                }
                _ => progress.show("CloudFormation computes what would change"),
            }
            tokio::time::sleep(deployment::between_looks()).await;
        }
    }

    /// A page of the change set: AWS cuts it at a megabyte.
    async fn page(&self, id: &str, token: Option<String>) -> Result<DescribeChangeSetOutput> {
        let call = self.client.describe_change_set().stack_name(self.name).change_set_name(id).set_next_token(token);
        call.send().await.map_err(|error| anyhow!("looking at the change: {}", Failure::of(&error).message))
    }

    /// Every change, from its first page on: nobody can agree to a change that is not shown.
    async fn rows(&self, id: &str, mut page: DescribeChangeSetOutput) -> Result<Vec<Vec<String>>> {
        let mut rows = Vec::new();
        loop {
            rows.extend(page.changes().iter().filter_map(|change| change.resource_change()).map(row));
            match page.next_token.take() {
                Some(token) => page = self.page(id, Some(token)).await?,
                None => return Ok(rows),
            }
        }
    }

    /// Takes a proposal back.
    pub(super) async fn withdraw(&self, changes: &Changes) -> Result<()> {
        let call = self.client.delete_change_set().stack_name(self.name).change_set_name(&changes.id);
        call.send().await.context("taking the proposed change back")?;
        Ok(())
    }

    /// Makes the changes, and waits for their end.
    pub(super) async fn execute(&self, changes: &Changes) -> Result<()> {
        // The change set's own number: a call that is sent twice executes it once.
        let token = format!("guardrails-{}", changes.id.rsplit('/').next().unwrap_or_default());
        let call = self.client.execute_change_set().stack_name(self.name).change_set_name(&changes.id);
        let call = call.client_request_token(&token);
        call.send().await.map_err(|error| anyhow!("making the changes: {}", Failure::of(&error).message))?;
        let Ended { state, failures } = Operation::new(&self.client, self.name, &token).ended().await?;
        let failures = failures.join("\n  ");
        if state != if changes.creates { "CREATE_COMPLETE" } else { "UPDATE_COMPLETE" } {
            return Err(anyhow!("the stack `{}` is {state}:\n  {failures}", self.name));
        }
        if !failures.is_empty() {
            output::tell(&format!("WARNING: what the stack does not need any more could not all be removed:\n  {failures}"));
        }
        Ok(())
    }

    async fn status(&self) -> Result<Option<StackStatus>> {
        Ok(self.described().await?.and_then(|stack| stack.stack_status))
    }

    /// The parameters that the stack has now.
    async fn parameters(&self) -> Result<Vec<String>> {
        let parameters = self.present().await?.and_then(|stack| stack.parameters).unwrap_or_default();
        Ok(parameters.into_iter().filter_map(|parameter| parameter.parameter_key).collect())
    }

    /// The value that a parameter of the stack has now; none when there is no stack, or no such parameter.
    pub(super) async fn parameter(&self, name: &str) -> Result<Option<String>> {
        let parameters = self.present().await?.and_then(|stack| stack.parameters).unwrap_or_default();
        let found = parameters.into_iter().find(|parameter| parameter.parameter_key() == Some(name));
        Ok(found.and_then(|parameter| parameter.parameter_value))
    }

    /// The ledger that the stack has now, if there is one.
    pub(super) async fn ledger(&self) -> Result<Option<String>> {
        let outputs = self.present().await?.and_then(|stack| stack.outputs).unwrap_or_default();
        let ledger = outputs.into_iter().find(|output| output.output_key() == Some(deployment::LEDGER_OUTPUT));
        Ok(ledger.and_then(|output| output.output_value))
    }

    /// The stack, where it was ever made.
    pub(super) async fn present(&self) -> Result<Option<aws_sdk_cloudformation::types::Stack>> {
        Ok(self.described().await?.filter(|stack| stack.stack_status != Some(StackStatus::ReviewInProgress)))
    }

    async fn described(&self) -> Result<Option<aws_sdk_cloudformation::types::Stack>> {
        operation::described(&self.client, self.name).await
    }
}

fn row(change: &ResourceChange) -> Vec<String> {
    vec![
        change.action().map_or("", |action| action.as_str()).to_owned(),
        change.logical_resource_id().unwrap_or_default().to_owned(),
        change.resource_type().unwrap_or_default().to_owned(),
        change.replacement().map_or("", |replaced| replaced.as_str()).to_owned(),
    ]
}
