//! `guardrails deploy`: code to the bucket, a change set that is shown, and a stack that is waited for.

mod bucket;
mod bucket_policy;
pub(crate) mod caller_rights;
mod code;
mod deployed;
mod difference;
mod ledger;
mod restricted;
mod stack;

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::Stack as CfnStack;
use clap::Args;
use guardrails_model::config::Config;
use guardrails_model::partition;
use guardrails_template as template;
use schemars::JsonSchema;
use serde::Serialize;

use self::bucket::Bucket;
use self::code::Code;
use crate::args::{Configuration, Consent, Format, Global, Programs};
use crate::commands::{doctor, reconcile};
use crate::deployment::{self, Deployment};
use crate::exit::Exit;
use crate::output;

/// The parameter that names the code signing configuration.
const CODE_SIGNING: &str = "CodeSigningConfigArn";

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) file: Configuration,
    #[command(flatten)]
    pub(crate) programs: Programs,
    /// The bucket for the functions' code; `guardrails-<account>-<region>`, made when it is not there, when left out.
    #[arg(long)]
    pub(crate) bucket: Option<String>,
    /// An e-mail address that is told of runs and failures.
    #[arg(long)]
    pub(crate) notify_email: Option<String>,
    /// Take the ledger that an earlier stack left: its table's name, as that stack's output `LedgerTable` had it.
    #[arg(long, value_name = "TABLE")]
    pub(crate) adopt_ledger: Option<String>,
    /// Another value for a parameter of the template: `EncryptTopics=false`, `LogRetentionDays=365`; may be given more than once, and stays
    /// at the next deployment.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

pub(crate) async fn run(global: &Global, args: &Deploy) -> Result<Exit> {
    template::check_stack_name(&global.stack_name)?;
    let Some(config) = output::config(args.file.path())? else { return Ok(Exit::BadInput) };
    let sdk = deployment::sdk(global).await?;
    let caller = deployment::caller(&sdk, global).await?;
    partition::check(&caller.account().partition)
        .map_err(|why| anyhow!("nothing is deployed to account {}: {why}", caller.account))?;
    output::tell(&format!("packing the functions in {}", args.programs.folder()?.display()));
    let artifact = args.programs.pack()?;
    let mut template = template::render(&config, args.programs.signed_code.as_deref().unwrap_or(&artifact.key))?;
    template::carry_code_for(&mut template, args.programs.architecture);
    template::check_parameters(&template, &args.parameters)?;
    restricted::refuse(&sdk, &config, &caller, &global.stack_name).await?;
    let stack = stack::Stack::new(&sdk, &global.stack_name);
    let present = stack.present().await?;
    caller_rights::check(&sdk, present.as_ref(), &caller, "update").await?;
    let file = difference(&sdk, present.as_ref(), &config).await;
    if let Some(table) = &args.adopt_ledger {
        ledger::check(&sdk, &global.stack_name, stack.ledger().await?.as_deref(), table, &config).await?;
    }

    let Some(bucket) = Bucket::ensure(&sdk, args, &caller).await? else { return Ok(Exit::Declined) };
    if args.bucket.is_none() {
        bucket_policy::restrict(&bucket, &caller, &config.operators).await?;
    }
    let signing = args.parameters.iter().find(|(name, _)| name == CODE_SIGNING).map(|(_, value)| value.clone());
    let signing = match signing {
        Some(given) => given,
        None => stack.parameter(CODE_SIGNING).await?.unwrap_or_default(),
    };
    let code = Code::provide(&bucket, &artifact, args.programs.signed_code.as_deref(), &signing).await?;
    let mut parameters = vec![
        ("ArtifactBucket", bucket.name.clone()),
        ("Architecture", args.programs.architecture.name().to_owned()),
        ("Deployer", caller.arn.clone()),
    ];
    parameters.extend(args.notify_email.clone().map(|email| ("NotifyEmail", email)));
    parameters.extend(args.parameters.iter().map(|(name, value)| (name.as_str(), value.clone())));
    parameters.extend(args.adopt_ledger.clone().map(|table| ("LedgerTable", table)));
    let Some(changes) = stack.propose(&template, &parameters, &bucket).await? else {
        code::is_what_runs(&sdk, &global.stack_name, &template, &bucket, &code).await?;
        output::tell("the stack is as it should be: nothing to change");
        return finish(global, &sdk).await;
    };
    output::tell(&changes.text(global.wide));
    if !output::agreed(&args.consent, &format!("Make these changes in {}?", deployment::place(&caller, &sdk)))? {
        stack.withdraw(&changes).await?;
        if global.output == Format::Json {
            output::result(global, &NotDeployed { file }, "")?;
        }
        return Ok(Exit::Declined);
    }
    stack.execute(&changes).await?;
    code::is_what_runs(&sdk, &global.stack_name, &template, &bucket, &code).await?;
    if changes.creates {
        first_round(global).await;
    }
    finish(global, &sdk).await
}

/// A deployment that a person declined, or could not be asked about.
#[derive(Serialize, JsonSchema)]
pub(crate) struct NotDeployed {
    /// The changes of the file that it would have made. Null where it could not be compared.
    file: Option<Vec<difference::Change>>,
}

/// Shows the changes of the file, and answers with them. A deployment goes on without them where they cannot be read.
async fn difference(sdk: &SdkConfig, present: Option<&CfnStack>, config: &Config) -> Option<Vec<difference::Change>> {
    match deployed::read(sdk, present).await {
        Ok(deployed) => {
            let changes = difference::between(&deployed, config);
            output::tell(&difference::text(&changes));
            Some(changes)
        }
        Err(error) => {
            output::tell(&format!("the file was not compared with the deployed guardrails: {error:#}"));
            None
        }
    }
}

/// The schedule's own first round is an interval away, and the want of one raises an alarm. The deployment itself is done.
async fn first_round(global: &Global) {
    let round = async { reconcile::round(&Deployment::find(global).await?).await };
    match round.await {
        Ok((_, None)) => {}
        Ok((_, Some(failure))) => output::tell(&format!("WARNING: {failure:#}")),
        Err(error) => output::tell(&format!("WARNING: {error:#}\nhint: guardrails reconcile tries it again")),
    }
}

async fn finish(global: &Global, sdk: &SdkConfig) -> Result<Exit> {
    let outputs: BTreeMap<String, String> = deployment::outputs(sdk, global).await?.into_iter().collect();
    let rows = outputs.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
    output::result(global, &outputs, &output::table(global.wide, &["output", "value"], rows))?;
    if let Some(topic) = outputs.get("NotifyTopicArn")
        && let Some(words) = doctor::nobody_is_told(sdk, topic).await
    {
        output::tell(&words);
    }
    output::tell("next: guardrails plan GUARDRAIL shows what its stages would change; guardrails simulate GUARDRAIL tries it");
    Ok(Exit::Done)
}

/// A parameter of the template.
fn parameter(words: &str) -> Result<(String, String), String> {
    let parts = words.split_once('=').filter(|(name, _)| !name.is_empty());
    let owned = parts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    owned.ok_or_else(|| "expected NAME=VALUE, such as LogRetentionDays=365".to_owned())
}
