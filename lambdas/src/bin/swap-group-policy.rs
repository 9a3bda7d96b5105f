//! The function of the action `swap-group-policy`. Written by `cargo xtask generate`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::action::main("swap-group-policy").await
}
