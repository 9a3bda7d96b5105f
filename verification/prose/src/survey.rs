//! Measures each page, each Rust file's doc comments and each test's name of a checkout.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::headless;
use crate::markdown::{Sentence, sentences};

/// A sentence with more words is too long.
pub const LONGEST_SENTENCE: usize = 35;
/// The median of a text's sentences stays under this number of words.
pub const MEDIAN_UNDER: usize = 25;
/// Headless clauses in a hundred sentences stay under this number.
pub const HEADLESS_UNDER: usize = 3;
/// A test's name has at most as many letters.
pub const LONGEST_NAME: usize = 60;

/// Folders whose files are written by tools.
const SKIPPED: [&str; 4] = ["target", "corpus", "artifacts", "node_modules"];

/// By how much a text breaks each rule. Zero where it keeps the rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaks {
    /// Sentences with too many words.
    pub long: usize,
    /// Headless clauses, where they are too many for the number of sentences.
    pub headless: usize,
    /// The median of words in a sentence, where it is too high.
    pub median: usize,
}

impl Breaks {
    /// Whether it keeps every rule.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Of each number the smaller one.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            long: self.long.min(other.long),
            headless: self.headless.min(other.headless),
            median: self.median.min(other.median),
        }
    }

    /// Whether none of its numbers is above the other's.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.min(*other) == *self
    }
}

/// One text, measured.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// By how much it breaks each rule.
    pub breaks: Breaks,
    /// The sentences that are too long or have headless clauses.
    pub found: Vec<Found>,
}

/// A sentence that is too long or has headless clauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The line on which its paragraph begins, counted from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// Whether it is too long.
    pub is_long: bool,
    /// How many headless clauses it has.
    pub headless: usize,
}

/// A whole checkout, measured.
#[derive(Debug, Default)]
pub struct Survey {
    /// By path from the root, also those that keep every rule.
    pub texts: BTreeMap<String, Text>,
    /// Each test's name.
    pub tests: Vec<String>,
}

/// Measures a checkout.
///
/// # Errors
/// When a file or a folder cannot be read.
pub fn survey(root: &Path) -> io::Result<Survey> {
    let mut survey = Survey::default();
    visit(root, "", &mut survey)?;
    survey.tests.sort();
    survey.tests.dedup();
    Ok(survey)
}

fn visit(folder: &Path, below: &str, survey: &mut Survey) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || SKIPPED.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{below}{name}");
        if entry.file_type()?.is_dir() {
            visit(&entry.path(), &format!("{path}/"), survey)?;
        } else if let Some((_, extension @ ("md" | "rs"))) = name.rsplit_once('.') {
            let text = fs::read_to_string(entry.path())?;
            let measured = if extension == "md" { page(&text) } else { rust(&text) };
            survey.texts.insert(path, measured);
            if extension == "rs" {
                survey.tests.extend(test_names(&text));
            }
        }
    }
    Ok(())
}

/// Measures a page of Markdown.
#[must_use]
pub fn page(text: &str) -> Text {
    measure(&sentences(text))
}

/// Measures the doc comments of a Rust file.
#[must_use]
pub fn rust(source: &str) -> Text {
    let mut found = Vec::new();
    for (first, comment) in doc_comments(source) {
        found.extend(sentences(&comment).into_iter().map(|piece| Sentence { line: first + piece.line - 1, ..piece }));
    }
    measure(&found)
}

fn measure(sentences: &[Sentence]) -> Text {
    let mut text = Text::default();
    let mut words: Vec<usize> = sentences.iter().filter(|piece| !piece.is_fragment).map(Sentence::words).collect();
    words.sort_unstable();
    let median = words.get(words.len() / 2).copied().unwrap_or_default();
    let mut clauses = 0;
    for piece in sentences {
        let (is_long, headless) = (piece.words() > LONGEST_SENTENCE, headless::count(&piece.text));
        text.breaks.long += usize::from(is_long);
        clauses += headless;
        if is_long || headless > 0 {
            text.found.push(Found { line: piece.line, text: piece.text.clone(), is_long, headless });
        }
    }
    if clauses * 100 >= HEADLESS_UNDER * sentences.len() {
        text.breaks.headless = clauses;
    }
    if median >= MEDIAN_UNDER {
        text.breaks.median = median;
    }
    text
}

/// Each doc comment, with the number of its first line.
fn doc_comments(source: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = None;
    for (number, line) in source.lines().enumerate() {
        let line = line.trim_start();
        let marker = ["///", "//!"].into_iter().find(|marker| line.starts_with(marker) && !line.starts_with("////"));
        if marker.is_none() || marker != open {
            open = marker;
            if marker.is_some() {
                found.push((number + 1, String::new()));
            }
        }
        if let (Some(marker), Some((_, comment))) = (marker, found.last_mut()) {
            let text = &line[marker.len()..];
            comment.push_str(text.strip_prefix(' ').unwrap_or(text));
            comment.push('\n');
        }
    }
    found
}

/// The names of the functions under an attribute such as `#[test]` or `#[tokio::test]`.
fn test_names(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            found.extend(rest.split_once('(').map(|(name, _)| name.trim().to_owned()).filter(|name| !name.contains('$')));
            is_test = false;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(words: usize) -> String {
        format!("{}.\n", vec!["Word"; words].join(" "))
    }

    #[test]
    fn a_sentence_of_36_words_is_too_long() {
        assert_eq!(page(&sentence(35)).breaks.long, 0);
        assert_eq!(page(&sentence(36)).breaks.long, 1);
    }

    #[test]
    fn the_median_counts_sentences_only() {
        let table = "| a | b |\n| --- | --- |\n| c | d |\n\n";
        assert_eq!(page(&format!("{table}{}", sentence(25))).breaks.median, 25);
        assert_eq!(page(&format!("{table}{}", sentence(24))).breaks.median, 0);
    }

    #[test]
    fn three_headless_clauses_in_a_hundred_are_too_many() {
        let text =
            |headless: usize| format!("{}{}", "What is held is.\n\n".repeat(headless), "It is.\n\n".repeat(100 - headless));
        assert_eq!(page(&text(2)).breaks.headless, 0);
        assert_eq!(page(&text(3)).breaks.headless, 3);
    }

    #[test]
    fn doc_comments_are_prose_and_code_is_not() {
        let source = "//! What is held.\n\n// What is not.\n    /// It runs.\n    /// What it does.\nfn what() {}\n/// ```\n/// What is.\n/// ```\n";
        let text = rust(source);
        assert_eq!(text.breaks, Breaks { long: 0, headless: 2, median: 0 });
        let found: Vec<_> = text.found.iter().map(|found| (found.line, found.text.as_str(), found.headless)).collect();
        assert_eq!(found, [(1, "What is held.", 1), (4, "What it does.", 1)]);
    }

    #[test]
    fn test_names_are_those_under_the_attribute() {
        let source = "#[test]\n#[should_panic]\nfn one() {}\nfn helper() {}\n#[tokio::test(flavor = \"x\")]\nasync fn two() {\n}\n#[cfg(test)]\nfn three() {}";
        assert_eq!(test_names(source), ["one", "two"]);
    }
}
