//! The instances that a listing shows: by ids, by filters, by pages.

use std::collections::BTreeSet;
use std::ops::Bound;

use jiff::Timestamp;

use super::instance::{Instance, Power};
use crate::account::Account;
use crate::wire::{Call, Refusal};

/// Values that one call's filters may have.
const MOST_VALUES: usize = 200;

/// Instances as a listing shows them, each with its state, and the token of the next page.
pub type Selected<'a> = (Vec<(&'a Instance, Power)>, Option<String>);

/// The instances of the call's Region that it asks for, as they were at `then`, and of which `also` is true. A page begins after
/// the id that is its token, so its cost is that of the instances it shows.
pub fn select<'a>(
    account: &'a Account,
    call: &Call,
    then: Timestamp,
    also: impl Fn(&Instance, Power) -> bool,
) -> Result<Selected<'a>, Refusal> {
    let ids = call.list("InstanceId");
    let size = call.number("MaxResults")?;
    if !ids.is_empty() && size.is_some() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(Refusal(400, "InvalidParameterCombination", message.to_owned()));
    }
    if size.is_some_and(|size| !(5..=1000).contains(&size)) {
        return Err(invalid("MaxResults must be between 5 and 1000"));
    }
    check_ids(account, call, &ids)?;
    let filters = Filter::all(call)?;
    // A page may hold fewer than were asked for.
    let size = size.map_or(usize::MAX, |size| size.min(account.page));
    let after = call.get("NextToken").map_or(Bound::Unbounded, Bound::Excluded);
    let named = named(&ids, &filters);
    let candidates: Box<dyn Iterator<Item = &Instance>> = match &named {
        Some(ids) => Box::new(ids.range::<str, _>((after, Bound::Unbounded)).filter_map(|id| account.instances.get(*id))),
        None => Box::new(account.instances.range::<str, _>((after, Bound::Unbounded)).map(|(_, instance)| instance)),
    };
    let shown = |instance: &'a Instance| {
        let power = instance.power_at(then).filter(|_| instance.region == call.region)?;
        let taken = filters.iter().all(|filter| filter.takes(instance, power)) && also(instance, power);
        taken.then_some((instance, power))
    };
    let mut found: Vec<_> = candidates.filter_map(shown).take(size.saturating_add(1)).collect();
    let is_more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| is_more).map(|(instance, _)| instance.id.clone());
    Ok((found, next))
}

/// The ids that a call names, if it names them.
fn named<'a>(ids: &[&'a str], filters: &'a [Filter]) -> Option<BTreeSet<&'a str>> {
    if !ids.is_empty() {
        return Some(ids.iter().copied().collect());
    }
    let filter = filters.iter().find(|filter| filter.name == "instance-id")?;
    let literal = filter.values.iter().all(|value| !value.contains(['*', '?', '\\']));
    literal.then(|| filter.values.iter().map(String::as_str).collect())
}

/// One id that is not there fails the whole call.
pub fn check_ids(account: &Account, call: &Call, ids: &[&str]) -> Result<(), Refusal> {
    let is_there = |id: &str| account.instances.get(id).is_some_and(|instance| instance.region == call.region);
    let missing: Vec<&str> = ids.iter().copied().filter(|id| !is_there(id)).collect();
    let message = match missing.as_slice() {
        [] => return Ok(()),
        [id] => format!("The instance ID '{id}' does not exist"),
        ids => format!("The instance IDs '{}' do not exist", ids.join(", ")),
    };
    Err(Refusal(400, "InvalidInstanceID.NotFound", message))
}

/// A filter and the patterns of its values.
pub struct Filter {
    pub name: String,
    pub values: Vec<String>,
}

impl Filter {
    fn all(call: &Call) -> Result<Vec<Self>, Refusal> {
        let filters = Self::read(call);
        if let Some(filter) = filters.iter().find(|filter| !filter.is_known()) {
            return Err(invalid(&format!("The filter '{}' is invalid", filter.name)));
        }
        if filters.iter().map(|filter| filter.values.len()).sum::<usize>() > MOST_VALUES {
            let message = format!("The maximum number of filter values specified on a single call is {MOST_VALUES}");
            return Err(Refusal(400, "FilterLimitExceeded", message));
        }
        Ok(filters)
    }

    /// The filters of a call, whatever they are named.
    pub fn read(call: &Call) -> Vec<Self> {
        let named = (1..).map_while(|index| Some((index, call.get(&format!("Filter.{index}.Name"))?)));
        let values = |index| call.list(&format!("Filter.{index}.Value")).into_iter().map(str::to_owned).collect();
        named.map(|(index, name)| Self { name: name.to_owned(), values: values(index) }).collect()
    }

    fn is_known(&self) -> bool {
        matches!(self.name.as_str(), "instance-id" | "instance-state-name") || self.name.starts_with("tag:")
    }

    fn takes(&self, instance: &Instance, power: Power) -> bool {
        let value = match self.name.as_str() {
            "instance-id" => Some(instance.id.as_str()),
            "instance-state-name" => Some(power.name()),
            tag => tag.strip_prefix("tag:").and_then(|key| instance.tags.get(key)).map(String::as_str),
        };
        value.is_some_and(|value| self.lets(value))
    }

    pub fn lets(&self, value: &str) -> bool {
        self.values.iter().any(|pattern| like(pattern.as_bytes(), value.as_bytes()))
    }
}

/// EC2's filters know `*` and `?`, and `\` before one of them to mean itself.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => like(rest, text) || (!text.is_empty() && like(pattern, &text[1..])),
        ([b'?', rest @ ..], [_, tail @ ..]) => like(rest, tail),
        ([b'\\', escaped, rest @ ..], [first, tail @ ..]) => escaped == first && like(rest, tail),
        ([one, rest @ ..], [first, tail @ ..]) => one == first && like(rest, tail),
        _ => false,
    }
}

pub(super) fn invalid(message: &str) -> Refusal {
    Refusal(400, "InvalidParameterValue", message.to_owned())
}
