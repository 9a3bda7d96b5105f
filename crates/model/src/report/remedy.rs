//! The commands for a person after something did not go as asked for.

use super::approval;
use crate::phase::Phase;
use crate::record::{Approval, Run, RunState, Step};

/// The command that comes next for a step that failed, with the step named exactly.
#[must_use]
pub fn remedy(run: &Run, step: &Step) -> Option<String> {
    let (guardrail, id, facet) = (&run.guardrail, &run.id, quoted(step.facet.as_str()));
    match step.phase {
        Phase::ApplyFailed if run.state.is_open() => Some(format!("to try again: guardrails rearm {guardrail}")),
        Phase::RollbackFailed if was_refused(step) => {
            Some(format!("when that is mended: guardrails rollback {guardrail} --run {id} --only {facet}"))
        }
        Phase::RollbackFailed => Some(format!(
            "to force it: guardrails rollback {guardrail} --run {id} --only {facet} --force\n      to leave it as it is: \
             guardrails abandon {id} --only {facet} --reason WHY"
        )),
        _ => None,
    }
}

/// The commands that come next for a run, where some do. The last sentence is about the stage as it is now: `released` says whether a
/// person let it go for the period, which an earlier run of it may have led to. When that was not read, the run's own end tells.
#[must_use]
pub fn next(run: &Run, released: Option<bool>) -> Option<String> {
    let (guardrail, id) = (&run.guardrail, &run.id);
    let text = match run.state {
        RunState::Enforced => format!("To put it back: guardrails rollback {guardrail} --run {id}"),
        RunState::ApplyFailed => format!(
            "To try what failed again: guardrails rearm {guardrail}. To put back what was done: guardrails rollback {guardrail} \
             --run {id}"
        ),
        RunState::RollbackFailed => format!(
            "When the reasons are dealt with: guardrails rollback {guardrail} --run {id}. To put back also what somebody changed \
             meanwhile: the same with --force. To let go of what you settled by hand: guardrails abandon {id} --reason WHY"
        ),
        RunState::Waiting => approval::next(run),
        RunState::RolledBack | RunState::Abandoned | RunState::Rejected if released == Some(true) => is_released(run),
        RunState::RolledBack | RunState::Abandoned | RunState::Rejected if run.simulated => {
            "Real alerts of this stage are enforced as ever.".to_owned()
        }
        RunState::RolledBack
            if run.rollback.as_ref().is_some_and(|request| request.armed)
                && run.approval.as_ref().is_some_and(Approval::is_discarded_figure) =>
        {
            format!(
                "What was done meanwhile is put back, and the figure is discarded. The stage stays armed: any other figure is judged \
                 anew. To judge this one again too: guardrails rearm {guardrail}"
            )
        }
        RunState::RolledBack if run.rollback.as_ref().is_some_and(|request| request.armed) => {
            "The next alert of this stage is enforced.".to_owned()
        }
        RunState::RolledBack | RunState::Abandoned if released == Some(false) => "Alerts of this stage are enforced.".to_owned(),
        RunState::Rejected if run.approval.as_ref().is_some_and(Approval::is_unanswered_doubt) => {
            "Nothing was changed. The stage stays armed: should AWS Budgets show that its threshold is passed, it is enforced, and \
             people are asked again where that is not believed."
                .to_owned()
        }
        RunState::Rejected if run.approval.as_ref().is_some_and(Approval::is_discarded_figure) => format!(
            "Nothing was changed, and the figure is discarded. The stage stays armed: any other figure is judged anew. To judge this \
             one again too: guardrails rearm {guardrail}"
        ),
        RunState::Rejected if released == Some(false) => "Nothing was changed. Alerts of this stage are enforced.".to_owned(),
        RunState::RolledBack | RunState::Abandoned | RunState::Rejected => is_released(run),
        RunState::Opening | RunState::Applying | RunState::RollingBack | RunState::Notified => return None,
    };
    Some(text)
}

/// The words for a stage that a person let go.
fn is_released(run: &Run) -> String {
    let nothing = if run.state == RunState::Rejected { "Nothing was changed. " } else { "" };
    let alerts = if run.simulated { "Real alerts" } else { "Alerts" };
    format!(
        "{nothing}{alerts} of this stage are recorded, not enforced, until the next period. To enforce them again: guardrails rearm {}",
        run.guardrail
    )
}

/// Was it AWS that refused? Force does not help against that.
fn was_refused(step: &Step) -> bool {
    let latest = step.events.latest();
    latest.is_some_and(|event| event.calls.iter().chain(&event.last_calls).any(|call| call.error.is_some()))
}

/// As a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facet_that_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("group-policy/Beta/arn:aws:iam::aws:policy/X"), "group-policy/Beta/arn:aws:iam::aws:policy/X");
        assert_eq!(quoted("group-size/us-east-1/it's web"), r"'group-size/us-east-1/it'\''s web'");
    }
}
