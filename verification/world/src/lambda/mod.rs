//! Lambda, the index of tags over its functions, and Application Auto Scaling over their provisioned concurrency. It refuses as AWS
//! documents that it refuses. Where AWS's documentation says nothing, a comment says so. None of it was tried on AWS.

mod calls;
mod describe;
mod details;
mod function;
mod routes;
mod scaling;
mod told;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

pub use function::{LambdaFunction, Mapping, Provisioned};
pub use routes::read;
pub use told::told;

use super::account::Account;
use super::ecs::ScalableTarget;
use super::place::place;
use super::tagged;
use super::wire::{Call, Refusal};

/// A Region and a function's name, or an id such as `orders:live`.
pub type Key = (String, String);

/// All of Lambda.
#[derive(Debug, Clone)]
pub struct Lambda {
    /// Functions.
    pub functions: BTreeMap<Key, LambdaFunction>,
    /// Event source mappings, by UUID.
    pub mappings: BTreeMap<String, Mapping>,
    /// Scalable targets of aliases and versions.
    pub targets: BTreeMap<Key, ScalableTarget>,
    /// How much provisioned concurrency alarms ask for, while they are in alarm.
    pub alarms: BTreeMap<Key, usize>,
    /// How many executions the account may have at once, in each Region.
    pub limit: usize,
    /// How many of these stay unreserved at the least.
    pub minimum: usize,
    /// Functions that the index of tags shows still, and that carry the tags no more: by name.
    pub stale: Vec<String>,
}

impl Default for Lambda {
    fn default() -> Self {
        let (functions, mappings, targets, alarms) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { functions, mappings, targets, alarms, limit: 1000, minimum: 100, stale: Vec::new() }
    }
}

impl Lambda {
    /// How much of a Region's concurrency no function has for itself, without that of `but`.
    fn unreserved(&self, region: &str, but: &str) -> usize {
        let others = self.functions.iter().filter(|(key, _)| key.0 == region && key.1 != but);
        self.limit.saturating_sub(others.map(|(_, function)| function.takes_of_pool()).sum())
    }
}

impl Account {
    /// Adds a function, and enables its Region.
    pub fn lambda_function(&mut self, function: LambdaFunction) -> &mut Self {
        self.regions.insert(function.region.clone());
        self.lambda.functions.insert(function.key(), function);
        self
    }

    /// Adds an event source mapping.
    pub fn mapping(&mut self, mapping: Mapping) -> &mut Self {
        self.lambda.mappings.insert(mapping.uuid.clone(), mapping);
        self
    }

    /// Adds the scalable target of an alias or a version, such as `orders:live`.
    pub fn scalable_function(&mut self, id: &str, target: ScalableTarget) -> &mut Self {
        let region = self.function(id.split(':').next().unwrap_or_default()).region.clone();
        self.lambda.targets.insert((region, id.to_owned()), target);
        self
    }

    /// The function of that name, in whichever Region.
    pub fn function(&mut self, name: &str) -> &mut LambdaFunction {
        let function = self.lambda.functions.values_mut().find(|function| function.name == name);
        function.unwrap_or_else(|| panic!("there is no function {name}"))
    }

    /// The mapping with this UUID.
    pub fn source(&mut self, uuid: &str) -> &mut Mapping {
        self.lambda.mappings.get_mut(uuid).unwrap_or_else(|| panic!("there is no mapping {uuid}"))
    }

    /// Lambda's answer to an invocation of a function: 200, or the refusal.
    pub fn invoke(&mut self, name: &str) -> u16 {
        if self.function(name).reserved == Some(0) { 429 } else { 200 }
    }

    /// Everything that an action may change: `orders reserved` is `none` or a number, `orders:live provisioned` too, `orders:live
    /// scaling` is its target, and `source u-1` is `Enabled`.
    pub(super) fn lambda_snapshot(&self) -> impl Iterator<Item = (String, String)> {
        let number = |number: Option<usize>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
        let functions = self.lambda.functions.values().flat_map(move |function| {
            let name = place(&function.region, &function.name);
            let of = |qualifier: &String| function.provisioned.get(qualifier).map(|provisioned| provisioned.requested);
            let qualifiers = function.aliases.keys().chain(function.versions.iter());
            let provisioned: Vec<_> = qualifiers
                .filter(|name| function.aliases.contains_key(*name) || function.provisioned.contains_key(*name))
                .map(|qualifier| (format!("{name}:{qualifier} provisioned"), number(of(qualifier))))
                .collect();
            provisioned.into_iter().chain([(format!("{name} reserved"), number(function.reserved))])
        });
        let now = self.now;
        let mappings = self.lambda.mappings.values();
        let mappings = mappings.map(move |one| (place(&one.region, &format!("source {}", one.uuid)), one.state(now).to_owned()));
        let targets = self.lambda.targets.iter();
        let targets = targets.map(|((region, id), target)| (format!("{} scaling", place(region, id)), target.to_string()));
        functions.chain(mappings).chain(targets)
    }
}

/// Answers a call that only reads, by the account as it is listed at `then`.
pub fn describe(account: &Account, lambda: &Lambda, call: &Call, then: Timestamp) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "GetResources" if call.json["ResourceTypeFilters"] == json!(["lambda:function"]) => {
            Ok(describe::resources(account, lambda, call))
        }
        "GetResources" => Ok(tagged::resources(account, lambda, call)),
        "ListTags" => describe::tags(lambda, call),
        "ListEventSourceMappings" => Ok(describe::mappings(account, lambda, call, then)),
        "GetEventSourceMapping" => describe::mapping(lambda, call, then),
        "GetFunctionConcurrency" => describe::concurrency(lambda, call),
        "ListProvisionedConcurrencyConfigs" => describe::provisioned_of(account, lambda, call, then),
        "GetProvisionedConcurrencyConfig" => describe::provisioned(lambda, call, then),
        "GetAccountSettings" => Ok(describe::settings(lambda, call)),
        "GetFunctionConfiguration" => details::configuration(lambda, call),
        "ListAliases" => details::aliases(account, lambda, call),
        "ListFunctionEventInvokeConfigs" => details::destinations(account, lambda, call),
        "DescribeScalableTargets" => Ok(scaling::describe(account, lambda, call)),
        other => panic!("the double of Lambda has no {other}"),
    }
}

/// Answers a call that changes something.
pub fn change(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    if account.lag > 0 {
        let before = account.lambda.clone();
        account.past_lambda.remember(now, account.lag, before);
    }
    match call.operation.as_str() {
        "UpdateEventSourceMapping" => calls::update_mapping(account, call, now),
        "PutFunctionConcurrency" => calls::reserve(account, call),
        "DeleteFunctionConcurrency" => calls::unreserve(account, call),
        "PutProvisionedConcurrencyConfig" => calls::provision(account, call, now),
        "DeleteProvisionedConcurrencyConfig" => calls::unprovision(account, call),
        "RegisterScalableTarget" => scaling::register(account, call, now),
        other => panic!("the double of Lambda has no {other}"),
    }
}
