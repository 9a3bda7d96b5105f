//! A run in words: the same for the message that is sent, for `guardrails status` and for the demo.

use std::fmt::Write;

use serde::Serialize;

use crate::phase::Phase;
use crate::record::{PartPlan, Run, RunState, Step};

/// A run and all of its steps.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The run.
    pub run: Run,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// How many steps stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// As wanted.
    pub applied: usize,
    /// Left alone.
    pub skipped: usize,
    /// Under way, either way, or not begun.
    pub pending: usize,
    /// Failed, either way.
    pub failed: usize,
    /// Put back.
    pub rolled_back: usize,
}

impl Report {
    /// How many steps stand where.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for step in &self.steps {
            let count = match step.phase {
                Phase::Applied => &mut counts.applied,
                Phase::Skipped => &mut counts.skipped,
                Phase::Planned | Phase::Applying | Phase::RollingBack => &mut counts.pending,
                Phase::ApplyFailed | Phase::RollbackFailed => &mut counts.failed,
                Phase::RolledBack | Phase::Abandoned => &mut counts.rolled_back,
            };
            *count += 1;
        }
        counts
    }

    /// One line: what, where, how it stands.
    #[must_use]
    pub fn headline(&self) -> String {
        let run = &self.run;
        let simulated = if run.simulated { "[simulated] " } else { "" };
        format!("{simulated}{}: {} at {} in {}", run.guardrail, run.state.words(), run.stage, run.period)
    }

    /// The whole in plain text: what was done, what failed and why, and what to do next.
    #[must_use]
    pub fn text(&self) -> String {
        let run = &self.run;
        let mut text = format!("{}\nrun {}, begun {}\n", self.headline(), run.id, run.began);
        if run.simulated {
            text.push_str("This run was begun by a simulated alert. What it did is real.\n");
        }
        for part in &run.parts {
            if let PartPlan::Failed { reason } = &part.plan {
                let _ = writeln!(text, "  FAILED  {}: {reason}", part.action);
            }
        }
        for step in &self.steps {
            let _ = writeln!(text, "  {}", line(step));
        }
        if let Some(event) = run.events.last() {
            let _ = writeln!(text, "{}", event.what);
        }
        if let Some(next) = self.next() {
            let _ = writeln!(text, "{next}");
        }
        text
    }

    /// The command that comes next, where one does.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        let run = &self.run;
        match run.state {
            RunState::Enforced => Some(format!("To put it back: guardrails rollback {} --run {}", run.guardrail, run.id)),
            RunState::ApplyFailed => Some(format!(
                "To try what failed again: guardrails rearm {}. To put back what was done: guardrails rollback {} --run {}",
                run.guardrail, run.guardrail, run.id
            )),
            RunState::RollbackFailed => {
                Some(format!("When the reasons are dealt with: guardrails rollback {} --run {}", run.guardrail, run.id))
            }
            RunState::RolledBack if run.simulated => Some("Real alerts of this stage are enforced as ever.".to_owned()),
            RunState::RolledBack => Some(format!(
                "Alerts of this stage are recorded, not enforced, until the next period. To enforce them again: guardrails \
                 rearm {}",
                run.guardrail
            )),
            RunState::Opening | RunState::Applying | RunState::RollingBack | RunState::Notified => None,
        }
    }
}

/// A step in one line.
#[must_use]
pub fn line(step: &Step) -> String {
    let before = step.before.as_ref().unwrap_or(&step.present);
    let change = match step.phase {
        Phase::Skipped => format!("{before}"),
        Phase::RolledBack | Phase::RollingBack | Phase::RollbackFailed => format!("{} -> {before}", step.wanted),
        _ => format!("{before} -> {}", step.wanted),
    };
    let reason = step.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let mark = if step.phase.is_failure() { "FAILED  " } else { "" };
    format!("{mark}{}: {change}: {}{reason}", step.label, step.phase)
}
