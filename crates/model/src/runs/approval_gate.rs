//! Whether a run's plan counts, or a person is asked about it first: who asks for that, what is listed, and what of it was
//! answered before.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{Grounds, RunError, Runs};
use crate::clock;
use crate::config::{Guardrail, Stage};
use crate::ids::{FacetId, Nonce, RunId, Value};
use crate::ledger::LedgerError;
use crate::phase::Phase;
use crate::record::{Approval, Because, Listed, ListedPart, Part, PartPlan, Question, Run, RunState, Step};

/// Steps that are named where a list exceeds what was approved.
const NAMED: usize = 10;

/// Why a person is asked whose stage has an `approval`.
pub(super) const THE_STAGE_ASKS: &str = "the stage asks for approval";

/// How a stage asks for approval.
pub(super) fn asked_for(stage: Option<&Stage>) -> Option<Approval> {
    let rule = stage?.approval?;
    Some(Approval::needed(vec![THE_STAGE_ASKS.to_owned()], Because::Stage, rule))
}

impl Run {
    /// A run whose alert is doubted waits for a person, by the guardrail's own rule, where it would change anything at all.
    pub(super) fn doubt(&mut self, guardrail: &Guardrail, grounds: &Grounds, now: Timestamp, by: &str) {
        let doubts = &grounds.doubts;
        if doubts.is_empty() {
            return;
        }
        self.note(now, by, format!("the alert is doubted: {}", doubts.join("; ")));
        if !self.parts.is_empty() {
            let asked_anyhow = self.approval.take().map(|approval| approval.why);
            let because = if asked_anyhow.is_some() { Because::Both } else { Because::Doubt };
            let why = doubts.iter().cloned().chain(asked_anyhow.unwrap_or_default()).collect();
            let needed = Approval::needed(why, because, guardrail.plausibility.approval);
            self.approval = Some(Approval { figure: grounds.figure, ..needed });
        }
    }
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
        if let Some(no) = said_before.filter(|said| run.rescanning.is_some() && !said.approved) {
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
        run.wake = None;
        let written = |part: &usize| matches!(run.parts[*part].plan, PartPlan::Written(_));
        let settled: Vec<usize> = (0..run.parts.len()).filter(written).collect();
        if let Some(approval) = &mut run.approval {
            approval.settled = settled;
        }
        // A run that looks again at what it holds stays enforced meanwhile.
        let looks = run.rescanning.is_some() && run.state == RunState::Enforced;
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
