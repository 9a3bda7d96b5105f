//! EC2's instances, and what Auto Scaling says of them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::account::Account;
use super::wire::{Call, Refusal, list, page, tag};

/// An instance's state, with EC2's code for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    Pending = 0,
    Running = 16,
    ShuttingDown = 32,
    Terminated = 48,
    Stopping = 64,
    Stopped = 80,
}

impl Power {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    fn xml(self, name: &str) -> String {
        format!("<{name}>{}{}</{name}>", tag("code", &(self as u8).to_string()), tag("name", self.name()))
    }
}

/// An instance.
#[derive(Debug, Clone)]
pub struct Instance {
    pub id: String,
    pub power: Power,
    /// What it is on its way to, and when it gets there.
    pub becomes: Option<(Timestamp, Power)>,
    tags: BTreeMap<String, String>,
    group: Option<String>,
    protected: bool,
    one_time_spot: bool,
    refusals: usize,
}

impl Instance {
    /// An instance that is `power`, with tags like `Project=Beta Name=web-1`.
    pub fn new(id: &str, power: Power, tags: &str) -> Self {
        let tags = tags.split_whitespace().filter_map(|tag| tag.split_once('='));
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let id = id.to_owned();
        Self { id, power, becomes: None, tags, group: None, protected: false, one_time_spot: false, refusals: 0 }
    }

    /// An Auto Scaling group has it: when it stops, the group terminates it.
    pub fn in_group(self, group: &str) -> Self {
        Self { group: Some(group.to_owned()), ..self }
    }

    /// Stop protection is on.
    pub fn protected(self) -> Self {
        Self { protected: true, ..self }
    }

    /// It came from a one-time spot request, and cannot be stopped.
    pub fn one_time_spot(self) -> Self {
        Self { one_time_spot: true, ..self }
    }

    /// EC2 has no capacity to start it, so many times.
    pub fn refusing_start(self, times: usize) -> Self {
        Self { refusals: times, ..self }
    }

    /// The instance as it is at `now`, of a change that takes its time. A group replaces its member that stopped.
    pub fn settle(&mut self, now: Timestamp) {
        if let Some((_, power)) = self.becomes.take_if(|(at, _)| *at <= now) {
            self.power = if power == Power::Stopped && self.group.is_some() { Power::Terminated } else { power };
        }
    }
}

/// Answers a call to EC2.
pub fn answer(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "DescribeInstances" => describe(account, call),
        "StopInstances" => stop(account, call, now),
        "StartInstances" => start(account, call, now),
        other => panic!("the double of EC2 has no {other}"),
    }
}

/// Answers a call to Auto Scaling.
pub fn answer_auto_scaling(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "DescribeAutoScalingInstances" => describe_members(account, call),
        other => panic!("the double of Auto Scaling has no {other}"),
    }
}

fn describe(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let ids = call.list("InstanceId");
    let size = call.get("MaxResults").map(str::parse::<usize>).transpose().map_err(|_| invalid("MaxResults is no number"))?;
    if !ids.is_empty() && size.is_some() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(Refusal(400, "InvalidParameterCombination", message.to_owned()));
    }
    if size.is_some_and(|size| !(5..=1000).contains(&size)) {
        return Err(invalid("MaxResults must be between 5 and 1000"));
    }
    check_ids(account, &ids)?;
    let filters = filters(call)?;
    let matching = |instance: &&Instance| {
        (ids.is_empty() || ids.contains(&instance.id.as_str())) && filters.iter().all(|filter| filter.takes(instance))
    };
    let found: Vec<String> = account.instances.values().filter(matching).map(described).collect();
    // A page may hold fewer than were asked for.
    let (found, next) = page(found, call.get("NextToken"), size.map_or(usize::MAX / 2, |size| size.min(account.page)));
    let next = next.map(|token| tag("nextToken", &token)).unwrap_or_default();
    Ok(format!("{}{next}", list("reservationSet", "item", found)))
}

fn described(instance: &Instance) -> String {
    let tags = instance.tags.iter().map(|(key, value)| format!("{}{}", tag("key", key), tag("value", value)));
    let lifecycle = if instance.one_time_spot { tag("instanceLifecycle", "spot") } else { String::new() };
    let fields = format!(
        "{}{}<rootDeviceType>ebs</rootDeviceType>{lifecycle}{}",
        tag("instanceId", &instance.id),
        instance.power.xml("instanceState"),
        list("tagSet", "item", tags)
    );
    format!("<reservationId>r-1</reservationId>{}", list("instancesSet", "item", [fields]))
}

struct Filter {
    name: String,
    values: Vec<String>,
}

impl Filter {
    fn takes(&self, instance: &Instance) -> bool {
        let value = match self.name.as_str() {
            "instance-id" => Some(instance.id.as_str()),
            "instance-state-name" => Some(instance.power.name()),
            tag => tag.strip_prefix("tag:").and_then(|key| instance.tags.get(key)).map(String::as_str),
        };
        value.is_some_and(|value| self.values.iter().any(|pattern| like(pattern.as_bytes(), value.as_bytes())))
    }
}

fn filters(call: &Call) -> Result<Vec<Filter>, Refusal> {
    let named = (1..).map_while(|index| Some((index, call.get(&format!("Filter.{index}.Name"))?)));
    named
        .map(|(index, name)| {
            if !matches!(name, "instance-id" | "instance-state-name") && !name.starts_with("tag:") {
                return Err(invalid(&format!("The filter '{name}' is invalid")));
            }
            let values = call.list(&format!("Filter.{index}.Value")).into_iter().map(str::to_owned).collect();
            Ok(Filter { name: name.to_owned(), values })
        })
        .collect()
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

fn stop(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let ids = call.list("InstanceId");
    check_ids(account, &ids)?;
    for instance in ids.iter().map(|id| &account.instances[*id]) {
        let id = &instance.id;
        match instance.power {
            Power::Pending | Power::ShuttingDown | Power::Terminated => {
                return Err(wrong_state(id, "stopped"));
            }
            _ if instance.protected => {
                let message = format!("The instance '{id}' may not be stopped. Modify its 'disableApiStop' instance attribute");
                return Err(Refusal(400, "OperationNotPermitted", message));
            }
            _ if instance.one_time_spot => {
                let message = format!("You can't stop the Spot Instance '{id}': it is of a one-time Spot Instance request");
                return Err(Refusal(400, "UnsupportedOperation", message));
            }
            Power::Running | Power::Stopping | Power::Stopped => {}
        }
    }
    Ok(turn(account, &ids, Power::Running, Power::Stopping, Power::Stopped, now))
}

fn start(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let ids = call.list("InstanceId");
    check_ids(account, &ids)?;
    for id in &ids {
        let instance = account.instances.get_mut(*id).expect("its id was checked");
        match instance.power {
            Power::Stopping | Power::ShuttingDown | Power::Terminated => return Err(wrong_state(id, "started")),
            Power::Stopped if instance.refusals > 0 => {
                instance.refusals -= 1;
                let message = "We currently do not have sufficient capacity in the Availability Zone you requested.";
                return Err(Refusal(500, "InsufficientInstanceCapacity", message.to_owned()));
            }
            Power::Stopped | Power::Pending | Power::Running => {}
        }
    }
    Ok(turn(account, &ids, Power::Stopped, Power::Pending, Power::Running, now))
}

/// Turns those of `ids` that are `from`; the others are on that way or there already.
fn turn(account: &mut Account, ids: &[&str], from: Power, via: Power, to: Power, now: Timestamp) -> String {
    let mut changes = Vec::new();
    for id in ids {
        let instance = account.instances.get_mut(*id).expect("its id was checked");
        let previous = instance.power;
        if previous == from {
            instance.power = via;
            instance.becomes = Some((now + SignedDuration::from_secs(account.takes), to));
            account.touched.insert((*id).to_owned());
        }
        instance.settle(now);
        let states = format!("{}{}", instance.power.xml("currentState"), previous.xml("previousState"));
        changes.push(format!("{}{states}", tag("instanceId", id)));
    }
    list("instancesSet", "item", changes)
}

fn describe_members(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let ids = call.list("InstanceIds.member");
    if ids.len() > 50 {
        return Err(Refusal(400, "ValidationError", "at most 50 instance ids".to_owned()));
    }
    let asked = |instance: &&Instance| ids.is_empty() || ids.contains(&instance.id.as_str());
    let member = |instance: &Instance| {
        let group = tag("AutoScalingGroupName", instance.group.as_ref()?);
        let state = "<LifecycleState>InService</LifecycleState><HealthStatus>HEALTHY</HealthStatus>";
        let zone = "<AvailabilityZone>us-east-1a</AvailabilityZone><ProtectedFromScaleIn>false</ProtectedFromScaleIn>";
        Some(format!("{}{group}{state}{zone}", tag("InstanceId", &instance.id)))
    };
    let members: Vec<String> = account.instances.values().filter(asked).filter_map(member).collect();
    let (members, next) = page(members, call.get("NextToken"), account.page);
    let next = next.map(|token| tag("NextToken", &token)).unwrap_or_default();
    Ok(format!("{}{next}", list("AutoScalingInstances", "member", members)))
}

/// One id that is not there fails the whole call.
fn check_ids(account: &Account, ids: &[&str]) -> Result<(), Refusal> {
    let missing: Vec<&str> = ids.iter().copied().filter(|id| !account.instances.contains_key(*id)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("The instance IDs '{}' do not exist", missing.join(", "));
    Err(Refusal(400, "InvalidInstanceID.NotFound", message))
}

fn wrong_state(id: &str, done: &str) -> Refusal {
    let message = format!("The instance '{id}' is not in a state from which it can be {done}.");
    Refusal(400, "IncorrectInstanceState", message)
}

fn invalid(message: &str) -> Refusal {
    Refusal(400, "InvalidParameterValue", message.to_owned())
}
