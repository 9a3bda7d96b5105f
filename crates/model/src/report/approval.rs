//! What people are told of a run's approval: what is asked, why, until when, and what was said.

use std::fmt::Write;

use crate::clock;
use crate::config::Otherwise;
use crate::record::{Because, Run, RunState};

/// What is asked, or was said; nothing of a run that needs no approval.
pub(super) fn text(run: &Run) -> String {
    let Some(approval) = &run.approval else { return String::new() };
    let mut text = String::new();
    if let (RunState::Waiting, Some(question)) = (run.state, &approval.question) {
        let silence = match approval.rule.otherwise {
            Otherwise::Reject if approval.because == Because::Doubt => "leaves it as it is, and is asked again",
            Otherwise::Reject => "rejects it",
            Otherwise::Approve => "approves it",
        };
        let _ = writeln!(
            text,
            "Nothing below is changed before a person approves it. They are asked until {}; silence {silence}. Why:",
            clock::words(question.until)
        );
        for why in question.again.iter().chain(&approval.why) {
            let _ = writeln!(text, "  - {why}");
        }
        let _ = writeln!(text, "Asked about: {} changes", question.list.changes);
    } else {
        let _ = writeln!(text, "It needs a person's approval: {}", approval.why.join("; "));
    }
    for decision in &approval.decisions {
        let _ = writeln!(text, "{}: {}", clock::words(decision.at), decision.words());
    }
    text
}

/// Both commands.
pub(super) fn next(run: &Run) -> String {
    let id = &run.id;
    let only_figure = run.approval.as_ref().is_some_and(|approval| approval.because == Because::Doubt);
    let release = || format!("\nTo release the stage for the period: guardrails reject {id} --for-the-period --reason ...");
    let period = if only_figure { release() } else { String::new() };
    format!("To approve it: guardrails approve {id} --reason ...\nTo reject it:  guardrails reject {id} --reason ...{period}")
}
