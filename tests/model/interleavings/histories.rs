//! In every order nothing is started that was not running, nothing is lost from Before, and the two directions never write at
//! once. No hold is left over, and everybody comes to an end.

use guardrails_explore::{SCENARIOS, explore, scenario};

/// Goes through a scenario as far as it says.
fn hold(name: &str) {
    let scenario = scenario(name).expect("a scenario");
    let explored = explore(scenario, scenario.bound, None);
    assert!(explored.wrong.is_none(), "{name}: {:#?}", explored.wrong);
    assert!(explored.quiet > 1, "{name}: nothing of it ever comes to rest");
}

/// The tests, and a test that none of the scenarios is left out.
macro_rules! histories {
    ($($(#[$about:meta])* $test:ident: $name:literal,)*) => {
        $($(#[$about])* #[test]
        fn $test() {
            hold($name);
        })*

        #[test]
        fn every_scenario_is_gone_through() {
            let tested = [$($name),*];
            let missing: Vec<_> = SCENARIOS.iter().filter(|scenario| !tested.contains(&scenario.name)).collect();
            assert!(missing.is_empty(), "{missing:#?}");
        }
    };
}

histories! {
    invoked_twice_a_run_does_the_work_of_one: "twins",
    what_is_off_before_is_never_turned_on: "twins that find it off",
    a_rollback_may_begin_at_any_moment_of_a_run: "there and back",
    a_rollback_may_begin_while_the_world_is_turning: "there and back, slowly",
    a_rollback_asked_for_twice_is_one: "there and back, asked for twice",
    a_run_may_be_taken_up_beside_its_rollback: "taken up beside a rollback",
    two_runs_may_come_at_once: "two side by side",
    two_runs_that_find_it_off_never_turn_it_on: "two that find it off",
    one_run_may_come_while_another_goes: "one comes, the other goes",
    two_runs_may_go_at_once: "both go",
    two_runs_may_come_and_go_in_any_order: "both come and go",
    a_simulated_run_holds_as_a_real_one_does: "simulated beside real",
    what_a_person_turns_on_stays_on: "a person turns it on",
    what_a_person_turns_on_again_stays_on: "a person turns it on again",
    what_a_person_turns_off_stays_off: "a person turns it off",
    what_a_person_makes_something_else_of_stays_so: "a person dims it",
    what_a_person_does_between_two_runs_stays: "a person between two",
    a_round_may_come_beside_a_rollback: "a round beside a rollback",
    two_rounds_at_once_are_one_look: "two rounds at once",
    what_a_round_turns_off_again_comes_back_on: "a round turns it off again",
    what_a_round_turns_off_again_comes_back_as_it_was_before_the_first_hold: "a round makes it off again",
    what_a_round_only_tells_of_stays_as_people_made_it: "a round tells of it",
    a_round_may_come_upon_each_of_two_runs: "a round of each of two",
    what_two_runs_look_at_again_comes_back_with_the_last: "a round, and both go",
    what_was_off_and_a_round_took_comes_back_on: "a round takes what was off",
    what_was_off_no_round_ever_turns_on: "a round leaves what is off",
    a_run_whose_execution_died_is_taken_up_beside_its_alert: "a round takes it up",
}
