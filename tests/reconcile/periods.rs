//! The end of a budget's period: what was held for it is let go once the figures are of the new one, and nothing flaps.

use super::lab::Lab;

async fn enforced(lab: &Lab) {
    lab.says("9.00");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]));
}

#[tokio::test]
async fn a_period_that_ended_lets_go_once_the_new_period_s_spend_is_there() {
    let lab = Lab::new().await;
    enforced(&lab).await;
    for time in ["2026-12-01T00:30:00Z", "2026-12-01T07:00:00Z"] {
        // What Budgets shows is of November yet, and in alarm.
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
    // What is spent in December is enforced in December.
    lab.says("2.31");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await.last().unwrap().as_str()), ("off", "2026-12 enforced"));
}

#[tokio::test]
async fn what_the_new_period_holds_too_passes_over_without_a_gap() {
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
async fn zero_after_an_update_of_the_budget_is_not_the_new_period_s_spend() {
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
async fn zero_without_an_update_of_the_budget_is_the_new_period_s_spend() {
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
async fn in_a_period_s_first_days_an_alarm_that_may_be_the_old_period_s_begins_nothing() {
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
