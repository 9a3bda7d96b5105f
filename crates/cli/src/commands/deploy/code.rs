//! The functions' code on its way: the zips in the bucket are those that were packed here, and the functions run them. An
//! attacker who could slip in other code would have the functions' rights.

use anyhow::{Context, Result, anyhow, ensure};
use aws_config::SdkConfig;
use aws_sdk_s3::types::ChecksumMode;
use aws_smithy_types::base64;
use guardrails_aws::error::Failure;
use guardrails_template as template;
use guardrails_template::artifacts::{self, Artifact, PREFIX};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::bucket::Bucket;
use crate::output;

/// The code that the functions are to run.
pub(super) struct Code {
    /// Its key in the bucket.
    key: String,
    /// Its SHA-256, as S3 and Lambda write it.
    sum: String,
}

impl Code {
    /// Puts the packed zip into the bucket, and answers with the code that the functions are to run: that zip, or the `signed` one that
    /// AWS Signer made of it. `signing` is the code signing configuration of the stack, empty for none.
    ///
    /// # Errors
    /// When something else stands under a key, when only signed code is taken and none is given, or when the bucket does not answer.
    pub(super) async fn provide(bucket: &Bucket, artifact: &Artifact, signed: Option<&str>, signing: &str) -> Result<Self> {
        upload(bucket, artifact).await?;
        let Artifact { key, zip } = artifact;
        let place = &bucket.name;
        let Some(signed) = signed else {
            ensure!(
                signing.is_empty(),
                "the functions take only signed code ({signing}), and --signed-code does not say where it is\nhint: the bucket needs \
                 versions for it (aws s3api put-bucket-versioning). Sign s3://{place}/{key}: aws signer start-signing-job --profile-name \
                 PROFILE --source 's3={{bucketName={place},key={key},version=VERSION}}' --destination \
                 's3={{bucketName={place},prefix={PREFIX}signed-}}'. Then deploy again with --signed-code KEY"
            );
            return Ok(Self { key: key.clone(), sum: sum(zip) });
        };
        let bytes = read(bucket, signed).await?;
        artifacts::check_signed(&bytes, zip).map_err(|why| {
            anyhow!(
                "s3://{place}/{signed} is not the signed form of {key}: {why:#}\nhint: sign s3://{place}/{key} with AWS Signer, and \
                 give the key of what it makes"
            )
        })?;
        Ok(Self { key: signed.to_owned(), sum: sum(&bytes) })
    }
}

/// Puts the zip there when it is not there yet, and looks at it when it is.
async fn upload(bucket: &Bucket, artifact: &Artifact) -> Result<()> {
    let head = bucket.s3.head_object().bucket(&bucket.name).key(&artifact.key).expected_bucket_owner(&bucket.account);
    match head.checksum_mode(ChecksumMode::Enabled).send().await {
        // S3 computed it from the bytes that it has.
        Ok(found) if found.checksum_sha256() == Some(sum(&artifact.zip).as_str()) => Ok(()),
        Ok(_) => compare(bucket, artifact).await,
        // Whatever the error was, an object that is there is not written over.
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

/// Reads the object in the bucket: it has no sum that can be compared, or another one.
async fn compare(bucket: &Bucket, Artifact { key, zip }: &Artifact) -> Result<()> {
    let name = &bucket.name;
    let bytes = read(bucket, key).await?;
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

async fn read(bucket: &Bucket, key: &str) -> Result<Vec<u8>> {
    let name = &bucket.name;
    let found = bucket.s3.get_object().bucket(name).key(key).expected_bucket_owner(&bucket.account).send().await;
    let found = found.map_err(|error| anyhow!("reading {key} in {name}: {}", Failure::of(&error).message))?;
    let bytes = found.body.collect().await.with_context(|| format!("reading {key} in {name}"))?;
    Ok(bytes.to_vec())
}

/// Looks whether the functions of `stack`, made from `template`, run `code`: the bucket may have been written to in between, or a
/// function past CloudFormation.
///
/// # Errors
/// When one runs something else, or Lambda does not answer.
pub(super) async fn is_what_runs(sdk: &SdkConfig, stack: &str, template: &Json, bucket: &Bucket, code: &Code) -> Result<()> {
    let client = aws_sdk_lambda::Client::new(sdk);
    let Code { key, sum } = code;
    for part in template::parts(template) {
        let name = format!("{stack}-{part}");
        let found = client.get_function().function_name(&name).send().await;
        let found = found.map_err(|error| anyhow!("looking at the code of {name}: {}", Failure::of(&error).message))?;
        let runs = found.configuration.and_then(|configuration| configuration.code_sha256).unwrap_or_default();
        let place = &bucket.name;
        ensure!(
            runs == *sum,
            "the function {name} runs code that was not packed here: its SHA-256 is {runs}, expected {sum}. Somebody wrote s3://{place}/{key} \
             meanwhile, or the function itself, and that code has the function's rights\nhint: find out who (CloudTrail has \
             UpdateFunctionCode), have deploy look at the bucket's once more, then aws lambda update-function-code --function-name {name} \
             --s3-bucket {place} --s3-key {key}"
        );
    }
    Ok(())
}

/// As S3 and Lambda write it.
fn sum(bytes: &[u8]) -> String {
    base64::encode(Sha256::digest(bytes))
}
