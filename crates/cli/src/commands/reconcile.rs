//! `guardrails reconcile`: compares AWS Budgets with the ledger now, as the schedule does, and shows what was found and done.

use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use clap::Args;
use guardrails_aws::error::Failure;
use guardrails_model::reconcile::Round;
use guardrails_model::wire::{RoundOrder, Which};

use crate::args::Global;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output;

/// More than the function has.
const LONGEST: Duration = Duration::from_secs(330);

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// Also plan every stage of every guardrail now, without a run, and show what would be refused or left alone.
    #[arg(long)]
    pub(crate) rehearse: bool,
}

pub(crate) async fn run(global: &Global, args: &Reconcile) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    let order = RoundOrder { rehearse: args.rehearse.then_some(Which::All) };
    let (round, failure) = ask(&deployment, order).await?;
    let mut text = round.text();
    if args.rehearse {
        let rehearsals = deployment.ledger.rehearsals().await.context("reading the rehearsals")?;
        let now = rehearsals.iter().filter(|one| round.guardrails.iter().any(|found| found.guardrail == one.guardrail));
        text.extend(now.flat_map(|rehearsal| ["\n".to_owned(), rehearsal.text()]));
    }
    output::result(global, &round, &text)?;
    failure.map_or(Ok(Exit::Done), Err)
}

/// One round: its findings and its measures, and an error if anything went wrong in it.
pub(crate) async fn round(deployment: &Deployment) -> Result<(Round, Option<Error>)> {
    ask(deployment, RoundOrder::default()).await
}

async fn ask(deployment: &Deployment, order: RoundOrder) -> Result<(Round, Option<Error>)> {
    let function = format!("{}-reconcile", deployment.stack);
    output::tell("one round of the reconciler");
    // The round may take as long as its function lives, and one is enough.
    let patient = aws_sdk_lambda::config::Builder::default()
        .timeout_config(TimeoutConfig::builder().operation_timeout(LONGEST).build())
        .retry_config(RetryConfig::disabled());
    let invoke = aws_sdk_lambda::Client::new(&deployment.sdk).invoke().function_name(&function);
    let invoke = invoke.payload(Blob::new(serde_json::to_vec(&order).context("writing the order")?));
    let sent = invoke.customize().config_override(patient).send().await;
    let answer = sent.map_err(|error| anyhow!("invoking {function}: {}", Failure::of(&error).message))?;
    // A round in which something went wrong is kept too.
    let round = deployment.ledger.round().await.context("reading the ledger")?;
    let round = round.ok_or_else(|| anyhow!("{function} has kept no round\nhint: see its log"))?;
    if answer.function_error.is_none() {
        return Ok((round, None));
    }
    let said = answer.payload.map(|payload| String::from_utf8_lossy(payload.as_ref()).into_owned()).unwrap_or_default();
    Ok((round, Some(anyhow!("the round failed: {said}\nhint: what it names needs a person; everything else is done"))))
}
