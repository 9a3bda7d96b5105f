//! The local AWS is as dangerous as the real one to those who stop members of Auto Scaling groups, and its fleets can be those of
//! another emulator.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::{AutoScalingGroup, Tag};
use aws_sdk_ec2::types::{Filter, InstanceStateName, InstanceType, ResourceType, TagSpecification};
use guardrails_local_aws::{ACCOUNT, Fleets, LocalAws, Options, REGION, SdkConfig};
use guardrails_model::record::RunState;
use serde_json::json;

use super::lab::{EXAMPLE, Lab, real_alert};

const IMAGE: &str = "ami-0123456789abcdef0";

#[tokio::test(flavor = "multi_thread")]
async fn a_group_terminates_and_replaces_a_member_that_was_stopped() {
    let local = LocalAws::start(Options::default()).await.unwrap();
    let fleet = Fleet::new(&local.fleet_config(REGION).await.unwrap());
    let members = fleet.group_of_four("web", "Beta").await;

    fleet.ec2.stop_instances().instance_ids(&members[0]).send().await.unwrap();
    assert_eq!(fleet.states().await[&members[0]], "terminated");
    let after = ids(&fleet.group("web").await);
    assert_eq!(after.len(), 4, "another took its place");
    assert!(!after.contains(&members[0]) && after.contains(&members[1]), "{after:?}");

    // Without Launch, nothing takes its place.
    let suspend = fleet.auto_scaling.suspend_processes().auto_scaling_group_name("web").scaling_processes("Launch");
    suspend.send().await.unwrap();
    fleet.ec2.stop_instances().instance_ids(&after[0]).send().await.unwrap();
    assert_eq!(ids(&fleet.group("web").await), after[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_group_keeps_stopped_members_which_stay_unhealthy() {
    let local = LocalAws::start(Options::default()).await.unwrap();
    let fleet = Fleet::new(&local.fleet_config(REGION).await.unwrap());
    let members = fleet.group_of_four("web", "Beta").await;
    let suspend = || fleet.auto_scaling.suspend_processes().auto_scaling_group_name("web");
    let resume = |process: &str| fleet.auto_scaling.resume_processes().auto_scaling_group_name("web").scaling_processes(process);
    let health = async || -> Vec<String> {
        let group = fleet.group("web").await;
        group.instances().iter().map(|member| member.health_status().unwrap().to_owned()).collect()
    };

    suspend().send().await.unwrap();
    let suspended = fleet.group("web").await;
    assert_eq!(suspended.suspended_processes().len(), 9, "all there are");
    assert!(suspended.suspended_processes()[0].suspension_reason().unwrap().starts_with("User suspended at"));
    fleet.ec2.stop_instances().set_instance_ids(Some(members.clone())).send().await.unwrap();
    assert!(fleet.states().await.values().all(|state| state == "stopped"));
    assert_eq!(health().await, ["Healthy"; 4]);

    // The group finds them stopped, and goes on saying so when they run again: resuming the rest would terminate them.
    resume("HealthCheck").send().await.unwrap();
    assert_eq!(health().await, ["Unhealthy"; 4]);
    fleet.ec2.start_instances().set_instance_ids(Some(members.clone())).send().await.unwrap();
    assert_eq!(health().await, ["Unhealthy"; 4]);
    for member in &members[..3] {
        fleet.auto_scaling.set_instance_health().instance_id(member).health_status("Healthy").send().await.unwrap();
    }
    resume("ReplaceUnhealthy").send().await.unwrap();
    assert_eq!(ids(&fleet.group("web").await), members, "Terminate is suspended yet");
    resume("Terminate").send().await.unwrap();
    assert_eq!(ids(&fleet.group("web").await), members[..3], "all but the one that nobody said is healthy");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_members_in_standby_survive_and_leave_under_launch() {
    let local = LocalAws::start(Options::default()).await.unwrap();
    let fleet = Fleet::new(&local.fleet_config(REGION).await.unwrap());
    let members = fleet.group_of_four("web", "Beta").await;
    let enter = || {
        let call = fleet.auto_scaling.enter_standby().auto_scaling_group_name("web").set_instance_ids(Some(members.clone()));
        call.should_decrement_desired_capacity(true)
    };
    let exit = |id: &str| fleet.auto_scaling.exit_standby().auto_scaling_group_name("web").instance_ids(id);
    let refused = enter().send().await.unwrap_err().into_service_error();
    assert!(refused.meta().message().unwrap().contains("min-size=1"), "{refused:?}");
    fleet.auto_scaling.update_auto_scaling_group().auto_scaling_group_name("web").min_size(0).send().await.unwrap();
    enter().send().await.unwrap();
    fleet.ec2.stop_instances().set_instance_ids(Some(members.clone())).send().await.unwrap();
    assert!(fleet.states().await.values().all(|state| state == "stopped"), "and nobody was launched for them");

    fleet.ec2.start_instances().instance_ids(&members[0]).send().await.unwrap();
    let suspend = fleet.auto_scaling.suspend_processes().auto_scaling_group_name("web").scaling_processes("Launch");
    suspend.send().await.unwrap();
    let refused = exit(&members[0]).send().await.unwrap_err().into_service_error();
    assert!(refused.meta().message().unwrap().contains("Launch"), "{refused:?}");
    fleet.auto_scaling.resume_processes().auto_scaling_group_name("web").send().await.unwrap();
    exit(&members[0]).send().await.unwrap();
    exit(&members[1]).send().await.unwrap();
    let states = fleet.states().await;
    assert_eq!((states[&members[0]].as_str(), states[&members[1]].as_str()), ("running", "terminated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn group_brought_to_zero_terminates_and_lists_its_activities() {
    let local = LocalAws::start(Options { transition_seconds: 1.0, ..Options::default() }).await.unwrap();
    let fleet = Fleet::new(&local.fleet_config(REGION).await.unwrap());
    let members = fleet.group_of_four("web", "Beta").await;
    let update = || fleet.auto_scaling.update_auto_scaling_group().auto_scaling_group_name("web");
    let refused = update().max_size(2).desired_capacity(3).send().await.unwrap_err();
    assert_eq!(refused.into_service_error().meta().code(), Some("ValidationError"));

    update().min_size(0).max_size(0).desired_capacity(0).send().await.unwrap();
    let activities = fleet.auto_scaling.describe_scaling_activities().auto_scaling_group_name("web").send().await.unwrap();
    let states: Vec<&str> = activities.activities().iter().take(4).map(|one| one.status_code().unwrap().as_str()).collect();
    assert_eq!(states, ["InProgress"; 4]);
    fleet.eventually_of("web", 0).await;
    let states = fleet.states().await;
    assert!(members.iter().all(|id| states[id] == "terminated"), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_refresh_goes_on_once_it_is_not_suspended() {
    let local = LocalAws::start(Options::default()).await.unwrap();
    let fleet = Fleet::new(&local.fleet_config(REGION).await.unwrap());
    fleet.group_of_four("web", "Beta").await;
    let suspend = fleet.auto_scaling.suspend_processes().auto_scaling_group_name("web").scaling_processes("InstanceRefresh");
    suspend.send().await.unwrap();
    fleet.auto_scaling.start_instance_refresh().auto_scaling_group_name("web").send().await.unwrap();
    let status = async || {
        let found = fleet.auto_scaling.describe_instance_refreshes().auto_scaling_group_name("web").send().await.unwrap();
        found.instance_refreshes()[0].status().unwrap().as_str().to_owned()
    };
    assert_eq!(status().await, "InProgress");
    fleet.auto_scaling.resume_processes().auto_scaling_group_name("web").send().await.unwrap();
    assert_eq!(status().await, "Successful");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_on_groups_and_instances_follow_tags_in_every_region() {
    let local = LocalAws::start(Options::default()).await.unwrap();
    let iam = aws_sdk_iam::Client::new(&local.sdk_config().await.unwrap());
    iam.create_user().user_name("limited").send().await.unwrap();
    let only = |key: &str| json!({"StringEquals": {key: "Beta"}});
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Condition": only("autoscaling:ResourceTag/Project"),
         "Action": ["autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses", "autoscaling:SetInstanceHealth"],
         "Resource": format!("arn:aws:autoscaling:*:{ACCOUNT}:autoScalingGroup:*:autoScalingGroupName/*")},
        {"Effect": "Allow", "Condition": only("aws:ResourceTag/Project"), "Action": "autoscaling:UpdateAutoScalingGroup",
         "Resource": format!("arn:aws:autoscaling:*:{ACCOUNT}:autoScalingGroup:*:autoScalingGroupName/*")},
        {"Effect": "Allow", "Condition": only("aws:ResourceTag/Project"), "Action": "ec2:StopInstances",
         "Resource": format!("arn:aws:ec2:*:{ACCOUNT}:instance/*")},
    ]});
    let put = iam.put_user_policy().user_name("limited").policy_name("tagged").policy_document(policy.to_string());
    put.send().await.unwrap();
    let key = iam.create_access_key().user_name("limited").send().await.unwrap().access_key.unwrap();
    let limited = local.sdk_config_as(key.access_key_id(), key.secret_access_key()).await.unwrap();

    for region in [REGION, "eu-west-1"] {
        let fleet = Fleet::new(&local.fleet_config(region).await.unwrap());
        assert!(fleet.states().await.is_empty(), "a Region has its own instances");
        let region = aws_sdk_ec2::config::Region::new(region);
        let limited = Fleet::new(&limited.clone().into_builder().region(region).build());
        for (project, allowed) in [("Beta", true), ("Alpha", false)] {
            let members = fleet.group_of_four(project, project).await;
            let tried = limited.auto_scaling.suspend_processes().auto_scaling_group_name(project).send().await.is_ok();
            assert_eq!(tried, allowed, "{project}: SuspendProcesses");
            let health = limited.auto_scaling.set_instance_health().instance_id(&members[0]).health_status("Healthy");
            assert_eq!(health.send().await.is_ok(), allowed, "{project}: SetInstanceHealth");
            let update = limited.auto_scaling.update_auto_scaling_group().auto_scaling_group_name(project).min_size(0);
            assert_eq!(update.send().await.is_ok(), allowed, "{project}: UpdateAutoScalingGroup");
            let stop = limited.ec2.stop_instances().instance_ids(&members[0]).send().await;
            assert_eq!(stop.is_ok(), allowed, "{project}: StopInstances");
            let resume = limited.auto_scaling.resume_processes().auto_scaling_group_name(project).send().await;
            assert_eq!(resume.is_ok(), allowed, "{project}: ResumeProcesses");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_and_command_work_on_fleets_of_another_emulator() {
    let lab = Lab::on(Options { fleets: Fleets::Moto, ..Options::default() }, EXAMPLE).await;
    let before = lab.snapshot().await;
    let fleet = Fleet::new(&lab.local.fleet_config(REGION).await.unwrap());
    let members = fleet.group_of_four("web", "Alpha").await;
    let single = fleet.launch("Beta").await;
    assert_eq!(fleet.states().await.len(), 5);
    let elsewhere = aws_sdk_autoscaling::Client::new(&lab.root);
    let groups = elsewhere.describe_auto_scaling_groups().auto_scaling_group_names("web").send().await.unwrap();
    assert!(groups.auto_scaling_groups().is_empty() && !before.instances.contains_key(&members[0]));

    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    let enforced = lab.snapshot().await;
    assert_eq!(enforced.instances, before.instances);
    assert_ne!(enforced.groups, before.groups, "IAM is MiniStack's");
    let states = fleet.states().await;
    assert_eq!(states[&single], "stopped");
    assert!(members.iter().all(|id| states[id] == "running"), "{states:?}");
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(fleet.states().await[&single], "running");
    assert_eq!(lab.snapshot().await, before);

    // The calls that groups get on the way, as this emulator answers them.
    let suspend = fleet.auto_scaling.suspend_processes().auto_scaling_group_name("web").scaling_processes("Launch");
    suspend.send().await.unwrap();
    let suspended = fleet.group("web").await;
    assert_eq!(suspended.suspended_processes()[0].process_name(), Some("Launch"));
    fleet.auto_scaling.resume_processes().auto_scaling_group_name("web").send().await.unwrap();
    assert!(fleet.group("web").await.suspended_processes().is_empty());
    let refreshes = fleet.auto_scaling.describe_instance_refreshes().auto_scaling_group_name("web").send().await;
    assert!(refreshes.unwrap().instance_refreshes().is_empty());
    let update = fleet.auto_scaling.update_auto_scaling_group().auto_scaling_group_name("web");
    update.min_size(0).max_size(0).desired_capacity(0).send().await.unwrap();
    assert!(fleet.group("web").await.instances().is_empty());
}

/// The instances and groups of a Region.
pub struct Fleet {
    pub ec2: aws_sdk_ec2::Client,
    pub auto_scaling: aws_sdk_autoscaling::Client,
}

impl Fleet {
    pub fn new(config: &SdkConfig) -> Self {
        Self { ec2: aws_sdk_ec2::Client::new(config), auto_scaling: aws_sdk_autoscaling::Client::new(config) }
    }

    /// A group with a project's tag, and its members once they are in service.
    pub async fn group_of_four(&self, name: &str, project: &str) -> Vec<String> {
        let configuration = self.auto_scaling.create_launch_configuration().launch_configuration_name(name);
        configuration.image_id(IMAGE).instance_type(InstanceType::T3Micro.as_str()).send().await.unwrap();
        let regions = self.ec2.describe_availability_zones().send().await.unwrap();
        let zone = regions.availability_zones()[0].zone_name().unwrap();
        let tag = Tag::builder().key("Project").value(project).propagate_at_launch(true).build();
        let group = self.auto_scaling.create_auto_scaling_group().auto_scaling_group_name(name).availability_zones(zone);
        let group = group.launch_configuration_name(name).min_size(1).max_size(4).desired_capacity(4).tags(tag);
        group.send().await.unwrap();
        ids(&self.eventually_of(name, 4).await)
    }

    /// The group once it has so many members, all in service.
    pub async fn eventually_of(&self, name: &str, members: usize) -> AutoScalingGroup {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
        let wait = async {
            loop {
                ticks.tick().await;
                let group = self.group(name).await;
                let mut states = group.instances().iter().map(|member| member.lifecycle_state().unwrap().as_str());
                if group.instances().len() == members && states.all(|state| state == "InService") {
                    return group;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), wait).await.expect("the group gets there")
    }

    pub async fn group(&self, name: &str) -> AutoScalingGroup {
        let groups = self.auto_scaling.describe_auto_scaling_groups().auto_scaling_group_names(name).send().await.unwrap();
        groups.auto_scaling_groups.unwrap().remove(0)
    }

    pub async fn launch(&self, project: &str) -> String {
        let tag = aws_sdk_ec2::types::Tag::builder().key("Project").value(project).build();
        let tags = TagSpecification::builder().resource_type(ResourceType::Instance).tags(tag).build();
        let call = self.ec2.run_instances().image_id(IMAGE).instance_type(InstanceType::T3Micro).min_count(1).max_count(1);
        let launched = call.tag_specifications(tags).send().await.unwrap();
        launched.instances()[0].instance_id().unwrap().to_owned()
    }

    /// Each tagged instance's state.
    pub async fn states(&self) -> BTreeMap<String, String> {
        let tagged = Filter::builder().name("tag:Project").values("*").build();
        let found = self.ec2.describe_instances().filters(tagged).max_results(1000).send().await.unwrap();
        let instances = found.reservations().iter().flat_map(aws_sdk_ec2::types::Reservation::instances);
        let state = |instance: &aws_sdk_ec2::types::Instance| {
            instance.state().and_then(|state| state.name()).map_or("", InstanceStateName::as_str).to_owned()
        };
        instances.map(|instance| (instance.instance_id().unwrap().to_owned(), state(instance))).collect()
    }
}

fn ids(group: &AutoScalingGroup) -> Vec<String> {
    group.instances().iter().map(|member| member.instance_id().unwrap().to_owned()).collect()
}
