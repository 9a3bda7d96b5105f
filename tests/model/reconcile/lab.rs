//! A guardrail over a lamp, its figures in AWS Budgets, and rounds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use guardrails_model::census::{Census, Listed, Priced};
use guardrails_model::clock::Clock;
use guardrails_model::config::{ActionSpec, Guardrail, Release, Stage};
use guardrails_model::decide::Target;
use guardrails_model::ids::GuardrailName;
use guardrails_model::pace::Pace;
use guardrails_model::reconcile::{Reconciler, Round};
use guardrails_model::record::{AlertRecord, Direction, FORMAT, Part, Run, RunState};
use guardrails_model::runs::{Answer, Answered, Begun, Heard, Outcome, Workflow, execution_name};
use guardrails_model::spend::{SpendError, Spending, Standing};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::json;

use crate::fake_action::FakeLamps;
use crate::harness::{self, Harness};
use crate::world::lock;

/// The figures of AWS Budgets, by the budget's name.
#[derive(Default)]
pub struct Figures(Mutex<BTreeMap<GuardrailName, Result<Option<Standing>, SpendError>>>);

#[async_trait]
impl Spending for Figures {
    async fn standing(&self, guardrail: &Guardrail) -> Result<Option<Standing>, SpendError> {
        tokio::task::yield_now().await;
        lock(&self.0).get(&guardrail.name).cloned().unwrap_or(Ok(None))
    }
}

/// The resources that run in the scope of each part, and how often they were listed.
pub struct Fleet {
    pub running: Mutex<Listed>,
    pub asked: Mutex<usize>,
}

#[async_trait]
impl Census for Fleet {
    async fn running(&self, _: &Run, _: usize) -> Listed {
        *lock(&self.asked) += 1;
        lock(&self.running).clone()
    }
}

pub struct Lab {
    pub harness: Harness,
    pub toy: Arc<FakeLamps>,
    pub figures: Figures,
    pub fleet: Fleet,
    pub guardrail: Guardrail,
}

impl Lab {
    /// `beta`, 2 USD a month, which turns the lamp `a` off at 100 %, and only notifies at 80 %.
    pub async fn new() -> Self {
        let toy = FakeLamps::new("a: on");
        let lamps = Arc::clone(&toy);
        let make = Box::new(move |_: &_, part: &Part| lamps.action(part.params.as_str().expect("a text")));
        let harness = Harness::new(Arc::clone(&toy.clock), Arc::clone(&toy.gate), |store| store, make);
        let spec = ActionSpec { name: "toy".parse().unwrap(), params: json!("a: off, b: off") };
        let (_, mut guardrail) = harness::stage("beta 100%", vec![vec![spec]]);
        guardrail.stages.insert(0, Stage::new("80% actual".parse().unwrap(), Vec::new()));
        let mut lab = Self {
            harness,
            toy,
            figures: Figures::default(),
            fleet: Fleet { running: Mutex::default(), asked: Mutex::default() },
            guardrail,
        };
        lab.deploy().await;
        lab
    }

    pub async fn deploy(&mut self) {
        self.harness.truth.define(self.guardrail.clone(), Vec::new(), Pace::default()).await.unwrap();
    }

    pub async fn manual(mut self) -> Self {
        self.guardrail.release = Release::Manual;
        self.deploy().await;
        self
    }

    /// Budgets says so much of `beta`, with the alarms that follow; the budget was last updated long ago.
    pub fn says(&self, actual: &str) {
        self.says_since(actual, Timestamp::UNIX_EPOCH);
    }

    /// The same of a budget that was updated then.
    pub fn says_since(&self, actual: &str, updated: Timestamp) {
        let (actual, limit): (Decimal, _) = (actual.parse().unwrap(), self.guardrail.budget.amount.dollars());
        let alarms = self.guardrail.stages.iter().map(|stage| stage.at).filter(|at| actual > at.threshold(limit)).collect();
        let standing = Standing { limit, actual, forecast: None, updated: Some(updated), alarms, differences: Vec::new() };
        lock(&self.figures.0).insert(self.guardrail.name.clone(), Ok(Some(standing)));
    }

    /// Budgets expects so much by the period's end, beside its present figures.
    pub fn expects(&self, forecast: &str) {
        if let Some(Ok(Some(standing))) = lock(&self.figures.0).get_mut(&self.guardrail.name) {
            standing.forecast = Some(forecast.parse().unwrap());
        }
    }

    /// No notification of `beta` is in alarm, whatever is spent.
    pub fn lamp_off(&self) {
        if let Some(Ok(Some(standing))) = lock(&self.figures.0).get_mut(&self.guardrail.name) {
            standing.alarms.clear();
        }
    }

    /// Somebody set the limit of `beta` in AWS Budgets, or changed the properties that `differences` name.
    pub fn is_changed(&self, limit: &str, differences: &[&str]) {
        if let Some(Ok(Some(standing))) = lock(&self.figures.0).get_mut(&self.guardrail.name) {
            standing.limit = limit.parse().unwrap();
            standing.differences = differences.iter().map(|what| (*what).to_owned()).collect();
        }
    }

    /// AWS Budgets has no such budget any more.
    pub fn is_deleted(&self) {
        lock(&self.figures.0).remove(&self.guardrail.name);
    }

    pub fn says_nothing(&self, of: &str) {
        let error = SpendError { doing: "reading the budget".to_owned(), message: "AccessDenied".to_owned(), retryable: false };
        lock(&self.figures.0).insert(of.parse().unwrap(), Err(error));
    }

    /// It is then.
    pub async fn at(&self, time: &str) {
        let then: Timestamp = time.parse().unwrap();
        self.harness.wait((then - self.harness.clock.now()).get_seconds()).await;
    }

    /// One round. The executions that it starts are not carried out yet.
    pub async fn bare_round(&self) -> Round {
        let running = Priced { runs: self.harness.runs(), census: &self.fleet };
        Reconciler { runs: self.harness.runs(), spending: &self.figures, running: &running }.round().await.unwrap()
    }

    /// One round, and all that it starts is carried out.
    pub async fn round(&self) -> Round {
        let round = self.bare_round().await;
        self.settle().await;
        round
    }

    /// Carries out the executions that are under way.
    pub async fn settle(&self) {
        let mut under_way = Vec::new();
        for run in self.harness.truth.open_runs(None).await.unwrap() {
            under_way.extend(self.harness.workflow.is_running(&execution_name(&run)).await.unwrap().then_some(run));
        }
        // To carry one out ends the executions of all.
        for run in under_way {
            if run.direction == Direction::Apply {
                self.harness.open(&run).await.unwrap();
            }
            self.harness.execute(run.direction, &run.id).await.unwrap();
        }
    }

    pub fn target(&self, period: &str) -> Target {
        let stage = self.guardrail.stages[1].at;
        Target { guardrail: self.guardrail.name.clone(), stage, period: period.to_owned(), simulated: false }
    }

    /// The alert of the 100 % stage arrives, and is carried out.
    pub async fn alert(&self, period: &str) -> Begun {
        let begun = self.harness.alert(&self.target(period), &self.guardrail).await.unwrap();
        self.settle().await;
        begun
    }

    pub fn bench_now(&self) -> Timestamp {
        self.harness.clock.now()
    }

    /// An alert of the 100 % stage that says that so much was spent, kept and carried out as the master does.
    pub async fn take_alert(&self, amount: &str) {
        self.keep_alert(amount).await;
        self.alert("2026-11").await;
    }

    async fn keep_alert(&self, amount: &str) {
        let text = crate::deployed::alert("beta", guardrails_local_aws::ACCOUNT, "$2.00", "$2.00", amount);
        let record = AlertRecord { format: FORMAT, at: self.bench_now(), text, decision: String::new(), guardrail: None };
        // The bench's name for all alerts.
        self.harness.truth.record_alert("digest", &record).await.unwrap();
    }

    /// The same of an alert that is not believed: its run waits for a person.
    pub async fn take_doubted_alert(&self, amount: &str) {
        self.keep_alert(amount).await;
        let doubts = [format!("{amount} are not believed")];
        self.harness.doubted_alert(&self.target("2026-11"), &self.guardrail, &doubts).await.unwrap();
        self.settle().await;
    }

    /// The runs that change something, oldest first, such as `2026-11 enforced`.
    pub async fn runs(&self) -> Vec<String> {
        let shown = |run: &Run| {
            let simulated = if run.simulated { " simulated" } else { "" };
            format!("{} {}{simulated}", run.period, run.state.words())
        };
        let runs = self.all().await;
        runs.iter().filter(|run| run.state != RunState::Notified).map(shown).collect()
    }

    pub async fn all(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = self.harness.truth.runs(None).await.unwrap().into_iter().map(|run| run.value).collect();
        runs.sort_by_key(|run| (run.began, run.period.clone()));
        runs
    }

    /// The latest run that changes something.
    pub async fn latest(&self) -> Run {
        self.all().await.into_iter().rfind(|run| !run.parts.is_empty()).expect("a run")
    }

    /// Somebody says no to the present question.
    pub async fn reject(&self, run: &Run) {
        self.say_no(run, false).await;
    }

    /// Somebody releases the stage for the period.
    pub async fn reject_for_the_period(&self, run: &Run) {
        self.say_no(run, true).await;
    }

    async fn say_no(&self, run: &Run, for_the_period: bool) {
        let digest = run.approval.as_ref().unwrap().question.as_ref().unwrap().list.digest.clone();
        let (by, why) = ("ann".to_owned(), "looked at it".to_owned());
        let no = Answer { approved: false, by, why, digest, for_the_period };
        assert!(matches!(self.harness.runs().answer(&run.id, &no).await.unwrap(), Answered::Taken(_)));
    }

    /// Nobody answered in time: the execution that waits goes on.
    pub async fn nobody_answers(&self, run: &Run) {
        let heard = self.harness.runs().hear(&run.id, run.attempts.apply).await.unwrap();
        assert_eq!(heard, Heard::Over { outcome: Outcome::Continued }, "people are asked again");
        self.harness.workflow.end_all();
    }

    /// The lamp.
    pub fn lamp(&self) -> String {
        self.toy.snapshot()["a"].to_string()
    }
}
