//! The function of the action `stop-instances`. Written by `cargo xtask generate`.

use guardrails_aws::actions::stop_instances::StopInstances;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::action::main::<StopInstances>().await
}
