//! The function `master`: see [`guardrails_lambdas::master`].

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::master::main().await
}
