//! Sentences that say the same of many things, said once.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No more kinds are told apart: a text that is read may differ for each thing.
const MOST_KINDS: usize = 50;
/// Things that are named of each kind.
const EXAMPLES: usize = 3;

/// Sentences by their content. Those that differ only in words with digits in them, such as ids and addresses, say the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(into = "Vec<Kind>")]
pub struct Alike {
    by_shape: BTreeMap<String, Kind>,
    others: usize,
}

/// A sentence about some things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kind {
    /// Its words; where the things have different words in it, `…` stands for these.
    pub words: String,
    /// Of how many.
    pub count: usize,
    /// The first of them.
    pub examples: Vec<String>,
}

impl Alike {
    /// `words` are said of `what`.
    pub fn add(&mut self, words: &str, what: &str) {
        let shape = shape(words);
        if let Some(kind) = self.by_shape.get_mut(&shape) {
            if kind.words != words {
                kind.words = shape;
            }
            kind.count += 1;
            if kind.examples.len() < EXAMPLES {
                kind.examples.push(what.to_owned());
            }
        } else if self.by_shape.len() < MOST_KINDS {
            self.by_shape.insert(shape, Kind { words: words.to_owned(), count: 1, examples: vec![what.to_owned()] });
        } else {
            self.others += 1;
        }
    }

    /// Is nothing said of anything?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_shape.is_empty()
    }

    /// A line for each kind, the most frequent first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        Vec::<Kind>::from(self.clone()).iter().map(Kind::line).collect()
    }
}

impl From<Alike> for Vec<Kind> {
    fn from(alike: Alike) -> Self {
        let mut kinds: Vec<Kind> = alike.by_shape.into_values().collect();
        kinds.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.words.cmp(&b.words)));
        if alike.others > 0 {
            kinds.push(Kind { words: "other things are said of these".to_owned(), count: alike.others, examples: Vec::new() });
        }
        kinds
    }
}

impl Kind {
    /// In one line, with the first of those that it is said of.
    #[must_use]
    pub fn line(&self) -> String {
        let more = if self.count > self.examples.len() { ", ..." } else { "" };
        let examples = if self.examples.is_empty() { String::new() } else { format!(" -- {}{more}", self.examples.join(", ")) };
        format!("{}: {}{examples}", self.count, self.words)
    }
}

fn shape(words: &str) -> String {
    let plain = |word: &str| !word.bytes().any(|byte| byte.is_ascii_digit());
    words.split(' ').map(|word| if plain(word) { word } else { "…" }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_that_differ_only_in_numbers_are_said_once() {
        let mut alike = Alike::default();
        for number in 1..=5 {
            alike.add(&format!("its public address 203.0.113.{number} will be another"), &format!("i-{number}"));
        }
        alike.add("it is exempt", "i-9");
        assert_eq!(alike.lines(), ["5: its public address … will be another -- i-1, i-2, i-3, ...", "1: it is exempt -- i-9"]);
    }

    #[test]
    fn sentence_with_the_same_words_for_all_keeps_them() {
        let mut alike = Alike::default();
        alike.add("it is a spot instance of request sir-1", "i-1");
        alike.add("it is a spot instance of request sir-1", "i-2");
        assert_eq!(alike.lines(), ["2: it is a spot instance of request sir-1 -- i-1, i-2"]);
    }

    #[test]
    fn however_many_kinds_there_are_only_some_are_kept() {
        let mut alike = Alike::default();
        let letters = |number: usize| "x".repeat(number);
        (0..1000).for_each(|number| alike.add(&letters(number), "i-1"));
        let lines = alike.lines();
        assert_eq!(lines.len(), MOST_KINDS + 1);
        assert_eq!(lines.last().unwrap(), "950: other things are said of these");
    }
}
