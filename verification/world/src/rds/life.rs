//! Databases by the clock: they get where they were going, and are started again.

use jiff::{SignedDuration, Timestamp};

use super::database::Database;
use crate::account::Account;
use crate::timeline::Event;

/// Seconds after which RDS starts a stopped database.
const WEEK: i64 = 7 * 24 * 3600;

impl Account {
    /// Adds a database, and enables its Region.
    pub fn database(&mut self, mut database: Database) -> &mut Self {
        self.regions.insert(database.region.clone());
        database.become_now(database.status, self.now);
        let arn = database.arn();
        let stopped = database.status == "stopped";
        if let Some((at, _)) = database.becomes {
            self.timeline.push(at, Event::Database(arn.clone()));
        }
        self.databases.insert(arn.clone(), database);
        if stopped {
            self.stopped(&arn, self.now);
        }
        self
    }

    /// The database of that name, in whichever Region.
    pub fn db(&mut self, name: &str) -> &mut Database {
        self.databases
            .values_mut()
            .find(|database| database.name == name)
            .unwrap_or_else(|| panic!("there is no database {name}"))
    }

    /// A database, and the members of a cluster with it, is `via` from now on, and `to` in a while.
    pub(super) fn turn_database(&mut self, arn: &str, via: &'static str, to: &'static str, now: Timestamp) {
        let until = now + SignedDuration::from_secs(self.takes);
        for arn in self.with_members(arn) {
            let Some(database) = self.databases.get_mut(&arn) else { continue };
            database.become_now(via, now);
            database.becomes = Some((until, to));
            database.starts += usize::from(via == "starting");
            self.timeline.push(until, Event::Database(arn));
        }
    }

    /// A database reaches the status that it was on its way to, or RDS starts it again.
    pub(crate) fn settle_database(&mut self, arn: &str, at: Timestamp) {
        let Some(database) = self.databases.get_mut(arn) else { return };
        if let Some((_, to)) = database.becomes.take_if(|(due, _)| *due <= at) {
            database.become_now(to, at);
            if to == "stopped" {
                self.stopped(arn, at);
            }
        } else if database.restarts.is_some_and(|due| due <= at) && database.member_of.is_none() {
            self.turn_database(arn, "starting", "available", at);
        }
    }

    /// It is stopped from now on, for seven days at the most.
    fn stopped(&mut self, arn: &str, at: Timestamp) {
        let until = at + SignedDuration::from_secs(WEEK);
        if let Some(database) = self.databases.get_mut(arn) {
            database.restarts = Some(until);
            self.timeline.push(until, Event::Database(arn.to_owned()));
        }
    }

    /// The ARNs of the database and, if it is a cluster, of its members.
    pub(super) fn with_members(&self, arn: &str) -> Vec<String> {
        let Some(whole) = self.databases.get(arn) else { return Vec::new() };
        let is_member = |other: &&Database| other.region == whole.region && other.member_of.as_ref() == Some(&whole.name);
        let members = self.databases.values().filter(is_member).map(Database::arn);
        [arn.to_owned()].into_iter().chain(members).collect()
    }
}
