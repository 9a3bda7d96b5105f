//! A function of the user's, by its published versions: which one is called, and the calls.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use guardrails_model::action::{ActionError, Change, ChangeOutcome};
use guardrails_model::contract::{Answer, Breach, Call, LONGEST_TIMEOUT, quoted, read};
use guardrails_model::engine::{INVOCATION, RESERVE};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::params::RunFunction;
use crate::calls;
use crate::context::Context;
use crate::error::{Codes, Failure};

/// Lambda may take so long to start a function, before its timeout begins to run.
pub(super) const START: SignedDuration = SignedDuration::from_secs(10);
/// A look, a change and another look.
const CALLS: i64 = 3;
/// All calls about one facet end within the invocation that makes them, and its lease outlasts it.
const _: () = assert!(
    RESERVE.as_secs() + START.as_secs() + CALLS * LONGEST_TIMEOUT.as_secs() <= INVOCATION.as_secs(),
    "a facet's calls could outlive the lease"
);
/// A call that is not answered by then was lost on its way.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(5);

/// Codes of Lambda that come before the function is called.
const CODES: Codes = Codes {
    not_now: &[
        "ResourceConflictException",
        "ResourceNotReadyException",
        "SnapStartNotReadyException",
        "ENILimitReachedException",
        "SubnetIPAddressLimitReachedException",
        "EFSMountTimeoutException",
        "EFSMountConnectivityException",
    ],
    no_room: &[],
    not_for_it: &[],
};

/// A published version. Its code and its timeout never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    number: String,
    /// The hash of its code: AWS does not give a number again, and other clouds of the same API may.
    code: String,
    timeout: SignedDuration,
}

impl Version {
    /// How the ledger writes it down, with all that it is told.
    pub(super) fn record(&self, told: &Told) -> String {
        format!("{} {} {}", self.number, self.code, serde_json::to_string(told).unwrap_or_default())
    }

    /// The longest that a call of it takes.
    pub(super) fn longest_call(&self) -> SignedDuration {
        START + self.timeout
    }
}

/// Cuts a record into the number, the hash of the code, and all that the program is told. Records of earlier versions have no third part.
fn read_record(record: &str) -> (&str, &str, Option<Told>) {
    let (number, rest) = record.split_once(' ').unwrap_or((record, ""));
    let end = rest.find(" {").unwrap_or(rest.len());
    match serde_json::from_str(&rest[end..]) {
        Ok(told) => (number, &rest[..end], Some(told)),
        Err(_) => (number, rest, None),
    }
}

/// All that each call of a program is told by the stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Told {
    /// The tags, each with the values that count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, Vec<String>>,
    /// The input.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub(super) input: Json,
}

impl Told {
    /// All that the program of a record was told. Records of earlier versions have none.
    pub(super) fn of(record: &str) -> Option<Self> {
        read_record(record).2
    }
}

/// Why a program gave no answer that counts.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The version is not there any more, or cannot be called in this way.
    NotThere(String),
    /// Its answer is not as the contract has it.
    Breach(Breach),
    /// It failed, or did not end in time.
    Failed(String),
    /// Lambda did not call it, or did not answer.
    Service(Failure),
}

impl Trouble {
    /// As the end of a read, which was about `doing`.
    pub(super) fn reading(self, doing: &str) -> ActionError {
        match self {
            Self::NotThere(why) => ActionError::Refused(why),
            Self::Breach(breach) => ActionError::Refused(breach.to_string()),
            Self::Failed(why) => ActionError::Retryable(why),
            Self::Service(failure) => failure.reading(doing),
        }
    }

    /// As the answer to a change.
    pub(super) fn answer(self) -> ChangeOutcome {
        match self {
            Self::NotThere(why) => ChangeOutcome::Refused(why),
            Self::Breach(breach) => ChangeOutcome::Broken(breach.to_string()),
            Self::Failed(why) => ChangeOutcome::Unknown(why),
            Self::Service(failure) => failure.answer(),
        }
    }
}

/// A function with its versions.
pub(super) struct Program {
    name: String,
    version: Option<u32>,
    alias: Option<String>,
    /// For reads, which the SDK may send again.
    reads: Client,
    /// For changes, which it must not.
    changes: Client,
    /// Seconds of a look, a change and another look, by the slowest of the versions that were asked about.
    longest_work: AtomicI64,
}

impl Program {
    pub(super) fn new(params: &RunFunction, context: &Context<'_>) -> Self {
        let client = |sdk: SdkConfig| {
            // A function that works says nothing for a while.
            let sdk = sdk.to_builder().stalled_stream_protection(StalledStreamProtectionConfig::disabled()).build();
            Client::new(&sdk)
        };
        let sdk = context.own_sdk();
        Self {
            name: params.function.clone(),
            version: params.version,
            alias: params.alias.clone(),
            reads: client(sdk.clone()),
            changes: client(sdk.to_builder().retry_config(RetryConfig::disabled()).build()),
            longest_work: AtomicI64::default(),
        }
    }

    /// The longest that the work on one facet takes.
    pub(super) fn longest_work(&self) -> SignedDuration {
        SignedDuration::from_secs(self.longest_work.load(Ordering::Relaxed))
    }

    /// The version that the stage asks for, now.
    pub(super) async fn chosen(&self) -> Result<Version, ActionError> {
        let number = match (self.version, &self.alias) {
            (Some(number), _) => number.to_string(),
            (None, Some(alias)) => self.of_alias(alias).await?,
            (None, None) => self.newest().await?,
        };
        let version = self.look_up(&number).await.map_err(|trouble| trouble.reading(&self.looking()))?;
        if version.timeout > LONGEST_TIMEOUT {
            return Err(ActionError::Refused(format!(
                "the timeout of function {}, version {}, is {} s, where {longest} s are allowed. An invocation has {} s, and its lease ends \
                 after it. {} s for a start, {CALLS} calls of {longest} s and {} s in reserve fit into that: a longer call could outlive the \
                 lease. Set the timeout lower, and publish a version",
                self.name,
                version.number,
                version.timeout.as_secs(),
                INVOCATION.as_secs(),
                START.as_secs(),
                RESERVE.as_secs(),
                longest = LONGEST_TIMEOUT.as_secs(),
            )));
        }
        Ok(version)
    }

    /// The version as the ledger has it.
    pub(super) async fn recorded(&self, record: &str) -> Result<Version, Trouble> {
        let (number, code, _) = read_record(record);
        let version = self.look_up(number).await?;
        if version.code == code {
            return Ok(version);
        }
        Err(Trouble::NotThere(format!(
            "version {number} of function {} is not the code that this run was planned with: it was deleted, and another was made. Put it \
             back by hand, and let `guardrails abandon` settle it",
            self.name
        )))
    }

    fn looking(&self) -> String {
        format!("looking at function {}", self.name)
    }

    async fn of_alias(&self, alias: &str) -> Result<String, ActionError> {
        let answer = self.reads.get_alias().function_name(&self.name).name(alias).send().await;
        let answer = answer
            .map_err(|error| Failure::of(&error).reading(&format!("looking at alias {alias} of function {}", self.name)))?;
        let split = answer.routing_config().and_then(|routing| routing.additional_version_weights());
        if split.is_some_and(|weights| !weights.is_empty()) {
            return Err(ActionError::Refused(format!(
                "alias {alias} of function {} points to two versions at once: the way back needs one",
                self.name
            )));
        }
        let number = answer.function_version.unwrap_or_default();
        if number.parse::<u32>().is_ok() {
            return Ok(number);
        }
        Err(ActionError::Refused(format!(
            "alias {alias} of function {} points to {number}, whose code may change: let it point to a published version",
            self.name
        )))
    }

    /// The newest published version.
    async fn newest(&self) -> Result<String, ActionError> {
        let mut pages = self.reads.list_versions_by_function().function_name(&self.name).into_paginator().send();
        let mut newest: Option<u64> = None;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Failure::of(&error).reading(&self.looking()))?;
            let numbers = page.versions().iter().filter_map(|version| version.version()?.parse::<u64>().ok());
            newest = newest.max(numbers.max());
        }
        newest.map(|number| number.to_string()).ok_or_else(|| {
            ActionError::Refused(format!(
                "function {} has no published version, and the code of $LATEST may change before the way back: publish one with `aws lambda \
                 publish-version --function-name {}`",
                self.name, self.name
            ))
        })
    }

    /// The facts of a published version. They are asked for before each call: it may have been deleted.
    async fn look_up(&self, number: &str) -> Result<Version, Trouble> {
        let answer = self.reads.get_function_configuration().function_name(&self.name).qualifier(number).send().await;
        let answer = answer.map_err(|error| self.missing(number, Failure::of(&error)))?;
        if answer.durable_config().is_some() {
            return Err(Trouble::NotThere(format!(
                "function {} is durable: a call of it may go on after its timeout",
                self.name
            )));
        }
        if answer.capacity_provider_config().is_some() {
            return Err(Trouble::NotThere(format!(
                "function {} runs on Lambda Managed Instances: AWS lets a call of it go on after its timeout",
                self.name
            )));
        }
        let version = Version {
            number: number.to_owned(),
            code: answer.code_sha256().unwrap_or_default().to_owned(),
            timeout: SignedDuration::from_secs(answer.timeout().unwrap_or(3).into()),
        };
        self.longest_work
            .fetch_max((START + version.timeout * i32::try_from(CALLS).unwrap_or(i32::MAX)).as_secs(), Ordering::Relaxed);
        Ok(version)
    }

    fn missing(&self, number: &str, failure: Failure) -> Trouble {
        if failure.is("ResourceNotFoundException") {
            return Trouble::NotThere(format!("Lambda has no version {number} of function {} any more", self.name));
        }
        Trouble::Service(failure.judged(&CODES))
    }

    /// The answer of `version` to a call that changes nothing.
    pub(super) async fn ask<A: Answer>(&self, version: &Version, call: &Call) -> Result<A, Trouble> {
        let answer = self.invoke(&self.reads, version, call).await;
        let answer = answer.map_err(|error| self.missing(&version.number, Failure::of(&error)))?;
        self.answer(call, answer)
    }

    /// The answer of `version` to a call that makes `change`.
    pub(super) async fn change<A: Answer>(&self, version: &Version, call: &Call, change: &Change) -> Result<A, Trouble> {
        let answer = calls::make("lambda:InvokeFunction", [change], self.invoke(&self.changes, version, call)).await;
        let answer = answer.map_err(|failure| self.missing(&version.number, failure))?;
        self.answer(call, answer)
    }

    async fn invoke(
        &self,
        client: &Client,
        version: &Version,
        call: &Call,
    ) -> crate::error::Answered<InvokeOutput, aws_sdk_lambda::operation::invoke::InvokeError> {
        // Longer than the function's own timeout: an answer that comes late is still an answer.
        let patient = version.longest_call() + ON_ITS_WAY;
        let patient = Duration::try_from(patient).unwrap_or_default();
        let patient = Builder::default()
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(patient).operation_timeout(patient).build());
        let payload = Blob::new(serde_json::to_vec(call).unwrap_or_default());
        let call = client.invoke().function_name(&self.name).qualifier(&version.number).payload(payload);
        call.customize().config_override(patient).send().await
    }

    fn answer<A: Answer>(&self, call: &Call, answer: InvokeOutput) -> Result<A, Trouble> {
        let said = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if answer.function_error.is_some() {
            let said = quoted(&String::from_utf8_lossy(&said));
            return Err(Trouble::Failed(format!("function {} failed at {}: {said}", self.name, call.words())));
        }
        read(call, &said).map_err(Trouble::Breach)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn record_holds_all_that_the_program_is_told() {
        let tags = BTreeMap::from([("Project".to_owned(), vec!["Beta One".to_owned()])]);
        for told in [Told::default(), Told { tags, input: json!({"keep": ["a b", " {"]}) }] {
            let version = Version { number: "7".to_owned(), code: "c0de=".to_owned(), timeout: SignedDuration::from_secs(3) };
            assert_eq!(read_record(&version.record(&told)), ("7", "c0de=", Some(told)));
        }
    }

    #[test]
    fn record_of_an_earlier_version_is_still_read() {
        assert_eq!(read_record("7 c0de="), ("7", "c0de=", None));
    }
}
