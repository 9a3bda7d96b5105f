//! The function of the action `scale-group-to-zero`. Written by `cargo xtask generate`.

use guardrails_aws::actions::scale_group_to_zero::ScaleGroupToZero;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::action::main::<ScaleGroupToZero>().await
}
