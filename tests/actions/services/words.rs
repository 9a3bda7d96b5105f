//! The words of a plan about services.

use guardrails_aws::actions::CATALOG;
use serde_json::json;

use super::{beta, open, services, story};
use crate::harness::stage;
use crate::story::Story;
use crate::world::{Account, Cluster, HOME};

fn on_ec2(account: &mut Account, providers: Vec<(&'static str, &'static str, bool)>) {
    account.ecs_service(beta("beta/web", 5).on_ec2());
    account.ecs.clusters.insert((HOME.to_owned(), "beta".to_owned()), Cluster { instances: 3, providers });
}

async fn words(story: &Story, prices: Option<&str>) -> String {
    let run = open(story, "beta 80%", json!({})).await;
    let parts = [(story.load(&run).await.parts[0].clone(), story.steps(&run).await)];
    guardrails_cli::plan_words(&CATALOG, &stage("beta 80%", Vec::new()).0, parts, prices).unwrap()
}

#[tokio::test]
async fn plan_names_counts_and_scaling_in_their_order() {
    let said = words(&story(services), None).await;
    for line in [
        "stop-services in us-east-1: 3 to change, 1 as wanted already",
        "scaling of service beta/web: min 2, max 6, in running, out running, scheduled suspended -> min 0, max 6, in suspended, out \
         suspended, scheduled suspended",
        "service beta/web, FARGATE: 5 -> 0",
        "service more/idle, FARGATE: 0 already",
        "stopping and suspending: under a minute; resuming and starting again: under a minute",
    ] {
        assert!(said.contains(line), "{line}:\n{said}");
    }
    assert!(!said.contains("Auto Scaling group"), "{said}");
}

#[tokio::test]
async fn price_list_says_that_tasks_are_not_counted() {
    let said = words(&story(services), Some("t3.micro: 1")).await;
    assert!(said.contains("NOT COUNTED: the tasks of 2 ECS services that would go to none"), "{said}");
    assert!(!said.lines().any(|line| line.contains("NOT COUNTED") && line.contains("scalable target")), "{said}");
}

#[tokio::test]
async fn container_instances_that_stay_are_named_with_their_end() {
    for (providers, ends) in [
        (vec![("own", "fleet", true)], "ECS scales fleet in some 15 minutes after its last task, if it is empty"),
        (vec![("own", "fleet", false)], "`scale-group-to-zero` ends those of fleet"),
        (Vec::new(), "`scale-group-to-zero` on their Auto Scaling group ends them"),
    ] {
        let said = words(&story(|account| on_ec2(account, providers)), None).await;
        let line = format!("service beta/web, EC2: 5 -> 0; 3 container instances stay in the cluster beta: {ends}");
        assert!(said.contains(&line), "{line}:\n{said}");
    }
}
