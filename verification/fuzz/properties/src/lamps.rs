//! A run over lamps, and the hands that carry it.

use std::sync::Arc;

use guardrails_model::clock::Clock;
use guardrails_model::config::{ActionSpec, Budget, Config, Guardrail, Period, Stage, Tags};
use guardrails_model::cursor::Cursor;
use guardrails_model::decide::Target;
use guardrails_model::drive::{Drive, Progress};
use guardrails_model::ids::{FacetId, RunId};
use guardrails_model::ledger::{Ledger, memory::MemoryStore};
use guardrails_model::record::{Direction, PartPlan, RollbackRequest, Run};
use guardrails_model::runs::{Begun, Runs};
use guardrails_testkit::{Executions, Hand, Lamps};
use jiff::SignedDuration;

/// A ledger, and lamps that are on.
pub(crate) struct Bench {
    clock: Hand,
    ledger: Ledger,
    lamps: Lamps,
}

impl Default for Bench {
    fn default() -> Self {
        let ledger = Ledger::new(Arc::new(MemoryStore::default()));
        Self { clock: Hand::default(), ledger, lamps: Lamps::default() }
    }
}

impl Bench {
    pub(crate) fn runs(&self) -> Runs<'_> {
        Runs { ledger: &self.ledger, workflow: &Executions, clock: &self.clock, by: "fuzz".to_owned() }
    }

    /// A run over so many lamps.
    pub(crate) async fn begun(&mut self, lamps: usize) -> Run {
        self.lamps = Lamps::new((0..lamps).map(facet), "on");
        let at = "100% actual".parse().expect("a stage");
        let name: guardrails_model::ids::GuardrailName = "beta".parse().expect("a name");
        let spec = ActionSpec { name: "lamps".parse().expect("a name"), params: serde_json::Value::Null };
        let amount = "2 USD".parse().expect("an amount");
        let budget = Budget { amount, period: Period::Monthly, service: Vec::new(), tag: Tags::default() };
        let guardrail = Guardrail::new(name.clone(), budget, vec![Stage::new(at, vec![vec![spec]])]);
        let target = Target { guardrail: name, stage: at, period: "2026-11".to_owned(), simulated: false };
        match self.runs().begin(&target, &Config::default(), &guardrail, "digest", &[]).await {
            Ok(Begun::Started(run)) => *run,
            other => panic!("{other:?}"),
        }
    }

    /// The run, with its plan written down and open.
    pub(crate) async fn opened(&self, run: &Run) -> Run {
        let written = self.drive().plan(run, 0, &self.lamps).await.expect("the ledger is sound");
        self.runs().open(&run.id, &[(0, PartPlan::Written(written))]).await.expect("the ledger is sound")
    }

    /// Carries the run's part for at most so many rounds, from `cursor` on. Nothing when it did not come to its end.
    pub(crate) async fn carry(&self, direction: Direction, run: &RunId, mut cursor: Cursor, rounds: usize) -> Option<()> {
        for _ in 0..rounds {
            match self.drive().go(direction, run, 0, std::mem::take(&mut cursor), &self.lamps).await.expect("the ledger is sound")
            {
                Progress::Settling { seconds, cursor: next, .. } => {
                    assert!((1..=300).contains(&seconds), "a wait of {seconds} s");
                    self.clock.pass(seconds);
                    cursor = next;
                }
                Progress::Done { .. } | Progress::Superseded => return Some(()),
            }
        }
        None
    }

    pub(crate) async fn ask_back(&self, run: &RunId) {
        let (by, why) = ("ann".to_owned(), "because".to_owned());
        let request = RollbackRequest::whole(by, self.clock.now(), why);
        self.runs().roll_back(run, &request).await.expect("the ledger is sound");
    }

    pub(crate) fn is_as_before(&self) -> bool {
        self.lamps.are("on")
    }

    fn drive(&self) -> Drive<'_> {
        Drive::new(&self.ledger, &self.clock, self.clock.now() + SignedDuration::from_mins(1), "fuzz".to_owned())
    }
}

fn facet(lamp: usize) -> FacetId {
    FacetId::new("lamp", "hall", &lamp.to_string()).expect("a facet")
}
