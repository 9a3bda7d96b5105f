//! `pause-clusters`: Redshift clusters and their scheduled actions, in an account that refuses as Redshift does.

mod meanwhile;
mod refusals;
mod rights;
mod schedules;

use guardrails_model::ids::RunId;
use serde_json::{Value as Json, json};

use crate::story::Story;
use crate::world::{Account, Does, HOME, Kind, Schedule, Warehouse};

fn beta(name: &str) -> Warehouse {
    Warehouse::new(name, "Project=Beta")
}

/// A cluster with a schedule of each kind, one with a disabled schedule, one that is paused and would be resumed, and one of others.
/// They are on several pages.
fn fill(account: &mut Account) {
    account.warehouse(beta("orders")).warehouse(beta("reports")).warehouse(beta("resting").in_status("paused"));
    account.warehouse(Warehouse::new("other", "Project=Gamma"));
    account.schedule(Schedule::new("orders-resume", "orders", Does::Resume));
    account.schedule(Schedule::new("orders-resize", "orders", Does::Resize));
    account.schedule(Schedule::new("orders-pause", "orders", Does::Pause));
    account.schedule(Schedule::new("reports-resume", "reports", Does::Resume).in_state("DISABLED"));
    account.schedule(Schedule::new("resting-resume", "resting", Does::Resume));
    account.schedule(Schedule::new("other-resume", "other", Does::Resume));
}

fn params() -> Json {
    json!({"tag": {"Project": "Beta"}})
}

async fn open(story: &Story) -> RunId {
    story.open("beta 80%", "pause-clusters", params()).await
}

async fn pause(story: &Story) -> RunId {
    let run = open(story).await;
    story.apply(&run).await;
    run
}

fn status(story: &Story, name: &str) -> &'static str {
    story.world.account().dw(name).status
}

fn state(story: &Story, name: &str) -> &'static str {
    story.world.account().scheduled(name).state
}

#[tokio::test]
async fn clusters_pause_and_come_back_as_they_were() {
    let story = Story::of(fill);
    let before = story.is();
    let run = pause(&story).await;
    let told = [
        "scheduled action orders-resize: applied",
        "scheduled action orders-resume: applied",
        "Redshift cluster orders: applied",
        "scheduled action reports-resume: skipped (it was disabled already)",
        "Redshift cluster reports: applied",
        "scheduled action resting-resume: applied",
        "Redshift cluster resting: skipped (it was paused already)",
    ];
    assert_eq!(story.told(&run).await, told);
    let held = [
        "orders paused",
        "orders-pause schedule ACTIVE",
        "orders-resize schedule DISABLED",
        "orders-resume schedule DISABLED",
        "other available",
        "other-resume schedule ACTIVE",
        "reports paused",
        "reports-resume schedule DISABLED",
        "resting paused",
        "resting-resume schedule DISABLED",
    ];
    assert_eq!(story.is(), held);
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:#?}", story.told(&run).await);
    assert_eq!(story.state(&run).await, "rolled back");
    let touched = story.world.account().touched.clone();
    for of_others in ["other", "other-resume", "resting", "reports-resume", "orders-pause"] {
        assert!(!touched.contains(of_others), "{of_others}");
    }
}

#[tokio::test]
async fn schedule_goes_before_its_cluster_and_comes_back_after() {
    let story = Story::of(|account| {
        account.warehouse(beta("orders")).schedule(Schedule::new("orders-resume", "orders", Does::Resume));
    });
    let run = open(&story).await;
    let changes = |story: &Story| {
        let calls = story.harness.gate.calls().into_iter();
        calls.filter(|call| !call.starts_with("Describe")).filter(|call| call.contains("Cluster") || call.contains("Scheduled"))
    };
    story.harness.gate.disarm();
    story.apply(&run).await;
    assert_eq!(changes(&story).collect::<Vec<_>>(), ["ModifyScheduledAction", "PauseCluster"]);
    story.harness.gate.disarm();
    story.put_back(&run).await;
    assert_eq!(changes(&story).collect::<Vec<_>>(), ["ResumeCluster", "ModifyScheduledAction"]);
}

#[tokio::test]
async fn clusters_on_several_pages_are_all_paused() {
    let story = Story::of(|account| {
        for number in 0..8 {
            let name = format!("dw-{number}");
            account.warehouse(beta(&name)).schedule(Schedule::new(&format!("{name}-resume"), &name, Does::Resume));
        }
        // Its snapshot comes on the last page.
        let now = account.dw("dw-0").snapshots[0].0;
        account.dw("dw-0").snapshots = vec![(now, "creating"), (now, "failed"), (now, "creating"), (now, "available")];
        account.page = 3;
    });
    let before = story.is();
    let run = pause(&story).await;
    assert!((0..8).all(|number| status(&story, &format!("dw-{number}")) == "paused"), "{:#?}", story.told(&run).await);
    assert!((0..8).all(|number| state(&story, &format!("dw-{number}-resume")) == "DISABLED"));
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn clusters_of_two_regions_are_parts_of_one_run() {
    let story = Story::of(|account| {
        fill(account);
        account.warehouse(Warehouse { region: "eu-west-1".to_owned(), ..beta("far") });
    });
    let run = pause(&story).await;
    assert_eq!((status(&story, "far"), status(&story, "orders")), ("paused", "paused"));
    story.put_back(&run).await;
    assert_eq!((status(&story, "far"), status(&story, "orders")), ("available", "available"));
}

#[tokio::test]
async fn throttled_calls_are_asked_again() {
    let story = Story::of(|account| {
        fill(account);
        for operation in ["PauseCluster", "ResumeCluster", "ModifyScheduledAction", "DescribeClusters"] {
            account.throttled.insert(operation.to_owned(), 3);
        }
    });
    let before = story.is();
    let run = pause(&story).await;
    assert_eq!((status(&story, "orders"), status(&story, "reports")), ("paused", "paused"), "{:#?}", story.told(&run).await);
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn lost_answers_are_not_taken_for_refusals() {
    for call in ["PauseCluster", "ModifyScheduledAction"] {
        let story = Story::of(fill);
        let run = open(&story).await;
        story.harness.gate.arm_for(call, Kind::LostAnswer);
        story.apply(&run).await;
        assert_eq!(story.state(&run).await, "enforced", "{call}: {:?}", story.told(&run).await);
    }
}

#[tokio::test]
async fn cluster_with_one_of_two_tags_is_not_in_scope() {
    let story = Story::of(|account| {
        account.warehouse(Warehouse::new("both", "Project=Beta Stage=dev"));
        account.warehouse(Warehouse::new("one", "Project=Beta")).warehouse(Warehouse::new("value", "Project=Gamma Stage=dev"));
    });
    let tags = json!({"tag": {"Project": "Beta", "Stage": "dev"}});
    let run = story.open("beta 80%", "pause-clusters", tags).await;
    story.apply(&run).await;
    assert_eq!(story.told(&run).await, ["Redshift cluster both: applied"]);
    let listed = story.world.requests_of("DescribeClusters");
    assert!(listed[0].contains("TagKeys.TagKey.1=Project") && listed[0].contains("TagKeys.TagKey.2=Stage"), "{listed:?}");
}

#[tokio::test]
async fn account_without_clusters_is_asked_once_for_each_part() {
    let story = Story::of(|_| {});
    let run = open(&story).await;
    assert!(story.told(&run).await.is_empty());
    let others = ["DescribeScheduledActions", "DescribeReservedNodes", "DescribeClusterSnapshots"];
    assert_eq!((story.calls("DescribeClusters"), others.map(|call| story.calls(call))), (2, [0, 0, 0]));
}

#[tokio::test]
async fn plan_says_what_goes_on_costing_and_what_is_lost() {
    let story = Story::of(|account| {
        fill(account);
        account.redshift.reserved = vec![(3, "ra3.xlplus", "active"), (9, "ra3.xlplus", "retired"), (1, "dc2.large", "active")];
        account.dw("reports").node_type = "ra3.4xlarge";
    });
    let run = open(&story).await;
    let run = story.load(&run).await;
    let parts = [(run.parts[0].clone(), story.steps(&run.id).await)];
    let (target, _) = crate::harness::stage("beta 80%", Vec::new());
    let words = guardrails_cli::plan_words(&guardrails_aws::actions::CATALOG, &target, parts, Some("t3.micro: 1")).unwrap();
    let note = "its storage and snapshots go on costing, and nobody can query or modify it until it is resumed; a resume does not \
                bring back audit logs, and may change the cluster version and the nodes' IP addresses";
    for line in [
        format!(
            "Redshift cluster orders, ra3.xlplus with 2 nodes: available -> paused; {note}; 3 nodes are reserved ra3.xlplus in this \
             Region, paid all the same"
        ),
        format!("Redshift cluster reports, ra3.4xlarge with 2 nodes: available -> paused; {note}\n"),
        "scheduled action orders-resume: active -> disabled; it would resume the cluster orders; runs that fall due meanwhile do not \
         happen later"
            .to_owned(),
        "scheduled action orders-resize: active -> disabled; it would resize the cluster orders".to_owned(),
        "NOT COUNTED: the nodes of 2 Redshift clusters that would pause".to_owned(),
    ] {
        assert!(words.contains(&line), "{line}:\n{words}");
    }
    assert!(!words.contains("orders-pause"), "{words}");
}

#[tokio::test]
async fn facet_names_the_cluster_and_its_namespace() {
    let story = Story::of(|account| {
        account.warehouse(beta("orders"));
    });
    let run = open(&story).await;
    assert_eq!(story.steps(&run).await[0].facet.as_str(), format!("warehouse/{HOME}/orders/ns-orders"));
}
