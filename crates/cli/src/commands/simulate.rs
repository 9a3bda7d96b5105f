//! `guardrails simulate`: publishes a message in Budgets' format, marked as simulated, and follows the run that it begins.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_sdk_sns::types::MessageAttributeValue;
use clap::Args;
use guardrails_aws::error::Failure;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::decide::{SIMULATED_ATTRIBUTE, Target, simulated_text};
use guardrails_model::ids::{GuardrailName, RunId};
use guardrails_model::record::RunState;
use jiff::tz::TimeZone;

use crate::args::{At, Consent, Format, Global};
use crate::commands::plan;
use crate::deployment::{Deployment, stage};
use crate::exit::Exit;
use crate::{follow, output};

/// How long the alert may take to become a run.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The guardrail.
    pub(crate) guardrail: GuardrailName,
    /// The stage, such as `100% actual`; the first that changes anything when left out.
    #[arg(long)]
    pub(crate) at: Option<At>,
    /// Show the changes that the alert would lead to, and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

pub(crate) async fn run(global: &Global, args: &Simulate) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    let guardrail = deployment.guardrail(&args.guardrail).await?;
    let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
    let target = Target {
        guardrail: guardrail.name.clone(),
        stage: stage(&guardrail, args.at)?,
        period: guardrail.budget.period.of_alert(today),
        simulated: true,
    };
    let config = deployment.ledger.config().await.context("reading the deployed guardrails")?;
    let made = plan::make(&plan::Site::from(&deployment), &config, &target).await?;
    if args.dry_run {
        return made.show(global, &target);
    }
    output::tell(&made.text(&target, false));
    let place = deployment.place();
    if !output::agreed(
        &args.consent,
        &format!("The alert is simulated, and the changes that follow are real. Send it to {place}?"),
    )? {
        return Ok(Exit::Declined);
    }
    let before = present(&deployment, &target).await?;
    let text = simulated_text(&guardrail, target.stage, &deployment.caller.account, today);
    let mark = MessageAttributeValue::builder().data_type("String").string_value("true").build()?;
    let sent = aws_sdk_sns::Client::new(&deployment.sdk)
        .publish()
        .topic_arn(&deployment.alert_topic)
        .subject(format!("AWS Budgets: {} has exceeded your alert threshold", guardrail.name))
        .message(text)
        .message_attributes(SIMULATED_ATTRIBUTE, mark)
        .send();
    sent.await.map_err(|error| anyhow!("publishing to {}: {}", deployment.alert_topic, Failure::of(&error).message))?;
    output::tell("sent; waiting for the run");
    let run = begun(&deployment, &target, before.as_ref()).await?;
    let Some(settled) = follow::until_settled(&deployment, &run, follow::Known::new()).await? else {
        return Ok(Exit::Interrupted);
    };
    let report = follow::report(&deployment, settled, global.output == Format::Json).await?;
    output::result(global, &report, &report.text())?;
    Ok(match report.run.state {
        RunState::ApplyFailed => Exit::PartlyFailed,
        RunState::Waiting => Exit::Waits,
        _ => Exit::Done,
    })
}

/// The run that has the stage's slot, with how many times it was tried.
async fn present(deployment: &Deployment, target: &Target) -> Result<Option<(RunId, u32)>> {
    let Some(slot) = deployment.ledger.stage_state(target).await? else { return Ok(None) };
    let run = deployment.ledger.run(&slot.value.run).await?;
    Ok(run.map(|run| (run.value.id, run.value.attempts.apply)))
}

async fn begun(deployment: &Deployment, target: &Target, before: Option<&(RunId, u32)>) -> Result<RunId> {
    let wait = async {
        loop {
            let now = present(deployment, target).await?;
            let open = match &now {
                Some((run, _)) if now.as_ref() == before => {
                    // Nothing new is begun where the stage is enforced already, or waits for a person.
                    let run = deployment.ledger.run(run).await?;
                    run.is_some_and(|run| matches!(run.value.state, RunState::Enforced | RunState::Waiting))
                }
                Some(_) => true,
                None => false,
            };
            if let (Some((run, _)), true) = (now, open) {
                return Ok(run);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.map_err(|_| {
        anyhow!(
            "the alert was sent, and no run began within {} s\nhint: look at the log of the function `<stack>-master` and at the \
             dead-letter queue",
            PATIENCE.as_secs()
        )
    })?
}
