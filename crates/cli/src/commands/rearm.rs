//! `guardrails rearm`: after a rollback, lets alerts of the present period be enforced again; and tries runs again that failed.

use anyhow::Result;
use clap::Args;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::decide::Target;
use guardrails_model::ids::GuardrailName;
use guardrails_model::runs::Begun;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{At, Consent, Global};
use crate::deployment::{Deployment, stage};
use crate::exit::Exit;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Rearm {
    /// The guardrail.
    pub(crate) guardrail: GuardrailName,
    /// Only this stage.
    #[arg(long)]
    pub(crate) at: Option<At>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// The stages whose alerts are enforced again, and the runs that are tried again.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Rearmed {
    guardrail: GuardrailName,
    #[serde(rename = "rearmed")]
    stages: Vec<String>,
    retried: Vec<String>,
}

pub(crate) async fn run(global: &Global, args: &Rearm) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    let guardrail = deployment.guardrail(&args.guardrail).await?;
    let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
    let stages: Vec<_> = match args.at {
        Some(at) => vec![stage(&guardrail, Some(at))?],
        None => guardrail.stages.iter().map(|stage| stage.at).collect(),
    };
    let named = stages.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let ask = format!(
        "The next alert of `{}` at {named} is enforced, and runs of it that failed are tried again at once, in {}. Go on?",
        guardrail.name,
        deployment.place()
    );
    if !output::agreed(&args.consent, &ask)? {
        return Ok(Exit::Declined);
    }
    let (mut lifted, mut retried) = (Vec::new(), Vec::new());
    for stage in stages {
        let period = guardrail.budget.period.of_alert(today);
        for simulated in [false, true] {
            let target = Target { guardrail: guardrail.name.clone(), stage, period: period.clone(), simulated };
            if deployment.runs().rearm(&target).await? && !simulated {
                lifted.push(stage.to_string());
            }
            if let Some(Begun::Started(run)) = deployment.runs().retry(&target).await? {
                retried.push(run.id.to_string());
            }
        }
    }
    let mut text = if lifted.is_empty() {
        format!("No stage of `{}` was released: alerts are enforced.", guardrail.name)
    } else {
        format!("Alerts of `{}` are enforced again at: {}", guardrail.name, lifted.join(", "))
    };
    if !retried.is_empty() {
        text = format!("{text}\nTried again, since they had failed: {}. See guardrails status.", retried.join(", "));
    }
    output::result(global, &Rearmed { guardrail: guardrail.name, stages: lifted, retried }, &text)?;
    Ok(Exit::Done)
}
