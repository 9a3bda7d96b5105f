//! An exploration that finds nothing wrong with a broken product finds nothing at all.

use guardrails_explore::{Bound, Sabotage, explore, scenario};

/// Breaks the product, and expects the exploration to say what is wrong.
fn is_found_out(how: Sabotage, name: &str, faults: u8, expected: &str) {
    let explored = explore(scenario(name).expect("a scenario"), Bound { faults, stalls: 0 }, Some(how));
    let wrong = explored.wrong.unwrap_or_else(|| panic!("{how:?} in `{name}`: nothing was found wrong"));
    assert!(wrong.what.contains(expected), "{how:?} in `{name}`: {}", wrong.what);
    assert!(!wrong.story.is_empty(), "it is told how it came about");
}

#[test]
fn control_a_product_that_does_not_write_ahead_is_found_out() {
    is_found_out(Sabotage::NoWriteAhead, "twins", 0, "Before is not written");
}

#[test]
fn control_a_product_without_leases_is_found_out() {
    is_found_out(Sabotage::NoLease, "there and back", 0, "without a lease");
}

#[test]
fn control_product_that_forgets_calls_of_the_dead_is_found() {
    is_found_out(Sabotage::ForgetsEarlierCalls, "there and back", 1, "without a lease");
}

#[test]
fn control_product_whose_second_run_takes_a_snapshot_is_found() {
    is_found_out(Sabotage::SecondSnapshot, "one comes, the other goes", 0, "Before is lost");
}

#[test]
fn control_a_product_that_lets_go_too_early_is_found_out() {
    is_found_out(Sabotage::LetsGoTooEarly, "there and back", 0, "does not hold it");
}

#[test]
fn control_a_product_that_never_lets_go_is_found_out() {
    is_found_out(Sabotage::NeverLetsGo, "there and back", 0, "holds it");
}

#[test]
fn control_a_product_that_lets_go_for_all_is_found_out() {
    is_found_out(Sabotage::LetsGoForAll, "both go", 0, "does not hold it");
}

#[test]
fn control_a_product_whose_look_takes_a_snapshot_is_found_out() {
    is_found_out(Sabotage::LookTakesSnapshot, "a round makes it off again", 0, "Before is lost");
}

#[test]
fn control_product_whose_look_plans_its_holds_anew_is_found() {
    is_found_out(Sabotage::LookPlansAnew, "a round turns it off again", 0, "holds it");
}

#[test]
fn control_product_whose_look_changes_but_should_tell_is_found() {
    is_found_out(Sabotage::LookTellsAndEnforces, "a round tells of it", 0, "only to be told of");
}

#[test]
fn control_product_that_takes_half_done_for_undone_is_found() {
    is_found_out(Sabotage::TakesHalfDoneForUndone, "there and back", 0, "holds it");
}
