//! `guardrails deploy`: code to the bucket, a change set that is shown, and a stack that is waited for.

mod restricted;
mod stack;

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use aws_config::SdkConfig;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, PublicAccessBlockConfiguration};
use guardrails_aws::error::Failure;

use crate::args::{Deploy, Global};
use crate::artifacts::{self, Artifact};
use crate::commands::doctor;
use crate::deployment::{self, Caller};
use crate::exit::Exit;
use crate::{output, template};

pub(crate) async fn run(global: &Global, args: &Deploy) -> Result<Exit> {
    let Some(config) = output::config(&args.file.file)? else { return Ok(Exit::BadInput) };
    let sdk = deployment::sdk(global).await?;
    let caller = deployment::caller(&sdk).await?;
    let folder = args.functions.clone().map_or_else(artifacts::beside_this_program, Ok)?;
    output::tell(&format!("packing the functions in {}", folder.display()));
    let artifacts = artifacts::pack(&folder)?;
    let keys: BTreeMap<&str, String> = artifacts.iter().map(|artifact| (artifact.function, artifact.key.clone())).collect();
    let template = template::render(&config, &keys)?;
    restricted::refuse(&sdk, &config, &caller, &global.stack_name).await?;

    let Some(bucket) = bucket(&sdk, args, &caller).await? else { return Ok(Exit::Declined) };
    upload(&sdk, &bucket, &artifacts).await?;
    let mut parameters = vec![("ArtifactBucket", bucket.clone()), ("Deployer", caller.arn.clone())];
    parameters.extend(args.notify_email.clone().map(|email| ("NotifyEmail", email)));
    let stack = stack::Stack::new(&sdk, &global.stack_name);
    let Some(changes) = stack.propose(&template, &parameters, &bucket).await? else {
        output::tell("the stack is as it should be: nothing to change");
        return finish(global, &sdk).await;
    };
    output::tell(&changes.text());
    if !output::agreed(&args.consent, &format!("Make these changes in account {}?", caller.account))? {
        stack.withdraw(&changes).await?;
        return Ok(Exit::Declined);
    }
    stack.execute(&changes).await?;
    finish(global, &sdk).await
}

async fn finish(global: &Global, sdk: &SdkConfig) -> Result<Exit> {
    let outputs: BTreeMap<String, String> = deployment::outputs(sdk, &global.stack_name).await?.into_iter().collect();
    let rows = outputs.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
    output::result(global, &outputs, &output::table(&["output", "value"], rows))?;
    if let Some(topic) = outputs.get("NotifyTopicArn")
        && let Some(words) = doctor::nobody_is_told(sdk, topic).await
    {
        output::tell(&words);
    }
    output::tell("next: guardrails plan GUARDRAIL shows what its stages would change; guardrails simulate GUARDRAIL tries it");
    Ok(Exit::Done)
}

fn s3(sdk: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(sdk);
    // An endpoint of one's own has no name for each bucket.
    aws_sdk_s3::Client::from_conf(config.force_path_style(sdk.endpoint_url().is_some()).build())
}

/// The bucket for the code; made, after asking, when it is not there.
async fn bucket(sdk: &SdkConfig, args: &Deploy, caller: &Caller) -> Result<Option<String>> {
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    let name = args.bucket.clone().unwrap_or_else(|| format!("guardrails-{}-{region}", caller.account));
    let s3 = s3(sdk);
    // Only this account's: a bucket of that name could be anybody's.
    let head = s3.head_bucket().bucket(&name).expected_bucket_owner(&caller.account).send().await;
    match head {
        Ok(_) => return Ok(Some(name)),
        Err(error) if error.as_service_error().is_some_and(aws_sdk_s3::operation::head_bucket::HeadBucketError::is_not_found) => {
        }
        Err(error) => {
            return Err(anyhow!("looking at the bucket {name}: {}\nhint: --bucket names another", Failure::of(&error).message));
        }
    }
    if !output::agreed(&args.consent, &format!("The functions' code needs a bucket. Make {name}?"))? {
        return Ok(None);
    }
    let place = (region != "us-east-1").then(|| {
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region.as_str())).build()
    });
    let made = s3.create_bucket().bucket(&name).set_create_bucket_configuration(place).send().await;
    made.map_err(|error| anyhow!("making the bucket {name}: {}", Failure::of(&error).message))?;
    let closed = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .block_public_policy(true)
        .ignore_public_acls(true)
        .restrict_public_buckets(true)
        .build();
    let blocked = s3.put_public_access_block().bucket(&name).public_access_block_configuration(closed).send().await;
    blocked.map_err(|error| anyhow!("closing the bucket {name} to the public: {}", Failure::of(&error).message))?;
    Ok(Some(name))
}

async fn upload(sdk: &SdkConfig, bucket: &str, artifacts: &[Artifact]) -> Result<()> {
    let s3 = s3(sdk);
    for artifact in artifacts {
        // The key has the content's hash: what is there is what would be put there.
        if s3.head_object().bucket(bucket).key(&artifact.key).send().await.is_ok() {
            continue;
        }
        output::tell(&format!("uploading {} ({} KiB)", artifact.key, artifact.zip.len() / 1024));
        let put = s3.put_object().bucket(bucket).key(&artifact.key).body(artifact.zip.clone().into()).send().await;
        put.map_err(|error| anyhow!("uploading {} to {bucket}: {}", artifact.key, Failure::of(&error).message))?;
    }
    Ok(())
}
