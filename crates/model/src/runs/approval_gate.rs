//! Whether a run's plan counts, or a person is asked about it first: why they are asked, which changes are listed, and which of
//! them were answered before.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::close::unplanned;
use super::{Grounds, RunError, Runs};
use crate::clock;
use crate::config::{ApprovalRule, Guardrail, Stage};
use crate::engine::decide;
use crate::ids::Nonce;
use crate::ledger::LedgerError;
use crate::record::{Approval, Because, Listed, ListedPart, Part, PartPlan, Question, Run, RunState, Step};

/// Steps that are named where a list exceeds the approved one.
const NAMED: usize = 10;

/// Nobody answered in time: from then on people are asked once a day.
const ASKED_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// Why a person is asked whose stage has an `approval`.
pub(super) const THE_STAGE_ASKS: &str = "the stage asks for approval";

/// How a stage asks for approval.
pub(super) fn asked_for(stage: Option<&Stage>) -> Option<Approval> {
    let stage = stage?;
    let needed = Approval::needed(vec![THE_STAGE_ASKS.to_owned()], Because::Stage, stage.approval?);
    Some(Approval { meanwhile: stage.meanwhile.clone(), ..needed })
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
            let meanwhile = guardrail.stage(self.stage).map(|stage| stage.meanwhile.clone()).unwrap_or_default();
            self.approval = Some(Approval { figure: grounds.figure, meanwhile, ..needed });
        }
    }
}

/// The changes that a person is asked about.
struct Rest {
    list: Listed,
    steps: Vec<Step>,
    /// The marks under which they stand, where others of their parts are carried out already.
    marks: Vec<Nonce>,
    /// There is work that needs no answer.
    due: bool,
    /// Why a person is asked again, where one is.
    again: Option<String>,
}

impl Runs<'_> {
    /// Does what is planned in `run` need a person's yes? Then the run waits, once all that needs none is carried out. Otherwise the
    /// plans count for good.
    pub(super) async fn gate(&self, run: &mut Run) -> Result<(), RunError> {
        let Some(approval) = run.approval.clone() else {
            self.settle(run);
            return Ok(());
        };
        let unsettled = self.unsettled(run).await?;
        let said_before = approval.decisions.iter().rev().find(|decision| decision.digest == unsettled.list.digest);
        if let Some(no) = said_before.filter(|said| run.rescanning.is_some() && !said.approved && unsettled.list.changes > 0) {
            // Nobody asked for another try: a no stays a no, and people are not asked the same every day.
            for part in &unsettled.list.parts {
                run.parts[part.part].plan = PartPlan::Failed { reason: format!("rejected: {}", no.why) };
            }
            self.settle(run);
            return Ok(());
        }
        let is_failed = |part: &Part| matches!(part.plan, PartPlan::Failed { .. });
        if unsettled.list.changes == 0 && approval.approved.is_none() && run.parts.iter().any(is_failed) {
            // There is nothing to say yes to, and silence would let the stage go: that it could not be planned is a failure.
            self.settle(run);
            return Ok(());
        }
        let rest = match &approval.approved {
            None => Some(self.all_but_meanwhile(run, unsettled).await?),
            Some(approved) => self.beyond(run, approved, unsettled).await?,
        };
        match rest {
            None => self.settle(run),
            Some(rest) if rest.due && approval.worked != Some(run.tries.apply) => self.carry_out(run, Some(rest.list.changes)),
            Some(rest) => self.wait(run, rest),
        }
        Ok(())
    }

    /// Before the first answer: only the actions that the stage carries out meanwhile count.
    async fn all_but_meanwhile(&self, run: &mut Run, unsettled: Rest) -> Result<Rest, RunError> {
        let counts = |part: &usize| run.is_meanwhile(*part) && matches!(run.parts[*part].plan, PartPlan::Written(_));
        let settled: Vec<usize> = (0..run.parts.len()).filter(counts).collect();
        if let Some(approval) = &mut run.approval {
            approval.settled = settled;
        }
        Ok(Rest { due: self.marked(run).await?.due, ..unsettled })
    }

    /// After a yes: all plans count, and the steps that are not on the approved list are asked about. Nothing where they are as few as
    /// the stage allows.
    async fn beyond(&self, run: &mut Run, approved: &Listed, unsettled: Rest) -> Result<Option<Rest>, RunError> {
        let Some(rule) = run.approval.as_ref().map(|approval| approval.rule) else { return Ok(None) };
        let known = self.ledger.listed(&run.id, approved).await?;
        let is_unknown = |step: &&Step| {
            let is_listed = known.contains(&(step.facet.clone(), step.wanted.clone()));
            step.awaits.is_none() && !is_listed && !run.is_meanwhile(step.part)
        };
        let unmarked: Vec<&Step> = unsettled.steps.iter().filter(is_unknown).collect();
        if !unmarked.is_empty() {
            // A function of the version before planned it: its steps cannot be told apart, and all of them are asked about.
            let again = Some(exceeds(&unmarked, approved, rule));
            return Ok(Some(Rest { again, ..unsettled }));
        }
        count(run);
        let rest = self.marked(run).await?;
        let Some(approval) = run.approval.as_mut().filter(|_| !rest.steps.is_empty()) else { return Ok(None) };
        if approval.exceeded + rest.steps.len() <= rule.beyond.of(approved.changes) {
            approval.exceeded += rest.steps.len();
            approval.granted.extend(rest.marks);
            return Ok(None);
        }
        let again = Some(exceeds(&rest.steps.iter().collect::<Vec<_>>(), approved, rule));
        Ok(Some(Rest { again, ..rest }))
    }

    /// The run waits for a person's answer about `rest`.
    fn wait(&self, run: &mut Run, rest: Rest) {
        let Some(mut approval) = run.approval.take() else { return };
        approval.next = None;
        let question = self.question(&approval, rest);
        if approval.question.as_ref().is_none_or(|before| before.at != question.at) {
            let why = question.again.clone().unwrap_or_else(|| approval.why.join("; "));
            run.note(question.at, &self.by, format!("approval asked for until {}: {why}", clock::words(question.until)));
        }
        approval.question = Some(question);
        run.approval = Some(approval);
        run.state = RunState::Waiting;
    }

    /// The question for `rest`. One that an execution asked which died meanwhile stays as it is, and people's time with it.
    fn question(&self, approval: &Approval, rest: Rest) -> Question {
        let Rest { list, marks, again, .. } = rest;
        let now = self.clock.now();
        let times = approval.question.as_ref().map_or(0, |question| question.unanswered);
        let within = if times > 0 { ASKED_AGAIN } else { SignedDuration::from_secs(approval.rule.within.seconds()) };
        let until = now + within;
        let answered = |digest: &str| approval.decisions.iter().any(|decision| decision.digest == digest);
        match &approval.question {
            Some(before) if before.list.digest == list.digest && !answered(&list.digest) => {
                // Their time begins when they are told.
                let until = if before.told.is_some() { before.until } else { until };
                Question { until, list, marks, token: None, ..before.clone() }
            }
            before => {
                let unheard = before.as_ref().filter(|before| !answered(&before.list.digest));
                let unanswered = unheard.map_or(0, |before| before.unanswered);
                Question { at: now, until, again, list, marks, unanswered, told: None, token: None }
            }
        }
    }

    /// The plans count: from now on they are never replaced.
    fn settle(&self, run: &mut Run) {
        run.wake = None;
        count(run);
        self.carry_out(run, None);
    }

    /// The plans that count are carried out; after it a person is asked about `next` changes, where one is.
    fn carry_out(&self, run: &mut Run, next: Option<usize>) {
        if let Some(approval) = &mut run.approval {
            approval.next = next;
        }
        // A run that looks again at its holds stays enforced meanwhile.
        let looks = run.rescanning.is_some() && run.state == RunState::Enforced;
        if run.state != RunState::Applying && !looks {
            let first =
                |next| format!("the steps that need no answer are carried out; then a person is asked about {next} changes");
            run.note(self.clock.now(), &self.by, next.map_or_else(|| planned(run), first));
            run.state = RunState::Applying;
        }
    }

    /// The changes of all plans that do not count for good yet, and are not made while a person is asked.
    async fn unsettled(&self, run: &Run) -> Result<Rest, LedgerError> {
        let (mut steps, mut parts) = (Vec::new(), Vec::new());
        let is_first = run.approval.as_ref().is_some_and(|approval| approval.approved.is_none());
        for (part, plan) in run.parts.iter().map(|part| &part.plan).enumerate() {
            let PartPlan::Written(written) = plan else { continue };
            if !(run.is_settled(part) || is_first && run.is_meanwhile(part)) {
                let changes = self.ledger.changes(&run.id, part, &written.token).await?;
                parts.push(ListedPart { part, token: written.token.clone(), changes: changes.len() });
                steps.extend(changes);
            }
        }
        Ok(Rest { list: listed(&steps, parts), steps, marks: Vec::new(), due: false, again: None })
    }

    /// Of plans that count, the steps that their last plan or review left for a question, and whether others are due.
    async fn marked(&self, run: &Run) -> Result<Rest, LedgerError> {
        let asks = |part: &Part| match &part.plan {
            PartPlan::Written(written) => written.asks.clone(),
            _ => None,
        };
        let asked: Vec<Option<Nonce>> = run.parts.iter().map(asks).collect();
        let (mut steps, mut due) = (Vec::new(), false);
        self.ledger
            .visit(run, |step| {
                due |= run.allows(&step) && !decide::is_applied(&step, run.tries.apply);
                let mark = asked.get(step.part).and_then(Option::as_ref);
                if mark.is_some() && step.awaits.as_ref() == mark && run.is_to_ask(&step) {
                    steps.push(step);
                }
            })
            .await?;
        steps.sort_by(|a, b| (a.part, &a.facet).cmp(&(b.part, &b.facet)));
        let mut parts: Vec<ListedPart> = Vec::new();
        for (part, plan) in run.parts.iter().map(|part| &part.plan).enumerate() {
            let changes = steps.iter().filter(|step| step.part == part).count();
            if let (PartPlan::Written(written), true) = (plan, changes > 0) {
                parts.push(ListedPart { part, token: written.token.clone(), changes });
            }
        }
        let marks = parts.iter().filter_map(|part| asked[part.part].clone()).collect();
        Ok(Rest { list: listed(&steps, parts), steps, marks, due, again: None })
    }
}

/// All plans that are written count from now on.
fn count(run: &mut Run) {
    let written = |part: &usize| matches!(run.parts[*part].plan, PartPlan::Written(_));
    let settled: Vec<usize> = (0..run.parts.len()).filter(written).collect();
    if let Some(approval) = &mut run.approval {
        approval.settled = settled;
    }
}

/// The list of these steps.
fn listed(steps: &[Step], parts: Vec<ListedPart>) -> Listed {
    let mut lines: Vec<String> = steps.iter().map(|step| format!("{}\t{}\n", step.facet, step.wanted)).collect();
    lines.sort();
    let digest = format!("{:x}", Sha256::digest(lines.concat()));
    Listed { changes: steps.len(), digest, parts }
}

fn exceeds(beyond: &[&Step], approved: &Listed, rule: ApprovalRule) -> String {
    let mut named: Vec<&str> = beyond.iter().take(NAMED).map(|step| step.label.as_str()).collect();
    if beyond.len() > NAMED {
        named.push("...");
    }
    format!(
        "{} of what is planned now were not among the {} that were approved, which is more than the {} that may be beyond them: {}",
        beyond.len(),
        approved.changes,
        rule.beyond,
        named.join(", ")
    )
}

/// Words for the plan that counts from now on.
fn planned(run: &Run) -> String {
    match unplanned(run) {
        0 => "the plan is whole".to_owned(),
        some => format!("the plan counts, and {some} of {} actions could not be planned", run.parts.len()),
    }
}
