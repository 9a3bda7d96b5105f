//! How fast the account's services are asked. AWS throttles by token buckets, one for each operation, account and Region,
//! which everybody in the account shares: a run takes its share of each, and leaves the rest to the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;

/// One of AWS's buckets in each Region, as the action declares it that is bound by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Its stable name: guardrails.yaml sets its bucket by it, and cursors hold its level.
    pub name: &'static str,
    /// The bucket as AWS documents it.
    pub documented: Bucket,
}

impl Limit {
    /// The limit whose bucket AWS documents so.
    #[must_use]
    pub const fn new(name: &'static str, capacity: f64, refill: f64) -> Self {
        Self { name, documented: Bucket { capacity, refill } }
    }
}

/// A bucket: it holds so many tokens, and gets so many back each second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// The most tokens that it holds.
    pub capacity: f64,
    /// Tokens that it gets back a second.
    pub refill: f64,
}

/// How fast: the share of each of AWS's token buckets that a run takes in each Region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pace {
    /// Over 0, and 1 for all: the account's other users of these calls get the rest.
    pub share: f64,
    /// Buckets whose quota is not AWS's usual one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub buckets: BTreeMap<String, Bucket>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { share: 0.5, buckets: BTreeMap::new() }
    }
}

impl Pace {
    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    /// When a number is out of its range; in words.
    pub fn check(&self) -> Result<(), String> {
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Err(format!("a share of {} is no share: expected a number over 0 and up to 1, such as 0.5", self.share));
        }
        let bad = self.buckets.iter().find(|(_, bucket)| !(bucket.capacity >= 1.0 && bucket.refill > 0.0));
        bad.map_or(Ok(()), |(name, _)| {
            Err(format!("the bucket \"{name}\" never gives a token: expected a capacity of 1 or more, and a refill over 0"))
        })
    }

    /// Says which of its buckets no action knows, if any is so.
    ///
    /// # Errors
    /// When a bucket has the name of none of `known`; in words.
    pub fn check_names<'a>(&self, known: impl IntoIterator<Item = &'a Limit>) -> Result<(), String> {
        let known: Vec<&str> = known.into_iter().map(|limit| limit.name).collect();
        let unknown = self.buckets.keys().find(|name| !known.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| Err(format!("there is no bucket `{name}`: expected one of {}", known.join(", "))))
    }

    /// Our share of a bucket; never less than one token, or nothing would ever be done.
    #[must_use]
    pub fn bucket(&self, limit: Limit) -> Bucket {
        let whole = self.buckets.get(limit.name).copied().unwrap_or(limit.documented);
        Bucket { capacity: (whole.capacity * self.share).max(1.0), refill: whole.refill * self.share }
    }

    /// Seconds that `things` of `limit` take at the least.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts of things are far below 2^52")]
    pub fn seconds(&self, limit: Limit, things: usize) -> f64 {
        let bucket = self.bucket(limit);
        ((things as f64 - bucket.capacity) / bucket.refill).max(0.0)
    }
}

/// The room that a service's limits leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// So many changes may begin now.
    pub changes: usize,
    /// Seconds until more may; nothing when all may.
    pub again: i64,
}

/// How full the buckets are. It travels through the state machine from one invocation to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Levels(BTreeMap<String, Level>);

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Level {
    tokens: f64,
    at: Timestamp,
}

/// Keeps one part of a run within its share, in one place.
pub struct Pacer {
    pace: Pace,
    clock: Arc<dyn Clock>,
    levels: Mutex<Levels>,
}

/// So much is gathered before work goes on: many small rounds cost more than few large ones.
const STRIDE_SECONDS: f64 = 25.0;
/// No wait is longer, so that a change of mind is seen.
const LONGEST_WAIT: f64 = 60.0;

impl Pacer {
    /// A pacer that goes on from `levels`; buckets that are not in them are full.
    #[must_use]
    pub fn new(pace: Pace, clock: Arc<dyn Clock>, levels: Levels) -> Self {
        Self { pace, clock, levels: Mutex::new(levels) }
    }

    /// How full the buckets are.
    #[must_use]
    pub fn levels(&self) -> Levels {
        self.lock().clone()
    }

    /// Goes on from other levels: a test that goes back in time takes its buckets along.
    pub fn go_on_from(&self, levels: Levels) {
        *self.lock() = levels;
    }

    /// How many of `things` may be asked for now, in calls of `requests`. Either as many as make a call worth it, or none
    /// and the seconds until then.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small, not negative"
    )]
    pub fn allowance(&self, requests: Limit, limit: Limit, things: usize) -> Allowance {
        let (calls, tokens) = (self.tokens(requests), self.tokens(limit));
        let (of_calls, of_things) = (self.pace.bucket(requests), self.pace.bucket(limit));
        let wanted = (things as f64).min(of_things.capacity.floor());
        if calls >= 1.0 && tokens >= wanted {
            return Allowance { changes: things.min(tokens as usize), again: 0 };
        }
        let target = wanted.max((of_things.refill * STRIDE_SECONDS).min(of_things.capacity));
        let seconds = ((target - tokens) / of_things.refill).max((1.0 - calls) / of_calls.refill);
        Allowance { changes: 0, again: seconds.clamp(1.0, LONGEST_WAIT).ceil() as i64 }
    }

    /// A call took `tokens`. It may have taken more than there were: then others wait the longer.
    #[allow(clippy::cast_precision_loss, reason = "counts of things are far below 2^52")]
    pub fn spend(&self, limit: Limit, tokens: usize) {
        let left = self.tokens(limit) - tokens as f64;
        self.set(limit, left);
    }

    /// The service said that a bucket is empty, whoever emptied it.
    pub fn empty(&self, limit: Limit) {
        let left = self.tokens(limit).min(0.0);
        self.set(limit, left);
    }

    fn tokens(&self, limit: Limit) -> f64 {
        let bucket = self.pace.bucket(limit);
        let level = self.lock().0.get(limit.name).copied();
        level.map_or(bucket.capacity, |level| {
            let passed = (self.clock.now() - level.at).total(jiff::Unit::Second).unwrap_or_default().max(0.0);
            (level.tokens + passed * bucket.refill).min(bucket.capacity)
        })
    }

    fn set(&self, limit: Limit, tokens: f64) {
        // To the thousandth: people too read the levels that travel.
        let level = Level { tokens: (tokens * 1000.0).round() / 1000.0, at: self.clock.now() };
        self.lock().0.insert(limit.name.to_owned(), level);
    }

    fn lock(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    const STOP_REQUESTS: Limit = Limit::new("stop-requests", 50.0, 5.0);
    const STOP_INSTANCES: Limit = Limit::new("stop-instances", 1000.0, 20.0);
    const START_REQUESTS: Limit = Limit::new("start-requests", 5.0, 2.0);
    const START_INSTANCES: Limit = Limit::new("start-instances", 1000.0, 2.0);

    #[derive(Default)]
    struct Hand(Mutex<i64>);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH + SignedDuration::from_secs(*self.0.lock().unwrap())
        }
    }

    fn pacer(share: f64) -> (Arc<Hand>, Pacer) {
        let clock = Arc::new(Hand::default());
        let pace = Pace { share, buckets: BTreeMap::new() };
        (Arc::clone(&clock), Pacer::new(pace, clock, Levels::default()))
    }

    #[test]
    fn a_share_of_a_bucket_is_taken_and_then_what_flows_in() {
        let (clock, pacer) = pacer(0.5);
        for _ in 0..10 {
            assert_eq!(pacer.allowance(STOP_REQUESTS, STOP_INSTANCES, 50), Allowance { changes: 50, again: 0 });
            pacer.spend(STOP_REQUESTS, 1);
            pacer.spend(STOP_INSTANCES, 50);
        }
        // Of 500 none is left, 10 a second flow in, and 25 seconds are worth waiting for.
        assert_eq!(pacer.allowance(STOP_REQUESTS, STOP_INSTANCES, 50), Allowance { changes: 0, again: 25 });
        *clock.0.lock().unwrap() = 25;
        assert_eq!(pacer.allowance(STOP_REQUESTS, STOP_INSTANCES, 400).changes, 0);
        assert_eq!(pacer.allowance(STOP_REQUESTS, STOP_INSTANCES, 50).changes, 50);
    }

    #[test]
    fn next_invocation_gets_the_tokens_that_were_left() {
        let (clock, pacer) = pacer(1.0);
        pacer.spend(START_INSTANCES, 1000);
        let travelled: Levels = serde_json::from_str(&serde_json::to_string(&pacer.levels()).unwrap()).unwrap();
        let next = Pacer::new(Pace { share: 1.0, buckets: BTreeMap::new() }, clock, travelled);
        assert_eq!(next.allowance(START_REQUESTS, START_INSTANCES, 1), Allowance { changes: 0, again: 25 });
    }

    #[test]
    fn a_bucket_that_others_emptied_is_left_to_fill() {
        let (_, pacer) = pacer(1.0);
        pacer.empty(STOP_REQUESTS);
        assert_eq!(pacer.allowance(STOP_REQUESTS, STOP_INSTANCES, 1).changes, 0);
    }

    #[test]
    fn the_smallest_share_is_slow_but_never_nothing() {
        let (_, pacer) = pacer(0.0001);
        assert_eq!(pacer.allowance(START_REQUESTS, START_INSTANCES, 50).changes, 1);
    }

    #[test]
    fn ten_thousand_take_as_long_as_the_documented_buckets_say() {
        let all = Pace { share: 1.0, buckets: BTreeMap::new() };
        let seconds = |limit| all.seconds(limit, 10_000).round();
        assert_eq!((seconds(STOP_INSTANCES), seconds(START_INSTANCES)), (450.0, 4500.0));
    }

    #[test]
    fn a_pace_at_which_nothing_would_happen_is_refused() {
        for share in [0.0, -1.0, 1.1, f64::NAN] {
            assert!(Pace { share, buckets: BTreeMap::new() }.check().is_err(), "{share}");
        }
        let empty = Bucket { capacity: 0.0, refill: 1.0 };
        assert!(Pace { share: 1.0, buckets: BTreeMap::from([(STOP_REQUESTS.name.to_owned(), empty)]) }.check().is_err());
        assert!(Pace::default().check().is_ok());
    }

    #[test]
    fn a_level_that_was_stored_is_read_back() {
        let stored = r#"{"stop-requests": {"tokens": 0.0, "at": "1970-01-01T00:00:00Z"}}"#;
        let levels: Levels = serde_json::from_str(stored).unwrap();
        let pacer = Pacer::new(Pace::default(), Arc::new(Hand::default()), levels);
        assert_eq!(pacer.allowance(STOP_REQUESTS, STOP_INSTANCES, 1).changes, 0);
    }

    #[test]
    fn a_bucket_that_no_action_knows_is_refused() {
        let bucket = Bucket { capacity: 10.0, refill: 1.0 };
        let named = |name: &str| Pace { share: 1.0, buckets: BTreeMap::from([(name.to_owned(), bucket)]) };
        let known = [STOP_REQUESTS, STOP_INSTANCES];
        assert_eq!(named("stop-requests").check_names(&known), Ok(()));
        let refused = named("stop-request").check_names(&known).unwrap_err();
        assert_eq!(refused, "there is no bucket `stop-request`: expected one of stop-requests, stop-instances");
    }
}
