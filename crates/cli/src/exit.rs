//! Exit codes: one list, for every subcommand, for `--help` and for docs/exit-codes.md.

use std::fmt::Write as _;
use std::process::ExitCode;

/// The end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It is done.
    Done,
    /// It could not be done; the reason is on stderr.
    Failed,
    /// The arguments or `guardrails.yaml` are not as expected; nothing was done.
    BadInput,
    /// `explain` met an alert that is unknown.
    Unknown,
    /// It ran to its end, and a part failed, was refused or is still held.
    PartlyFailed,
    /// A person said no, or could not be asked. No target and no stack is changed.
    Declined,
    /// The run waits for a person's approval of further changes.
    Waits,
    /// `doctor` found nothing worse than warnings.
    Warned,
    /// `doctor` found failures.
    Unwell,
    /// `doctor`, `init` or `plan` found no failure, and could not look at everything.
    NotChecked,
    /// A person waited no longer. The run on the screen goes on by itself.
    Interrupted,
}

impl Exit {
    /// Every end, in the order of the codes.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Failed,
        Self::BadInput,
        Self::Unknown,
        Self::PartlyFailed,
        Self::Declined,
        Self::Waits,
        Self::Warned,
        Self::Unwell,
        Self::NotChecked,
        Self::Interrupted,
    ];

    /// Its code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::BadInput => 2,
            Self::Unknown => 3,
            Self::PartlyFailed => 4,
            Self::Declined => 5,
            Self::Waits => 6,
            Self::Warned => 10,
            Self::Unwell => 11,
            Self::NotChecked => 12,
            // As shells have it for a program that Ctrl-C ended.
            Self::Interrupted => 130,
        }
    }

    /// Its meaning, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "could not be done; the reason is on stderr",
            Self::BadInput => "the arguments or guardrails.yaml are not as expected; nothing was done",
            Self::Unknown => "an alert is unknown",
            Self::PartlyFailed => "ended, and a part failed, was refused or is still held",
            Self::Declined => {
                "declined: a person said no, or there was no terminal to ask on; no target and no stack is changed (`deploy` may \
                 have made its bucket and uploaded the code)"
            }
            Self::Waits => "the run waits for a person's approval of further changes",
            Self::Warned => "warnings: it works, and is not as it should be",
            Self::Unwell => "failures: a guardrail does not work, or would fail without a word to anybody",
            Self::NotChecked => "no failure was found, and something could not be checked, which may hide one",
            Self::Interrupted => "interrupted by Ctrl-C; the run on the screen goes on by itself",
        }
    }

    /// The subcommands that may end so. None are named where all may.
    #[must_use]
    pub const fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Done | Self::Failed | Self::BadInput => &[],
            Self::Unknown => &["explain"],
            Self::PartlyFailed => &["abandon", "approve", "contract", "plan", "prices fetch", "reject", "rollback", "simulate"],
            Self::Declined => &["abandon", "approve", "deploy", "rearm", "reject", "remove", "rollback", "simulate"],
            Self::Waits => &["approve", "reject", "simulate"],
            Self::Warned | Self::Unwell => &["doctor"],
            Self::NotChecked => &["doctor", "init", "plan"],
            Self::Interrupted => &["approve", "reject", "rollback", "simulate"],
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The list as `--help` ends with it.
#[must_use]
pub fn help() -> String {
    let mut help = "Exit codes:".to_owned();
    for exit in Exit::ALL {
        let by = exit.commands();
        let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
        let _ = write!(help, "\n  {:<4}{}{by}", exit.code(), exit.meaning());
    }
    help
}

/// The part of the list that is of one command, with its subcommands.
#[must_use]
pub fn help_of(command: &str) -> String {
    let is_of = |exit: &Exit| {
        let mut by = exit.commands().iter();
        exit.commands().is_empty() || by.any(|name| name.split(' ').next() == Some(command))
    };
    let lines = Exit::ALL.into_iter().filter(is_of).map(|exit| format!("\n  {:<4}{}", exit.code(), exit.meaning()));
    std::iter::once("Exit codes:".to_owned()).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_in_order() {
        assert!(Exit::ALL.windows(2).all(|two| two[0].code() < two[1].code()));
    }

    #[test]
    fn help_has_a_line_for_each_code() {
        let help = help();
        assert_eq!(help.lines().count(), 1 + Exit::ALL.len());
        let line = "\n  6   the run waits for a person's approval of further changes (approve, reject, simulate)\n";
        assert!(help.contains(line), "{help}");
    }
}
