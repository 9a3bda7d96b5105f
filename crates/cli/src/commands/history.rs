//! `guardrails history`: what happened, in order, to runs and to each of their steps.

use anyhow::{Context, Result};
use guardrails_model::ids::RunId;
use jiff::Timestamp;
use serde::Serialize;

use crate::args::{Global, History};
use crate::deployment::Deployment;
use crate::exit::Exit;
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
    let mut entries = Vec::new();
    for run in deployment.ledger.runs(None).await.context("reading the ledger")?.into_iter().map(|run| run.value) {
        let meant =
            args.guardrail.as_ref().is_none_or(|name| *name == run.guardrail) && args.run.as_ref().is_none_or(|id| *id == run.id);
        if !meant {
            continue;
        }
        let entry = |at, facet: Option<String>, what, before, by: &str| Entry {
            at,
            run: run.id.clone(),
            guardrail: run.guardrail.to_string(),
            simulated: run.simulated,
            facet,
            what,
            before,
            by: by.to_owned(),
        };
        entries.extend(run.events.iter().map(|event| entry(event.at, None, event.what.clone(), None, &event.by)));
        for step in deployment.runs().steps(&run).await.context("reading the ledger")? {
            let before = step.before.as_ref().map(ToString::to_string);
            entries.extend(step.events.iter().map(|event| {
                let reason = event.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
                let what = format!("{}: {}{reason}", step.label, event.phase);
                entry(event.at, Some(step.facet.to_string()), what, before.clone(), &event.by)
            }));
        }
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
