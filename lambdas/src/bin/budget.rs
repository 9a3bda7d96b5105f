//! The function `budget`: see [`guardrails_lambdas::budget`].

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::budget::main().await
}
