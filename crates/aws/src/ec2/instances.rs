//! Instances as EC2 lists them.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Instance, InstanceStateName, Tenancy};
use guardrails_model::action::{ActionError, Seen};
use guardrails_model::config::Tags;
use guardrails_model::ids::{FacetId, Value};
use guardrails_model::pace::Pacer;

use super::limits::DESCRIBE_REQUESTS;
use crate::error::Failure;

/// The kind of the facet: does the instance run?
pub const POWER: &str = "instance-power";
/// Instances a page of a listing.
const PAGE: i32 = 1000;
/// The states of an instance that is there, and stays.
const STATES: [&str; 4] = ["pending", "running", "stopping", "stopped"];
/// Values that a filter takes.
const FILTER_VALUES: usize = 200;
/// The reasons of a stop that somebody asked for; any other says why an instance fell back.
const ASKED_FOR: [&str; 4] =
    ["Client.UserInitiatedShutdown", "Client.UserInitiatedHibernate", "Client.InstanceInitiatedShutdown", "pending"];

/// It runs.
#[must_use]
pub fn running() -> Value {
    Value::new("running")
}

/// It is stopped.
#[must_use]
pub fn stopped() -> Value {
    Value::new("stopped")
}

/// Lists instances, within the pace.
#[derive(Clone)]
pub struct Lister {
    /// Of the Region.
    pub ec2: Client,
    /// Keeps the pace.
    pub pacer: Arc<Pacer>,
}

impl Lister {
    /// The instances that carry `tags` and are neither terminated nor about to be.
    ///
    /// # Errors
    /// When EC2 does not list them.
    pub async fn tagged(&self, tags: &Tags) -> Result<Vec<Instance>, ActionError> {
        let wanted = tags.iter().map(|(key, values)| filter(&format!("tag:{key}"), values));
        // The stopped too: an earlier stage may hold them, and then this one must hold them as well.
        let states = filter("instance-state-name", STATES);
        let mut found = self.find(wanted.chain([states]).collect()).await?;
        // In a filter `*` and `?` match anything; in guardrails.yaml they are themselves.
        found.retain(|instance| carries(instance, tags));
        Ok(found)
    }

    /// The instances with these ids, those that EC2 lists.
    ///
    /// # Errors
    /// When EC2 does not list them.
    pub async fn with_ids(&self, ids: &[&str]) -> Result<Vec<Instance>, ActionError> {
        let mut found = Vec::new();
        for batch in ids.chunks(FILTER_VALUES) {
            found.extend(self.find(vec![filter("instance-id", batch.iter().copied())]).await?);
        }
        Ok(found)
    }

    /// The present state of each instance.
    ///
    /// # Errors
    /// When EC2 does not say.
    pub async fn observe(&self, facets: &[&FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let ids: Vec<&str> = facets.iter().map(|facet| instance_id(facet)).collect();
        let listed = self.with_ids(&ids).await?;
        let listed: HashMap<&str, Seen> =
            listed.iter().filter_map(|instance| Some((instance.instance_id()?, state(instance)))).collect();
        let mut seen = HashMap::new();
        for facet in facets {
            let id = instance_id(facet);
            let what = match listed.get(id) {
                Some(seen) => seen.clone(),
                // A listing is eventually consistent: that an instance is gone is believed only when EC2 says so of it.
                None => self.ask_for(id).await?,
            };
            seen.insert((*facet).clone(), what);
        }
        Ok(seen)
    }

    /// Those of these instances that are terminated, or about to be, each with the reason.
    ///
    /// # Errors
    /// When EC2 does not say.
    pub async fn gone(&self, ids: &[&str]) -> Result<HashMap<String, String>, ActionError> {
        let listed = self.with_ids(ids).await?;
        let mut gone = HashMap::new();
        for id in ids {
            let seen = match listed.iter().find(|instance| instance.instance_id() == Some(id)) {
                Some(instance) => state(instance),
                None => self.ask_for(id).await?,
            };
            if let Seen::Gone(why) = seen {
                gone.insert((*id).to_owned(), why);
            }
        }
        Ok(gone)
    }

    /// Every instance of the Region that is neither terminated nor about to be, whatever its tags.
    ///
    /// # Errors
    /// When EC2 does not list them.
    pub async fn all(&self) -> Result<Vec<Instance>, ActionError> {
        self.find(vec![filter("instance-state-name", STATES)]).await
    }

    async fn find(&self, filters: Vec<Filter>) -> Result<Vec<Instance>, ActionError> {
        let mut pages = self.ec2.describe_instances().set_filters(Some(filters)).max_results(PAGE).into_paginator().send();
        let mut instances = Vec::new();
        while let Some(page) = pages.next().await {
            self.pacer.spend(DESCRIBE_REQUESTS, 1);
            let page = page.map_err(|error| Failure::of(&error).reading("listing instances"))?;
            let reservations = page.reservations.unwrap_or_default().into_iter();
            instances.extend(reservations.flat_map(|reservation| reservation.instances.unwrap_or_default()));
        }
        Ok(instances)
    }

    async fn ask_for(&self, id: &str) -> Result<Seen, ActionError> {
        match self.ec2.describe_instances().instance_ids(id).send().await {
            Ok(answer) => {
                let instance = answer.reservations().iter().flat_map(aws_sdk_ec2::types::Reservation::instances).next();
                instance.map(state).ok_or_else(|| ActionError::Retryable(format!("EC2 did not say what became of {id}")))
            }
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.is("InvalidInstanceID.NotFound") {
                    Ok(Seen::Gone(format!("the instance {id} is there no more")))
                } else {
                    Err(failure.reading(&format!("looking at instance {id}")))
                }
            }
        }
    }
}

/// The state of an instance.
#[must_use]
pub fn state(instance: &Instance) -> Seen {
    match instance.state().and_then(|state| state.name()) {
        Some(InstanceStateName::Running) => Seen::Is(running()),
        Some(InstanceStateName::Stopped) => {
            why_stopped(instance).map_or(Seen::Is(stopped()), |why| Seen::FellBack(stopped(), why))
        }
        Some(InstanceStateName::Pending) => Seen::Moving(running()),
        Some(InstanceStateName::Stopping) => Seen::Moving(stopped()),
        other => {
            let state = other.map_or("in no known state", InstanceStateName::as_str);
            Seen::Gone(format!("the instance {} is {state}", instance.instance_id().unwrap_or_default()))
        }
    }
}

/// EC2's reason for a stop that nobody asked for, such as a key for its volume that is disabled.
fn why_stopped(instance: &Instance) -> Option<String> {
    let reason = instance.state_reason()?;
    let code = reason.code().filter(|code| !ASKED_FOR.contains(code) && !code.is_empty())?;
    Some(reason.message().filter(|message| *message != code).unwrap_or(code).to_owned())
}

/// Does the instance carry all of the tags, each with one of its values?
#[must_use]
pub fn carries(instance: &Instance, tags: &Tags) -> bool {
    tags.iter().all(|(key, values)| tag(instance, key).is_some_and(|value| values.contains(&value)))
}

/// The value of the instance's tag.
#[must_use]
pub fn tag<'a>(instance: &'a Instance, key: &str) -> Option<&'a str> {
    instance.tags().iter().find(|tag| tag.key() == Some(key)).map(|tag| tag.value().unwrap_or_default())
}

/// The instance as people know it: its id, and its name where it has one.
#[must_use]
pub fn label(instance: &Instance) -> String {
    let id = instance.instance_id().unwrap_or_default();
    tag(instance, "Name").filter(|name| !name.is_empty()).map_or_else(|| id.to_owned(), |name| format!("{id} ({name})"))
}

/// Notes for people before it is stopped: lasting changes, and obstacles to its start.
#[must_use]
pub fn note(instance: &Instance) -> Option<String> {
    let notes: Vec<String> =
        [address(instance), licence(instance), host(instance), reservation(instance)].into_iter().flatten().collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// License Manager counts licences of those that run.
fn licence(instance: &Instance) -> Option<String> {
    let arns: Vec<&str> = instance.licenses().iter().filter_map(|licence| licence.license_configuration_arn()).collect();
    (!arns.is_empty()).then(|| format!("it starts again only while a licence is free: {}", arns.join(" and ")))
}

/// A Dedicated Host is paid for whether or not an instance runs on it, and an instance with an affinity starts on no other.
fn host(instance: &Instance) -> Option<String> {
    let placement = instance.placement().filter(|placement| placement.tenancy() == Some(&Tenancy::Host))?;
    let is_mac = instance.instance_type().is_some_and(|of_type| of_type.as_str().starts_with("mac"));
    let scrubbed = if is_mac { ", and a Mac's host is cleaned for an hour or more before it can start" } else { "" };
    let host = placement.host_id().unwrap_or("its Dedicated Host");
    Some(format!("{host} is paid for meanwhile{scrubbed}"))
}

/// A reservation that it was launched into by name is paid for whether or not it is used.
fn reservation(instance: &Instance) -> Option<String> {
    let target = instance.capacity_reservation_specification()?.capacity_reservation_target()?;
    let id = target.capacity_reservation_id().or(target.capacity_reservation_resource_group_arn())?;
    Some(format!("its capacity reservation {id} is paid for meanwhile, and others may use it up"))
}

/// A public address that AWS assigned.
fn address(instance: &Instance) -> Option<String> {
    let assigned = instance.network_interfaces().iter().filter_map(|interface| {
        let association = interface.association()?;
        association.public_ip().filter(|_| association.ip_owner_id() == Some("amazon"))
    });
    let addresses: Vec<&str> = assigned.collect();
    (!addresses.is_empty()).then(|| format!("its public address {} will be another", addresses.join(" and ")))
}

/// The instance of a facet.
#[must_use]
pub fn instance_id(facet: &FacetId) -> &str {
    facet.parts().2
}

pub(super) fn filter<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().map(str::to_owned).collect())).build()
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{
        CapacityReservationSpecificationResponse, CapacityReservationTargetResponse, InstanceType, LicenseConfiguration,
        Placement,
    };

    use super::*;

    #[test]
    fn obstacles_to_a_start_are_noted() {
        assert_eq!(note(&Instance::builder().build()), None);
        let arn = "arn:aws:license-manager:us-east-1:111122223333:license-configuration:lic-0123";
        let licensed =
            Instance::builder().licenses(LicenseConfiguration::builder().license_configuration_arn(arn).build()).build();
        assert_eq!(note(&licensed), Some(format!("it starts again only while a licence is free: {arn}")));
        let placed = Placement::builder().tenancy(Tenancy::Host).host_id("h-1").build();
        let mac = Instance::builder().placement(placed).instance_type(InstanceType::from("mac2.metal")).build();
        assert!(note(&mac).unwrap().starts_with("h-1 is paid for meanwhile, and a Mac's host is cleaned"), "{:?}", note(&mac));
        let target = CapacityReservationTargetResponse::builder().capacity_reservation_id("cr-1").build();
        let reserved = CapacityReservationSpecificationResponse::builder().capacity_reservation_target(target).build();
        let reserved = Instance::builder().capacity_reservation_specification(reserved).build();
        assert!(note(&reserved).unwrap().contains("its capacity reservation cr-1 is paid for meanwhile"));
    }
}
