//! How many calls of EC2 and Auto Scaling a run makes, against the least that could do. `cargo xtask harness` quotes its output.

use guardrails_model::record::Direction;

use super::lab::Lab;
use super::{HOME, no_pace};

/// Instances that one call stops or starts, and values that a filter of a listing takes.
const BATCH: usize = 50;
const FILTER: usize = 200;
const PAGE: usize = 1000;

/// One operation of a run over so many instances, there and back.
struct Row {
    instances: usize,
    operation: String,
    calls: usize,
    least: usize,
}

/// The least: the instances listed once, a page at a time; each stopped and started in calls as large as one refusal may cost.
/// Each is looked at once before it is stopped, once when it has stopped, and the same on the way back. Whether it is a member of
/// a group is asked before it is stopped, of as many as one question takes.
fn least(operation: &str, instances: usize) -> usize {
    match operation {
        "DescribeInstances" => instances.div_ceil(PAGE) + 4 * instances.div_ceil(FILTER),
        "DescribeVolumes" => instances.div_ceil(FILTER - 1),
        "StopInstances" | "StartInstances" | "DescribeAutoScalingInstances" => instances.div_ceil(BATCH),
        "DescribeAutoScalingGroups" | "DescribeRegions" | "DescribeInstanceTypes" => 1,
        other => panic!("nobody should ask for {other}"),
    }
}

async fn rows(instances: usize) -> Vec<Row> {
    let lab = Lab::with(instances, &[HOME], no_pace());
    lab.world.account().buckets = None;
    lab.world.account().calls.clear();
    let run = lab.open().await;
    lab.machine().execute(Direction::Apply, &run).await;
    lab.harness.ask_back(&run, &[], false).await;
    lab.machine().execute(Direction::Rollback, &run).await;
    let account = lab.world.account();
    let row = |(operation, (calls, _)): (&String, &(usize, usize))| Row {
        instances,
        operation: operation.clone(),
        calls: *calls,
        least: least(operation, instances),
    };
    account.calls.iter().map(row).collect()
}

#[tokio::test]
async fn a_run_makes_few_more_calls_than_the_least_that_could_do() {
    let mut all = Vec::new();
    for instances in [50, 1_000, 4_000] {
        all.extend(rows(instances).await);
    }
    for Row { instances, operation, calls, least } in &all {
        #[allow(clippy::cast_precision_loss, reason = "thousands")]
        let ratio = *calls as f64 / *least as f64;
        println!("| {instances} | {operation} | {calls} | {least} | {ratio:.2} |");
    }
    for Row { instances, operation, calls, least } in all {
        // Fifty are looked at together, so that no decision is older than the one call that follows it.
        let most = if operation == "DescribeInstances" { 6 * least } else { least };
        assert!(calls <= most, "{operation} of {instances}: {calls} calls, and {least} could do");
    }
}
