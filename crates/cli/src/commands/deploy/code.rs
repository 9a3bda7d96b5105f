//! The functions' code on its way: what stands in the bucket is what was packed here, and so is what the functions run. Whoever
//! could slip in other code would have the functions' rights.

use anyhow::{Context, Result, anyhow, ensure};
use aws_config::SdkConfig;
use aws_sdk_s3::types::ChecksumMode;
use aws_smithy_types::base64;
use guardrails_aws::error::Failure;
use guardrails_template as template;
use guardrails_template::artifacts::Artifact;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::bucket::Bucket;
use crate::output;

/// Puts it there when it is not there yet, and looks at it when it is.
///
/// # Errors
/// When something else stands under its key, or the bucket does not answer.
pub(super) async fn upload(bucket: &Bucket, artifact: &Artifact) -> Result<()> {
    let head = bucket.s3.head_object().bucket(&bucket.name).key(&artifact.key).expected_bucket_owner(&bucket.account);
    match head.checksum_mode(ChecksumMode::Enabled).send().await {
        // S3 computed it from the bytes that it has.
        Ok(found) if found.checksum_sha256() == Some(sum(&artifact.zip).as_str()) => Ok(()),
        Ok(_) => compare(bucket, artifact).await,
        // Whatever it could not say: what is there is not written over.
        Err(_) => put(bucket, artifact).await,
    }
}

async fn put(bucket: &Bucket, artifact: &Artifact) -> Result<()> {
    let Artifact { key, zip } = artifact;
    output::tell(&format!("uploading {key} ({} KiB)", zip.len() / 1024));
    let put = bucket.s3.put_object().bucket(&bucket.name).key(key).expected_bucket_owner(&bucket.account).if_none_match("*");
    let Err(error) = put.checksum_sha256(sum(zip)).body(zip.clone().into()).send().await else { return Ok(()) };
    let failure = Failure::of(&error);
    if failure.is("PreconditionFailed") {
        return compare(bucket, artifact).await;
    }
    Err(anyhow!("uploading {key} to {}: {}", bucket.name, failure.message))
}

/// Reads what is there: it has no sum that can be compared, or another one.
async fn compare(bucket: &Bucket, Artifact { key, zip }: &Artifact) -> Result<()> {
    let name = &bucket.name;
    let found = bucket.s3.get_object().bucket(name).key(key).expected_bucket_owner(&bucket.account).send().await;
    let found = found.map_err(|error| anyhow!("reading {key} in {name}: {}", Failure::of(&error).message))?;
    let bytes = found.body.collect().await.with_context(|| format!("reading {key} in {name}"))?.into_bytes();
    ensure!(
        bytes == *zip,
        "{key} in {name} is not the code that was packed here, though its key says so: its SHA-256 is {}, expected {}. Somebody who may \
         write there put it there, and it would have had the rights of a function\nhint: find out who (aws s3api head-object --bucket \
         {name} --key {key} says when), aws s3 rm s3://{name}/{key}, and deploy again",
        sum(&bytes),
        sum(zip)
    );
    Ok(())
}

/// Looks whether the functions of `stack`, made from `template`, run what was packed here: the bucket may have been written to in between, or a function
/// past CloudFormation.
///
/// # Errors
/// When one runs something else, or Lambda does not answer.
pub(super) async fn is_what_runs(
    sdk: &SdkConfig,
    stack: &str,
    template: &Json,
    bucket: &Bucket,
    Artifact { key, zip }: &Artifact,
) -> Result<()> {
    let client = aws_sdk_lambda::Client::new(sdk);
    for part in template::parts(template) {
        let name = format!("{stack}-{part}");
        let found = client.get_function().function_name(&name).send().await;
        let found = found.map_err(|error| anyhow!("looking at the code of {name}: {}", Failure::of(&error).message))?;
        let runs = found.configuration.and_then(|configuration| configuration.code_sha256).unwrap_or_default();
        let place = &bucket.name;
        ensure!(
            runs == sum(zip),
            "the function {name} runs code that was not packed here: its SHA-256 is {runs}, expected {}. Somebody wrote s3://{place}/{key} \
             meanwhile, or the function itself, and that code has the function's rights\nhint: find out who (CloudTrail has \
             UpdateFunctionCode), have deploy look at the bucket's once more, then aws lambda update-function-code --function-name {name} \
             --s3-bucket {place} --s3-key {key}",
            sum(zip)
        );
    }
    Ok(())
}

/// As S3 and Lambda write it.
fn sum(bytes: &[u8]) -> String {
    base64::encode(Sha256::digest(bytes))
}
