//! A run over lamps, with the bench that carries it.

use std::sync::Arc;

use guardrails_model::config::ActionSpec;
use guardrails_model::cursor::Cursor;
use guardrails_model::engine::Progress;
use guardrails_model::ids::RunId;
use guardrails_model::record::{Direction, Run};
use guardrails_model::runs::{Begun, RollbackAsked, Runs};
use guardrails_testkit::fake_action::FakeLamps;
use guardrails_testkit::harness::{self, Harness};
use serde_json::Value as Json;

/// A ledger, and so many lamps that are on.
pub(crate) struct Lamps {
    toy: Arc<FakeLamps>,
    harness: Harness,
}

impl Lamps {
    pub(crate) fn on(lamps: usize) -> Self {
        let all = |value: &str| (0..lamps).map(|lamp| format!("{lamp}: {value}")).collect::<Vec<_>>().join(", ");
        let toy = FakeLamps::new(&all("on"));
        let action = toy.action(&all("off"));
        let make = Box::new(move |_: &_, _: &_| Arc::clone(&action));
        Self { harness: Harness::new(Arc::clone(&toy.clock), Arc::clone(&toy.gate), |store| store, make), toy }
    }

    pub(crate) fn runs(&self) -> Runs<'_> {
        self.harness.runs()
    }

    /// A run over all of them.
    pub(crate) async fn begun(&self) -> Run {
        let spec = ActionSpec { name: "lamps".parse().expect("a name"), params: Json::Null };
        let (target, guardrail) = harness::stage("beta 100%", vec![vec![spec]]);
        match self.harness.alert(&target, &guardrail).await {
            Ok(Begun::Started(run)) => *run,
            other => panic!("{other:?}"),
        }
    }

    /// The run, with its plan written down and open.
    pub(crate) async fn opened(&self, run: &Run) -> Run {
        self.harness.open(run).await.expect("the ledger is sound")
    }

    /// Carries the run's part for at most so many rounds, from `cursor` on. Nothing when it did not come to its end.
    pub(crate) async fn carry(&self, direction: Direction, run: &RunId, mut cursor: Cursor, rounds: usize) -> Option<()> {
        for _ in 0..rounds {
            let invoked = self.harness.invoke_from(direction, run, 0, std::mem::take(&mut cursor)).await;
            match invoked.expect("nobody dies").expect("the ledger is sound") {
                Progress::Settling { seconds, cursor: next, .. } => {
                    assert!((1..=300).contains(&seconds), "a wait of {seconds} s");
                    self.harness.wait(seconds).await;
                    cursor = next;
                }
                Progress::Done { .. } | Progress::Superseded => return Some(()),
            }
        }
        None
    }

    pub(crate) async fn ask_back(&self, run: &RunId) -> RollbackAsked {
        self.harness.ask_back(run, &[], false).await
    }

    pub(crate) fn are_as_before(&self) -> bool {
        self.toy.snapshot().values().all(|value| value.as_str() == "on")
    }
}
