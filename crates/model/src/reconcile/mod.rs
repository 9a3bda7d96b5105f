//! Compares every guardrail with AWS Budgets and with the ledger, again and again. An alert may be lost, a period ends without
//! one, an execution may die, and people launch resources that a run would have stopped. All of it goes the way of an alert, and
//! is idempotent with alerts and with other rounds.

mod books;
mod judge;
mod stage;

use rust_decimal::Decimal;
use serde_json::json;
use sha2::{Digest, Sha256};

pub use crate::record::{Found, Round};
pub use books::{Books, Judgement, Measure, StageNow, Waiting};
pub use judge::judge;

use crate::alert::{self, AlertType, Reading};
use crate::belief::{self, Evidence, Point, Points, Running, Sight};
use crate::config::{Config, Guardrail, StageAt, day};
use crate::ledger::{LedgerError, Versioned};
use crate::prices::Hourly;
use crate::record::{AlertRecord, Because, FORMAT, RollbackRequest, Run, Target};
use crate::runs::{Begun, Grounds, Rescanned, RollbackAsked, RunError, Runs};
use crate::spend::{Spend, Spending, Standing};

/// Carries rounds out.
pub struct Reconciler<'a> {
    /// The life of runs, in the name of the reconciler.
    pub runs: Runs<'a>,
    /// The figures of AWS Budgets.
    pub spending: &'a dyn Spending,
    /// The cost of the resources in scope, in dollars an hour.
    pub running: &'a dyn Running,
}

impl Reconciler<'_> {
    /// One round over all guardrails, written into the ledger. An error with one of them costs the others nothing, and stands in
    /// the round.
    ///
    /// # Errors
    /// When the ledger cannot say which guardrails there are, or not keep the round.
    pub async fn round(&self) -> Result<Round, RunError> {
        let (ledger, clock) = (self.runs.ledger, self.runs.clock);
        let began = clock.now();
        let config = ledger.config().await?;
        let mut found = Vec::new();
        for guardrail in config.guardrails.values() {
            found.push(Box::pin(self.guardrail(&config, guardrail)).await);
        }
        let round = Round { format: FORMAT, began, ended: clock.now(), by: self.runs.by.clone(), clean: None, guardrails: found };
        Ok(ledger.save_round(round).await?)
    }

    async fn guardrail(&self, config: &Config, guardrail: &Guardrail) -> Found {
        let mut found = Found::of(guardrail.name.clone());
        let standing = match self.spending.standing(guardrail).await {
            Ok(Some(standing)) => Some(standing),
            // AWS deletes a budget after its last day.
            Ok(None) if guardrail.budget.period.has_ended(day(self.runs.clock.now())) => None,
            Ok(None) => found.trouble(&"AWS Budgets has no budget of this name: deploy again"),
            Err(error) => found.trouble(&error),
        };
        if let Err(error) = self.compare(config, guardrail, standing.as_ref(), &mut found).await {
            found.trouble::<()>(&chain(&error));
        }
        found
    }

    async fn compare(
        &self,
        config: &Config,
        guardrail: &Guardrail,
        standing: Option<&Standing>,
        found: &mut Found,
    ) -> Result<(), RunError> {
        let (ledger, now) = (self.runs.ledger, self.runs.clock.now());
        let period = guardrail.budget.period.present(now);
        let open = ledger.open_runs(Some(&guardrail.name)).await?;
        let last = ledger.spend(&guardrail.name).await?;
        let points = ledger.points(&guardrail.name).await?;
        let known = self.with_alerts(last.as_ref().map(|last| &last.value), guardrail, &open, &points).await?;
        let stages = self.stages(guardrail, &period).await?;
        let waiting = self.waiting(&open, &period).await?;
        let mut books = Books {
            guardrail,
            standing,
            last: known.as_ref(),
            points: &points,
            hourly: None,
            waiting: &waiting,
            stages: &stages,
            open: &open,
            now,
        };
        let mut is_whole = true;
        if stage::lacks_evidence(&books) {
            (books.hourly, is_whole) = self.hourly(config, guardrail, found).await;
        }
        // A part of the resources is evidence now. Later it would stand for all of them.
        let (judged, hourly) = (judge(&books), books.hourly.filter(|_| is_whole));
        if let Some(spend) = judged.spend {
            (found.period, found.actual, found.limit) = (Some(spend.period.clone()), Some(spend.actual), Some(spend.limit));
            match ledger.save_spend(&Versioned { rev: last.map_or(0, |last| last.rev), value: spend }).await {
                // Another round was quicker.
                Ok(()) | Err(LedgerError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let (Some(standing), Some((of, doubted))) = (standing, judged.figures) {
            let (actual, forecast, limit) = (standing.actual, standing.forecast, standing.limit);
            let point = Point { at: now, actual, forecast, limit, hourly, doubted };
            ledger.append_point(&guardrail.name, &of, point).await?;
        }
        let seen = Seen { config, guardrail, standing, period: &period };
        for measure in judged.measures {
            match self.carry(&measure, seen, found).await {
                Ok(Some(done)) => found.did.push(done),
                Ok(None) => {}
                Err(error) => {
                    found.trouble::<()>(&format!("{}: {}", words(&measure), chain(&error)));
                }
            }
            match measure {
                Measure::Say(what) => found.said.push(what),
                Measure::Trouble(what) => found.troubles.push(what),
                _ => {}
            }
        }
        Ok(())
    }

    /// Dollars an hour of the resources that run in scope. Where that cannot be told, it is trouble and no evidence.
    async fn hourly(&self, config: &Config, guardrail: &Guardrail, found: &mut Found) -> (Option<Decimal>, bool) {
        let Sight { hourly, failed } = self.running.hourly(config, guardrail).await;
        let trouble = |why: &String| format!("asking for the cost of the resources that run in scope: {why}");
        found.troubles.extend(failed.iter().map(trouble));
        let unpriced = hourly.as_ref().and_then(Hourly::without_price);
        let is_whole = failed.is_empty() && unpriced.is_none();
        found.said.extend(unpriced.map(|kinds| format!("{kinds} run in scope, and the price list does not have them")));
        (hourly.and_then(|hourly| hourly.known()), is_whole)
    }

    /// The spend that an alert told for a period is known too, though no round has seen it. Not one that was not believed.
    async fn with_alerts(
        &self,
        last: Option<&Spend>,
        guardrail: &Guardrail,
        open: &[Run],
        points: &[Points],
    ) -> Result<Option<Spend>, LedgerError> {
        let mut known = last.cloned();
        let doubted = |run: &Run| run.approval.as_ref().is_some_and(|approval| approval.because != Because::Stage);
        let counts = |run: &&Run| !run.simulated && !doubted(run) && run.stage.alert_type == AlertType::Actual;
        for run in open.iter().filter(counts) {
            let Some(alert) = self.runs.ledger.alert(&run.alert).await? else { continue };
            let Reading::Budget(alert) = alert::read(&alert.text) else { continue };
            let (stage, period, now) = (run.stage, run.period.as_str(), self.runs.clock.now());
            let shown = belief::Shown::NoBudget;
            let evidence = Evidence { guardrail, stage, period, alert: Some(&alert), shown, last, points, hourly: None, now };
            if belief::absurd(alert.amount, AlertType::Actual, &evidence).is_some() {
                continue;
            }
            let spend = known.get_or_insert_with(|| Spend {
                format: FORMAT,
                guardrail: run.guardrail.clone(),
                period: run.period.clone(),
                actual: alert.amount,
                forecast: None,
                limit: alert.budgeted,
                updated: None,
                seen: run.began,
                below_since: None,
            });
            if spend.period == run.period {
                spend.actual = spend.actual.max(alert.amount);
            }
        }
        Ok(known)
    }

    async fn stages(&self, guardrail: &Guardrail, period: &str) -> Result<Vec<StageNow>, RunError> {
        let mut stages = Vec::new();
        for stage in guardrail.stages.iter().map(|stage| stage.at) {
            let target = target(guardrail, stage, period);
            let Some(slot) = self.runs.ledger.stage_state(&target).await? else { continue };
            let run = self.runs.ledger.run(&slot.value.run).await?.ok_or_else(|| RunError::NoSuchRun(slot.value.run.clone()))?;
            let run = run.value;
            let standing = self.runs.slot_standing(&slot.value, &run).await?;
            let over = |run: &Run| run.approval.as_ref().is_some_and(|a| a.is_unanswered_doubt() || a.is_discarded_figure());
            stages.push(StageNow {
                stage,
                run: run.state,
                released: standing.released.is_some(),
                doubted: run.is_doubted(),
                asked: over(&run).then_some(run.began),
                discarded: standing.discarded,
                unanswered: standing.unanswered,
            });
        }
        Ok(stages)
    }

    /// Alerts of the present period whose runs wait because a figure is not believed.
    async fn waiting(&self, open: &[Run], period: &str) -> Result<Vec<Waiting>, RunError> {
        let mut waiting = Vec::new();
        for run in open.iter().filter(|run| run.is_doubted() && !run.simulated && run.period == period) {
            let Some(alert) = self.runs.ledger.alert(&run.alert).await? else { continue };
            if let Reading::Budget(alert) = alert::read(&alert.text) {
                waiting.push(Waiting { stage: run.stage, alert, since: run.began });
            }
        }
        Ok(waiting)
    }

    /// Carries one measure out. Says what was done, if anything was.
    async fn carry(&self, measure: &Measure, seen: Seen<'_>, found: &mut Found) -> Result<Option<String>, RunError> {
        match measure {
            Measure::Begin { stage, grounds } => {
                Ok(match self.begin(seen, &target(seen.guardrail, *stage, seen.period), grounds).await? {
                    Begun::Started(run) => {
                        found.began.push(run.id.clone());
                        Some(format!("began run {} at {stage}: its alert never arrived", run.id))
                    }
                    Begun::Believed(run) => Some(format!("run {} at {stage} goes on: its figure is believed now", run.id)),
                    Begun::Already(_) | Begun::GoingBack(_) | Begun::Released(_) => None,
                })
            }
            Measure::TakeUp(run) => {
                let taken = self.runs.take_up(run).await?;
                Ok(taken.map(|run| format!("took up run {}, whose execution had died ({})", run.id, run.state.words())))
            }
            Measure::LookAgain(run) => Ok(match self.runs.rescan(run).await? {
                Rescanned::Started(run) => Some(format!("looks again at what run {} holds", run.id)),
                Rescanned::UnderWay(_) | Rescanned::NotHeld(_) => None,
            }),
            Measure::Release { run, why, armed } => {
                let (at, by) = (self.runs.clock.now(), self.runs.by.clone());
                let request = RollbackRequest { armed: *armed, ..RollbackRequest::whole(by, at, why) };
                Ok(match self.runs.roll_back(run, &request).await? {
                    RollbackAsked::Started(run) | RollbackAsked::Changed(run) => Some(format!("puts run {} back: {why}", run.id)),
                    RollbackAsked::UnderWay(_) | RollbackAsked::NothingToDo(_) => None,
                })
            }
            Measure::Say(_) | Measure::Trouble(_) => Ok(None),
        }
    }

    /// A stage whose alert never arrived is enforced as if it had, or waits for a person where the figures are not believed.
    async fn begin(&self, seen: Seen<'_>, target: &Target, grounds: &Grounds) -> Result<Begun, RunError> {
        let says = seen.standing.map_or_else(
            || "AWS Budgets cannot be asked.".to_owned(),
            |standing| {
                format!(
                    "AWS Budgets says: ${} are spent{} of ${}.",
                    standing.actual,
                    standing.forecast.map_or_else(String::new, |forecast| format!(", ${forecast} are forecast,")),
                    standing.limit
                )
            },
        );
        let Target { guardrail, stage, period, .. } = target;
        let text = format!("No alert of {guardrail} at {stage} in {period} was received and believed. {says}");
        let decision = format!("enforce {guardrail} at {stage} in {period}: its alert never arrived");
        let digest = format!("{:x}", Sha256::digest(json!([text, "reconcile"]).to_string()));
        let alert = AlertRecord { format: FORMAT, at: self.runs.clock.now(), text, decision, guardrail: Some(guardrail.clone()) };
        self.runs.ledger.record_alert(&digest, &alert).await?;
        self.runs.begin(target, seen.config, seen.guardrail, &digest, grounds).await
    }
}

/// A round's view of one guardrail.
#[derive(Clone, Copy)]
struct Seen<'a> {
    config: &'a Config,
    guardrail: &'a Guardrail,
    standing: Option<&'a Standing>,
    period: &'a str,
}

fn target(guardrail: &Guardrail, stage: StageAt, period: &str) -> Target {
    Target { guardrail: guardrail.name.clone(), stage, period: period.to_owned(), simulated: false }
}

fn words(measure: &Measure) -> String {
    match measure {
        Measure::Begin { stage, .. } => format!("beginning a run at {stage}"),
        Measure::TakeUp(run) => format!("taking up run {run}"),
        Measure::LookAgain(run) => format!("looking again at run {run}"),
        Measure::Release { run, .. } => format!("putting run {run} back"),
        Measure::Say(what) | Measure::Trouble(what) => what.clone(),
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
