//! Exit codes: named, documented, and the same for all subcommands.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: it could not be done; the reason is on stderr.
    Failed,
    /// 2: the arguments or `guardrails.yaml` are not as expected; nothing was done.
    BadInput,
    /// 3: `explain` met an alert that is unknown.
    Unknown,
    /// 4: it ran to its end, and some step failed; the rest is done.
    PartlyFailed,
    /// 5: a person said no, or could not be asked; nothing was done.
    Declined,
    /// 6: the run waits for a person's approval; nothing is changed before that.
    Waits,
    /// 10: `doctor` found nothing worse than warnings.
    Warned,
    /// 11: `doctor` found failures.
    Unwell,
    /// 12: `doctor` found no failure, and could not look at everything.
    NotChecked,
    /// 130: a person waited no longer; the run goes on by itself.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::BadInput => 2,
            Exit::Unknown => 3,
            Exit::PartlyFailed => 4,
            Exit::Declined => 5,
            Exit::Waits => 6,
            Exit::Warned => 10,
            Exit::Unwell => 11,
            Exit::NotChecked => 12,
            // As shells have it for a program that Ctrl-C ended.
            Exit::Interrupted => 130,
        })
    }
}
