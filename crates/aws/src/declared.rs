//! An action's declarations. [`About`] holds for the action as such, [`Declared`] for it with the parameters of a stage. Its function's
//! role, the schema, and a plan's words and prices are made from these two.

use std::any::Any;

use async_trait::async_trait;
use aws_config::SdkConfig;
use guardrails_model::action::{Action, ActionError};
use guardrails_model::config::{Meanwhile, Tags};
use guardrails_model::ids::{FacetId, Place, Value};
use guardrails_model::pace::Limit;
use guardrails_model::principal::Principal;
use guardrails_model::verdict::Verdict;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

use crate::context::Context;
use crate::grants::Grant;
use crate::iam::own_policy::OwnPolicy;
pub use crate::stop_all::Joins;

/// An action, with any parameters.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Its stable name. It links stored records to this code, so it is never given to another action.
    pub name: &'static str,
    /// The change, in a few words, for docs/actions.md.
    pub changes: &'static str,
    /// The way back, in a few words, for docs/actions.md.
    pub puts_back: &'static str,
    /// A warning for those who ask for it.
    pub warning: Option<&'static str>,
    /// The kinds of facet that people count.
    pub counts: &'static [Counted],
    /// AWS's limits whose buckets `pace` in guardrails.yaml may set.
    pub limits: &'static [Limit],
    /// The services whose cost it stops, for docs/services.md. None where it stops no cost.
    pub services: &'static [Service],
    /// The pattern of `EventBridge` for events by which AWS says that a target may have turned back. Each begins a round at once.
    pub wakes: Option<&'static str>,
    /// The place in `stop-all`, where it is one of the actions that this stands for: `Some(Joins::set(1))`.
    pub joins_stop_all: Option<Joins>,
}

/// A service whose cost an action stops, in the words of a reader whose money goes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Its name, such as `EC2 instances`.
    pub name: &'static str,
    /// The cost that stops.
    pub stops: &'static str,
    /// The cost that goes on meanwhile.
    pub goes_on: &'static str,
    /// The things that a rollback does not bring back.
    pub lost: &'static str,
}

impl About {
    /// An action without a warning, of which nothing is counted and no limit is known.
    #[must_use]
    pub const fn new(name: &'static str, changes: &'static str, puts_back: &'static str) -> Self {
        Self {
            name,
            changes,
            puts_back,
            warning: None,
            counts: &[],
            limits: &[],
            services: &[],
            wakes: None,
            joins_stop_all: None,
        }
    }
}

/// A kind of facet that people count, such as instances.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// The first part of the facets' ids.
    pub facet: &'static str,
    /// One of them, and several.
    pub noun: Noun,
    /// The change and the way back, such as `stopping` and `starting again`.
    pub doing: (&'static str, &'static str),
    /// The limits that bound the change and the way back.
    pub limits: Option<(Limit, Limit)>,
    /// How a price list counts them.
    pub price: Priced,
}

/// How a price list counts something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priced {
    /// It costs so much an hour, by its kind, until it is changed.
    ByKind,
    /// It may save money, and a price list does not know how much: `the members of`, `that would go to zero` around the count.
    Unknown(&'static str, &'static str),
    /// It costs nothing by itself.
    Free,
}

/// A word for one, and for several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Noun {
    /// `instance`.
    pub one: &'static str,
    /// `instances`.
    pub many: &'static str,
}

impl Noun {
    /// `1 instance`, `2 instances`.
    #[must_use]
    pub fn count(self, number: usize) -> String {
        format!("{number} {}", if number == 1 { self.one } else { self.many })
    }
}

/// An action with the parameters of a stage. Each hook has a default where most actions have nothing to say.
#[async_trait]
pub trait Declared: Any + Send + Sync {
    /// The action, ready to work in the account and Region of `context`.
    fn make(&self, context: &Context<'_>) -> Box<dyn Action>;

    /// The rights of its function, for all the stages that ask for it. `all` holds this one too; see [`alike`].
    fn grants(&self, all: &[&dyn Declared]) -> Vec<Grant>;

    /// The facets that it is known to turn without looking at the account, and the values it turns them to.
    fn desired(&self) -> Vec<(FacetId, Value)> {
        Vec::new()
    }

    /// The tags that it selects its targets by, where it does.
    fn selects(&self) -> Option<&Tags> {
        None
    }

    /// The Regions that it names to work in; none where it works in all, or in no Region.
    fn regions(&self) -> &[Place] {
        &[]
    }

    /// Those it takes rights from: never the operators, and IAM is asked afterwards which rights they still have.
    fn restricts(&self) -> Vec<Principal> {
        Vec::new()
    }

    /// Has the stage agreed to a loss that no rollback brings back, where the action as such has none?
    fn terminates(&self) -> bool {
        false
    }

    /// The Lambda functions of the user's that it calls, by name. The stack's Deny closes them to those who are denied.
    fn functions(&self) -> Vec<String> {
        Vec::new()
    }

    /// As which restriction a stage may make it while a person is asked; nothing where it waits for the answer.
    fn meanwhile(&self) -> Option<Meanwhile> {
        None
    }

    /// Does it deny `call`, such as `sts:AssumeRole`, to those it restricts?
    fn denies(&self, call: &str) -> Verdict {
        let _ = call;
        Verdict::No
    }

    /// A caution for people about these parameters before they deploy them.
    fn caution(&self) -> Option<&'static str> {
        None
    }

    /// Warnings about these parameters, for `check` and for each plan.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// The policies that the stack must have for it.
    fn own_policies(&self) -> Vec<OwnPolicy> {
        Vec::new()
    }

    /// The same parameters as the version before stored them, where they differ: its open runs have them.
    fn formerly(&self) -> Option<Json> {
        None
    }

    /// Targets of the held `facets` that this version's function may not roll back, each with the reason. An earlier version may
    /// have been granted more.
    ///
    /// # Errors
    /// When AWS does not list the targets.
    async fn out_of_reach(&self, facets: &[FacetId], sdk: &SdkConfig) -> Result<Vec<String>, ActionError> {
        let _ = (facets, sdk);
        Ok(Vec::new())
    }
}

/// A type of action: its parameters as guardrails.yaml has them. Their documentation becomes the schema's.
pub trait ActionType: Declared + DeserializeOwned + Serialize + JsonSchema {
    /// The action.
    const ABOUT: About;

    /// The parameters as they are stored, once they are checked.
    ///
    /// # Errors
    /// When they are not as expected; in words for people.
    fn checked(self) -> Result<Self, String> {
        Ok(self)
    }
}

/// Those of `all` that are of the type `T`, which are all that an action is given.
#[must_use]
pub fn alike<'a, T: Declared>(all: &[&'a dyn Declared]) -> Vec<&'a T> {
    all.iter().filter_map(|one| (*one as &dyn Any).downcast_ref()).collect()
}

/// Parameters that were checked when they were read: the error is shown at their place in the file.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Checked<T>(T);

impl<T> Checked<T> {
    /// The parameters.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The parameters.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<'de, T: ActionType> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer)?.checked().map(Self).map_err(D::Error::custom)
    }
}

impl<T: ActionType> JsonSchema for Checked<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_agrees_with_its_number() {
        let noun = Noun { one: "DB instance", many: "DB instances" };
        assert_eq!([0, 1, 2].map(|number| noun.count(number)), ["0 DB instances", "1 DB instance", "2 DB instances"]);
    }
}
