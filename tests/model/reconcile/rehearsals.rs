//! Rehearsals: every stage is planned once a day without a run. People are told once of each finding, then on change.

use std::sync::Mutex;

use async_trait::async_trait;
use guardrails_model::clock::Clock;
use guardrails_model::pace::Pace;
use guardrails_model::record::{Rehearsal, Run, Tally};
use guardrails_model::rehearsals::{Planner, Rehearsals, Rehearsed, message};
use guardrails_model::report::Kind;
use jiff::Timestamp;

use super::lab::Lab;
use crate::world::lock;

const DAY: i64 = 24 * 3600;

/// The lamps' own actions plan.
struct Hands<'a>(&'a Lab);

#[async_trait]
impl Planner for Hands<'_> {
    async fn rehearse(&self, draft: &Run, part: usize) -> Tally {
        let action = self.0.harness.action(draft, &draft.parts[part]);
        self.0.harness.executor().rehearse(draft, part, &*action).await
    }
}

/// Says the same of each part, and counts them.
#[derive(Default)]
struct Says {
    tally: Mutex<Tally>,
    asked: Mutex<usize>,
}

#[async_trait]
impl Planner for Says {
    async fn rehearse(&self, _: &Run, _: usize) -> Tally {
        *lock(&self.asked) += 1;
        lock(&self.tally).clone()
    }
}

async fn round(lab: &Lab, planner: &dyn Planner, all: bool) -> Rehearsed {
    rehearsals(lab, planner).round(all).await.unwrap()
}

fn rehearsals<'a>(lab: &'a Lab, planner: &'a dyn Planner) -> Rehearsals<'a> {
    Rehearsals { runs: lab.harness.runs(), planner, until: Timestamp::MAX }
}

async fn kept(lab: &Lab) -> Rehearsal {
    lab.harness.truth.rehearsals().await.unwrap().remove(0)
}

fn because(words: &str, count: usize) -> Vec<Kind> {
    vec![Kind { words: words.to_owned(), count, examples: vec!["x".to_owned()] }]
}

#[tokio::test]
async fn stages_are_planned_once_a_day_and_no_run_is_begun() {
    let lab = Lab::new().await;
    let first = round(&lab, &Hands(&lab), false).await;
    assert_eq!(first.held, ["beta".parse().unwrap()]);
    let stages = kept(&lab).await.stages;
    assert_eq!(stages.len(), 1, "the other stage only notifies");
    assert_eq!((stages[0].tally.changes, stages[0].is_trouble()), (1, false));
    assert_eq!((lab.lamp().as_str(), lab.all().await.len()), ("on", 0));
    assert_eq!(round(&lab, &Hands(&lab), false).await.held, Vec::new());
    assert_eq!(round(&lab, &Hands(&lab), true).await.held.len(), 1, "a person asked for it");
    lab.harness.wait(DAY).await;
    assert_eq!(round(&lab, &Hands(&lab), false).await.held.len(), 1);

    // The round goes on as ever, and so does a breach.
    lab.says("2.31");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]));
    let says = Says::default();
    lab.harness.wait(DAY).await;
    round(&lab, &says, false).await;
    let is_open = kept(&lab).await.stages[0].is_open;
    assert_eq!((*lock(&says.asked), is_open), (0, true), "what a run does is not rehearsed");
}

#[tokio::test]
async fn people_are_told_once_and_then_on_change() {
    let lab = Lab::new().await;
    let says = Says::default();
    let name = || vec!["beta".parse().unwrap()];
    *lock(&says.tally) = Tally { changes: 3, ..Tally::default() };
    assert_eq!(round(&lab, &says, false).await.news, Vec::new(), "nothing to tell");

    let refused =
        |count| Tally { changes: 2, refused: because("there is no IAM user `contractor-1`", count), ..Tally::default() };
    *lock(&says.tally) = refused(1);
    lab.harness.wait(DAY).await;
    let found = round(&lab, &says, false).await;
    assert_eq!((found.troubles, found.news), (1, name()));
    // The function that was to tell them died: it is not lost.
    assert_eq!(round(&lab, &says, false).await.news, name());
    rehearsals(&lab, &says).told(&name()).await.unwrap();
    let later = round(&lab, &says, false).await;
    assert_eq!((later.troubles, later.news), (1, Vec::new()), "the alarm stays, the mail does not come again");

    let expectations = [
        (refused(2), false, "a number is no news"),
        (Tally { left_alone: because("an g5.xlarge has instance-store volumes", 1), ..refused(1) }, true, "another reason is"),
        (Tally { changes: 3, ..Tally::default() }, true, "nor is it a secret that all is well again"),
        (Tally::default(), true, "nothing is in scope any more"),
        (Tally::untried("no time"), true, "that it is not known is no finding"),
    ];
    for (tally, is_news, why) in expectations {
        *lock(&says.tally) = tally;
        lab.harness.wait(DAY).await;
        let found = round(&lab, &says, false).await;
        assert_eq!(!found.news.is_empty(), is_news, "{why}");
        rehearsals(&lab, &says).told(&found.news).await.unwrap();
    }
}

#[tokio::test]
async fn stage_that_was_not_rehearsed_is_tried_again_soon() {
    let lab = Lab::new().await;
    let says = Says::default();
    *lock(&says.tally) = Tally::untried("no time");
    round(&lab, &says, false).await;
    assert_eq!(round(&lab, &says, false).await.held.len(), 0);
    lab.harness.wait(3600).await;
    assert_eq!(round(&lab, &says, false).await.held.len(), 1);
}

#[tokio::test]
async fn stage_that_leaves_all_alone_is_trouble_and_an_empty_is_not() {
    let lab = Lab::new().await;
    let says = Says::default();
    let of = async |tally: Tally| {
        *lock(&says.tally) = tally;
        round(&lab, &says, true).await.troubles
    };
    let left = || because("it is a one-time Spot Instance", 12);
    assert_eq!(of(Tally { left_alone: left(), ..Tally::default() }).await, 1);
    assert_eq!(of(Tally { left_alone: left(), changes: 1, ..Tally::default() }).await, 0);
    assert_eq!(of(Tally { left_alone: left(), spared: 12, ..Tally::default() }).await, 0, "people said so");
    assert_eq!(of(Tally { closed: 14, ..Tally::default() }).await, 0);
    assert_eq!(of(Tally::default()).await, 0);
    assert_eq!(of(Tally { as_wanted: 1, refused: left(), ..Tally::default() }).await, 1);
}

#[tokio::test]
async fn round_is_bounded_and_the_one_that_waits_longest_comes_first() {
    let lab = Lab::new().await;
    for number in 0..49 {
        let mut guardrail = lab.guardrail.clone();
        guardrail.name = format!("more-{number:02}").parse().unwrap();
        lab.harness.truth.define(guardrail, Vec::new(), Pace::default()).await.unwrap();
    }
    let says = Says { tally: Mutex::new(Tally { changes: 1, ..Tally::default() }), asked: Mutex::new(0) };
    let first = round(&lab, &says, true).await.held;
    assert_eq!((first.len(), *lock(&says.asked)), (40, 40));
    lab.harness.wait(60).await;
    let second = round(&lab, &says, true).await.held;
    assert!(second[..10].iter().all(|name| !first.contains(name)), "{second:?}");
    let over = Rehearsals { until: lab.harness.clock.now(), ..rehearsals(&lab, &says) };
    assert_eq!(over.round(true).await.unwrap().held.len(), 0, "no time is left");
}

#[tokio::test]
async fn message_says_what_would_be_refused_left_alone_or_nothing() {
    let lab = Lab::new().await;
    let says = Says::default();
    let left = because("it is a one-time Spot Instance, which cannot be stopped", 12);
    let refused = because("there is no IAM user `contractor-1`", 1);
    *lock(&says.tally) = Tally { changes: 2, left_alone: left, refused, ..Tally::default() };
    round(&lab, &says, true).await;
    let (subject, text) = message(&[kept(&lab).await]);
    assert_eq!(subject, "rehearsal: 1 stage would NOT do all that it asks for");
    for words in [
        "100% actual: would change 2, 0 are as wanted",
        "would be REFUSED: 1\n      1: there is no IAM user `contractor-1` -- x",
        "would be left alone: 12\n      12: it is a one-time Spot Instance",
    ] {
        assert!(text.contains(words), "{text}");
    }
    *lock(&says.tally) = Tally::default();
    round(&lab, &says, true).await;
    assert!(message(&[kept(&lab).await]).1.contains("would do NOTHING: there is nothing in its scope"));
}
