//! Where an action works, and with which clients. An action's function makes one for each invocation, `guardrails plan` one
//! for each place.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::retry::RetryConfig;
use aws_config::{Region, SdkConfig};
use guardrails_model::clock::Clock;
use guardrails_model::ids::Place;
use guardrails_model::pace::{Levels, Pace, Pacer};
use guardrails_model::principal::Principal;

/// The account and Region that an action works in, and its clients, clock and pace.
pub struct Context<'a> {
    /// Makes its clients: only those it asks for.
    pub sdk: SdkConfig,
    /// The principals that it must not restrict.
    pub operators: &'a [String],
    /// The principals that the run's stage restricts, by any of its actions.
    pub restricted: &'a [Principal],
    /// The functions of the user's that the deployed guardrails call, by name. They are in the Region of the stack.
    pub called: Vec<String>,
    /// The guardrails' own CloudFormation stack.
    pub stack: Option<String>,
    /// The account that it works in.
    pub account: Option<Account>,
    /// The stack is planned for and not deployed yet: a plan counts its own policies as though they were there.
    pub to_come: bool,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Keeps it within its share of AWS's limits.
    pub pacer: Arc<Pacer>,
    /// The place that it works in, if it works in places.
    pub place: Option<Place>,
    /// The Region of the stack, also where it works in another place.
    own_region: Option<Region>,
    /// Things that the parts of an action share, by their types.
    shared: Mutex<BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

/// An account of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// AWS's partition that it is in, such as `aws`.
    pub partition: String,
    /// Its number.
    pub id: String,
}

/// Where a stack stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home<'a> {
    /// AWS's partition, such as `aws`.
    pub partition: &'a str,
    /// The account's number.
    pub account: &'a str,
    /// The Region.
    pub region: &'a str,
    /// The stack's name.
    pub stack: &'a str,
}

impl<'a> Context<'a> {
    /// In the account and Region of `sdk`, at the usual pace.
    #[must_use]
    pub fn new(sdk: &SdkConfig, operators: &'a [String], clock: Arc<dyn Clock>) -> Self {
        let pacer = Arc::new(Pacer::new(Pace::default(), Arc::clone(&clock), Levels::default()));
        let own_region = sdk.region().cloned();
        Self {
            sdk: sdk.clone(),
            operators,
            restricted: &[],
            called: Vec::new(),
            stack: None,
            account: None,
            to_come: false,
            clock,
            pacer,
            place: None,
            own_region,
            shared: Mutex::default(),
        }
    }

    /// In this place, if the action works in places.
    #[must_use]
    pub fn at(mut self, place: Option<&Place>) -> Self {
        if let Some(place) = place {
            self.sdk = self.sdk.to_builder().region(Region::new(place.to_string())).build();
            self.shared = Mutex::default();
            self.place = Some(place.clone());
        }
        self
    }

    /// The one thing of its type that the parts of an action share here, which the first of them makes.
    #[must_use]
    pub fn shared<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shared.get(&TypeId::of::<T>()).and_then(|known| Arc::clone(known).downcast::<T>().ok());
        known.unwrap_or_else(|| {
            let new = Arc::new(make());
            shared.insert(TypeId::of::<T>(), new.clone());
            new
        })
    }

    /// For clients of the Region of the stack, also where it works in another place.
    #[must_use]
    pub fn own_sdk(&self) -> SdkConfig {
        self.sdk.to_builder().region(self.own_region.clone()).build()
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
