//! The messages that SNS delivers to the master: each alert becomes a run, or is reported to people.

use guardrails_aws::budgets::Standings;
use guardrails_model::alert::BudgetAlert;
use guardrails_model::belief::believe;
use guardrails_model::clock::Clock;
use guardrails_model::config::Guardrail;
use guardrails_model::decide::{Decision, decide};
use guardrails_model::envelope::{self, Message};
use guardrails_model::ledger::Ledger;
use guardrails_model::record::{AlertRecord, FORMAT};
use guardrails_model::runs::{Begun, Grounds, Runs};
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use crate::fault::{Fault, Kind};
use crate::messages;
use crate::metrics::{Metric, emit};
use crate::runtime::{Invocation, variable};

/// Every message is worked on, also after one of them failed; then the whole delivery fails, so that SNS delivers again.
pub(crate) async fn deliver(event: &Json, invocation: &Invocation) -> Result<Json, Fault> {
    let mut failed: Option<Fault> = None;
    let mut answers = Vec::new();
    for message in envelope::unwrap(&event.to_string()) {
        match one_alert(&message, invocation).await {
            Ok(answer) => answers.push(answer),
            Err(fault) => {
                tracing::error!(error = %fault, "an alert could not be dealt with: it will be delivered again");
                let worse = failed.as_ref().is_none_or(|first| first.kind == Kind::Failed);
                failed = if worse { Some(fault) } else { failed };
            }
        }
    }
    failed.map_or_else(|| Ok(json!({ "alerts": answers })), Err)
}

async fn one_alert(message: &Message, invocation: &Invocation) -> Result<Json, Fault> {
    let now = invocation.clock.now();
    emit(now, &[(Metric::AlertsReceived, 1.0)], &[]);
    let ledger = invocation.ledger()?;
    let config = ledger.config().await?;
    let account = variable("ACCOUNT_ID")?;
    let today = now.to_zoned(TimeZone::UTC).date();
    let decided = decide(message, &config.guardrails, &account, today);
    let (decision, grounds) = match decided.needs_standing(&config.guardrails) {
        Some(guardrail) => weigh(decided, guardrail, &account, &ledger, invocation).await?,
        None => (decided, Grounds::default()),
    };
    let digest = message.digest();
    let words = words(&decision, &grounds.doubts);
    let guardrail = match &decision {
        Decision::Enforce { target, .. } => Some(target.guardrail.clone()),
        Decision::Report { .. } => None,
    };
    let record = AlertRecord { format: FORMAT, at: now, text: message.text.clone(), decision: words.clone(), guardrail };
    ledger.record_alert(&digest, &record).await?;
    tracing::info!(digest, decision = words, "an alert was received");

    let target = match decision {
        Decision::Report { why, alert } => {
            emit(now, &[(Metric::AlertsUnknown, 1.0)], &[("digest", &digest)]);
            report(message, alert.as_ref(), &why, invocation).await?;
            return Ok(json!({"decision": "reported", "why": why}));
        }
        Decision::Enforce { target, .. } => target,
    };
    let guardrail = config.guardrails.get(&target.guardrail);
    let guardrail = guardrail.ok_or_else(|| Fault::retryable("the guardrail was removed while its alert was read"))?;
    let workflow = invocation.workflow()?;
    let runs = Runs { ledger: &ledger, workflow: &workflow, clock: &invocation.clock, by: invocation.by.clone() };
    let (what, run) = match runs.begin(&target, &config, guardrail, &digest, &grounds).await? {
        Begun::Started(run) => {
            emit(now, &[(Metric::RunsStarted, 1.0)], &[("run", run.id.as_str())]);
            ("started", run)
        }
        Begun::Already(run) => ("already", run),
        Begun::Believed(run) => ("believed", run),
        Begun::GoingBack(run) => ("being rolled back", run),
        Begun::Released(released) => {
            tracing::info!(guardrail = %target.guardrail, by = released.by, why = released.why, "released: recorded only");
            return Ok(json!({"decision": "recorded", "why": format!("released by {}: {}", released.by, released.why)}));
        }
    };
    tracing::info!(run = %run.id, guardrail = %target.guardrail, simulated = target.simulated, what, "the run");
    Ok(json!({"decision": what, "run": run.id, "simulated": run.simulated}))
}

/// Weighs a real alert by AWS Budgets and by the known spend. Answers the decision and its grounds. Where AWS Budgets cannot be
/// asked, a person is, and the alert may count alone later: nothing is lost.
async fn weigh(
    decided: Decision,
    guardrail: &Guardrail,
    account: &str,
    ledger: &Ledger,
    invocation: &Invocation,
) -> Result<(Decision, Grounds), Fault> {
    let Decision::Enforce { target, alert: Some(alert) } = &decided else { return Ok((decided, Grounds::default())) };
    let client = aws_sdk_budgets::Client::new(&invocation.sdk);
    let standings = Standings { client, account: account.to_owned(), topic: None };
    let belief = believe(alert, target, guardrail, ledger, &standings, invocation.clock.now()).await?;
    Ok(decided.weighed(belief))
}

/// A decision as the ledger and the log have it.
fn words(decision: &Decision, doubts: &[String]) -> String {
    match decision {
        Decision::Enforce { target, .. } => {
            let simulated = if target.simulated { " (simulated)" } else { "" };
            let doubted = if doubts.is_empty() { String::new() } else { format!("; doubted: {}", doubts.join("; ")) };
            format!("enforce {} at {} in {}{simulated}{doubted}", target.guardrail, target.stage, target.period)
        }
        Decision::Report { why, .. } => format!("report: {why}"),
    }
}

/// An alert that is not enforced is told to people, with the text as it came.
async fn report(message: &Message, alert: Option<&BudgetAlert>, why: &str, invocation: &Invocation) -> Result<(), Fault> {
    let budget = alert.map_or_else(String::new, |alert| format!(" of budget {}", alert.budget));
    let text = format!(
        "A message on the alert topic was not enforced, and nothing was changed.\n\nWhy: {why}\n\nTo see how it is read: \
         guardrails explain FILE\n\nThe message:\n\n{}\n",
        message.text
    );
    messages::send(invocation, &format!("Budget Guardrails: an alert{budget} was not enforced"), &text).await
}
