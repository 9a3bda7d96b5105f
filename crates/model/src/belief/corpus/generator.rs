//! Histories that nobody reported: for any figures, a breach within the bound is enforced in its round, and nothing beyond it is
//! enforced alone.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::history::{Budgets, Event, History, Label, Lamp, Outcome, Says};
use super::player::play;

/// A history of figures, one or two a day, which only grow, in the middle of a month.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (1..20i64, 0..4u8, 0..60u8, any::<bool>());
    proptest::collection::vec((one, 1..400u64), 1..12).prop_map(|steps| {
        let mut on: Timestamp = "2026-06-05T00:00:00Z".parse().unwrap();
        let mut cents = 0u64;
        let mut events = Vec::new();
        for ((hours, how, kind, lost), growth) in steps {
            on += SignedDuration::from_hours(hours);
            // From a cent to some hundred thousand dollars at a time.
            cents += growth * 10u64.pow(u32::from(how) * 2);
            let shown = Decimal::new(i64::try_from(cents).unwrap(), 2);
            let mut event = Event { shows: Some(shown), ..Event::at(on) };
            match kind {
                0..5 => event.budgets = Some(Budgets::Unreachable),
                5..15 => event.budgets = Some(Budgets::There),
                15..20 => event.lamp = Some(Lamp::Off),
                20..25 => event.runs = Some(Decimal::from(growth)),
                25..45 if !lost => event.alert = Some(shown),
                45..50 => event.alert = Some(shown + shown / Decimal::TWO + Decimal::ONE),
                _ => {}
            }
            events.push(event);
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn a_breach_within_the_bound_is_enforced_in_its_round(events in events(), dollars in 1..3000u32) {
        let budget = format!("{dollars} USD").parse().unwrap();
        let history = History::made(Label::TrueBreach, Outcome::Enforced, budget, events);
        let played = play(&history);
        prop_assert!(played.broken(Label::TrueBreach).is_none(), "{:?}\n{}", history.events, played.log.join("\n"));
    }

    #[test]
    fn a_figure_beyond_the_bound_is_never_enforced_alone(days in 1..9i64, factor in 2..1_000_000u64, alarmed: bool) {
        let on: Timestamp = "2026-06-05T00:00:00Z".parse().unwrap();
        let later = |day: i64| on + SignedDuration::from_hours(24 * day);
        let wrong = Decimal::from(10_001u64) * Decimal::from(factor);
        let mut events = vec![Event { shows: Some(Decimal::ONE), runs: Some(Decimal::ONE), ..Event::at(on) }];
        events.extend((1..=days).map(|day| {
            let shown = wrong + wrong * Decimal::from(day) / Decimal::from(7);
            Event { shows: Some(shown), alert: alarmed.then_some(shown), ..Event::at(later(day)) }
        }));
        events.push(Event { says: Some(Says::No), ..Event::at(later(days) + SignedDuration::from_hours(1)) });
        events.push(Event { shows: Some(wrong * Decimal::TEN), ..Event::at(later(days + 2)) });
        let history = History::made(Label::FalseFigure, Outcome::Asked, "100 USD".parse().unwrap(), events);
        let played = play(&history);
        prop_assert!(played.broken(Label::FalseFigure).is_none(), "{}", played.log.join("\n"));
        prop_assert_eq!(played.outcome, Outcome::Asked, "{}", played.log.join("\n"));
    }
}
