//! The ledger's record of IAM's answers after a run: the people that are told of, and, while IAM is being asked, how far that has
//! come. An item of the ledger has room for 400 KB, for any number of people: those that are not kept are counted.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::person::{Person, Standing};
use super::work::Work;
use super::{BY, PROPAGATION};
use crate::clock;
use crate::ids::RunId;
use crate::omit::is_default;
use crate::record::{FORMAT, short};

/// People that are kept: those who can still launch first, then those of whom it cannot be told. All are counted.
const MOST_KEPT: usize = 100;
/// Bytes that they may take.
const MOST_BYTES: usize = 256 * 1024;
/// Notes that are kept.
const MOST_NOTES: usize = 20;
/// Letters of why it could not be asked.
const LONGEST_REASON: usize = 2000;

/// IAM's answers about the people who can still launch after a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Other notes for people, such as a restricted group that is no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How far it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
}

/// How many people stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// All that there are to ask about, as far as that is known; records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub of: usize,
    /// All that were asked about.
    pub asked: usize,
    /// Of those, who can still launch.
    pub can: usize,
    /// Of those, of whom it cannot be told.
    pub untold: usize,
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

    /// The number of people to ask about, and notes for people.
    pub fn count(&mut self, people: usize, mut notes: Vec<String>) {
        let more = notes.len().saturating_sub(MOST_NOTES);
        notes.truncate(MOST_NOTES);
        notes.extend((more > 0).then(|| format!("and {more} more of the kind")));
        (self.counts.of, self.notes) = (people, notes);
    }

    /// Writes down the answers about somebody; `stale` when they do not show our change yet.
    pub fn learn(&mut self, person: Person, stale: bool) {
        let person = person.kept();
        if let Some(work) = &mut self.work {
            work.half = None;
            work.people_to = Some(person.arn.clone());
            if stale {
                work.is_stale(&person.arn);
            }
        }
        self.counts.add(&person);
        let rank = |person: &Person| (person.standing(), person.arn.clone());
        let place = self.people.partition_point(|kept| rank(kept) < rank(&person));
        if place < MOST_KEPT {
            self.people.insert(place, person);
            self.people.truncate(MOST_KEPT);
            let mut bytes = 0;
            let fits = self.people.iter().take_while(|person| {
                bytes += person.bytes();
                bytes <= MOST_BYTES
            });
            let fits = fits.count();
            self.people.truncate(fits);
        }
    }

    /// A round is over. Those whose answers did not show our change are asked about again, unless they were given after IAM had
    /// its time: is that to be done?
    pub fn end_round(&mut self, now: Timestamp) -> bool {
        self.at = now;
        let Some(work) = self.work.take() else { return false };
        if work.stale.is_empty() || self.had_its_time(work.round) {
            self.finished = true;
            self.counts.of = self.counts.asked;
            return false;
        }
        if work.more_stale {
            (self.counts, self.people) = (Counts { of: self.counts.of, ..Counts::default() }, Vec::new());
            self.work = Some(Work::begin(now, None));
            return true;
        }
        // Each of them could launch, and is counted so.
        self.counts.asked = self.counts.asked.saturating_sub(work.stale.len());
        self.counts.can = self.counts.can.saturating_sub(work.stale.len());
        self.people.retain(|person| !work.stale.contains(&person.arn));
        self.work = Some(Work::begin(now, Some(work.stale)));
        true
    }

    /// Does an answer that was given `at` this time show our change, if it ever will?
    #[must_use]
    pub fn had_its_time(&self, at: Timestamp) -> bool {
        at >= self.began + SignedDuration::from_secs(PROPAGATION)
    }

    /// It could not be asked.
    pub fn fail(&mut self, now: Timestamp, why: impl Into<String>) {
        (self.at, self.finished, self.failed, self.work) = (now, true, Some(short(why.into(), LONGEST_REASON)), None);
    }

    /// Would a stage that demands it end as failed? One that was not asked to the end is no answer.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        !self.finished || self.failed.is_some() || self.counts.can > 0
    }

    /// In a few words, for the run's history.
    #[must_use]
    pub fn words(&self) -> String {
        let Counts { of, asked, can, untold } = self.counts;
        let cannot_tell = if untold == 0 { String::new() } else { format!(", and of {untold} it cannot be told") };
        let people = of.max(asked);
        let so_far = if of == 0 { format!("{asked} so far") } else { format!("{asked} of {of} so far") };
        if !self.finished {
            return format!("IAM is being asked: {so_far}, of whom {can} can still launch");
        }
        match (&self.failed, can) {
            (Some(why), _) if asked == 0 => format!("who can still launch could not be verified: {why}"),
            (Some(why), _) => format!(
                "who can still launch could not be verified to the end: {why}; of {people} people {asked} were asked about, of whom \
                 {can} can still launch{cannot_tell}"
            ),
            (None, 0) if asked == 0 => "IAM was asked about no person: the stage's groups, users and roles have none".to_owned(),
            (None, 0) => format!("nobody can still launch, of {asked} asked about{cannot_tell}"),
            (None, _) => format!("{can} of {asked} can still launch{cannot_tell}"),
        }
    }

    /// For people: one line each.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("Who can still launch? {} ({}):\n", capitalised(&self.words()), clock::words(self.at));
        let (more, unasked) = (self.counts.without(&self.people), self.counts.of.saturating_sub(self.counts.asked));
        let more = (more.asked > 0).then(|| format!("... and {}", more.words_of_more()));
        let unasked = (unasked > 0).then(|| format!("... and {unasked} were not asked about"));
        for line in self.people.iter().map(Person::line).chain(more).chain(unasked).chain(self.notes.iter().cloned()) {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text, "  ({BY})");
        text
    }
}

impl Counts {
    /// One more.
    pub fn add(&mut self, person: &Person) {
        self.asked += 1;
        match person.standing() {
            Standing::Can => self.can += 1,
            Standing::CannotTell => self.untold += 1,
            Standing::Cannot => {}
        }
    }

    /// Those who are not among `shown`.
    #[must_use]
    pub fn without<'a>(&self, shown: impl IntoIterator<Item = &'a Person>) -> Self {
        let mut others = Self::default();
        shown.into_iter().for_each(|person| others.add(person));
        Self {
            of: 0,
            asked: self.asked.saturating_sub(others.asked),
            can: self.can.saturating_sub(others.can),
            untold: self.untold.saturating_sub(others.untold),
        }
    }

    /// `12 more, of whom 3 can still launch`: of those who are not shown.
    #[must_use]
    pub fn words_of_more(&self) -> String {
        let can = (self.can > 0).then(|| format!("of whom {} can still launch", self.can));
        let untold = (self.untold > 0).then(|| format!("of {} it cannot be told", self.untold));
        let said: Vec<String> = can.into_iter().chain(untold).collect();
        let said = if said.is_empty() { String::new() } else { format!(", {}", said.join(", and ")) };
        format!("{} more{said}", self.asked)
    }
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
