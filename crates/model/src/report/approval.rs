//! The text for people about a run's approval: the question, its reason and its deadline, and the answer.

use std::fmt::Write;

use crate::clock;
use crate::config::Otherwise;
use crate::ids::ActionName;
use crate::record::{Approval, Because, Run, RunState};

/// The question, or the answer; nothing of a run that needs no approval.
pub(super) fn text(run: &Run) -> String {
    let Some(approval) = &run.approval else { return String::new() };
    let mut text = String::new();
    if let (RunState::Waiting, Some(question)) = (run.state, &approval.question) {
        let silence = match approval.rule.otherwise {
            Otherwise::Reject if approval.is_asked_until_answered() => "is asked again each day, until a person answers",
            Otherwise::Reject => "rejects it",
            Otherwise::Approve => "approves it",
        };
        if question.unanswered > 0 {
            let _ = writeln!(text, "NOBODY ANSWERED {} TIMES. The money may be running out meanwhile.", question.unanswered);
        }
        let until = clock::words(question.until);
        let _ = writeln!(text, "{} They are asked until {until}; silence {silence}. Why:", untouched(approval));
        for why in question.again.iter().chain(&approval.why) {
            let _ = writeln!(text, "  - {why}");
        }
        let _ = writeln!(text, "Asked about: {} changes", question.list.changes);
    } else {
        // Nothing is asked of a run that was answered, put back or rejected.
        let needs = if run.state == RunState::Opening && approval.decisions.is_empty() { "needs" } else { "needed" };
        let _ = writeln!(text, "It {needs} a person's approval: {}", approval.why.join("; "));
    }
    for decision in &approval.decisions {
        let _ = writeln!(text, "{}: {}", clock::words(decision.at), decision.words());
    }
    text
}

/// The part that is not changed before a person says so.
fn untouched(approval: &Approval) -> String {
    if approval.settled.is_empty() {
        return "Nothing below is changed before a person approves it.".to_owned();
    }
    if approval.approved.is_some() {
        return "What was approved is done. The steps that are planned are not changed before a person approves them.".to_owned();
    }
    let names: Vec<&str> = approval.meanwhile.iter().map(ActionName::as_str).collect();
    format!(
        "{} is in force meanwhile, and is put back after a no. The steps that are planned are not changed before a person approves \
         them.",
        names.join(" and ")
    )
}

/// Words before the subject of a message that asks a person: the longer nobody answers, the louder.
#[must_use]
pub(super) fn urgency(run: &Run) -> String {
    let question = run.approval.as_ref().and_then(|approval| approval.question.as_ref());
    match question.filter(|_| run.state == RunState::Waiting).map_or(0, |question| question.unanswered) {
        0 => String::new(),
        1 => "UNANSWERED: ".to_owned(),
        times => format!("URGENT, UNANSWERED {times} TIMES: "),
    }
}

/// Both commands.
pub(super) fn next(run: &Run) -> String {
    let id = &run.id;
    let only_figure = run.approval.as_ref().is_some_and(|approval| approval.because == Because::Doubt);
    let release = || format!("\nTo release the stage for the period: guardrails reject {id} --for-the-period --reason ...");
    let period = if only_figure { release() } else { String::new() };
    format!("To approve it: guardrails approve {id} --reason ...\nTo reject it:  guardrails reject {id} --reason ...{period}")
}
