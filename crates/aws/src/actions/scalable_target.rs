//! Application Auto Scaling's scalable targets, as the actions suspend them and put them back: both bounds and all three flags.

mod targets;

use aws_sdk_applicationautoscaling::types::{ScalableTarget, SuspendedState};
use guardrails_model::ids::Value;
use guardrails_model::pace::Limit;

#[cfg(feature = "lambda")]
pub(super) use self::targets::FUNCTIONS;
#[cfg(feature = "ecs")]
pub(super) use self::targets::SERVICES;
pub(super) use self::targets::Targets;
use crate::error::{Codes, Failure};

/// `RegisterScalableTarget`, of which AWS documents no bucket: a guess.
pub(super) const TARGETS: Limit = Limit::new("register-scalable-target", 10.0, 5.0);
/// The target is written by another call just now. That it is gone is no code of AWS's.
pub(super) const CODES: Codes = Codes { not_now: &["ConcurrentUpdateException"], not_for_it: &[GONE], ..Codes::NONE };
const GONE: &str = "TargetIsGone";
/// The words for a kind of scaling that works, and for one that does not.
const RUNNING: &str = "running";
const SUSPENDED: &str = "suspended";

/// The state of a scalable target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The lower bound.
    pub(super) min: i32,
    /// The upper bound.
    pub(super) max: i32,
    /// Suspended: scale-in, scale-out, scheduled scaling.
    suspended: [bool; 3],
}

impl State {
    pub(super) fn of(target: &ScalableTarget) -> Self {
        let flag = |flag: fn(&SuspendedState) -> Option<bool>| target.suspended_state().and_then(flag).unwrap_or_default();
        Self {
            min: target.min_capacity(),
            max: target.max_capacity(),
            suspended: [
                flag(SuspendedState::dynamic_scaling_in_suspended),
                flag(SuspendedState::dynamic_scaling_out_suspended),
                flag(SuspendedState::scheduled_scaling_suspended),
            ],
        }
    }

    /// The same target, under which a count of 0 stays 0.
    pub(super) fn off(self) -> Self {
        Self { min: 0, suspended: [true; 3], ..self }
    }

    pub(super) fn value(self) -> Value {
        let [inward, outward, scheduled] = self.suspended.map(|is| if is { SUSPENDED } else { RUNNING });
        Value::new(format!("min {}, max {}, in {inward}, out {outward}, scheduled {scheduled}", self.min, self.max))
    }

    /// The state that a value says.
    ///
    /// # Errors
    /// When it says none.
    fn wanted(value: &Value) -> Result<Self, Failure> {
        Self::read(value).ok_or_else(|| Failure::refused(format!("`{value}` is no state of a scalable target")))
    }

    fn read(value: &Value) -> Option<Self> {
        let words: Vec<&str> = value.as_str().split(", ").collect();
        let [min, max, inward, outward, scheduled] = words.as_slice() else { return None };
        let number = |word: &str, name: &str| word.strip_prefix(name)?.parse().ok();
        let flag = |word: &str, name: &str| match word.strip_prefix(name)? {
            RUNNING => Some(false),
            SUSPENDED => Some(true),
            _ => None,
        };
        let suspended = [flag(inward, "in ")?, flag(outward, "out ")?, flag(scheduled, "scheduled ")?];
        Some(Self { min: number(min, "min ")?, max: number(max, "max ")?, suspended })
    }

    /// All three flags, for a call: AWS does not document that one left out stays as it is.
    fn flags(self) -> SuspendedState {
        let [inward, outward, scheduled] = self.suspended;
        let flags = SuspendedState::builder().dynamic_scaling_in_suspended(inward).dynamic_scaling_out_suspended(outward);
        flags.scheduled_scaling_suspended(scheduled).build()
    }

    /// The target on its way back from `off`, where others made it `seen`: their changes stay, and the rest is as before.
    pub(super) fn merged(self, seen: Self) -> Self {
        fn pick<T: PartialEq + Copy>(before: T, off: T, seen: T) -> T {
            if seen == off { before } else { seen }
        }
        let off = self.off();
        let max = pick(self.max, off.max, seen.max);
        let suspended = [0, 1, 2].map(|at| pick(self.suspended[at], off.suspended[at], seen.suspended[at]));
        Self { min: pick(self.min, off.min, seen.min).min(max), max, suspended }
    }
}

/// The value on the way back of a target that others made `seen`.
pub(super) fn merged(before: &Value, seen: &Value) -> Option<Value> {
    State::read(before).zip(State::read(seen)).map(|(before, seen)| before.merged(seen).value())
}

/// Is it suspended, with a minimum of 0?
pub(super) fn is_off(target: &ScalableTarget) -> bool {
    let state = State::of(target);
    state == state.off()
}

/// That there is no such target any more: a call would register it anew.
fn gone(id: &str) -> Failure {
    let message = format!("the scalable target {id} is there no more");
    Failure { code: Some(GONE.to_owned()), ..Failure::refused(message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(min: i32, max: i32, suspended: [bool; 3]) -> State {
        State { min, max, suspended }
    }

    #[test]
    fn state_is_written_down_and_read_back() {
        let one = state(2, 6, [false, false, true]);
        assert_eq!(one.value(), Value::new("min 2, max 6, in running, out running, scheduled suspended"));
        assert_eq!(State::read(&one.value()), Some(one));
        for none in ["", "none", "min 2, max 6", "min 2, max 6, in on, out running, scheduled running"] {
            assert_eq!(State::read(&Value::new(none)), None, "{none}");
        }
    }

    #[test]
    fn change_of_others_stays_and_ours_goes_back() {
        let before = state(2, 6, [false, false, true]);
        assert_eq!(before.merged(before.off()), before);
        let larger = State { max: 9, ..before.off() };
        assert_eq!(before.merged(larger), State { max: 9, ..before });
        let resumed = State { min: 1, suspended: [true, false, true], ..before.off() };
        assert_eq!(before.merged(resumed), State { min: 1, ..before });
        let smaller = State { max: 1, ..before.off() };
        assert_eq!(before.merged(smaller), State { min: 1, max: 1, ..before }, "a minimum above the maximum is refused");
    }
}
