//! What the ledger keeps of what IAM was asked after a run, and answered: the people that are told of, and, while it is being
//! asked, how far that has come.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::answers::Way;
use super::{LIMITS, PROPAGATION};
use crate::clock;
use crate::ids::RunId;
use crate::principal::Principal;
use crate::record::FORMAT;

/// People that are kept: those who can still launch first, then those of whom it cannot be told. All are counted.
const MOST_KEPT: usize = 100;
/// Ways, and reasons, that are kept of one of them.
const MOST_WAYS: usize = 8;

/// What IAM said of who can still launch after a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// [`FORMAT`].
    pub format: u32,
    /// The run.
    pub run: RunId,
    /// After which try it was asked.
    #[serde(rename = "try")]
    pub try_number: u32,
    /// When asking began.
    pub began: Timestamp,
    /// When the last answer was written down.
    pub at: Timestamp,
    /// Everybody was asked about, or it failed.
    pub finished: bool,
    /// Why it could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// How many of whom.
    pub counts: Counts,
    /// Those who are told of.
    #[serde(default)]
    pub people: Vec<Person>,
    /// What else people must know, such as a restricted group that is no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How far it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
}

/// How many people stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All that were asked about.
    pub asked: usize,
    /// Of those, who can still launch.
    pub can: usize,
    /// Of those, of whom it cannot be told.
    pub untold: usize,
}

/// Somebody whom the stage restricts, and what they can still do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their ARN: a user's or a role's.
    pub arn: String,
    /// Through whom the stage restricts them: themselves, or groups.
    pub by: Vec<Principal>,
    /// How they can still launch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<Way>,
    /// How many more ways they have than are kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_ways: usize,
    /// What cannot be told, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<String>,
}

/// How somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// They can still launch.
    Can,
    /// It cannot be told.
    CannotTell,
    /// They cannot.
    Cannot,
}

impl Person {
    /// How they stand.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (self.ways.is_empty(), self.untold.is_empty()) {
            (false, _) => Standing::Can,
            (true, false) => Standing::CannotTell,
            (true, true) => Standing::Cannot,
        }
    }

    /// `user ann`, or `role Deploy`.
    #[must_use]
    pub fn title(&self) -> String {
        let kind = if self.arn.contains(":role/") { "role" } else { "user" };
        format!("{kind} {}", self.arn.rsplit('/').next().unwrap_or(&self.arn))
    }

    /// One line, of somebody from whom nothing was taken yet.
    #[must_use]
    pub fn line_before(&self) -> String {
        self.line().replace("CAN STILL LAUNCH", "can launch")
    }

    /// One line.
    #[must_use]
    pub fn line(&self) -> String {
        let more = (self.more_ways > 0).then(|| format!("in {} more ways", self.more_ways));
        let ways: Vec<String> = self.ways.iter().map(Way::words).chain(more).collect();
        match self.standing() {
            Standing::Can => format!("{}: CAN STILL LAUNCH {}", self.title(), ways.join("; ")),
            Standing::CannotTell => format!("{}: cannot be told: {}", self.title(), self.untold.join("; ")),
            Standing::Cannot => format!("{}: cannot launch", self.title()),
        }
    }
}

/// How far asking has come. Names travel, not numbers: people and roles come and go meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// When this round began.
    pub round: Timestamp,
    /// All roles up to this ARN were asked about.
    #[serde(default)]
    pub roles_to: Option<String>,
    /// Of those, the ones by which somebody could launch.
    #[serde(default)]
    pub roles: Vec<RoleAnswer>,
    /// All people up to this ARN were asked about.
    #[serde(default)]
    pub people_to: Option<String>,
    /// Only these are asked about again; all, in the first round.
    #[serde(default)]
    pub only: Option<BTreeSet<String>>,
    /// Those whose answers do not show our change yet.
    #[serde(default)]
    pub stale: BTreeSet<String>,
}

/// A role by which somebody could launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleAnswer {
    /// Its ARN.
    pub arn: String,
    /// What it can launch; nothing when it cannot be told.
    #[serde(default)]
    pub way: Option<Way>,
    /// Why it cannot be told.
    #[serde(default)]
    pub untold: Option<String>,
}

impl Work {
    fn begin(now: Timestamp, only: Option<BTreeSet<String>>) -> Self {
        Self { round: now, roles_to: None, roles: Vec::new(), people_to: None, only, stale: BTreeSet::new() }
    }
}

impl Verification {
    /// One that begins.
    #[must_use]
    pub fn begin(run: &RunId, try_number: u32, now: Timestamp) -> Self {
        Self {
            format: FORMAT,
            run: run.clone(),
            try_number,
            began: now,
            at: now,
            finished: false,
            failed: None,
            counts: Counts::default(),
            people: Vec::new(),
            notes: Vec::new(),
            work: Some(Work::begin(now, None)),
        }
    }

    /// Writes down what was learned of somebody; `stale` when it does not show our change yet.
    pub fn learn(&mut self, mut person: Person, stale: bool) {
        person.more_ways += person.ways.len().saturating_sub(MOST_WAYS);
        person.ways.truncate(MOST_WAYS);
        person.untold.truncate(MOST_WAYS);
        if let Some(work) = &mut self.work {
            work.people_to = Some(person.arn.clone());
            if stale {
                work.stale.insert(person.arn.clone());
            }
        }
        self.counts.asked += 1;
        match person.standing() {
            Standing::Can => self.counts.can += 1,
            Standing::CannotTell => self.counts.untold += 1,
            Standing::Cannot => {}
        }
        self.people.push(person);
        self.people.sort_by(|a, b| (a.standing(), &a.arn).cmp(&(b.standing(), &b.arn)));
        self.people.truncate(MOST_KEPT);
    }

    /// A round is over. Those whose answers did not show our change are asked about again, unless they were given after IAM had
    /// its time: is that to be done?
    pub fn end_round(&mut self, now: Timestamp) -> bool {
        self.at = now;
        let Some(work) = self.work.take() else { return false };
        let had_its_time = work.round >= self.began + SignedDuration::from_secs(PROPAGATION);
        if work.stale.is_empty() || had_its_time {
            self.finished = true;
            return false;
        }
        // Each of them could launch, and is counted so.
        self.counts.asked = self.counts.asked.saturating_sub(work.stale.len());
        self.counts.can = self.counts.can.saturating_sub(work.stale.len());
        self.people.retain(|person| !work.stale.contains(&person.arn));
        self.work = Some(Work::begin(now, Some(work.stale)));
        true
    }

    /// It could not be asked.
    pub fn fail(&mut self, now: Timestamp, why: impl Into<String>) {
        (self.at, self.finished, self.failed, self.work) = (now, true, Some(why.into()), None);
    }

    /// Would a stage that demands it end as failed? One that was not asked to the end is no answer.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        !self.finished || self.failed.is_some() || self.counts.can > 0
    }

    /// In a few words, for the run's history.
    #[must_use]
    pub fn words(&self) -> String {
        let Counts { asked, can, untold } = self.counts;
        let cannot_tell = if untold == 0 { String::new() } else { format!(", and of {untold} it cannot be told") };
        if !self.finished {
            return format!("IAM is being asked: {asked} so far, of whom {can} can still launch");
        }
        match (&self.failed, can) {
            (Some(why), _) => format!("who can still launch could not be verified: {why}"),
            (None, 0) => format!("nobody can still launch, of {asked} asked about{cannot_tell}"),
            (None, _) => format!("{can} of {asked} can still launch{cannot_tell}"),
        }
    }

    /// For people: one line each.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("Who can still launch? {} ({}):\n", capitalised(&self.words()), clock::words(self.at));
        for line in self.people.iter().map(Person::line).chain(self.notes.iter().cloned()) {
            let _ = writeln!(text, "  {line}");
        }
        let more = self.counts.asked.saturating_sub(self.people.len());
        if more > 0 {
            let _ = writeln!(text, "  ... and {more} more");
        }
        let _ = writeln!(text, "  ({LIMITS})");
        text
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
