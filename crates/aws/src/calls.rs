//! Calls that change something, and the receipts of their changes: by them the history says which of AWS's requests did it.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardrails_model::action::Change;
use guardrails_model::receipt::Call;

use crate::error::Failure;

/// The answer of an SDK's operation, with AWS's id of the request in it.
pub use aws_sdk_iam::operation::RequestId;

/// The history's word for a call whose answer is not known.
const NO_ANSWER: &str = "no answer";

/// Makes one call for all of `changes`, such as `ec2:StopInstances`, and writes it on their receipts.
///
/// # Errors
/// When AWS refused it, or did not answer.
pub fn make<'a, O, E>(
    operation: &str,
    changes: impl IntoIterator<Item = &'a Change>,
    call: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
) -> impl Future<Output = Result<O, Failure>>
where
    O: RequestId,
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let asked = ask(operation, call);
    async move {
        let (call, result) = asked.await;
        changes.into_iter().for_each(|change| change.receipt.add(call.clone()));
        result
    }
}

/// Makes one call, for which it is not known yet whether it decides anything.
pub fn ask<O, E>(
    operation: &str,
    call: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
) -> impl Future<Output = (Call, Result<O, Failure>)>
where
    O: RequestId,
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    // The SDK's futures are large: a pointer to one is handed on from here.
    let call = Box::pin(call);
    async move {
        let result = call.await;
        let request_id = result.request_id().map(str::to_owned);
        let result = result.map_err(|error| Failure::of(&error));
        let error = result.as_ref().err().map(|failure| failure.code.clone().unwrap_or_else(|| NO_ANSWER.to_owned()));
        (Call::new(operation, request_id, error), result)
    }
}
