//! Every action, both ways, cut at every call in every way that a call can go wrong; and afterwards nothing is left of it. The
//! controls at the end show that the sweep would find such an error.

pub mod lab;
pub mod sabotage;
mod scenarios;
pub mod sweeps;

use std::collections::BTreeSet;

use lab::Scenario;
use sabotage::Sabotage;
use scenarios::{lagging, lamps, scenarios};
use sweeps::Sweep;

fn scenario(name: &str) -> Scenario {
    scenarios().into_iter().find(|scenario| scenario.name == name).expect("a scenario")
}

#[test]
fn every_action_of_the_catalog_is_swept() {
    let swept: BTreeSet<&str> = scenarios().iter().flat_map(|scenario| &scenario.actions).map(|(name, _)| *name).collect();
    let catalog: BTreeSet<&str> = guardrails_aws::actions::CATALOG.entries().iter().map(|entry| entry.name).collect();
    assert_eq!(swept, catalog);
}

#[tokio::test]
async fn a_plan_that_was_cut_anywhere_is_made_again() {
    for scenario in scenarios() {
        let mut sweep = Sweep::new(&scenario, None);
        Box::pin(sweep.plan()).await;
        sweep.assert_clean();
    }
}

async fn apply(name: &str) {
    let scenario = scenario(name);
    let mut sweep = Sweep::new(&scenario, None);
    sweep.apply().await;
    sweep.assert_clean();
}

async fn rollback(name: &str) {
    let scenario = scenario(name);
    let mut sweep = Sweep::new(&scenario, None);
    sweep.rollback().await;
    sweep.assert_clean();
}

/// Each scenario with its sweeps, forward and back: two tests, and a row of [`SWEPT`].
macro_rules! both_ways {
    ($($name:literal => $forward:ident: apply, $back:ident: rollback;)+) => {
        const SWEPT: &[&str] = &[$($name),+];

        $(
            #[tokio::test]
            async fn $forward() {
                apply($name).await;
            }

            #[tokio::test]
            async fn $back() {
                rollback($name).await;
            }
        )+
    };
}

both_ways! {
    "stop-instances" =>
    stopping_instances_can_be_cut_anywhere: apply,
    starting_instances_again_can_be_cut_anywhere: rollback;
    "stop-instances, some refuse" =>
    stopping_instances_of_which_some_refuse_can_be_cut_anywhere: apply,
    starting_those_that_did_not_refuse_can_be_cut_anywhere: rollback;
    "stop-instances, a group" =>
    stopping_a_group_can_be_cut_anywhere: apply,
    starting_a_group_again_can_be_cut_anywhere: rollback;
    "stop-services" =>
    stopping_services_can_be_cut_anywhere: apply,
    starting_services_again_can_be_cut_anywhere: rollback;
    "stop-functions" =>
    stopping_functions_can_be_cut_anywhere: apply,
    starting_functions_again_can_be_cut_anywhere: rollback;
    "stop-databases" =>
    stopping_databases_can_be_cut_anywhere: apply,
    starting_databases_again_can_be_cut_anywhere: rollback;
    "pause-clusters" =>
    pausing_clusters_can_be_cut_anywhere: apply,
    resuming_clusters_can_be_cut_anywhere: rollback;
    "scale-group-to-zero" =>
    scaling_a_group_to_zero_can_be_cut_anywhere: apply,
    scaling_a_group_back_can_be_cut_anywhere: rollback;
    "swap-group-policy" =>
    swapping_policies_can_be_cut_anywhere: apply,
    swapping_policies_back_can_be_cut_anywhere: rollback;
    "swap-group-policy, no slot is free" =>
    swapping_policies_without_a_free_slot_can_be_cut_anywhere: apply,
    swapping_policies_back_without_a_free_slot_can_be_cut_anywhere: rollback;
    "swap-policy" =>
    swapping_a_role_s_policies_can_be_cut_anywhere: apply,
    swapping_a_role_s_policies_back_can_be_cut_anywhere: rollback;
    "deny-actions" =>
    denying_groups_users_and_roles_can_be_cut_anywhere: apply,
    lifting_the_deny_again_can_be_cut_anywhere: rollback;
    "run-function" =>
    changing_targets_of_a_function_can_be_cut_anywhere: apply,
    changing_targets_of_a_function_back_can_be_cut_anywhere: rollback;
    "swap-group-policy, then stop-instances" =>
    a_stage_of_two_actions_can_be_cut_anywhere: apply,
    a_stage_of_two_actions_can_be_cut_anywhere_on_its_way_back: rollback;
}

#[test]
fn each_scenario_is_swept_both_ways() {
    let scenarios: Vec<&str> = scenarios().iter().map(|scenario| scenario.name).collect();
    assert_eq!(BTreeSet::from_iter(scenarios), SWEPT.iter().copied().collect());
}

#[tokio::test]
async fn listings_that_lag_behind_are_not_believed_on_the_way_forward() {
    for scenario in lagging() {
        let mut sweep = Sweep::new(&scenario, None);
        sweep.apply().await;
        sweep.assert_clean();
    }
}

#[tokio::test]
async fn listings_that_lag_behind_are_not_believed_on_the_way_back() {
    for scenario in lagging() {
        let mut sweep = Sweep::new(&scenario, None);
        sweep.rollback().await;
        sweep.assert_clean();
    }
}

#[tokio::test]
async fn applier_that_wakes_up_during_a_rollback_does_no_harm() {
    for scenario in scenarios().into_iter().chain([lamps()]) {
        let mut sweep = Sweep::new(&scenario, None);
        sweep.stalled_apply().await;
        sweep.assert_clean();
    }
}

#[tokio::test]
async fn two_appliers_at_once_do_the_work_of_one() {
    for scenario in scenarios().into_iter().chain([lamps()]) {
        let mut sweep = Sweep::new(&scenario, None);
        sweep.stalled_twin().await;
        sweep.assert_clean();
    }
}

#[tokio::test]
async fn rollback_that_wakes_up_during_the_next_run_does_no_harm() {
    for scenario in scenarios().into_iter().chain([lamps()]) {
        let mut sweep = Sweep::new(&scenario, None);
        sweep.stalled_rollback().await;
        sweep.assert_clean();
    }
}

#[tokio::test]
async fn two_faults_are_as_harmless_as_one() {
    let lamps = lamps();
    let mut sweep = Sweep::new(&lamps, None);
    sweep.pairs().await;
    sweep.assert_clean();
}

async fn is_found_out(sabotage: Sabotage) {
    for name in ["stop-instances", "swap-group-policy"] {
        let scenario = scenario(name);
        let mut sweep = Sweep::new(&scenario, Some(sabotage));
        sweep.apply().await;
        let world = sweep.found.iter().filter(|wrong| wrong.contains("the world is not as before")).count();
        assert!(world > 0, "{name}: the sweep does not notice {sabotage:?}: {:#?}", sweep.found);
    }
}

#[tokio::test]
async fn control_a_product_that_does_not_write_ahead_is_found_out() {
    is_found_out(Sabotage::NoWriteAhead).await;
}

#[tokio::test]
async fn control_product_that_does_not_undo_failed_steps_is_found() {
    is_found_out(Sabotage::FailedStepsAreNotUndone).await;
}

#[tokio::test]
async fn control_a_product_without_leases_is_found_out() {
    is_found_out(Sabotage::NoLease).await;
}
