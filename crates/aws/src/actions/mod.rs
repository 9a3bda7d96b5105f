//! The actions. One action is one file here, and two lines in this one: its module, and its place in the list. All else
//! that depends on which actions there are (functions, roles, the schema, the README's table) is made from the list.

pub mod stop_instances;
pub mod swap_group_policy;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use guardrails_model::action::Action;
use guardrails_model::config::file::Actions;
use guardrails_model::config::{ActionSpec, Config};
use guardrails_model::ids::{FacetId, Value};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::grants::Grant;

/// Makes of the list of actions: [`ALL`], and [`Any`], which reads them from `guardrails.yaml`.
macro_rules! catalog {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        /// Every action.
        pub const ALL: &[Entry] = &[$(Entry::of::<$module::$name>()),+];

        /// An action with its parameters, as `guardrails.yaml` has it.
        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        #[schemars(rename = "Action")]
        pub enum Any {
            $(
                #[doc = concat!("See `", stringify!($module), "`.")]
                $name(<$module::$name as ActionType>::Params),
            )+
        }

        impl Actions for Any {
            fn wishes(&self) -> Vec<(FacetId, Value)> {
                match self {
                    $(Self::$name(params) => <$module::$name as ActionType>::wishes(params),)+
                }
            }
        }
    };
}

catalog![stop_instances::StopInstances, swap_group_policy::SwapGroupPolicy];

/// What an action declares of itself.
pub trait ActionType: Action + Sized + 'static {
    /// Its stable name: it links stored records to this code, so it is never given to another action.
    const NAME: &'static str;
    /// What it changes, in a few words, for the README.
    const CHANGES: &'static str;
    /// What rollback puts back, in a few words, for the README.
    const PUTS_BACK: &'static str;
    /// Its parameters in `guardrails.yaml`. Their documentation becomes the schema's.
    type Params: DeserializeOwned + Serialize + JsonSchema;

    /// The facets that it is known to turn without looking at the account, and to what.
    fn wishes(params: &Self::Params) -> Vec<(FacetId, Value)>;

    /// What its function must be allowed to call, for all the stages that ask for it.
    fn grants(all: &[Self::Params]) -> Vec<Grant>;

    /// The action, ready to work in the account and Region of `context`.
    fn new(params: Self::Params, context: &Context<'_>) -> Self;
}

/// Where an action works.
pub struct Context<'a> {
    /// Makes its clients: only those it asks for.
    pub sdk: &'a SdkConfig,
    /// Whom it must not restrict.
    pub operators: &'a [String],
}

impl Context<'_> {
    /// For clients that change the account: without the SDK's own retries. A call that it sent twice could land after the
    /// second was answered, when nobody waits for it any more; a lost answer is better known as lost.
    #[must_use]
    pub fn sdk_for_changes(&self) -> SdkConfig {
        self.sdk.to_builder().retry_config(RetryConfig::disabled()).build()
    }

    /// The Region that it works in.
    #[must_use]
    pub fn region(&self) -> String {
        self.sdk.region().map(ToString::to_string).unwrap_or_default()
    }
}

type Make = fn(&serde_json::Value, &Context<'_>) -> Result<Box<dyn Action>, serde_json::Error>;

/// An action as the list has it.
pub struct Entry {
    /// [`ActionType::NAME`].
    pub name: &'static str,
    /// [`ActionType::CHANGES`].
    pub changes: &'static str,
    /// [`ActionType::PUTS_BACK`].
    pub puts_back: &'static str,
    make: Make,
    grants: fn(&[serde_json::Value]) -> Result<Vec<Grant>, serde_json::Error>,
}

impl Entry {
    const fn of<T: ActionType>() -> Self {
        Self {
            name: T::NAME,
            changes: T::CHANGES,
            puts_back: T::PUTS_BACK,
            make: |params, context| Ok(Box::new(T::new(T::Params::deserialize(params)?, context))),
            grants: |all| Ok(T::grants(&all.iter().map(T::Params::deserialize).collect::<Result<Vec<_>, _>>()?)),
        }
    }

    /// What its function must be allowed to call for everything that `config` asks of it.
    ///
    /// # Errors
    /// When the configuration holds parameters that the action does not take.
    pub fn grants(&self, config: &Config) -> Result<Vec<Grant>, CatalogError> {
        let groups = config.guardrails.values().flat_map(|guardrail| &guardrail.stages).flat_map(|stage| &stage.groups);
        let params: Vec<_> =
            groups.flatten().filter(|spec| spec.name.as_str() == self.name).map(|spec| spec.params.clone()).collect();
        (self.grants)(&params).map_err(|source| CatalogError::Params { action: self.name.to_owned(), source })
    }
}

/// A stored action cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Nothing goes by that name.
    #[error("there is no action `{0}` in this version: it was written by another; use that one, or one that knows it")]
    Unknown(String),
    /// Its parameters are not of this version.
    #[error("the parameters of `{action}` are not those of this version")]
    Params {
        /// The action's name.
        action: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// The action that is called `name`.
///
/// # Errors
/// When there is none.
pub fn find(name: &str) -> Result<&'static Entry, CatalogError> {
    ALL.iter().find(|entry| entry.name == name).ok_or_else(|| CatalogError::Unknown(name.to_owned()))
}

/// The action that `spec` asks for, ready to work.
///
/// # Errors
/// When this version has no such action, or other parameters for it.
pub fn make(spec: &ActionSpec, context: &Context<'_>) -> Result<Box<dyn Action>, CatalogError> {
    let entry = find(spec.name.as_str())?;
    (entry.make)(&spec.params, context).map_err(|source| CatalogError::Params { action: spec.name.to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_the_file_is_the_action_s_stable_name() {
        let schema = schemars::schema_for!(Any).to_value().to_string();
        for entry in ALL {
            assert!(schema.contains(&format!("\"{}\"", entry.name)), "{} is not in {schema}", entry.name);
        }
    }

    #[test]
    fn names_are_distinct_and_were_not_changed() {
        let names: Vec<&str> = ALL.iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["stop-instances", "swap-group-policy"], "a stored name is kept: add, never rename");
    }

    #[test]
    fn a_right_on_everything_says_why() {
        let config =
            guardrails_model::config::file::parse::<Any>("example", include_str!("../../../../examples/guardrails.yaml"));
        let config = config.unwrap();
        for entry in ALL {
            for grant in entry.grants(&config).unwrap() {
                let any = grant.resources.iter().any(|resource| resource == "*");
                assert_eq!(any, grant.why_any.is_some(), "{}: {}", entry.name, grant.sid);
            }
        }
    }
}
