//! The common part of all functions: structured logs, and an invocation's surroundings. The environment is read inside the
//! handler, never before: a function that dies before its handler answers nobody.

use std::sync::Arc;

use aws_config::SdkConfig;
use guardrails_aws::clients::{self, Options};
use guardrails_aws::store::DynamoStore;
use guardrails_aws::workflow::StateMachine;
use guardrails_model::clock::SystemClock;
use guardrails_model::ledger::Ledger;
use jiff::Timestamp;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tracing::Instrument;

use crate::fault::Fault;

/// One invocation's surroundings.
pub struct Invocation {
    /// Makes clients: each function makes only those it uses.
    pub sdk: SdkConfig,
    /// The clock.
    pub clock: SystemClock,
    /// When Lambda ends this invocation.
    pub deadline: Timestamp,
    /// The function and its request id, for events.
    pub by: String,
}

impl Invocation {
    /// The ledger in the table that the environment names.
    ///
    /// # Errors
    /// When it names none.
    pub fn ledger(&self) -> Result<Ledger, Fault> {
        let client = aws_sdk_dynamodb::Client::new(&self.sdk);
        Ok(Ledger::new(Arc::new(DynamoStore::new(client, variable("TABLE_NAME")?))))
    }

    /// The workflow that the environment names.
    ///
    /// # Errors
    /// When it names none.
    pub fn workflow(&self) -> Result<StateMachine, Fault> {
        Ok(StateMachine::new(aws_sdk_sfn::Client::new(&self.sdk), variable("STATE_MACHINE_ARN")?))
    }
}

/// An environment variable that the template sets.
///
/// # Errors
/// When it is not set.
pub fn variable(name: &str) -> Result<String, Fault> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.ok_or_else(|| Fault::failed(format!("the environment variable {name} is not set: deploy the stack's own template")))
}

/// Serves invocations of `handler` until Lambda ends the function.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn serve<E, R, H, F>(handler: H) -> Result<(), lambda_runtime::Error>
where
    E: DeserializeOwned,
    R: Serialize,
    H: Fn(E, Invocation) -> F,
    F: Future<Output = Result<R, Fault>>,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| "info".into()))
        .init();
    let sdk = OnceCell::new();
    lambda_runtime::run(service_fn(|event: LambdaEvent<E>| {
        let LambdaEvent { payload, context, .. } = event;
        let span = tracing::info_span!("invocation", request_id = %context.request_id);
        let (sdk, handler) = (&sdk, &handler);
        let work = async move {
            let sdk = sdk.get_or_try_init(|| clients::load(Options::default())).await?;
            let outcome = Box::pin(handler(payload, invocation(sdk.clone(), &context))).await;
            if let Err(fault) = &outcome {
                tracing::error!(kind = fault.kind.as_str(), error = %fault, "the invocation failed");
            }
            outcome
        };
        work.instrument(span)
    }))
    .await
}

fn invocation(sdk: SdkConfig, context: &Context) -> Invocation {
    let deadline = i64::try_from(context.deadline).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    Invocation {
        sdk,
        clock: SystemClock,
        // A deadline that cannot be read has passed: nothing is begun.
        deadline: deadline.unwrap_or(Timestamp::UNIX_EPOCH),
        by: format!("{} {}", context.env_config.function_name, context.request_id),
    }
}
