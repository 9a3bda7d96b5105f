//! The corpus decides: histories of spend from public reports, each labelled before the function was written, run through the
//! product's own alerts and rounds. The judgement of version 5e03290 stands beside it.

mod before;
mod generator;
mod history;
mod old;
mod player;

use std::collections::BTreeMap;

use history::{History, Label, Outcome, all};

/// Every history comes to the outcome that it is labelled with, and no step of it breaks a promise.
#[test]
fn every_history_of_the_corpus_comes_to_its_outcome() {
    let histories = all();
    assert!(histories.len() >= 60, "{}", histories.len());
    let mut wrong = Vec::new();
    for history in &histories {
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

/// A true breach is labelled as enforced, a false figure never is.
#[test]
fn labels_and_outcomes_of_the_corpus_agree() {
    for history in all() {
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
    let histories = all();
    let judged = histories.iter().map(|history| (history, before::play(history)));
    let wrong = judged.filter(|(history, before)| *before != history.before);
    let wrong: Vec<String> = wrong.map(|(history, before)| format!("{}: {before:?}", history.name)).collect();
    assert!(wrong.is_empty(), "by the judgement of 5e03290:\n{}", wrong.join("\n"));
    let mut rows = Vec::new();
    for (label, words) in
        [(Label::TrueBreach, "true breach"), (Label::FalseFigure, "false figure"), (Label::CannotBeTold, "cannot be told")]
    {
        let of_label = || histories.iter().filter(|history| history.is == label);
        let count = |outcome: fn(&History) -> Outcome| {
            let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
            of_label().for_each(|history| *counts.entry(outcome(history)).or_default() += 1);
            [Outcome::Enforced, Outcome::Asked, Outcome::Reported, Outcome::Quiet]
                .map(|outcome| counts.get(&outcome).copied().unwrap_or_default().to_string())
                .join(" | ")
        };
        rows.push(format!("| {words} | {} | now | {} |", of_label().count(), count(|history| history.wanted)));
        rows.push(format!("| | | 5e03290 | {} |", count(|history| history.before)));
    }
    let document = include_str!("../../../../../docs/belief.md");
    for row in rows {
        assert!(document.contains(&row), "docs/belief.md lacks this row:\n{row}");
    }
}
