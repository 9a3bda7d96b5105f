//! A deployed stack that many trials use one after another: the real template, functions, state machine and command, with the
//! proxy between the functions and the local AWS. The tests call the local AWS directly.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use aws_sdk_autoscaling::types::Tag;
use aws_sdk_sfn::types::{ExecutionListItem, ExecutionStatus};
use aws_sdk_sns::types::MessageAttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use guardrails_aws::actions::CATALOG;
use guardrails_aws::error::Failure;
use guardrails_aws::store::DynamoStore;
use guardrails_aws::workflow::StateMachine;
use guardrails_local_aws::walkthrough::{AUTO_SCALING_GROUP, GROUP, Role, Snapshot, Walkthrough};
use guardrails_local_aws::{ACCOUNT, LocalAws, Options, REGION, SdkConfig};
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::config::Guardrail;
use guardrails_model::decide::{SIMULATED_ATTRIBUTE, Target, simulated_text};
use guardrails_model::ledger::Ledger;
use guardrails_model::record::Run;
use guardrails_model::runs::{Runs, execution_name};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use tokio::process::Command;

use crate::proxy::{POLL, Proxy};

/// The guardrails that are deployed.
const FILE: &str = include_str!("guardrails.yaml");
/// Its only guardrail.
pub(crate) const GUARDRAIL: &str = "project-beta";
/// The functions that work for a run, beside those of the file's actions.
const FUNCTIONS: [&str; 3] = ["master", "notify", "verify"];
/// A lease lasts as long as its function may, and so does a caller that waits for it. So functions get no more time than they need here.
/// The product takes any.
const SECONDS: u32 = 13;
/// The group whose members are disposable, and how many it has.
const SPARE: &str = "spare";
const SPARES: i32 = 2;
/// No command takes as long, even where a rollback waits for leases, and on a machine that does much else. A deployment takes
/// longest: where Lambda's three tries of a custom resource all died, CloudFormation gives up after five minutes, and then
/// puts the stack back.
const COMMAND_LIMIT: Duration = Duration::from_mins(8);

/// Every function that works for a run.
fn functions() -> Result<BTreeSet<String>> {
    let config = CATALOG.parse("guardrails.yaml", FILE).context("reading the file of the trials")?;
    let stages = config.guardrails.values().flat_map(|guardrail| &guardrail.stages);
    let actions = stages.flat_map(|stage| stage.waves.iter().flatten()).map(|action| action.name.to_string());
    Ok(FUNCTIONS.iter().map(|name| (*name).to_owned()).chain(actions).collect())
}

/// A deployed stack.
pub struct Stack {
    pub(crate) local: LocalAws,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) ledger: Ledger,
    pub(crate) root: SdkConfig,
    walkthrough: Walkthrough,
    pub(crate) outputs: BTreeMap<String, String>,
    command: PathBuf,
    /// Where guardrails.yaml is.
    folder: tempfile::TempDir,
    inbox: String,
}

/// How the account is, as far as anything here may change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) snapshot: Snapshot,
    /// Minimum, desired and maximum size of the disposable group, and its members in service.
    pub(crate) spare: [i32; 4],
    /// The members of the other group, with their health.
    pub(crate) health: BTreeMap<String, String>,
}

/// A message to people: its subject and its text.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) subject: String,
    pub(crate) text: String,
}

impl Stack {
    /// Deploys one with the `guardrails` at `command`, beside which its functions are.
    ///
    /// # Errors
    /// When the local AWS does not start, or the deployment fails.
    pub async fn deploy(command: &Path) -> Result<Self> {
        let proxy = Proxy::listen().await.context("listening")?;
        let options = Options {
            wait_scale: 0.05,
            transition_seconds: 0.1,
            functions_endpoint: Some(proxy.url().to_owned()),
            ..Options::default()
        };
        let local = LocalAws::start(options).await?;
        proxy.stand_before(local.endpoint()).context("finding the local AWS")?;
        let root = local.sdk_config().await?;
        let walkthrough = Walkthrough::seed(&local).await?;
        seed_spare(&root).await?;
        let folder = tempfile::tempdir().context("making a folder")?;
        std::fs::write(folder.path().join("guardrails.yaml"), FILE).context("writing guardrails.yaml")?;
        let mut deploy = Command::from(local.command(command));
        deploy.args(["deploy", "--yes", "--output", "json"]).current_dir(folder.path()).stdin(Stdio::null());
        let deployed = deploy.output().await.context("running guardrails deploy")?;
        ensure!(deployed.status.success(), "deploying: {}\n{}", text(&deployed.stderr), local.log_tail());
        let outputs: BTreeMap<String, String> = serde_json::from_slice(&deployed.stdout).context("reading what was deployed")?;
        for function in functions()? {
            proxy.set_timeout(&function, SECONDS).await?;
        }
        let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&root), outputs["LedgerTable"].clone());
        let ledger = Ledger::new(Arc::new(store));
        let inbox = inbox(&root, &outputs["NotifyTopicArn"]).await?;
        let command = command.to_owned();
        Ok(Self { local, proxy, ledger, root, walkthrough, outputs, command, folder, inbox })
    }

    /// The stage at a threshold of this guardrail, in the present period.
    pub(crate) async fn target(&self, at: &str, simulated: bool) -> Result<Target> {
        let guardrail = self.guardrail().await?;
        let stage = at.parse().map_err(|error| anyhow!("{error}"))?;
        let period = guardrail.budget.period.of_alert(today());
        Ok(Target { guardrail: guardrail.name, stage, period, simulated })
    }

    /// The only guardrail, as it is deployed now.
    async fn guardrail(&self) -> Result<Guardrail> {
        let config = self.ledger.config().await.context("reading the deployed guardrails")?;
        config.guardrails.into_values().next().context("no guardrail is deployed")
    }

    /// The budget's amount as the ledger has it, and as AWS Budgets does.
    pub(crate) async fn amounts(&self) -> Result<[Decimal; 2]> {
        let known = self.guardrail().await?.budget.amount.dollars();
        let budgets = aws_sdk_budgets::Client::new(&self.root);
        let found = budgets.describe_budget().account_id(ACCOUNT).budget_name(GUARDRAIL).send().await;
        let found = found.map_err(|error| anyhow!("looking at the budget: {}", Failure::of(&error).message))?;
        let limit = found.budget.and_then(|budget| budget.budget_limit).context("the budget has no limit")?;
        Ok([known, limit.amount.parse().context("reading the budget's limit")?])
    }

    /// `guardrails deploy` of another amount.
    pub(crate) async fn deploy_amount(&self, amount: Decimal) -> Result<Output> {
        let file = FILE.replace("amount: 2 USD", &format!("amount: {amount} USD"));
        std::fs::write(self.folder.path().join("guardrails.yaml"), file).context("writing guardrails.yaml")?;
        self.run(&["deploy", "--yes"]).await
    }

    /// Publishes an alert as AWS Budgets would, or as a simulation.
    pub(crate) async fn alert(&self, target: &Target) -> Result<()> {
        let guardrail = self.guardrail().await?;
        if !target.simulated {
            // The figures of AWS Budgets are never behind an alert, whichever of them arrives last.
            let budget = guardrail.budget.amount.dollars();
            let most = guardrail.stages.iter().map(|stage| stage.at.threshold(budget)).max().unwrap_or_default();
            self.local.spend(guardrail.name.as_str(), &(most + Decimal::new(1, 2)).to_string(), None).await?;
        }
        let message = simulated_text(&guardrail, target.stage, ACCOUNT, today());
        self.publish(&message, target.simulated).await
    }

    /// Publishes a message on the alert topic.
    pub(crate) async fn publish(&self, message: &str, simulated: bool) -> Result<()> {
        let mut call = aws_sdk_sns::Client::new(&self.root).publish().topic_arn(&self.outputs["AlertTopicArn"]).message(message);
        if simulated {
            let mark = MessageAttributeValue::builder().data_type("String").string_value("true").build()?;
            call = call.message_attributes(SIMULATED_ATTRIBUTE, mark);
        }
        call.send().await.map(drop).map_err(|error| anyhow!("publishing: {}", Failure::of(&error).message))
    }

    /// Waits until nothing is on its way any more: no alert, no execution, no call. Says whether that came about.
    pub(crate) async fn comes_to_rest(&self, limit: Duration) -> Result<bool> {
        let rest = async {
            loop {
                // In the order in which one leads to the next, so that nothing slips through between two looks.
                let at_rest = self.proxy.deliveries().await? == 0 && self.running().await?.is_empty() && self.proxy.is_quiet();
                if at_rest {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(limit, rest).await.map_or(Ok(false), |rest: Result<()>| rest.map(|()| true))
    }

    /// The executions that run.
    pub(crate) async fn running(&self) -> Result<Vec<ExecutionListItem>> {
        let call = aws_sdk_sfn::Client::new(&self.root).list_executions().state_machine_arn(&self.outputs["StateMachineArn"]);
        let listed = call.status_filter(ExecutionStatus::Running).send().await;
        Ok(listed.map_err(|error| anyhow!("listing executions: {}", Failure::of(&error).message))?.executions)
    }

    /// How the last execution of a run stands, and its error; nothing when there was none.
    pub(crate) async fn execution(&self, run: &Run) -> Result<Option<(ExecutionStatus, String)>> {
        let machine = self.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:");
        let call = aws_sdk_sfn::Client::new(&self.root).describe_execution();
        match call.execution_arn(format!("{machine}:{}", execution_name(run))).send().await {
            Ok(found) => Ok(Some((found.status, found.error.unwrap_or_default()))),
            Err(error) if Failure::of(&error).is("ExecutionDoesNotExist") => Ok(None),
            Err(error) => bail!("looking at an execution: {}", Failure::of(&error).message),
        }
    }

    /// The messages to people since this was asked last.
    pub(crate) async fn told(&self) -> Result<Vec<Told>> {
        let messages = self.drain(&self.inbox).await?;
        let envelopes = messages.iter().map(|message| serde_json::from_str::<Json>(message).context("reading a message"));
        let word = |envelope: &Json, name: &str| envelope[name].as_str().unwrap_or_default().to_owned();
        envelopes.map(|read| read.map(|it| Told { subject: word(&it, "Subject"), text: word(&it, "Message") })).collect()
    }

    /// The dead letters since this was asked last.
    pub(crate) async fn dead_letters(&self) -> Result<Vec<String>> {
        self.drain(&self.outputs["DeadLetterQueueUrl"]).await
    }

    async fn drain(&self, queue: &str) -> Result<Vec<String>> {
        let sqs = aws_sdk_sqs::Client::new(&self.root);
        let mut bodies = Vec::new();
        loop {
            let received = sqs.receive_message().queue_url(queue).max_number_of_messages(10).send().await;
            let received = received.map_err(|error| anyhow!("reading a queue: {}", Failure::of(&error).message))?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(bodies);
            }
            for message in messages {
                let handle = message.receipt_handle.unwrap_or_default();
                let deleted = sqs.delete_message().queue_url(queue).receipt_handle(handle).send().await;
                deleted.map_err(|error| anyhow!("emptying a queue: {}", Failure::of(&error).message))?;
                bodies.extend(message.body);
            }
        }
    }

    /// `guardrails rollback` of all that is held.
    pub(crate) async fn roll_back(&self) -> Result<Output> {
        self.run(&["rollback", GUARDRAIL, "--yes", "--why", "the trial is over"]).await
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::from(self.local.command(&self.command));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(COMMAND_LIMIT, command.output()).await;
        let late = || anyhow!("guardrails {} did not end within {} s", arguments[0], COMMAND_LIMIT.as_secs());
        output.map_err(|_| late())?.context("running the command")
    }

    /// Lets real alerts of a stage be enforced again, after a rollback has let it go.
    pub(crate) async fn rearm(&self, target: &Target) -> Result<()> {
        let machine = StateMachine::new(aws_sdk_sfn::Client::new(&self.root), self.outputs["StateMachineArn"].clone());
        let runs = Runs { ledger: &self.ledger, workflow: &machine, clock: &SystemClock, by: "trial".to_owned() };
        runs.rearm(target).await.map(drop).context("rearming a stage")
    }

    /// How the account is now.
    pub(crate) async fn world(&self) -> Result<World> {
        let mut snapshot = self.walkthrough.snapshot().await?;
        let known = |id: &String| self.walkthrough.instances.iter().any(|instance| instance.id == *id);
        snapshot.instances.retain(|id, _| known(id));
        let asked = aws_sdk_autoscaling::Client::new(&self.root).describe_auto_scaling_groups();
        let found = asked.send().await.map_err(|error| anyhow!("looking at the groups: {}", Failure::of(&error).message))?;
        let named = |name: &str| {
            let mut groups = found.auto_scaling_groups().iter();
            groups
                .find(|group| group.auto_scaling_group_name() == Some(name))
                .with_context(|| format!("the group {name} is gone"))
        };
        let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
        let members = named(AUTO_SCALING_GROUP)?.instances().iter();
        let health = members.map(|member| (word(member.instance_id()), word(member.health_status()))).collect();
        let group = named(SPARE)?;
        let in_service =
            group.instances().iter().filter(|member| member.lifecycle_state().is_some_and(|is| is.as_str() == "InService"));
        let [min, desired, max] = [group.min_size(), group.desired_capacity(), group.max_size()].map(Option::unwrap_or_default);
        Ok(World { snapshot, spare: [min, desired, max, i32::try_from(in_service.count())?], health })
    }

    /// While nothing of the group can act on it, somebody finds its members unhealthy: stopped as they are, they are. One that
    /// runs would be left alone from then on, since it was unhealthy before it was stopped.
    pub(crate) async fn call_unhealthy(&self) -> Result<()> {
        let world = self.world().await?;
        if !world.snapshot.scaling[AUTO_SCALING_GROUP].contains("ReplaceUnhealthy") {
            return Ok(());
        }
        let is_stopped = |member: &&String| world.snapshot.instances.get(*member).is_some_and(|state| state == "stopped");
        for member in world.health.keys().filter(is_stopped) {
            let call = aws_sdk_autoscaling::Client::new(&self.root).set_instance_health().instance_id(member);
            let said = call.health_status("Unhealthy").send().await;
            said.map_err(|error| anyhow!("calling a member unhealthy: {}", Failure::of(&error).message))?;
        }
        Ok(())
    }

    /// The parts of a world that are not as a stage wants them; empty when all of it is.
    pub(crate) fn amiss(&self, world: &World, target: &Target) -> Vec<String> {
        let mut amiss = Vec::new();
        let policies: Vec<&str> = world.snapshot.groups[GROUP].iter().map(String::as_str).collect();
        if policies != ["AmazonEC2ReadOnlyAccess"] {
            amiss.push(format!("{GROUP} has {policies:?}"));
        }
        for instance in &self.walkthrough.instances {
            let state = &world.snapshot.instances[&instance.id];
            if matches!(instance.role, Role::Fleet | Role::AutoScalingMember) && state != "stopped" {
                amiss.push(format!("{} is {state}", instance.name));
            }
        }
        if target.stage.to_string().starts_with("150") && world.spare[..3] != [0, 0, 0] {
            amiss.push(format!("the disposable group is {:?}", world.spare));
        }
        amiss
    }
}

pub(crate) fn today() -> jiff::civil::Date {
    SystemClock.now().to_zoned(TimeZone::UTC).date()
}

/// A group that a stage takes to zero, with its members in service.
async fn seed_spare(root: &SdkConfig) -> Result<()> {
    let auto_scaling = aws_sdk_autoscaling::Client::new(root);
    let configuration = auto_scaling.create_launch_configuration().launch_configuration_name(SPARE);
    let made = configuration.image_id("ami-0123456789abcdef0").instance_type("t3.micro").send().await;
    made.map_err(|error| anyhow!("making a launch configuration: {}", Failure::of(&error).message))?;
    let tag = Tag::builder().key("Project").value("Spare").propagate_at_launch(true).build();
    let group = auto_scaling.create_auto_scaling_group().auto_scaling_group_name(SPARE).launch_configuration_name(SPARE);
    let group = group.availability_zones(format!("{REGION}a")).min_size(1).max_size(4).desired_capacity(SPARES).tags(tag);
    group.send().await.map(drop).map_err(|error| anyhow!("making a group: {}", Failure::of(&error).message))
}

/// A queue that gets the messages to people.
async fn inbox(root: &SdkConfig, topic: &str) -> Result<String> {
    let sqs = aws_sdk_sqs::Client::new(root);
    let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:inbox");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]});
    let made = sqs.create_queue().queue_name("inbox").attributes(QueueAttributeName::Policy, policy.to_string()).send().await;
    let made = made.map_err(|error| anyhow!("making a queue: {}", Failure::of(&error).message))?;
    let subscribed = aws_sdk_sns::Client::new(root).subscribe().topic_arn(topic).protocol("sqs").endpoint(arn).send().await;
    subscribed.map_err(|error| anyhow!("subscribing a queue: {}", Failure::of(&error).message))?;
    made.queue_url.context("a queue without a URL")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
