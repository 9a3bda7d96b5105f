//! `guardrails rollback`: shows what comes back, asks, waits, and ends with what came back and what did not and why.

use anyhow::{Context, Result, anyhow};
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::ids::Selector;
use guardrails_model::phase::Phase;
use guardrails_model::record::{RollbackRequest, RunState, Step};
use guardrails_model::report::Report;
use guardrails_model::runs::RollbackAsked;

use crate::args::{Global, Rollback};
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::{follow, output};

pub(crate) async fn run(global: &Global, args: &Rollback) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    let runs = open_runs(&deployment, args).await?;
    if runs.is_empty() {
        let text = format!("`{}` holds nothing: there is nothing to put back.", args.guardrail);
        output::result(global, &Vec::<Report>::new(), &text)?;
        return Ok(Exit::Done);
    }
    for report in &runs {
        output::tell(&will_do(report, args));
    }
    if !output::agreed(&args.consent, "Put this back?")? {
        return Ok(Exit::Declined);
    }
    let mut ends = Vec::new();
    for report in runs {
        ends.push(put_back(&deployment, &report, args).await?);
    }
    let text = ends.iter().map(Report::text).collect::<Vec<_>>().join("\n");
    output::result(global, &ends, &text)?;
    let failed = ends.iter().any(|end| !matches!(end.run.state, RunState::RolledBack | RunState::Enforced));
    Ok(if failed { Exit::PartlyFailed } else { Exit::Done })
}

async fn open_runs(deployment: &Deployment, args: &Rollback) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for run in deployment.ledger.open_runs(Some(&args.guardrail)).await.context("reading the ledger")? {
        if args.run.as_ref().is_none_or(|id| *id == run.id) {
            let steps = deployment.runs().steps(&run).await.context("reading the ledger")?;
            reports.push(Report { run, steps });
        }
    }
    if reports.is_empty()
        && let Some(id) = &args.run
    {
        // Names what is wrong: no such run, or another guardrail's.
        let other = follow::report(deployment, id).await?.run;
        if other.guardrail != args.guardrail {
            return Err(anyhow!("run {id} is of `{}`, not of `{}`", other.guardrail, args.guardrail));
        }
    }
    let known = |only: &Selector| reports.iter().any(|report| report.steps.iter().any(|step| only.means(&step.facet)));
    let unknown = args.only.iter().find(|only| !known(only));
    let asked = |report: &Report| {
        let open = |step: &Step| !step.phase.is_final() && args.only.iter().any(|only| only.means(&step.facet));
        args.only.is_empty() || report.steps.iter().any(open)
    };
    reports.retain(asked);
    match unknown {
        Some(facet) => Err(anyhow!(
            "no open run of `{}` has the facet `{facet}`\nhint: guardrails status {} --output json names them",
            args.guardrail,
            args.guardrail
        )),
        None => Ok(reports),
    }
}

fn will_do(report: &Report, args: &Rollback) -> String {
    let asked = |step: &&Step| args.only.is_empty() || args.only.iter().any(|only| only.means(&step.facet));
    let steps: Vec<&Step> = report.steps.iter().filter(|step| !step.phase.is_final()).filter(asked).collect();
    let mut lines = vec![format!("{} ({}) will put back:", report.headline(), report.run.id)];
    lines.extend(steps.iter().map(|step| match (&step.before, step.phase) {
        (Some(before), _) => format!("  {}: {} -> {before}", step.label, step.wanted),
        (None, Phase::Planned) => format!("  {}: was not begun", step.label),
        (None, _) => format!("  {}: was not changed", step.label),
    }));
    if steps.is_empty() {
        lines.push("  nothing".to_owned());
    }
    if args.only.is_empty() && !report.run.simulated {
        lines.push("and alerts of this stage are recorded, not enforced, until the next period".to_owned());
    }
    lines.join("\n")
}

async fn put_back(deployment: &Deployment, report: &Report, args: &Rollback) -> Result<Report> {
    let run = &report.run.id;
    let request = RollbackRequest {
        by: deployment.caller.arn.clone(),
        at: SystemClock.now(),
        why: args.why.clone(),
        only: args.only.clone(),
        force: args.force,
    };
    loop {
        let covered = match deployment.runs().roll_back(run, &request).await? {
            RollbackAsked::Started(_) | RollbackAsked::Changed(_) | RollbackAsked::NothingToDo(_) => true,
            RollbackAsked::UnderWay(other) => {
                let other = other.rollback;
                let by = other.as_ref().map_or("somebody".to_owned(), |other| format!("{} ({})", other.by, other.why));
                output::tell(&format!("{run} is being put back already, asked for by {by}; waiting for that"));
                other.is_none_or(|other| other.only.is_empty() || other.only == args.only)
            }
        };
        let settled = follow::until_settled(deployment, run, &report.steps).await?;
        // Somebody else asked for less: ask for the rest.
        if covered {
            return Ok(settled);
        }
    }
}
