//! `guardrails status`: what is held, by whom, and how each step stands.

use anyhow::{Context, Result};
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::decide::Target;
use guardrails_model::report::Report;
use jiff::tz::TimeZone;

use crate::args::{Global, Status};
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::{follow, output};

pub(crate) async fn run(global: &Global, args: &Status) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    let reports = match &args.run {
        Some(run) => vec![follow::report(&deployment, run).await?],
        None => reports(&deployment, args).await?,
    };
    let text = if reports.is_empty() {
        let holds =
            args.guardrail.as_ref().map_or("No guardrail holds anything".to_owned(), |name| format!("`{name}` holds nothing"));
        format!("{holds}. hint: --all shows runs that are over.")
    } else {
        reports.iter().map(Report::text).collect::<Vec<_>>().join("\n")
    };
    output::result(global, &reports, &text)?;
    tell_released(&deployment).await?;
    Ok(Exit::Done)
}

/// Says which stages are let go for the present period: nothing is held there, and alerts are not enforced either.
async fn tell_released(deployment: &Deployment) -> Result<()> {
    let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
    let config = deployment.ledger.config().await.context("reading the deployed guardrails")?;
    for guardrail in config.guardrails.values() {
        for stage in &guardrail.stages {
            let period = guardrail.budget.period.of_alert(today);
            let target = Target { guardrail: guardrail.name.clone(), stage: stage.at, period, simulated: false };
            if let Some(released) = deployment.ledger.slot(&target).await?.and_then(|slot| slot.value.released) {
                let (name, at, by) = (&guardrail.name, stage.at, &released.by);
                output::tell(&format!(
                    "`{name}` at {at} is released for {}, by {by} ({}): alerts are recorded, not enforced. hint: guardrails rearm {name}",
                    target.period, released.why
                ));
            }
        }
    }
    Ok(())
}

async fn reports(deployment: &Deployment, args: &Status) -> Result<Vec<Report>> {
    let runs = deployment.ledger.runs(None).await.context("reading the ledger")?;
    let mut reports = Vec::new();
    for run in runs.into_iter().map(|run| run.value) {
        let meant = args.guardrail.as_ref().is_none_or(|name| *name == run.guardrail);
        if meant && (args.all || run.state.is_open()) {
            let steps = deployment.runs().steps(&run).await.context("reading the ledger")?;
            reports.push(Report { run, steps });
        }
    }
    Ok(reports)
}
