//! The master: turns messages on the topic into runs, and keeps their books for the state machine. It changes nothing in the
//! account but the ledger.

use serde_json::Value as Json;

use crate::fault::Fault;
use crate::runtime::{Invocation, serve};
use crate::{alerts, orders};

/// Serves the function.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn main() -> Result<(), lambda_runtime::Error> {
    serve(handle).await
}

/// The state machine's orders name their operation; SNS delivers the rest.
async fn handle(event: Json, invocation: Invocation) -> Result<Json, Fault> {
    if event.get("op").is_none() {
        alerts::deliver(&event, &invocation).await
    } else {
        orders::carry_out(event, &invocation).await
    }
}
