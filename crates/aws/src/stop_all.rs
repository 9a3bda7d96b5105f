//! `stop-all`: one line of a stage that stands for several actions. It becomes these actions when the file is read, so that a plan, the
//! functions, their rights and the records know only those. An action joins it with one word of its [`About`](crate::declared::About).
//!
//! A file says which set of actions it means. So an upgrade adds no action to a file that was written before: a later version has a
//! later set, and the file gets it once it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use guardrails_model::config::Tags;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::catalog::Entry;
use crate::ec2::regions::Regions;
use crate::switch::Exempt;

/// The place of an action in `stop-all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joins {
    /// The first set that has it. An earlier set never gets it.
    pub set: u32,
    /// The beginning of the ids that it takes as exempt. Others are not handed to it.
    pub ids: &'static str,
}

impl Joins {
    /// In this set and all later ones, with exempt ids or names of any kind.
    #[must_use]
    pub const fn set(set: u32) -> Self {
        Self { set, ids: "" }
    }
}

/// Several actions that run side by side, over the same tags.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopAll {
    /// The tags to select by: every key must match, with one of its values.
    tag: Tags,
    /// The set of actions: docs/stop-all.md has the sets. A later version may have a further set, and a file keeps the set that it names.
    #[schemars(with = "u32")]
    set: Option<u32>,
    /// Where: `all` Regions that are enabled in the account, or a list of them.
    #[serde(default)]
    regions: Regions,
    /// Targets that are left alone though they carry the tags.
    #[serde(default)]
    exempt: Exempt,
    /// Actions of the set that are left out, such as `stop-databases`.
    #[serde(default)]
    without: BTreeSet<String>,
    /// Further keys of single actions, by name: `stop-services: {volume-data: lose}`.
    #[serde(default)]
    options: BTreeMap<String, Map<String, Json>>,
}

/// The keys that all actions get from `stop-all` itself.
const COMMON: &[&str] = &["tag", "regions", "exempt"];

impl StopAll {
    /// The actions that it stands for, each as a file has it: `{"stop-databases": {"tag": ..}}`.
    ///
    /// # Errors
    /// When it names a set, an action or a key that there is not; in words.
    pub fn actions(&self, entries: &[Entry]) -> Result<Vec<Json>, String> {
        self.tag.check()?;
        self.exempt.tag.check()?;
        if self.tag.is_empty() {
            return Err("`tag` is empty: name at least one tag, such as `{Project: Beta}`".to_owned());
        }
        let set = self.set(entries)?;
        let members = members(entries, set);
        let names = listed(&members);
        let known = |name: &&String| members.iter().any(|(entry, _)| entry.name == name.as_str());
        if let Some(unknown) = self.without.iter().chain(self.options.keys()).find(|name| !known(name)) {
            return Err(format!("`{unknown}` is not in set {set} of `stop-all`, which has {names}"));
        }
        if let Some(idle) = self.options.keys().find(|name| self.without.contains(*name)) {
            return Err(format!("`{idle}` has `options`, and `without` leaves it out: let one of them go"));
        }
        let members: Vec<_> = members.into_iter().filter(|(entry, _)| !self.without.contains(entry.name)).collect();
        if members.is_empty() {
            return Err(format!("`without` leaves out all of set {set}: {names}"));
        }
        let is_taken = |id: &&String| members.iter().any(|(_, joins)| id.starts_with(joins.ids));
        if let Some(id) = self.exempt.id.iter().find(|id| !is_taken(id)) {
            let names = listed(&members);
            return Err(format!("the exempt id `{id}` is none of any action that is left of set {set}, which are {names}"));
        }
        members.into_iter().map(|(entry, joins)| Ok(json!({entry.name: self.params(entry.name, joins)?}))).collect()
    }

    /// The set that the file names, if there is such a one.
    fn set(&self, entries: &[Entry]) -> Result<u32, String> {
        let newest = newest(entries).ok_or("no action joins `stop-all` in this version")?;
        match self.set {
            None => {
                let names = listed(&members(entries, newest));
                Err(format!("`stop-all` lacks `set`: write `set: {newest}` for {names}"))
            }
            Some(set) if (1..=newest).contains(&set) => Ok(set),
            Some(set) => Err(format!("this version knows no set {set} of `stop-all`: expected {}", sets(newest))),
        }
    }

    fn params(&self, name: &str, joins: Joins) -> Result<Map<String, Json>, String> {
        let mut params = self.options.get(name).cloned().unwrap_or_default();
        if let Some(common) = params.keys().find(|key| COMMON.contains(&key.as_str())) {
            return Err(format!("`options` of `{name}` has `{common}`: write it beside `set`, for all actions"));
        }
        params.insert("tag".to_owned(), json!(self.tag));
        if self.regions != Regions::All {
            params.insert("regions".to_owned(), json!(self.regions));
        }
        let id = self.exempt.id.iter().filter(|id| id.starts_with(joins.ids)).cloned().collect();
        let exempt = Exempt { tag: self.exempt.tag.clone(), id };
        if exempt != Exempt::default() {
            params.insert("exempt".to_owned(), json!(exempt));
        }
        Ok(params)
    }
}

/// The number of the newest set, if any action has joined one.
fn newest(entries: &[Entry]) -> Option<u32> {
    entries.iter().filter_map(|entry| entry.joins_stop_all).map(|joins| joins.set).max()
}

fn members(entries: &[Entry], set: u32) -> Vec<(&Entry, Joins)> {
    let joined = entries.iter().filter_map(|entry| Some((entry, entry.joins_stop_all?)));
    joined.filter(|(_, joins)| joins.set <= set).collect()
}

fn listed(members: &[(&Entry, Joins)]) -> String {
    members.iter().map(|(entry, _)| format!("`{}`", entry.name)).collect::<Vec<_>>().join(", ")
}

fn sets(newest: u32) -> String {
    if newest == 1 { "`set: 1`".to_owned() } else { format!("`set` from 1 to {newest}") }
}

/// The table of sets, as Markdown.
#[must_use]
pub fn table(entries: &[Entry]) -> String {
    let mut table = String::from("| set | actions |\n| --- | --- |\n");
    for set in 1..=newest(entries).unwrap_or_default() {
        let actions = members(entries, set).into_iter().map(|(entry, _)| format!("[`{0}`](actions.md#{0})", entry.name));
        let _ = writeln!(table, "| {set} | {} |", actions.collect::<Vec<_>>().join(", "));
    }
    table
}
