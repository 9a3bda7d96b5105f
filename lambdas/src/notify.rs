//! Tells people how a run ended: the changes, the failures with their reasons, and the next command.

use guardrails_aws::error::chain;
use guardrails_model::ids::GuardrailName;
use guardrails_model::ledger::Ledger;
use guardrails_model::record::{Direction, Run};
use guardrails_model::rehearsals;
use guardrails_model::report::{Keep, Report};
use guardrails_model::wire::{NotifyOrder as Order, TellOfRehearsals, heard};
use serde::Serialize;
use serde_json::Value as Json;

use crate::fault::Fault;
use crate::messages;
use crate::runtime::{Invocation, serve};

/// Steps that a message shows: all of a small run, and of a large one those that people must know of.
pub(crate) const SHOWN: Keep = Keep { whole: 100, most: 100 };

#[derive(Debug, Serialize)]
struct Sent {
    subject: String,
}

/// Serves the function.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn main() -> Result<(), lambda_runtime::Error> {
    serve(handle).await
}

async fn handle(event: Json, invocation: Invocation) -> Result<Sent, Fault> {
    let unread = |error: serde_json::Error| Fault::failed(format!("reading the order: {error}"));
    if event.get("rehearsals").is_some() {
        let order: TellOfRehearsals = serde_json::from_value(event).map_err(unread)?;
        return tell_of_rehearsals(&order.rehearsals, &invocation).await;
    }
    let order: Order = serde_json::from_value(event).map_err(unread)?;
    let ledger = invocation.ledger()?;
    let run = ledger.run(&order.run).await?.ok_or_else(|| Fault::failed(format!("the ledger has no run `{}`", order.run)))?;
    let mut report = Report::of(&ledger, run.value, SHOWN).await?;
    if let Err(error) = report.look_up_prices(&ledger).await {
        // People are told all the same.
        tracing::warn!(run = %order.run, error = %chain(&error), "the price list cannot be read");
    }
    let (subject, text) = match &order.broken {
        None => (report.headline(), format!("{}{}", report.text(), alert(&ledger, &report.run, order.direction).await?)),
        Some(error) => (
            format!("BROKEN {}", report.headline()),
            format!(
                "The {0} of run {1} broke down. To take it up: {2}. To put back what was done: guardrails rollback {3} --run \
                 {1}\n{error}\n\n{4}",
                order.direction.as_str(),
                order.run,
                match order.direction {
                    Direction::Apply => format!("guardrails rearm {}", report.run.guardrail),
                    Direction::Rollback => "the same command again".to_owned(),
                },
                report.run.guardrail,
                report.text(),
                error = heard(error)
            ),
        ),
    };
    messages::send(&invocation, &format!("Budget Guardrails: {subject}"), &text).await?;
    tracing::info!(run = %order.run, subject, "told people");
    Ok(Sent { subject })
}

/// Tells people of the last rehearsals of these guardrails, as the ledger has them.
async fn tell_of_rehearsals(guardrails: &[GuardrailName], invocation: &Invocation) -> Result<Sent, Fault> {
    let mut rehearsals = invocation.ledger()?.rehearsals().await?;
    rehearsals.retain(|one| guardrails.contains(&one.guardrail));
    let (subject, text) = rehearsals::message(&rehearsals);
    messages::send(invocation, &format!("Budget Guardrails: {subject}"), &text).await?;
    tracing::info!(subject, "told people");
    Ok(Sent { subject })
}

/// The alert that began the run, as it came: people ask for its figures first.
pub(crate) async fn alert(ledger: &Ledger, run: &Run, direction: Direction) -> Result<String, Fault> {
    let alert = if direction == Direction::Apply { ledger.alert(&run.alert).await? } else { None };
    Ok(alert.map_or_else(String::new, |alert| format!("\nThe alert, received {}:\n\n{}\n", alert.at, alert.text)))
}
