//! The function `reconcile`: see [`guardrails_lambdas::reconcile`].

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    guardrails_lambdas::reconcile::main().await
}
