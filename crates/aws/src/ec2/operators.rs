//! Whether an instance in scope is one that an operator works from: stopping it could cut the way back.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_ec2::types::Instance;
use guardrails_model::action::ActionError;
use guardrails_model::principal::Principal;

use super::bystanders::Controller;
use crate::error::Failure;
use crate::grants::{Grant, Use};

/// The operators that are roles, and the guardrails' own stack.
pub struct Operators {
    roles: BTreeSet<String>,
    stack: Option<String>,
    sdk: SdkConfig,
}

impl Operators {
    /// Those of a run, whose ARNs are `operators`.
    #[must_use]
    pub fn new(operators: &[String], stack: Option<String>, sdk: SdkConfig) -> Self {
        let roles = operators.iter().filter_map(|arn| role_name(arn)).collect();
        Self { roles, stack, sdk }
    }

    /// Those of the instances' profiles that are an operator's.
    ///
    /// # Errors
    /// When IAM does not say.
    pub async fn controller(&self, instances: &[Instance]) -> Result<Controller, ActionError> {
        let mut controller = Controller { stack: self.stack.clone(), profiles: BTreeSet::new() };
        let profiles: BTreeSet<&str> = instances.iter().filter_map(|instance| instance.iam_instance_profile()?.arn()).collect();
        if self.roles.is_empty() || profiles.is_empty() {
            return Ok(controller);
        }
        let iam = aws_sdk_iam::Client::new(&self.sdk);
        for arn in profiles {
            let name = arn.rsplit('/').next().unwrap_or_default();
            let profile = match iam.get_instance_profile().instance_profile_name(name).send().await {
                Ok(answer) => answer.instance_profile,
                Err(error) => {
                    let failure = Failure::of(&error);
                    if failure.is("NoSuchEntity") {
                        continue;
                    }
                    return Err(failure.reading(&format!("asking for the roles of the instance profile {name}")));
                }
            };
            if profile
                .iter()
                .flat_map(aws_sdk_iam::types::InstanceProfile::roles)
                .any(|role| self.roles.contains(role.role_name()))
            {
                controller.profiles.insert(arn.to_owned());
            }
        }
        Ok(controller)
    }
}

/// The right to ask for an instance's role.
#[must_use]
pub fn grant() -> Grant {
    Grant {
        sid: "WhoWorksFromIt".to_owned(),
        uses: &[Use::Plan, Use::Apply],
        actions: &["iam:GetInstanceProfile"],
        resources: vec!["arn:${AWS::Partition}:iam::${AWS::AccountId}:instance-profile/*".to_owned()],
        unused: &[(
            "iam:GetInstanceProfile",
            "asked of instances that have a profile, which those of the local AWS have not: tests/actions/instances.rs",
        )],
        ..Grant::default()
    }
}

fn role_name(arn: &str) -> Option<String> {
    match Principal::of_arn(arn) {
        Some(Principal::Role(name)) => Some(name),
        _ => None,
    }
}
