//! Somebody deletes only the budget, while a run holds: the run is not lost, people are told, and there are two ways back.

use super::lab::Lab;

/// A run holds, the budget is gone, and the month ends.
async fn over_the_end() -> Lab {
    let lab = Lab::new().await;
    lab.says("2.31");
    lab.round().await;
    assert_eq!(lab.lamp(), "off");
    lab.is_deleted();
    for time in ["2026-11-24T10:00:00Z", "2026-11-30T23:00:00Z"] {
        lab.at(time).await;
        let round = lab.round().await;
        assert_eq!(round.troubles(), ["beta: AWS Budgets has no budget of this name: deploy again"]);
        assert!(round.guardrails[0].said.is_empty() && round.clean != Some(round.ended), "{round:?}");
    }
    lab.at("2026-12-10T10:00:00Z").await;
    let round = lab.round().await;
    let run = lab.latest().await;
    let said = round.guardrails[0].said.join("; ");
    assert!(said.contains("is held over the end of 2026-11: AWS Budgets shows no figure"), "{said}");
    assert!(said.ends_with(&format!("by guardrails rollback beta --run {}", run.id)), "{said}");
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]));
    lab
}

#[tokio::test]
async fn run_outlives_its_budget_and_a_person_puts_it_back() {
    let lab = over_the_end().await;
    let run = lab.latest().await;
    lab.harness.ask_back(&run.id, &[], false).await;
    lab.settle().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("on", vec!["2026-11 rolled back".to_owned()]));
    let round = lab.round().await;
    assert!(round.guardrails[0].said.is_empty() && round.troubles().len() == 1, "{round:?}");
}

#[tokio::test]
async fn run_outlives_its_budget_until_another_shows_a_new_period() {
    let lab = over_the_end().await;
    lab.says("0.10");
    let round = lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("on", vec!["2026-11 rolled back".to_owned()]));
    assert!(round.troubles().is_empty(), "{round:?}");
}
