//! The resources that ran, priced, as evidence for a figure beyond the bound.

use std::collections::BTreeSet;

use guardrails_model::census::{Listed, OfKind};
use guardrails_model::ids::FacetId;
use guardrails_model::prices::parse;
use guardrails_model::reconcile::Round;
use guardrails_model::record::RunState;

use super::lab::Lab;
use crate::world::lock;

/// So many instances of a kind run in us-east-1.
fn running(kind: &str, count: usize) -> OfKind {
    let facet = |number: usize| -> FacetId { format!("instance-power/us-east-1/i-{kind}-{number}").parse().unwrap() };
    let facets: BTreeSet<FacetId> = (0..count).map(facet).collect();
    OfKind { place: Some("us-east-1".parse().unwrap()), kind: kind.to_owned(), facets }
}

async fn priced() -> Lab {
    let lab = Lab::new().await;
    let prices = parse("prices", "date: 2026-11-01\nus-east-1: { p5.48xlarge: 50 }\n").unwrap();
    lab.harness.truth.save_prices(Some(prices)).await.unwrap();
    lab
}

fn runs(lab: &Lab, kinds: &[(&str, usize)]) {
    *lock(&lab.fleet.running) =
        Listed { running: Some(kinds.iter().map(|(kind, count)| running(kind, *count)).collect()), failed: None };
}

fn asked(lab: &Lab) -> usize {
    *lock(&lab.fleet.asked)
}

fn said(round: &Round) -> String {
    format!("{:?} {:?}", round.guardrails[0].said, round.guardrails[0].troubles)
}

#[tokio::test]
async fn figure_that_running_instances_explain_is_enforced() {
    let lab = priced().await;
    // Ten of them cost $12,000 a day, which is a third of $36,000.
    runs(&lab, &[("p5.48xlarge", 10)]);
    lab.says("35999");
    lab.round().await;
    let run = lab.latest().await;
    assert_eq!((lab.lamp().as_str(), run.state), ("off", RunState::Enforced));
    let remarks = run.remarks.join("; ");
    assert!(
        remarks.contains("$35999 is more than $10000, and the resources that ran in scope could have cost $12000"),
        "{remarks}"
    );
    let points = lab.harness.truth.points(&lab.guardrail.name).await.unwrap();
    assert_eq!(points[0].last().unwrap().hourly.map(|hourly| hourly.to_string()).as_deref(), Some("500"));
    // A run sees to the stage: nothing waits for evidence any more.
    let before = asked(&lab);
    lab.round().await;
    assert_eq!(asked(&lab), before);
}

#[tokio::test]
async fn figure_beyond_all_that_could_have_run_waits_for_a_person() {
    let lab = priced().await;
    runs(&lab, &[("p5.48xlarge", 10)]);
    lab.says("36100");
    lab.round().await;
    let run = lab.latest().await;
    assert_eq!((lab.lamp().as_str(), run.state), ("on", RunState::Waiting));
    let why = run.approval.unwrap().why.join("; ");
    assert!(why.contains("the resources that ran in scope could have cost $12000"), "{why}");
    // An hour later they could have cost more, and the doubt does not latch.
    lab.harness.wait(3600).await;
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.latest().await.state), ("off", RunState::Enforced));
}

#[tokio::test]
async fn resources_are_listed_only_for_a_figure_beyond_the_bound() {
    let lab = priced().await;
    runs(&lab, &[("p5.48xlarge", 10)]);
    for spent in ["0.40", "2.31", "9999"] {
        lab.says(spent);
        lab.round().await;
    }
    assert_eq!((asked(&lab), lab.lamp().as_str()), (0, "off"));
    // Without a list nothing is asked for either.
    let unpriced = Lab::new().await;
    unpriced.says("35999");
    unpriced.round().await;
    assert_eq!((asked(&unpriced), unpriced.latest().await.state), (0, RunState::Waiting));
}

#[tokio::test]
async fn listing_that_fails_is_trouble_and_no_evidence() {
    let lab = priced().await;
    *lock(&lab.fleet.running) = Listed { running: None, failed: Some("stop-instances: us-east-1: AccessDenied".to_owned()) };
    lab.says("35999");
    let round = lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.latest().await.state), ("on", RunState::Waiting));
    let troubles = round.troubles().join("; ");
    assert!(troubles.contains("cost of the resources that run in scope: stop-instances: us-east-1: AccessDenied"), "{troubles}");
}

#[tokio::test]
async fn region_that_cannot_be_listed_costs_the_others_no_evidence() {
    let lab = priced().await;
    runs(&lab, &[("p5.48xlarge", 40)]);
    lock(&lab.fleet.running).failed = Some("stop-instances: eu-north-1: AccessDenied".to_owned());
    lab.says("35999");
    let round = lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.latest().await.state), ("off", RunState::Enforced), "{:?}", round.troubles());
    assert!(round.troubles().join("; ").contains("eu-north-1: AccessDenied"));
}

#[tokio::test]
async fn kinds_without_a_price_are_named_and_explain_nothing() {
    let lab = priced().await;
    runs(&lab, &[("p9.huge", 10)]);
    lab.says("35999");
    let round = lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.latest().await.state), ("on", RunState::Waiting));
    assert!(said(&round).contains("10 p9.huge in us-east-1 run in scope, and the price list does not have them"), "{round:?}");
    let points = lab.harness.truth.points(&lab.guardrail.name).await.unwrap();
    assert_eq!(points[0].last().unwrap().hourly, None);
}

#[tokio::test]
async fn instance_that_two_stages_select_costs_once() {
    let mut lab = priced().await;
    let mut first = lab.guardrail.stages[1].clone();
    first.at = "90% actual".parse().unwrap();
    first.waves[0][0].params = serde_json::json!("b: off");
    lab.guardrail.stages.insert(1, first);
    lab.deploy().await;
    runs(&lab, &[("p5.48xlarge", 10)]);
    lab.says("36100");
    lab.round().await;
    assert_eq!(asked(&lab), 2, "each selection is listed once");
    let points = lab.harness.truth.points(&lab.guardrail.name).await.unwrap();
    assert_eq!(points[0].last().unwrap().hourly.map(|hourly| hourly.to_string()).as_deref(), Some("500"));
    assert_eq!(lab.lamp(), "on");
}
