//! The function of the action `swap-policy`. Written by `cargo xtask generate`.

use guardrails_aws::actions::swap_policy::SwapPolicy;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::action::main::<SwapPolicy>().await
}
