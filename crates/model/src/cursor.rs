//! Where the work on a part goes on.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pace::Levels;

/// Where a part's work goes on. It travels through the state machine from one invocation to the next; without it work
/// begins at the first step again, and costs only time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The request for which it was written. For another request it is no cursor.
    pub(crate) asked: Option<Timestamp>,
    /// All steps up to this place are over, or were left behind.
    pub(crate) from: Option<String>,
    /// When the first of those that were left behind is to be looked at again.
    pub(crate) behind: Option<Timestamp>,
    /// How full the services' buckets are.
    #[serde(default)]
    pub levels: Levels,
}
