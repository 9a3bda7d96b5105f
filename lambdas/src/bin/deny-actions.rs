//! The function of the action `deny-actions`. Written by `cargo xtask generate`.

use guardrails_aws::actions::deny_actions::DenyActions;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::action::main::<DenyActions>().await
}
