//! The list of the texts that do not keep STYLE.md yet: a ratchet, whose numbers only fall.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::survey::{Breaks, Found, LONGEST_NAME, LONGEST_SENTENCE, MEDIAN_UNDER, Survey, Text};

/// Where the list is, from the root of the checkout.
pub const LIST: &str = "tests/docs/style-debt.txt";

/// How many sentences of a text are shown as examples.
const EXAMPLES: usize = 5;

/// The texts and the tests' names that may still break a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Debt {
    texts: BTreeMap<String, Owed>,
    tests: BTreeSet<String>,
}

/// A text's numbers, and a mark of each sentence behind them, by which a sentence is known again in another file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Owed {
    breaks: Breaks,
    marks: BTreeSet<String>,
}

impl Debt {
    /// All that a checkout breaks.
    #[must_use]
    pub fn of(survey: &Survey) -> Self {
        let texts = survey.texts.iter().filter(|(_, text)| !text.breaks.is_none());
        let names = survey.tests.iter().filter(|name| name.len() > LONGEST_NAME);
        Self { texts: texts.map(|(path, text)| (path.clone(), owed(text))).collect(), tests: names.cloned().collect() }
    }

    /// Reads the list. A line is `<path> long=<n> headless=<n> median=<n> : <mark> ...`, without the numbers that are zero, or
    /// `test <name>`.
    ///
    /// # Errors
    /// When a line is otherwise.
    pub fn parse(list: &str) -> Result<Self, String> {
        let mut debt = Self::default();
        for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let unread = || format!("{LIST}: cannot read `{line}`");
            let (first, rest) = line.split_once(' ').ok_or_else(unread)?;
            if first == "test" {
                debt.tests.insert(rest.to_owned());
                continue;
            }
            let (numbers, marks) = rest.split_once(" :").unwrap_or((rest, ""));
            let mut breaks = Breaks::default();
            for part in numbers.split(' ') {
                let (name, number) = part.split_once('=').ok_or_else(unread)?;
                let number = number.parse().map_err(|_| unread())?;
                match name {
                    "long" => breaks.long = number,
                    "headless" => breaks.headless = number,
                    "median" => breaks.median = number,
                    _ => return Err(unread()),
                }
            }
            let marks = marks.split_whitespace().map(str::to_owned).collect();
            debt.texts.insert(first.to_owned(), Owed { breaks, marks });
        }
        Ok(debt)
    }

    /// The list as it is written.
    #[must_use]
    pub fn list(&self) -> String {
        let mut list = format!(
            "# The texts that do not keep STYLE.md yet. Numbers only fall: `cargo xtask generate` lowers them.\n\
             # A page, or the doc comments of a Rust file: its sentences of more than {LONGEST_SENTENCE} words, its headless clauses, and\n\
             # the median of words in a sentence where that is {MEDIAN_UNDER} or more. After the colon is a mark of each sentence, by which\n\
             # a sentence that moves to another file takes its number along.\n"
        );
        for (path, owed) in &self.texts {
            let marks: Vec<&str> = owed.marks.iter().map(String::as_str).collect();
            writeln!(list, "{} : {}", line(path, &owed.breaks), marks.join(" ")).unwrap_or_default();
        }
        writeln!(list, "\n# Tests with a name of more than {LONGEST_NAME} letters.").unwrap_or_default();
        for name in &self.tests {
            writeln!(list, "test {name}").unwrap_or_default();
        }
        list
    }

    /// The list with each number as low as the checkout is now. A number rises only by sentences that moved here from another listed
    /// file. No name is added.
    #[must_use]
    pub fn lowered(&self, survey: &Survey) -> Self {
        let now = Self::of(survey);
        let mut texts = BTreeMap::new();
        for (path, wanted) in &now.texts {
            let Some(text) = survey.texts.get(path) else { continue };
            let listed = self.texts.get(path).map(|owed| owed.breaks).unwrap_or_default();
            let mut allowed = listed;
            allowed.median = allowed.median.max(self.median_of_moved(path, survey));
            for sentence in text.found.iter().filter(|sentence| self.moved_to(path, sentence, &now)) {
                allowed.long += usize::from(sentence.is_long);
                allowed.headless += sentence.headless;
            }
            let breaks = allowed.min(wanted.breaks);
            if breaks == wanted.breaks {
                texts.insert(path.clone(), wanted.clone());
            } else if !breaks.is_none() {
                // A sentence that is not allowed gets no mark, so that it is still shown as new.
                let is_listed = |mark: &String| self.texts.values().any(|owed| owed.marks.contains(mark));
                let marks = wanted.marks.iter().filter(|mark| is_listed(mark)).cloned().collect();
                texts.insert(path.clone(), Owed { breaks, marks });
            }
        }
        Self { texts, tests: self.tests.intersection(&now.tests).cloned().collect() }
    }

    /// The listed median of a file that is gone, under the same name. A median has no sentence of its own that could move.
    fn median_of_moved(&self, path: &str, survey: &Survey) -> usize {
        let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
        let gone = self.texts.iter().filter(|(other, _)| !survey.texts.contains_key(*other) && name(other) == name(path));
        gone.map(|(_, owed)| owed.breaks.median).max().unwrap_or_default()
    }

    /// Whether the sentence is listed with another file, and is no longer there.
    fn moved_to(&self, path: &str, sentence: &Found, now: &Self) -> bool {
        let mark = mark(&sentence.text);
        let has = |debt: &Self, path: &str| debt.texts.get(path).is_some_and(|owed| owed.marks.contains(&mark));
        !has(self, path) && self.texts.keys().any(|other| other != path && has(self, other) && !has(now, other))
    }

    /// Each way in which the checkout and the list disagree: a rule that is newly broken, or a number that can be lowered.
    #[must_use]
    pub fn disagreements(&self, survey: &Survey) -> Vec<String> {
        let now = Self::of(survey);
        let breaks = |debt: &Self, path: &str| debt.texts.get(path).map(|owed| owed.breaks).unwrap_or_default();
        let mut found = Vec::new();
        let paths: BTreeSet<&String> = self.texts.keys().chain(now.texts.keys()).collect();
        for path in paths {
            let (listed, is) = (breaks(self, path), breaks(&now, path));
            if !is.is_within(&listed) {
                let new = survey.texts.get(path).map(|text| self.new_sentences(path, text)).unwrap_or_default();
                found.push(format!("`{}` breaks STYLE.md, the list allows `{}`{new}", line(path, &is), line(path, &listed)));
            } else if is != listed {
                found.push(format!("lower `{}` to `{}`: cargo xtask generate", line(path, &listed), line(path, &is)));
            }
        }
        let new = now.tests.difference(&self.tests);
        found.extend(new.map(|name| format!("the test `{name}` has {} letters, at most {LONGEST_NAME} are allowed", name.len())));
        let old = self.tests.difference(&now.tests);
        found.extend(old.map(|name| format!("take the test `{name}` off the list: cargo xtask generate")));
        found
    }

    /// Some of the sentences that are not on the list with this file.
    fn new_sentences(&self, path: &str, text: &Text) -> String {
        let known = self.texts.get(path);
        let is_new = |found: &&Found| known.is_none_or(|owed| !owed.marks.contains(&mark(&found.text)));
        let shown = text.found.iter().filter(is_new).take(EXAMPLES);
        let shown: Vec<String> = shown.map(|found| format!("\n    {path}:{}: {}", found.line, found.text)).collect();
        shown.concat()
    }
}

fn owed(text: &Text) -> Owed {
    Owed { breaks: text.breaks, marks: text.found.iter().map(|found| mark(&found.text)).collect() }
}

fn line(path: &str, breaks: &Breaks) -> String {
    let numbers = [("long", breaks.long), ("headless", breaks.headless), ("median", breaks.median)];
    let numbers = numbers.iter().filter(|(_, number)| *number > 0);
    numbers.fold(path.to_owned(), |line, (name, number)| format!("{line} {name}={number}"))
}

/// Five hexadecimal digits of a sentence's FNV-1a hash, which is the same for every compiler.
fn mark(sentence: &str) -> String {
    let hash =
        sentence.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{:05x}", hash >> 44)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::page;

    const HEADLESS: &str = "What is held is.\n\n";
    const OTHER: &str = "What was left is too.\n\n";

    fn survey(texts: &[(&str, &str)], names: &[&str]) -> Survey {
        Survey {
            texts: texts.iter().map(|(path, text)| ((*path).to_owned(), page(text))).collect(),
            tests: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// The numbers of a list, without its marks.
    fn numbers(debt: &Debt) -> Vec<String> {
        debt.texts.iter().map(|(path, owed)| line(path, &owed.breaks)).collect()
    }

    #[test]
    fn the_list_is_read_as_it_is_written() {
        let name = "a".repeat(61);
        let long = format!("{}.", "Word ".repeat(36));
        let debt = Debt::of(&survey(&[("a.md", &long), ("b.rs", HEADLESS), ("c.md", "It is.")], &[&name, "short"]));
        assert_eq!(Debt::parse(&debt.list()), Ok(debt.clone()));
        assert_eq!(numbers(&debt), ["a.md long=1 median=36", "b.rs headless=1"]);
        assert!(debt.list().contains(&format!("\ntest {name}\n")) && !debt.list().contains("short"), "{}", debt.list());
        assert!(Debt::parse("a.md long").is_err() && Debt::parse("a.md wide=1").is_err());
    }

    #[test]
    fn a_new_break_is_a_disagreement_that_shows_it() {
        let debt = Debt::of(&survey(&[("a.md", HEADLESS)], &[]));
        let found = debt.disagreements(&survey(&[("a.md", &format!("{HEADLESS}{OTHER}"))], &[]));
        let shown = "`a.md headless=2` breaks STYLE.md, the list allows `a.md headless=1`\n    a.md:3: What was left is too.";
        assert_eq!(found, [shown]);
        assert_eq!(debt.disagreements(&survey(&[("a.md", HEADLESS), ("new.md", OTHER)], &[&"n".repeat(61)])).len(), 2);
    }

    #[test]
    fn a_number_that_can_be_lowered_is_a_disagreement() {
        let both = format!("{HEADLESS}{OTHER}");
        let debt = Debt::of(&survey(&[("a.md", &both), ("gone.md", HEADLESS)], &[&"n".repeat(61)]));
        let found = debt.disagreements(&survey(&[("a.md", HEADLESS)], &[]));
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found.iter().all(|one| one.ends_with("cargo xtask generate")), "{found:#?}");
    }

    #[test]
    fn lowering_never_raises_nor_adds() {
        let both = format!("{HEADLESS}{OTHER}");
        let debt = Debt::of(&survey(&[("a.md", &both), ("b.md", HEADLESS)], &[]));
        let now =
            survey(&[("a.md", HEADLESS), ("b.md", &format!("{HEADLESS}What is new is.\n\n")), ("c.md", "What too is.")], &["n"]);
        let lowered = debt.lowered(&now);
        assert_eq!(numbers(&lowered), ["a.md headless=1", "b.md headless=1"]);
        assert!(lowered.tests.is_empty());
        assert!(lowered.disagreements(&now).concat().contains("What is new is."), "a new sentence is shown still");
    }

    #[test]
    fn a_moved_sentence_takes_its_number_along() {
        let debt = Debt::of(&survey(&[("a.md", &format!("{HEADLESS}{OTHER}")), ("old/b.md", "What b is is.")], &[]));
        let now = survey(&[("a.md", HEADLESS), ("part.md", OTHER), ("new/b.md", "What b is is.")], &[]);
        assert_eq!(numbers(&debt.lowered(&now)), ["a.md headless=1", "new/b.md headless=1", "part.md headless=1"]);
    }

    #[test]
    fn a_moved_file_takes_its_median_along() {
        let text = format!("{}.", "Word ".repeat(30));
        let debt = Debt::of(&survey(&[("old/a.md", &text)], &[]));
        assert_eq!(numbers(&debt.lowered(&survey(&[("new/a.md", &text), ("b.md", &text)], &[]))), ["new/a.md median=30"]);
    }

    #[test]
    fn a_copied_sentence_takes_no_number_along() {
        let debt = Debt::of(&survey(&[("a.md", HEADLESS)], &[]));
        let now = survey(&[("a.md", HEADLESS), ("copy.md", HEADLESS)], &[]);
        assert_eq!(numbers(&debt.lowered(&now)), ["a.md headless=1"]);
    }
}
