//! Whether an instance in scope is one that an operator works from: stopping it could cut the way back.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_ec2::types::Instance;
use guardrails_model::action::ActionError;
use serde_json::json;

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
        let roles = operators.iter().filter_map(|arn| role_name(arn).map(str::to_owned)).collect();
        Self { roles, stack, sdk }
    }

    /// Which of the instances' profiles are an operator's.
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

/// What asking for an instance's role takes.
#[must_use]
pub fn grant() -> Grant {
    Grant {
        sid: "WhoWorksFromIt".to_owned(),
        uses: &[Use::Plan, Use::Apply],
        actions: &["iam:GetInstanceProfile"],
        resources: vec!["arn:${AWS::Partition}:iam::${AWS::AccountId}:instance-profile/*".to_owned()],
        condition: json!(null),
        why_any: None,
    }
}

/// The role's name, of its own ARN or of a session of it.
fn role_name(arn: &str) -> Option<&str> {
    let resource = arn.splitn(6, ':').nth(5)?;
    match resource.split('/').collect::<Vec<_>>().as_slice() {
        ["role", .., name] | ["assumed-role", name, ..] => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_by_its_arn_and_by_a_session_s() {
        assert_eq!(role_name("arn:aws:iam::123456789012:role/team/FinOps"), Some("FinOps"));
        assert_eq!(role_name("arn:aws:sts::123456789012:assumed-role/FinOps/ann"), Some("FinOps"));
        assert_eq!(role_name("arn:aws:iam::123456789012:user/FinOps"), None);
    }
}
