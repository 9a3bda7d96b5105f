//! `guardrails status`: the held facets, their holders, and their state.

use anyhow::{Context, Result};
use clap::Args;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::decide::Target;
use guardrails_model::ids::{FacetId, GuardrailName, RunId};
use guardrails_model::record::Run;
use guardrails_model::report::{Keep, Report, holds};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::args::{Format, Global, MOST_RUNS, at_least_one};
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::{follow, output};

/// Of a run among others: all steps of a small one, and of a larger one those that people must know of.
const AMONG_OTHERS: Keep = Keep { whole: 20, most: 20 };

/// A run in the list. Of one that is over, its own record says enough: its steps are not read.
#[derive(Serialize)]
#[serde(untagged)]
enum Listed {
    Open(Box<Report>),
    Over {
        run: Box<Run>,
        #[serde(skip)]
        text: String,
    },
}

impl Listed {
    fn text(&self) -> String {
        match self {
            Self::Open(report) => report.text(),
            Self::Over { text, .. } => text.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this guardrail.
    pub(crate) guardrail: Option<GuardrailName>,
    /// Only this run.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
    /// Runs that are over, too; with `--run`, each of its steps.
    #[arg(long)]
    pub(crate) all: bool,
    /// With `--all`: how many runs, the newest first.
    #[arg(long, default_value_t = MOST_RUNS, value_parser = at_least_one)]
    pub(crate) limit: usize,
    /// Only this facet, as `--run RUN --output json` names it: its value before, its holders, and its reason to wait.
    #[arg(long, conflicts_with_all = ["guardrail", "run", "all"])]
    pub(crate) facet: Option<FacetId>,
}

pub(crate) async fn run(global: &Global, args: &Status) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    if let Some(facet) = &args.facet {
        return of_facet(global, &deployment, facet).await;
    }
    let listed = match &args.run {
        Some(id) => {
            let run = follow::load(&deployment, id).await?;
            let whole = args.all || global.output == Format::Json;
            let mut report = follow::report(&deployment, run, whole).await?;
            report.look_up_holds(&deployment.ledger, SystemClock.now()).await.context("reading the ledger")?;
            vec![Listed::Open(Box::new(report))]
        }
        None => list(&deployment, args).await?,
    };
    if let Some(name) = args.guardrail.as_ref().filter(|_| listed.is_empty()) {
        // A name that is mistyped must not read as if nothing were held.
        deployment.guardrail(name).await?;
    }
    let text = if listed.is_empty() {
        let holds =
            args.guardrail.as_ref().map_or("No guardrail holds anything".to_owned(), |name| format!("`{name}` holds nothing"));
        format!("{holds}. hint: --all shows runs that are over.")
    } else {
        listed.iter().map(Listed::text).collect::<Vec<_>>().join("\n")
    };
    output::result(global, &listed, &text)?;
    tell_released(&deployment).await?;
    Ok(Exit::Done)
}

/// One facet: its value before, its holders, and the reasons why it waits.
async fn of_facet(global: &Global, deployment: &Deployment, facet: &FacetId) -> Result<Exit> {
    let mut found = holds(&deployment.ledger, std::slice::from_ref(facet)).await.context("reading the ledger")?;
    let hold = found.remove(facet);
    let text = match &hold {
        Some(hold) => hold.text(SystemClock.now()),
        None => format!("Nobody holds `{facet}`. hint: guardrails status --run RUN --output json names a run's facets"),
    };
    output::result(global, &hold, &text)?;
    Ok(Exit::Done)
}

async fn list(deployment: &Deployment, args: &Status) -> Result<Vec<Listed>> {
    let guardrail = args.guardrail.as_ref();
    let runs = if args.all {
        deployment.newest_runs(guardrail, args.limit).await?
    } else {
        deployment.ledger.open_runs(guardrail).await.context("reading the ledger")?
    };
    let mut listed = Vec::new();
    for run in runs {
        listed.push(if run.state.is_open() {
            let mut report = Report::of(&deployment.ledger, run, AMONG_OTHERS).await.context("reading the ledger")?;
            follow::look_up_prices(&mut report, &deployment.ledger).await;
            report.look_up_holds(&deployment.ledger, SystemClock.now()).await.context("reading the ledger")?;
            Listed::Open(Box::new(report))
        } else {
            let mut report = Report::unread(run);
            report.look_up_release(&deployment.ledger).await.context("reading the ledger")?;
            Listed::Over { text: report.text(), run: Box::new(report.run) }
        });
    }
    Ok(listed)
}

/// Says which stages are let go for the present period: nothing is held there, and alerts are not enforced either.
async fn tell_released(deployment: &Deployment) -> Result<()> {
    let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
    let config = deployment.ledger.config().await.context("reading the deployed guardrails")?;
    for guardrail in config.guardrails.values() {
        for stage in &guardrail.stages {
            let period = guardrail.budget.period.of_alert(today);
            let target = Target { guardrail: guardrail.name.clone(), stage: stage.at, period, simulated: false };
            if let Some(released) = deployment.ledger.stage_state(&target).await?.and_then(|slot| slot.value.released) {
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
