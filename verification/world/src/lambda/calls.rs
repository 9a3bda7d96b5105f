//! The calls that change a function's settings, and their refusals.

use jiff::Timestamp;
use serde_json::json;

use super::describe::{no_function, qualifier};
use super::{LambdaFunction, Provisioned};
use crate::account::Account;
use crate::wire::{Call, Refusal};

fn invalid(message: String) -> Refusal {
    Refusal(400, "InvalidParameterValueException", message)
}

/// The function that a call changes. One that is being made or updated takes no change.
fn function<'a>(account: &'a mut Account, call: &Call) -> Result<&'a mut LambdaFunction, Refusal> {
    let name = call.json["FunctionName"].as_str().unwrap_or_default().to_owned();
    let missing = no_function(call, &name);
    let function = account.lambda.functions.get_mut(&(call.region.clone(), name)).ok_or(missing)?;
    if function.state == "Pending" || function.updating {
        let message =
            format!("The operation cannot be performed at this time. An update is in progress for resource: {}", function.arn());
        return Err(Refusal(409, "ResourceConflictException", message));
    }
    Ok(function)
}

fn number(call: &Call, name: &str) -> Result<usize, Refusal> {
    let number = call.json[name].as_u64().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| invalid(format!("{name} is no number")))
}

/// The refusal where no `wanted` executions are left of the account's, beside the minimum that stays unreserved.
fn full(account: &Account, call: &Call, wanted: usize, words: &str) -> Option<Refusal> {
    let name = call.json["FunctionName"].as_str().unwrap_or_default();
    let (free, minimum) = (account.lambda.unreserved(&call.region, name), account.lambda.minimum);
    (wanted > 0 && free < wanted + minimum).then(|| {
        invalid(format!(
            "Specified {words} for function decreases account's UnreservedConcurrentExecution below its minimum value of [{minimum}]."
        ))
    })
}

/// `PutFunctionConcurrency`. That it must not be below the provisioned concurrency is no word of AWS's documentation.
pub(super) fn reserve(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let wanted = number(call, "ReservedConcurrentExecutions")?;
    let provisioned = function(account, call)?.all_provisioned("");
    if wanted < provisioned {
        return Err(invalid(format!(
            "Specified ReservedConcurrentExecutions for function is less than its provisioned concurrency of {provisioned}"
        )));
    }
    if let Some(refusal) = full(account, call, wanted, "ReservedConcurrentExecutions") {
        return Err(refusal);
    }
    let function = function(account, call)?;
    function.reserved = Some(wanted);
    let (region, name) = function.key();
    account.touch(&region, &name);
    Ok(json!({"ReservedConcurrentExecutions": wanted}).to_string())
}

/// `DeleteFunctionConcurrency`, which is done too where there is none.
pub(super) fn unreserve(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let function = function(account, call)?;
    function.reserved = None;
    let (region, name) = function.key();
    account.touch(&region, &name);
    Ok("{}".to_owned())
}

/// `PutProvisionedConcurrencyConfig`.
pub(super) fn provision(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let wanted = number(call, "ProvisionedConcurrentExecutions")?;
    if wanted == 0 {
        return Err(invalid("Value '0' at 'provisionedConcurrentExecutions' must be greater than or equal to 1".to_owned()));
    }
    let takes = account.takes;
    let function = function(account, call)?;
    let qualifier = qualifier(function, call)?.to_owned();
    let all = function.all_provisioned(&qualifier) + wanted;
    if function.reserved.is_some_and(|reserved| all > reserved) {
        let message = "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function";
        return Err(invalid(message.to_owned()));
    }
    if function.reserved.is_none()
        && let Some(refusal) = full(account, call, all, "ConcurrentExecutions")
    {
        return Err(refusal);
    }
    let provisioned = Provisioned { requested: wanted, since: now, takes, failed: None };
    let shown = provisioned.shown(now);
    let function = self::function(account, call)?;
    function.provisioned.insert(qualifier.clone(), provisioned);
    let (region, name) = function.key();
    account.touch(&region, &format!("{name}:{qualifier}"));
    Ok(shown.to_string())
}

/// `DeleteProvisionedConcurrencyConfig`, which is done too where there is none.
pub(super) fn unprovision(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let function = function(account, call)?;
    let qualifier = qualifier(function, call)?.to_owned();
    function.provisioned.remove(&qualifier);
    let (region, name) = function.key();
    account.touch(&region, &format!("{name}:{qualifier}"));
    Ok("{}".to_owned())
}

/// `UpdateEventSourceMapping` of the one field. A mapping that is on its way takes no change.
pub(super) fn update_mapping(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let fields = call.json.as_object().expect("an object");
    assert!(fields.keys().all(|key| ["UUID", "Enabled"].contains(&key.as_str())), "only its state is ours: {fields:?}");
    let uuid = call.json["UUID"].as_str().unwrap_or_default();
    let missing = || Refusal(404, "ResourceNotFoundException", "The resource you requested does not exist.".to_owned());
    let mapping = account.lambda.mappings.get_mut(uuid).ok_or_else(missing)?;
    let function = (mapping.region.clone(), mapping.function.split(':').next().unwrap_or_default().to_owned());
    if !account.lambda.functions.contains_key(&function) {
        return Err(no_function(call, &function.1));
    }
    if !["Enabled", "Disabled"].contains(&mapping.state(now)) {
        let message = "Cannot update the event source mapping because it is in use.";
        return Err(Refusal(400, "ResourceInUseException", message.to_owned()));
    }
    mapping.set(call.json["Enabled"].as_bool().expect("a state"), now);
    let (shown, region, name) = (mapping.shown(now), mapping.region.clone(), format!("source {uuid}"));
    account.touch(&region, &name);
    Ok(shown.to_string())
}
