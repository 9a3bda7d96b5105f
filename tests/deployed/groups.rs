//! Auto Scaling groups in the deployed loop: over the fleets of an emulator that is lenient, and over those of one whose groups
//! terminate every member that is stopped under them.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::LifecycleState;
use guardrails_local_aws::{Fleets, Options, REGION};
use guardrails_model::record::RunState;

use super::fleets::Fleet;
use super::lab::{EXAMPLE, Lab, real_alert};

const ELSEWHERE: &str = "eu-west-1";
/// The eight processes, but for the one that an operator has suspended.
const BUT_ONE: [&str; 7] =
    ["Launch", "Terminate", "HealthCheck", "ReplaceUnhealthy", "AZRebalance", "AlarmNotification", "InstanceRefresh"];

#[tokio::test(flavor = "multi_thread")]
async fn group_beside_instances_stops_and_starts_and_keeps_suspension() {
    let lab = Lab::on(Options { fleets: Fleets::Moto, ..Options::default() }, EXAMPLE).await;
    stops_and_starts(&lab, &[REGION]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_in_two_regions_never_terminate_their_stopped_members() {
    let lab = Lab::new().await;
    stops_and_starts(&lab, &[REGION, ELSEWHERE]).await;
}

/// A group of four, a plain instance of the project and one of another, in each Region: enforced, and put back.
async fn stops_and_starts(lab: &Lab, regions: &[&str]) {
    let mut places = Vec::new();
    for region in regions {
        let fleet = Fleet::new(&lab.local.fleet_config(region).await.unwrap());
        let members = fleet.group_of_four("web", "Beta").await;
        let suspend = fleet.auto_scaling.suspend_processes().auto_scaling_group_name("web").scaling_processes("ScheduledActions");
        suspend.send().await.unwrap();
        let (plain, other) = (fleet.launch("Beta").await, fleet.launch("Alpha").await);
        let before = fleet.states().await;
        places.push((fleet, members, plain, other, before));
    }

    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    for (fleet, members, plain, other, _) in &places {
        let states = fleet.states().await;
        assert!(members.iter().chain([plain]).all(|id| states[id] == "stopped"), "{states:?}");
        assert_eq!(states[other], "running");
        assert_eq!(suspended(fleet).await.len(), 8);
        // As a pipeline does, unasked: nobody in Standby minds.
        let resume = fleet.auto_scaling.resume_processes().auto_scaling_group_name("web");
        resume.set_scaling_processes(Some(BUT_ONE.map(str::to_owned).to_vec())).send().await.unwrap();
        assert_eq!(fleet.states().await, states, "nothing was terminated, and nothing launched");
        let group = fleet.group("web").await;
        assert!(group.instances().iter().all(|member| member.lifecycle_state() == Some(&LifecycleState::Standby)));
        assert_eq!((group.min_size(), group.desired_capacity()), (Some(0), Some(0)));
    }

    lab.say(&["rollback", "project-beta", "--yes"]).await;
    for (fleet, members, .., before) in &places {
        assert_eq!(fleet.states().await, *before, "nothing was terminated, and nothing launched");
        assert_eq!(suspended(fleet).await, BTreeSet::from(["ScheduledActions".to_owned()]));
        let group = fleet.group("web").await;
        let now: BTreeSet<&str> = group.instances().iter().filter_map(|member| member.instance_id()).collect();
        assert_eq!(now, members.iter().map(String::as_str).collect());
        assert!(group.instances().iter().all(|member| member.health_status() == Some("Healthy")));
        assert!(group.instances().iter().all(|member| member.lifecycle_state() == Some(&LifecycleState::InService)));
        assert_eq!((group.min_size(), group.desired_capacity()), (Some(1), Some(4)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disposable_group_goes_to_zero_and_back_to_its_size() {
    let scale = "scale-group-to-zero: { tag: { Project: Beta }, members-are-disposable: true }";
    let stop = "stop-instances: { tag: { Project: Beta }, watch-health: 1s }";
    let lab = Lab::with(&EXAMPLE.replace(stop, scale), 0.2).await;
    let fleet = Fleet::new(&lab.local.fleet_config(ELSEWHERE).await.unwrap());
    let members = fleet.group_of_four("disposable", "Beta").await;
    let kept = fleet.group_of_four("kept", "Alpha").await;
    let size = async |name: &str| {
        let group = fleet.group(name).await;
        (group.min_size().unwrap(), group.desired_capacity().unwrap(), group.max_size().unwrap(), group.instances().len())
    };
    let before = size("disposable").await;

    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    fleet.eventually_of("disposable", 0).await;
    assert_eq!(size("disposable").await, (0, 0, 0, 0));
    let states = fleet.states().await;
    assert!(members.iter().all(|id| states.get(id).is_none_or(|state| state == "terminated")), "{states:?}");
    assert!(kept.iter().all(|id| states[id] == "running"), "{states:?}");
    let (_, message) = lab.told().await;
    assert!(message.contains("TERMINATED"), "{message}");

    lab.say(&["rollback", "project-beta", "--yes"]).await;
    fleet.eventually_of("disposable", 4).await;
    assert_eq!(size("disposable").await, before);
}

async fn suspended(fleet: &Fleet) -> BTreeSet<String> {
    let group = fleet.group("web").await;
    group.suspended_processes().iter().filter_map(|process| process.process_name().map(str::to_owned)).collect()
}
