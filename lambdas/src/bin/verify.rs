//! The function `verify`: see [`guardrails_lambdas::verify`].

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::verify::main().await
}
