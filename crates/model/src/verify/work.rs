//! How far asking has come. Names travel, not numbers: people and roles come and go meanwhile. The answers about roles, of which an
//! account may have thousands, stand in pages of their own beside the record.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::Way;
use super::person::Person;
use crate::ids::RunId;
use crate::omit::is_default;
use crate::record::{FORMAT, short};

/// Bytes of the names of those who are asked about again by name; of more, everybody is.
const MOST_STALE: usize = 24 * 1024;
/// Letters of a reason.
const LONGEST_REASON: usize = 300;

/// How far asking has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// When this round began.
    pub round: Timestamp,
    /// All roles up to this ARN were asked about.
    #[serde(default)]
    pub roles_to: Option<String>,
    /// Answers about roles that an earlier version of this program wrote here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleAnswer>,
    /// How many pages of answers about roles this round has.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pages: usize,
    /// All people up to this ARN were asked about.
    #[serde(default)]
    pub people_to: Option<String>,
    /// The person being asked about, where they have more roles than one invocation had time for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half: Option<Half>,
    /// Only these are asked about again; all, in the first round.
    #[serde(default)]
    pub only: Option<BTreeSet<String>>,
    /// Those whose answers do not show our change yet.
    #[serde(default)]
    pub stale: BTreeSet<String>,
    /// There are more of those than are kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_stale: bool,
}

/// Somebody who was asked about in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Half {
    /// The answers about them so far.
    pub person: Person,
    /// Roles up to this ARN were asked about; none yet when there is none.
    #[serde(default)]
    pub roles_to: Option<String>,
}

/// A role by which somebody could launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoleAnswer {
    /// Its ARN.
    pub arn: String,
    /// The launches that it allows; nothing when that cannot be told.
    #[serde(default)]
    pub way: Option<Way>,
    /// Why it cannot be told.
    #[serde(default)]
    pub untold: Option<String>,
}

/// Answers about roles: a record of its own, written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolePage {
    /// [`FORMAT`].
    pub format: u32,
    /// The run.
    pub run: RunId,
    /// The number of the page.
    pub page: usize,
    /// The try.
    #[serde(rename = "try")]
    pub try_number: u32,
    /// The round of the try.
    pub round: Timestamp,
    /// The answers.
    pub roles: Vec<RoleAnswer>,
}

impl RolePage {
    /// A page that is to be written.
    #[must_use]
    pub fn new(run: &RunId, page: usize, try_number: u32, round: Timestamp, roles: Vec<RoleAnswer>) -> Self {
        Self { format: FORMAT, run: run.clone(), page, try_number, round, roles }
    }
}

impl RoleAnswer {
    /// As much of it as is kept.
    #[must_use]
    pub fn kept(self) -> Self {
        Self { way: self.way.map(Way::kept), untold: self.untold.map(|why| short(why, LONGEST_REASON)), ..self }
    }
}

impl Work {
    pub(super) fn begin(now: Timestamp, only: Option<BTreeSet<String>>) -> Self {
        Self {
            round: now,
            roles_to: None,
            roles: Vec::new(),
            pages: 0,
            people_to: None,
            half: None,
            only,
            stale: BTreeSet::new(),
            more_stale: false,
        }
    }

    /// Somebody's answer does not show our change yet.
    pub(super) fn is_stale(&mut self, arn: &str) {
        if self.stale.iter().map(String::len).sum::<usize>() + arn.len() > MOST_STALE {
            self.more_stale = true;
        } else {
            self.stale.insert(arn.to_owned());
        }
    }
}
