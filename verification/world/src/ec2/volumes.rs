//! The root volumes of instances, and the keys that they are encrypted under.

use super::filters::{Filter, invalid};
use super::instance::Instance;
use crate::account::Account;
use crate::wire::{Call, Refusal, list, next, page, tag};

/// Values that one call's filters may have.
const MOST_VALUES: usize = 200;

pub fn describe_volumes(account: &Account, call: &Call) -> Result<String, Refusal> {
    let size = call.number("MaxResults")?.unwrap_or(usize::MAX);
    if size != usize::MAX && !(5..=500).contains(&size) {
        return Err(invalid("MaxResults must be between 5 and 500"));
    }
    let filters = Filter::read(call);
    if filters.iter().map(|filter| filter.values.len()).sum::<usize>() > MOST_VALUES {
        let message = format!("The maximum number of filter values specified on a single call is {MOST_VALUES}");
        return Err(Refusal(400, "FilterLimitExceeded", message));
    }
    let lets = |instance: &Instance, filter: &Filter| match filter.name.as_str() {
        "attachment.instance-id" => filter.lets(&instance.id),
        "encrypted" => filter.lets(&instance.key.is_some().to_string()),
        other => panic!("the double of EC2 has no filter {other} of volumes"),
    };
    let here = account.instances.values().filter(|instance| instance.region == call.region);
    let found: Vec<&Instance> = here.filter(|instance| filters.iter().all(|filter| lets(instance, filter))).collect();
    let (found, token) = page(found, call.get("NextToken"), size.min(account.page));
    let described = |instance: &Instance| {
        let attached = list("attachmentSet", "item", [tag("instanceId", &instance.id)]);
        let id = tag("volumeId", &format!("vol-{}", instance.id.trim_start_matches("i-")));
        let key = instance.key.as_ref().map(|key| tag("kmsKeyId", key)).unwrap_or_default();
        format!("{id}{}{key}{attached}", tag("encrypted", &instance.key.is_some().to_string()))
    };
    Ok(format!("{}{}", list("volumeSet", "item", found.into_iter().map(described)), next("nextToken", token)))
}
