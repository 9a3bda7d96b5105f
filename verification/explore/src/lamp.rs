//! The one facet that everything is about, and the time in which it is looked at.

use guardrails_model::action::Patience;
use guardrails_model::ids::FacetId;
use jiff::Timestamp;

/// The value that every run wants.
pub(crate) const OFF: &str = "off";

/// Seconds between two looks at the lamp, and until a change of it has failed.
pub(crate) const PATIENCE: Patience = Patience { poll: 20, limit: 300, give_up: 300 };

/// How many seconds an invocation has.
pub(crate) const LIFE: i64 = 60;

/// The one facet.
pub(crate) fn facet() -> FacetId {
    FacetId::new("lamp", "a", "light").expect("a facet")
}

/// Second 0 of every exploration, and so many seconds after it.
pub(crate) fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_392_000 + seconds).expect("a time in this century")
}

/// The second of a moment.
pub(crate) fn second(moment: Timestamp) -> i64 {
    moment.as_second() - 1_795_392_000
}
