//! The one door of these tests: a story is told of lamps, and [`Story::check`] compares how everything stands.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use guardrails_model::config::{ActionSpec, Guardrail};
use guardrails_model::decide::Target;
use guardrails_model::engine::{ExecutorError, Progress};
use guardrails_model::ids::{FacetId, RunId};
use guardrails_model::record::{Direction, Part, Run, Step};
use guardrails_model::runs::{Begun, RollbackAsked};
use serde_json::json;

use crate::fake_action::{FakeLamps, facet, name};
use crate::harness::{self, Harness};
use crate::world::lock;

/// Lamps, runs over them, and time.
pub struct Story {
    pub harness: Harness,
    pub toy: Arc<FakeLamps>,
    names: Mutex<Vec<(RunId, String)>>,
}

impl Story {
    /// Lamps as `a: on, b: off`.
    pub fn of(lamps: &str) -> Self {
        let toy = FakeLamps::new(lamps);
        let lamps = Arc::clone(&toy);
        let make = Box::new(move |_: &_, part: &Part| lamps.action(part.params.as_str().expect("a text")));
        let harness = Harness::new(Arc::clone(&toy.clock), Arc::clone(&toy.gate), |store| store, make);
        Self { harness, toy, names: Mutex::default() }
    }

    /// An alert for `who`, such as `beta 80%` or `beta 80% simulated`, whose stage wants `desired`, such as `a: off`;
    /// with `;` between, several actions of one stage.
    pub async fn alert(&self, who: &str, desired: &str) -> Begun {
        let (target, guardrail) = stage(who, desired);
        let begun = self.harness.alert(&target, &guardrail).await.expect("the alert is taken");
        if let Begun::Started(run) = &begun {
            self.know(run, who);
        }
        begun
    }

    /// An alert that begins a run, which is planned and opened but not yet carried out.
    pub async fn open(&self, who: &str, desired: &str) -> RunId {
        let Begun::Started(run) = self.alert(who, desired).await else { panic!("`{who}` is under way already") };
        self.harness.open(&run).await.expect("the run opens").id
    }

    /// An alert that begins a run, carried out to its end.
    pub async fn enforce(&self, who: &str, desired: &str) -> RunId {
        let run = self.open(who, desired).await;
        self.apply(&run).await;
        run
    }

    /// Applies a run to its end.
    pub async fn apply(&self, run: &RunId) {
        self.harness.execute(Direction::Apply, run).await.expect("the run is closed");
    }

    /// One invocation of a run's first part.
    pub async fn invoke(&self, direction: Direction, run: &RunId) -> Option<Result<Progress, ExecutorError>> {
        self.harness.invoke(direction, run, 0).await
    }

    /// Rolls a run back to the end.
    pub async fn put_back(&self, run: &RunId) {
        self.put_back_only(run, &[], false).await;
    }

    /// Rolls a run back with force.
    pub async fn put_back_with_force(&self, run: &RunId) {
        self.put_back_only(run, &[], true).await;
    }

    /// Rolls some lamps of a run back.
    pub async fn put_back_only(&self, run: &RunId, only: &[&str], force: bool) {
        let only: Vec<FacetId> = only.iter().map(|name| facet(name)).collect();
        let asked = self.harness.ask_back(run, &only, force).await;
        assert!(matches!(asked, RollbackAsked::Started(_)), "{asked:?}");
        self.harness.execute(Direction::Rollback, run).await.expect("the run is closed");
    }

    /// Gives a run the name that [`Self::check`] shows.
    pub fn know(&self, run: &Run, who: &str) {
        let mut names = lock(&self.names);
        if names.iter().any(|(id, _)| *id == run.id) {
            return;
        }
        let again = names.iter().any(|(_, name)| name == who);
        let name = if again { format!("{who} again") } else { who.to_owned() };
        names.push((run.id.clone(), name));
    }

    /// Everything as it stands: a line for each lamp, such as `a: off (was on, held by beta 80%)`, and one for each run,
    /// in their order, such as `beta 80%: enforced; a applied`.
    pub async fn check(&self, expected: &[&str]) {
        let shown = self.show().await;
        assert_eq!(shown.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }

    async fn show(&self) -> Vec<String> {
        let names = lock(&self.names).clone();
        let mut lines = Vec::new();
        let mut lamps =
            self.toy.snapshot().into_iter().map(|(name, value)| (name, value.to_string())).collect::<BTreeMap<_, _>>();
        let mut runs = Vec::new();
        for (id, who) in &names {
            let run = self.harness.truth.run(id).await.expect("the ledger").expect("the run").value;
            let mut steps = Vec::new();
            for part in 0..run.parts.len() {
                steps.extend(self.harness.truth.steps(&run, part).await.expect("the ledger").into_iter().map(|step| step.value));
            }
            for step in &steps {
                lamps.entry(name(&step.facet)).or_insert_with(|| "gone".to_owned());
            }
            let steps: Vec<String> = steps.iter().map(|step| shown(step, &names)).collect();
            let all = if steps.is_empty() { "nothing".to_owned() } else { steps.join(", ") };
            runs.push(format!("{who}: {}; {all}", run.state.words()));
        }
        for (lamp, value) in lamps {
            let facet = self.harness.truth.facets(&[facet(&lamp)]).await.expect("the ledger").into_values().next();
            let held = facet.filter(|facet| !facet.value.holders.is_empty()).map(|facet| {
                let holders = json!(facet.value.holders).to_string();
                let holds = |(run, _): &&(RunId, String)| holders.contains(run.as_str());
                let holders: Vec<&str> = names.iter().filter(holds).map(|(_, name)| name.as_str()).collect();
                format!(" (was {}, held by {})", facet.value.before, holders.join(" and "))
            });
            lines.push(format!("{lamp}: {value}{}", held.unwrap_or_default()));
        }
        lines.extend(runs);
        lines
    }
}

fn shown(step: &Step, names: &[(RunId, String)]) -> String {
    let mut reason = step.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    for (id, name) in names {
        reason = reason.replace(id.as_str(), name);
    }
    format!("{} {}{reason}", step.label, step.phase)
}

/// `beta 80%` and its desired values, as the target and the guardrail of an alert.
pub fn stage(who: &str, desired: &str) -> (Target, Guardrail) {
    let spec = |desired: &str| ActionSpec { name: "toy".parse().expect("an action's name"), params: json!(desired) };
    let waves = desired.split("; ").filter(|desired| !desired.is_empty()).map(|desired| vec![spec(desired)]);
    harness::stage(who, waves.collect())
}
