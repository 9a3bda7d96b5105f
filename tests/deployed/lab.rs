//! A deployed stack of a test's own, and people's work with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_sns::types::MessageAttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use guardrails_aws::store::DynamoStore;
use guardrails_local_aws::walkthrough::{Snapshot, Walkthrough};
use guardrails_local_aws::{Fleets, LocalAws, Options, Saved, SdkConfig, programs};
use guardrails_model::alert::{self, AlertType, Reading};
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::ledger::Ledger;
use guardrails_model::record::{Run, RunState, Step};
use guardrails_model::runs::execution_name;
use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;

use crate::cli::outputs;

pub const EXAMPLE: &str = include_str!("../../examples/walkthrough.yaml");
/// The state machine's waits are that much shorter.
const WAIT_SCALE: f64 = 0.05;
/// Far more than anything here takes, and less than a person waits.
const LIMIT: Duration = Duration::from_mins(2);

pub struct Lab {
    pub local: LocalAws,
    pub root: SdkConfig,
    pub world: Walkthrough,
    pub ledger: Ledger,
    pub outputs: BTreeMap<String, String>,
    /// Where guardrails.yaml is.
    pub folder: tempfile::TempDir,
    inbox: String,
}

/// The example's stack, which is deployed once for all tests.
struct SavedLab {
    state: Arc<Saved>,
    world: Walkthrough,
    outputs: BTreeMap<String, String>,
}

/// The example's stack over the walk-through's world. The first test that asks deploys it; the state is saved then, and each test
/// begins with it on an AWS of its own.
async fn saved() -> &'static SavedLab {
    static SAVED: OnceCell<SavedLab> = OnceCell::const_new();
    let make = async || {
        let lab = Lab::deploy(Options::default(), EXAMPLE).await;
        let state = Arc::new(lab.local.save().await.expect("the state is saved"));
        SavedLab { state, world: lab.world, outputs: lab.outputs }
    };
    SAVED.get_or_init(make).await
}

/// The command, built once for all tests.
pub fn guardrails() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| programs::build().expect("the functions and the command build")).clone()
}

impl Lab {
    /// The example's guardrail over the walk-through's world.
    pub async fn new() -> Self {
        Self::with(EXAMPLE, 0.2).await
    }

    /// The guardrails of `file`, where instances take `transition` seconds to stop and to start.
    pub async fn with(file: &str, transition: f64) -> Self {
        Self::on(Options { transition_seconds: transition, ..Options::default() }, file).await
    }

    /// The guardrails of `file` on a local AWS of another kind.
    pub async fn on(options: Options, file: &str) -> Self {
        // Large: boxed here, once for all tests.
        Box::pin(Self::begun(options, file)).await
    }

    async fn begun(options: Options, file: &str) -> Self {
        // The things of another process are in no saved state.
        if options.fleets == Fleets::Moto {
            return Self::deploy(options, file).await;
        }
        let saved = saved().await;
        let options = Options { saved: Some(Arc::clone(&saved.state)), ..options };
        let local = LocalAws::start(Options { wait_scale: WAIT_SCALE, ..options }).await.expect("the local AWS starts");
        let world = saved.world.in_copy(&local).await.unwrap();
        let mut lab = Self::of(local, world, file).await;
        lab.is_deployed(saved.outputs.clone());
        let queues = aws_sdk_sqs::Client::new(&lab.root);
        lab.inbox = queues.get_queue_url().queue_name(INBOX).send().await.unwrap().queue_url.unwrap();
        // Another file is deployed over the example's.
        if file != EXAMPLE {
            let outputs = serde_json::from_str(&lab.say(&["deploy", "--yes", "--output", "json"]).await).unwrap();
            lab.is_deployed(outputs);
        }
        lab
    }

    /// The same as [`Self::on`], by a deployment of its own.
    pub async fn deploy(options: Options, file: &str) -> Self {
        Box::pin(Self::deployed(options, file)).await
    }

    async fn deployed(options: Options, file: &str) -> Self {
        let mut lab = Self::start(options, file).await;
        let outputs = serde_json::from_str(&lab.say(&["deploy", "--yes", "--output", "json"]).await).unwrap();
        lab.is_deployed(outputs);
        lab.inbox = inbox(&lab.root, &lab.outputs["NotifyTopicArn"]).await;
        lab
    }

    /// The walk-through's world with nothing deployed: it has no outputs, no ledger and no inbox yet.
    pub async fn bare(file: &str) -> Self {
        Self::start(Options::default(), file).await
    }

    async fn start(options: Options, file: &str) -> Self {
        let local = LocalAws::start(Options { wait_scale: WAIT_SCALE, ..options }).await.expect("the local AWS starts");
        let world = Walkthrough::seed(&local).await.expect("the walk-through's world stands");
        Self::of(local, world, file).await
    }

    async fn of(local: LocalAws, world: Walkthrough, file: &str) -> Self {
        let root = local.sdk_config().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("guardrails.yaml"), file).unwrap();
        let ledger = Ledger::new(Arc::new(DynamoStore::new(aws_sdk_dynamodb::Client::new(&root), String::new())));
        Self { local, root, world, ledger, outputs: BTreeMap::new(), folder, inbox: String::new() }
    }

    fn is_deployed(&mut self, outputs: BTreeMap<String, String>) {
        let ledger = DynamoStore::new(aws_sdk_dynamodb::Client::new(&self.root), outputs["LedgerTable"].clone());
        self.ledger = Ledger::new(Arc::new(ledger));
        self.outputs = outputs;
    }

    /// `guardrails ...`, in the folder with guardrails.yaml.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(&[], arguments).await
    }

    /// The same, with these environment variables.
    pub async fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = self.local.command(guardrails());
        command.args(arguments).envs(variables.iter().copied()).current_dir(self.folder.path());
        let output = finish(command).await;
        outputs::hold(arguments, &output.stdout);
        output
    }

    /// `guardrails ...` that must succeed; its output.
    pub async fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}\n{}", text(&output.stderr), self.local.log_tail());
        text(&output.stdout)
    }

    /// Publishes a message on the topic; AWS Budgets itself says the same as an alert does.
    pub async fn publish(&self, message: &str, attributes: &[(&str, &str)]) {
        if let Reading::Budget(alert) = alert::read(message) {
            let amount = alert.amount.to_string();
            let forecast = (alert.alert_type == AlertType::Forecasted).then_some(amount.as_str());
            // There may be no such budget: that is for the product to find out.
            self.local.spend(&alert.budget, &amount, forecast).await.ok();
        }
        self.publish_alone(message, attributes).await;
    }

    /// The same, whatever AWS Budgets itself says.
    pub async fn publish_alone(&self, message: &str, attributes: &[(&str, &str)]) {
        let mut call = aws_sdk_sns::Client::new(&self.root).publish().topic_arn(&self.outputs["AlertTopicArn"]).message(message);
        for (name, value) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(*value).build().unwrap();
            call = call.message_attributes(*name, value);
        }
        call.send().await.unwrap();
    }

    /// The runs, oldest first, once `enough` says so of them.
    pub async fn runs_when(&self, enough: impl Fn(&[Run]) -> bool) -> Vec<Run> {
        self.eventually("the runs", || async {
            let mut runs: Vec<Run> = self.ledger.runs(None).await.unwrap().into_iter().map(|run| run.value).collect();
            runs.reverse();
            enough(&runs).then_some(runs)
        })
        .await
    }

    /// The only run there is, once it stands so.
    pub async fn run_when(&self, state: RunState) -> Run {
        self.runs_when(|runs| runs.len() == 1 && runs[0].state == state).await.remove(0)
    }

    /// Waits until the only run's attempt of that number is over.
    pub async fn looked(&self, attempt: u32) {
        let machine = &self.outputs["StateMachineArn"];
        let client = aws_sdk_sfn::Client::new(&self.root);
        self.eventually("the look", || async {
            let run = self.ledger.runs(None).await.unwrap().remove(0).value;
            assert_eq!(run.attempts.apply, attempt);
            let execution = format!("{}:{}", machine.replace(":stateMachine:", ":execution:"), execution_name(&run));
            let found = client.describe_execution().execution_arn(execution).send().await.ok()?;
            assert_ne!(found.status().as_str(), "FAILED", "{found:?}");
            (found.status().as_str() == "SUCCEEDED").then_some(())
        })
        .await;
    }

    pub async fn steps(&self, run: &Run) -> Vec<Step> {
        self.ledger.all_steps(run).await.unwrap()
    }

    pub async fn snapshot(&self) -> Snapshot {
        self.world.snapshot().await.unwrap()
    }

    /// The next message that people are sent: its subject and its text.
    pub async fn told(&self) -> (String, String) {
        let sqs = aws_sdk_sqs::Client::new(&self.root);
        self.eventually("a message to people", || async {
            let received = sqs.receive_message().queue_url(&self.inbox).max_number_of_messages(1).send().await.unwrap();
            let message = received.messages.unwrap_or_default().into_iter().next()?;
            let handle = message.receipt_handle.unwrap_or_default();
            sqs.delete_message().queue_url(&self.inbox).receipt_handle(handle).send().await.unwrap();
            let envelope: Json = serde_json::from_str(&message.body.unwrap_or_default()).unwrap();
            Some((envelope["Subject"].as_str()?.to_owned(), envelope["Message"].as_str()?.to_owned()))
        })
        .await
    }

    /// Looks until there is an answer; there is one within the limit, or the test fails.
    pub async fn eventually<T, F: Future<Output = Option<T>>>(&self, what: &str, look: impl Fn() -> F) -> T {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let wait = async {
            loop {
                ticks.tick().await;
                if let Some(answer) = look().await {
                    return answer;
                }
            }
        };
        let answer = tokio::time::timeout(LIMIT, wait).await;
        answer.unwrap_or_else(|_| {
            panic!(
                "{what} did not come about
{}",
                self.local.log_tail()
            )
        })
    }
}

/// The queue that gets the messages to people.
const INBOX: &str = "inbox";

/// Makes the queue.
async fn inbox(root: &SdkConfig, topic: &str) -> String {
    let sqs = aws_sdk_sqs::Client::new(root);
    let arn = format!("arn:aws:sqs:{}:{}:{INBOX}", guardrails_local_aws::REGION, guardrails_local_aws::ACCOUNT);
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]});
    let made = sqs.create_queue().queue_name(INBOX).attributes(QueueAttributeName::Policy, policy.to_string()).send().await;
    let url = made.unwrap().queue_url.unwrap();
    aws_sdk_sns::Client::new(root).subscribe().topic_arn(topic).protocol("sqs").endpoint(arn).send().await.unwrap();
    url
}

async fn finish(mut command: std::process::Command) -> Output {
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An alert as AWS Budgets would send it today for the example's guardrail at 100 %.
pub fn real_alert() -> String {
    alert("project-beta", guardrails_local_aws::ACCOUNT, "$2.00", "$2.00", "$2.31")
}

/// The month of its alerts, such as `2026-11`.
pub fn month() -> String {
    SystemClock.now().strftime("%Y-%m").to_string()
}

pub fn alert(budget: &str, account: &str, budgeted: &str, threshold: &str, amount: &str) -> String {
    // The functions go by the clock of this machine: an alert of an earlier month is over.
    let today = SystemClock.now().strftime("%B %-d, %Y");
    format!(
        "AWS Budget Notification {today}\nAWS Account {account}\n\nDear AWS Customer,\n\nYou requested that we alert \
         you when the ACTUAL Cost associated with your {budget} budget is greater than {threshold} for the current month. The \
         ACTUAL Cost associated with this budget is {amount}. You can find additional details below and by accessing the AWS \
         Budgets dashboard [1].\n\nBudget Name: {budget}\nBudget Type: Cost\nBudgeted Amount: {budgeted}\nAlert Type: \
         ACTUAL\nAlert Threshold: > {threshold}\nACTUAL Amount: {amount}\n\n[1] \
         https://console.aws.amazon.com/billing/home#/budgets\n"
    )
}
