//! A deployed stack and its resources: where everything that doctor looks at is found.

use anyhow::{Context, Result, anyhow};
use aws_config::SdkConfig;
use guardrails_aws::error::Failure;
use guardrails_template::CODE_OUTPUT;

use crate::deployment::Deployment;

/// The deployment that is looked at.
pub(super) struct Site {
    pub(super) deployment: Deployment,
    /// The stack's id.
    pub(super) stack_id: String,
    /// Its state, such as `UPDATE_COMPLETE`.
    pub(super) status: String,
    pub(super) region: String,
    pub(super) partition: String,
    /// The bucket and the key of the functions' code, with a slash between. None for a stack of an earlier version.
    pub(super) code: Option<String>,
    resources: Vec<Resource>,
}

/// One of the stack's resources.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// Its name in the template.
    pub(super) logical: String,
    /// Its name in AWS.
    pub(super) physical: String,
    /// Its type, such as `AWS::SNS::Topic`.
    pub(super) kind: String,
}

impl Site {
    /// Finds the stack's resources. Without them nothing can be looked at.
    pub(super) async fn find(deployment: Deployment) -> Result<Self> {
        let client = aws_sdk_cloudformation::Client::new(&deployment.sdk);
        let found = client.describe_stacks().stack_name(&deployment.stack).send().await;
        let found = found.map_err(|error| anyhow!("looking at the stack: {}", Failure::of(&error).message))?;
        let stack = found.stacks().first().context("CloudFormation answers without the stack")?;
        let mut resources = Vec::new();
        let mut pages = client.list_stack_resources().stack_name(&deployment.stack).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                let hint = "hint: it takes cloudformation:ListStackResources; without it nothing can be checked";
                anyhow!("listing the stack's resources: {}\n{hint}", Failure::of(&error).message)
            })?;
            resources.extend(page.stack_resource_summaries().iter().map(|resource| Resource {
                logical: resource.logical_resource_id().unwrap_or_default().to_owned(),
                physical: resource.physical_resource_id().unwrap_or_default().to_owned(),
                kind: resource.resource_type().unwrap_or_default().to_owned(),
            }));
        }
        let stack_id = stack.stack_id().unwrap_or_default().to_owned();
        Ok(Self {
            status: stack.stack_status().map_or("", |status| status.as_str()).to_owned(),
            region: deployment.sdk.region().map(ToString::to_string).unwrap_or_default(),
            partition: stack_id.split(':').nth(1).unwrap_or("aws").to_owned(),
            code: stack
                .outputs()
                .iter()
                .find(|output| output.output_key() == Some(CODE_OUTPUT))
                .and_then(|output| output.output_value().map(str::to_owned)),
            stack_id,
            resources,
            deployment,
        })
    }

    pub(super) fn sdk(&self) -> &SdkConfig {
        &self.deployment.sdk
    }

    pub(super) fn account(&self) -> &str {
        &self.deployment.caller.account
    }

    /// The resources of a type, by their names in the template.
    pub(super) fn all(&self, kind: &str) -> Vec<&Resource> {
        let mut all: Vec<&Resource> = self.resources.iter().filter(|resource| resource.kind == kind).collect();
        all.sort_by(|a, b| a.logical.cmp(&b.logical));
        all
    }

    /// AWS's name for a resource of the template. Empty when the stack does not have it: nothing is found under that.
    pub(super) fn name(&self, logical: &str) -> &str {
        self.resources.iter().find(|resource| resource.logical == logical).map_or("", |resource| &resource.physical)
    }

    /// A function's ARN.
    pub(super) fn function_arn(&self, name: &str) -> String {
        format!("arn:{}:lambda:{}:{}:function:{name}", self.partition, self.region, self.account())
    }

    /// A queue's ARN, by its URL.
    pub(super) fn queue_arn(&self, url: &str) -> String {
        let name = url.rsplit('/').next().unwrap_or_default();
        format!("arn:{}:sqs:{}:{}:{name}", self.partition, self.region, self.account())
    }
}
