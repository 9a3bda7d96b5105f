//! The master: turns what arrives on the topic into runs, and keeps their books for the state machine (the plan that counts,
//! the end). It changes nothing in the account but the ledger.

use guardrails_aws::budgets::Standings;
use guardrails_model::alert::{self, Reading};
use guardrails_model::belief::{Belief, believe};
use guardrails_model::clock::Clock;
use guardrails_model::config::Config;
use guardrails_model::decide::{Decision, decide};
use guardrails_model::envelope::{self, Message};
use guardrails_model::ids::RunId;
use guardrails_model::ledger::Ledger;
use guardrails_model::record::{AlertRecord, Direction, FORMAT, Part, PartPlan, RunState};
use guardrails_model::runs::{Begun, Ended, Grounds, Heard, Outcome, PartRef, Places, Runs, groups};
use guardrails_model::wire::{End, MasterOrder as Order, PartResult, PlacesResult};
use jiff::Unit;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::approvals;
use crate::fault::{Fault, Kind};
use crate::messages;
use crate::metrics::{Metric, emit};
use crate::runtime::{Invocation, serve, variable};

/// What the machine is told.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Reply {
    /// What to plan, or to work on.
    Groups { run: RunId, groups: Vec<Vec<PartRef>> },
    /// What to work on, unless a person is to be waited for so many seconds first; and is IAM to be asked afterwards?
    Opened { run: RunId, groups: Vec<Vec<PartRef>>, ask: i64, verify: bool },
    /// What an execution that waited is to do.
    Heard {
        run: RunId,
        #[serde(flatten)]
        heard: Heard,
    },
    /// Nobody reads it: the execution waits for its token.
    Waits { run: RunId },
    /// How it ended.
    Ended { run: RunId, outcome: Outcome },
}

/// Serves the function.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn main() -> Result<(), lambda_runtime::Error> {
    serve(handle).await
}

async fn handle(event: Json, invocation: Invocation) -> Result<Json, Fault> {
    if event.get("op").is_none() {
        return alerts(&event, &invocation).await;
    }
    let order: Order = serde_json::from_value(event).map_err(|error| Fault::failed(format!("not an order: {error}")))?;
    let (ledger, workflow) = (invocation.ledger()?, invocation.workflow()?);
    let runs = Runs { ledger: &ledger, workflow: &workflow, clock: &invocation.clock, by: invocation.by.clone() };
    let reply = match order {
        Order::Spread { run, places } => {
            let places: Vec<(usize, Places)> = places.into_iter().flatten().map(found).collect();
            let spread = runs.spread(&run, &places).await?;
            // A part whose action could not say where it works has nothing to plan in this try.
            let groups = groups(&spread, |part| !matches!(part.plan, PartPlan::Failed { .. }));
            Reply::Groups { run, groups }
        }
        Order::Open { run, plans } => {
            let plans: Vec<(usize, PartPlan)> = plans.into_iter().flatten().map(|result| (result.part, result.plan)).collect();
            let opened = runs.open(&run, &plans).await?;
            let ask = opened.waits_for(invocation.clock.now()).unwrap_or_default();
            Reply::Opened { run, groups: groups(&opened, Part::has_steps), ask, verify: opened.verify.is_some() }
        }
        Order::Ask { run, attempt, token } => {
            approvals::ask(&runs, &run, attempt, &token, &invocation).await?;
            Reply::Waits { run }
        }
        Order::Hear { run, attempt } => {
            let heard = runs.hear(&run, attempt).await?;
            tracing::info!(%run, attempt, ?heard, "waits no more");
            Reply::Heard { run, heard }
        }
        Order::Close { run, direction, try_number, results, unverified } => {
            if let Some(why) = unverified.filter(|_| direction == Direction::Apply) {
                runs.could_not_verify(&run, &why).await?;
            }
            let results: Vec<PartResult> = results.into_iter().flatten().collect();
            let failures = results.iter().filter(|result| result.end == End::Failed).map(failure).collect();
            let unfinished = results.iter().filter(|result| result.end == End::Unfinished);
            let unfinished = unfinished.map(|result| (result.part, result.cursor.clone())).collect();
            let closed = runs.close(&run, &Ended { direction, try_number, failures, unfinished }).await?;
            tracing::info!(%run, direction = direction.as_str(), outcome = ?closed.outcome, state = ?closed.run.state, "closed");
            // What a later look found is not what the alert took.
            let by_alert = closed.run.looking.is_none();
            if direction == Direction::Apply && closed.run.state == RunState::Enforced && by_alert {
                let now = invocation.clock.now();
                let seconds = (now - closed.run.began).total(Unit::Second).unwrap_or_default();
                emit(now, &[(Metric::SecondsToEnforce, seconds)], &[("run", run.as_str())]);
            }
            Reply::Ended { run, outcome: closed.outcome }
        }
    };
    Ok(json!(reply))
}

fn found(result: PlacesResult) -> (usize, Places) {
    (result.part, result.failed.map_or(Places::Found(result.places), Places::Unknown))
}

fn failure(result: &PartResult) -> String {
    format!("part {} broke down: {}", result.part, result.why.as_deref().unwrap_or("no reason was given"))
}

/// Every message is worked on, also after one of them failed; then the whole delivery fails, so that SNS delivers again.
async fn alerts(event: &Json, invocation: &Invocation) -> Result<Json, Fault> {
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
    let (decision, grounds) = believed(message, decided, &config, &account, &ledger, invocation).await?;
    let digest = format!("{:x}", Sha256::digest(json!([message.text, message.attributes]).to_string()));
    let words = match &decision {
        Decision::Enforce(target) => {
            let simulated = if target.simulated { " (simulated)" } else { "" };
            let doubts = grounds.doubts.join("; ");
            let doubted = if doubts.is_empty() { doubts } else { format!("; doubted: {doubts}") };
            format!("enforce {} at {} in {}{simulated}{doubted}", target.guardrail, target.stage, target.period)
        }
        Decision::Report { why } => format!("report: {why}"),
    };
    let guardrail = match &decision {
        Decision::Enforce(target) => Some(target.guardrail.clone()),
        Decision::Report { .. } => None,
    };
    let record = AlertRecord { format: FORMAT, at: now, text: message.text.clone(), decision: words.clone(), guardrail };
    ledger.record_alert(&digest, &record).await?;
    tracing::info!(digest, decision = words, "an alert was received");

    let target = match decision {
        Decision::Report { why } => {
            emit(now, &[(Metric::AlertsUnknown, 1.0)], &[("digest", &digest)]);
            report(message, &why, invocation).await?;
            return Ok(json!({"decision": "reported", "why": why}));
        }
        Decision::Enforce(target) => target,
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

/// Holds a real alert against AWS Budgets and what is known: what becomes of it, and on which grounds. Where AWS Budgets cannot be
/// asked, a person is, and the alert may count alone later: nothing is lost.
async fn believed(
    message: &Message,
    decided: Decision,
    config: &Config,
    account: &str,
    ledger: &Ledger,
    invocation: &Invocation,
) -> Result<(Decision, Grounds), Fault> {
    let (Decision::Enforce(target), Reading::Budget(alert)) = (&decided, alert::read(&message.text)) else {
        return Ok((decided, Grounds::default()));
    };
    let Some(guardrail) = config.guardrails.get(&target.guardrail).filter(|_| !target.simulated) else {
        return Ok((decided, Grounds::default()));
    };
    let client = aws_sdk_budgets::Client::new(&invocation.sdk);
    let standings = Standings { client, account: account.to_owned(), topic: None };
    let belief = believe(&alert, target, guardrail, ledger, &standings, invocation.clock.now()).await?;
    let figure = Some(alert.amount);
    Ok(match belief {
        Belief::Enforce(remarks) => (decided, Grounds { doubts: Vec::new(), remarks, figure }),
        Belief::Ask(doubts) => (decided, Grounds::doubted(doubts, figure)),
        Belief::OldPeriod(why) => (Decision::Report { why }, Grounds::default()),
    })
}

/// An alert that is not enforced is told to people, with the text as it came.
async fn report(message: &Message, why: &str, invocation: &Invocation) -> Result<(), Fault> {
    let budget = match alert::read(&message.text) {
        Reading::Budget(alert) => format!(" of budget {}", alert.budget),
        Reading::Mock | Reading::Unknown { .. } => String::new(),
    };
    let text = format!(
        "A message on the alert topic was not enforced, and nothing was changed.\n\nWhy: {why}\n\nTo see how it is read: \
         guardrails explain FILE\n\nThe message:\n\n{}\n",
        message.text
    );
    messages::send(invocation, &format!("Budget Guardrails: an alert{budget} was not enforced"), &text).await
}
