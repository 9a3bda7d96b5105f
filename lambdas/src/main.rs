//! The program of all functions. Which of them it is, Lambda says: see [`guardrails_lambdas::part`].

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::part::main().await
}
