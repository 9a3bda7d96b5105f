//! Refuses a deployment that could restrict whom no guardrail may: better than a run that fails when the money is gone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use aws_config::SdkConfig;
use guardrails_aws::actions::{self, Context};
use guardrails_aws::iam::protected::Protected;
use guardrails_model::clock::SystemClock;
use guardrails_model::config::{Config, Guardrail};
use guardrails_model::principal::Principal;

use crate::deployment::Caller;

/// Looks at all that `config` could restrict at once: two guardrails may have the last administrators between them.
pub(super) async fn refuse(sdk: &SdkConfig, config: &Config, caller: &Caller, stack: &str) -> Result<()> {
    let mut restricted = BTreeSet::new();
    for guardrail in config.guardrails.values() {
        restricted.extend(restricts(guardrail)?);
    }
    if restricted.is_empty() {
        return Ok(());
    }
    let operators: Vec<String> = config.operators.iter().chain([&caller.arn]).cloned().collect();
    let mut context = Context::new(sdk, &operators, Arc::new(SystemClock));
    (context.stack, context.account) = (Some(stack.to_owned()), Some(caller.account()));
    let refused = Protected::of(&context, BTreeSet::new()).refusals(&restricted).await;
    let refused = refused.map_err(|error| anyhow!("looking whom the guardrails would restrict: {error}"))?;
    if refused.is_empty() {
        return Ok(());
    }
    let mut said = String::from("nothing is deployed, since the way back could be cut:");
    for (principal, why) in &refused {
        let by = config.guardrails.values().filter(|guardrail| restricts(guardrail).is_ok_and(|all| all.contains(principal)));
        let by: Vec<&str> = by.map(|guardrail| guardrail.name.as_str()).collect();
        write!(said, "\n  {}: {why}", by.join(", "))?;
    }
    Err(anyhow!("{said}\nhint: take them out of the guardrails' actions, or out of those groups"))
}

fn restricts(guardrail: &Guardrail) -> Result<Vec<Principal>> {
    let mut restricted = Vec::new();
    for spec in guardrail.stages.iter().flat_map(|stage| stage.groups.iter().flatten()) {
        restricted.extend(actions::find(spec.name.as_str())?.restricts(&spec.params)?);
    }
    Ok(restricted)
}
