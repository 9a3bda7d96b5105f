//! The function `notify`: see [`guardrails_lambdas::notify`].

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::notify::main().await
}
