//! Waits for a run, and shows its progress on stderr: each step of a small run, and how far a large one is in each Region.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use guardrails_model::ids::{FacetId, GuardrailName, RunId};
use guardrails_model::ledger::Ledger;
use guardrails_model::near;
use guardrails_model::phase::Phase;
use guardrails_model::record::{Direction, PartPlan, Run, RunState};
use guardrails_model::report::{Keep, PartReport, Report, line};
use guardrails_model::runs::{Workflow, execution_name};

use crate::args::MOST_RUNS;
use crate::deployment::Deployment;
use crate::output::{Progress, tell};

/// Between two looks at the run.
const POLL: Duration = Duration::from_millis(300);
/// Looks between two questions to the state machine whether it still runs.
const LOOKS: u32 = 10;
/// The most steps of a run that are all read at each look.
pub(crate) const LIVELY: usize = 200;
/// Between two counts of a larger run's steps at the least; and so many times as long as the last count took, so that looking
/// takes no capacity of the ledger from those who work.
const COUNT: Duration = Duration::from_secs(5);
const REST: u32 = 10;
/// Parts that are named in one line.
const NAMED: usize = 6;
/// The steps and reports of a run that are shown on the way.
const SHOWN: Keep = Keep { whole: 10, most: 20 };
/// The steps that a person sees who is asked about them, as in the mail.
const ASKED: Keep = Keep { whole: 100, most: 100 };

/// How a run's steps stood when it was looked at before. A step that stood so already is not shown again.
pub(crate) type Known = HashMap<FacetId, Phase>;

/// How many steps the run was planned with.
pub(crate) fn planned(run: &Run) -> usize {
    let of_part = |plan: &PartPlan| if let PartPlan::Written(written) = plan { written.steps } else { 0 };
    run.parts.iter().map(|part| of_part(&part.plan)).sum()
}

/// Waits until the run is neither being applied nor being put back. `None` when a person interrupts the waiting: the run goes
/// on by itself, and is told to do so.
pub(crate) async fn until_settled(deployment: &Deployment, run: &RunId, known: Known) -> Result<Option<Run>> {
    let mut last = None;
    tokio::select! {
        settled = settle(deployment, run, known, &mut last) => return settled.map(Some),
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for Ctrl-C")?,
    }
    tell(&goes_on(run, last.as_ref()));
    Ok(None)
}

/// The text for a person who waits no longer.
fn goes_on(id: &RunId, run: Option<&Run>) -> String {
    let mut lines = vec![
        format!("\nYou do not wait any more; run {id} goes on by itself."),
        format!("  To see it:            guardrails status --run {id}"),
        "  To wait for it again: the same command".to_owned(),
    ];
    lines.extend(run.map(|run| {
        let name = &run.guardrail;
        if run.direction == Direction::Rollback {
            format!("  To narrow it:         guardrails rollback {name} --run {id} --only instance-power/REGION/")
        } else {
            format!("  To put it back:       guardrails rollback {name} --run {id}")
        }
    }));
    lines.join("\n")
}

async fn settle(deployment: &Deployment, id: &RunId, known: Known, last: &mut Option<Run>) -> Result<Run> {
    let mut view = View { progress: Progress::new(), shown: known, counted: None, rest: COUNT };
    let mut look = 0;
    loop {
        let run = load(deployment, id).await?;
        *last = Some(run.clone());
        view.show(deployment, &run).await?;
        if !is_on_its_way(run.state) {
            return Ok(run);
        }
        look += 1;
        if look % LOOKS == 0 {
            check_running(deployment, &run).await?;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The view of a run on its way.
struct View {
    progress: Progress,
    shown: Known,
    counted: Option<Instant>,
    rest: Duration,
}

impl View {
    async fn show(&mut self, deployment: &Deployment, run: &Run) -> Result<()> {
        if planned(run) <= LIVELY {
            self.show_steps(deployment, run).await
        } else if self.counted.is_none_or(|counted| counted.elapsed() >= self.rest) {
            self.show_counts(deployment, run).await
        } else {
            Ok(())
        }
    }

    async fn show_steps(&mut self, deployment: &Deployment, run: &Run) -> Result<()> {
        let report = Report::of(&deployment.ledger, run.clone(), Keep::ALL).await.context("reading the ledger")?;
        for step in &report.steps {
            if self.shown.insert(step.facet.clone(), step.phase) != Some(step.phase) && step.phase != Phase::Planned {
                self.progress.log(&format!("  {}", line(step)));
            }
        }
        let (state, counts) = (run.state.words(), report.counts);
        self.progress.show(&format!("{}: {state} ({} of {} steps to go)", run.id, counts.to_go, counts.all()));
        Ok(())
    }

    async fn show_counts(&mut self, deployment: &Deployment, run: &Run) -> Result<()> {
        let began = Instant::now();
        let report = Report::of(&deployment.ledger, run.clone(), Keep::NONE).await.context("reading the ledger")?;
        self.progress.show(&far(&report));
        self.counted = Some(Instant::now());
        self.rest = COUNT.max(began.elapsed() * REST);
        Ok(())
    }
}

/// How far a large run is, in each of its parts that are not through.
fn far(report: &Report) -> String {
    let (run, counts) = (&report.run, &report.counts);
    let mut busy: Vec<&PartReport> = report.parts.iter().filter(|part| part.counts.to_go > 0).collect();
    busy.sort_by_key(|part| std::cmp::Reverse(part.counts.to_go));
    let of_part = |part: &&PartReport| {
        let name = part.place.as_ref().map_or_else(|| part.title.clone(), ToString::to_string);
        let waiting = if part.counts.waiting == 0 { String::new() } else { format!(", {} wait for room", part.counts.waiting) };
        format!("{name} {}{waiting}", part.counts.to_go)
    };
    let mut named: Vec<String> = busy.iter().take(NAMED).map(of_part).collect();
    if busy.len() > NAMED {
        named.push(format!("and {} more places", busy.len() - NAMED));
    }
    let named = if named.is_empty() { String::new() } else { format!(": {}", named.join("; ")) };
    let failed = if counts.failed == 0 { String::new() } else { format!("; {} FAILED", counts.failed) };
    format!("{}: {} ({} of {} steps to go{named}{failed})", run.id, run.state.words(), counts.to_go, counts.all())
}

/// A run whose execution died stands still: say so instead of waiting.
async fn check_running(deployment: &Deployment, run: &Run) -> Result<()> {
    let name = execution_name(run);
    if deployment.workflow.is_running(&name).await? {
        return Ok(());
    }
    // It may have ended between the two looks.
    let again = load(deployment, &run.id).await?;
    if again.state != run.state || execution_name(&again) != name {
        return Ok(());
    }
    tell(&Report::of(&deployment.ledger, again, SHOWN).await.context("reading the ledger")?.text());
    Err(anyhow!(
        "the execution `{name}` of the state machine has ended, and the run has not\nhint: look at it in the Step Functions \
         console; the same command takes the run up again"
    ))
}

/// Is it planned, applied or put back right now?
pub(crate) fn is_on_its_way(state: RunState) -> bool {
    matches!(state, RunState::Opening | RunState::Applying | RunState::RollingBack)
}

/// Is the run of the guardrail that was named beside it?
pub(crate) fn is_of(run: &Run, guardrail: Option<&GuardrailName>) -> Result<()> {
    match guardrail {
        Some(name) if *name != run.guardrail => Err(anyhow!("run {} is of `{}`, not of `{name}`", run.id, run.guardrail)),
        _ => Ok(()),
    }
}

/// The run called `id`.
pub(crate) async fn load(deployment: &Deployment, id: &RunId) -> Result<Run> {
    if let Some(found) = deployment.ledger.run(id).await.context("reading the ledger")? {
        return Ok(found.value);
    }
    let known = deployment.ledger.newest_runs(None, MOST_RUNS).await.context("reading the ledger")?;
    let known: Vec<&str> = known.iter().map(|run| run.id.as_str()).collect();
    let meant = near::nearest(id.as_str(), &known).map(|name| format!("; did you mean `{name}`?"));
    Err(anyhow!("the ledger has no run `{id}`{}\nhint: guardrails status --all", meant.unwrap_or_default()))
}

/// A run as a command shows it at its end: for programs whole, and for people the telling part.
pub(crate) async fn report(deployment: &Deployment, run: Run, whole: bool) -> Result<Report> {
    read(deployment, run, if whole { Keep::ALL } else { SHOWN }).await
}

/// A run about which a person is asked.
pub(crate) async fn question(deployment: &Deployment, run: Run) -> Result<Report> {
    read(deployment, run, ASKED).await
}

async fn read(deployment: &Deployment, run: Run, keep: Keep) -> Result<Report> {
    let mut report = Report::of(&deployment.ledger, run, keep).await.context("reading the ledger")?;
    look_up_prices(&mut report, &deployment.ledger).await;
    Ok(report)
}

/// Prices are an addition to a report, which is shown without them too.
pub(crate) async fn look_up_prices(report: &mut Report, ledger: &Ledger) {
    if let Err(error) = report.look_up_prices(ledger).await {
        tell(&format!("WARNING: no cost is shown, since the price list cannot be read: {error}"));
    }
}
