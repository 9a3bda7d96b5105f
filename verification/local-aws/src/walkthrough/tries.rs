//! The tries of the walk-through's user: the documented ways to launch, each as far as IAM lets it through and no further.

use std::collections::BTreeMap;
use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_ec2::types::{
    FleetLaunchTemplateConfigRequest, FleetLaunchTemplateSpecificationRequest, InstanceType, TargetCapacitySpecificationRequest,
};
use aws_sdk_iam::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardrails_aws::error::Failure;
use serde::Serialize;

use super::{AUTO_SCALING_GROUP, IMAGE, ROLE, ec2, missing};
use crate::{ACCOUNT, Error, REGION};

/// The outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// It was answered.
    Allowed,
    /// IAM denied it.
    Denied,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        })
    }
}

/// The user, and a session of the role that they assumed before anything was restricted.
#[derive(Debug, Clone)]
pub(super) struct Tries {
    user: SdkConfig,
    session: SdkConfig,
    instance: String,
}

impl Tries {
    /// The user tries to start `instance`, among other things.
    pub(super) async fn new(user: SdkConfig, instance: String) -> Result<Self, Error> {
        let session = assume(&user).await?.ok_or_else(|| missing("a session of the role"))?;
        Ok(Self { user, session, instance })
    }

    /// The same user and the same session, who try it at another endpoint.
    pub(super) fn to(&self, endpoint: &str) -> Self {
        let to = |config: &SdkConfig| config.to_builder().endpoint_url(endpoint).build();
        Self { user: to(&self.user), session: to(&self.session), instance: self.instance.clone() }
    }

    /// Each way, and its outcome: by the group's policies, by the user's own policy, and by a role that they assume, or have
    /// assumed before.
    pub(super) async fn all(&self) -> Result<BTreeMap<String, Access>, Error> {
        let as_role = match assume(&self.user).await? {
            Some(session) => run_instances(&session).await?,
            None => Access::Denied,
        };
        let tries = [
            ("DescribeInstances".to_owned(), describe_instances(&self.user).await?),
            ("RunInstances".to_owned(), run_instances(&self.user).await?),
            ("CreateFleet".to_owned(), create_fleet(&self.user).await?),
            ("CreateAutoScalingGroup".to_owned(), create_group(&self.user).await?),
            ("StartInstances (own policy)".to_owned(), self.start_instances().await?),
            ("RunInstances (role)".to_owned(), as_role),
            ("RunInstances (role since before)".to_owned(), run_instances(&self.session).await?),
        ];
        Ok(tries.into())
    }

    /// The secrets with which the user and the session sign.
    pub(super) async fn secrets(&self) -> Result<Vec<String>, Error> {
        let mut secrets = Vec::new();
        for config in [&self.user, &self.session] {
            let provider = config.credentials_provider().ok_or_else(|| missing("credentials"))?;
            let credentials = provider.provide_credentials().await.map_err(|_| missing("credentials"))?;
            secrets.push(credentials.secret_access_key().to_owned());
            secrets.extend(credentials.session_token().map(str::to_owned));
        }
        Ok(secrets)
    }

    async fn start_instances(&self) -> Result<Access, Error> {
        let call = ec2(&self.user).start_instances().dry_run(true).instance_ids(&self.instance);
        access("StartInstances", call.send().await)
    }
}

/// The role that the user may assume.
pub(super) fn role_arn() -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{ROLE}")
}

/// A new session of the role, unless IAM denies it.
async fn assume(user: &SdkConfig) -> Result<Option<SdkConfig>, Error> {
    let assumed = aws_sdk_sts::Client::new(user).assume_role().role_arn(role_arn()).role_session_name("trying").send().await;
    let credentials = match assumed {
        Ok(answer) => answer.credentials.ok_or_else(|| missing("the credentials of a session"))?,
        Err(error) => return access::<(), _>("AssumeRole", Err(error)).map(|_| None),
    };
    let (key, secret, token) = (credentials.access_key_id, credentials.secret_access_key, credentials.session_token);
    let credentials = SharedCredentialsProvider::new(Credentials::new(key, secret, Some(token), None, "guardrails-local-aws"));
    Ok(Some(user.to_builder().credentials_provider(credentials).build()))
}

/// A dry run goes through all of IAM and then launches nothing.
async fn run_instances(who: &SdkConfig) -> Result<Access, Error> {
    let call = ec2(who).run_instances().dry_run(true).image_id(IMAGE).instance_type(InstanceType::T3Micro);
    access("RunInstances", call.min_count(1).max_count(1).send().await)
}

async fn create_fleet(who: &SdkConfig) -> Result<Access, Error> {
    let template = FleetLaunchTemplateSpecificationRequest::builder().launch_template_name("any").version("1").build();
    let template = FleetLaunchTemplateConfigRequest::builder().launch_template_specification(template).build();
    let capacity = TargetCapacitySpecificationRequest::builder().total_target_capacity(1).build();
    let call = ec2(who).create_fleet().dry_run(true).launch_template_configs(template);
    access("CreateFleet", call.target_capacity_specification(capacity).send().await)
}

/// Auto Scaling has no dry runs: a group of that name is there, and IAM is asked before that is seen.
async fn create_group(who: &SdkConfig) -> Result<Access, Error> {
    let call = aws_sdk_autoscaling::Client::new(who).create_auto_scaling_group().auto_scaling_group_name(AUTO_SCALING_GROUP);
    let call = call.launch_configuration_name(AUTO_SCALING_GROUP).availability_zones(format!("{REGION}a"));
    access("CreateAutoScalingGroup", call.min_size(1).max_size(1).send().await)
}

async fn describe_instances(who: &SdkConfig) -> Result<Access, Error> {
    access("DescribeInstances", ec2(who).describe_instances().send().await)
}

fn access<O, E>(call: &str, result: Result<O, SdkError<E, HttpResponse>>) -> Result<Access, Error>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Err(error) = result else { return Ok(Access::Allowed) };
    let failure = Failure::of(&error);
    match failure.code.as_deref() {
        Some("DryRunOperation" | "AlreadyExists") => Ok(Access::Allowed),
        Some("UnauthorizedOperation" | "AccessDenied") => Ok(Access::Denied),
        _ => Err(Error::Call { doing: format!("trying {call} as the user"), message: failure.message }),
    }
}
