//! Tells people of a run that waits for one of them: the question, its reason, the list, and both commands.

use guardrails_model::ids::RunId;
use guardrails_model::record::{Direction, Run};
use guardrails_model::report::Report;
use guardrails_model::runs::{Asked, Runs};

use crate::fault::Fault;
use crate::messages;
use crate::notify::{SHOWN, alert};
use crate::runtime::Invocation;

/// Writes down that an execution waits under `token`, and tells people, once for each question. An execution that need not wait
/// goes on at once.
///
/// # Errors
/// When the ledger or the workflow cannot be reached, or people cannot be told.
pub(crate) async fn ask(runs: &Runs<'_>, id: &RunId, attempt: u32, token: &str, invocation: &Invocation) -> Result<(), Fault> {
    let Asked::Waits(run) = runs.ask(id, attempt, token).await? else {
        tracing::info!(run = %id, attempt, "need not wait: the execution was woken");
        return Ok(());
    };
    let asked = run.approval.as_ref().and_then(|approval| approval.question.as_ref());
    let Some(digest) = asked.filter(|question| question.told.is_none()).map(|question| question.list.digest.clone()) else {
        return Ok(());
    };
    tell(runs, *run, invocation).await?;
    // Dead before this is written, they are told twice: better than never.
    Ok(runs.told(id, &digest).await?)
}

async fn tell(runs: &Runs<'_>, run: Run, invocation: &Invocation) -> Result<(), Fault> {
    let alert = alert(runs.ledger, &run, Direction::Apply).await?;
    let report = Report::of(runs.ledger, run, SHOWN).await?;
    let subject = format!("Budget Guardrails: {}{}", report.urgency(), report.headline());
    messages::send(invocation, &subject, &format!("{}{alert}", report.text())).await?;
    tracing::info!(run = %report.run.id, subject, "asked people");
    Ok(())
}
