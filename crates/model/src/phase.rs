//! The phases of a step, and which may follow which: one exhaustive match, everything else is refused.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Written down, nothing begun.
    Planned,
    /// Nothing to do, and rollback never touches it.
    Skipped,
    /// Before is written; the change is under way, or its maker died.
    Applying,
    /// The world was seen as wanted.
    Applied,
    /// The change was refused, or did not come about in time.
    ApplyFailed,
    /// Before is being put back, or the execution that did it died.
    RollingBack,
    /// The world was seen as before, or there is nothing of ours to put back.
    RolledBack,
    /// Putting back was refused; the hold stays, and it can be tried again.
    RollbackFailed,
    /// A person settled it by hand.
    Abandoned,
}

impl Phase {
    /// May `next` follow?
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use Phase::{Abandoned, Applied, ApplyFailed, Applying, Planned, RollbackFailed, RolledBack, RollingBack, Skipped};
        match self {
            Planned => matches!(next, Skipped | Applying | Applied | ApplyFailed),
            // Taken up again by the invocation that comes after a death: the same phase, a new lease.
            Applying => {
                matches!(next, Applying | Applied | ApplyFailed | Skipped | RollingBack | RolledBack | RollbackFailed | Abandoned)
            }
            // While its run holds it: somebody's change that stays is said, and one that does not is undone, with the first Before.
            Applied => matches!(next, Applied | Applying | RollingBack | RolledBack | RollbackFailed | Abandoned),
            // A failed step is put back too, since its change may have come about; and it may be tried again.
            ApplyFailed => {
                matches!(next, Applying | Applied | Skipped | ApplyFailed | RollingBack | RolledBack | RollbackFailed | Abandoned)
            }
            RollingBack => matches!(next, RollingBack | RolledBack | RollbackFailed | Abandoned),
            RollbackFailed => matches!(next, RollingBack | RolledBack | RollbackFailed | Abandoned),
            // It holds nothing. While its run is held it may be planned again: somebody started it, or it is exempt no more.
            Skipped => matches!(next, Planned),
            RolledBack | Abandoned => false,
        }
    }

    /// Does it hold nothing, so that no rollback ever changes it?
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Skipped | Self::RolledBack | Self::Abandoned)
    }

    /// Did something go wrong that a person must know of?
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::ApplyFailed | Self::RollbackFailed)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Planned => "planned",
            Self::Skipped => "skipped",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::ApplyFailed => "apply failed",
            Self::RollingBack => "rolling back",
            Self::RolledBack => "rolled back",
            Self::RollbackFailed => "rollback failed",
            Self::Abandoned => "abandoned",
        };
        f.pad(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Phase; 9] = [
        Phase::Planned,
        Phase::Skipped,
        Phase::Applying,
        Phase::Applied,
        Phase::ApplyFailed,
        Phase::RollingBack,
        Phase::RolledBack,
        Phase::RollbackFailed,
        Phase::Abandoned,
    ];

    #[test]
    fn rolling_back_never_turns_forward_again() {
        for phase in [Phase::RollingBack, Phase::RollbackFailed, Phase::RolledBack] {
            for next in [Phase::Planned, Phase::Applying, Phase::Applied, Phase::ApplyFailed] {
                assert!(!phase.may_become(next), "{phase} -> {next}");
            }
        }
    }

    #[test]
    fn final_phase_has_no_successor_and_every_other_reaches_the_end() {
        for phase in ALL {
            let successors: Vec<_> = ALL.into_iter().filter(|next| phase.may_become(*next)).collect();
            // A step that was left alone may be planned again, which holds nothing either.
            let over = successors.is_empty() || successors == [Phase::Planned];
            assert_eq!(over, phase.is_final(), "{phase}");
            assert!(phase.is_final() || successors.iter().any(|next| next.is_final()), "{phase}");
        }
    }

    #[test]
    fn step_put_back_or_abandoned_is_never_planned_again() {
        let again: Vec<_> = ALL.into_iter().filter(|phase| phase.may_become(Phase::Planned)).collect();
        assert_eq!(again, [Phase::Skipped]);
        // A held step goes on without losing its hold, never through a phase that a rollback takes for not begun.
        assert!(Phase::Applied.may_become(Phase::Applying) && !Phase::Applied.may_become(Phase::Planned));
    }

    #[test]
    fn step_that_may_have_changed_the_world_is_never_skipped() {
        assert!(!Phase::Applied.may_become(Phase::Skipped));
        assert!(!Phase::RollingBack.may_become(Phase::Skipped));
        assert!(!Phase::Planned.may_become(Phase::RolledBack));
    }
}
