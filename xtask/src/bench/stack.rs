//! The deployed stack over fleets of several sizes: from the alert until the run is enforced, and until it is put back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use aws_sdk_ec2::types::{InstanceType, ResourceType, Tag, TagSpecification};
use guardrails_aws::error::Failure;
use guardrails_aws::store::DynamoStore;
use guardrails_local_aws::{LocalAws, Options};
use guardrails_model::ledger::Ledger;
use guardrails_model::phase::Phase;
use guardrails_model::record::RunState;
use serde::Deserialize;
use tokio::process::Command;

use super::median;

/// One stage, and buckets that never are empty: the product is measured, not EC2's limits.
const FILE: &str = "version: 1
pace:
  share: 1
  buckets:
    describe-requests: { capacity: 1000000, refill: 1000000 }
    stop-requests: { capacity: 1000000, refill: 1000000 }
    stop-instances: { capacity: 1000000, refill: 1000000 }
    start-requests: { capacity: 1000000, refill: 1000000 }
    start-instances: { capacity: 1000000, refill: 1000000 }
guardrails:
  bench:
    budget: { amount: 2 USD, period: monthly }
    stages:
      - at: 100% actual
        do: [{ stop-instances: { tag: { Project: Bench }, regions: [us-east-1] } }]
";
/// The text of a test that people publish: there is one guardrail, so it is meant.
const ALERT: &str = "This is a mock notification";
/// Instances that one call launches.
const MOST: usize = 500;
const POLL: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_mins(20);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outputs {
    #[serde(rename = "AlertTopicArn")]
    alert_topic: String,
    ledger_table: String,
}

/// The time and the memory of one run.
struct Took {
    enforced: f64,
    rolled_back: f64,
    memory: Peaks,
}

/// The most memory that each function had, in KiB.
type Peaks = BTreeMap<String, u64>;

/// Measures each size so many times.
pub async fn measure(command: &Path, sizes: &[usize], repetitions: usize, page: &mut String) -> Result<()> {
    let runs = if repetitions == 1 { "One run of each size".to_owned() } else { format!("Medians of {repetitions} runs") };
    writeln!(
        page,
        "\n## Alert to enforced, and back\n\nThe deployed stack on the local AWS, with instances that take no time and EC2 without limits: what is"
    )?;
    writeln!(page, "measured is the product's own work, and the emulator's. {runs}, each on an AWS of its own; the state")?;
    writeln!(
        page,
        "machine's waits are a twentieth. \"Each\" is the time by the number of instances. Its ratio is to the first row's.\n"
    )?;
    writeln!(page, "| instances | enforced | each | ratio | rolled back | each | ratio |")?;
    writeln!(page, "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    let (mut first, mut peaks) = (None, BTreeMap::new());
    for size in sizes {
        let mut runs = Vec::new();
        for repetition in 0..repetitions {
            let took = once(command, *size).await?;
            eprintln!("{size} ({repetition}): {:.2} s, back {:.2} s", took.enforced, took.rolled_back);
            runs.push(took);
        }
        #[allow(clippy::cast_precision_loss, reason = "thousands")]
        let count = *size as f64;
        let enforced = median(runs.iter().map(|took| took.enforced).collect());
        let back = median(runs.iter().map(|took| took.rolled_back).collect());
        for (function, peak) in runs.iter().flat_map(|took| &took.memory) {
            let known = peaks.entry((function.clone(), *size)).or_insert(0_u64);
            *known = (*known).max(peak.div_ceil(1024));
        }
        let each = (enforced * 1000.0 / count, back * 1000.0 / count);
        let (of, of_back) = *first.get_or_insert(each);
        writeln!(
            page,
            "| {size} | {enforced:.2} s | {:.1} ms | {:.3} | {back:.2} s | {:.1} ms | {:.3} |",
            each.0,
            each.0 / of,
            each.1,
            each.1 / of_back
        )?;
    }
    let columns = sizes.iter().map(|size| format!(" {size} instances |")).collect::<Vec<_>>().concat();
    writeln!(page, "\nThe most memory that a function had in these runs (each has 256 MB):\n\n| function |{columns}")?;
    writeln!(page, "| --- |{}", " ---: |".repeat(sizes.len()))?;
    let functions: BTreeSet<&String> = peaks.keys().map(|(function, _)| function).collect();
    for function in functions {
        let cells = sizes.iter().map(|size| {
            let peak = peaks.get(&(function.clone(), *size));
            peak.map_or(" - |".to_owned(), |peak| format!(" {peak} MiB |"))
        });
        writeln!(page, "| `{function}` |{}", cells.collect::<String>())?;
    }
    Ok(())
}

async fn once(command: &Path, size: usize) -> Result<Took> {
    let local = LocalAws::start(Options { wait_scale: 0.05, ..Options::default() }).await?;
    let sdk = local.sdk_config().await?;
    launch(&aws_sdk_ec2::Client::new(&sdk), size).await?;
    let folder = tempfile::tempdir().context("making a folder")?;
    std::fs::write(folder.path().join("guardrails.yaml"), FILE).context("writing guardrails.yaml")?;
    let guardrails = |arguments: &[&str]| {
        let mut command = Command::from(local.command(command));
        command.args(arguments).current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        command
    };
    let deployed = guardrails(&["deploy", "--yes", "--output", "json"]).output().await.context("deploying")?;
    ensure!(deployed.status.success(), "guardrails deploy: {}\n{}", String::from_utf8_lossy(&deployed.stderr), local.log_tail());
    let outputs: Outputs = serde_json::from_slice(&deployed.stdout).context("reading what was deployed")?;
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&sdk), outputs.ledger_table);
    let ledger = Ledger::new(Arc::new(store));

    let watch = tokio::spawn(watch(local.endpoint().to_owned()));
    let began = Instant::now();
    let sent = aws_sdk_sns::Client::new(&sdk).publish().topic_arn(&outputs.alert_topic).message(ALERT).send().await;
    sent.map_err(|error| anyhow!("publishing: {}", Failure::of(&error).message))?;
    let ended = tokio::time::timeout(LIMIT, enforced(&ledger, size)).await;
    ended.map_err(|_| anyhow!("it was not enforced\n{}", local.log_tail()))??;
    let enforced = began.elapsed().as_secs_f64();

    let began = Instant::now();
    let back = tokio::time::timeout(LIMIT, guardrails(&["rollback", "bench", "--yes"]).output()).await;
    let back = back.map_err(|_| anyhow!("it was not rolled back\n{}", local.log_tail()))??;
    ensure!(back.status.success(), "guardrails rollback: {}\n{}", String::from_utf8_lossy(&back.stderr), local.log_tail());
    let rolled_back = began.elapsed().as_secs_f64();
    watch.abort();
    let memory = std::mem::take(&mut *PEAKS.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Took { enforced, rolled_back, memory })
}

async fn launch(ec2: &aws_sdk_ec2::Client, size: usize) -> Result<()> {
    for from in (0..size).step_by(MOST) {
        let count = i32::try_from((size - from).min(MOST)).context("a number of instances")?;
        let tag = Tag::builder().key("Project").value("Bench").build();
        let tags = TagSpecification::builder().resource_type(ResourceType::Instance).tags(tag).build();
        let call = ec2.run_instances().image_id("ami-0abcdef1234567890").instance_type(InstanceType::T3Micro);
        let launched = call.min_count(count).max_count(count).tag_specifications(tags).send().await;
        launched.map_err(|error| anyhow!("launching instances: {}", Failure::of(&error).message))?;
    }
    Ok(())
}

/// Waits until the only run there is has been enforced, and looks whether all was.
async fn enforced(ledger: &Ledger, size: usize) -> Result<()> {
    let mut ticks = tokio::time::interval(POLL);
    loop {
        ticks.tick().await;
        let Some(run) = ledger.runs(Some(1)).await?.pop().map(|run| run.value) else { continue };
        match run.state {
            RunState::Opening | RunState::Applying => {}
            RunState::Enforced => {
                let mut applied = 0;
                ledger.visit(&run, |step| applied += usize::from(step.phase == Phase::Applied)).await?;
                ensure!(applied == size, "{applied} of {size} were stopped");
                return Ok(());
            }
            other => anyhow::bail!("the run is {}", other.words()),
        }
    }
}

static PEAKS: Mutex<Peaks> = Mutex::new(Peaks::new());

/// Looks again and again how much memory the functions have had that work against this endpoint.
async fn watch(endpoint: String) {
    let mut ticks = tokio::time::interval(POLL);
    loop {
        ticks.tick().await;
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes {
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment);
            let function =
                environment.split('\0').find_map(|part| part.strip_prefix("AWS_LAMBDA_FUNCTION_NAME=budget-guardrails-"));
            let Some(function) = function.filter(|_| environment.contains(&endpoint)) else { continue };
            let status = std::fs::read_to_string(process.path().join("status")).unwrap_or_default();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
            let mut peaks = PEAKS.lock().unwrap_or_else(PoisonError::into_inner);
            let known = peaks.entry(function.to_owned()).or_default();
            *known = (*known).max(peak.unwrap_or_default());
        }
    }
}
