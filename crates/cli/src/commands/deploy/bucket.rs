//! The bucket for the functions' code: found or made, closed to the public, and spoken to with TLS only.

use anyhow::{Context, Result, anyhow};
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::head_bucket::HeadBucketError;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use guardrails_aws::error::Failure;
use serde_json::json;

use crate::commands::deploy::Deploy;
use crate::deployment::Caller;
use crate::output;

/// The statement that demands TLS.
pub(super) const WITH_TLS: &str = "OnlyWithTls";

/// The bucket. Every call says whose it must be: a bucket of that name could be anybody's.
pub(super) struct Bucket {
    pub(super) s3: Client,
    pub(super) name: String,
    pub(super) account: String,
    partition: String,
    region: String,
    endpoint: Option<String>,
}

impl Bucket {
    /// The bucket that `args` names, or this account's own; made, after asking, when it is not there. Nothing when that was
    /// declined.
    pub(super) async fn ensure(sdk: &SdkConfig, args: &Deploy, caller: &Caller) -> Result<Option<Self>> {
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        let name = args.bucket.clone().unwrap_or_else(|| format!("guardrails-{}-{region}", caller.account));
        // An endpoint of one's own has no name for each bucket.
        let config = aws_sdk_s3::config::Builder::from(sdk).force_path_style(sdk.endpoint_url().is_some());
        let bucket = Self {
            s3: Client::from_conf(config.build()),
            name,
            account: caller.account.clone(),
            partition: caller.arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            region,
            endpoint: sdk.endpoint_url().map(|url| url.trim_end_matches('/').to_owned()),
        };
        if bucket.exists().await? {
            // One that was made by an earlier deployment, and may not have been closed any more, or somebody's own.
            bucket.look_at_access(args.bucket.is_none()).await?;
            return Ok(Some(bucket));
        }
        if !output::agreed(&args.consent, &format!("The functions' code needs a bucket. Make {}?", bucket.name))? {
            return Ok(None);
        }
        bucket.make().await?;
        Ok(Some(bucket))
    }

    /// Puts a template there that is too large for a request, and says where CloudFormation finds it.
    pub(super) async fn store_template(&self, name: &str, body: String) -> Result<String> {
        let key = format!("guardrails/template-{name}.json");
        let put = self.s3.put_object().bucket(&self.name).key(&key).expected_bucket_owner(&self.account);
        let put = put.body(body.into_bytes().into()).send().await;
        put.map_err(|error| anyhow!("uploading {key} to {}: {}", self.name, Failure::of(&error).message))?;
        Ok(match &self.endpoint {
            Some(endpoint) => format!("{endpoint}/{}/{key}", self.name),
            None => format!("https://{}.s3.{}.amazonaws.com/{key}", self.name, self.region),
        })
    }

    /// The local AWS speaks plain HTTP, and a policy would lock it out.
    pub(super) fn is_plain(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http:"))
    }

    /// The policy that it is made with.
    pub(super) fn first_policy(&self) -> serde_json::Value {
        tls_only(&self.partition, &self.name)
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:{}:s3:::{}", self.partition, self.name)
    }

    async fn exists(&self) -> Result<bool> {
        match self.s3.head_bucket().bucket(&self.name).expected_bucket_owner(&self.account).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(HeadBucketError::is_not_found) => Ok(false),
            Err(error) => Err(anyhow!(
                "looking at the bucket {}: {}\nhint: it must be account {}'s, in {}; --bucket names another",
                self.name,
                Failure::of(&error).message,
                self.account,
                self.region
            )),
        }
    }

    async fn make(&self) -> Result<()> {
        let place = (self.region != "us-east-1").then(|| BucketLocationConstraint::from(self.region.as_str()));
        let place = place.map(|place| CreateBucketConfiguration::builder().location_constraint(place).build());
        let made = self.s3.create_bucket().bucket(&self.name).set_create_bucket_configuration(place).send().await;
        made.map_err(|error| self.failed("making", &error))?;
        self.close().await?;
        let by_default = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build();
        let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(by_default.context("the rule")?);
        let rules =
            ServerSideEncryptionConfiguration::builder().rules(rule.build()).build().context("the bucket's encryption")?;
        let encrypt = self.s3.put_bucket_encryption().bucket(&self.name).expected_bucket_owner(&self.account);
        let encrypted = encrypt.server_side_encryption_configuration(rules).send().await;
        encrypted.map_err(|error| self.failed("encrypting", &error))?;
        self.demand_tls().await
    }

    /// Closes public access where nobody has decided about it. Access that somebody opened stays open, and is said.
    async fn look_at_access(&self, own: bool) -> Result<()> {
        let look = self.s3.get_public_access_block().bucket(&self.name).expected_bucket_owner(&self.account);
        let open = match look.send().await {
            Ok(found) => found.public_access_block_configuration.is_none_or(|found| found != closed()),
            Err(error) if error.code() == Some("NoSuchPublicAccessBlockConfiguration") && own => {
                self.close().await?;
                false
            }
            Err(error) if error.code() == Some("NoSuchPublicAccessBlockConfiguration") => true,
            Err(error) => return Err(self.failed("looking at who may read", &error)),
        };
        if open {
            output::tell(&format!(
                "WARNING: the bucket {0} is not closed to the public. hint: aws s3api put-public-access-block --bucket {0} \
                 --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,\
                 RestrictPublicBuckets=true",
                self.name
            ));
        }
        if !own {
            return Ok(());
        }
        match self.s3.get_bucket_policy().bucket(&self.name).expected_bucket_owner(&self.account).send().await {
            // Somebody wrote one, or we did: it stays.
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchBucketPolicy") => self.demand_tls().await,
            Err(error) => {
                let failed = self.failed("looking at the policy of", &error);
                Err(anyhow!(
                    "{failed}\nhint: without s3:GetBucketPolicy nobody knows whether it takes TLS only; --bucket names a bucket of your own, \
                     which is taken as it is"
                ))
            }
        }
    }

    async fn close(&self) -> Result<()> {
        let block = self.s3.put_public_access_block().bucket(&self.name).expected_bucket_owner(&self.account);
        let blocked = block.public_access_block_configuration(closed()).send().await;
        blocked.map(|_| ()).map_err(|error| self.failed("closing to the public", &error))
    }

    async fn demand_tls(&self) -> Result<()> {
        if self.is_plain() {
            return Ok(());
        }
        let put = self.s3.put_bucket_policy().bucket(&self.name).expected_bucket_owner(&self.account);
        let put = put.policy(self.first_policy().to_string()).send().await;
        put.map(|_| ()).map_err(|error| self.failed("demanding TLS of who speaks to", &error))
    }

    fn failed<E>(&self, doing: &str, error: &SdkError<E, HttpResponse>) -> anyhow::Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        anyhow!("{doing} the bucket {}: {}", self.name, Failure::of(error).message)
    }
}

fn closed() -> PublicAccessBlockConfiguration {
    PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .block_public_policy(true)
        .ignore_public_acls(true)
        .restrict_public_buckets(true)
        .build()
}

fn tls_only(partition: &str, bucket: &str) -> serde_json::Value {
    let arn = format!("arn:{partition}:s3:::{bucket}");
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": WITH_TLS,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, format!("{arn}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }],
    })
}
