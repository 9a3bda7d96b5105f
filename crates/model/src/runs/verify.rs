//! The people who can still launch, in the life of a run: whether IAM is to be asked, and the effect of its answers on the run's
//! end.

use jiff::Timestamp;

use super::retry::retry_conflicts;
use super::{RunError, Runs};
use crate::ids::RunId;
use crate::ledger::{Ledger, LedgerError, Versioned};
use crate::record::{Direction, Run, RunState};
use crate::verify::{Changes, Demand, Verification};
use crate::wire::heard;

/// The questions to IAM after a run's work.
#[derive(Debug, Clone, PartialEq)]
pub struct ToVerify {
    /// The run.
    pub run: Run,
    /// The answers so far.
    pub asked: Versioned<Verification>,
    /// The run's changes of policies.
    pub changes: Changes,
}

impl ToVerify {
    /// The questions to IAM after a run's work, if there are any. There are none for a run that goes back. There are none after a
    /// look that changed nothing, unless the run failed for somebody who could still launch.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn of(ledger: &Ledger, id: &RunId, now: Timestamp) -> Result<Option<Self>, RunError> {
        let run = ledger.run(id).await?.ok_or_else(|| RunError::NoSuchRun(id.clone()))?.value;
        let goes_on = run.direction == Direction::Apply
            && matches!(run.state, RunState::Applying | RunState::Enforced | RunState::ApplyFailed);
        let Some(rule) = run.verify.as_ref().filter(|_| goes_on) else { return Ok(None) };
        let (mut changes, mut touched) = (Changes::default(), false);
        ledger
            .visit(&run, |step| {
                touched |= step.attempt == run.try_number();
                if let Some(part) = run.parts.get(step.part) {
                    changes.add(part, &step);
                }
            })
            .await?;
        let known = ledger.verification(id).await?;
        let passed = known.as_ref().is_some_and(|known| {
            known.value.finished && known.value.failed.is_none() && !(rule.demand == Demand::Fail && known.value.is_failure())
        });
        let of_this_try = known.as_ref().is_some_and(|known| known.value.try_number == run.try_number());
        if run.rescanning.is_some() && !touched && passed && !of_this_try {
            return Ok(None);
        }
        let fresh = || Verification::begin(id, run.try_number(), now);
        let asked = match known {
            // Taken up where it was left; a finished verification is not asked again in this try.
            Some(known) if of_this_try && known.value.finished => return Ok(None),
            Some(known) if of_this_try => known,
            Some(known) => Versioned { rev: known.rev, value: fresh() },
            None => Versioned { rev: 0, value: fresh() },
        };
        Ok(Some(Self { run, asked, changes }))
    }
}

impl Runs<'_> {
    /// IAM could not be asked, for this reason: that is written down before the run ends, so that nobody takes silence for a no.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn could_not_verify(&self, id: &RunId, why: &str) -> Result<(), RunError> {
        let run = self.load(id).await?.value;
        let now = self.clock.now();
        let run = &run;
        retry_conflicts(|| async move {
            let known = self.ledger.verification(id).await?;
            let rev = known.as_ref().map_or(0, |known| known.rev);
            // Answers after an earlier try say nothing of how it is now.
            let of_this_try = known.filter(|known| known.value.try_number == run.try_number());
            let fresh = || Versioned { rev, value: Verification::begin(id, run.try_number(), now) };
            let mut asked = of_this_try.unwrap_or_else(fresh);
            asked.value.fail(now, heard(why));
            self.ledger.save_verification(asked).await?;
            Ok(())
        })
        .await
    }

    /// The answers about people who can still launch, as the run ends.
    pub(super) async fn verified(&self, run: &Run) -> Result<Option<Verification>, LedgerError> {
        if run.verify.is_none() || run.direction != Direction::Apply {
            return Ok(None);
        }
        Ok(self.ledger.verification(&run.id).await?.map(|known| known.value))
    }
}

/// Does the run end as failed for it?
pub(super) fn fails(run: &Run, verified: Option<&Verification>) -> bool {
    let demanded = run.verify.as_ref().is_some_and(|rule| rule.demand == Demand::Fail);
    demanded && verified.is_none_or(Verification::is_failure)
}

/// The words about it in the run's history.
pub(super) fn words(run: &Run, verified: Option<&Verification>) -> String {
    match (&run.verify, verified) {
        (None, _) => String::new(),
        (Some(_), None) => "; IAM was not asked who can still launch".to_owned(),
        (Some(_), Some(verified)) => format!("; {}", verified.words()),
    }
}
