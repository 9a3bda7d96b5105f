//! The workflow on Step Functions.

use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::ExecutionStatus;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardrails_model::runs::{Started, Woken, Workflow, WorkflowError, WorkflowInput};

use crate::error::{Failure, FailureKind};

/// A standard state machine.
#[derive(Debug, Clone)]
pub struct StateMachine {
    client: Client,
    arn: String,
}

impl StateMachine {
    /// The state machine `arn`.
    #[must_use]
    pub fn new(client: Client, arn: String) -> Self {
        Self { client, arn }
    }

    fn execution_arn(&self, name: &str) -> String {
        format!("{}:{name}", self.arn.replace(":stateMachine:", ":execution:"))
    }
}

#[async_trait]
impl Workflow for StateMachine {
    async fn start(&self, name: &str, input: &WorkflowInput) -> Result<Started, WorkflowError> {
        let doing = || format!("starting the execution {name}");
        let json = serde_json::to_string(input).map_err(|error| WorkflowError {
            doing: doing(),
            retryable: false,
            source: error.into(),
        })?;
        let call = self.client.start_execution().state_machine_arn(&self.arn).name(name).input(json);
        match call.send().await {
            Ok(_) => Ok(Started::Running),
            // The name ran before, or runs with an input that this service takes for another: only a running one will do it.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_sfn::operation::start_execution::StartExecutionError::is_execution_already_exists) =>
            {
                Ok(if self.is_running(name).await? { Started::Running } else { Started::NameTaken })
            }
            Err(error) => Err(failed(doing(), &error)),
        }
    }

    async fn is_running(&self, name: &str) -> Result<bool, WorkflowError> {
        match self.client.describe_execution().execution_arn(self.execution_arn(name)).send().await {
            Ok(execution) => Ok(*execution.status() == ExecutionStatus::Running),
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_sfn::operation::describe_execution::DescribeExecutionError::is_execution_does_not_exist,
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed(format!("looking at the execution {name}"), &error)),
        }
    }

    async fn wake(&self, token: &str) -> Result<Woken, WorkflowError> {
        match self.client.send_task_success().task_token(token).output("{}").send().await {
            Ok(_) => Ok(Woken::Woken),
            Err(error)
                if error.as_service_error().is_some_and(|error| {
                    error.is_task_does_not_exist() || error.is_task_timed_out() || error.is_invalid_token()
                }) =>
            {
                Ok(Woken::Gone)
            }
            Err(error) => Err(failed("waking the execution that waits".to_owned(), &error)),
        }
    }
}

fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(
    doing: String,
    error: &SdkError<E, HttpResponse>,
) -> WorkflowError {
    let failure = Failure::of(error);
    WorkflowError { doing, retryable: failure.kind != FailureKind::Refused, source: failure.message.into() }
}
