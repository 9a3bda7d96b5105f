//! `guardrails rollback`: shows the facets that come back, asks, waits, and ends with those that came back and those that did
//! not, and why.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use clap::Args;
use guardrails_aws::actions::CATALOG;
use guardrails_aws::declared::Counted;
use guardrails_aws::ec2::groups::is_in_group;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::ids::{GuardrailName, RunId};
use guardrails_model::phase::Phase;
use guardrails_model::record::{RollbackRequest, Run, RunState, Step};
use guardrails_model::report::Report;
use guardrails_model::runs::RollbackAsked;

use crate::args::{Consent, Format, Global, Scope, reason};
use crate::chosen::Chosen;
use crate::deployment::Deployment;
use crate::estimate::{Work, about};
use crate::exit::Exit;
use crate::follow::{Known, LIVELY};
use crate::output::count;
use crate::{follow, output};

/// Steps of a run that are named before it is asked about.
const NAMED: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The guardrail: all its open runs, the newest first.
    pub(crate) guardrail: GuardrailName,
    /// Only this run.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Roll back also targets that somebody changed meanwhile.
    #[arg(long)]
    pub(crate) force: bool,
    /// Show what would be put back, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Why, for the record.
    #[arg(long, alias = "why", default_value = "no reason given", value_parser = reason)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

pub(crate) async fn run(global: &Global, args: &Rollback) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    let mut request = request(&deployment, args);
    let runs = held(&deployment, args, &mut request).await?;
    if runs.is_empty() {
        let of = if request.is_whole() { "" } else { " of that" };
        let text = format!("`{}` holds nothing{of}: there is nothing to put back.", args.guardrail);
        output::result(global, &Vec::<Report>::new(), &text)?;
        return Ok(Exit::Done);
    }
    if args.dry_run {
        let text = runs.iter().map(|held| held.will_do(&request)).collect::<Vec<_>>().join("\n");
        let reports: Vec<Report> = runs.into_iter().map(|held| Report::unread(held.run)).collect();
        output::result(global, &reports, &text)?;
        return Ok(Exit::Done);
    }
    for held in &runs {
        output::tell(&held.will_do(&request));
    }
    if !output::agreed(&args.consent, &format!("Put this back in {}?", deployment.place()))? {
        return Ok(Exit::Declined);
    }
    let (mut ends, mut failed) = (Vec::new(), false);
    let mut runs = runs.into_iter();
    while let Some(held) = runs.next() {
        let Some(run) = put_back(&deployment, held, &request).await? else {
            for later in runs {
                output::tell(&format!("Not asked for yet: the rollback of run {}", later.run.id));
            }
            return Ok(Exit::Interrupted);
        };
        let report = follow::report(&deployment, run, global.output == Format::Json).await?;
        failed |= is_left(&deployment, &report.run, &request).await?;
        ends.push(report);
    }
    let text = ends.iter().map(Report::text).collect::<Vec<_>>().join("\n");
    output::result(global, &ends, &text)?;
    Ok(if failed { Exit::PartlyFailed } else { Exit::Done })
}

/// The request that the arguments make, before the names of `--only` are looked up. All that is shown, counted and sent goes by it.
fn request(deployment: &Deployment, args: &Rollback) -> RollbackRequest {
    RollbackRequest {
        actions: args.scope.action.clone(),
        places: args.scope.within.clone(),
        force: args.force,
        ..RollbackRequest::whole(deployment.caller.arn.clone(), SystemClock.now(), args.reason.clone())
    }
}

/// A run and the holds of it that are asked for: counts, and a few by name.
struct Held {
    run: Run,
    /// By part.
    counts: BTreeMap<usize, Count>,
    named: Vec<String>,
    /// The units of which something is asked for, and those of which something else is held.
    units: [BTreeSet<(usize, String)>; 2],
    /// The units that are Auto Scaling groups.
    groups: BTreeSet<String>,
    /// How its steps stand, if they are few.
    known: Known,
}

#[derive(Default)]
struct Count {
    steps: usize,
    /// How many of each kind that people count.
    kinds: BTreeMap<&'static str, (&'static Counted, usize)>,
}

/// The open runs with a hold that is asked for, newest first. Each is read once, page by page. The request gets the facets that `--only`
/// names there.
async fn held(deployment: &Deployment, args: &Rollback, request: &mut RollbackRequest) -> Result<Vec<Held>> {
    let mut open = deployment.ledger.open_runs(Some(&args.guardrail)).await.context("reading the ledger")?;
    open.retain(|run| args.run.as_ref().is_none_or(|id| *id == run.id));
    if open.is_empty()
        && let Some(id) = &args.run
    {
        // Names the mistake: no such run, or another guardrail's.
        follow::is_of(&follow::load(deployment, id).await?, Some(&args.guardrail))?;
    }
    if open.is_empty() {
        if args.run.is_none() {
            // A name that is mistyped must not read as if all were put back.
            deployment.guardrail(&args.guardrail).await?;
        }
        return Ok(Vec::new());
    }
    let mut chosen = Chosen::new(&args.scope);
    let mut all = Vec::new();
    for run in open {
        let mut held = Held {
            counts: BTreeMap::new(),
            named: Vec::new(),
            units: Default::default(),
            groups: BTreeSet::new(),
            known: Known::new(),
            run,
        };
        let run = held.run.clone();
        let lively = follow::planned(&run) <= LIVELY;
        chosen.enter(&run);
        let visit = |step: Step| {
            let asked = chosen.takes(&run, &step);
            if lively {
                held.known.insert(step.facet.clone(), step.phase);
            }
            if !step.phase.is_final() {
                held.add(&step, asked);
            }
        };
        deployment.ledger.visit(&run, visit).await.context("reading the ledger")?;
        if args.scope.is_whole() || !held.counts.is_empty() {
            all.push(held);
        }
    }
    request.only = chosen.selectors(&format!("no open run of `{}` has", args.guardrail))?;
    Ok(all)
}

impl Held {
    fn add(&mut self, step: &Step, asked: bool) {
        if let Some(unit) = &step.unit {
            self.units[usize::from(!asked)].insert((step.part, unit.name.clone()));
            if is_in_group(&step.facet) {
                self.groups.insert(unit.name.clone());
            }
        }
        if !asked {
            return;
        }
        let count = self.counts.entry(step.part).or_default();
        count.steps += 1;
        if let Some(counted) = CATALOG.counted(&step.facet) {
            count.kinds.entry(counted.facet).or_insert((counted, 0)).1 += 1;
        }
        if self.named.len() < NAMED {
            self.named.push(match (&step.before, step.phase) {
                (Some(before), _) => format!("{}: {} -> {before}", step.label, step.wanted),
                (None, Phase::Planned) => format!("{}: was not begun", step.label),
                (None, _) => format!("{}: was not changed", step.label),
            });
        }
    }

    fn steps(&self) -> usize {
        self.counts.values().map(|count| count.steps).sum()
    }

    fn will_do(&self, request: &RollbackRequest) -> String {
        let run = &self.run;
        let mut lines = vec![format!("{} ({}) will put back:", Report::unread(run.clone()).headline(), run.id)];
        let more = self.steps() - self.named.len();
        if more > 0 {
            let parts = self.counts.iter().filter_map(|(part, count)| Some((run.parts.get(*part)?, count)));
            lines.extend(parts.map(|(part, count)| format!("  {}: {}", part.title(), count.steps)));
            lines.push("such as".to_owned());
        }
        lines.extend(self.named.iter().map(|named| format!("  {named}")));
        if more > 0 {
            lines.push(format!("  ... and {more} more: guardrails status --run {} --all", run.id));
            lines.extend(self.time());
        }
        lines.extend(self.halves());
        if self.steps() == 0 {
            lines.push("  nothing".to_owned());
        }
        if request.is_whole() && !run.simulated {
            lines.push("and alerts of this stage are recorded, not enforced, until the next period".to_owned());
        }
        lines.join("\n")
    }

    /// The units of which only some is asked for: all else that is held of them stays as it is.
    fn halves(&self) -> Option<String> {
        let [asked, left] = &self.units;
        let halves: Vec<&str> = asked.intersection(left).map(|(_, name)| name.as_str()).collect();
        let more = if halves.len() > NAMED { ", ..." } else { "" };
        let named = halves.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let are_groups = halves.iter().all(|name| self.groups.contains(*name));
        let what = count(halves.len(), if are_groups { "Auto Scaling group" } else { "unit" });
        (!halves.is_empty()).then(|| format!("and what this does not ask for of {what} is still held: {named}{more}"))
    }

    /// How long it takes at the least.
    fn time(&self) -> Option<String> {
        let mut work = Work::default();
        for (part, count) in self.counts.iter().filter_map(|(part, count)| Some((self.run.parts.get(*part)?, count))) {
            for (counted, number) in count.kinds.values() {
                work.add(part.wave, counted, *number);
            }
        }
        let estimate = work.estimate(&self.run.pace)?;
        Some(format!("by AWS's limits this takes {} at a share of {}", about(estimate.starting_seconds), estimate.share))
    }
}

/// Asks for a run to be put back, and waits. `None` when a person waits no longer.
async fn put_back(deployment: &Deployment, held: Held, request: &RollbackRequest) -> Result<Option<Run>> {
    let run = &held.run.id;
    // It is asked for now, not when it was shown.
    let request = RollbackRequest { at: SystemClock.now(), ..request.clone() };
    match deployment.runs().roll_back(run, &request).await? {
        RollbackAsked::Started(_) | RollbackAsked::NothingToDo(_) => {}
        RollbackAsked::UnderWay(present) => {
            let by = present.rollback.as_ref().map_or("somebody".to_owned(), |other| format!("{} ({})", other.by, other.why));
            output::tell(&format!("{run} is being put back already, asked for by {by}; waiting for that"));
        }
        RollbackAsked::Changed(_) => output::tell(&changed(&held.run, &request)),
    }
    follow::until_settled(deployment, run, held.known).await
}

/// The text that our request took the place of one that was under way, and its meaning for the other.
fn changed(before: &Run, request: &RollbackRequest) -> String {
    let of = |request: &RollbackRequest| {
        let only = request.only.iter().map(ToString::to_string);
        let actions = request.actions.iter().map(ToString::to_string);
        let names: Vec<String> = only.chain(actions).chain(request.places.iter().map(ToString::to_string)).collect();
        if names.is_empty() { "all of it".to_owned() } else { names.join(", ") }
    };
    let other = before.rollback.as_ref().map_or_else(
        || "another rollback was just asked for".to_owned(),
        |other| format!("a rollback of {} was under way, asked for by {} ({})", of(other), other.by, other.why),
    );
    let now = format!("{}: {other}; what is under way now goes by this request: {}", before.id, of(request));
    if request.is_whole() {
        now
    } else {
        format!("{now}. What only the other asked for and is not begun stays held: ask for it again when it shall come back")
    }
}

/// Does the run still hold a facet that was asked for? Says so where nothing else does, and says of the other facets when they
/// are not as they should be.
async fn is_left(deployment: &Deployment, run: &Run, request: &RollbackRequest) -> Result<bool> {
    if !run.state.is_open() {
        return Ok(false);
    }
    let [mut left, mut others] = [0, 0];
    let visit = |step: Step| {
        let asked = request.covers(run, &step);
        left += usize::from(asked && !step.phase.is_final());
        others += usize::from(!asked && step.phase.is_failure());
    };
    deployment.ledger.visit(run, visit).await.context("reading the ledger")?;
    let stands = match run.state {
        RunState::Enforced => true,
        RunState::ApplyFailed | RunState::RollbackFailed => !request.is_whole(),
        _ => false,
    };
    let failed = left > 0 || !stands;
    if left > 0 && run.state != RunState::RollbackFailed {
        output::tell(&format!(
            "{}: {left} of what was asked for is not put back, since somebody asked for less meanwhile: ask for it again",
            run.id
        ));
    } else if !failed && run.state != RunState::Enforced {
        output::tell(&format!(
            "{}: what was asked for is put back. Of the rest {others} failed before: {}. See guardrails status --run {}",
            run.id,
            run.state.words(),
            run.id
        ));
    }
    Ok(failed)
}
