//! The function of the action `swap-group-policy`. Written by `cargo xtask generate`.

use guardrails_aws::actions::swap_group_policy::SwapGroupPolicy;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::action::main::<SwapGroupPolicy>().await
}
