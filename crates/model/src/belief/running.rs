//! The cost an hour of the resources in a guardrail's scope. The answer is evidence for a large figure, never against one:
//! much that is billed does not run by the hour.

use async_trait::async_trait;

use crate::config::{Config, Guardrail};
use crate::prices::Hourly;

/// A source of that cost.
#[async_trait]
pub trait Running: Send + Sync {
    /// The resources that run in the guardrail's scope now. Reads only.
    async fn hourly(&self, config: &Config, guardrail: &Guardrail) -> Sight;
}

/// The resources that could be listed. More would only cost more, so they are evidence even where others could not be listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Their cost an hour; nothing where no prices are known, or the actions have no resources with a price.
    pub hourly: Option<Hourly>,
    /// Why others could not be listed.
    pub failed: Vec<String>,
}
