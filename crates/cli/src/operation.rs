//! A stack as CloudFormation has it, and the wait for the end of an operation on it. The wait goes by the events that carry the
//! operation's token: the stack's status may for a moment be that from before.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, anyhow};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::primitives::DateTime;
use aws_sdk_cloudformation::types::{ResourceStatus, Stack, StackEvent, StackStatus};
use guardrails_aws::error::{Failure, FailureKind};

use crate::deployment::between_looks;
use crate::output::Progress;

/// How long a stack may take.
const PATIENCE: Duration = Duration::from_hours(1);

/// A stack, by its name or its id; none where there is no such stack. A stack that is gone has only its id.
pub(crate) async fn described(client: &Client, stack: &str) -> Result<Option<Stack>> {
    match client.describe_stacks().stack_name(stack).send().await {
        Ok(found) => Ok(found.stacks.unwrap_or_default().into_iter().next()),
        Err(error) => {
            let failure = Failure::of(&error);
            let absent = failure.is("ValidationError") && failure.message.contains("does not exist");
            if absent { Ok(None) } else { Err(anyhow!("looking at the stack `{stack}`: {}", failure.message)) }
        }
    }
}

/// An operation on a stack. Its events carry the client request token that it was begun with.
pub(crate) struct Operation<'a> {
    client: &'a Client,
    stack: &'a str,
    /// The name or the id by which CloudFormation is asked. A stack that is gone has only its id.
    at: &'a str,
    token: Option<&'a str>,
    /// Events before then are of earlier operations without a token.
    since: Option<DateTime>,
    shown: HashSet<String>,
    /// The state in the newest of the stack's own events.
    state: Option<String>,
    failures: Vec<String>,
}

/// How an operation ended.
pub(crate) struct Ended {
    /// The stack's state.
    pub(crate) state: String,
    /// The resources that failed on the way, with the reasons.
    pub(crate) failures: Vec<String>,
}

impl<'a> Operation<'a> {
    pub(crate) fn new(client: &'a Client, stack: &'a str, token: &'a str) -> Self {
        let (token, shown) = (Some(token), HashSet::new());
        Self { client, stack, at: stack, token, since: None, shown, state: None, failures: Vec::new() }
    }

    /// A deletion of `stack`, whose id is `id`. One that was begun without a token, by another tool, has all events without one from
    /// `since` on.
    pub(crate) fn deletion(
        client: &'a Client,
        stack: &'a str,
        id: &'a str,
        token: Option<&'a str>,
        since: Option<DateTime>,
    ) -> Self {
        let since = since.filter(|_| token.is_none());
        Self { client, stack, at: id, token, since, shown: HashSet::new(), state: None, failures: Vec::new() }
    }

    /// Waits until the stack stands still, and shows what happens meanwhile.
    pub(crate) async fn ended(self) -> Result<Ended> {
        let stack = self.stack;
        let ended = tokio::time::timeout(PATIENCE, self.wait()).await;
        ended.map_err(|_| {
            anyhow!(
                "the stack `{stack}` did not settle within {} minutes, and goes on without this command\nhint: aws cloudformation \
                 describe-stack-events --stack-name {stack}",
                PATIENCE.as_secs() / 60
            )
        })?
    }

    async fn wait(mut self) -> Result<Ended> {
        let mut progress = Progress::new();
        loop {
            match self.look(&progress).await {
                Ok(Some(state)) => return Ok(Ended { state, failures: self.failures }),
                Ok(None) => progress.show(self.state.as_deref().unwrap_or("CloudFormation begins")),
                Err(failure) if failure.kind == FailureKind::Refused => {
                    return Err(anyhow!(
                        "looking at the stack `{}`, which goes on without this command: {}",
                        self.stack,
                        failure.message
                    ));
                }
                // Asked too often, or not answered: that says nothing of the stack.
                Err(failure) => progress.show(&format!("looking again: {}", failure.message)),
            }
            tokio::time::sleep(between_looks()).await;
        }
    }

    /// Shows what is new. The stack's state, once it stands still: the events say so, and the stack itself does, whose outputs
    /// are then those of now.
    async fn look(&mut self, progress: &Progress) -> Result<Option<String>, Failure> {
        for event in self.news().await? {
            self.take(&event, progress);
        }
        let Some(state) = self.state.clone().filter(|state| !state.ends_with("_IN_PROGRESS")) else { return Ok(None) };
        let found = self.client.describe_stacks().stack_name(self.at).send().await.map_err(|error| Failure::of(&error))?;
        let said = found.stacks().first().and_then(|stack| stack.stack_status()).map(StackStatus::as_str);
        Ok((said == Some(state.as_str())).then_some(state))
    }

    fn take(&mut self, event: &StackEvent, progress: &Progress) {
        let state = event.resource_status().map_or("", ResourceStatus::as_str);
        let resource = event.logical_resource_id().unwrap_or_default();
        let reason = event.resource_status_reason().unwrap_or_default();
        self.shown.insert(event.event_id().unwrap_or_default().to_owned());
        if resource == self.stack && event.resource_type() == Some("AWS::CloudFormation::Stack") {
            self.state = Some(state.to_owned());
        }
        if state.ends_with("_IN_PROGRESS") {
            return;
        }
        progress.log(format!("  {state:<28} {resource} {reason}").trim_end());
        if state.ends_with("_FAILED") && !reason.contains("cancelled") {
            self.failures.push(format!("{resource}: {reason}"));
        }
    }

    /// The operation's events that were not shown yet, oldest first. A stack of many resources has more of them between two
    /// looks than a page holds.
    async fn news(&self) -> Result<Vec<StackEvent>, Failure> {
        let mut pages = self.client.describe_stack_events().stack_name(self.at).into_paginator().send();
        let is_new = |event: &StackEvent| {
            let is_ours = event.client_request_token() == self.token;
            let is_of_now = self.since.as_ref().is_none_or(|since| event.timestamp().is_some_and(|at| at >= since));
            is_ours && is_of_now && !self.shown.contains(event.event_id().unwrap_or_default())
        };
        let mut news = Vec::new();
        while let Some(page) = pages.next().await {
            let events = page.map_err(|error| Failure::of(&error))?.stack_events.unwrap_or_default();
            let whole = events.iter().all(is_new);
            news.extend(events.into_iter().filter(is_new));
            if !whole {
                break;
            }
        }
        news.reverse();
        Ok(news)
    }
}
