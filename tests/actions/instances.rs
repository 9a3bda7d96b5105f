//! Single instances: those that cannot or must not be stopped cost the others nothing, and those that AWS has no room for
//! are started when it has.

use guardrails_model::engine::{Cursor, Progress};
use guardrails_model::ids::RunId;
use guardrails_model::record::Direction;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use crate::story::{Story, running};
use crate::world::{Instance, Power, Spot};

/// Everybody else in the batch.
const OTHERS: [&str; 5] = ["i-2", "i-3", "i-4", "i-6", "i-7"];

/// With an odd one first, in the middle, or last in the batch: it is left alone for this reason, and the others are stopped and
/// started.
async fn is_left_alone(odd: impl Fn(Instance) -> Instance, params: Json, why: &str) {
    for place in ["i-1", "i-5", "i-9"] {
        let story = Story::of(|account| {
            for id in OTHERS {
                account.instance(running(id));
            }
            account.instance(odd(running(place)));
            account.profiles.insert("ops".to_owned(), "FinOps".to_owned());
        });
        let before = story.is();
        let run = story.stop_beta_with("beta 80%", params.clone()).await;
        let told: Vec<String> = story.told(&run).await.into_iter().filter(|step| !step.ends_with(": applied")).collect();
        assert_eq!(told, [format!("{place}: skipped ({})", why.replace("{id}", place))]);
        let is = story.world.account().snapshot();
        assert!(OTHERS.iter().all(|id| is[*id] == "Stopped") && is[place] == "Running", "{is:?}");
        assert_eq!(story.state(&run).await, "enforced");
        story.put_back(&run).await;
        assert_eq!((story.is(), story.state(&run).await), (before, "rolled back"));
        assert_eq!(story.world.account().touched.iter().collect::<Vec<_>>(), OTHERS);
    }
}

fn tagged(tag: &'static str) -> impl Fn(Instance) -> Instance {
    let (key, value) = tag.split_once('=').expect("a tag");
    move |mut instance| {
        instance.tags.insert(key.to_owned(), value.to_owned());
        instance
    }
}

#[tokio::test]
async fn instance_that_cannot_stop_is_left_alone_and_others_stop() {
    let none = || json!({});
    let root = "its root volume is an instance store: it can only be terminated";
    is_left_alone(Instance::instance_store_root, none(), root).await;
    let spot = "it is a one-time Spot Instance, which cannot be stopped";
    is_left_alone(Instance::one_time_spot, none(), spot).await;
    is_left_alone(|instance| instance.spot(Spot::Fleet), none(), spot).await;
    is_left_alone(|instance| instance.spot(Spot::Cancelled), none(), spot).await;
    let protected = "OperationNotPermitted: The instance '{id}' may not be stopped. Modify its 'disableApiStop' instance attribute \
                     and try again.";
    is_left_alone(Instance::protected, none(), protected).await;
    let data = "an m5d.large has instance-store volumes, and they lose their data on a stop (`instance-store-data: lose` stops it \
                all the same)";
    is_left_alone(|instance| instance.of_type("m5d.large"), none(), data).await;
}

#[tokio::test]
async fn instance_that_another_service_keeps_is_left_alone() {
    let keeps = |keeper: &str| format!("{keeper} looks after it, and would replace it");
    is_left_alone(|instance| instance.managed_by("lambda.amazonaws.com"), json!({}), &keeps("lambda.amazonaws.com")).await;
    for (tag, keeper) in [
        ("aws:eks:cluster-name=c", "Amazon EKS"),
        ("aws:elasticmapreduce:job-flow-id=j-1", "Amazon EMR"),
        ("aws:ec2spot:fleet-request-id=sfr-1", "a Spot Fleet"),
        ("aws:ec2:fleet-id=fleet-1", "an EC2 Fleet"),
    ] {
        is_left_alone(tagged(tag), json!({}), &keeps(keeper)).await;
    }
    for (tag, keeper) in SETTABLE {
        let both = |instance: Instance| tagged("aws:ec2:fleet-id=fleet-1")(tagged(tag)(instance));
        is_left_alone(both, json!({}), &keeps(keeper)).await;
    }
}

/// Tags that anybody can set at launch, and whose they are.
const SETTABLE: [(&str, &str); 7] = [
    ("eks:nodegroup-name=n", "Amazon EKS"),
    ("kubernetes.io/cluster/c=owned", "a Kubernetes cluster"),
    ("karpenter.sh/nodepool=default", "Karpenter"),
    ("AmazonECSManaged=", "Amazon ECS"),
    ("AWSBatchServiceTag=batch", "AWS Batch"),
    ("elasticbeanstalk:environment-id=e-1", "AWS Elastic Beanstalk"),
    ("parallelcluster:cluster-name=c", "AWS ParallelCluster"),
];

#[tokio::test]
async fn keeper_s_tag_that_anybody_can_set_exempts_nothing_alone() {
    for (tag, keeper) in SETTABLE {
        // A person who deploys a stack of their own, or has a launch template, gets these of AWS.
        for beside in ["Name=x", "aws:cloudformation:stack-name=mine", "aws:ec2launchtemplate:id=lt-1"] {
            let story = Story::of(|account| {
                account.instance(tagged(beside)(tagged(tag)(running("i-1"))));
            });
            let run = story.stop_beta("beta 80%").await;
            assert_eq!(story.is(), ["i-1 Stopped"]);
            let note = story.steps(&run).await.remove(0).note.unwrap();
            assert!(note.contains(keeper) && note.contains("anybody can set it"), "{note}");
            story.put_back(&run).await;
            assert_eq!(story.is(), ["i-1 Running"]);
        }
    }
}

#[tokio::test]
async fn type_that_ec2_does_not_know_keeps_no_other_on() {
    let story = Story::of(|account| {
        account
            .instance(running("i-1").of_type("unknown.large"))
            .instance(running("i-2"))
            .instance(running("i-3").of_type("m5d.large"));
    });
    let run = story.stop_beta("beta 80%").await;
    assert_eq!(story.is(), ["i-1 Running", "i-2 Stopped", "i-3 Running"]);
    assert!(story.told(&run).await[0].contains("EC2 does not know the type unknown.large here"), "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn instance_that_people_or_guardrails_need_is_left_alone() {
    let none = || json!({});
    is_left_alone(tagged("guardrails:exempt=true"), none(), "it carries the tag guardrails:exempt").await;
    let exempt = |of: Json| json!({"exempt": of});
    is_left_alone(tagged("Keep=yes"), exempt(json!({"tag": {"Keep": "yes"}})), "it is exempt by its tags").await;
    let young = |instance: Instance| instance.created("2026-11-23T01:30:00Z".parse().unwrap());
    is_left_alone(young, exempt(json!({"younger-than": "1h"})), "it was created less than 1h ago").await;
    let old = |instance: Instance| instance.created("2025-01-01T00:00:00Z".parse().unwrap());
    is_left_alone(old, exempt(json!({"older-than": "365d"})), "it was created more than 365d ago").await;
    let operator = "an operator works from it: the way back would be cut";
    is_left_alone(|instance| instance.profile("ops"), none(), operator).await;
    let own = tagged("aws:cloudformation:stack-name=guardrails");
    is_left_alone(own, none(), "the guardrails themselves run on it").await;
}

#[tokio::test]
async fn start_makes_no_instance_younger() {
    let yesterday: Timestamp = "2026-11-22T01:30:00Z".parse().unwrap();
    let story = Story::of(|account| {
        let old = Instance::new("i-1", Power::Running, "Project=Beta").created("2025-01-01T00:00:00Z".parse().unwrap());
        account.instance(old.launched(yesterday));
        account.instance(Instance::new("i-2", Power::Running, "Project=Beta").created(yesterday));
    });
    let params = json!({"exempt": {"older-than": "365d", "younger-than": "2h"}});
    let first = story.stop_beta_with("beta 80%", params.clone()).await;
    story
        .check(&first, &["i-1 Running", "i-2 Stopped"], &["i-1: skipped (it was created more than 365d ago)", "i-2: applied"])
        .await;
    story.put_back(&first).await;
    // Our own rollback has only just started it.
    let second = story.stop_beta_with("beta 100%", params).await;
    assert_eq!(story.told(&second).await[1], "i-2: applied");
}

#[tokio::test]
async fn an_instance_is_exempt_by_its_id() {
    let story = Story::of(|account| {
        account.instance(running("i-1")).instance(running("i-2"));
    });
    let run = story.stop_beta_with("beta 80%", json!({"exempt": {"id": ["i-1"]}})).await;
    story.check(&run, &["i-1 Running", "i-2 Stopped"], &["i-1: skipped (it is exempt by its id)", "i-2: applied"]).await;
}

#[tokio::test]
async fn instance_that_only_looks_spared_is_stopped() {
    let story = Story::of(|account| {
        account.instance(running("i-1").spot(Spot::Persistent)).instance(running("i-2").of_type("m5d.large"));
        account.instance(running("i-3").profile("other")).instance(running("i-4").profile("gone"));
        account.instance(tagged("guardrails:exempt=false")(running("i-5")));
        account.instance(tagged("aws:cloudformation:stack-name=others")(running("i-6")));
        account.profiles.insert("other".to_owned(), "Others".to_owned());
    });
    let before = story.is();
    let run = story.stop_beta_with("beta 80%", json!({"instance-store-data": "lose"})).await;
    assert!(story.told(&run).await.iter().all(|step| step.ends_with(": applied")), "{:?}", story.told(&run).await);
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn pending_instance_is_stopped_and_terminating_one_left_alone() {
    let story = Story::of(|account| {
        let mut pending = running("i-1");
        pending.power = Power::Pending;
        pending.becomes = Some(("2026-11-23T01:48:00Z".parse().unwrap(), Power::Running));
        account.instance(pending).instance(running("i-2")).instance(running("i-3"));
    });
    let run = story.open_beta("beta 80%", json!({})).await;
    story.world.account().instances.get_mut("i-2").unwrap().power = Power::ShuttingDown;
    story.apply(&run).await;
    let steps = ["i-1: applied", "i-2: skipped (the instance i-2 is shutting-down)", "i-3: applied"];
    story.check(&run, &["i-1 Stopped", "i-2 ShuttingDown", "i-3 Stopped"], &steps).await;
}

#[tokio::test]
async fn those_that_can_are_hibernated_and_the_others_plainly_stopped() {
    for hibernate in [true, false] {
        let story = Story::of(|account| {
            account.instance(running("i-1").hibernates()).instance(running("i-2"));
            account.instance(running("i-3").not_ready_to_hibernate()).instance(running("i-4").hibernates());
            account.instance(running("i-5").hibernates().protected());
        });
        let before = story.is();
        let run = story.stop_beta_with("beta 80%", json!({"hibernate": hibernate})).await;
        assert_eq!(story.is(), ["i-1 Stopped", "i-2 Stopped", "i-3 Stopped", "i-4 Stopped", "i-5 Running"]);
        let hibernated = ["i-1", "i-2", "i-3", "i-4", "i-5"].map(|id| story.world.account().instances[id].hibernated);
        assert_eq!(hibernated, [hibernate, false, false, hibernate, false]);
        assert!(story.told(&run).await[4].starts_with("i-5: skipped (OperationNotPermitted: "));
        story.put_back(&run).await;
        assert_eq!((story.is(), story.state(&run).await), (before, "rolled back"));
    }
}

/// Goes back for so many hours, as the state machine does, and no further.
async fn go_back_for(story: &Story, run: &RunId, hours: i64) {
    story.harness.ask_back(run, &[], false).await;
    let until = now(story) + SignedDuration::from_hours(hours);
    let mut cursor = Cursor::default();
    while now(story) < until {
        match story.harness.invoke_from(Direction::Rollback, run, 0, cursor).await {
            Some(Ok(Progress::Settling { seconds, cursor: next, .. })) => {
                cursor = next;
                story.harness.wait(seconds).await;
            }
            other => panic!("it waits no more: {other:?} {:?}", story.steps(run).await),
        }
    }
}

fn now(story: &Story) -> Timestamp {
    use guardrails_model::clock::Clock;
    story.world.clock.now()
}

const NO_VCPUS: &str = "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 32 allows for the \
                        instance bucket that the specified instance type belongs to.";
const KEY: &str = "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state";

#[tokio::test]
async fn instance_without_capacity_is_asked_for_seldom_until_there_is() {
    let story = Story::of(|account| {
        for id in OTHERS {
            account.instance(running(id));
        }
        let until = "2026-11-23T06:00:00Z".parse().unwrap();
        account.instance(running("i-1").over_the_limit_until(until)).instance(running("i-9").refusing_start(25));
    });
    let before = story.is();
    let run = story.stop_beta("beta 80%").await;
    story.world.account().calls.clear();
    go_back_for(&story, &run, 1).await;
    let is = story.world.account().snapshot();
    assert!(OTHERS.iter().all(|id| is[*id] == "Running") && is["i-1"] == "Stopped" && is["i-9"] == "Stopped", "{is:?}");
    let told = story.told(&run).await;
    assert_eq!(told[0], format!("i-1: rolling back ({NO_VCPUS})"));
    assert!(told[6].starts_with("i-9: rolling back (InsufficientInstanceCapacity: "), "{told:?}");
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    assert_eq!((story.is(), story.state(&run).await), (before, "rolled back"));
    let starts = story.world.account().calls["StartInstances"].0;
    assert!(starts < 100, "{starts}");
}

#[tokio::test]
async fn instance_that_never_gets_capacity_fails_loudly_at_the_bound() {
    let story = Story::of(|account| {
        account.instance(running("i-1")).instance(running("i-2").over_the_limit(usize::MAX)).instance(running("i-3"));
    });
    let run = story.stop_beta_with("beta 80%", json!({"keep-trying": "2h"})).await;
    let began = now(&story);
    story.put_back(&run).await;
    assert_eq!(
        (story.is(), story.state(&run).await),
        (strings(&["i-1 Running", "i-2 Stopped", "i-3 Running"]), "rollback failed")
    );
    let told = story.told(&run).await;
    assert!(told[1].starts_with("i-2: rollback failed (") && told[1].contains(NO_VCPUS), "{told:?}");
    let took = (now(&story) - began).get_seconds();
    assert!((7200..9000).contains(&took), "{took}");
    story.world.account().instance(Instance::new("i-2", Power::Stopped, "Project=Beta"));
    story.put_back(&run).await;
    assert_eq!((story.is()[1].as_str(), story.state(&run).await), ("i-2 Running", "rolled back"));
}

#[tokio::test]
async fn instance_that_falls_back_is_asked_for_seldom_with_its_reason() {
    let story = || {
        Story::of(|account| {
            account.instance(running("i-1")).instance(running("i-2").key_disabled()).instance(running("i-3"));
        })
    };
    let mended = story();
    let before = mended.is();
    let run = mended.stop_beta("beta 80%").await;
    mended.world.account().calls.clear();
    go_back_for(&mended, &run, 2).await;
    assert_eq!(mended.told(&run).await[1], format!("i-2: rolling back ({KEY})"));
    assert_eq!(mended.is(), ["i-1 Running", "i-2 Stopped", "i-3 Running"]);
    let starts = mended.world.account().calls["StartInstances"].0;
    assert!((5..20).contains(&starts), "{starts}");
    mended.world.account().instances.get_mut("i-2").unwrap().enable_key();
    mended.harness.execute(Direction::Rollback, &run).await.unwrap();
    assert_eq!((mended.is(), mended.state(&run).await), (before, "rolled back"));

    let never = story();
    let run = never.stop_beta_with("beta 80%", json!({"keep-trying": "2h"})).await;
    let began = now(&never);
    never.put_back(&run).await;
    assert_eq!(never.told(&run).await[1], format!("i-2: rollback failed ({KEY})"));
    assert_eq!(
        (never.is(), never.state(&run).await),
        (strings(&["i-1 Running", "i-2 Stopped", "i-3 Running"]), "rollback failed")
    );
    let took = (now(&never) - began).get_seconds();
    assert!((7200..9000).contains(&took), "{took}");
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
