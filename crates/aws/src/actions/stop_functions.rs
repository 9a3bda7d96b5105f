//! `stop-functions`: stops Lambda functions, and gives them back the settings that they had. A function's event sources are disabled
//! first, so that no queue counts its refusals as failures. Then the scaling of its provisioned concurrency is suspended, its
//! provisioned concurrency is removed, and its reserved concurrency goes to 0. Then Lambda refuses each invocation, and begins none.
//! On the way back reserved concurrency comes first: Lambda would refuse provisioned concurrency without it. Then come the event
//! sources, whose records would expire. Provisioned concurrency is a warm start only, and may fail: it holds nothing up but its scaling.
//!
//! Lambda gives functions no id. An event source mapping has a UUID. A version's number is never given again, not even to a function
//! that was made anew under the name. An alias and a function have only their names. One that was made anew does not have the
//! reserved concurrency of 0 that this action gave, so it is left as it is.
//!
//! MiniStack serves most of it. The double of `verification/world` refuses as AWS's documentation says. None of it was tried on AWS.

mod concurrency;
mod details;
mod kept;
mod list;
mod provisioned;
mod scaling;
mod sources;

use guardrails_model::action::Patience;
use guardrails_model::pace::Limit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalable_target::TARGETS;
use crate::declared::{About, Joins, Noun, Service};
use crate::error::{Codes, Failure, FailureKind};
use crate::switch::{Drift, Options, Switched, Switches};

/// The action.
pub type StopFunctions = Switched<Functions>;

/// Lambda takes 15 requests a second, of all kinds and from everybody in the account, and no more on request. A change takes about
/// seven of them: those that look before and after it.
const CHANGES: Limit = Limit::new("lambda-changes", 4.0, 2.0);
/// The figures are for all parts. Provisioned concurrency takes minutes, and may find no room.
const PATIENCE: Patience = Patience { poll: 10, limit: 1800, give_up: 6 * 3600 };
/// A deployment or a person set it.
const DRIFT: Drift = Drift::Report;
/// Few at a time: see [`CHANGES`].
const BATCH: usize = 10;
/// A function or a mapping that is being updated takes no other change.
const CODES: Codes = Codes {
    not_now: &["ResourceConflictException", "ResourceInUseException"],
    no_room: &[],
    not_for_it: &["ResourceNotFoundException"],
};
/// The setting that there is not.
const NONE: &str = "none";
/// A Lambda function.
const FUNCTION: Noun = Noun { one: "function", many: "functions" };

/// Functions: their event sources, their provisioned concurrency with its scaling, and their reserved concurrency.
pub struct Functions;

impl Switches for Functions {
    const ABOUT: About = About {
        limits: &[CHANGES, TARGETS],
        services: &[Service {
            name: "Lambda functions",
            stops: "invocations, provisioned concurrency",
            goes_on: "stored code and snapshots; the queues, streams and APIs that call them",
            lost: "records that their source does not keep; asynchronous events, where `async-events: lose`",
        }],
        joins_stop_all: Some(Joins::set(1)),
        ..About::new(
            "stop-functions",
            "disables the event sources of the Lambda functions that carry the tags, removes their provisioned concurrency, and \
             reserves no concurrency for them",
            "gives each function the concurrency and the event sources that it had",
        )
    };
    const NOUN: Noun = FUNCTION;
    type Options = Keys;
    type Parts = (sources::Sources, scaling::Scaling, provisioned::Provisioned, concurrency::Concurrency);
}

/// Keys of the action's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Keys {
    /// Functions whose asynchronous events would go nowhere: left alone, or stopped.
    #[serde(skip_serializing_if = "AsyncEvents::is_default")]
    #[schemars(extend("default" = "leave"))]
    async_events: AsyncEvents,
}

impl Options for Keys {}

/// The treatment of functions that have neither a dead-letter queue nor a destination for events that fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AsyncEvents {
    /// Leave them alone.
    #[default]
    Leave,
    /// Stop them: asynchronous events that come meanwhile are gone.
    Lose,
}

impl AsyncEvents {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_default(&self) -> bool {
        *self == Self::Leave
    }
}

/// The failure of a call that asks for concurrency. Others may have taken the account's meanwhile, or a new reserved concurrency may
/// not be seen yet. Lambda has no codes for these. It says that the call "decreases account's `UnreservedConcurrentExecution` below its
/// minimum value", or that a number is "greater than the `reservedConcurrentExecution`".
fn room(failure: Failure) -> Failure {
    let is_full = failure.is("InvalidParameterValueException")
        && ["reservedConcurrentExecution", "UnreservedConcurrentExecution"].iter().any(|name| failure.message.contains(name));
    if is_full { Failure { kind: FailureKind::NoRoom, ..failure } } else { failure }
}

/// The number that a value says.
fn number(value: &guardrails_model::ids::Value) -> Result<i32, Failure> {
    value.as_str().parse().map_err(|_| Failure::refused(format!("`{value}` is no concurrency")))
}
