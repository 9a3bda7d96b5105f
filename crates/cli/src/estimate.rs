//! How long a run takes at the least. AWS's token buckets bound how many targets are changed a second, in each Region for itself.

use std::collections::{BTreeMap, BTreeSet};

use guardrails_aws::declared::Counted;
use guardrails_model::pace::Pace;
use schemars::JsonSchema;
use serde::Serialize;

/// How much there is to do, by the run's waves, which go one after another.
#[derive(Debug, Default)]
pub(crate) struct Work {
    waves: BTreeMap<usize, Vec<Load>>,
}

/// Targets of a kind in one Region.
#[derive(Debug)]
struct Load {
    of: &'static Counted,
    number: usize,
}

/// Seconds that it takes at the least.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Estimate {
    /// The share of AWS's buckets that is taken.
    pub(crate) share: f64,
    pub(crate) stopping_seconds: f64,
    pub(crate) starting_seconds: f64,
    /// The words for the change, the way back and one target.
    #[serde(skip)]
    words: [String; 3],
}

impl Work {
    /// A part of the run changes so many targets of a kind.
    pub(crate) fn add(&mut self, wave: usize, of: &'static Counted, number: usize) {
        // Of a kind without limits there are few.
        if of.limits.is_some() && number > 0 {
            self.waves.entry(wave).or_default().push(Load { of, number });
        }
    }

    /// Nothing when nothing with limits is changed.
    pub(crate) fn estimate(&self, pace: &Pace) -> Option<Estimate> {
        if self.waves.is_empty() {
            return None;
        }
        let seconds = |back: bool| -> f64 {
            // The Regions of a wave go side by side: the slowest counts.
            let slowest = |loads: &Vec<Load>| loads.iter().map(|load| load.seconds(pace, back)).fold(0.0, f64::max);
            self.waves.values().map(slowest).sum()
        };
        let words = |word: fn(&Counted) -> &'static str| {
            let words: BTreeSet<&str> = self.waves.values().flatten().map(|load| word(load.of)).collect();
            words.into_iter().collect::<Vec<_>>().join(" and ")
        };
        Some(Estimate {
            share: pace.share,
            stopping_seconds: seconds(false),
            starting_seconds: seconds(true),
            words: [words(|of| of.doing.0), words(|of| of.doing.1), words(|of| of.noun.one)],
        })
    }
}

impl Load {
    fn seconds(&self, pace: &Pace, back: bool) -> f64 {
        self.of.limits.map_or(0.0, |(forward, backward)| pace.seconds(if back { backward } else { forward }, self.number))
    }
}

impl Estimate {
    pub(crate) fn words(&self) -> String {
        let [change, back, one] = &self.words;
        format!(
            "by AWS's limits, and besides what each {one} takes: {change}: {}; {back}: {} at a share of {}",
            about(self.stopping_seconds),
            about(self.starting_seconds),
            self.share
        )
    }
}

/// A length of time as people say it.
pub(crate) fn about(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil();
    if seconds < 30.0 {
        "under a minute".to_owned()
    } else if minutes < 120.0 {
        format!("about {minutes:.0} min")
    } else {
        format!("about {:.1} h", seconds / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use guardrails_aws::actions::CATALOG;

    use super::*;

    fn estimate(pace: &Pace, loads: &[(usize, &str, usize)]) -> Option<Estimate> {
        let mut work = Work::default();
        for (wave, action, number) in loads {
            for counted in CATALOG.find(action).unwrap().counts {
                work.add(*wave, counted, *number);
            }
        }
        work.estimate(pace)
    }

    #[test]
    fn regions_go_side_by_side_and_waves_one_after_another() {
        let pace = Pace { share: 1.0, ..Pace::default() };
        let seconds = |loads: &[(usize, &str, usize)]| {
            let estimate = estimate(&pace, loads).unwrap();
            (estimate.stopping_seconds, estimate.starting_seconds)
        };
        assert_eq!(seconds(&[(0, "stop-instances", 3000)]), (100.0, 1000.0));
        assert_eq!(seconds(&[(0, "stop-instances", 3000), (0, "stop-instances", 2000)]), (100.0, 1000.0));
        assert_eq!(seconds(&[(0, "stop-instances", 3000), (1, "stop-instances", 2000)]), (150.0, 1500.0));
        assert_eq!(seconds(&[(0, "swap-group-policy", 3000), (1, "stop-instances", 10)]), (0.0, 0.0));
    }

    #[test]
    fn where_nothing_has_limits_there_is_nothing_to_estimate() {
        assert_eq!(estimate(&Pace::default(), &[(0, "swap-group-policy", 5), (0, "stop-instances", 0)]), None);
    }

    #[test]
    fn ten_thousand_in_two_regions_take_as_long_as_people_are_told() {
        let said = estimate(&Pace::default(), &[(0, "stop-instances", 3000), (0, "stop-instances", 7000)]).unwrap().words();
        assert!(said.ends_with("stopping: about 11 min; starting again: about 109 min at a share of 0.5"), "{said}");
        assert_eq!([about(0.0), about(31.0), about(7200.0)], ["under a minute", "about 1 min", "about 2.0 h"]);
    }
}
