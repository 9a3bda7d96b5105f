//! `guardrails plan`: what would a stage change now? The code of a run's own planning, and nothing is written.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use futures::future::try_join_all;
use guardrails_aws::actions::{self, Context};
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::config::Config;
use guardrails_model::decide::Target;
use guardrails_model::drive::Drive;
use guardrails_model::ids::Nonce;
use guardrails_model::pace::Levels;
use guardrails_model::record::{Run, Step};
use guardrails_model::report::line;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::args::{Global, Plan};
use crate::deployment::{Deployment, stage};
use crate::exit::Exit;
use crate::output;

pub(crate) async fn run(global: &Global, args: &Plan) -> Result<Exit> {
    let from_file = match &args.file {
        Some(path) => {
            let Some(config) = output::config(path)? else { return Ok(Exit::BadInput) };
            Some(config)
        }
        None => None,
    };
    let deployment = Deployment::find(global).await?;
    let config = match from_file {
        Some(config) => config,
        None => deployment.ledger.config().await.context("reading the deployed guardrails")?,
    };
    let guardrail = config.guardrails.get(&args.guardrail);
    let guardrail = guardrail.ok_or_else(|| anyhow!("there is no guardrail `{}`", args.guardrail))?;
    let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
    let target = Target {
        guardrail: guardrail.name.clone(),
        stage: stage(guardrail, args.at)?,
        period: guardrail.budget.period.of_alert(today),
        simulated: false,
    };
    let planned = make(&deployment, &config, &target).await?;
    output::result(
        global,
        &json!({"guardrail": target.guardrail, "stage": target.stage, "steps": planned.steps,
        "refused": planned.refused}),
        &planned.text(&target),
    )?;
    Ok(if planned.refused.is_empty() { Exit::Done } else { Exit::PartlyFailed })
}

/// What a run of a stage would plan.
pub(crate) struct Made {
    pub(crate) steps: Vec<Step>,
    pub(crate) refused: Vec<String>,
    /// Does the stage ask for any action?
    acts: bool,
}

/// Plans `target` as a run would.
pub(crate) async fn make(deployment: &Deployment, config: &Config, target: &Target) -> Result<Made> {
    let guardrail =
        config.guardrails.get(&target.guardrail).ok_or_else(|| anyhow!("there is no guardrail `{}`", target.guardrail))?;
    let mut run: Run = deployment.runs().draft(target, config, guardrail, "");
    // What a deployment adds to the file's operators: whoever deploys.
    run.operators.push(deployment.caller.arn.clone());
    let drive = Drive::new(&deployment.ledger, &SystemClock, SystemClock.now(), deployment.caller.arn.clone());
    let mut made = Made { steps: Vec::new(), refused: Vec::new(), acts: !run.parts.is_empty() };
    let operators = run.operators.clone();
    for (index, part) in run.parts.iter().enumerate() {
        let entry = actions::find(part.action.as_str())?;
        let here = context(deployment, config, &operators);
        let places = match entry.make(&part.params, &here)?.places().await {
            Ok(places) if places.is_empty() => vec![None],
            Ok(places) => places.into_iter().map(Some).collect(),
            Err(error) => {
                made.refused.push(format!("{}: {error}", part.title()));
                continue;
            }
        };
        let planned = places.iter().map(async |place| {
            let action = entry.make(&part.params, &context(deployment, config, &operators).at(place.as_ref()))?;
            Ok::<_, anyhow::Error>(drive.steps(&run, index, &Nonce::fresh(), action.as_ref()).await)
        });
        for planned in try_join_all(planned).await? {
            match planned {
                Ok(steps) => made.steps.extend(steps),
                Err(error) => made.refused.push(format!("{:#}", anyhow!(error))),
            }
        }
    }
    Ok(made)
}

fn context<'a>(deployment: &Deployment, config: &Config, operators: &'a [String]) -> Context<'a> {
    let mut context = Context::new(&deployment.sdk, operators, Arc::new(SystemClock));
    context.stack = Some(deployment.stack.clone());
    context.paced(config.pace.clone(), Levels::default())
}

impl Made {
    pub(crate) fn text(&self, target: &Target) -> String {
        let mut lines = vec![format!("{} at {} would:", target.guardrail, target.stage)];
        lines.extend(self.steps.iter().map(|step| format!("  {}", line(step))));
        lines.extend(self.refused.iter().map(|why| format!("  REFUSED {why}")));
        if !self.acts {
            lines.push("  only notify: the stage asks for no action".to_owned());
        } else if self.steps.is_empty() && self.refused.is_empty() {
            lines.push("  change nothing: there is nothing in its scope".to_owned());
        }
        lines.join("\n")
    }
}
