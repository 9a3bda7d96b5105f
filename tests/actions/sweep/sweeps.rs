//! The sweeps: a fault of every kind at every call. All stories of a sweep begin at one moment, to which it goes back each time.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use guardrails_model::engine::{LEASE_MARGIN, Progress};
use guardrails_model::ids::RunId;
use guardrails_model::ledger::Store;
use guardrails_model::record::Direction;

use super::lab::{Lab, Meets, Moment, Scenario};
use super::sabotage::{Sabotage, Sabotaged};
use super::scenarios::LAG;
use crate::harness::LIFE;
use crate::world::{Fault, Kind};

/// How late a call may land: the margin covers also the time until it is seen.
const LATEST: i64 = LIFE + LEASE_MARGIN.as_secs() - LAG - 1;

/// The faults of a call that changes something. A late one lands soon, or as late as may be.
const KINDS: &[Kind] = &[
    Kind::DieBefore,
    Kind::DieAfter,
    Kind::DieLate(20),
    Kind::DieLate(LATEST),
    Kind::LostAnswer,
    Kind::Refused,
    Kind::Throttled,
];
/// The same for a call that only reads: when it has its effect makes no difference.
const OF_READS: &[Kind] = &[Kind::DieBefore, Kind::Refused];

/// Of them, those that leave more behind than is written down.
const HIDDEN: &[Kind] = &[Kind::DieAfter, Kind::DieLate(20), Kind::DieLate(LATEST), Kind::LostAnswer];
/// The faults of a write to the ledger where it is the account that matters.
const OF_WRITES: &[Kind] = &[Kind::DieBefore, Kind::DieAfter];

/// A scenario, its ledger sound or sabotaged, and the errors that were found.
pub struct Sweep<'a> {
    scenario: &'a Scenario,
    sabotage: Option<Sabotage>,
    stories: usize,
    pub found: Vec<String>,
}

impl<'a> Sweep<'a> {
    pub fn new(scenario: &'a Scenario, sabotage: Option<Sabotage>) -> Self {
        Self { scenario, sabotage, stories: 0, found: Vec::new() }
    }

    /// Fails with the errors that were found, or if next to nothing was tried.
    pub fn assert_clean(&self) {
        let (name, stories) = (self.scenario.name, self.stories);
        assert!(stories > 5, "{name}: only {stories} stories were told");
        assert!(self.found.is_empty(), "{name}: {} of {stories} end badly:\n{}", self.found.len(), self.found.join("\n"));
    }

    fn lab(&self) -> Lab<'a> {
        Lab::new(self.scenario, |sound: Arc<dyn Store>| match self.sabotage {
            Some(how) => Sabotaged::store(sound, how),
            None => sound,
        })
    }

    fn note(&mut self, fault: impl Display, then: &str, result: Result<(), String>) {
        self.stories += 1;
        if let Err(wrong) = result {
            self.found.push(format!("{fault}, {then}: {wrong}"));
        }
    }

    /// Faults in planning; then planned again, and all the rest.
    pub async fn plan(&mut self) {
        let lab = self.lab();
        let run = lab.begin("beta 80%").await;
        let begun = lab.save();
        lab.harness.gate.disarm();
        lab.harness.open(&run).await.expect("it opens");
        for fault in self.faults(&lab.harness.gate.calls()) {
            lab.restore(&begun);
            lab.harness.gate.arm(fault);
            let _ = lab.harness.gate.until_death(Box::pin(lab.harness.open(&run))).await;
            let hit = lab.disarm();
            lab.harness.open(&run).await.expect("it opens");
            lab.execute(Direction::Apply, &run.id).await;
            let enforced = lab.check_enforced(&run.id).await;
            self.note(&hit, "planned again", enforced);
            let back = roll_back(&lab, &run.id).await;
            self.note(&hit, "planned again and rolled back", back);
        }
    }

    /// Faults in applying; then rolled back as it is, or applied to the end first.
    pub async fn apply(&mut self) {
        let (lab, run, open) = self.opened().await;
        for fault in self.faults(&lab.calls(Direction::Apply, &run).await) {
            lab.restore(&open);
            let hit = lab.to_fault(Direction::Apply, &run, fault).await;
            let half_done = lab.save();
            let back = roll_back(&lab, &run).await;
            self.note(&hit, "rolled back", back);

            lab.restore(&half_done);
            lab.execute(Direction::Apply, &run).await;
            let enforced = lab.check_enforced(&run).await;
            self.note(&hit, "applied again", enforced);
            let back = roll_back(&lab, &run).await;
            self.note(&hit, "applied again and rolled back", back);
        }
    }

    /// Faults in rolling back; then taken up by the same execution, or asked for anew.
    pub async fn rollback(&mut self) {
        let (lab, run, _) = self.opened().await;
        lab.execute(Direction::Apply, &run).await;
        lab.ask_back(&run).await;
        let asked = lab.save();
        for fault in self.faults(&lab.calls(Direction::Rollback, &run).await) {
            lab.restore(&asked);
            let hit = lab.to_fault(Direction::Rollback, &run, fault).await;
            let half_back = lab.save();
            lab.execute(Direction::Rollback, &run).await;
            let clean = lab.check_clean(&run).await;
            self.note(&hit, "taken up", clean);

            lab.restore(&half_back);
            let back = roll_back(&lab, &run).await;
            self.note(&hit, "asked for anew", back);
        }
    }

    /// A fault in applying that leaves more behind than is written down, and another in rolling that back.
    pub async fn pairs(&mut self) {
        let hidden = [Kind::DieAfter, Kind::DieLate(LATEST), Kind::LostAnswer];
        let (lab, run, open) = self.opened().await;
        let faults = self.faults(&lab.calls(Direction::Apply, &run).await);
        for first in faults.into_iter().filter(|fault| hidden.contains(&fault.kind)) {
            lab.restore(&open);
            lab.to_fault(Direction::Apply, &run, first).await;
            lab.ask_back(&run).await;
            let half_done = lab.save();
            for second in self.faults(&lab.calls(Direction::Rollback, &run).await) {
                lab.restore(&half_done);
                let hit = lab.to_fault(Direction::Rollback, &run, second).await;
                let back = roll_back(&lab, &run).await;
                self.note(format!("{first:?}, then {hit}"), "rolled back", back);
            }
        }
    }

    /// An applier that stands still at any call while the run is rolled back, and comes to itself in its last second.
    pub async fn stalled_apply(&mut self) {
        let (lab, run, open) = self.opened().await;
        for at in self.moments(&lab, Direction::Apply, &run).await {
            lab.restore(&open);
            let back = async {
                lab.ask_back(&run).await;
                meanwhile(&lab, &run, Direction::Rollback, LIFE - 1).await;
            };
            let Some(hit) = Box::pin(stall(&lab, at, Direction::Apply, &run, back)).await else { break };
            let back = roll_back(&lab, &run).await;
            self.note(hit, "rolled back meanwhile", back);
        }
    }

    /// An applier that stands still at any call while a second invocation does the same work.
    pub async fn stalled_twin(&mut self) {
        let (lab, run, open) = self.opened().await;
        for at in self.moments(&lab, Direction::Apply, &run).await {
            lab.restore(&open);
            let twin = async {
                meanwhile(&lab, &run, Direction::Apply, LIFE - 1).await;
            };
            let Some(hit) = Box::pin(stall(&lab, at, Direction::Apply, &run, twin)).await else { break };
            lab.execute(Direction::Apply, &run).await;
            let enforced = lab.check_enforced(&run).await;
            self.note(&hit, "applied twice", enforced);
            let back = roll_back(&lab, &run).await;
            self.note(&hit, "applied twice and rolled back", back);
        }
    }

    /// A rollback that stands still at any call while another finishes it and a new run comes.
    pub async fn stalled_rollback(&mut self) {
        let (lab, run, _) = self.opened().await;
        // The appliers' calls cannot land any more when the rollback is asked for.
        lab.execute(Direction::Apply, &run).await;
        lab.harness.wait(2 * LIFE).await;
        lab.ask_back(&run).await;
        let asked = lab.save();
        for at in self.moments(&lab, Direction::Rollback, &run).await {
            lab.restore(&asked);
            let mut next = None;
            let others = async {
                let left = meanwhile(&lab, &run, Direction::Rollback, LIFE - 1).await;
                let run = lab.open("beta 100%").await;
                meanwhile(&lab, &run, Direction::Apply, left).await;
                next = Some(run);
            };
            let Some(hit) = Box::pin(stall(&lab, at, Direction::Rollback, &run, others)).await else { break };
            let next = next.expect("another run");
            lab.execute(Direction::Rollback, &run).await;
            lab.execute(Direction::Apply, &next).await;
            lab.harness.wait(600).await;
            let enforced = lab.check_enforced(&next).await;
            self.note(&hit, "another run applied", enforced);
            let back = roll_back(&lab, &next).await;
            self.note(&hit, "another run rolled back", back);
        }
    }

    /// A run that is open, and the moment at which it is: every story of a sweep begins there.
    async fn opened(&self) -> (Lab<'a>, RunId, Moment) {
        let lab = self.lab();
        let run = lab.open("beta 80%").await;
        let open = lab.save();
        (lab, run, open)
    }

    /// Everything that may go wrong with these calls, one at a time.
    fn faults(&self, calls: &[String]) -> Vec<Fault> {
        let mut alike = BTreeSet::new();
        let mut faults = Vec::new();
        for (call, at) in calls.iter().zip(1..) {
            if !is_read(call) {
                alike.clear();
            }
            let of_ledger = call.starts_with("ledger");
            let kinds = match (self.scenario.meets, is_read(call)) {
                (Meets::All, true) => OF_READS,
                (Meets::Different, true) if !of_ledger && alike.insert(call) => &OF_READS[..1],
                (Meets::Different, false) if of_ledger => OF_WRITES,
                (Meets::All | Meets::Different, false) => KINDS,
                (Meets::Hidden, false) if !of_ledger => HIDDEN,
                (Meets::Different | Meets::Hidden, _) => &[],
            };
            faults.extend(kinds.iter().map(|kind| Fault { at, kind: *kind }));
        }
        faults
    }

    /// The calls of a first invocation at which somebody may stand still.
    async fn moments(&self, lab: &Lab<'_>, direction: Direction, run: &RunId) -> Vec<usize> {
        lab.harness.gate.disarm();
        for part in lab.parts(direction) {
            let _ = lab.harness.invoke(direction, run, part).await;
        }
        let calls = lab.harness.gate.calls();
        let counts = |(call, at): (&String, usize)| (self.scenario.meets == Meets::All || !is_read(call)).then_some(at);
        calls.iter().zip(1..).filter_map(counts).collect()
    }
}

fn is_read(call: &str) -> bool {
    ["ledger get", "ledger list", "Describe", "Get", "List", "plan", "observe"].iter().any(|read| call.starts_with(read))
}

/// Rolls a run back to its end, and looks whether everything is as before.
async fn roll_back(lab: &Lab<'_>, run: &RunId) -> Result<(), String> {
    lab.ask_back(run).await;
    lab.execute(Direction::Rollback, run).await;
    lab.check_clean(run).await
}

/// One invocation for each part, of which one stands still at call `at`; others go on, and then it is woken. Says where it
/// stood still, if it did.
async fn stall(lab: &Lab<'_>, at: usize, direction: Direction, run: &RunId, others: impl Future<Output = ()>) -> Option<String> {
    lab.harness.gate.arm(Fault { at, kind: Kind::Stall });
    let stalling = async {
        for part in lab.parts(direction) {
            // Nobody hears its words when it comes to itself.
            let _ = lab.harness.invoke(direction, run, part).await;
        }
    };
    let mut stalling = Box::pin(stalling);
    tokio::select! {
        biased;
        () = &mut stalling => return None,
        () = lab.harness.gate.stall() => {}
    }
    let hit = lab.harness.gate.hit();
    others.await;
    lab.harness.gate.wake();
    stalling.await;
    hit
}

/// The work of others for a run while somebody stands still, who has so many seconds left. Says how many are left then.
async fn meanwhile(lab: &Lab<'_>, run: &RunId, direction: Direction, mut left: i64) -> i64 {
    for part in lab.parts(direction) {
        while left > 0 {
            let seconds = match lab.harness.invoke(direction, run, part).await {
                Some(Ok(Progress::Done { .. } | Progress::Superseded)) => break,
                Some(Ok(Progress::Settling { seconds, .. })) => seconds.min(left),
                _ => 1,
            };
            lab.harness.wait(seconds).await;
            left -= seconds;
        }
    }
    left
}
