//! May the caller change the stack that is there? Its topics let only the operators and the last deployer do so, and would stop
//! anybody else in the middle of it.

use anyhow::{Context, Result, anyhow, ensure};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::Stack;
use guardrails_aws::error::Failure;
use guardrails_aws::iam::trust;

use crate::deployment::Caller;

const ALERT_TOPIC_OUTPUT: &str = "AlertTopicArn";

/// Reads whom the topic of the stack `present` trusts. Where there is no stack yet, or none that has a topic, anybody may make one.
/// `doing` names the change in the error.
pub(crate) async fn check(sdk: &SdkConfig, present: Option<&Stack>, caller: &Caller, doing: &str) -> Result<()> {
    let Some(present) = present else { return Ok(()) };
    let topic = present.outputs().iter().find(|output| output.output_key() == Some(ALERT_TOPIC_OUTPUT));
    let Some(topic) = topic.and_then(|output| output.output_value()) else { return Ok(()) };
    // CloudFormation goes on with the service role that a stack was given once.
    let who = present.role_arn().unwrap_or(&caller.arn);
    let policy = match aws_sdk_sns::Client::new(sdk).get_topic_attributes().topic_arn(topic).send().await {
        Ok(found) => found.attributes.and_then(|mut attributes| attributes.remove("Policy")),
        Err(error) => {
            let failure = Failure::of(&error);
            if failure.is("NotFound") {
                return Ok(());
            }
            return Err(anyhow!("looking whom the topic {topic} trusts: {}", failure.message));
        }
    };
    let policy = policy.map(|text| serde_json::from_str(&text)).transpose();
    let policy = policy.with_context(|| format!("reading the policy of the topic {topic}"))?;
    ensure!(
        policy.is_none_or(|policy| trust::lets_change(&policy, who)),
        "{who} is neither an operator of the deployed stack nor who deployed it last: its topics refuse them, and the {doing} would stop \
         halfway\nhint: let an operator or the last deployer add you to `operators` and deploy"
    );
    Ok(())
}
