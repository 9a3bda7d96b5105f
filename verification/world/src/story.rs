//! An account of AWS, and runs in it, told in sentences.

use std::sync::Arc;

use guardrails_aws::actions::CATALOG;
use guardrails_model::action::Action;
use guardrails_model::clock::Clock;
use guardrails_model::config::ActionSpec;
use guardrails_model::ids::RunId;
use guardrails_model::record::{Direction, RollbackRequest, Run, Step};
use guardrails_model::runs::{Begun, Outcome, Rescanned};
use guardrails_model::verify::{Demand, Rule};
use guardrails_testkit::harness::{self, Harness};
use serde_json::{Value as Json, json};

use crate::{Account, Instance, Power, World, catalog};

/// An operator that is a user.
pub const ANN: &str = "arn:aws:iam::123456789012:user/ann";
/// An operator that is a role.
pub const FINOPS: &str = "arn:aws:iam::123456789012:role/FinOps";

/// An account, and the runs in it.
pub struct Story {
    /// The account.
    pub world: Arc<World>,
    /// The ledger, the state machine and the hands that move them.
    pub harness: Harness,
}

impl Story {
    /// An account in which Ann and those with the role `FinOps` are operators.
    pub fn of(fill: impl FnOnce(&mut Account)) -> Self {
        Self::with(fill, |action| action)
    }

    /// The same, with actions that are not quite the product's.
    pub fn with(
        fill: impl FnOnce(&mut Account),
        wrap: impl Fn(Arc<dyn Action>) -> Arc<dyn Action> + Send + Sync + 'static,
    ) -> Self {
        Self::made(fill, &[ANN, FINOPS], wrap)
    }

    /// An account that has these operators.
    pub fn operated_by(operators: &[&str], fill: impl FnOnce(&mut Account)) -> Self {
        Self::made(fill, operators, |action| action)
    }

    fn made(
        fill: impl FnOnce(&mut Account),
        operators: &[&str],
        wrap: impl Fn(Arc<dyn Action>) -> Arc<dyn Action> + Send + Sync + 'static,
    ) -> Self {
        let world = Arc::new(World::default());
        world.account().granted = Some(("Project", "Beta"));
        fill(&mut world.account());
        let make = catalog(&world, operators);
        let make = Box::new(move |run: &_, part: &_| wrap(make(run, part)));
        let harness = Harness::new(Arc::clone(&world.clock), Arc::clone(&world.gate), |store| store, make);
        Self { world, harness }
    }

    /// A run that is planned, and not yet carried out.
    pub async fn open(&self, who: &str, action: &str, params: Json) -> RunId {
        let spec = ActionSpec { name: action.parse().unwrap(), params };
        let (target, guardrail) = harness::stage(who, vec![vec![spec]]);
        let Begun::Started(run) = self.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not begun") };
        self.harness.open(&run).await.unwrap().id
    }

    /// The same of a stage that demands that nothing in its scope is left alone.
    pub async fn open_demanding(&self, who: &str, action: &str, params: Json) -> RunId {
        let spec = ActionSpec { name: action.parse().unwrap(), params };
        let (target, mut guardrail) = harness::stage(who, vec![vec![spec]]);
        guardrail.stages[0].left_alone = Demand::Fail;
        let Begun::Started(run) = self.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not begun") };
        self.harness.open(&run).await.unwrap().id
    }

    /// How often AWS was asked for an operation.
    pub fn calls(&self, operation: &str) -> usize {
        self.world.account().calls.get(operation).map_or(0, |(calls, _)| *calls)
    }

    /// The step of this label.
    ///
    /// # Panics
    /// When the run has none.
    pub async fn step(&self, run: &RunId, label: &str) -> Step {
        let steps = self.steps(run).await;
        steps.into_iter().find(|step| step.label == label).unwrap_or_else(|| panic!("no step of {label}"))
    }

    /// The reason that the step of this label gives.
    pub async fn reason(&self, run: &RunId, label: &str) -> String {
        self.step(run, label).await.reason.unwrap_or_default()
    }

    /// A run of a stage of several actions, one after another, planned.
    pub async fn open_stage(&self, who: &str, actions: &[(&str, Json)]) -> RunId {
        let spec = |(name, params): &(&str, Json)| ActionSpec { name: name.parse().unwrap(), params: params.clone() };
        let specs: Vec<ActionSpec> = actions.iter().map(spec).collect();
        let restricts = |spec: &ActionSpec| CATALOG.read(spec).unwrap().restricts();
        let of = specs.iter().flat_map(restricts).collect();
        let (target, mut guardrail) = harness::stage(who, specs.into_iter().map(|spec| vec![spec]).collect());
        guardrail.stages[0].verify = Some(Rule { demand: Demand::Report, of });
        let Begun::Started(run) = self.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not begun") };
        self.harness.open(&run).await.unwrap().id
    }

    /// A run of a stage of these waves, planned.
    pub async fn open_waves(&self, who: &str, waves: Vec<Vec<ActionSpec>>) -> RunId {
        let (target, guardrail) = harness::stage(who, waves);
        let Begun::Started(run) = self.harness.alert(&target, &guardrail).await.unwrap() else { panic!("not begun") };
        self.harness.open(&run).await.unwrap().id
    }

    /// A run of `stop-instances` over the resources that carry `Project=Beta`, planned.
    pub async fn open_beta(&self, who: &str, more: Json) -> RunId {
        let mut params = json!({"tag": {"Project": "Beta"}});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.open(who, "stop-instances", params).await
    }

    /// The same, carried out.
    pub async fn stop_beta_with(&self, who: &str, more: Json) -> RunId {
        let run = self.open_beta(who, more).await;
        self.apply(&run).await;
        run
    }

    /// The same as it is without further parameters.
    pub async fn stop_beta(&self, who: &str) -> RunId {
        self.stop_beta_with(who, json!({})).await
    }

    /// Carries a run out.
    pub async fn apply(&self, run: &RunId) {
        self.harness.execute(Direction::Apply, run).await.unwrap();
    }

    /// Looks again at a run's holds, as every round of the reconciler does. How it ended.
    pub async fn look(&self, run: &RunId) -> Outcome {
        let Rescanned::Started(run) = self.harness.runs().rescan(run).await.unwrap() else { panic!("no look was begun") };
        self.harness.open(&run).await.unwrap();
        self.harness.execute(Direction::Apply, &run.id).await.unwrap().outcome
    }

    /// Begins such a look, and plans it.
    pub async fn begin_look(&self, run: &RunId) {
        let Rescanned::Started(run) = self.harness.runs().rescan(run).await.unwrap() else { panic!("no look was begun") };
        self.harness.open(&run).await.unwrap();
    }

    /// Rolls back as far as it goes.
    pub async fn put_back(&self, run: &RunId) {
        self.put_back_by(run, &[], false).await;
    }

    /// The same, with `force`.
    pub async fn put_back_with_force(&self, run: &RunId) {
        self.put_back_by(run, &[], true).await;
    }

    /// Rolls back the facets that the selectors mean, such as `instance-power/eu-west-1/`.
    pub async fn put_back_by(&self, run: &RunId, only: &[&str], force: bool) {
        let only = only.iter().map(|selector| selector.parse().unwrap()).collect();
        let request = RollbackRequest {
            by: ANN.to_owned(),
            at: self.world.clock.now(),
            why: "because".to_owned(),
            only,
            actions: Vec::new(),
            places: Vec::new(),
            force,
            armed: false,
        };
        self.harness.runs().roll_back(run, &request).await.unwrap();
        self.harness.execute(Direction::Rollback, run).await.unwrap();
    }

    /// Time passes.
    pub async fn hour(&self) {
        self.harness.wait(3600).await;
    }

    /// The account's state, such as `i-1 Stopped`.
    pub fn is(&self) -> Vec<String> {
        self.world.account().snapshot().iter().map(|(name, is)| format!("{name} {is}")).collect()
    }

    /// Everything that must be as before: the account's state, the groups' members, and how they find them.
    pub fn picture(&self) -> Vec<String> {
        let mut is = self.is();
        let account = self.world.account();
        let rolls =
            account.fleets.values().flat_map(|group| group.roll().into_iter().map(|line| format!("{}: {line}", group.name)));
        is.extend(rolls);
        is
    }

    /// The instances that groups have terminated so far.
    pub fn terminated(&self) -> Vec<String> {
        self.world.account().terminated.clone()
    }

    /// The state of a run, for people.
    pub async fn state(&self, run: &RunId) -> &'static str {
        self.load(run).await.state.words()
    }

    /// The run as the ledger has it.
    pub async fn load(&self, run: &RunId) -> Run {
        self.harness.truth.run(run).await.unwrap().unwrap().value
    }

    /// The steps of a run.
    pub async fn steps(&self, run: &RunId) -> Vec<Step> {
        self.harness.runs().steps(&self.load(run).await).await.unwrap()
    }

    /// How steps ended, such as `i-1: applied`, with their reasons.
    pub async fn told(&self, run: &RunId) -> Vec<String> {
        let told = |step: Step| {
            let reason = step.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("{}: {}{reason}", step.label, step.phase)
        };
        self.steps(run).await.into_iter().map(told).collect()
    }

    /// How the steps of instances ended.
    pub async fn members(&self, run: &RunId) -> Vec<String> {
        let of_group = |step: &String| step.split(": ").next().is_some_and(|label| label.contains(" of group "));
        self.told(run).await.into_iter().filter(|step| !of_group(step)).collect()
    }

    /// How the steps of groups' processes ended, alike ones once.
    pub async fn processes(&self, run: &RunId) -> Vec<String> {
        let told = self.told(run).await.into_iter().filter_map(|step| {
            let (label, ended) = step.split_once(": ")?;
            label.contains(" of group ").then(|| ended.to_owned())
        });
        let mut told: Vec<String> = told.collect();
        told.sort();
        told.dedup();
        told
    }

    /// The account's state, such as `i-1 Stopped`, and how the run's steps ended, such as `i-1: applied`, with their reasons.
    pub async fn check(&self, run: &RunId, world: &[&str], steps: &[&str]) {
        assert_eq!(self.is(), world);
        let told = self.told(run).await;
        let run = self.load(run).await;
        assert_eq!(told, steps, "{:?} {:?}", run.parts, run.events.last());
    }
}

/// An instance that runs, and is in scope.
pub fn running(id: &str) -> Instance {
    Instance::new(id, Power::Running, "Project=Beta")
}
