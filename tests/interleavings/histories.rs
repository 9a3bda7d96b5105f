//! Whatever the order: nothing is started that was not running, nothing is lost from Before, the two directions never write at
//! once, no hold is left over, and everybody comes to an end.

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
}
