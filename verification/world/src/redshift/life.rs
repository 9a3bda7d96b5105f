//! Redshift by the clock: clusters get where they were going, and scheduled actions fall due.

use jiff::{SignedDuration, Timestamp};

use super::{Does, Key, Schedule, Warehouse, calls};
use crate::account::Account;
use crate::place::place;
use crate::timeline::Event;

impl Account {
    /// Adds a cluster with a snapshot of this moment, and enables its Region.
    pub fn warehouse(&mut self, mut warehouse: Warehouse) -> &mut Self {
        self.regions.insert(warehouse.region.clone());
        let key = warehouse.key();
        if let Some((at, _)) = warehouse.becomes {
            self.timeline.push(at, Event::Warehouse(key.clone()));
        }
        if warehouse.retention > 0 {
            warehouse.snapshots.push((self.now, "available"));
        }
        self.redshift.warehouses.insert(key, warehouse);
        self
    }

    /// Adds a scheduled action.
    pub fn schedule(&mut self, schedule: Schedule) -> &mut Self {
        let key = schedule.key();
        if let Some(at) = schedule.next {
            self.timeline.push(at, Event::Schedule(key.clone()));
        }
        self.redshift.schedules.insert(key, schedule);
        self
    }

    /// The cluster of that name, in whichever Region.
    pub fn dw(&mut self, name: &str) -> &mut Warehouse {
        let found = self.redshift.warehouses.values_mut().find(|warehouse| warehouse.name == name);
        found.unwrap_or_else(|| panic!("there is no cluster {name}"))
    }

    /// The scheduled action of that name, in whichever Region.
    pub fn scheduled(&mut self, name: &str) -> &mut Schedule {
        let found = self.redshift.schedules.values_mut().find(|schedule| schedule.name == name);
        found.unwrap_or_else(|| panic!("there is no scheduled action {name}"))
    }

    /// A cluster is `via` from now on, and `to` in a while.
    pub(super) fn turn_warehouse(&mut self, key: &Key, via: &'static str, to: &'static str, now: Timestamp) {
        let until = now + SignedDuration::from_secs(self.takes);
        let Some(warehouse) = self.redshift.warehouses.get_mut(key) else { return };
        warehouse.set(via);
        warehouse.becomes = Some((until, to));
        if via == "pausing" {
            // Redshift makes one at each pause.
            warehouse.snapshots.push((now, "available"));
            if !warehouse.node_type.starts_with("ra3.") {
                warehouse.without_backup = 0;
            }
        }
        warehouse.resumes += usize::from(via == "resuming");
        self.timeline.push(until, Event::Warehouse(key.clone()));
    }

    /// A cluster reaches the status that it was on its way to.
    pub(crate) fn settle_warehouse(&mut self, key: &Key, at: Timestamp) {
        let Some(warehouse) = self.redshift.warehouses.get_mut(key) else { return };
        if let Some((_, to)) = warehouse.becomes.take_if(|(due, _)| *due <= at) {
            warehouse.status = to;
        }
    }

    /// A scheduled action falls due. One that is disabled does nothing, and neither does one whose cluster refuses.
    pub(crate) fn run_schedule(&mut self, key: &Key, at: Timestamp) {
        let Some(schedule) = self.redshift.schedules.get_mut(key) else { return };
        if schedule.next.is_none_or(|due| due > at) {
            return;
        }
        let next = at + SignedDuration::from_hours(24);
        schedule.next = Some(next);
        let (is_active, does) = (schedule.state == "ACTIVE", schedule.does);
        let cluster = (key.0.clone(), schedule.cluster.clone());
        self.timeline.push(next, Event::Schedule(key.clone()));
        let Some(warehouse) = self.redshift.warehouses.get(&cluster).filter(|_| is_active) else { return };
        let (via, to) = match does {
            Does::Resume => ("resuming", "available"),
            Does::Resize => ("resizing", "available"),
            Does::Pause => ("pausing", "paused"),
        };
        let takes_it = match does {
            Does::Resume => calls::refusal_to_resume(&self.redshift, warehouse).is_ok(),
            Does::Resize => warehouse.status == "available",
            Does::Pause => calls::refusal_to_pause(warehouse, at).is_ok(),
        };
        if takes_it {
            self.turn_warehouse(&cluster, via, to, at);
        }
    }

    /// Everything that an action may change: a cluster's status, and `nightly schedule` is `ACTIVE`.
    pub(crate) fn redshift_snapshot(&self) -> impl Iterator<Item = (String, String)> {
        let warehouses = self.redshift.warehouses.values();
        let warehouses = warehouses.map(|one| (place(&one.region, &one.name), one.status.to_owned()));
        let schedules = self.redshift.schedules.values();
        warehouses.chain(schedules.map(|one| (format!("{} schedule", place(&one.region, &one.name)), one.state.to_owned())))
    }
}
