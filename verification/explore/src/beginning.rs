//! The beginning of a scenario: the product's own code makes it, all at once, and nothing goes wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::executor::block_on;
use guardrails_model::action::Action;
use guardrails_model::config::{ActionSpec, Budget, Config, Guardrail, Period, Stage, StageAt};
use guardrails_model::decide::Target;
use guardrails_model::direction::Direction;
use guardrails_model::engine::{Cursor, Executor};
use guardrails_model::ids::GuardrailName;
use guardrails_model::ledger::{Item, Ledger, Page, Store, memory::MemoryStore};
use guardrails_model::record::PartPlan;
use guardrails_model::runs::{Begun, Ended, Grounds, Runs};
use guardrails_testkit::fake_action::FakeLamps;
use guardrails_testkit::{FakeWorkflow, ManualClock};
use jiff::SignedDuration;

use crate::known::{Known, KnownRun};
use crate::lamp::{LIFE, OFF, facet, moment};
use crate::line::forget;
use crate::scenario::{At, Scenario};

/// How it is at the beginning.
pub(crate) struct Beginning {
    pub(crate) known: Known,
    pub(crate) items: Vec<Item>,
    pub(crate) lamp: &'static str,
}

/// Begins, plans, opens and where asked for carries out the scenario's runs, with the product's own code.
pub(crate) fn begin(scenario: &Scenario) -> Beginning {
    let store = Arc::new(MemoryStore::default());
    let ledger = Ledger::new(Arc::clone(&store) as Arc<dyn Store>);
    let toy = FakeLamps::new(&format!("a: {}", scenario.lamp));
    let lamp = toy.action(&format!("a: {OFF}"));
    let runs: Vec<KnownRun> = scenario.runs.iter().map(|(who, at)| block_on(begin_one(who, *at, &ledger, &*lamp))).collect();
    let mut items = Vec::new();
    for run in &runs {
        for pk in ["RUN", &format!("STEP#{}", run.id), &format!("STAGE#{}", run.guardrail.name), &format!("FACET#{}", facet())] {
            items.extend(block_on(store.list(&Page::whole(pk))).expect("a store in memory"));
        }
    }
    items.sort_by(|one, other| one.key.cmp(&other.key));
    items.dedup_by(|one, other| one.key == other.key);
    for item in &mut items {
        forget(&mut item.doc);
    }
    let lamp = if toy.snapshot()["a"].as_str() == scenario.lamp { scenario.lamp } else { OFF };
    Beginning { known: Known { runs, drift: scenario.drift }, items, lamp }
}

async fn begin_one(who: &str, at: At, ledger: &Ledger, lamp: &dyn Action) -> KnownRun {
    let (target, guardrail) = stage(who);
    let guardrails = BTreeMap::from([(guardrail.name.clone(), guardrail.clone())]);
    let config = Config { guardrails, ..Config::default() };
    let (clock, workflow) = (ManualClock::at(moment(0)), FakeWorkflow::default());
    let runs = Runs { ledger, workflow: &workflow, clock: &clock, by: "explorer".to_owned() };
    let executor = || Executor::new(ledger, &clock, moment(0) + SignedDuration::from_secs(LIFE), "explorer".to_owned());
    let Ok(Begun::Started(run)) = runs.begin(&target, &config, &guardrail, "digest", &Grounds::default()).await else {
        panic!("{who} begins")
    };
    let steps = executor().plan(&run, 0, lamp).await.expect("a plan");
    let run = runs.open(&run.id, &[(0, PartPlan::Written(steps))]).await.expect("it opens");
    if at == At::Enforced {
        executor().advance(Direction::Apply, &run.id, 0, Cursor::default(), lamp).await.expect("it is carried out");
        let ended = Ended { direction: Direction::Apply, try_number: Some(1), failures: Vec::new(), unfinished: Vec::new() };
        runs.close(&run.id, &ended).await.expect("it is closed");
    }
    KnownRun { id: run.id, target, config, guardrail }
}

/// `beta 80%` or `beta 80% simulated`, as the target and the guardrail of an alert.
fn stage(who: &str) -> (Target, Guardrail) {
    let mut words = who.split(' ');
    let name: GuardrailName = words.next().and_then(|word| word.parse().ok()).expect("a guardrail");
    let at: StageAt = words.next().and_then(|percent| format!("{percent} actual").parse().ok()).expect("a stage");
    let simulated = words.next() == Some("simulated");
    let amount = "2 USD".parse().expect("an amount");
    let budget = Budget::new(amount, Period::Monthly);
    let target = Target { guardrail: name.clone(), stage: at, period: "2026-11".to_owned(), simulated };
    let action = ActionSpec { name: "toy".parse().expect("an action's name"), params: serde_json::Value::Null };
    (target, Guardrail::new(name, budget, vec![Stage::new(at, vec![vec![action]])]))
}
