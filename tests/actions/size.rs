//! Thousands of instances: how fast they stop and start within EC2's limits, their cost, and how long histories grow.

mod calls;
pub mod history;
mod lab;
mod machine;
mod neighbour;

use guardrails_aws::ec2::limits;
use guardrails_model::pace::{Bucket, Pace};
use guardrails_model::record::{Direction, RunState};
use guardrails_model::runs::RollbackAsked;

use crate::world::{HOME, Instance, Power};
use lab::{Lab, throttled};
use neighbour::Neighbour;

const REGIONS: [&str; 4] = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2"];

fn share(share: f64) -> Pace {
    Pace { share, ..Pace::default() }
}

/// A pace that never waits by itself.
fn no_pace() -> Pace {
    let endless = Bucket { capacity: 1e9, refill: 1e9 };
    Pace { share: 1.0, buckets: limits::ALL.into_iter().map(|limit| (limit.name.to_owned(), endless)).collect() }
}

#[tokio::test]
async fn ten_thousand_at_full_share_stop_and_start_at_ec2_rate() {
    let (few, _) = Box::pin(there_and_back(2_000)).await;
    let (many, took) = Box::pin(there_and_back(10_000)).await;
    let [stopped, started] = took;
    // A thousand at once, and twenty more each second: 450 s.
    assert!((450..=495).contains(&stopped.seconds), "{stopped:?}");
    // A thousand at once, and two more each second: 4,500 s.
    assert!((4_500..=4_950).contains(&started.seconds), "{started:?}");
    for (few, many) in few.into_iter().zip(many) {
        assert!((many / few - 1.0).abs() < 0.2, "a step costs {few} among 2,000, and {many} among 10,000");
    }
}

/// Stops and starts so many at a share of one: the calls of the ledger and of EC2 that each step cost, and how long it took.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
async fn there_and_back(count: usize) -> ([f64; 2], [machine::Took; 2]) {
    let lab = Lab::with(count, &[HOME], share(1.0));
    let run = lab.open().await;
    let mut costs = [0.0; 2];
    let mut took = [machine::Took::default(), machine::Took::default()];
    for (at, (direction, power)) in
        [(Direction::Apply, Power::Stopped), (Direction::Rollback, Power::Running)].into_iter().enumerate()
    {
        if direction == Direction::Rollback {
            lab.harness.ask_back(&run, &[], false).await;
        }
        lab.costs.reset();
        lab.world.account().calls.clear();
        took[at] = lab.machine().execute(direction, &run).await;
        assert_eq!(lab.count(power), count);
        let (throttled, calls) = throttled(&lab.world);
        assert!(throttled * 100 < calls, "{throttled} of {calls} calls were throttled");
        let ledger = lab.costs.sum();
        costs[at] = (calls + ledger.reads + ledger.writes) as f64 / count as f64;
    }
    (costs, took)
}

#[tokio::test]
async fn without_a_pace_many_calls_are_throttled() {
    let lab = Lab::with(1_200, &[HOME], no_pace());
    let run = lab.open().await;
    lab.machine().execute(Direction::Apply, &run).await;
    lab.harness.ask_back(&run, &[], false).await;
    lab.machine().execute(Direction::Rollback, &run).await;
    let calls = lab.world.account().calls.clone();
    assert_eq!(lab.count(Power::Running), 1_200);
    for operation in ["StopInstances", "StartInstances"] {
        let (all, throttled) = calls[operation];
        assert!(throttled * 10 > all, "{operation}: {throttled} of {all}");
    }
}

#[tokio::test]
async fn neighbour_with_the_other_half_share_is_never_throttled() {
    let lab = Lab::with(2_000, &[HOME], share(0.5));
    let run = lab.open().await;
    let neighbour = Neighbour::of(&lab.world);
    let others = |seconds: i64| neighbour.take(seconds);
    // An execution of few rounds: how full the buckets are must come through to the next.
    let machine = machine::Machine { others: Some(&others), most: Some(12), ..lab.machine() };
    machine.execute(Direction::Apply, &run).await;
    lab.harness.ask_back(&run, &[], false).await;
    let started = machine.execute(Direction::Rollback, &run).await;
    assert!(started.executions > 1, "it goes on in another execution: {started:?}");
    let (asked, refused) = neighbour.calls();
    assert!(asked > 1_000, "{asked}: they ask all the time");
    assert_eq!(refused, Vec::<String>::new());
}

#[tokio::test]
async fn ten_thousand_in_four_regions_keep_histories_and_states_small() {
    let lab = Lab::with(10_000, &REGIONS, share(0.5));
    let run = lab.open().await;
    for direction in [Direction::Apply, Direction::Rollback] {
        if direction == Direction::Rollback {
            lab.harness.ask_back(&run, &[], false).await;
        }
        lab.costs.reset();
        let took = lab.machine().execute(direction, &run).await;
        assert!(took.events < 12_000, "{took:?}");
        assert!(took.longest < 25_000 / 2, "Step Functions ends an execution at 25,000: {took:?}");
        assert!(took.state < 256 * 1024 / 16, "Step Functions takes 256 KiB: {took:?}");
        // Two writes a step, of which fifty fit in a commit.
        let commits = lab.costs.sum().commits;
        assert!(commits < 10_000 / 50 * 4, "{commits} commits");
    }
    assert_eq!(lab.count(Power::Running), 10_000);
}

#[tokio::test]
async fn killed_rollback_of_thousands_starts_nothing_twice() {
    let lab = Lab::with(3_000, &[HOME], share(1.0));
    let before = lab.world.account().snapshot();
    let run = lab.open().await;
    lab.machine().execute(Direction::Apply, &run).await;
    assert!(matches!(lab.harness.ask_back(&run, &[], false).await, RollbackAsked::Started(_)));
    for round in [0, 1, 7, 15] {
        let killed = machine::Machine { killed_at: Some(round), ..lab.machine() };
        assert!(killed.execute(Direction::Rollback, &run).await.closed.is_none());
        assert!(matches!(lab.harness.ask_back(&run, &[], false).await, RollbackAsked::Started(_)));
    }
    // While it is under way, only some of the last ones are asked for.
    let only: Vec<_> = lab.steps(&run).await[2_900..].iter().map(|step| step.facet.clone()).collect();
    let down = lab.count(Power::Stopped);
    assert!(matches!(lab.harness.ask_back(&run, &only, false).await, RollbackAsked::Changed(_)));
    let narrowed = lab.machine().execute(Direction::Rollback, &run).await;
    // Some of the others are half way back, where they were when it was killed.
    assert_eq!(narrowed.closed.unwrap().run.state, RunState::RollbackFailed);
    assert_eq!(lab.count(Power::Stopped), down - 100);
    lab.harness.ask_back(&run, &[], false).await;
    let last = lab.machine().execute(Direction::Rollback, &run).await;
    assert_eq!(last.closed.unwrap().run.state, RunState::RolledBack);
    assert_eq!(lab.world.account().snapshot(), before);
    let account = lab.world.account();
    assert!(account.instances.values().all(|instance| instance.starts() == 1), "each was started once");
}

#[tokio::test]
async fn one_instance_without_capacity_does_not_hold_up_the_others() {
    let lab = Lab::with(2_000, &[HOME], share(1.0));
    // The first that a rollback comes to; it is asked for again after a minute, and then more and more seldom.
    lab.world.account().instance(Instance::new("i-00000", Power::Running, "Project=Beta").refusing_start(30));
    let run = lab.open().await;
    lab.machine().execute(Direction::Apply, &run).await;
    lab.harness.ask_back(&run, &[], false).await;
    let began = lab.now();
    let took = lab.machine().execute(Direction::Rollback, &run).await;
    let when = lab.running_since();
    let others = when.iter().filter(|(id, _)| *id != "i-00000").map(|(_, at)| (*at - began).get_seconds()).max().unwrap();
    // A thousand at once, and two more each second.
    assert!((500..=600).contains(&others), "the last of the others ran after {others} s");
    assert!(took.seconds > 3_600, "{took:?}");
    // No wait is longer than five minutes, so that a change of mind is seen.
    let rounds = i64::try_from(took.rounds).unwrap();
    assert!(rounds < 40 + took.seconds / 300, "it is not looked at all the time: {took:?}");
    assert_eq!(lab.count(Power::Running), 2_000);
}
