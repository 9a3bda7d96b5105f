//! Refuses a deployment that could restrict whom no guardrail may: better than a run that fails when the money is gone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use aws_config::SdkConfig;
use guardrails_aws::actions::CATALOG;
use guardrails_aws::context::Context;
use guardrails_aws::iam::protected::Protected;
use guardrails_aws::iam::shut_out;
use guardrails_model::clock::SystemClock;
use guardrails_model::config::{ActionSpec, Config, Guardrail};
use guardrails_model::principal::Principal;
use guardrails_model::verdict::Verdict;

use crate::deployment::Caller;
use crate::output;

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
    let protected = Protected::of(&context, BTreeSet::new());
    let refused = protected.refusals(&restricted).await;
    let refused = refused.map_err(|error| anyhow!("looking whom the guardrails would restrict: {error}"))?;
    if refused.is_empty() {
        return keep_a_way_in(&protected, config).await;
    }
    let mut said = String::from("nothing is deployed, since the way back could be cut:");
    for (principal, why) in &refused {
        let by = config.guardrails.values().filter(|guardrail| restricts(guardrail).is_ok_and(|all| all.contains(principal)));
        let by: Vec<&str> = by.map(|guardrail| guardrail.name.as_str()).collect();
        write!(said, "\n  {}: {why}", by.join(", "))?;
    }
    Err(anyhow!("{said}\nhint: take them out of the guardrails' actions, or out of those groups"))
}

/// Refuses it if nobody could become an operator any more; says so where that cannot be told.
async fn keep_a_way_in(protected: &Protected, config: &Config) -> Result<()> {
    let (mut denied, mut perhaps) = (BTreeSet::new(), BTreeSet::new());
    for spec in config.guardrails.values().flat_map(specs) {
        let action = CATALOG.read(spec)?;
        match action.denies(shut_out::ASSUME) {
            Verdict::Yes => denied.extend(action.restricts()),
            Verdict::Unknown(_) => perhaps.extend(action.restricts()),
            Verdict::No => {}
        }
    }
    let open = protected.is_open(&denied, &perhaps).await;
    match open.map_err(|error| anyhow!("looking who could become an operator: {error}"))? {
        Verdict::Yes => {}
        Verdict::Unknown(why) => output::tell(&format!("WARNING: {}", shut_out::warning(&why))),
        Verdict::No => {
            let why = shut_out::refusal(protected.operators());
            return Err(anyhow!("nothing is deployed, since the way back could be cut: {why}"));
        }
    }
    Ok(())
}

fn specs(guardrail: &Guardrail) -> impl Iterator<Item = &ActionSpec> {
    guardrail.stages.iter().flat_map(|stage| stage.waves.iter().flatten())
}

fn restricts(guardrail: &Guardrail) -> Result<Vec<Principal>> {
    let mut restricted = Vec::new();
    for spec in specs(guardrail) {
        restricted.extend(CATALOG.read(spec)?.restricts());
    }
    Ok(restricted)
}
