//! The cost an hour of the resources in a guardrail's scope. The answer is evidence for a large figure, never against one:
//! much that is billed does not run by the hour.

use async_trait::async_trait;
use rust_decimal::Decimal;

use crate::config::Guardrail;

/// A source of that cost.
#[async_trait]
pub trait Running: Send + Sync {
    /// Dollars an hour of the resources that run in the guardrail's scope now; nothing where no price is known. Reads only.
    async fn hourly(&self, guardrail: &Guardrail) -> Option<Decimal>;
}

/// No prices are known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unpriced;

#[async_trait]
impl Running for Unpriced {
    async fn hourly(&self, _: &Guardrail) -> Option<Decimal> {
        None
    }
}
