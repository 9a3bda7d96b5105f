//! The custom resource behind each guardrail: AWS Budgets and the ledger's definitions agree with the template.

use guardrails_aws::budgets::{BudgetError, Budgets};
use guardrails_model::config::Guardrail;
use guardrails_model::ids::GuardrailName;
use guardrails_model::pace::Pace;
use guardrails_model::wire::GuardrailProperties as Properties;
use serde_json::Value as Json;

use crate::fault::Fault;
use crate::open_runs;
use crate::runtime::{Invocation, variable};

/// Makes AWS Budgets' budget, its notifications and the ledger's definition agree with `properties`.
///
/// # Errors
/// When a property is malformed, or AWS refuses.
pub async fn ensure(properties: Json, stack: String, invocation: &Invocation) -> Result<(), Fault> {
    let properties: Properties = serde_json::from_value(properties)
        .map_err(|error| Fault::failed(format!("the properties are not a guardrail's: {error}")))?;
    let guardrail: Guardrail = serde_json::from_str(&properties.definition)
        .map_err(|error| Fault::failed(format!("the property Definition is not a guardrail: {error}")))?;
    let operators = properties.operators.into_iter().filter(|operator| !operator.is_empty()).collect();
    let pace: Pace = properties
        .pace
        .as_deref()
        .map_or_else(|| Ok(Pace::default()), serde_json::from_str)
        .map_err(|error| Fault::failed(format!("the property Pace is not a pace: {error}")))?;
    budgets(stack, invocation)?.ensure(&guardrail).await?;
    Ok(invocation.ledger()?.define(guardrail, operators, pace).await?)
}

/// The same, where the properties `was` stood before. If they name another budget, that one is no longer guarded by, and is removed.
///
/// # Errors
/// As [`ensure`].
pub async fn change(was: &Json, properties: Json, stack: String, invocation: &Invocation) -> Result<(), Fault> {
    let (before, now) = (budget_in(was), budget_in(&properties));
    ensure(properties, stack.clone(), invocation).await?;
    match before.filter(|before| now.as_ref() != Some(before)) {
        Some(before) => Ok(budgets(stack, invocation)?.remove(&before).await?),
        None => Ok(()),
    }
}

/// Takes the budget and the definition away, unless a run is open.
///
/// Needs no more than the name, so that a definition of another version, or one that was refused, can go too.
///
/// # Errors
/// When a run still holds something, or AWS refuses.
pub async fn remove(properties: &Json, stack: String, invocation: &Invocation) -> Result<(), Fault> {
    let Some(name) = name_in(properties) else {
        tracing::warn!("there is no guardrail's name in the properties: nothing was ever made of them");
        return Ok(());
    };
    let ledger = invocation.ledger()?;
    open_runs::refuse_those_of(&name, &ledger).await?;
    let budget = budget_in(properties).unwrap_or_else(|| name.to_string());
    budgets(stack, invocation)?.remove(&budget).await?;
    Ok(ledger.undefine(&name).await?)
}

fn name_in(properties: &Json) -> Option<GuardrailName> {
    definition_in(properties)?.get("name")?.as_str()?.parse().ok()
}

/// The name of the budget in AWS Budgets: the guardrail's, or that of the budget which it adopted.
fn budget_in(properties: &Json) -> Option<String> {
    let definition = definition_in(properties)?;
    let adopted = definition["budget"]["adopt"].as_str().map(str::to_owned);
    adopted.or_else(|| name_in(properties).map(|name| name.to_string()))
}

fn definition_in(properties: &Json) -> Option<Json> {
    serde_json::from_str(properties.get("Definition")?.as_str()?).ok()
}

fn budgets(stack: String, invocation: &Invocation) -> Result<Budgets, Fault> {
    Ok(Budgets {
        client: aws_sdk_budgets::Client::new(&invocation.sdk),
        account: variable("ACCOUNT_ID")?,
        partition: variable("PARTITION")?,
        stack,
        topic: variable("ALERT_TOPIC_ARN")?,
    })
}

impl From<BudgetError> for Fault {
    fn from(error: BudgetError) -> Self {
        match &error {
            BudgetError::Failed { retryable: true, .. } => Fault::retryable(error.to_string()),
            _ => Fault::failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn budget_is_the_adopted_one_or_the_guardrail_s() {
        let of = |definition: &str| budget_in(&json!({ "Definition": definition }));
        assert_eq!(of(r#"{"name": "beta", "budget": {}}"#).as_deref(), Some("beta"));
        assert_eq!(of(r#"{"name": "beta", "budget": {"adopt": "My Budget"}}"#).as_deref(), Some("My Budget"));
        assert_eq!(of("nonsense"), None);
    }

    #[test]
    fn resource_that_was_never_a_guardrail_can_be_deleted() {
        assert_eq!(name_in(&json!({"Definition": "{\"name\": \"beta\", \"unknown\": 1}"})), "beta".parse().ok());
        for nothing in [json!({}), json!({"Definition": "nonsense"}), json!({"Definition": "{}"}), json!({"Definition": 5})] {
            assert_eq!(name_in(&nothing), None);
        }
    }
}
