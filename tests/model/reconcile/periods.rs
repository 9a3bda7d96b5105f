//! The end of a budget's period. Held changes are let go once the figures are of the new one, and nothing flaps.

use guardrails_model::config::{ActionSpec, ApprovalRule};
use guardrails_model::record::RunState;
use serde_json::json;

use super::lab::Lab;

async fn enforced(lab: &Lab) {
    lab.says("9.00");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]));
}

#[tokio::test]
async fn ended_period_lets_go_once_spend_of_new_period_is_there() {
    let lab = Lab::new().await;
    enforced(&lab).await;
    for time in ["2026-12-01T00:30:00Z", "2026-12-01T07:00:00Z"] {
        // The figures of Budgets are of November yet, and in alarm.
        lab.at(time).await;
        lab.says("9.20");
        lab.round().await;
        assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]), "{time}");
    }
    lab.at("2026-12-01T09:00:00Z").await;
    lab.says("0.12");
    let round = lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("on", vec!["2026-11 rolled back".to_owned()]));
    assert!(round.guardrails[0].did[0].ends_with("2026-11 is over, and $0.12 are spent of 2026-12"), "{round:?}");
    // The spend of December is enforced in December.
    lab.says("2.31");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await.last().unwrap().as_str()), ("off", "2026-12 enforced"));
}

#[tokio::test]
async fn facet_held_by_the_new_period_too_passes_over_without_a_gap() {
    let lab = Lab::new().await;
    enforced(&lab).await;
    lab.at("2026-12-02T09:00:00Z").await;
    lab.says("2.31");
    lab.toy.lamps().touched.clear();
    lab.round().await;
    assert_eq!(lab.runs().await, ["2026-11 enforced", "2026-12 enforced"]);
    lab.round().await;
    assert_eq!(lab.runs().await, ["2026-11 rolled back", "2026-12 enforced"]);
    assert!(lab.lamp() == "off" && lab.toy.lamps().touched.is_empty(), "it was on in between");
    lab.at("2027-01-05T09:00:00Z").await;
    lab.says("0.12");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await.len()), ("on", 2), "November's Before comes back in January");
}

#[tokio::test]
async fn zero_after_a_budget_update_is_not_spend_of_the_new_period() {
    let lab = Lab::new().await;
    enforced(&lab).await;
    lab.at("2026-12-01T09:00:00Z").await;
    lab.says_since("0", "2026-12-01T08:00:00Z".parse().unwrap());
    lab.round().await;
    assert_eq!(lab.lamp(), "off");
    lab.at("2026-12-04T00:30:00Z").await;
    lab.round().await;
    assert_eq!(lab.lamp(), "on", "by then it is");
}

#[tokio::test]
async fn zero_without_a_budget_update_is_spend_of_the_new_period() {
    let lab = Lab::new().await;
    enforced(&lab).await;
    lab.at("2026-12-01T09:00:00Z").await;
    lab.says("0");
    lab.round().await;
    assert_eq!(lab.lamp(), "on");
}

#[tokio::test]
async fn with_release_manual_it_is_only_said() {
    let lab = Lab::new().await.manual().await;
    enforced(&lab).await;
    lab.at("2026-12-05T09:00:00Z").await;
    lab.says("0.12");
    let round = lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]));
    assert!(round.guardrails[0].said[0].ends_with("is held over the end of 2026-11: `release: manual`"), "{round:?}");
}

#[tokio::test]
async fn alarm_that_may_be_of_the_old_period_begins_nothing() {
    let lab = Lab::new().await;
    lab.at("2026-12-02T09:00:00Z").await;
    lab.says("2.31");
    let round = lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.all().await.len()), ("on", 0));
    assert!(round.guardrails[0].said[0].contains("may be of 2026-11 yet"), "{round:?}");
    lab.at("2026-12-04T00:30:00Z").await;
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-12 enforced".to_owned()]));
}

#[tokio::test]
async fn an_amount_that_is_not_believed_turns_no_period_over() {
    for amount in ["$183,965,812,157.54", "$15.00"] {
        let lab = Lab::new().await;
        lab.at("2026-11-30T20:00:00Z").await;
        lab.says("1.20");
        lab.take_doubted_alert(amount).await;
        lab.round().await;
        lab.at("2026-12-01T01:00:00Z").await;
        lab.round().await;
        assert_eq!((lab.lamp().as_str(), lab.runs().await), ("on", vec!["2026-11 waiting for approval".to_owned()]), "{amount}");
    }
}

#[tokio::test]
async fn doubted_figure_is_said_and_the_known_spend_stays() {
    let lab = Lab::new().await;
    lab.at("2026-11-30T20:00:00Z").await;
    lab.says("1.20");
    lab.round().await;
    let known = lab.harness.truth.spend(&lab.guardrail.name).await.unwrap().unwrap().value;
    lab.says("183965812157.54");
    let round = lab.round().await;
    assert_eq!(lab.harness.truth.spend(&lab.guardrail.name).await.unwrap().unwrap().value, known);
    let found = &round.guardrails[0];
    assert_eq!(found.actual, Some(known.actual));
    assert!(
        found.said[0].contains(
            "$183965812157.54 is more than $10000, the most that is enforced of a budget of $2 without evidence: not believed"
        ),
        "{round:?}"
    );
    assert_eq!(lab.runs().await, ["2026-11 waiting for approval"], "a person is asked");
    lab.at("2026-12-01T01:00:00Z").await;
    lab.says("2.31");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await.len()), ("on", 1), "it may be November's");
}

#[tokio::test]
async fn a_forecast_that_is_not_believed_is_not_kept_as_known() {
    let lab = Lab::new().await;
    let known = async || lab.harness.truth.spend(&lab.guardrail.name).await.unwrap().unwrap().value.forecast;
    for (forecast, kept) in [("1.80", "1.80"), ("183965812157.54", "1.80"), ("2.10", "2.10")] {
        lab.says("1.20");
        lab.expects(forecast);
        lab.round().await;
        assert_eq!(known().await.map(|known| known.to_string()).as_deref(), Some(kept), "{forecast}");
    }
}

#[tokio::test]
async fn run_that_waits_past_its_period_is_not_enforced_any_more() {
    for spent in ["0.12", "2.31"] {
        let mut lab = Lab::new().await;
        let rule = ApprovalRule { within: "7d".parse().unwrap(), ..ApprovalRule::default() };
        lab.guardrail.stages[1].approval = Some(rule);
        lab.deploy().await;
        lab.at("2026-11-30T20:00:00Z").await;
        lab.says("9.00");
        lab.round().await;
        let run = lab.latest().await;
        lab.at("2026-12-01T01:00:00Z").await;
        lab.round().await;
        assert_eq!(lab.latest().await.state, RunState::Waiting, "the figures are November's yet");
        lab.at("2026-12-01T09:00:00Z").await;
        lab.says(spent);
        lab.round().await;
        let now = lab.harness.truth.run(&run.id).await.unwrap().unwrap().value;
        assert_eq!((now.state, lab.lamp().as_str()), (RunState::RolledBack, "on"), "{spent}");
    }
}

#[tokio::test]
async fn restriction_while_people_are_asked_passes_over_without_a_gap() {
    let mut lab = Lab::new().await;
    let spec = |name: &str, wants: &str| ActionSpec { name: name.parse().unwrap(), params: json!(wants) };
    lab.guardrail.stages[1].waves = vec![vec![spec("toy", "b: off")], vec![spec("shield", "a: off")]];
    lab.guardrail.stages[1].meanwhile = vec!["shield".parse().unwrap()];
    lab.deploy().await;
    lab.toy.set("b: on");
    lab.at("2026-11-29T20:00:00Z").await;
    lab.take_doubted_alert("$183,965,812,157.54").await;
    // The execution after the one that turned the lamp asks a person.
    lab.harness.open(&lab.latest().await).await.unwrap();
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 waiting for approval".to_owned()]));
    lab.at("2026-12-04T00:30:00Z").await;
    lab.says("2.31");
    lab.bare_round().await;
    let [old, new] = ["2026-11 waiting for approval", "2026-12 planning"].map(str::to_owned);
    let runs = lab.runs().await;
    assert!(runs.contains(&old) && runs.contains(&new), "the old run holds until the new one does: {runs:?}");
    lab.settle().await;
    lab.round().await;
    assert_eq!(
        (lab.lamp().as_str(), lab.runs().await),
        ("off", vec!["2026-11 rolled back".to_owned(), "2026-12 enforced".to_owned()])
    );
}

#[tokio::test]
async fn update_that_zeroes_figures_lets_nothing_of_old_period_go() {
    let mut lab = Lab::new().await;
    enforced(&lab).await;
    lab.guardrail.stages[1].approval = Some(ApprovalRule::default());
    lab.deploy().await;
    lab.at("2026-12-05T09:00:00Z").await;
    lab.says("2.31");
    lab.round().await;
    assert_eq!(lab.runs().await, ["2026-11 enforced", "2026-12 waiting for approval"]);
    lab.harness.wait(3600).await;
    lab.says_since("0", lab.bench_now());
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await[0].as_str()), ("off", "2026-11 enforced"));
    lab.harness.wait(3600).await;
    lab.says("0.12");
    lab.harness.wait(72 * 3600).await;
    lab.round().await;
    assert_eq!(lab.lamp(), "on", "what is counted changed, and it is below for good");
}

#[tokio::test]
async fn custom_period_is_enforced_by_figures_and_held_over_its_end() {
    let mut lab = Lab::new().await;
    lab.guardrail.budget.period = "2026-11-01..2027-02-28".parse().unwrap();
    lab.deploy().await;
    lab.says("1.20");
    lab.round().await;
    assert_eq!(lab.lamp(), "on");
    // The month's end is none of its own, and its first days are early in nothing.
    lab.at("2026-12-01T05:00:00Z").await;
    lab.says("2.31");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11-01..2027-02-28 enforced".to_owned()]));
    for time in ["2027-01-04T10:00:00Z", "2027-02-28T23:00:00Z"] {
        lab.at(time).await;
        lab.round().await;
        assert_eq!(lab.lamp(), "off", "{time}");
    }
    // AWS deletes the budget after its last day: that is no trouble, and lets nothing go.
    lab.at("2027-03-01T00:30:00Z").await;
    lab.is_deleted();
    let round = lab.round().await;
    assert!(round.troubles().is_empty(), "{:?}", round.troubles());
    let said = round.guardrails[0].said.join("; ");
    assert!(said.contains("its period is over") && said.contains("is held over the end of 2026-11-01..2027-02-28"), "{said}");
    assert_eq!(lab.lamp(), "off");
    // New dates are another period.
    lab.guardrail.budget.period = "2027-03-01..2027-06-30".parse().unwrap();
    lab.deploy().await;
    lab.says("0.10");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("on", vec!["2026-11-01..2027-02-28 rolled back".to_owned()]));
}

#[tokio::test]
async fn custom_period_that_is_over_begins_nothing() {
    let mut lab = Lab::new().await;
    lab.guardrail.budget.period = "2026-09-01..2026-10-31".parse().unwrap();
    lab.deploy().await;
    lab.says("9.00");
    let round = lab.round().await;
    assert!(round.guardrails[0].said.join("; ").contains("its period is over"), "{round:?}");
    assert!(lab.runs().await.is_empty());
}
