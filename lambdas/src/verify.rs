//! Asks IAM who can still launch after a stage took rights from somebody. It changes nothing in the account, and writes the
//! answers down beside the run.

use guardrails_aws::error::FailureKind;
use guardrails_aws::iam_verify::{Asker, Question, Trouble};
use guardrails_model::clock::Clock;
use guardrails_model::runs::ToVerify;
use guardrails_model::verify::Book;
use guardrails_model::wire::{Verified, VerifyOrder as Order};
use jiff::SignedDuration;

use crate::fault::Fault;
use crate::runtime::{Invocation, serve};

/// Seconds before its end in which an invocation begins no more calls.
const MARGIN: i64 = 30;

/// Serves the function.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn main() -> Result<(), lambda_runtime::Error> {
    serve(handle).await
}

async fn handle(order: Order, invocation: Invocation) -> Result<Verified, Fault> {
    let ledger = invocation.ledger()?;
    let to_verify = ToVerify::of(&ledger, &order.run, invocation.clock.now()).await?;
    let Some(ToVerify { run, asked, changes }) = to_verify else {
        tracing::info!(run = %order.run, "there is nobody to ask about");
        return Ok(Verified::Done);
    };
    let of = run.verify.as_ref().map(|rule| rule.of.as_slice()).unwrap_or_default();
    let until = invocation.deadline - SignedDuration::from_secs(MARGIN);
    let question = Question { of, changes: &changes, clock: &invocation.clock, until, heard: &|_| () };
    let mut book = Book::open(&ledger, asked, invocation.clock.now()).await?;
    let verified = question.go(&Asker::new(&invocation.sdk), &mut book).await.map_err(fault)?;
    tracing::info!(run = %order.run, simulated = run.simulated, ?verified, counts = ?book.known().counts, "asked");
    Ok(verified)
}

fn fault(trouble: Trouble) -> Fault {
    match trouble {
        Trouble::Ledger(error) => error.into(),
        Trouble::Iam(failure) => match failure.kind {
            FailureKind::Refused => Fault::failed(failure.message),
            FailureKind::Later | FailureKind::NoRoom | FailureKind::Unknown => Fault::retryable(failure.message),
        },
    }
}
