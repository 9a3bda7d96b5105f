//! Actions as `guardrails.yaml` has them, without the crates that carry them out: a fuzzer that had to build the AWS SDK with
//! it would build for an hour. The tests run the same inputs through the real ones too.

use guardrails_model::config::Tags;
use guardrails_model::config::file::Actions;
use guardrails_model::ids::{FacetId, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Actions of the same shape as the real ones.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FakeCatalog {
    /// Stops the resources that carry the tags.
    StopInstances(Stop),
    /// Changes a group's policies.
    SwapGroupPolicy(Swap),
}

/// The resources that carry the tags.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// The tags.
    tag: Tags,
    /// The places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    regions: Vec<String>,
}

/// A group's policies.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// The group.
    group: String,
    /// The policies that it loses.
    #[serde(default)]
    detach: Vec<String>,
    /// The policies that it gets.
    #[serde(default)]
    attach: Vec<String>,
}

impl Actions for FakeCatalog {
    fn desired(&self) -> Vec<(FacetId, Value)> {
        let Self::SwapGroupPolicy(swap) = self else { return Vec::new() };
        let desire =
            |policy: &String, wanted| Some((FacetId::new("group-policy", &swap.group, policy).ok()?, Value::new(wanted)));
        let gone = swap.detach.iter().filter_map(|policy| desire(policy, "detached"));
        gone.chain(swap.attach.iter().filter_map(|policy| desire(policy, "attached"))).collect()
    }
}
