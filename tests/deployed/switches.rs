//! Databases and ECS services in the deployed loop: stopped by the functions' own rights, and put back as they were.

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace, SuspendedState};
use aws_sdk_ecs::types::SchedulingStrategy;
use guardrails_local_aws::REGION;
use guardrails_model::phase::Phase;
use guardrails_model::record::RunState;

use super::lab::{EXAMPLE, Lab, real_alert};

const TARGET: &str = "service/shop/web";

#[tokio::test(flavor = "multi_thread")]
async fn databases_and_services_with_the_tag_stop_and_come_back() {
    let stop = "- stop-instances: { tag: { Project: Beta }, watch-health: 1s }";
    let both = "- stop-databases: { tag: { Project: Beta } }\n          - stop-services: { tag: { Project: Beta } }";
    assert!(EXAMPLE.contains(stop));
    let lab = Lab::with(&EXAMPLE.replace(stop, both), 0.2).await;
    let account = Account::new(&lab.local.fleet_config(REGION).await.unwrap());
    account.databases().await;
    account.services().await;
    let before = account.all().await;
    assert_eq!(before.counts, [("agent", 0), ("other", 1), ("web", 3)].map(|(name, count)| (name.to_owned(), count)));

    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let steps = lab.steps(&run).await;
    let held = account.all().await;
    let stopped = ["stopped", "available", "available", "stopped", "available"].map(str::to_owned);
    assert_eq!(held.databases.iter().map(|(_, state)| state.clone()).collect::<Vec<_>>(), stopped, "{steps:?}");
    assert_eq!(held.cluster, "stopped");
    assert_eq!(held.counts, [("agent", 0), ("other", 1), ("web", 0)].map(|(name, count)| (name.to_owned(), count)));
    assert_eq!(held.target.0, 0, "nothing pulls the count back");
    assert_eq!(held.target.2, [Some(true); 3]);
    let left = steps.iter().filter(|step| step.phase == Phase::Skipped).map(|step| format!("{} {:?}", step.facet, step.note));
    let left: Vec<String> = left.collect();
    for alone in ["copied", "agent"] {
        assert!(left.iter().any(|step| step.contains(alone)), "{alone} is left alone, and it is said: {left:?}");
    }

    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(account.all().await, before);
}

struct Account {
    rds: aws_sdk_rds::Client,
    ecs: aws_sdk_ecs::Client,
    scaling: aws_sdk_applicationautoscaling::Client,
}

/// All that a run could change: the databases by name, the cluster, the services' counts, and the scalable target.
#[derive(Debug, PartialEq, Eq)]
struct All {
    databases: Vec<(String, String)>,
    cluster: String,
    counts: Vec<(String, i32)>,
    target: (i32, i32, [Option<bool>; 3]),
}

impl Account {
    fn new(config: &guardrails_local_aws::SdkConfig) -> Self {
        Self {
            rds: aws_sdk_rds::Client::new(config),
            ecs: aws_sdk_ecs::Client::new(config),
            scaling: aws_sdk_applicationautoscaling::Client::new(config),
        }
    }

    /// One to stop, one of another project, one with a replica, which RDS does not stop, and a cluster with a member.
    async fn databases(&self) {
        let tag = |project: &str| aws_sdk_rds::types::Tag::builder().key("Project").value(project).build();
        for (name, project) in [("alone", "Beta"), ("others", "Alpha"), ("copied", "Beta")] {
            let call =
                self.rds.create_db_instance().db_instance_identifier(name).db_instance_class("db.t3.micro").engine("postgres");
            let call =
                call.master_username("someone").master_user_password("not-a-secret").allocated_storage(20).tags(tag(project));
            call.send().await.unwrap();
        }
        let replica = self.rds.create_db_instance_read_replica().db_instance_identifier("copy");
        replica.source_db_instance_identifier("copied").tags(tag("Beta")).send().await.unwrap();
        let cluster = self.rds.create_db_cluster().db_cluster_identifier("ledger").engine("aurora-postgresql");
        cluster.master_username("someone").master_user_password("not-a-secret").tags(tag("Beta")).send().await.unwrap();
        let member = self.rds.create_db_instance().db_instance_identifier("ledger-1").db_instance_class("db.r6g.large");
        member.engine("aurora-postgresql").db_cluster_identifier("ledger").send().await.unwrap();
    }

    /// One with three tasks and a scalable target, a DAEMON, and one of another project.
    async fn services(&self) {
        let tag = |project: &str| aws_sdk_ecs::types::Tag::builder().key("Project").value(project).build();
        self.ecs.create_cluster().cluster_name("shop").send().await.unwrap();
        let container = aws_sdk_ecs::types::ContainerDefinition::builder().name("main").image("example").build();
        self.ecs.register_task_definition().family("main").container_definitions(container).send().await.unwrap();
        for (name, project, count) in [("web", "Beta", Some(3)), ("other", "Alpha", Some(1)), ("agent", "Beta", None)] {
            let call = self.ecs.create_service().cluster("shop").service_name(name).task_definition("main").tags(tag(project));
            let strategy = if count.is_some() { SchedulingStrategy::Replica } else { SchedulingStrategy::Daemon };
            call.scheduling_strategy(strategy).desired_count(count.unwrap_or(0)).send().await.unwrap();
        }
        let suspended = SuspendedState::builder().scheduled_scaling_suspended(true).build();
        let call = self.scaling.register_scalable_target().service_namespace(ServiceNamespace::Ecs).resource_id(TARGET);
        let call = call.scalable_dimension(ScalableDimension::EcsServiceDesiredCount).suspended_state(suspended);
        call.min_capacity(2).max_capacity(6).send().await.unwrap();
    }

    async fn all(&self) -> All {
        let databases = self.rds.describe_db_instances().send().await.unwrap();
        let name_and_state = |one: &aws_sdk_rds::types::DbInstance| {
            (one.db_instance_identifier().unwrap().to_owned(), one.db_instance_status().unwrap().to_owned())
        };
        let mut databases: Vec<_> = databases.db_instances().iter().map(name_and_state).collect();
        databases.sort();
        let cluster = self.rds.describe_db_clusters().db_cluster_identifier("ledger").send().await.unwrap();
        let services = self.ecs.describe_services().cluster("shop").services("web").services("other").services("agent");
        let services = services.send().await.unwrap();
        let mut counts: Vec<_> =
            services.services().iter().map(|one| (one.service_name().unwrap().to_owned(), one.desired_count())).collect();
        counts.sort();
        let targets = self.scaling.describe_scalable_targets().service_namespace(ServiceNamespace::Ecs).send().await.unwrap();
        All {
            databases,
            cluster: cluster.db_clusters()[0].status().unwrap().to_owned(),
            counts,
            target: bounds(&targets.scalable_targets()[0]),
        }
    }
}

fn bounds(target: &ScalableTarget) -> (i32, i32, [Option<bool>; 3]) {
    let flags = target.suspended_state().unwrap();
    let flags =
        [flags.dynamic_scaling_in_suspended(), flags.dynamic_scaling_out_suspended(), flags.scheduled_scaling_suspended()];
    (target.min_capacity(), target.max_capacity(), flags)
}
