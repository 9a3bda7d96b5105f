//! A budget that is raised while a stage is held: an update zeroes the spend, which is no recovery.

use guardrails_model::record::RunState;

use super::lab::Lab;

#[tokio::test]
async fn raised_budget_lets_go_only_by_fresh_figures_and_stays_armed() {
    let mut lab = Lab::new().await;
    lab.says("2.31");
    lab.round().await;
    lab.guardrail.budget.amount = "3 USD".parse().unwrap();
    lab.deploy().await;
    let updated = lab.bench_now();
    for actual in ["0", "0.4"] {
        lab.harness.wait(3600).await;
        lab.says_since(actual, updated);
        lab.round().await;
        assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]), "{actual}");
    }
    lab.harness.wait(3600).await;
    lab.says_since("2.35", updated);
    let round = lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("on", vec!["2026-11 rolled back".to_owned()]));
    assert!(round.guardrails[0].did[0].contains("raised from $2 to $3, and $2.35 are spent"), "{round:?}");
    lab.round().await;
    assert_eq!(lab.lamp(), "on", "it does not flap");
    lab.says_since("3.01", updated);
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await.last().unwrap().as_str()), ("off", "2026-11 enforced"));
}

#[tokio::test]
async fn spend_of_an_alert_is_known_though_no_round_has_seen_it() {
    let mut lab = Lab::new().await;
    lab.take_alert("$2.31").await;
    assert_eq!(lab.lamp(), "off");
    lab.guardrail.budget.amount = "3 USD".parse().unwrap();
    lab.deploy().await;
    lab.says("1.20");
    lab.round().await;
    assert_eq!(lab.lamp(), "off", "less than the alert said is not fresh");
    lab.says("2.31");
    lab.round().await;
    assert_eq!(lab.lamp(), "on");
}

#[tokio::test]
async fn person_who_asks_for_the_same_rollback_still_releases_stage() {
    let mut lab = Lab::new().await;
    lab.says("2.31");
    lab.round().await;
    lab.guardrail.budget.amount = "3 USD".parse().unwrap();
    lab.deploy().await;
    lab.says("2.35");
    lab.bare_round().await;
    let run = lab.all().await.into_iter().find(|run| run.state == RunState::RollingBack).expect("the round asked for it");
    lab.harness.ask_back(&run.id, &[], false).await;
    lab.settle().await;
    lab.says("3.01");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("on", vec!["2026-11 rolled back".to_owned()]), "it is released");
}

#[tokio::test]
async fn update_s_zero_in_a_new_period_lets_nothing_go() {
    let mut lab = Lab::new().await;
    lab.says("9.00");
    lab.round().await;
    assert_eq!(lab.lamp(), "off");
    // Another rule for the costs that count: AWS Budgets shows nothing until it has computed the spend anew.
    lab.at("2026-12-05T10:00:00Z").await;
    lab.guardrail.budget.counts.upfront = false;
    lab.deploy().await;
    let updated = lab.bench_now();
    for time in ["2026-12-05T11:00:00Z", "2026-12-05T20:00:00Z", "2026-12-06T09:00:00Z"] {
        lab.at(time).await;
        lab.says_since("0", updated);
        lab.round().await;
        assert_eq!(lab.lamp(), "off", "{time}");
    }
    // A figure of the new period does.
    lab.at("2026-12-06T10:00:00Z").await;
    lab.says_since("0.40", updated);
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("on", vec!["2026-11 rolled back".to_owned()]));
}

#[tokio::test]
async fn other_costs_that_count_put_nothing_back_within_the_period() {
    let mut lab = Lab::new().await;
    lab.says("9.00");
    lab.round().await;
    lab.guardrail.budget.counts.upfront = false;
    lab.deploy().await;
    let updated = lab.bench_now();
    for (hours, shown) in [(1, "0"), (20, "0"), (30, "0.40"), (90, "0.40"), (100, "0.45")] {
        lab.harness.wait((updated + jiff::SignedDuration::from_hours(hours) - lab.bench_now()).get_seconds()).await;
        lab.says_since(shown, updated);
        lab.round().await;
        assert_eq!(lab.lamp(), "off", "{shown} after {hours} hours");
    }
    // A person says so, and the stage is armed again for the spend from then on.
    let run = lab.latest().await;
    lab.harness.ask_back(&run.id, &[], false).await;
    lab.settle().await;
    assert_eq!(lab.lamp(), "on");
}
