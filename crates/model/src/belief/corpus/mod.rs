//! The corpus decides: histories of spend from public reports, each labelled before the function was written, run through the
//! product's own alerts and rounds. The judgement of version 5e03290 stands beside it.

mod before;
mod chaos;
mod generator;
mod history;
mod old;
mod player;

use std::collections::BTreeMap;

use history::{History, Label, Outcome, all, unseen};

/// Every history comes to the outcome that it is labelled with, and no step of it breaks a promise.
#[test]
fn every_history_of_the_corpus_comes_to_its_outcome() {
    let histories = all();
    assert!(histories.len() >= 60, "{}", histories.len());
    assert_outcomes(&histories);
}

/// The same of the set whose writer had not seen the function.
#[test]
fn every_unseen_history_comes_to_its_outcome() {
    let histories = unseen();
    assert!(histories.len() >= 25, "{}", histories.len());
    assert_outcomes(&histories);
}

fn assert_outcomes(histories: &[History]) {
    let mut wrong = Vec::new();
    for history in histories {
        let played = player::play(history);
        if played.outcome != history.wanted {
            wrong.push(format!(
                "{}: {:?}, wanted {:?}\n  {}",
                history.name,
                played.outcome,
                history.wanted,
                played.log.join("\n  ")
            ));
        }
        if let Some(broken) = played.broken(history.is) {
            wrong.push(format!("{}: {broken}\n  {}", history.name, played.log.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), histories.len(), wrong.join("\n"));
}

/// The same, while calls to the ledger and the state machine are refused, or their answers are lost.
#[test]
fn every_history_comes_to_its_outcome_in_chaos() {
    let mut faults = 0;
    for (number, history) in all().iter().chain(&unseen()).enumerate() {
        for seed in 1..=2 {
            let played = player::play_in_chaos(history, seed * 1000 + number as u64);
            faults += played.faults;
            let context = format!("{} with seed {seed}:\n  {}", history.name, played.log.join("\n  "));
            assert_eq!(played.outcome, history.wanted, "{context}");
            assert_eq!(played.broken(history.is), None, "{context}");
        }
    }
    assert!(faults > 1000, "only {faults} calls failed");
}

/// A true breach is labelled as enforced, a false figure never is.
#[test]
fn labels_and_outcomes_of_the_corpus_agree() {
    for history in all().into_iter().chain(unseen()) {
        let fits = match history.is {
            Label::TrueBreach => history.wanted == Outcome::Enforced,
            Label::FalseFigure => history.wanted != Outcome::Enforced,
            Label::CannotBeTold => true,
        };
        assert!(fits && !history.source.is_empty(), "{}", history.name);
    }
}

/// docs/belief.md says how many of each kind are enforced and asked about, now and by version 5e03290.
#[test]
fn the_document_counts_the_corpus_as_it_is() {
    let document = include_str!("../../../../../docs/belief.md");
    let (_, second) = document.split_once("## The second set").expect("a section on the second set");
    for (histories, part) in [(all(), document), (unseen(), second)] {
        let judged = histories.iter().map(|history| (history, before::play(history)));
        let wrong = judged.filter(|(history, before)| *before != history.before);
        let wrong: Vec<String> = wrong.map(|(history, before)| format!("{}: {before:?}", history.name)).collect();
        assert!(wrong.is_empty(), "by the judgement of 5e03290:\n{}", wrong.join("\n"));
        for row in rows(&histories) {
            assert!(part.contains(&row), "docs/belief.md lacks this row:\n{row}");
        }
    }
}

/// The kinds of histories, by the files that they stand in.
const KINDS: [(&str, &str); 8] = [
    ("runaways", "runaways"),
    ("zero-spend", "budgets of a cent or a dollar"),
    ("fees", "fees, credits and corrections"),
    ("incidents", "wrong unit prices, and people's answers"),
    ("periods", "the turn of a month, late alerts and daily budgets"),
    ("edits", "limits and notifications that others changed"),
    ("unreachable", "AWS Budgets cannot be asked"),
    ("others", "all other kinds"),
];

/// The tables of a set: each label and each kind, and how its histories end.
fn rows(histories: &[History]) -> Vec<String> {
    let labels =
        [(Label::TrueBreach, "true breach"), (Label::FalseFigure, "false figure"), (Label::CannotBeTold, "cannot be told")];
    let of_labels = labels.map(|(label, words)| row(words, histories.iter().filter(|history| history.is == label)));
    let of_kinds = KINDS.map(|(kind, words)| row(words, histories.iter().filter(|history| history.kind == kind)));
    of_labels.into_iter().chain(of_kinds).flatten().collect()
}

fn row<'a>(words: &str, of: impl Iterator<Item = &'a History>) -> Option<String> {
    let of: Vec<&History> = of.collect();
    let count = |outcome: fn(&History) -> Outcome| {
        let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
        for history in &of {
            *counts.entry(outcome(history)).or_default() += 1;
        }
        [Outcome::Enforced, Outcome::Asked, Outcome::Reported, Outcome::Quiet]
            .map(|outcome| counts.get(&outcome).copied().unwrap_or_default().to_string())
            .join(" | ")
    };
    let (now, before) = (count(|history| history.wanted), count(|history| history.before));
    (!of.is_empty()).then(|| format!("| {words} | {} | now | {now} |\n| | | 5e03290 | {before} |", of.len()))
}
