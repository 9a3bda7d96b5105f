//! A figure that is not believed, and people's answers to it. A doubt does not latch: a run that waits only for one goes on as
//! soon as the figure is believed, and a no to a figure is no no to the period.

use rust_decimal::Decimal;

use super::{Begun, RunError, Runs};
use crate::alert::{self, Reading};
use crate::belief::is_same_figure;
use crate::config::Guardrail;
use crate::ids::RunId;
use crate::ledger::{LedgerError, Versioned};
use crate::record::{Because, PartPlan, Released, Run, RunState, StageState};

/// The grounds on which a run is begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grounds {
    /// Why the figure is not believed; none when it is.
    pub doubts: Vec<String>,
    /// The first sentences to people about a figure that is enforced, and is unusual or not confirmed.
    pub remarks: Vec<String>,
    /// The figure, in dollars, where one is known.
    pub figure: Option<Decimal>,
}

impl Grounds {
    /// A figure that is not believed, for these reasons.
    #[must_use]
    pub fn doubted(doubts: Vec<String>, figure: Option<Decimal>) -> Self {
        Self { doubts, remarks: Vec::new(), figure }
    }
}

/// How a slot stands whose run is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotStanding {
    /// A person released the stage for the period.
    pub released: Option<Released>,
    /// Figures that a person said no to, with the person and the time.
    pub discarded: Vec<Decimal>,
    /// How often in a row nobody answered.
    pub unanswered: u32,
    /// The person that said no to a figure last.
    by: Option<Released>,
}

impl SlotStanding {
    /// Why `figure` is recorded only; nothing where a run is to be begun.
    #[must_use]
    pub fn stops(&self, figure: Option<Decimal>) -> Option<Released> {
        let same = figure.and_then(|figure| self.discarded.iter().rev().find(|discarded| is_same_figure(**discarded, figure)));
        let discarded = same.and_then(|figure| {
            let by = self.by.clone()?;
            Some(Released { why: format!("a no to the figure of ${figure}: {}", by.why), ..by })
        });
        self.released.clone().or(discarded)
    }

    /// The slot when `run` takes it.
    pub(super) fn next(self, run: RunId) -> StageState {
        StageState { discarded: self.discarded, unanswered: self.unanswered, ..StageState::of(run) }
    }
}

impl Released {
    /// In words.
    pub(super) fn words(&self) -> String {
        format!("the stage was released by {} ({})", self.by, self.why)
    }
}

impl Runs<'_> {
    /// How the slot of `run`, which is over, stands. A no that version 5e03290 took for one to the period counts for its figure.
    pub(crate) async fn slot_standing(&self, slot: &StageState, run: &Run) -> Result<SlotStanding, LedgerError> {
        let mut standing = SlotStanding {
            released: slot.released.clone(),
            discarded: slot.discarded.clone(),
            unanswered: slot.unanswered,
            by: None,
        };
        // Changes that were made meanwhile were put back after the no.
        let is_refused = run.state == RunState::Rejected
            || run.state == RunState::RolledBack && run.rollback.as_ref().is_some_and(|request| request.armed);
        let Some(approval) = run.approval.as_ref().filter(|_| is_refused) else { return Ok(standing) };
        if approval.is_discarded_figure() {
            standing.by = approval.decision().map(|no| Released { by: no.by.clone(), at: no.at, why: no.why.clone() });
            if standing.released.take().is_some() {
                standing.discarded.extend(self.figure(run).await?);
            }
        }
        Ok(standing)
    }

    /// The figure that a run was begun for, in dollars.
    pub(super) async fn figure(&self, run: &Run) -> Result<Option<Decimal>, LedgerError> {
        if let Some(figure) = run.approval.as_ref().and_then(|approval| approval.figure) {
            return Ok(Some(figure));
        }
        let Some(alert) = self.ledger.alert(&run.alert).await? else { return Ok(None) };
        Ok(match alert::read(&alert.text) {
            Reading::Budget(alert) => Some(alert.amount),
            Reading::Mock | Reading::Unknown { .. } => spent(&alert.text),
        })
    }

    /// The figure of a run that waits only for it is believed now: the run goes on, and plans anew. Where the stage itself asks,
    /// it still does.
    pub(super) async fn believe(
        &self,
        mut run: Versioned<Run>,
        guardrail: &Guardrail,
        grounds: &Grounds,
    ) -> Result<Begun, RunError> {
        let now = self.clock.now();
        let is_settled: Vec<bool> = (0..run.value.parts.len()).map(|part| run.value.is_settled(part)).collect();
        let Some(mut approval) = run.value.approval.take() else { return self.resume(run).await };
        run.value.note(now, &self.by, "the figure is believed now");
        run.value.remarks.clone_from(&grounds.remarks);
        if approval.because == Because::Both {
            let rule = guardrail.stage(run.value.stage).and_then(|stage| stage.approval).unwrap_or(approval.rule);
            (approval.because, approval.rule, approval.figure) = (Because::Stage, rule, None);
            approval.why = vec![super::approval_gate::THE_STAGE_ASKS.to_owned()];
            run.value.approval = Some(approval);
            return Ok(Begun::Already(Box::new(self.ledger.save_run(run, None).await?.value)));
        }
        // Its plan may be days old, and a written plan without an approval would count for good. That of a part which is carried
        // out already does.
        for (part, is_settled) in run.value.parts.iter_mut().zip(is_settled) {
            if matches!(part.plan, PartPlan::Written(_)) && !is_settled {
                part.plan = PartPlan::Missing;
            }
        }
        run.value.wake = approval.question.and_then(|question| question.token);
        run.value.state = RunState::Opening;
        let run = self.ledger.save_run(run, None).await?;
        self.wake(&run.value).await?;
        if self.present_attempt_runs(&run.value).await? {
            return Ok(Begun::Believed(Box::new(run.value)));
        }
        Ok(Begun::Believed(Box::new(self.launch(run).await?.value)))
    }
}

/// The amount in the words by which a round of any version began a run.
fn spent(text: &str) -> Option<Decimal> {
    let before = text.split(" are spent").next().filter(|before| before.len() < text.len())?;
    before.rsplit('$').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_read_from_the_words_of_a_round() {
        let text = "AWS Budgets says that its notification is in alarm: $183965812157.54 are spent, $4 are forecast, of $2.";
        assert_eq!(spent(text).unwrap().to_string(), "183965812157.54");
        assert_eq!(spent("nothing of it"), None);
    }
}
