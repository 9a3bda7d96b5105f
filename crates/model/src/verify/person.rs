//! Somebody who was asked about, in the ledger and in one line. However many ways they have, a few are kept, and the rest is
//! counted: their standing never depends on the ways that are left out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::Way;
use crate::omit::is_default;
use crate::principal::Principal;
use crate::record::short;

/// Ways, and reasons, that are kept of one of them.
pub const MOST_WAYS: usize = 8;
/// Ways, and reasons, that their line names.
const MOST_SAID: usize = 3;
/// Letters of a reason.
const LONGEST_REASON: usize = 300;

/// Somebody whom the stage restricts, and the ways that they still have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    /// Their ARN: a user's or a role's.
    pub arn: String,
    /// Through whom the stage restricts them: themselves, or groups.
    pub by: Vec<Principal>,
    /// How they can still launch: by themselves first, then through roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<Way>,
    /// How many more ways they have than are kept, each through a role.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more_ways: usize,
    /// Roles that they might assume, and that were not asked about for them: they have more ways than are kept already.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unasked_roles: usize,
    /// The questions that cannot be answered, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<String>,
    /// How many more there are than are kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more_untold: usize,
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
    /// Somebody of whom nothing is known yet.
    #[must_use]
    pub fn of(arn: &str, by: Vec<Principal>) -> Self {
        let arn = arn.to_owned();
        Self { arn, by, ways: Vec::new(), more_ways: 0, unasked_roles: 0, untold: Vec::new(), more_untold: 0 }
    }

    /// As much of them as is kept.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.more_ways += self.ways.len().saturating_sub(MOST_WAYS);
        self.more_untold += self.untold.len().saturating_sub(MOST_WAYS);
        self.ways = self.ways.into_iter().take(MOST_WAYS).map(Way::kept).collect();
        self.untold = self.untold.into_iter().take(MOST_WAYS).map(|why| short(why, LONGEST_REASON)).collect();
        self
    }

    /// About how many bytes they take in the ledger, rather more than fewer.
    pub(super) fn bytes(&self) -> usize {
        let ways = self.ways.iter().flat_map(|way| way.through.iter().chain(&way.actions).chain(&way.policies));
        let texts = std::iter::once(&self.arn).chain(ways).chain(&self.untold).map(String::as_str);
        let fields = 150 + 50 * self.ways.len() + 20 * self.by.len();
        texts.chain(self.by.iter().map(Principal::name)).map(|text| text.len() + 3).sum::<usize>() + fields
    }

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

    /// One line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}: {}", self.title(), self.words())
    }

    /// How they stand after a stage took rights from them.
    #[must_use]
    pub fn words(&self) -> String {
        self.words_of("CAN STILL LAUNCH")
    }

    /// How they stand before anything was taken from them.
    #[must_use]
    pub fn words_before(&self) -> String {
        self.words_of("can launch")
    }

    fn words_of(&self, can: &str) -> String {
        match self.standing() {
            Standing::Can => format!("{can} {}", self.ways_in_words()),
            Standing::CannotTell => format!("cannot be told: {}", self.reasons()),
            Standing::Cannot => "cannot launch".to_owned(),
        }
    }

    /// Their ways, as far as a line names them.
    pub(super) fn ways_in_words(&self) -> String {
        let more = match self.more_ways + self.ways.len().saturating_sub(MOST_SAID) {
            0 => None,
            1 => Some("in 1 more way".to_owned()),
            more => Some(format!("in {more} more ways")),
        };
        let unasked = match self.unasked_roles {
            0 => None,
            1 => Some("1 more role was not asked about".to_owned()),
            roles => Some(format!("{roles} more roles were not asked about")),
        };
        let ways = self.ways.iter().take(MOST_SAID).map(Way::words);
        ways.chain(more).chain(unasked).collect::<Vec<_>>().join("; ")
    }

    fn reasons(&self) -> String {
        let more = match self.more_untold + self.untold.len().saturating_sub(MOST_SAID) {
            0 => None,
            1 => Some("1 more reason".to_owned()),
            more => Some(format!("{more} more reasons")),
        };
        self.untold.iter().take(MOST_SAID).cloned().chain(more).collect::<Vec<_>>().join("; ")
    }
}
