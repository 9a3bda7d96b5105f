//! Services whose resources have one setting, each told by a table: how requests name a resource, how it is shown, by which calls
//! it is turned, and how it refuses. A new service's double is a table; the protocol is JSON 1.0 or 1.1.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;

/// A service.
pub struct Table {
    /// How its requests say that they are for it, such as `AppRunner`.
    pub target: &'static str,
    /// How IAM calls it, such as `apprunner`.
    pub service: &'static str,
    /// The parameters that name a resource by its ARN.
    pub named_by: &'static [&'static str],
    /// The operation that lists, the list in its answer, and a resource in it.
    pub list: (&'static str, &'static str, Shown),
    /// Operations that read one resource.
    pub reads: &'static [(&'static str, Shown)],
    /// Operations that turn one.
    pub turns: &'static [Turn],
    /// The error code of a resource that is not there.
    pub missing: &'static str,
    /// The error code of one that is in another state.
    pub wrong_state: &'static str,
}

/// How a resource in a state is shown.
pub type Shown = fn(&Thing, &'static str) -> Json;

/// A call that turns a resource: from one state, over another, to a third.
pub struct Turn {
    /// The operation.
    pub operation: &'static str,
    /// The state that it takes.
    pub from: &'static str,
    /// The state on the way.
    pub via: &'static str,
    /// The state in the end.
    pub to: &'static str,
}

/// A resource.
#[derive(Debug, Clone)]
pub struct Thing {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its Region.
    pub region: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Further fields that the service tells.
    pub detail: Json,
    state: &'static str,
    becomes: Option<(Timestamp, &'static str)>,
}

/// The resources of all these services, by their ARNs.
pub type Things = BTreeMap<String, Thing>;

impl Thing {
    /// A resource with tags such as `Project=Beta Stage=dev`.
    ///
    /// # Panics
    /// When the ARN is none.
    #[must_use]
    pub fn new(name: &str, arn: &str, state: &'static str, tags: &str) -> Self {
        let region = arn.split(':').nth(3).expect("an ARN").to_owned();
        let tags = tags.split_whitespace().filter_map(|tag| tag.split_once('='));
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { name: name.to_owned(), arn: arn.to_owned(), region, tags, detail: Json::Null, state, becomes: None }
    }

    /// The same, with this detail in the service's answers.
    #[must_use]
    pub fn with(self, detail: Json) -> Self {
        Self { detail, ..self }
    }

    /// Its state at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> &'static str {
        self.becomes.filter(|(at, _)| *at <= now).map_or(self.state, |(_, to)| to)
    }

    /// Somebody turns it, or the service by itself.
    pub fn set(&mut self, state: &'static str) {
        (self.state, self.becomes) = (state, None);
    }

    /// It is on its way to a state, over another.
    pub(super) fn turn(&mut self, via: &'static str, until: Timestamp, to: &'static str) {
        (self.state, self.becomes) = (via, Some((until, to)));
    }
}
