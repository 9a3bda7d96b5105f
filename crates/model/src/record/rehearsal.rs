//! Rehearsals: plans of a guardrail's stages without a run. No run reads them, and none is begun by one.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock;
use crate::config::StageAt;
use crate::ids::GuardrailName;
use crate::phase::Phase;
use crate::record::Step;
use crate::report::{Alike, Kind};

/// A guardrail is rehearsed again after so long.
const EVERY: SignedDuration = SignedDuration::from_hours(24);
/// The same where something could not be planned for want of time or of an answer.
const SOON: SignedDuration = SignedDuration::from_hours(1);
/// Reasons that are kept of each sort in a stage.
const MOST_REASONS: usize = 20;
/// Letters that are kept of a reason.
const LONGEST: usize = 400;

/// The last rehearsal of a guardrail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// [`crate::record::FORMAT`].
    pub format: u32,
    /// The guardrail of the stages.
    pub guardrail: GuardrailName,
    /// When it ended.
    pub at: Timestamp,
    /// A function and its request id.
    pub by: String,
    /// A digest of the findings that people were told of last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
    /// Its stages that ask for an action.
    pub stages: Vec<RehearsedStage>,
}

/// A stage, and the tally of its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsedStage {
    /// The stage.
    pub stage: StageAt,
    /// A run of it is open, so it was not rehearsed.
    #[serde(default)]
    pub is_open: bool,
    /// The tally of its parts.
    #[serde(flatten)]
    pub tally: Tally,
}

/// The outcome of planned steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Facets that would be changed.
    pub changes: usize,
    /// Facets that are as wanted.
    pub as_wanted: usize,
    /// Places where the account's organisation lets nobody work.
    #[serde(default)]
    pub closed: usize,
    /// Of those that would be left alone, how many people said so of.
    #[serde(default)]
    pub spared: usize,
    /// Why facets would be left alone.
    pub left_alone: Vec<Kind>,
    /// Why something would be refused, or could not be planned.
    pub refused: Vec<Kind>,
    /// Parts that were not tried, and why.
    #[serde(default)]
    pub untried: Vec<String>,
}

impl Tally {
    /// The tally of planned steps.
    #[must_use]
    pub fn of(steps: &[Step]) -> Self {
        let (mut left_alone, mut refused, mut tally) = (Alike::default(), Alike::default(), Self::default());
        for step in steps {
            tally.spared += usize::from(step.spared && step.phase == Phase::Skipped);
            let reason: String = step.reason.as_deref().unwrap_or("no reason is given").chars().take(LONGEST).collect();
            match step.phase {
                Phase::Skipped if !step.unplanned => left_alone.add(&reason, &step.label),
                Phase::Skipped | Phase::ApplyFailed => refused.add(&reason, &step.label),
                _ if step.present == step.wanted => tally.as_wanted += 1,
                _ => tally.changes += 1,
            }
        }
        (tally.left_alone, tally.refused) = (left_alone.into(), refused.into());
        tally
    }

    /// That a part would be refused as a whole.
    #[must_use]
    pub fn refused(why: &str) -> Self {
        let words = why.chars().take(LONGEST).collect();
        Self { refused: vec![Kind { words, count: 1, examples: Vec::new() }], ..Self::default() }
    }

    /// That a part was not tried.
    #[must_use]
    pub fn untried(why: &str) -> Self {
        Self { untried: vec![why.chars().take(LONGEST).collect()], ..Self::default() }
    }

    /// Takes in the tally of another part, or of the same in another place.
    pub fn add(&mut self, other: Self) {
        self.changes += other.changes;
        self.as_wanted += other.as_wanted;
        self.closed += other.closed;
        self.spared += other.spared;
        merge(&mut self.left_alone, other.left_alone);
        merge(&mut self.refused, other.refused);
        for why in other.untried {
            if self.untried.len() < MOST_REASONS && !self.untried.contains(&why) {
                self.untried.push(why);
            }
        }
    }
}

/// The same words are one reason.
fn merge(reasons: &mut Vec<Kind>, more: Vec<Kind>) {
    for one in more {
        if let Some(same) = reasons.iter_mut().find(|same| same.words == one.words) {
            same.count += one.count;
            same.examples.extend(one.examples);
            same.examples.truncate(3);
        } else if reasons.len() < MOST_REASONS {
            reasons.push(one);
        } else if let Some(last) = reasons.last_mut() {
            *last =
                Kind { words: "other things are said of these".to_owned(), count: last.count + one.count, examples: Vec::new() };
        }
    }
}

fn count(kinds: &[Kind]) -> usize {
    kinds.iter().map(|kind| kind.count).sum()
}

impl RehearsedStage {
    /// Would something be refused, or all of its scope be left alone, though nobody said so of all of it?
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        let Tally { changes, as_wanted, spared, left_alone, refused, .. } = &self.tally;
        !refused.is_empty() || (changes + as_wanted == 0 && count(left_alone) > *spared)
    }

    /// Would it do nothing, because there is nothing in its scope?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Tally { changes, as_wanted, left_alone, refused, untried, .. } = &self.tally;
        !self.is_open && changes + as_wanted == 0 && left_alone.is_empty() && refused.is_empty() && untried.is_empty()
    }

    /// The findings, in words that do not change with the number of targets.
    fn findings(&self) -> Vec<String> {
        let words = |sort: &str, kinds: &[Kind]| {
            kinds.iter().map(|kind| format!("{} {sort} {}", self.stage, kind.words)).collect::<Vec<_>>()
        };
        let mut found = words("refused", &self.tally.refused);
        found.extend(words("left alone", &self.tally.left_alone));
        found.extend(self.is_empty().then(|| format!("{} nothing", self.stage)));
        found.sort();
        found
    }
}

impl Rehearsal {
    /// Is it to be held again?
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let untried = self.stages.iter().any(|stage| !stage.tally.untried.is_empty());
        now.duration_since(self.at) >= if untried { SOON } else { EVERY }
    }

    /// Stages of which something would be refused, or all be left alone.
    #[must_use]
    pub fn troubles(&self) -> usize {
        self.stages.iter().filter(|stage| stage.is_trouble()).count()
    }

    /// A digest of the findings; none when there is nothing to tell.
    #[must_use]
    pub fn digest(&self) -> Option<String> {
        let found: Vec<String> = self.stages.iter().flat_map(RehearsedStage::findings).collect();
        (!found.is_empty()).then(|| format!("{:x}", Sha256::digest(found.join("\n"))))
    }

    /// Is there something that people do not know yet?
    #[must_use]
    pub fn is_news(&self) -> bool {
        self.digest() != self.told
    }

    /// In plain text, stage by stage.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}, planned at {}, and nothing was changed:\n", self.guardrail, clock::words(self.at));
        for stage in &self.stages {
            let Tally { changes, as_wanted, left_alone, refused, untried, .. } = &stage.tally;
            let at = stage.stage;
            if stage.is_open {
                let _ = writeln!(text, "  {at}: a run of it is open");
                continue;
            }
            if stage.is_empty() {
                let _ = writeln!(text, "  {at}: would do NOTHING: there is nothing in its scope");
                continue;
            }
            let _ = writeln!(text, "  {at}: would change {changes}, {as_wanted} are as wanted");
            let lines = [("would be REFUSED", refused), ("would be left alone", left_alone)];
            for (what, kinds) in lines.into_iter().filter(|(_, kinds)| !kinds.is_empty()) {
                let _ = writeln!(text, "    {what}: {}", count(kinds));
                for kind in kinds {
                    let _ = writeln!(text, "      {}", kind.line());
                }
            }
            for why in untried {
                let _ = writeln!(text, "    not tried: {why}");
            }
        }
        text
    }
}
