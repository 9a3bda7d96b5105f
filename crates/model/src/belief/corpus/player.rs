//! Plays a history with the product's own code: alerts as master takes them, rounds as the reconciler makes them, answers as the
//! command gives them. Only AWS Budgets, the state machine and the clock are not real.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::executor::block_on;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::{Decimal, RoundingStrategy};

use super::chaos::{Chaos, insist};
use super::history::{Budgets, Event, History, Label, Lamp, Outcome, Says};
use crate::alert::AlertType;
use crate::belief::{Running, Sight, believe};
use crate::clock::Clock;
use crate::config::{Config, Guardrail};
use crate::decide::{Decision, decide};
use crate::envelope::Message;
use crate::ledger::Ledger;
use crate::ledger::memory::MemoryStore;
use crate::pace::Pace;
use crate::prices::Hourly;
use crate::reconcile::{Reconciler, Round};
use crate::record::{AlertRecord, FORMAT, Run, RunState};
use crate::runs::{Answer, Grounds, Runs, Started, Woken, Workflow, WorkflowError, WorkflowInput};
use crate::spend::{SpendError, Spending, Standing};

const ACCOUNT: &str = "123456789012";

/// The outcome of a history.
pub(super) struct Played {
    pub(super) outcome: Outcome,
    /// A run was begun, or went on, without a person's yes.
    alone: bool,
    /// Moments at which a true breach was known and not enforced after the round.
    late: Vec<Timestamp>,
    pub(super) log: Vec<String>,
    /// How many calls failed.
    pub(super) faults: usize,
}

impl Played {
    /// The promise that was broken, if one was.
    pub(super) fn broken(&self, label: Label) -> Option<String> {
        match label {
            Label::FalseFigure if self.alone => Some("a false figure was enforced without a person".to_owned()),
            Label::TrueBreach if !self.late.is_empty() => Some(format!("not enforced in the round of {:?}", self.late)),
            _ => None,
        }
    }
}

/// The account and the hands.
struct World {
    now: Mutex<Timestamp>,
    standing: Mutex<Standing>,
    budgets: Mutex<Budgets>,
    lamp: Mutex<bool>,
    hourly: Mutex<Option<Decimal>>,
    /// The faults that calls meet, if any do.
    chaos: Option<Arc<Chaos>>,
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }
}

#[async_trait]
impl Spending for World {
    async fn standing(&self, guardrail: &Guardrail) -> Result<Option<Standing>, SpendError> {
        match *self.budgets.lock().unwrap() {
            Budgets::Gone => Ok(None),
            Budgets::Unreachable => {
                Err(SpendError { doing: "reading the budget".to_owned(), message: "AccessDenied".to_owned(), retryable: false })
            }
            Budgets::There => {
                let mut standing = self.standing.lock().unwrap().clone();
                let over =
                    |at: &crate::config::StageAt| standing.of(at.alert_type).is_some_and(|is| is > at.threshold(standing.limit));
                let alarms = guardrail.stages.iter().map(|stage| stage.at).filter(over).collect();
                standing.alarms = if *self.lamp.lock().unwrap() { alarms } else { Vec::new() };
                Ok(Some(standing))
            }
        }
    }
}

#[async_trait]
impl Running for World {
    async fn hourly(&self, _: &Config, _: &Guardrail) -> Sight {
        let dollars = *self.hourly.lock().unwrap();
        let hourly = dollars.map(|dollars| Hourly { dollars, priced: 1, ..Hourly::default() });
        Sight { hourly, failed: Vec::new() }
    }
}

#[async_trait]
impl Workflow for World {
    async fn start(&self, _: &str, _: &WorkflowInput) -> Result<Started, WorkflowError> {
        if self.chaos.as_ref().is_some_and(|chaos| chaos.strikes()) {
            return Err(WorkflowError { doing: "starting".to_owned(), retryable: true, source: "no answer".into() });
        }
        Ok(Started::Running)
    }

    async fn is_running(&self, _: &str) -> Result<bool, WorkflowError> {
        Ok(true)
    }

    async fn wake(&self, _: &str) -> Result<Woken, WorkflowError> {
        Ok(Woken::Woken)
    }
}

/// Plays `history` from its beginning to its end.
pub(super) fn play(history: &History) -> Played {
    play_on(history, &Ledger::new(Arc::new(MemoryStore::default())))
}

/// The same, while calls to the ledger and the state machine fail, as `seed` has it.
pub(super) fn play_in_chaos(history: &History, seed: u64) -> Played {
    let store = Arc::new(MemoryStore::default());
    let chaos = Arc::new(Chaos::new(Arc::clone(&store), seed));
    play_with(history, &Ledger::new(store), Some(chaos))
}

/// The same, over a ledger that holds something.
pub(super) fn play_on(history: &History, ledger: &Ledger) -> Played {
    play_with(history, ledger, None)
}

fn play_with(history: &History, ledger: &Ledger, chaos: Option<Arc<Chaos>>) -> Played {
    block_on(async {
        let guardrail = history.guardrail();
        let first = history.events[0].on;
        let limit = guardrail.budget.amount.dollars();
        let (actual, forecast, alarms, differences) = (Decimal::ZERO, None, Vec::new(), Vec::new());
        let standing = Standing { limit, actual, forecast, updated: None, alarms, differences };
        let world = World {
            now: Mutex::new(first),
            standing: Mutex::new(standing),
            budgets: Mutex::new(Budgets::There),
            lamp: Mutex::new(true),
            hourly: Mutex::new(None),
            chaos: chaos.clone(),
        };
        let ledger = ledger.clone();
        let hands = chaos.map_or_else(|| ledger.clone(), |chaos| Ledger::new(chaos));
        ledger.define(guardrail.clone(), Vec::new(), Pace::default()).await.unwrap();
        let mut player =
            Player { history, guardrail, ledger, hands, world, reported: false, alone: false, late: Vec::new(), log: Vec::new() };
        for event in &history.events {
            player.event(event).await;
        }
        let outcome = player.outcome().await;
        let faults = player.world.chaos.as_ref().map_or(0, |chaos| chaos.struck());
        Played { outcome, alone: player.alone, late: player.late, log: player.log, faults }
    })
}

struct Player<'a> {
    history: &'a History,
    guardrail: Guardrail,
    ledger: Ledger,
    /// The ledger as the product has it.
    hands: Ledger,
    world: World,
    reported: bool,
    alone: bool,
    late: Vec<Timestamp>,
    log: Vec<String>,
}

impl Player<'_> {
    fn runs(&self) -> Runs<'_> {
        Runs { ledger: &self.hands, workflow: &self.world, clock: &self.world, by: "test".to_owned() }
    }

    async fn event(&mut self, event: &Event) {
        self.change(event);
        if let Some(says) = event.says {
            self.says(says).await;
        }
        if let Some(amount) = event.alert {
            self.alert(event, amount).await;
            self.open().await;
        }
        let round = insist(async || {
            let reconciler = Reconciler { runs: self.runs(), spending: &self.world, running: &self.world };
            let round = reconciler.round().await.map_err(|error| error.to_string())?;
            let is_cut = |trouble: &&String| trouble.contains("the ledger") || trouble.contains("asking the workflow");
            // The next round does what a call kept this one from.
            round.guardrails[0].troubles.iter().find(is_cut).map_or(Ok(()), |cut| Err(cut.clone()))?;
            Ok::<Round, String>(round)
        })
        .await;
        self.open().await;
        self.note(&round);
        self.is_in_time().await;
    }

    fn change(&self, event: &Event) {
        *self.world.now.lock().unwrap() = event.on;
        let mut standing = self.world.standing.lock().unwrap();
        if let Some(limit) = event.limit {
            (standing.limit, standing.actual, standing.updated) = (limit, Decimal::ZERO, Some(event.on));
        }
        standing.actual = event.shows.unwrap_or(standing.actual);
        standing.forecast = event.expects.or(standing.forecast);
        if let Some(budgets) = event.budgets {
            *self.world.budgets.lock().unwrap() = budgets;
        }
        if event.lamp == Some(Lamp::Off) {
            *self.world.lamp.lock().unwrap() = false;
        }
        if event.runs.is_some() {
            *self.world.hourly.lock().unwrap() = event.runs;
        }
    }

    /// An alert arrives, as master takes it.
    async fn alert(&mut self, event: &Event, amount: Decimal) {
        let (now, at) = (self.world.now(), self.history.at);
        let today = now.to_zoned(TimeZone::UTC).date();
        let text =
            text(event.dated.unwrap_or(today), at, event.budgeted.unwrap_or(self.world.standing.lock().unwrap().limit), amount);
        let guardrails = BTreeMap::from([(self.guardrail.name.clone(), self.guardrail.clone())]);
        let message = Message { text: text.clone(), ..Message::default() };
        let mut decided = (decide(&message, &guardrails, ACCOUNT, today), Grounds::default());
        if let Decision::Enforce { target, alert: Some(read) } = &decided.0 {
            let belief = insist(async || believe(read, target, &self.guardrail, &self.hands, &self.world, now).await).await;
            decided = decided.0.weighed(belief);
        }
        let (target, grounds) = match decided {
            (Decision::Enforce { target, .. }, grounds) => (target, grounds),
            (Decision::Report { why, .. }, _) => return self.report(&why),
        };
        self.log.push(format!("{now}: alert of ${amount}: {grounds:?}"));
        let record = AlertRecord { format: FORMAT, at: now, text, decision: String::new(), guardrail: None };
        let digest = format!("alert of {now}");
        insist(async || self.hands.record_alert(&digest, &record).await).await;
        let config = Config { guardrails, ..Config::default() };
        insist(async || self.runs().begin(&target, &config, &self.guardrail, &digest, &grounds).await).await;
    }

    fn report(&mut self, why: &str) {
        self.reported = true;
        self.log.push(format!("{}: reported: {why}", self.world.now()));
    }

    /// The state machine's work on runs that plan: their plans are opened, and those that need a yes wait.
    async fn open(&mut self) {
        for run in self.ledger.open_runs(None).await.unwrap() {
            if run.state == RunState::Opening {
                let undecided = run.approval.is_none();
                let opened = insist(async || self.runs().open(&run.id, &[]).await).await;
                self.alone |= undecided && opened.state == RunState::Applying;
            }
        }
    }

    async fn says(&mut self, says: Says) {
        let run = self.latest().await.expect("a run to answer");
        if says == Says::Nothing {
            insist(async || self.runs().hear(&run.id, run.attempts.apply).await).await;
            return;
        }
        let digest = run.approval.unwrap().question.unwrap().list.digest;
        let (approved, for_the_period) = (says == Says::Yes, says == Says::NoForThePeriod);
        let (by, why) = ("ann".to_owned(), "looked at it".to_owned());
        let answer = Answer { approved, by, why, digest, for_the_period };
        insist(async || self.runs().answer(&run.id, &answer).await).await;
        self.open().await;
    }

    async fn latest(&self) -> Option<Run> {
        self.ledger.runs(Some(1)).await.unwrap().into_iter().next().map(|run| run.value)
    }

    async fn outcome(&self) -> Outcome {
        match self.latest().await {
            Some(run) if run.state == RunState::Waiting => Outcome::Asked,
            Some(run) if run.state == RunState::Applying => Outcome::Enforced,
            Some(run) if run.state != RunState::Rejected => panic!("{:?}", run.state),
            _ if self.reported => Outcome::Reported,
            _ => Outcome::Quiet,
        }
    }

    fn note(&mut self, round: &Round) {
        let found = &round.guardrails[0];
        let now = self.world.now();
        let lines = [("did", &found.did), ("said", &found.said), ("TROUBLE", &found.troubles)];
        self.log.extend(lines.iter().flat_map(|(mark, lines)| lines.iter().map(move |line| format!("{now}: {mark} {line}"))));
    }

    /// Is a figure that the bound takes in, and that AWS Budgets itself shows for a period that is certain, enforced by now?
    async fn is_in_time(&mut self) {
        let standing = self.world.standing.lock().unwrap().clone();
        let now = self.world.now();
        let threshold = self.history.at.threshold(standing.limit);
        let shown = standing.of(self.history.at.alert_type);
        let certain = now.to_zoned(TimeZone::UTC).date().day() > 3 && *self.world.budgets.lock().unwrap() == Budgets::There;
        let within = |amount: Decimal| amount > threshold && amount <= super::super::bound(&self.guardrail);
        let actual = self.history.at.alert_type == AlertType::Actual;
        if certain && actual && shown.is_some_and(within) && self.outcome().await != Outcome::Enforced {
            self.late.push(now);
        }
        assert!(self.latest().await.is_none_or(|run| run.period <= self.guardrail.budget.period.present(now)));
    }
}

/// The alert's text, as AWS Budgets writes it.
fn text(date: jiff::civil::Date, at: crate::config::StageAt, limit: Decimal, amount: Decimal) -> String {
    let cents = |amount: Decimal| amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    let kind = at.alert_type.as_str();
    format!(
        "AWS Budget Notification {}\nAWS Account {ACCOUNT}\n\nDear AWS Customer,\n\nBudget Name: beta\nBudget Type: Cost\nBudgeted \
         Amount: ${:.2}\nAlert Type: {kind}\nAlert Threshold: > ${:.2}\n{kind} Amount: ${amount:.2}\n",
        date.strftime("%B %d, %Y"),
        cents(limit),
        cents(at.threshold(limit)),
    )
}
