//! Refuses a removal while a run is open: only the stack's functions can put back the changes that it holds.

use anyhow::{Context, Result, anyhow};
use guardrails_model::ledger::Ledger;
use guardrails_model::record::{Run, RunState, Step};
use guardrails_model::report::line;

/// The most changes of a run that are named.
const NAMED: usize = 10;

/// # Errors
/// When a run is open: each with its changes and the next command. When the ledger cannot be read.
pub(super) async fn refuse(ledger: &Ledger) -> Result<()> {
    let open = ledger.open_runs(None).await.context("reading the ledger")?;
    if open.is_empty() {
        return Ok(());
    }
    let mut said = format!("not removed: {}, and without the stack its changes could not be put back", runs(open.len()));
    for run in &open {
        let mut held = Vec::new();
        let keep = |step: Step| {
            if !step.phase.is_final() && step.before.is_some() {
                held.push(line(&step));
            }
        };
        ledger.visit(run, keep).await.context("reading the ledger")?;
        held.sort();
        said = format!("{said}\n{}", words(run, &held));
    }
    Err(anyhow!("{said}\nhint: then guardrails remove again"))
}

fn runs(open: usize) -> String {
    if open == 1 { "a run is open".to_owned() } else { format!("{open} runs are open") }
}

/// A run with the changes that it holds, and the command that ends it.
fn words(run: &Run, held: &[String]) -> String {
    let simulated = if run.simulated { " [simulated]" } else { "" };
    let holds = if held.is_empty() { "holds nothing".to_owned() } else { format!("holds {}", held.len()) };
    let mut lines = vec![format!(
        "  run {} of `{}` at {}{simulated} is {}, and {holds}",
        run.id,
        run.guardrail,
        run.stage,
        run.state.words()
    )];
    lines.extend(held.iter().take(NAMED).map(|change| format!("    {change}")));
    if held.len() > NAMED {
        lines.push(format!("    and {} more: guardrails status --run {} --all", held.len() - NAMED, run.id));
    }
    lines.push(format!("    next: {}", next(run, held.is_empty())));
    lines.join("\n")
}

fn next(run: &Run, holds_nothing: bool) -> String {
    let (id, rollback) = (&run.id, format!("guardrails rollback {} --run {}", run.guardrail, run.id));
    match run.state {
        RunState::Waiting if holds_nothing => format!("guardrails reject {id} --reason REASON"),
        RunState::Opening | RunState::Applying => format!("wait for its end (guardrails status --run {id}), then {rollback}"),
        RunState::RollbackFailed => format!("{rollback}; or guardrails abandon {id} for what you settled by hand"),
        _ => rollback,
    }
}
