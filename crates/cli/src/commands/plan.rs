//! `guardrails plan`: what would a stage change now? The code of a run's own planning, and nothing is written.

pub(crate) mod goes_on;
mod launch;
mod savings;
mod scope;
mod shown;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use futures::future::try_join_all;
use guardrails_aws::actions::CATALOG;
use guardrails_aws::catalog::{Catalog, Entry};
use guardrails_aws::context::Context;
use guardrails_aws::declared::Counted;
use guardrails_model::action::ActionError;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::config::{Config, Tags};
use guardrails_model::decide::Target;
use guardrails_model::engine::{Executor, ExecutorError};
use guardrails_model::ids::{GuardrailName, Nonce, Place};
use guardrails_model::near;
use guardrails_model::pace::{Levels, Pace};
use guardrails_model::prices::parse;
use guardrails_model::record::{Part, Run, Step};
use jiff::tz::TimeZone;

use crate::args::{At, Global};
use crate::deployment::{Deployment, stage};
use crate::estimate::{Estimate, Work};
use crate::exit::Exit;
use crate::{output, prices};
use savings::Savings;
pub(crate) use shown::Shown;
use words::Counts;

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The guardrail.
    pub(crate) guardrail: GuardrailName,
    /// The stage, such as `100% actual`; the first that changes anything when left out.
    #[arg(long)]
    pub(crate) at: Option<At>,
    /// Plan by this file, deployed or not; by the deployed one when left out.
    #[arg(long, short)]
    pub(crate) file: Option<PathBuf>,
    /// Price the plan by this list, in place of the deployed one: YAML with US dollars an hour, `t3.micro: 0.0104` for
    /// every Region, or `us-east-1: {t3.micro: 0.0104, "m5.large Windows": 0.188}`.
    #[arg(long)]
    pub(crate) prices: Option<PathBuf>,
    /// Ask Cost Explorer which money of the budget goes to services that no action stops: AWS takes $0.01 for each page of its answer.
    #[arg(long)]
    pub(crate) cost_explorer: bool,
    /// Show each step and each person, however many there are.
    #[arg(long)]
    pub(crate) all: bool,
}

pub(crate) async fn run(global: &Global, args: &Plan) -> Result<Exit> {
    let from_file = match &args.file {
        Some(path) => {
            let Some(config) = output::config(path)? else { return Ok(Exit::BadInput) };
            Some(config)
        }
        None => None,
    };
    let prices = match &args.prices {
        Some(path) => {
            let Some(prices) = prices::read(path)? else { return Ok(Exit::BadInput) };
            prices::tell_age(&prices);
            Some(prices)
        }
        None => None,
    };
    let deployment = Deployment::find(global).await?;
    let config = match from_file {
        Some(config) => config,
        None => deployed(&deployment, prices.is_none()).await?,
    };
    let prices = prices.or_else(|| config.prices.clone());
    let guardrail = config.guardrails.get(&args.guardrail);
    let guardrail = guardrail.ok_or_else(|| {
        let known: Vec<&str> = config.guardrails.keys().map(GuardrailName::as_str).collect();
        anyhow!("there is no guardrail `{}`; {}", args.guardrail, near::among(args.guardrail.as_str(), &known))
    })?;
    let today = SystemClock.now().to_zoned(TimeZone::UTC).date();
    let target = Target {
        guardrail: guardrail.name.clone(),
        stage: stage(guardrail, args.at)?,
        period: guardrail.budget.period.of_alert(today),
        simulated: false,
    };
    let made = make(&deployment, &config, &target).await?;
    let savings = prices.map(|prices| Savings::of(&made, &prices));
    let mut text = made.words(&target, args.all, savings.as_ref());
    let rule = guardrail.stage(target.stage).and_then(|stage| stage.verify.as_ref());
    let look = launch::look(&deployment, rule, &made).await;
    if let Some(look) = &look {
        text = format!("{text}\n{}", look.text(args.all));
    }
    let mut value = made.shown(&target, savings.as_ref(), look.as_ref());
    if args.cost_explorer {
        let found = goes_on::goes_on(&deployment.sdk, &CATALOG, &guardrail.budget, SystemClock.now()).await;
        text = format!("{text}\n{}", goes_on::goes_on_words(&found, &guardrail.budget));
        value.goes_on = Some(found.into());
    } else {
        output::tell("hint: money may go to services that no action stops: `--cost-explorer` asks AWS which, for $0.01 a page");
    }
    output::result(global, &value, &text)?;
    Ok(made.end())
}

/// The deployed guardrails, with the deployed price list where it counts.
async fn deployed(deployment: &Deployment, priced: bool) -> Result<Config> {
    let mut config = deployment.ledger.config().await.context("reading the deployed guardrails")?;
    if priced {
        config.prices = deployment.ledger.prices().await.context("reading the deployed price list")?;
        config.prices.iter().for_each(prices::tell_age);
    }
    Ok(config)
}

/// The plan that a run of a stage would make.
pub(crate) struct Made {
    /// The actions that there are.
    catalog: &'static Catalog,
    parts: Vec<PartMade>,
    pace: Pace,
    /// The tag by which the budget counts.
    counted_tag: Tags,
}

/// The plan that one of its actions would make in one place.
struct PartMade {
    part: Part,
    warning: Option<&'static str>,
    outcome: Outcome,
}

enum Outcome {
    Steps(Vec<Step>),
    /// The account's organisation lets nobody work there.
    Skipped(String),
    Refused(String),
}

/// A plan's words for people: each part with the steps that it would have. With the text of a price list, the savings too.
///
/// # Errors
/// When the price list is not as expected; in words.
pub fn words_of(
    catalog: &'static Catalog,
    target: &Target,
    parts: impl IntoIterator<Item = (Part, Vec<Step>)>,
    prices: Option<&str>,
) -> Result<String, String> {
    let parts = parts.into_iter().map(|(part, steps)| {
        let warning = catalog.find(part.action.as_str()).ok().and_then(|entry| entry.warning);
        PartMade { part, warning, outcome: Outcome::Steps(steps) }
    });
    let made = Made { catalog, parts: parts.collect(), pace: Pace::default(), counted_tag: Tags::default() };
    let savings = prices.map(|list| parse("prices", list)).transpose()?.map(|prices| Savings::of(&made, &prices));
    Ok(made.words(target, false, savings.as_ref()))
}

/// Plans `target` as a run would.
pub(crate) async fn make(deployment: &Deployment, config: &Config, target: &Target) -> Result<Made> {
    let guardrail =
        config.guardrails.get(&target.guardrail).ok_or_else(|| anyhow!("there is no guardrail `{}`", target.guardrail))?;
    let mut run: Run = deployment.runs().draft(target, config, guardrail, "");
    // A deployment adds the principal that deploys to the file's operators.
    run.operators.push(deployment.caller.arn.clone());
    let planner = Planner { deployment, run: &run };
    let parts = try_join_all((0..run.parts.len()).map(|index| planner.everywhere(index))).await?;
    let parts = parts.into_iter().flatten().collect();
    Ok(Made { catalog: &CATALOG, parts, pace: config.pace.clone(), counted_tag: guardrail.budget.tag.clone() })
}

struct Planner<'a> {
    deployment: &'a Deployment,
    run: &'a Run,
}

impl Planner<'_> {
    /// A part in each of the places that its action works in.
    async fn everywhere(&self, index: usize) -> Result<Vec<PartMade>> {
        let part = &self.run.parts[index];
        let entry = CATALOG.find(part.action.as_str())?;
        let places = match entry.make(&part.params, &self.context(None))?.places().await {
            Ok(places) if places.is_empty() => vec![None],
            Ok(places) => places.into_iter().map(Some).collect(),
            Err(error) => {
                let outcome = Outcome::Refused(format!("asking for its places: {error}"));
                return Ok(vec![PartMade { part: part.clone(), warning: entry.warning, outcome }]);
            }
        };
        try_join_all(places.into_iter().map(|place| self.there(index, entry, place))).await
    }

    async fn there(&self, index: usize, entry: &Entry, place: Option<Place>) -> Result<PartMade> {
        let part = Part { place, ..self.run.parts[index].clone() };
        let action = entry.make(&part.params, &self.context(part.place.as_ref()))?;
        let by = self.deployment.caller.arn.clone();
        let executor = Executor::new(&self.deployment.ledger, &SystemClock, SystemClock.now(), by);
        let outcome = match executor.steps(self.run, index, &Nonce::fresh(), action.as_ref()).await {
            Ok(steps) => Outcome::Steps(steps),
            Err(ExecutorError::Action { source: ActionError::OutOfBounds(why), .. }) => Outcome::Skipped(why),
            Err(ExecutorError::Action { doing, source, .. }) => Outcome::Refused(format!("{doing}: {source}")),
            Err(error) => Outcome::Refused(format!("{:#}", anyhow!(error))),
        };
        Ok(PartMade { part, warning: entry.warning, outcome })
    }

    fn context(&self, place: Option<&Place>) -> Context<'_> {
        let mut context = Context::new(&self.deployment.sdk, &self.run.operators, Arc::new(SystemClock)).at(place);
        context.restricted = self.run.restricted();
        context.stack = Some(self.deployment.stack.clone());
        context.account = Some(self.deployment.caller.account());
        context.paced(self.run.pace.clone(), Levels::default())
    }
}

impl PartMade {
    fn steps(&self) -> &[Step] {
        if let Outcome::Steps(steps) = &self.outcome { steps } else { &[] }
    }
}

impl Made {
    /// The plan and the savings, for people.
    fn words(&self, target: &Target, all: bool, savings: Option<&Savings>) -> String {
        let savings = savings.map(|savings| format!("\n{}", savings.words())).unwrap_or_default();
        format!("{}{savings}", self.text(target, all))
    }

    /// Shows the plan alone.
    pub(crate) fn show(&self, global: &Global, target: &Target) -> Result<Exit> {
        output::result(global, &self.shown(target, None, None), &self.text(target, false))?;
        Ok(self.end())
    }

    /// A plan of which something is refused is done in part only.
    fn end(&self) -> Exit {
        let refused =
            |part: &PartMade| matches!(part.outcome, Outcome::Refused(_)) || !Counts::of(part.steps()).refused.is_empty();
        if self.parts.iter().any(refused) { Exit::PartlyFailed } else { Exit::Done }
    }

    /// How long the run would take, and the way back.
    fn estimate(&self) -> Option<Estimate> {
        let mut work = Work::default();
        for made in &self.parts {
            for (counted, number) in self.counted(Counts::of(made.steps()).changes) {
                work.add(made.part.wave, counted, number);
            }
        }
        work.estimate(&self.pace)
    }

    /// How many of each kind that people count are among `steps`.
    fn counted<'a>(&self, steps: impl IntoIterator<Item = &'a Step>) -> Vec<(&'static Counted, usize)> {
        let mut counts: BTreeMap<&str, (&'static Counted, usize)> = BTreeMap::new();
        for counted in steps.into_iter().filter_map(|step| self.catalog.counted(&step.facet)) {
            counts.entry(counted.facet).or_insert((counted, 0)).1 += 1;
        }
        counts.into_values().collect()
    }

    /// Warnings for people before they let the stage do this.
    fn warnings(&self) -> Vec<&'static str> {
        let mut warnings: Vec<&str> = self.parts.iter().filter_map(|made| made.warning).collect();
        warnings.dedup();
        warnings
    }
}
