//! A run that waits for a person. What was decided stands in the run, by one conditional write: whoever comes second, another
//! person, the time-out, a rollback, is told so. The execution that waits is only woken; it reads here what it is to do.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Outcome, PartRef, RunError, Runs, Woken, groups, released};
use crate::clock;
use crate::config::{Guardrail, Otherwise, Stage};
use crate::ids::{FacetId, Nonce, RunId, Value};
use crate::ledger::{LedgerError, Versioned};
use crate::phase::Phase;
use crate::record::{
    Approval, ApprovalDecision, Because, Direction, Listed, ListedPart, Part, PartPlan, Question, Run, RunState, Slot, Step,
};

/// Steps that are named where a list exceeds what was approved.
const NAMED: usize = 10;

/// What a person says, and to which list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Yes?
    pub approved: bool,
    /// The ARN of the person.
    pub by: String,
    /// In their words.
    pub why: String,
    /// [`Listed::digest`] of what they were shown.
    pub digest: String,
}

/// What an answer came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// It counts, and the run goes on by it.
    Taken(Box<Run>),
    /// The same was said before, and the run goes on by that.
    Already(Box<Run>),
    /// Nothing is asked: the answer came too late, or the run never waited. It says how it stands.
    NotAsked(Box<Run>),
    /// Something else is asked than what the answer is to.
    AskedAnew(Box<Run>),
}

/// What an execution that wants to wait finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// It waits; whether people are still to be told of it, the question says.
    Waits(Box<Run>),
    /// There is nothing to wait for: it is decided, or another execution waits.
    Over,
}

/// What an execution that waited is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "next", rename_all = "lowercase")]
pub enum Heard {
    /// Plan again, and open that plan.
    Plan {
        /// What to plan.
        groups: Vec<Vec<PartRef>>,
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

/// How a stage asks for approval.
pub(super) fn asked_for(stage: Option<&Stage>) -> Option<Approval> {
    let rule = stage?.approval?;
    Some(Approval::needed(vec!["the stage asks for approval".to_owned()], Because::Stage, rule))
}

impl Run {
    /// A run whose alert is doubted waits for a person, by the guardrail's own rule, where it would change anything at all.
    pub(super) fn doubt(&mut self, guardrail: &Guardrail, doubts: &[String], now: Timestamp, by: &str) {
        if doubts.is_empty() {
            return;
        }
        self.note(now, by, format!("the alert is doubted: {}", doubts.join("; ")));
        if !self.parts.is_empty() {
            let asked_anyhow = self.approval.take().map(|approval| approval.why);
            let because = if asked_anyhow.is_some() { Because::Both } else { Because::Doubt };
            let why = doubts.iter().cloned().chain(asked_anyhow.unwrap_or_default()).collect();
            self.approval = Some(Approval::needed(why, because, guardrail.plausibility.approval));
        }
    }

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
    /// Does what is planned in `run` need a person's yes? Then the run waits. Otherwise the plans count for good.
    pub(super) async fn gate(&self, run: &mut Run) -> Result<(), RunError> {
        let Some(mut approval) = run.approval.take() else {
            self.settle(run);
            return Ok(());
        };
        let (list, steps) = self.listing(run, &approval).await?;
        let said_before = approval.decisions.iter().rev().find(|decision| decision.digest == list.digest);
        if let Some(no) = said_before.filter(|said| run.looking.is_some() && !said.approved) {
            // Nobody asked for another try: a no stays a no, and people are not asked the same every day.
            for part in &list.parts {
                run.parts[part.part].plan = PartPlan::Failed { reason: format!("rejected: {}", no.why) };
            }
            run.approval = Some(approval);
            self.settle(run);
            return Ok(());
        }
        let is_failed = |part: &Part| matches!(part.plan, PartPlan::Failed { .. });
        if list.changes == 0 && approval.approved.is_none() && run.parts.iter().any(is_failed) {
            // There is nothing to say yes to, and silence would let the stage go: that it could not be planned is a failure.
            run.approval = Some(approval);
            self.settle(run);
            return Ok(());
        }
        let mut again = None;
        if let Some(approved) = &approval.approved {
            let known = self.known(&run.id, approved).await?;
            let beyond: Vec<&Step> = steps.iter().filter(|step| !known.contains(&change(step))).collect();
            if beyond.is_empty() || approval.exceeded + beyond.len() <= approval.rule.beyond.of(approved.changes) {
                approval.exceeded += beyond.len();
                run.approval = Some(approval);
                self.settle(run);
                return Ok(());
            }
            again = Some(exceeds(&beyond, approved, &approval));
        }
        let question = self.question(&approval, list, again);
        if approval.question.as_ref().is_none_or(|before| before.at != question.at) {
            let why = question.again.clone().unwrap_or_else(|| approval.why.join("; "));
            run.note(question.at, &self.by, format!("approval asked for until {}: {why}", clock::words(question.until)));
        }
        approval.question = Some(question);
        run.approval = Some(approval);
        run.state = RunState::Waiting;
        Ok(())
    }

    /// The question for `list`. One that an execution asked which died meanwhile stays as it is, and people's time with it.
    fn question(&self, approval: &Approval, list: Listed, again: Option<String>) -> Question {
        let now = self.clock.now();
        let until = now + SignedDuration::from_secs(approval.rule.within.seconds());
        let answered = |digest: &str| approval.decisions.iter().any(|decision| decision.digest == digest);
        match &approval.question {
            Some(before) if before.list.digest == list.digest && !answered(&list.digest) => {
                // Their time begins when they are told.
                let until = if before.told.is_some() { before.until } else { until };
                Question { until, list, token: None, ..before.clone() }
            }
            _ => Question { at: now, until, again, list, told: None, token: None },
        }
    }

    /// The plans count: from now on they are never replaced.
    fn settle(&self, run: &mut Run) {
        let written = |part: &usize| matches!(run.parts[*part].plan, PartPlan::Written(_));
        let settled: Vec<usize> = (0..run.parts.len()).filter(written).collect();
        if let Some(approval) = &mut run.approval {
            approval.settled = settled;
        }
        // A run that looks again at what it holds stays enforced meanwhile.
        let looks = run.looking.is_some() && run.state == RunState::Enforced;
        if run.state != RunState::Applying && !looks {
            run.note(self.clock.now(), &self.by, "the plan is whole");
            run.state = RunState::Applying;
        }
    }

    /// What a person is to say yes to: the changes of all plans that do not count for good yet.
    async fn listing(&self, run: &Run, approval: &Approval) -> Result<(Listed, Vec<Step>), LedgerError> {
        let (mut steps, mut parts) = (Vec::new(), Vec::new());
        for (part, plan) in run.parts.iter().map(|part| &part.plan).enumerate() {
            let PartPlan::Written(written) = plan else { continue };
            if !approval.settled.contains(&part) {
                let changes = self.changes(&run.id, part, &written.token).await?;
                parts.push(ListedPart { part, token: written.token.clone(), changes: changes.len() });
                steps.extend(changes);
            }
        }
        let mut lines: Vec<String> = steps.iter().map(|step| format!("{}\t{}\n", step.facet, step.wanted)).collect();
        lines.sort();
        let digest = format!("{:x}", Sha256::digest(lines.concat()));
        Ok((Listed { changes: steps.len(), digest, parts }, steps))
    }

    /// The steps of a plan that nothing was begun of, as far as they would change something.
    async fn changes(&self, run: &RunId, part: usize, token: &Nonce) -> Result<Vec<Step>, LedgerError> {
        let steps = self.ledger.steps_under(run, part, token).await?.into_iter().map(|step| step.value);
        Ok(steps.filter(|step| step.phase == Phase::Planned && step.present != step.wanted).collect())
    }

    /// What was approved: read from the plans that were, which stay in the ledger.
    async fn known(&self, run: &RunId, approved: &Listed) -> Result<BTreeSet<(FacetId, Value)>, LedgerError> {
        let mut known = BTreeSet::new();
        for listed in &approved.parts {
            known.extend(self.changes(run, listed.part, &listed.token).await?.iter().map(change));
        }
        Ok(known)
    }

    /// An execution of `attempt` wants to wait under `token`.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn ask(&self, id: &RunId, attempt: u32, token: &str) -> Result<Asked, RunError> {
        loop {
            let mut run = self.load(id).await?;
            if !waits(&run.value, attempt) {
                return Ok(Asked::Over);
            }
            if let Some(question) = question_mut(&mut run.value) {
                question.token = Some(token.to_owned());
            }
            match self.ledger.save_run(run, None).await {
                Err(LedgerError::Conflict) => {}
                other => return Ok(Asked::Waits(Box::new(other?.value))),
            }
        }
    }

    /// People were told of the question whose list has this digest.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn told(&self, id: &RunId, digest: &str) -> Result<(), RunError> {
        loop {
            let mut run = self.load(id).await?;
            let now = self.clock.now();
            let question =
                question_mut(&mut run.value).filter(|question| question.list.digest == digest && question.told.is_none());
            let Some(question) = question else { return Ok(()) };
            question.told = Some(now);
            match self.ledger.save_run(run, None).await {
                Err(LedgerError::Conflict) => {}
                other => return Ok(other.map(|_| ())?),
            }
        }
    }

    /// Takes a person's answer: writes it down, and wakes the execution that waits. Said again, it wakes again.
    ///
    /// # Errors
    /// When the ledger or the workflow cannot be reached. What was written down counts all the same.
    pub async fn answer(&self, id: &RunId, answer: &Answer) -> Result<Answered, RunError> {
        loop {
            let run = self.load(id).await?;
            if run.value.state != RunState::Waiting {
                let before = run.value.approval.as_ref().and_then(Approval::decision);
                let same = before.is_some_and(|before| before.approved == answer.approved && before.digest == answer.digest);
                // Whoever wrote it down may have died before anything was woken.
                return if same {
                    Ok(Answered::Already(Box::new(self.go_on(run).await?)))
                } else {
                    Ok(Answered::NotAsked(Box::new(run.value)))
                };
            }
            let asked = run.value.approval.as_ref().and_then(|approval| approval.question.as_ref());
            if asked.is_none_or(|asked| asked.list.digest != answer.digest) {
                return Ok(Answered::AskedAnew(Box::new(run.value)));
            }
            match self.decide(run, answer, false).await {
                Err(RunError::Ledger(LedgerError::Conflict)) => {}
                Err(error) => return Err(error),
                Ok(run) => return Ok(Answered::Taken(Box::new(self.go_on(run).await?))),
            }
        }
    }

    /// What the execution `attempt` that waited, for whatever reason it waits no more, is to do now.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn hear(&self, id: &RunId, attempt: u32) -> Result<Heard, RunError> {
        loop {
            let run = self.load(id).await?;
            let now = self.clock.now();
            if run.value.direction != Direction::Apply || run.value.attempts.apply != attempt {
                return Ok(Heard::Over { outcome: Outcome::Superseded });
            }
            match run.value.state {
                RunState::Opening => return Ok(Heard::Plan { groups: groups(&run.value, |_| true) }),
                RunState::Rejected => return Ok(Heard::Over { outcome: Outcome::Succeeded }),
                RunState::ApplyFailed => return Ok(Heard::Over { outcome: Outcome::Failed }),
                RunState::Waiting => {}
                _ => return Ok(Heard::Over { outcome: Outcome::Superseded }),
            }
            let Some(approval) = &run.value.approval else { return Ok(Heard::Over { outcome: Outcome::Superseded }) };
            let Some(question) = approval.question.as_ref() else { return Ok(Heard::Over { outcome: Outcome::Superseded }) };
            if now < question.until {
                return Ok(Heard::Ask { ask: run.value.waits_for(now).unwrap_or(1) });
            }
            let silence = Answer {
                approved: approval.rule.otherwise == Otherwise::Approve,
                by: self.by.clone(),
                why: format!("nobody answered within {}", approval.rule.within),
                digest: question.list.digest.clone(),
            };
            match self.decide(run, &silence, true).await {
                // Somebody answered in the last moment, or what is written shows what to do: look again.
                Ok(_) | Err(RunError::Ledger(LedgerError::Conflict)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes down what was decided of a run that waits, in one conditional write. A person's no lets the stage go, and so does
    /// silence where the stage asks. Silence about an alert that is not believed does not: it may only have been early.
    async fn decide(&self, mut run: Versioned<Run>, answer: &Answer, silence: bool) -> Result<Versioned<Run>, RunError> {
        let now = self.clock.now();
        let Answer { approved, by, why, digest } = answer.clone();
        let decision = ApprovalDecision { approved, by, at: now, why, digest, silence };
        run.value.note(now, &decision.by, decision.words());
        let rejected = format!("rejected: {}", decision.why);
        let Some(approval) = run.value.approval.as_mut() else { return Ok(run) };
        approval.decisions.push(decision);
        if approved {
            if let Some(asked) = approval.question.as_ref().map(|question| question.list.clone()) {
                approval.approved = Some(approve(approval.approved.take(), asked));
            }
            run.value.state = RunState::Opening;
            return Ok(self.ledger.save_run(run, None).await?);
        }
        if !approval.settled.is_empty() {
            // What was approved before is held, and stays so: only what was asked for is not done.
            for index in 0..run.value.parts.len() {
                if matches!(run.value.parts[index].plan, PartPlan::Written(_)) && !run.value.is_settled(index) {
                    run.value.parts[index].plan = PartPlan::Failed { reason: rejected.clone() };
                }
            }
            run.value.state = RunState::ApplyFailed;
            return Ok(self.ledger.save_run(run, None).await?);
        }
        run.value.state = RunState::Rejected;
        let lets_go = !approval.is_unanswered_doubt();
        let slot = self.ledger.slot(&run.value.target()).await?.filter(|slot| slot.value.run == run.value.id);
        let slot = slot.map(|slot| {
            let slot = if lets_go { released(slot, &answer.by, now, &rejected) } else { slot };
            Versioned { rev: slot.rev, value: Slot { over: true, ..slot.value } }
        });
        Ok(self.ledger.save_run(run, slot.as_ref()).await?)
    }

    /// Sees to it that somebody acts on what was decided: wakes the execution that waits. Where none does, an approved run
    /// gets another.
    async fn go_on(&self, run: Versioned<Run>) -> Result<Run, RunError> {
        let woken = self.wake(&run.value).await?;
        if woken == Woken::Woken || run.value.state != RunState::Opening || self.present_attempt_runs(&run.value).await? {
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
        let token = run.approval.as_ref().and_then(|approval| approval.question.as_ref()?.token.as_ref());
        match token {
            Some(token) => Ok(self.workflow.wake(token).await?),
            None => Ok(Woken::Gone),
        }
    }
}

/// What a step would change: the facet, and to what.
fn change(step: &Step) -> (FacetId, Value) {
    (step.facet.clone(), step.wanted.clone())
}

fn exceeds(beyond: &[&Step], approved: &Listed, approval: &Approval) -> String {
    let mut named: Vec<&str> = beyond.iter().take(NAMED).map(|step| step.label.as_str()).collect();
    if beyond.len() > NAMED {
        named.push("...");
    }
    format!(
        "{} of what is planned now were not among the {} that were approved, which is more than the {} that may be beyond them: {}",
        beyond.len(),
        approved.changes,
        approval.rule.beyond,
        named.join(", ")
    )
}

/// What is approved now: what was before, and what was asked.
fn approve(before: Option<Listed>, asked: Listed) -> Listed {
    let earlier = before.map(|before| before.parts).unwrap_or_default();
    let mut parts: BTreeMap<usize, ListedPart> = earlier.into_iter().map(|part| (part.part, part)).collect();
    parts.extend(asked.parts.into_iter().map(|part| (part.part, part)));
    let parts: Vec<ListedPart> = parts.into_values().collect();
    Listed { changes: parts.iter().map(|part| part.changes).sum(), digest: asked.digest, parts }
}

fn waits(run: &Run, attempt: u32) -> bool {
    run.state == RunState::Waiting && run.direction == Direction::Apply && run.attempts.apply == attempt
}

fn question_mut(run: &mut Run) -> Option<&mut Question> {
    run.approval.as_mut()?.question.as_mut()
}
