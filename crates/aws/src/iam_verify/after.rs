//! How people would stand after a plan. IAM is asked again, as if the policies that the plan takes were attached to nobody.

use guardrails_model::clock::Clock;
use guardrails_model::verify::{Changes, Left, Person};
use jiff::Timestamp;

use super::ask::Asker;
use super::found;

/// Each of `people` as they are and as they would be, and a line about those of whom IAM was not asked. How these would stand is worked
/// out from the names of the policies.
///
/// A person from whom no policy is taken is not asked about. After `until`, or once IAM refused, IAM is not asked any more.
pub async fn after(
    asker: &Asker,
    people: Vec<Person>,
    changes: &Changes,
    clock: &dyn Clock,
    until: Timestamp,
) -> (Vec<(Person, Left)>, Option<String>) {
    let mut both = Vec::with_capacity(people.len());
    let (mut ended, mut unasked) = (None, 0_usize);
    for now in people {
        let without = changes.taken_from(&now.by);
        if !without.is_empty() && ended.is_none() && clock.now() > until {
            ended = Some("the time was up".to_owned());
        }
        let mut answered = None;
        if !without.is_empty() && ended.is_none() {
            match found(asker.launching_without(&now.arn, &without).await) {
                Ok(answer) => answered = answer,
                Err(failure) => ended = Some(failure.message),
            }
        }
        unasked += usize::from(!without.is_empty() && ended.is_some());
        let left = answered.map_or_else(|| changes.left(&now), |answer| changes.left_as_asked(&now, &answer));
        both.push((now, left));
    }
    let note = |why| format!("IAM was not asked how {unasked} of these would stand then, which is worked out from names: {why}");
    (both, ended.map(note))
}
