//! The stack's own functions, called by one of them: an action's to rehearse, and notify to tell people.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::primitives::Blob;
use guardrails_model::census::{Census, Listed};
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::ids::GuardrailName;
use guardrails_model::record::{Run, Tally};
use guardrails_model::rehearsals::Planner;
use guardrails_model::wire::{ActionOrder, Op, RehearsalResult, RunningResult, TellOfRehearsals};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::actions::CATALOG;
use crate::declared::Priced;
use crate::error::Failure;

/// The longest that an action's function takes, and a little.
const LONGEST: Duration = Duration::from_secs(125);

/// Calls the functions of a stack.
pub struct Functions {
    sdk: SdkConfig,
    stack: String,
    /// When the caller must have its answers.
    until: Timestamp,
}

impl Functions {
    /// The functions of `stack`, whose answers are waited for until `until`.
    #[must_use]
    pub fn new(sdk: &SdkConfig, stack: String, until: Timestamp) -> Self {
        Self { sdk: sdk.clone(), stack, until }
    }

    /// Has notify tell people of the last rehearsals of `guardrails`.
    ///
    /// # Errors
    /// When it did not; in words.
    pub async fn tell(&self, guardrails: &[GuardrailName]) -> Result<(), String> {
        self.invoke("notify", &TellOfRehearsals { rehearsals: guardrails.to_vec() }).await.map(|_| ())
    }

    /// The answer of the function of a part of `draft`; nothing where there is no such part.
    async fn ask<T: DeserializeOwned>(&self, op: Op, draft: &Run, part: usize) -> Result<Option<T>, String> {
        let Some(action) = draft.parts.get(part).map(|part| part.action.as_str()) else { return Ok(None) };
        let (run, draft) = (draft.id.clone(), Some(Box::new(draft.clone())));
        let said = self.invoke(action, &ActionOrder { op, run, part, cursor: None, draft }).await?;
        serde_json::from_slice(&said).map(Some).map_err(|error| format!("reading the answer of {action}: {error}"))
    }

    /// The answer of the function `name`, called once.
    async fn invoke(&self, name: &str, order: &impl Serialize) -> Result<Vec<u8>, String> {
        let function = format!("{}-{name}", self.stack);
        let left = Duration::try_from(self.until.duration_since(SystemClock.now())).unwrap_or_default();
        if left < Duration::from_secs(1) {
            return Err(format!("there was no time left to call {function}"));
        }
        let payload = serde_json::to_vec(order).map_err(|error| format!("writing an order for {function}: {error}"))?;
        let patient = Builder::default()
            .timeout_config(TimeoutConfig::builder().operation_timeout(left.min(LONGEST)).build())
            .retry_config(RetryConfig::disabled());
        let call = Client::new(&self.sdk).invoke().function_name(&function).payload(Blob::new(payload));
        let answer = call.customize().config_override(patient).send().await;
        let answer = answer.map_err(|error| format!("calling {function}: {}", Failure::of(&error).message))?;
        let said = answer.payload.map(Blob::into_inner).unwrap_or_default();
        match answer.function_error {
            Some(_) => Err(format!("{function} failed: {}", String::from_utf8_lossy(&said))),
            None => Ok(said),
        }
    }
}

#[async_trait]
impl Planner for Functions {
    async fn rehearse(&self, draft: &Run, part: usize) -> Tally {
        let said = self.ask::<RehearsalResult>(Op::Rehearse, draft, part).await;
        said.map_or_else(|why| Tally::untried(&why), |result| result.map(|result| result.rehearsal).unwrap_or_default())
    }
}

#[async_trait]
impl Census for Functions {
    async fn running(&self, draft: &Run, part: usize) -> Listed {
        let action = draft.parts.get(part).and_then(|part| CATALOG.find(part.action.as_str()).ok());
        let is_priced = action.is_some_and(|action| action.counts.iter().any(|counted| counted.price == Priced::ByKind));
        if !is_priced {
            return Listed::default();
        }
        match self.ask::<RunningResult>(Op::Running, draft, part).await {
            Ok(Some(RunningResult { running, failed, .. })) => Listed { running: Some(running), failed },
            Ok(None) => Listed::default(),
            Err(why) => Listed { running: None, failed: Some(why) },
        }
    }
}
