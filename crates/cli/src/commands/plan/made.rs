//! The plan of a stage, made by the code of a run's own planning.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use aws_config::SdkConfig;
use futures::future::try_join_all;
use guardrails_aws::actions::CATALOG;
use guardrails_aws::catalog::{Catalog, Entry};
use guardrails_aws::context::Context;
use guardrails_aws::declared::Counted;
use guardrails_aws::error::{is_denial, with_right};
use guardrails_model::action::ActionError;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::config::{ActionSpec, Config, Tags};
use guardrails_model::decide::Target;
use guardrails_model::engine::{Executor, ExecutorError};
use guardrails_model::ids::{Nonce, Place};
use guardrails_model::ledger::Ledger;
use guardrails_model::pace::{Levels, Pace};
use guardrails_model::prices::parse;
use guardrails_model::record::{Part, Run, Step};
use guardrails_model::runs;

use super::savings::Savings;
use super::words::Counts;
use crate::args::Global;
use crate::deployment::{Caller, Deployment};
use crate::estimate::{Estimate, Work};
use crate::exit::Exit;
use crate::output;

/// Why an action by a program of the user's is not planned before its stack is there.
const BY_A_PROGRAM: &str =
    "a program of yours plans it, and this plan only reads, so it was not called; `guardrails contract` tries it out";

/// The place where a plan is made.
pub(crate) struct Site<'a> {
    pub(crate) sdk: &'a SdkConfig,
    pub(crate) caller: &'a Caller,
    /// The stack's name, also where none stands yet.
    pub(crate) stack: &'a str,
    /// The deployed ledger, or an empty one.
    pub(crate) ledger: &'a Ledger,
    /// The plan is of a file that is not deployed yet.
    pub(crate) to_come: bool,
}

impl<'a> From<&'a Deployment> for Site<'a> {
    fn from(deployment: &'a Deployment) -> Self {
        let Deployment { sdk, caller, stack, ledger, .. } = deployment;
        Self { sdk, caller, stack, ledger, to_come: false }
    }
}

/// The plan that a run of a stage would make.
pub(crate) struct Made {
    /// The actions that there are.
    pub(super) catalog: &'static Catalog,
    pub(super) parts: Vec<PartMade>,
    pub(super) pace: Pace,
    /// The tag by which the budget counts.
    pub(super) counted_tag: Tags,
}

/// The plan that one of its actions would make in one place.
pub(super) struct PartMade {
    pub(super) part: Part,
    pub(super) warnings: Vec<String>,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    Steps(Vec<Step>),
    /// The account's organisation lets nobody work there.
    Skipped(String),
    Refused(String),
    /// The caller has no right to the reads of the plan, or AWS did not answer.
    Unread(String),
}

impl Outcome {
    /// The outcome where planning failed.
    fn failed(doing: &str, error: ActionError) -> Self {
        match error {
            ActionError::OutOfBounds(why) => Self::Skipped(why),
            ActionError::Retryable(why) => Self::Unread(format!("{doing}: {why}")),
            ActionError::Refused(why) if is_denial(&why) => Self::Unread(format!("{doing}: {why}")),
            ActionError::Refused(why) => Self::Refused(format!("{doing}: {why}")),
        }
    }
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
        let warnings = warnings_of(catalog, &part);
        PartMade { part, warnings, outcome: Outcome::Steps(steps) }
    });
    let made = Made { catalog, parts: parts.collect(), pace: Pace::default(), counted_tag: Tags::default() };
    let savings = prices.map(|list| parse("prices", list)).transpose()?.map(|prices| Savings::of(&made, &prices));
    Ok(made.words(target, false, savings.as_ref()))
}

/// The warnings for people about an action, and about its parameters.
fn warnings_of(catalog: &Catalog, part: &Part) -> Vec<String> {
    let of_action = catalog.find(part.action.as_str()).ok().and_then(|entry| entry.warning).map(str::to_owned);
    let params = catalog.read(&ActionSpec { name: part.action.clone(), params: part.params.clone() });
    let of_params = params.map(|params| params.warnings()).unwrap_or_default();
    of_action.into_iter().chain(of_params).collect()
}

/// Plans `target` as a run would.
pub(crate) async fn make(site: &Site<'_>, config: &Config, target: &Target) -> Result<Made> {
    let guardrail =
        config.guardrails.get(&target.guardrail).ok_or_else(|| anyhow!("there is no guardrail `{}`", target.guardrail))?;
    let mut run = runs::draft(target, config, guardrail, "", &site.caller.arn, SystemClock.now());
    // A deployment adds the principal that deploys to the file's operators.
    run.operators.push(site.caller.arn.clone());
    let planner = Planner { site, run: &run, called: CATALOG.called(config)?.into_iter().collect() };
    let parts = try_join_all((0..run.parts.len()).map(|index| planner.everywhere(index))).await?;
    let parts = parts.into_iter().flatten().collect();
    Ok(Made { catalog: &CATALOG, parts, pace: config.pace.clone(), counted_tag: guardrail.budget.tag.clone() })
}

struct Planner<'a> {
    site: &'a Site<'a>,
    run: &'a Run,
    /// The functions of the user's that the file calls.
    called: Vec<String>,
}

impl Planner<'_> {
    /// A part in each of the places that its action works in.
    async fn everywhere(&self, index: usize) -> Result<Vec<PartMade>> {
        let part = &self.run.parts[index];
        let entry = CATALOG.find(part.action.as_str())?;
        if self.site.to_come && !entry.read(&part.params)?.functions().is_empty() {
            let outcome = Outcome::Unread(BY_A_PROGRAM.to_owned());
            return Ok(vec![PartMade { part: part.clone(), warnings: warnings_of(&CATALOG, part), outcome }]);
        }
        let places = match entry.make(&part.params, &self.context(None))?.places().await {
            Ok(places) if places.is_empty() => vec![None],
            Ok(places) => places.into_iter().map(Some).collect(),
            Err(error) => {
                let outcome = Outcome::failed("asking for its places", error);
                return Ok(vec![PartMade { part: part.clone(), warnings: warnings_of(&CATALOG, part), outcome }]);
            }
        };
        try_join_all(places.into_iter().map(|place| self.there(index, entry, place))).await
    }

    async fn there(&self, index: usize, entry: &Entry, place: Option<Place>) -> Result<PartMade> {
        let part = Part { place, ..self.run.parts[index].clone() };
        let action = entry.make(&part.params, &self.context(part.place.as_ref()))?;
        let by = self.site.caller.arn.clone();
        let executor = Executor::new(self.site.ledger, &SystemClock, SystemClock.now(), by);
        let outcome = match executor.steps(self.run, index, &Nonce::fresh(), action.as_ref()).await {
            Ok(steps) => Outcome::Steps(steps),
            Err(ExecutorError::Action { doing, source, .. }) => Outcome::failed(doing, source),
            Err(error) => match format!("{:#}", anyhow!(error)) {
                why if is_denial(&why) => Outcome::Unread(why),
                why => Outcome::Refused(why),
            },
        };
        let warnings = warnings_of(&CATALOG, &part);
        Ok(PartMade { part, warnings, outcome })
    }

    fn context(&self, place: Option<&Place>) -> Context<'_> {
        let mut context = Context::new(self.site.sdk, &self.run.operators, Arc::new(SystemClock)).at(place);
        context.restricted = self.run.restricted();
        context.called.clone_from(&self.called);
        context.stack = Some(self.site.stack.to_owned());
        context.account = Some(self.site.caller.account());
        context.to_come = self.site.to_come;
        context.paced(self.run.pace.clone(), Levels::default())
    }
}

impl PartMade {
    pub(super) fn steps(&self) -> &[Step] {
        if let Outcome::Steps(steps) = &self.outcome { steps } else { &[] }
    }
}

impl Made {
    /// The plan and the savings, for people.
    pub(super) fn words(&self, target: &Target, all: bool, savings: Option<&Savings>) -> String {
        let savings = savings.map(|savings| format!("\n{}", savings.words())).unwrap_or_default();
        format!("{}{savings}", self.text(target, all))
    }

    /// Shows the plan alone.
    pub(crate) fn show(&self, global: &Global, target: &Target) -> Result<Exit> {
        output::result(global, &self.shown(target, None, None), &self.text(target, false))?;
        Ok(self.end())
    }

    /// A plan of which something is refused is done in part only. One that could not read everything may hide that.
    pub(super) fn end(&self) -> Exit {
        let refused =
            |part: &PartMade| matches!(part.outcome, Outcome::Refused(_)) || !Counts::of(part.steps()).refused.is_empty();
        if self.parts.iter().any(refused) {
            Exit::PartlyFailed
        } else if self.unread().is_empty() {
            Exit::Done
        } else {
            Exit::NotChecked
        }
    }

    /// The things that could not be read, each with the reason and the right that it takes.
    pub(super) fn unread(&self) -> Vec<String> {
        let of_step = |step: &&Step| format!("{}: {}", step.label, with_right(reason(step)));
        let of_part = |made: &PartMade| match &made.outcome {
            Outcome::Unread(why) => vec![format!("{}: {}", made.part.title(), with_right(why))],
            _ => Counts::of(made.steps()).unread.iter().map(of_step).collect(),
        };
        self.parts.iter().flat_map(of_part).collect()
    }

    /// How long the run would take, and the way back.
    pub(super) fn estimate(&self) -> Option<Estimate> {
        let mut work = Work::default();
        for made in &self.parts {
            for (counted, number) in self.counted(Counts::of(made.steps()).changes) {
                work.add(made.part.wave, counted, number);
            }
        }
        work.estimate(&self.pace)
    }

    /// How many of each kind that people count are among `steps`.
    pub(super) fn counted<'a>(&self, steps: impl IntoIterator<Item = &'a Step>) -> Vec<(&'static Counted, usize)> {
        let mut counts: BTreeMap<&str, (&'static Counted, usize)> = BTreeMap::new();
        for counted in steps.into_iter().filter_map(|step| self.catalog.counted(&step.facet)) {
            counts.entry(counted.facet).or_insert((counted, 0)).1 += 1;
        }
        counts.into_values().collect()
    }

    /// Warnings for people before they let the stage do this.
    pub(super) fn warnings(&self) -> Vec<&str> {
        let mut warnings: Vec<&str> = self.parts.iter().flat_map(|made| &made.warnings).map(String::as_str).collect();
        warnings.dedup();
        warnings
    }
}

/// The reason of a step that is not planned.
pub(super) fn reason(step: &Step) -> &str {
    step.reason.as_deref().unwrap_or_default()
}
