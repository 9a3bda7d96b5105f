//! The events that will happen by themselves, by their time: nobody looks through the whole account for those that are due.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::auto_scaling::group::Key;
use super::wire::Call;

/// Something that happens by itself. Events of the same moment happen in this order.
#[derive(Debug, Clone)]
pub enum Event {
    /// An instance may have reached the state that it was on its way to.
    Power(String),
    /// An activity of a group ends.
    ActivityEnds(Key, usize),
    /// A group reconciles its members.
    Reconcile(Key),
    /// A group looks at its members.
    Check(Key),
    /// A database may have reached its next status, or is started by RDS.
    Database(String),
    /// A cluster of Redshift, by Region and name, may have reached its next status.
    Warehouse((String, String)),
    /// A scheduled action of Redshift falls due.
    Schedule((String, String)),
    /// A call lands whose caller is gone.
    Late(Call),
}

/// Events to come.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    queue: BTreeMap<(Timestamp, usize, u64), Event>,
    pushed: u64,
}

impl Timeline {
    /// Something will happen at `at`.
    pub fn push(&mut self, at: Timestamp, event: Event) {
        let rank = match event {
            Event::Power(_) => 0,
            Event::ActivityEnds(..) => 1,
            Event::Reconcile(_) => 2,
            Event::Check(_) => 3,
            Event::Database(_) => 4,
            Event::Warehouse(_) => 5,
            Event::Schedule(_) => 6,
            Event::Late(_) => 7,
        };
        self.pushed += 1;
        self.queue.insert((at, rank, self.pushed), event);
    }

    /// The next that happens until `now`, and when.
    pub fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Event)> {
        let next = self.queue.first_entry().filter(|next| next.key().0 <= now)?;
        let at = next.key().0;
        Some((at, next.remove()))
    }
}
