//! Events, in order. A log is only ever appended to: no event that was written is changed or lost. An item stays small when a
//! step is tried again for weeks: a repeated event is counted at the one that says it already.

use std::ops::Deref;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Events that are written down one by one, whatever they say.
const ONE_BY_ONE: usize = 40;
/// No more kinds of events are told apart beyond these.
const MOST: usize = 80;

/// Something that happened, and may happen again.
pub trait Event {
    /// When it happened first.
    fn at(&self) -> Timestamp;

    /// How often it happened again, if it did.
    fn repeats(&self) -> Option<&Repeats>;

    /// Does `later` say the same, but for ids, numbers and times?
    fn says_the_same(&self, later: &Self) -> bool;

    /// Is `later` at least of the same kind?
    fn is_like(&self, later: &Self) -> bool;

    /// `later` is counted here.
    fn count(&mut self, later: Self);

    /// Is it `earlier`, but for what was counted at it since?
    fn is(&self, earlier: &Self) -> bool;
}

/// That something happened again, said once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repeats {
    /// So many times more.
    pub times: u32,
    /// The last time.
    pub until: Timestamp,
}

impl Repeats {
    /// Once more than `before`, at `at`.
    #[must_use]
    pub fn once_more(before: Option<&Self>, at: Timestamp) -> Self {
        let times = before.map_or(0, |repeats| repeats.times);
        Self { times: times.saturating_add(1), until: before.map_or(at, |repeats| repeats.until.max(at)) }
    }
}

/// Events, in the order in which they happened first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Log<E>(Vec<E>);

impl<E> Default for Log<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E> Deref for Log<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        &self.0
    }
}

impl<E> From<E> for Log<E> {
    fn from(first: E) -> Self {
        Self(vec![first])
    }
}

impl<E: Event> Log<E> {
    /// Something more happened.
    pub fn append(&mut self, event: E) {
        let known = match self.0.len() {
            ..ONE_BY_ONE => None,
            ONE_BY_ONE..MOST => self.0.iter_mut().rev().find(|known| known.says_the_same(&event)),
            _ => {
                let same = self.0.iter().rposition(|known| known.says_the_same(&event));
                let like = same.or_else(|| self.0.iter().rposition(|known| known.is_like(&event)));
                like.map(|index| &mut self.0[index])
            }
        };
        match known {
            Some(known) => known.count(event),
            None => self.0.push(event),
        }
    }

    /// The latest event.
    #[must_use]
    pub fn latest(&self) -> Option<&E> {
        self.0.iter().max_by_key(|event| event.repeats().map_or(event.at(), |repeats| repeats.until))
    }

    /// Is this log `earlier` with something appended, or nothing?
    #[must_use]
    pub fn extends(&self, earlier: &Self) -> bool {
        self.0.len() >= earlier.0.len() && self.0.iter().zip(&earlier.0).all(|(now, then)| now.is(then))
    }
}

/// Has `now` counted at least what `then` had?
pub(super) fn counts_on(now: Option<&Repeats>, then: Option<&Repeats>) -> bool {
    match (now, then) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(now), Some(then)) => now.times >= then.times && now.until >= then.until,
    }
}

/// At most so many letters of `words`; that there were more is shown.
pub(crate) fn short(words: String, most: usize) -> String {
    match words.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// Do both say the same, but for words with digits in them, such as ids and times?
pub(super) fn same_words(one: &str, other: &str) -> bool {
    let differs = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit());
    let mut pair = (one.split(' '), other.split(' '));
    loop {
        match (pair.0.next(), pair.1.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one == other || (differs(one) && differs(other)) => {}
            _ => return false,
        }
    }
}
