//! The cost an hour of the resources in a guardrail's scope. The answer is evidence for a large figure, never against one:
//! much that is billed does not run by the hour.

use async_trait::async_trait;

use crate::config::{Config, Guardrail};
use crate::prices::Hourly;

/// A source of that cost.
#[async_trait]
pub trait Running: Send + Sync {
    /// The cost an hour of the resources that run in the guardrail's scope now; nothing where no prices are known, or its actions have no
    /// resources with a price. Reads only.
    ///
    /// # Errors
    /// When it cannot be told, in words: it is no evidence then.
    async fn hourly(&self, config: &Config, guardrail: &Guardrail) -> Result<Option<Hourly>, String>;
}
