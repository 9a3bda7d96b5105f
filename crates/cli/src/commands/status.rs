//! `guardrails status`: the held facets, their holders, and their state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use guardrails_model::clock::{self, Clock, SystemClock};
use guardrails_model::decide::Target;
use guardrails_model::ids::{FacetId, GuardrailName, RunId};
use guardrails_model::near;
use guardrails_model::record::{Run, Step};
use guardrails_model::report::{Hold, Keep, Report, holds};
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{Format, Global, MOST_RUNS, at_least_one};
use crate::chosen;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::watch::{self, Screen};
use crate::{follow, output, paint};

/// Of a run among others: all steps of a small one, and of a larger one those that people must know of.
const AMONG_OTHERS: Keep = Keep { whole: 10, most: 20 };

/// A run in the list. Of one that is over, its own record says enough: its steps are not read.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Listed {
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

/// A screen: of runs, or of one facet.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Shown {
    /// With `--facet`: the facet, where a run holds it.
    Facet(Option<Box<Hold>>),
    /// The runs, newest first.
    Runs(Vec<Listed>),
}

impl Shown {
    /// Is no run of it on its way?
    fn is_settled(&self) -> bool {
        let Self::Runs(listed) = self else { return true };
        let on_its_way = |listed: &Listed| match listed {
            Listed::Open(report) => follow::is_on_its_way(report.run.state),
            Listed::Over { .. } => false,
        };
        !listed.iter().any(on_its_way)
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
    /// Only the facet of this name: its value before, its holders, and its reason to wait. Any name that a run shows of it will do, such as
    /// an instance's id.
    #[arg(long, conflicts_with_all = ["guardrail", "run", "all"])]
    pub(crate) facet: Option<String>,
    /// Look again and again, until Ctrl-C. A terminal is drawn anew each time; elsewhere only changes are printed. With `--run` it ends when
    /// the run is neither applied nor rolled back any more.
    #[arg(long, short)]
    pub(crate) watch: bool,
    /// With `--watch`: the seconds between two looks.
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(watch::SECONDS))]
    pub(crate) interval: u64,
}

pub(crate) async fn run(global: &Global, args: &Status) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    if args.watch {
        let pause = async || tokio::time::sleep(Duration::from_secs(args.interval)).await;
        let look = async || watched(global, &deployment, args).await;
        let mut screen = Screen::stdout(global.output == Format::Text);
        watch::watch(&mut screen, tokio::signal::ctrl_c(), pause, look).await?;
        return Ok(Exit::Done);
    }
    let (shown, text) = look(global, &deployment, args).await?;
    output::result(global, &shown, &text)?;
    if args.facet.is_none() {
        released(&deployment).await?.iter().for_each(|words| output::tell(words));
    }
    Ok(Exit::Done)
}

/// One look of `--watch`: the place and the time, the screen, and the stages that are let go. For programs it is a line.
async fn watched(global: &Global, deployment: &Deployment, args: &Status) -> Result<watch::Look> {
    let (shown, text) = look(global, deployment, args).await?;
    let is_over = args.run.is_some() && shown.is_settled();
    if global.output == Format::Json {
        let line = serde_json::to_string(&shown).context("writing the result as JSON")?;
        return Ok(watch::Look { head: String::new(), text: line, is_over });
    }
    let head = format!("{}, stack {}, at {}", deployment.place(), deployment.stack, clock::words(SystemClock.now()));
    let mut lines = vec![paint::data(text.trim_end())];
    if args.facet.is_none() {
        lines.extend(released(deployment).await?);
    }
    Ok(watch::Look { head, text: lines.join("\n"), is_over })
}

async fn look(global: &Global, deployment: &Deployment, args: &Status) -> Result<(Shown, String)> {
    if let Some(word) = &args.facet {
        return of_facet(deployment, word).await;
    }
    let listed = match &args.run {
        Some(id) => {
            let run = follow::load(deployment, id).await?;
            follow::is_of(&run, args.guardrail.as_ref())?;
            let whole = args.all || global.output == Format::Json;
            let mut report = follow::report(deployment, run, whole).await?;
            report.look_up_holds(&deployment.ledger, SystemClock.now()).await.context("reading the ledger")?;
            vec![Listed::Open(Box::new(report))]
        }
        None => list(deployment, args).await?,
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
    Ok((Shown::Runs(listed), text))
}

/// One facet: its value before, its holders, and the reasons why it waits.
async fn of_facet(deployment: &Deployment, word: &str) -> Result<(Shown, String)> {
    let mut found = None;
    if let Ok(facet) = word.parse::<FacetId>() {
        found = holding(deployment, &facet).await?;
    }
    if found.is_none() {
        let facet = named(deployment, word).await?;
        found = holding(deployment, &facet).await?;
        if found.is_none() {
            return Ok((Shown::Facet(None), format!("Nobody holds `{facet}`. hint: guardrails status shows what is held")));
        }
    }
    let text = found.as_ref().map(|hold| hold.text(SystemClock.now())).unwrap_or_default();
    Ok((Shown::Facet(found.map(Box::new)), text))
}

async fn holding(deployment: &Deployment, facet: &FacetId) -> Result<Option<Hold>> {
    let mut found: BTreeMap<_, _> = holds(&deployment.ledger, std::slice::from_ref(facet)).await.context("reading the ledger")?;
    Ok(found.remove(facet))
}

/// The facet of this name in the open runs, and then in the newest ones.
async fn named(deployment: &Deployment, word: &str) -> Result<FacetId> {
    let open = deployment.ledger.open_runs(None).await.context("reading the ledger")?;
    let newest = deployment.ledger.newest_runs(None, MOST_RUNS).await.context("reading the ledger")?;
    let mut facets = BTreeSet::new();
    for runs in [open, newest] {
        let mut found = BTreeSet::new();
        for run in runs {
            let visit = |step: Step| {
                if chosen::is_named(word, &run, &step) {
                    found.insert(step.facet.clone());
                }
                facets.insert(step.facet.to_string());
            };
            deployment.ledger.visit(&run, visit).await.context("reading the ledger")?;
        }
        if let Some(facet) = chosen::only_one(word, &found)? {
            return Ok(facet.clone());
        }
    }
    let facets: Vec<&str> = facets.iter().map(String::as_str).collect();
    Err(anyhow!("no run has the facet `{word}`; {}", near::among(word, &facets)))
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

/// The stages that are let go for the present period: nothing is held there, and alerts are not enforced either.
async fn released(deployment: &Deployment) -> Result<Vec<String>> {
    let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
    let config = deployment.ledger.config().await.context("reading the deployed guardrails")?;
    let mut lines = Vec::new();
    for guardrail in config.guardrails.values() {
        for stage in &guardrail.stages {
            let period = guardrail.budget.period.of_alert(today);
            let target = Target { guardrail: guardrail.name.clone(), stage: stage.at, period, simulated: false };
            if let Some(released) = deployment.ledger.stage_state(&target).await?.and_then(|slot| slot.value.released) {
                let (name, at, by) = (&guardrail.name, stage.at, &released.by);
                lines.push(format!(
                    "`{name}` at {at} is released for {}, by {by} ({}): alerts are recorded, not enforced. hint: guardrails rearm {name}",
                    target.period, released.why
                ));
            }
        }
    }
    Ok(lines)
}
