//! Answers for the services that a table tells.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use super::account::Account;
use super::things::{Table, Thing, Things};
use super::wire::{Call, Refusal, page};

/// A call for the record: IAM's action, the resource, and the resource's tags.
pub(super) fn told(account: &Account, table: &Table, call: &Call) -> (String, String, BTreeMap<String, String>) {
    let named = named(table, &account.things, call).ok();
    let (arn, tags) = named.map_or_else(|| ("*".to_owned(), BTreeMap::new()), |thing| (thing.arn.clone(), thing.tags.clone()));
    (format!("{}:{}", table.service, call.operation), arn, tags)
}

/// Answers a call that only reads, by the resources as they are listed at that moment.
pub(super) fn read(account: &Account, table: &Table, things: &Things, call: &Call, then: Timestamp) -> Result<String, Refusal> {
    let (list, field, shown) = table.list;
    if call.operation == list {
        let of_service = |thing: &&Thing| thing.region == call.region && thing.arn.split(':').nth(2) == Some(table.service);
        let all: Vec<&Thing> = things.values().filter(of_service).collect();
        let (page, next) = page(all, call.json["NextToken"].as_str(), account.page);
        let shown: Vec<Json> = page.into_iter().map(|thing| shown(thing, thing.state(then))).collect();
        return Ok(json!({field: shown, "NextToken": next}).to_string());
    }
    let read = table.reads.iter().find(|(operation, _)| *operation == call.operation);
    let (_, shown) = read.unwrap_or_else(|| panic!("the double of {} has no {}", table.target, call.operation));
    let thing = named(table, things, call)?;
    Ok(shown(thing, thing.state(then)).to_string())
}

/// Answers a call that turns a resource.
pub(super) fn turn(account: &mut Account, table: &Table, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let turn = table.turns.iter().find(|turn| turn.operation == call.operation);
    let turn = turn.unwrap_or_else(|| panic!("the double of {} has no {}", table.target, call.operation));
    let thing = named(table, &account.things, call)?;
    let (arn, name, is) = (thing.arn.clone(), thing.name.clone(), thing.state(now));
    if is != turn.from {
        return Err(Refusal(
            400,
            table.wrong_state,
            format!("{name} is {is}: {} takes one that is {}", turn.operation, turn.from),
        ));
    }
    if account.lag > 0 {
        let before = account.things.clone();
        account.past_things.remember(now, account.lag, before);
    }
    let until = now + SignedDuration::from_secs(account.takes);
    if let Some(thing) = account.things.get_mut(&arn) {
        thing.turn(turn.via, until, turn.to);
    }
    account.touch(&call.region, &name);
    let shown = table.reads.first().map(|(_, shown)| shown(&account.things[&arn], turn.via)).unwrap_or_default();
    Ok(shown.to_string())
}

/// The resource that a call names.
pub(super) fn named<'a>(table: &Table, things: &'a Things, call: &Call) -> Result<&'a Thing, Refusal> {
    let arn = table.named_by.iter().find_map(|name| call.json[name].as_str());
    let missing = || Refusal(400, table.missing, format!("{} was not found", arn.unwrap_or("a resource without a name")));
    arn.and_then(|arn| things.get(arn)).filter(|thing| thing.region == call.region).ok_or_else(missing)
}
