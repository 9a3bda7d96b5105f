//! The deployed stack, found by its name: where its ledger, its topics and its state machine are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_config::SdkConfig;
use guardrails_aws::clients;
use guardrails_aws::context::Account;
use guardrails_aws::error::Failure;
use guardrails_aws::store::DynamoStore;
use guardrails_aws::workflow::StateMachine;
use guardrails_model::clock::SystemClock;
use guardrails_model::config::{Guardrail, StageAt};
use guardrails_model::ids::GuardrailName;
use guardrails_model::ledger::Ledger;
use guardrails_model::near;
use guardrails_model::record::Run;
use guardrails_model::runs::Runs;

use crate::args::{At, Global};
use crate::{first_call, output};

/// The stack's output that names the ledger's table.
pub(crate) const LEDGER_OUTPUT: &str = "LedgerTable";

/// A deployed stack, and the caller that speaks to it.
pub(crate) struct Deployment {
    pub(crate) stack: String,
    pub(crate) sdk: SdkConfig,
    pub(crate) ledger: Ledger,
    pub(crate) workflow: StateMachine,
    pub(crate) alert_topic: String,
    pub(crate) caller: Caller,
}

/// The owner of these credentials.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) arn: String,
    pub(crate) account: String,
}

impl Caller {
    /// The owner of this ARN, such as `arn:aws:iam::123456789012:user/ann`.
    pub(crate) fn of(arn: &str) -> Self {
        Self { arn: arn.to_owned(), account: arn.split(':').nth(4).unwrap_or_default().to_owned() }
    }

    /// The account that they are of.
    pub(crate) fn account(&self) -> Account {
        let partition = self.arn.split(':').nth(1).unwrap_or("aws").to_owned();
        Account { partition, id: self.account.clone() }
    }
}

/// Between two looks at an operation of CloudFormation. It answers few questions a second, of all who ask in an account; a local
/// AWS answers any number.
pub(crate) fn between_looks() -> Duration {
    if clients::reaches_only_this_machine() { Duration::from_millis(200) } else { Duration::from_secs(3) }
}

/// The configuration of all clients.
pub(crate) async fn sdk(global: &Global) -> Result<SdkConfig> {
    let sdk = clients::load(global.options()).await?;
    if sdk.region().is_none() {
        return Err(anyhow!("no AWS Region is set\nhint: --region, AWS_REGION, or the profile's configuration"));
    }
    Ok(sdk)
}

/// Asks AWS whose credentials these are.
pub(crate) async fn caller(sdk: &SdkConfig, global: &Global) -> Result<Caller> {
    let identity = aws_sdk_sts::Client::new(sdk).get_caller_identity().send().await;
    let identity =
        identity.map_err(|error| anyhow!("asking who you are: {}", first_call::words(&Failure::of(&error), global, sdk)))?;
    Ok(Caller { arn: identity.arn.unwrap_or_default(), account: identity.account.unwrap_or_default() })
}

/// Whether the stack stands.
pub(crate) enum Standing {
    /// It does.
    There(Box<Deployment>),
    /// It does not.
    Not,
    /// That could not be read; in words.
    Unread(String),
}

impl Standing {
    /// Looks for the stack. An answer of any kind is no error.
    pub(crate) async fn find(sdk: &SdkConfig, caller: &Caller, global: &Global) -> Self {
        let outputs = match described(sdk, &global.stack_name).await {
            Ok(Some(outputs)) => outputs,
            Ok(None) => return Self::Not,
            Err(failure) => return Self::Unread(failure.message),
        };
        match Deployment::of(sdk.clone(), &outputs, caller.clone(), global) {
            Ok(deployment) => Self::There(Box::new(deployment)),
            Err(error) => Self::Unread(format!("{error:#}")),
        }
    }
}

impl Deployment {
    pub(crate) async fn find(global: &Global) -> Result<Self> {
        let sdk = sdk(global).await?;
        let outputs = outputs(&sdk, global).await?;
        let caller = caller(&sdk, global).await?;
        Self::of(sdk, &outputs, caller, global)
    }

    fn of(sdk: SdkConfig, outputs: &HashMap<String, String>, caller: Caller, global: &Global) -> Result<Self> {
        let output = |name: &str| {
            outputs.get(name).cloned().ok_or_else(|| {
                anyhow!(
                    "the stack `{}` has no output `{name}`: it is not this version's, or not deployed whole",
                    global.stack_name
                )
            })
        };
        let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&sdk), output(LEDGER_OUTPUT)?);
        output::tell(&format!("{}, stack {}", place(&caller, &sdk), global.stack_name));
        Ok(Self {
            stack: global.stack_name.clone(),
            ledger: Ledger::new(Arc::new(store)),
            workflow: StateMachine::new(aws_sdk_sfn::Client::new(&sdk), output("StateMachineArn")?),
            alert_topic: output("AlertTopicArn")?,
            caller,
            sdk,
        })
    }

    /// The account and the Region, for people.
    pub(crate) fn place(&self) -> String {
        place(&self.caller, &self.sdk)
    }

    /// The Region of the stack.
    pub(crate) fn region(&self) -> &str {
        region(&self.sdk)
    }

    pub(crate) fn runs(&self) -> Runs<'_> {
        Runs { ledger: &self.ledger, workflow: &self.workflow, clock: &SystemClock, by: self.caller.arn.clone() }
    }

    /// The newest `limit` runs, newest first; of one guardrail, or of all. Says when there are more.
    pub(crate) async fn newest_runs(&self, guardrail: Option<&GuardrailName>, limit: usize) -> Result<Vec<Run>> {
        let mut runs = self.ledger.newest_runs(guardrail, limit.saturating_add(1)).await.context("reading the ledger")?;
        if runs.len() > limit {
            runs.truncate(limit);
            output::tell(&format!("the newest {limit} runs; --limit asks for more"));
        }
        Ok(runs)
    }

    /// The deployed guardrail `name`.
    pub(crate) async fn guardrail(&self, name: &GuardrailName) -> Result<Guardrail> {
        let mut config = self.ledger.config().await.context("reading the deployed guardrails")?;
        config.guardrails.remove(name).ok_or_else(|| {
            let known: Vec<&str> = config.guardrails.keys().map(GuardrailName::as_str).collect();
            anyhow!("no guardrail `{name}` is deployed; {}", near::among(name.as_str(), &known))
        })
    }
}

/// The account and the Region, as every screen and every question names them.
pub(crate) fn place(caller: &Caller, sdk: &SdkConfig) -> String {
    format!("account {}, Region {}", caller.account, region(sdk))
}

fn region(sdk: &SdkConfig) -> &str {
    sdk.region().map_or("", aws_config::Region::as_ref)
}

/// The stage at `at`, or the first that changes anything.
pub(crate) fn stage(guardrail: &Guardrail, at: Option<At>) -> Result<StageAt> {
    let known = || guardrail.stages.iter().map(|stage| format!("`{}`", stage.at)).collect::<Vec<_>>().join(", ");
    if let Some(at) = at {
        let mut stages = guardrail.stages.iter().map(|stage| stage.at).filter(|stage| at.means(*stage));
        match (stages.next(), stages.next()) {
            (Some(stage), None) => Ok(stage),
            (Some(_), Some(_)) => Err(anyhow!("`{}` has two stages at `{at}`: name one of {}", guardrail.name, known())),
            (None, _) => {
                let named: Vec<String> = guardrail.stages.iter().map(|stage| stage.at.to_string()).collect();
                let named: Vec<&str> = named.iter().map(String::as_str).collect();
                Err(anyhow!("`{}` has no stage at `{at}`; {}", guardrail.name, near::among(&at.to_string(), &named)))
            }
        }
    } else {
        let stage = guardrail.stages.iter().find(|stage| stage.changes_something()).map(|stage| stage.at);
        stage.ok_or_else(|| anyhow!("no stage of `{}` changes anything; there are: {}", guardrail.name, known()))
    }
}

/// The outputs of a stack.
pub(crate) async fn outputs(sdk: &SdkConfig, global: &Global) -> Result<HashMap<String, String>> {
    let stack = global.stack_name.as_str();
    match described(sdk, stack).await {
        Ok(Some(outputs)) => Ok(outputs),
        Ok(None) => {
            // In another account than was thought it may well be there.
            let account = caller(sdk, global).await.ok().map(|caller| caller.account);
            Err(anyhow!(first_call::no_stack(stack, account.as_deref(), global, sdk)))
        }
        Err(failure) => Err(anyhow!("looking for the stack `{stack}`: {}", first_call::words(&failure, global, sdk))),
    }
}

/// The outputs of a stack; none where there is no such stack.
async fn described(sdk: &SdkConfig, stack: &str) -> Result<Option<HashMap<String, String>>, Failure> {
    let client = aws_sdk_cloudformation::Client::new(sdk);
    let found = match client.describe_stacks().stack_name(stack).send().await {
        Ok(found) => found,
        Err(error) => {
            let failure = Failure::of(&error);
            let is_missing = failure.is("ValidationError") && failure.message.contains("does not exist");
            return if is_missing { Ok(None) } else { Err(failure) };
        }
    };
    let outputs = found.stacks().iter().flat_map(aws_sdk_cloudformation::types::Stack::outputs);
    let named = outputs.filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())));
    Ok(Some(named.collect()))
}
