//! The list of the texts that do not keep STYLE.md yet: a ratchet, whose numbers only fall.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::survey::{Breaks, LONGEST_NAME, LONGEST_SENTENCE, MEDIAN_UNDER, Survey};

/// Where the list is, from the root of the checkout.
pub const LIST: &str = "tests/docs/style-debt.txt";

/// How many sentences of a text are shown as examples.
const EXAMPLES: usize = 5;

/// The texts and the tests' names that may still break a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Debt {
    texts: BTreeMap<String, Breaks>,
    tests: BTreeSet<String>,
}

impl Debt {
    /// All that a checkout breaks.
    #[must_use]
    pub fn of(survey: &Survey) -> Self {
        let texts = survey.texts.iter().filter(|(_, text)| !text.breaks.is_none());
        let tests = survey.tests.iter().filter(|name| name.len() > LONGEST_NAME);
        Self { texts: texts.map(|(path, text)| (path.clone(), text.breaks)).collect(), tests: tests.cloned().collect() }
    }

    /// Reads the list. A line is `<path> long=<n> headless=<n> median=<n>`, without the numbers that are zero, or `test <name>`.
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
            let mut breaks = Breaks::default();
            for part in rest.split(' ') {
                let (name, number) = part.split_once('=').ok_or_else(unread)?;
                let number = number.parse().map_err(|_| unread())?;
                match name {
                    "long" => breaks.long = number,
                    "headless" => breaks.headless = number,
                    "median" => breaks.median = number,
                    _ => return Err(unread()),
                }
            }
            debt.texts.insert(first.to_owned(), breaks);
        }
        Ok(debt)
    }

    /// The list as it is written.
    #[must_use]
    pub fn list(&self) -> String {
        let mut list = format!(
            "# The texts that do not keep STYLE.md yet. Numbers only fall: `cargo xtask generate` lowers them.\n\
             # A page, or the doc comments of a Rust file: its sentences of more than {LONGEST_SENTENCE} words, its headless clauses, and \
             the median of\n# words in a sentence where that is {MEDIAN_UNDER} or more.\n"
        );
        for (path, breaks) in &self.texts {
            writeln!(list, "{}", line(path, breaks)).unwrap_or_default();
        }
        writeln!(list, "\n# Tests with a name of more than {LONGEST_NAME} letters.").unwrap_or_default();
        for name in &self.tests {
            writeln!(list, "test {name}").unwrap_or_default();
        }
        list
    }

    /// The list with each number as low as the checkout is now. No number rises, and no name is added.
    ///
    /// The numbers of a file that is gone pass to files that are new, first to one of the same name: a text may move, and be cut in
    /// two.
    #[must_use]
    pub fn lowered(&self, survey: &Survey) -> Self {
        let now = Self::of(survey);
        let mut gone: BTreeMap<&str, Breaks> = BTreeMap::new();
        let mut texts: BTreeMap<String, Breaks> = BTreeMap::new();
        for (path, listed) in &self.texts {
            if let Some(text) = survey.texts.get(path) {
                texts.insert(path.clone(), listed.min(text.breaks));
            } else {
                gone.insert(path, *listed);
            }
        }
        for same_name in [true, false] {
            for (path, wanted) in now.texts.iter().filter(|(path, _)| !self.texts.contains_key(*path)) {
                take(&mut gone, path, same_name, *wanted, texts.entry(path.clone()).or_default());
            }
        }
        texts.retain(|_, breaks| !breaks.is_none());
        Self { texts, tests: self.tests.intersection(&now.tests).cloned().collect() }
    }

    /// Each way in which the checkout and the list disagree: a rule that is newly broken, or a number that can be lowered.
    #[must_use]
    pub fn disagreements(&self, survey: &Survey) -> Vec<String> {
        let now = Self::of(survey);
        let none = Breaks::default();
        let mut found = Vec::new();
        let paths: BTreeSet<&String> = self.texts.keys().chain(now.texts.keys()).collect();
        for path in paths {
            let (listed, is) = (self.texts.get(path).unwrap_or(&none), now.texts.get(path).unwrap_or(&none));
            if !is.is_within(listed) {
                let examples = survey.texts.get(path).map(|text| text.found.as_slice()).unwrap_or_default();
                let examples: String = examples.iter().take(EXAMPLES).map(|one| format!("\n    {path}:{one}")).collect();
                found.push(format!("`{}` breaks STYLE.md, the list allows `{}`{examples}", line(path, is), line(path, listed)));
            } else if is != listed {
                found.push(format!("lower `{}` to `{}`: cargo xtask generate", line(path, listed), line(path, is)));
            }
        }
        let new = now.tests.difference(&self.tests);
        found.extend(new.map(|name| format!("the test `{name}` has {} letters, at most {LONGEST_NAME} are allowed", name.len())));
        let old = self.tests.difference(&now.tests);
        found.extend(old.map(|name| format!("take the test `{name}` off the list: cargo xtask generate")));
        found
    }
}

fn line(path: &str, breaks: &Breaks) -> String {
    let numbers = [("long", breaks.long), ("headless", breaks.headless), ("median", breaks.median)];
    let numbers = numbers.iter().filter(|(_, number)| *number > 0);
    numbers.fold(path.to_owned(), |line, (name, number)| format!("{line} {name}={number}"))
}

/// Takes up to the wanted numbers from files that are gone, first from the one whose path ends most alike.
fn take(gone: &mut BTreeMap<&str, Breaks>, path: &str, same_name: bool, wanted: Breaks, taken: &mut Breaks) {
    let mut from: Vec<&str> = gone.keys().copied().filter(|other| !same_name || alike(other, path) > 0).collect();
    from.sort_by_key(|other| Reverse(alike(other, path)));
    for other in from {
        let Some(left) = gone.get_mut(other) else { continue };
        let (long, headless) = (left.long.min(wanted.long - taken.long), left.headless.min(wanted.headless - taken.headless));
        left.long -= long;
        left.headless -= headless;
        taken.long += long;
        taken.headless += headless;
        taken.median = taken.median.max(left.median.min(wanted.median));
    }
}

/// How many folders and names two paths have in common at their ends.
fn alike(one: &str, other: &str) -> usize {
    one.rsplit('/').zip(other.rsplit('/')).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::Text;

    fn survey(texts: &[(&str, usize, usize)], tests: &[&str]) -> Survey {
        let text =
            |long, headless| Text { breaks: Breaks { long, headless, median: 0 }, found: vec!["1: A sentence.".to_owned()] };
        Survey {
            texts: texts.iter().map(|(path, long, headless)| ((*path).to_owned(), text(*long, *headless))).collect(),
            tests: tests.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn debt(list: &str) -> Debt {
        Debt::parse(list).unwrap()
    }

    #[test]
    fn the_list_is_read_as_it_is_written() {
        let name = "a".repeat(61);
        let debt = Debt::of(&survey(&[("a.md", 1, 2), ("b.rs", 0, 3), ("c.md", 0, 0)], &[&name, "short"]));
        assert_eq!(Debt::parse(&debt.list()), Ok(debt.clone()));
        assert!(debt.list().contains("\na.md long=1 headless=2\nb.rs headless=3\n"), "{}", debt.list());
        assert!(Debt::parse("a.md long").is_err() && Debt::parse("a.md wide=1").is_err());
    }

    #[test]
    fn a_new_break_is_a_disagreement_that_shows_it() {
        let found = debt("a.md long=1\n").disagreements(&survey(&[("a.md", 2, 0)], &[]));
        assert_eq!(found, ["`a.md long=2` breaks STYLE.md, the list allows `a.md long=1`\n    a.md:1: A sentence."]);
        assert_eq!(debt("").disagreements(&survey(&[("new.md", 0, 1)], &[&"n".repeat(61)])).len(), 2);
    }

    #[test]
    fn a_number_that_can_be_lowered_is_a_disagreement() {
        let long = "n".repeat(61);
        let found = debt(&format!("a.md long=3\ngone.md long=1\ntest {long}\n")).disagreements(&survey(&[("a.md", 2, 0)], &[]));
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found.iter().all(|one| one.ends_with("cargo xtask generate")), "{found:#?}");
    }

    #[test]
    fn lowering_never_raises_nor_adds() {
        let now = survey(&[("a.md", 5, 1), ("b.md", 0, 9), ("new.md", 4, 4)], &[&"n".repeat(61)]);
        assert_eq!(debt("a.md long=3 headless=2\nb.md long=1\n").lowered(&now), debt("a.md long=3 headless=1\n"));
    }

    #[test]
    fn the_numbers_of_a_moved_file_go_with_it() {
        let list = debt("old/x/mod.rs headless=5\nold/y/mod.rs headless=1\nold/z.rs long=2\n");
        let now = [("new/y/mod.rs", 0, 1), ("new/x/mod.rs", 0, 3), ("new/a/part.rs", 0, 4), ("new/z.rs", 2, 0)];
        let now = survey(&now, &[]);
        let expected = "new/x/mod.rs headless=3\nnew/a/part.rs headless=2\nnew/y/mod.rs headless=1\nnew/z.rs long=2\n";
        assert_eq!(list.lowered(&now), debt(expected));
    }
}
