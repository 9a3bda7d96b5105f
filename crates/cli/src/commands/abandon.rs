//! `guardrails abandon`: a run lets go of the facets that a person settled by hand. Nothing is changed in the account.

use anyhow::{Context, Result};
use clap::Args;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::ids::RunId;
use guardrails_model::record::{Run, Step};
use guardrails_model::report::{HeldBy, Report, holds};
use guardrails_model::runs::{AbandonRequest, Abandoned, Left, is_quiet};

use crate::args::{Consent, Format, Global, Scope, reason};
use crate::chosen::Chosen;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::{follow, output};

/// Steps that are named in the question before it is done, and among those that were left.
const NAMED: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Abandon {
    /// The run.
    pub(crate) run: RunId,
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Why, for the record.
    #[arg(long, value_parser = reason)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

pub(crate) async fn run(global: &Global, args: &Abandon) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    let run = follow::load(&deployment, &args.run).await?;
    if run.state.is_open() && !is_quiet(run.state) {
        return Ok(busy(&run));
    }
    let (mut steps, mut chosen) = (Vec::new(), Chosen::new(&args.scope));
    chosen.enter(&run);
    let visit = |step: Step| {
        if chosen.takes(&run, &step) && !step.phase.is_final() {
            steps.push(step);
        }
    };
    deployment.ledger.visit(&run, visit).await.context("reading the ledger")?;
    let only = chosen.selectors(&format!("run `{}` does not have", run.id))?;
    if !run.state.is_open() || (steps.is_empty() && !args.scope.is_whole()) {
        let text = format!("Run {} holds nothing of that: there is nothing to let go.", run.id);
        output::result(global, &Report::unread(run), &text)?;
        return Ok(Exit::Done);
    }
    output::tell(&will_do(&deployment, &run, &steps, args).await?);
    if !output::agreed(&args.consent, &format!("Let go of this in {}?", deployment.place()))? {
        return Ok(Exit::Declined);
    }
    let request = AbandonRequest {
        by: deployment.caller.arn.clone(),
        at: SystemClock.now(),
        why: args.reason.clone(),
        only,
        actions: args.scope.action.clone(),
        places: args.scope.within.clone(),
    };
    let (run, left) = match deployment.runs().abandon(&run.id, &request).await? {
        Abandoned::NothingToDo(run) => (run, Left::default()),
        Abandoned::Busy(run) => return Ok(busy(&run)),
        Abandoned::Done { run, left, .. } => (run, left),
    };
    let report = follow::report(&deployment, *run, global.output == Format::Json).await?;
    output::result(global, &report, &report.text())?;
    Ok(told(&left))
}

/// The steps: the value that each keeps, and its other holders.
async fn will_do(deployment: &Deployment, run: &Run, steps: &[Step], args: &Abandon) -> Result<String> {
    let headline = Report::unread(run.clone()).headline();
    let mut lines =
        vec![format!("{headline} ({}) will let go of {} and change nothing:", run.id, output::count(steps.len(), "step"))];
    let named = &steps[..steps.len().min(NAMED)];
    let facets: Vec<_> = named.iter().map(|step| step.facet.clone()).collect();
    let holds = holds(&deployment.ledger, &facets).await.context("reading the ledger")?;
    for step in named {
        let before = step.before.as_ref().map(|before| format!("it was {before}, and is not put back")).unwrap_or_default();
        let before = if before.is_empty() { "it was not changed".to_owned() } else { before };
        let others = holds.get(&step.facet).into_iter().flat_map(|hold| &hold.holders);
        let others: Vec<String> =
            others.filter(|other| (&other.run, other.part) != (&step.run, step.part)).map(HeldBy::words).collect();
        let others = if others.is_empty() { String::new() } else { format!("; still held by {}", others.join(", ")) };
        lines.push(format!("  {}: {}: {before}{others}", step.label, step.phase));
    }
    if steps.len() > named.len() {
        lines.push(format!("  ... and {} more: guardrails status --run {} --all", steps.len() - named.len(), run.id));
    }
    if args.scope.is_whole() && !run.simulated {
        lines.push("and alerts of this stage are recorded, not enforced, until the next period".to_owned());
    }
    Ok(lines.join("\n"))
}

fn busy(run: &Run) -> Exit {
    let (id, name) = (&run.id, &run.guardrail);
    output::tell(&format!(
        "Run {id} is {}: an execution works on it, and would not know of what you settle beside it. Nothing was done.\nhint: wait \
         for its end (guardrails status --run {id}); if its execution died, guardrails rollback {name} --run {id} takes it up",
        run.state.words()
    ));
    Exit::Failed
}

/// Says what was not let go, and what to do about it.
fn told(left: &Left) -> Exit {
    let last = left.claimed.iter().map(|(_, until)| *until).max();
    if let Some(last) = last {
        let named: Vec<&str> = left.claimed.iter().take(NAMED).map(|(label, _)| label.as_str()).collect();
        output::tell(&format!(
            "{} not let go, since calls of a function that died may still land until {}: {}. hint: the same command after that",
            left.claimed.len(),
            last.strftime("%H:%M:%S UTC"),
            named.join(", ")
        ));
    }
    if left.contended > 0 {
        output::tell(&format!("{} not let go, since somebody else wrote them. hint: the same command again", left.contended));
    }
    if left.looked {
        output::tell(
            "an execution began to look again at what the run holds, so that the run itself is as it was. hint: the same command \
             after that",
        );
    }
    if last.is_some() || left.contended > 0 || left.looked { Exit::PartlyFailed } else { Exit::Done }
}
