//! A run that waits for a person. The decision stands in the run, by one conditional write. A later answer, by another person,
//! the time-out or a rollback, is told so. The execution that waits is only woken; it reads here how to go on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::retry::retry_conflicts;
use super::{Outcome, PartRef, RunError, Runs, Woken, released, waves};
use crate::config::{Otherwise, day};
use crate::ids::RunId;
use crate::ledger::{LedgerError, Versioned};
use crate::record::{
    Approval, ApprovalDecision, Direction, Listed, ListedPart, PartPlan, Question, RollbackRequest, Run, RunState, StageState,
};

/// A person's answer, and the list that it is to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Yes?
    pub approved: bool,
    /// The ARN of the person.
    pub by: String,
    /// In their words.
    pub why: String,
    /// [`Listed::digest`] of the list that they were shown.
    pub digest: String,
    /// A no releases the stage for the period, also where only the figure was asked about.
    pub for_the_period: bool,
}

/// The outcome of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// It counts, and the run goes on by it.
    Taken(Box<Run>),
    /// The same was said before, and the run goes on by that.
    Already(Box<Run>),
    /// Nothing is asked: the answer came too late, or the run never waited. It says how it stands.
    NotAsked(Box<Run>),
    /// The answer is to another question than the present one.
    AskedAnew(Box<Run>),
}

/// The findings of an execution that wants to wait.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// It waits; whether people are still to be told of it, the question says.
    Waits(Box<Run>),
    /// There is nothing to wait for: it is decided, or another execution waits. The execution was woken.
    Over,
}

/// The next work of an execution that waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "next", rename_all = "lowercase")]
pub enum Heard {
    /// Plan again, and open that plan.
    Plan {
        /// The parts to plan.
        #[serde(rename = "groups")]
        waves: Vec<Vec<PartRef>>,
    },
    /// Wait on: nothing is decided.
    Ask {
        /// For so many seconds.
        ask: i64,
    },
    /// End.
    Over {
        /// As this.
        outcome: Outcome,
    },
}

impl Run {
    /// For how many seconds an execution is to wait for a person; nothing when it need not.
    #[must_use]
    pub fn waits_for(&self, now: Timestamp) -> Option<i64> {
        let question = self.approval.as_ref()?.question.as_ref().filter(|_| self.state == RunState::Waiting)?;
        Some((question.until - now).total(jiff::Unit::Second).map_or(1, seconds))
    }
}

#[allow(clippy::cast_possible_truncation, reason = "days at the most")]
fn seconds(exactly: f64) -> i64 {
    (exactly.ceil() as i64).max(1)
}

impl Runs<'_> {
    /// An execution of `attempt` wants to wait under `token`. An execution that need not wait is woken at once, and reads the
    /// decision. The token may be gone by then: its task timed out, and nothing waits under it.
    ///
    /// # Errors
    /// When the ledger cannot be read or written, or the workflow cannot be reached.
    pub async fn ask(&self, id: &RunId, attempt: u32, token: &str) -> Result<Asked, RunError> {
        retry_conflicts(|| async move {
            let mut run = self.load(id).await?;
            if !waits(&run.value, attempt) {
                self.workflow.wake(token).await?;
                return Ok(Asked::Over);
            }
            if let Some(question) = question_mut(&mut run.value) {
                question.token = Some(token.to_owned());
            }
            Ok(Asked::Waits(Box::new(self.ledger.save_run(run, None).await?.value)))
        })
        .await
    }

    /// People were told of the question whose list has this digest.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn told(&self, id: &RunId, digest: &str) -> Result<(), RunError> {
        retry_conflicts(|| async move {
            let mut run = self.load(id).await?;
            let now = self.clock.now();
            let question =
                question_mut(&mut run.value).filter(|question| question.list.digest == digest && question.told.is_none());
            let Some(question) = question else { return Ok(()) };
            question.told = Some(now);
            self.ledger.save_run(run, None).await?;
            Ok(())
        })
        .await
    }

    /// Takes a person's answer: writes it down, and wakes the execution that waits. Said again, it wakes again.
    ///
    /// # Errors
    /// When the ledger or the workflow cannot be reached. A written answer counts all the same.
    pub async fn answer(&self, id: &RunId, answer: &Answer) -> Result<Answered, RunError> {
        let taken = retry_conflicts(|| self.try_answer(id, answer)).await?;
        // A written answer counts, whatever the next call meets.
        match taken {
            Taken::Now(run) => Ok(Answered::Taken(Box::new(self.go_on(run).await?))),
            // The command that wrote it down may have died before anything was woken.
            Taken::Before(run) => Ok(Answered::Already(Box::new(self.go_on(run).await?))),
            Taken::Not(answered) => Ok(answered),
        }
    }

    async fn try_answer(&self, id: &RunId, answer: &Answer) -> Result<Taken, RunError> {
        let run = self.load(id).await?;
        if run.value.state != RunState::Waiting {
            let before = run.value.approval.as_ref().and_then(Approval::decision);
            let same = before.is_some_and(|before| before.approved == answer.approved && before.digest == answer.digest);
            return Ok(if same { Taken::Before(run) } else { Taken::Not(Answered::NotAsked(Box::new(run.value))) });
        }
        let asked = run.value.approval.as_ref().and_then(|approval| approval.question.as_ref());
        if asked.is_none_or(|asked| asked.list.digest != answer.digest) {
            return Ok(Taken::Not(Answered::AskedAnew(Box::new(run.value))));
        }
        Ok(Taken::Now(self.decide(run, answer, false).await?))
    }

    /// The next work of the execution `attempt` that waited, for whichever reason it waits no more.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn hear(&self, id: &RunId, attempt: u32) -> Result<Heard, RunError> {
        retry_conflicts(|| async move {
            let mut run = self.load(id).await?;
            // Where somebody answers in the last moment, this write is refused, and their answer is read.
            if let Some(silence) = self.silence(&run.value, attempt) {
                // Of a period that is over nothing is saved any more: there silence is the end.
                let (kind, now) = (run.value.budget.period, self.clock.now());
                let is_over = kind.is_before(&run.value.period, &kind.present(now)) || kind.has_ended(day(now));
                if !is_over && run.value.approval.as_ref().is_some_and(Approval::is_asked_until_answered) {
                    self.ask_louder(run, &silence.why).await?;
                    return Ok(Heard::Over { outcome: Outcome::Continued });
                }
                run = self.decide(run, &silence, true).await?;
            }
            let heard = heard(&run.value, attempt, self.clock.now());
            if run.value.state == RunState::RollingBack {
                // Changes that were made meanwhile are put back, by an execution of its own.
                self.go_on(run).await?;
            }
            Ok(heard)
        })
        .await
    }

    /// The answer that silence means by the file, once the time to answer is over.
    fn silence(&self, run: &Run, attempt: u32) -> Option<Answer> {
        let approval = run.approval.as_ref().filter(|_| waits(run, attempt))?;
        let question = approval.question.as_ref().filter(|question| question.until <= self.clock.now())?;
        Some(Answer {
            approved: approval.rule.otherwise == Otherwise::Approve,
            by: self.by.clone(),
            why: format!("nobody answered within {}", approval.rule.within),
            digest: question.list.digest.clone(),
            for_the_period: false,
        })
    }

    /// Nobody answered whether a figure is to be believed: people are asked again and told louder, by another execution, which plans
    /// anew. The run stays open.
    async fn ask_louder(&self, mut run: Versioned<Run>, why: &str) -> Result<(), RunError> {
        let now = self.clock.now();
        let Some(question) = question_mut(&mut run.value) else { return Ok(()) };
        (question.told, question.token) = (None, None);
        question.unanswered += 1;
        run.value.note(now, &self.by, format!("{why}: people are asked again, and told louder"));
        let slot = self.ledger.stage_state(&run.value.target()).await?.filter(|slot| slot.value.run == run.value.id);
        let slot = slot
            .map(|slot| Versioned { rev: slot.rev, value: StageState { unanswered: slot.value.unanswered + 1, ..slot.value } });
        self.launch_with(run, slot).await?;
        Ok(())
    }

    /// Writes down the decision about a run that waits, in one conditional write. A no to the stage's question releases the stage
    /// for the period, and so does silence. A no to a figure discards that figure, and silence about one is asked again.
    async fn decide(&self, mut run: Versioned<Run>, answer: &Answer, silence: bool) -> Result<Versioned<Run>, RunError> {
        let now = self.clock.now();
        let Answer { approved, by, why, digest, for_the_period } = answer.clone();
        let decision = ApprovalDecision { approved, by, at: now, why, digest, silence, for_the_period };
        run.value.note(now, &decision.by, decision.words());
        let rejected = format!("rejected: {}", decision.why);
        let Some(approval) = run.value.approval.as_mut() else { return Ok(run) };
        approval.decisions.push(decision);
        let marks = approval.question.as_ref().map(|question| question.marks.clone()).unwrap_or_default();
        let is_first = approval.approved.is_none();
        if approved {
            if let Some(asked) = approval.question.as_ref().map(|question| question.list.clone()) {
                approval.approved = Some(approve(approval.approved.take(), asked, !marks.is_empty()));
            }
            approval.granted.extend(marks);
            approval.worked = None;
            // Steps that were passed because nobody had said yes to them are come upon again.
            run.value.parts.iter_mut().for_each(|part| part.cursor = None);
            run.value.state = RunState::Opening;
            return Ok(self.ledger.save_run(run, None).await?);
        }
        if !marks.is_empty() {
            // Facets that were approved before are held, and stay so. The others become steps that are left alone.
            approval.refused.extend(marks);
            run.value.state = RunState::Opening;
            return Ok(self.ledger.save_run(run, None).await?);
        }
        let held_meanwhile = is_first && !approval.settled.is_empty();
        if !held_meanwhile && !approval.settled.is_empty() {
            // Facets that were approved before are held, and stay so: only the new ones are not changed.
            for index in 0..run.value.parts.len() {
                if matches!(run.value.parts[index].plan, PartPlan::Written(_)) && !run.value.is_settled(index) {
                    run.value.parts[index].plan = PartPlan::Failed { reason: rejected.clone() };
                }
            }
            run.value.state = RunState::ApplyFailed;
            return Ok(self.ledger.save_run(run, None).await?);
        }
        run.value.state = RunState::Rejected;
        let (at, by, why) = (now, answer.by.clone(), rejected.clone());
        let (unanswered, discards) = (approval.is_unanswered_doubt(), approval.is_discarded_figure());
        let figure = if discards { self.figure(&run.value).await? } else { None };
        let slot = self.ledger.stage_state(&run.value.target()).await?.filter(|slot| slot.value.run == run.value.id);
        let slot = slot.map(|mut slot| {
            if let Some(figure) = figure {
                slot.value.discard(figure);
            }
            slot.value.unanswered += u32::from(unanswered);
            let slot = if unanswered || discards { slot } else { released(slot, &answer.by, now, &rejected) };
            Versioned { rev: slot.rev, value: StageState { over: !held_meanwhile, ..slot.value } }
        });
        if held_meanwhile {
            let request = RollbackRequest { armed: unanswered || discards, ..RollbackRequest::whole(by, at, why) };
            (run.value.state, run.value.direction) = (RunState::RollingBack, Direction::Rollback);
            (run.value.rollback, run.value.rescanning, run.value.tried_at) = (Some(request), None, Some(now));
            run.value.tries.rollback += 1;
        }
        Ok(self.ledger.save_run(run, slot.as_ref()).await?)
    }

    /// Sees to it that the decision is acted on: wakes the execution that waits. Where none does, an approved run gets another.
    /// One that is to be put back gets another anyway: the one that waits goes forward.
    async fn go_on(&self, run: Versioned<Run>) -> Result<Run, RunError> {
        let woken = self.wake(&run.value).await?;
        let is_heard = match run.value.state {
            RunState::Opening => woken == Woken::Woken,
            RunState::RollingBack => false,
            _ => true,
        };
        if is_heard || self.present_attempt_runs(&run.value).await? {
            return Ok(run.value);
        }
        let id = run.value.id.clone();
        match self.launch(run).await {
            // Somebody else saw to it.
            Err(RunError::Ledger(LedgerError::Conflict)) => Ok(self.load(&id).await?.value),
            other => Ok(other?.value),
        }
    }

    /// Wakes the execution that waits for the run's approval.
    pub(super) async fn wake(&self, run: &Run) -> Result<Woken, RunError> {
        let asked = || run.approval.as_ref()?.question.as_ref()?.token.as_ref();
        match run.wake.as_ref().or_else(asked) {
            Some(token) => Ok(self.workflow.wake(token).await?),
            None => Ok(Woken::Gone),
        }
    }
}

/// The list that is approved now: the one before, and the one that was asked about. The rest of plans that count stands in the same
/// plans.
fn approve(before: Option<Listed>, asked: Listed, is_rest: bool) -> Listed {
    if let Some(before) = before.as_ref().filter(|_| is_rest) {
        return Listed { changes: before.changes + asked.changes, digest: asked.digest, parts: before.parts.clone() };
    }
    let earlier = before.map(|before| before.parts).unwrap_or_default();
    let mut parts: BTreeMap<usize, ListedPart> = earlier.into_iter().map(|part| (part.part, part)).collect();
    parts.extend(asked.parts.into_iter().map(|part| (part.part, part)));
    let parts: Vec<ListedPart> = parts.into_values().collect();
    Listed { changes: parts.iter().map(|part| part.changes).sum(), digest: asked.digest, parts }
}

/// How a person's answer fared.
enum Taken {
    /// It was written down just now.
    Now(Versioned<Run>),
    /// The same was written down before.
    Before(Versioned<Run>),
    /// It was not asked for.
    Not(Answered),
}

/// The next thing for the execution `attempt` to do, by the run's state.
fn heard(run: &Run, attempt: u32, now: Timestamp) -> Heard {
    if run.direction != Direction::Apply || run.attempts.apply != attempt {
        return Heard::Over { outcome: Outcome::Superseded };
    }
    match run.state {
        RunState::Opening => Heard::Plan { waves: waves(run, |_| true) },
        RunState::Rejected => Heard::Over { outcome: Outcome::Succeeded },
        RunState::ApplyFailed => Heard::Over { outcome: Outcome::Failed },
        RunState::Waiting => run.waits_for(now).map_or(Heard::Over { outcome: Outcome::Superseded }, |ask| Heard::Ask { ask }),
        _ => Heard::Over { outcome: Outcome::Superseded },
    }
}

fn waits(run: &Run, attempt: u32) -> bool {
    run.state == RunState::Waiting && run.direction == Direction::Apply && run.attempts.apply == attempt
}

fn question_mut(run: &mut Run) -> Option<&mut Question> {
    run.approval.as_mut()?.question.as_mut()
}
