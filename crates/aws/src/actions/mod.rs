//! The actions. One action is one file here, and two lines in this one: its module, and its place in the list. All else
//! that depends on which actions there are (functions, roles, the schema, the README's table) is made from the list.

pub mod deny_actions;
pub mod scale_group_to_zero;
pub mod stop_instances;
pub mod swap_group_policy;
pub mod swap_policy;

use std::sync::Arc;

use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use guardrails_model::action::Action;
use guardrails_model::clock::Clock;
use guardrails_model::config::file::Actions;
use guardrails_model::config::{ActionSpec, Config};
use guardrails_model::ids::{FacetId, Place, Value};
use guardrails_model::pace::{Levels, Limit, Pace, Pacer};
use guardrails_model::principal::Principal;
use guardrails_model::tri::Tri;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::grants::Grant;
use crate::iam::own_policy::{Home, OwnPolicy};

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

            fn restricts(&self) -> Vec<Principal> {
                match self {
                    $(Self::$name(params) => <$module::$name as ActionType>::restricts(params),)+
                }
            }
        }
    };
}

catalog![
    deny_actions::DenyActions,
    scale_group_to_zero::ScaleGroupToZero,
    stop_instances::StopInstances,
    swap_group_policy::SwapGroupPolicy,
    swap_policy::SwapPolicy,
];

/// What an action declares of itself.
pub trait ActionType: Action + Sized + 'static {
    /// Its stable name: it links stored records to this code, so it is never given to another action.
    const NAME: &'static str;
    /// What it changes, in a few words, for the README.
    const CHANGES: &'static str;
    /// What rollback puts back, in a few words, for the README.
    const PUTS_BACK: &'static str;
    /// What people must know before they ask for it.
    const WARNING: Option<&'static str> = None;
    /// Which of AWS's limits bound it on its way forward, and on its way back.
    const LIMIT: Option<(Limit, Limit)> = None;
    /// Its parameters in `guardrails.yaml`. Their documentation becomes the schema's.
    type Params: DeserializeOwned + Serialize + JsonSchema;

    /// The facets that it is known to turn without looking at the account, and to what.
    fn wishes(params: &Self::Params) -> Vec<(FacetId, Value)>;

    /// Whom it takes rights from: never the operators, and asked afterwards what they still may.
    fn restricts(params: &Self::Params) -> Vec<Principal> {
        let _ = params;
        Vec::new()
    }

    /// Does it deny `call`, such as `sts:AssumeRole`, to those it restricts?
    fn denies(params: &Self::Params, call: &str) -> Tri {
        let _ = (params, call);
        Tri::No
    }

    /// The policies that the stack must have for it.
    fn own_policies(params: &Self::Params) -> Vec<OwnPolicy> {
        let _ = params;
        Vec::new()
    }

    /// What its function must be allowed to call, for all the stages that ask for it.
    fn grants(all: &[Self::Params]) -> Vec<Grant>;

    /// The action, ready to work in the account and Region of `context`.
    fn new(params: Self::Params, context: &Context<'_>) -> Self;
}

/// Where an action works, and what by.
pub struct Context<'a> {
    /// Makes its clients: only those it asks for.
    pub sdk: SdkConfig,
    /// Whom it must not restrict.
    pub operators: &'a [String],
    /// Whom the run's stage restricts, by whichever of its actions.
    pub restricted: &'a [Principal],
    /// The guardrails' own CloudFormation stack.
    pub stack: Option<String>,
    /// The account that it works in.
    pub account: Option<Account>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Keeps it within its share of AWS's limits.
    pub pacer: Arc<Pacer>,
}

/// An account of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// AWS's partition that it is in, such as `aws`.
    pub partition: String,
    /// Its number.
    pub id: String,
}

impl<'a> Context<'a> {
    /// In the account and Region of `sdk`, at the usual pace.
    #[must_use]
    pub fn new(sdk: &SdkConfig, operators: &'a [String], clock: Arc<dyn Clock>) -> Self {
        let pacer = Arc::new(Pacer::new(Pace::default(), Arc::clone(&clock), Levels::default()));
        Self { sdk: sdk.clone(), operators, restricted: &[], stack: None, account: None, clock, pacer }
    }

    /// In this place, if the action works in places.
    #[must_use]
    pub fn at(mut self, place: Option<&Place>) -> Self {
        if let Some(place) = place {
            self.sdk = self.sdk.to_builder().region(Region::new(place.to_string())).build();
        }
        self
    }

    /// At this pace, with buckets as full as an earlier invocation left them.
    #[must_use]
    pub fn paced(mut self, pace: Pace, levels: Levels) -> Self {
        self.pacer = Arc::new(Pacer::new(pace, Arc::clone(&self.clock), levels));
        self
    }

    /// For clients that change the account: without the SDK's own retries. A call that it sent twice could land after the
    /// second was answered, when nobody waits for it any more; a lost answer is better known as lost.
    #[must_use]
    pub fn sdk_for_changes(&self) -> SdkConfig {
        self.sdk.to_builder().retry_config(RetryConfig::disabled()).build()
    }

    /// The partition that it works in.
    #[must_use]
    pub fn partition(&self) -> &str {
        self.account.as_ref().map_or("aws", |account| &account.partition)
    }

    /// Where the guardrails' own stack stands, if it stands in `region`.
    #[must_use]
    pub fn home<'b>(&'b self, region: &'b str) -> Option<Home<'b>> {
        let (account, stack) = (self.account.as_ref()?, self.stack.as_deref()?);
        Some(Home { partition: &account.partition, account: &account.id, region, stack })
    }

    /// The Region that it works in.
    #[must_use]
    pub fn region(&self) -> String {
        self.sdk.region().map(ToString::to_string).unwrap_or_default()
    }
}

type Make = fn(&serde_json::Value, &Context<'_>) -> Result<Box<dyn Action>, CatalogError>;

/// An action as the list has it.
pub struct Entry {
    /// [`ActionType::NAME`].
    pub name: &'static str,
    /// [`ActionType::CHANGES`].
    pub changes: &'static str,
    /// [`ActionType::PUTS_BACK`].
    pub puts_back: &'static str,
    /// [`ActionType::WARNING`].
    pub warning: Option<&'static str>,
    /// [`ActionType::LIMIT`].
    pub limit: Option<(Limit, Limit)>,
    make: Make,
    grants: fn(&[serde_json::Value]) -> Result<Vec<Grant>, serde_json::Error>,
    own_policies: fn(&serde_json::Value) -> Result<Vec<OwnPolicy>, serde_json::Error>,
    restricts: fn(&serde_json::Value) -> Result<Vec<Principal>, serde_json::Error>,
    denies: fn(&serde_json::Value, &str) -> Result<Tri, serde_json::Error>,
}

impl Entry {
    /// The entry of one action.
    #[must_use]
    pub const fn of<T: ActionType>() -> Self {
        Self {
            name: T::NAME,
            changes: T::CHANGES,
            puts_back: T::PUTS_BACK,
            warning: T::WARNING,
            limit: T::LIMIT,
            make: make_of::<T>,
            grants: |all| Ok(T::grants(&all.iter().map(T::Params::deserialize).collect::<Result<Vec<_>, _>>()?)),
            own_policies: |params| Ok(T::own_policies(&T::Params::deserialize(params)?)),
            restricts: |params| Ok(T::restricts(&T::Params::deserialize(params)?)),
            denies: |params, call| Ok(T::denies(&T::Params::deserialize(params)?, call)),
        }
    }

    /// The action with these parameters, ready to work.
    ///
    /// # Errors
    /// When this version has other parameters for it.
    pub fn make(&self, params: &serde_json::Value, context: &Context<'_>) -> Result<Box<dyn Action>, CatalogError> {
        (self.make)(params, context)
    }

    /// What its function must be allowed to call for everything that `config` asks of it.
    ///
    /// # Errors
    /// When the configuration holds parameters that the action does not take.
    pub fn grants(&self, config: &Config) -> Result<Vec<Grant>, CatalogError> {
        (self.grants)(&self.params(config)).map_err(|source| self.foreign(source))
    }

    /// The policies that the stack must have for everything that `config` asks of it.
    ///
    /// # Errors
    /// When the configuration holds parameters that the action does not take.
    pub fn own_policies(&self, config: &Config) -> Result<Vec<OwnPolicy>, CatalogError> {
        let policies = self.params(config).iter().map(self.own_policies).collect::<Result<Vec<_>, _>>();
        policies.map(|policies| policies.concat()).map_err(|source| self.foreign(source))
    }

    /// Whom it takes rights from with these parameters.
    ///
    /// # Errors
    /// When this version has other parameters for it.
    pub fn restricts(&self, params: &serde_json::Value) -> Result<Vec<Principal>, CatalogError> {
        (self.restricts)(params).map_err(|source| self.foreign(source))
    }

    /// Does it deny `call` to those whom it restricts with these parameters?
    ///
    /// # Errors
    /// When this version has other parameters for it.
    pub fn denies(&self, params: &serde_json::Value, call: &str) -> Result<Tri, CatalogError> {
        (self.denies)(params, call).map_err(|source| self.foreign(source))
    }

    /// Does `config` ask for it anywhere?
    #[must_use]
    pub fn is_used(&self, config: &Config) -> bool {
        !self.params(config).is_empty()
    }

    fn params(&self, config: &Config) -> Vec<serde_json::Value> {
        let groups = config.guardrails.values().flat_map(|guardrail| &guardrail.stages).flat_map(|stage| &stage.groups);
        groups.flatten().filter(|spec| spec.name.as_str() == self.name).map(|spec| spec.params.clone()).collect()
    }

    fn foreign(&self, source: serde_json::Error) -> CatalogError {
        CatalogError::Params { action: self.name.to_owned(), source }
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

fn make_of<T: ActionType>(params: &serde_json::Value, context: &Context<'_>) -> Result<Box<dyn Action>, CatalogError> {
    let params = T::Params::deserialize(params);
    let params = params.map_err(|source| CatalogError::Params { action: T::NAME.to_owned(), source })?;
    Ok(Box::new(T::new(params, context)))
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
    find(spec.name.as_str())?.make(&spec.params, context)
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
        assert_eq!(
            names,
            ["deny-actions", "scale-group-to-zero", "stop-instances", "swap-group-policy", "swap-policy"],
            "a stored name is kept: add, never rename"
        );
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
