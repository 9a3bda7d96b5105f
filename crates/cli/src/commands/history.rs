//! `guardrails history`: what happened, in order, to runs and to each of their steps.

use anyhow::{Context, Result};
use guardrails_model::ids::RunId;
use guardrails_model::record::{Run, Step};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::{Global, History};
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::follow::{self, LIVELY};
use crate::output;

/// One event.
#[derive(Debug, Serialize)]
struct Entry {
    at: Timestamp,
    run: RunId,
    guardrail: String,
    simulated: bool,
    facet: Option<String>,
    what: String,
    before: Option<String>,
    by: String,
}

pub(crate) async fn run(global: &Global, args: &History) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    let runs = match &args.run {
        Some(id) => {
            let run = follow::load(&deployment, id).await?;
            if args.guardrail.as_ref().is_none_or(|name| *name == run.guardrail) { vec![run] } else { Vec::new() }
        }
        None => deployment.newest_runs(args.guardrail.as_ref(), args.limit).await?,
    };
    let mut entries = Vec::new();
    for run in runs {
        entries.extend(run.events.iter().map(|event| entry(&run, event.at, None, event.what.clone(), &event.by)));
        // Among others, a large run would be all that there is to see.
        if args.run.is_none() && follow::planned(&run) > LIVELY {
            output::tell(&format!("{0}: its {1} steps: guardrails history --run {0}", run.id, follow::planned(&run)));
            continue;
        }
        let of_step = |step: Step| entries.extend(of_step(&run, &step));
        deployment.ledger.visit(&run, of_step).await.context("reading the ledger")?;
    }
    entries.sort_by_key(|entry| entry.at);
    let rows = entries.iter().map(|entry| {
        let simulated = if entry.simulated { " [simulated]" } else { "" };
        let at = entry.at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        vec![at, format!("{}{simulated}", entry.run), entry.what.clone(), entry.by.clone()]
    });
    let text = output::table(&["at (UTC)", "run", "what", "by"], rows);
    output::result(global, &entries, &text)?;
    Ok(Exit::Done)
}

fn of_step(run: &Run, step: &Step) -> Vec<Entry> {
    let events = step.events.iter().map(|event| {
        let reason = event.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        entry(run, event.at, Some(step), format!("{}: {}{reason}", step.label, event.phase), &event.by)
    });
    events.collect()
}

fn entry(run: &Run, at: Timestamp, step: Option<&Step>, what: String, by: &str) -> Entry {
    Entry {
        at,
        run: run.id.clone(),
        guardrail: run.guardrail.to_string(),
        simulated: run.simulated,
        facet: step.map(|step| step.facet.to_string()),
        what,
        before: step.and_then(|step| step.before.as_ref()).map(ToString::to_string),
        by: by.to_owned(),
    }
}
