//! The stages of one guardrail, before and now.

use guardrails_model::config::{ActionSpec, Stage};
use serde_json::{Value as Json, json};

use super::parts::differing;

/// The keys of a stage that follow from its others, or are compared by themselves.
const OTHERWISE: [&str; 3] = ["at", "groups", "lossy"];

/// The changes of the stages. One at another threshold is the same stage when all else of it is as before, or when no other could be
/// meant.
pub(super) fn between(before: &[Stage], now: &[Stage]) -> Vec<String> {
    let stays = |one: &&Stage, others: &[Stage]| others.iter().any(|other| other.at == one.at);
    let mut gone: Vec<&Stage> = before.iter().filter(|stage| !stays(stage, now)).collect();
    let mut new: Vec<&Stage> = now.iter().filter(|stage| !stays(stage, before)).collect();
    let mut changes = Vec::new();
    new.retain(|stage| {
        let moved = gone.iter().position(|other| other.waves == stage.waves && settings(other) == settings(stage));
        moved.is_none_or(|index| {
            changes.push(moved_to(gone.remove(index), stage));
            false
        })
    });
    if let ([from], [to]) = (gone.as_slice(), new.as_slice()) {
        changes.push(moved_to(from, to));
        changes.extend(of_stage(from, to));
    } else {
        changes.extend(gone.iter().map(|stage| format!("stage {} removed", stage.at)));
        changes.extend(new.iter().map(|stage| format!("stage added at {}", words(stage))));
    }
    for stage in now {
        if let Some(former) = before.iter().find(|former| former.at == stage.at) {
            changes.extend(of_stage(former, stage));
        }
    }
    changes
}

/// A stage with its actions.
pub(super) fn words(stage: &Stage) -> String {
    let actions: Vec<String> = stage.waves.iter().flatten().map(|action| format!("`{}`", action.name)).collect();
    let actions = if actions.is_empty() { "notify".to_owned() } else { actions.join(", ") };
    format!("{}: {actions}", stage.at)
}

fn moved_to(from: &Stage, to: &Stage) -> String {
    format!("stage {} -> {}", from.at, to.at)
}

/// The changes of one stage, whose threshold is now that of `now`.
fn of_stage(before: &Stage, now: &Stage) -> Vec<String> {
    let at = now.at;
    let (mut gone, mut new): (Vec<&ActionSpec>, Vec<&ActionSpec>) =
        (before.waves.iter().flatten().collect(), now.waves.iter().flatten().collect());
    let same_actions = take_same(&mut gone, &mut new, |one, other| one == other);
    let mut changes = Vec::new();
    for (one, other) in take_same(&mut gone, &mut new, |one, other| one.name == other.name) {
        let of_action = differing("", &one.params, &other.params);
        changes.extend(of_action.into_iter().map(|change| format!("`{}` at {at}: {change}", one.name)));
    }
    changes.extend(gone.iter().map(|action| format!("`{}` removed at {at}", action.name)));
    changes.extend(new.iter().map(|action| format!("`{}` added at {at}", action.name)));
    if changes.is_empty() && !same_actions.is_empty() && before.waves != now.waves {
        changes.push(format!("the order of the actions at {at} is another"));
    }
    changes.extend(differing("", &settings(before), &settings(now)).into_iter().map(|change| format!("at {at}: {change}")));
    changes
}

/// Takes the pairs out that are the `same`, in their order.
fn take_same<'a>(
    gone: &mut Vec<&'a ActionSpec>,
    new: &mut Vec<&'a ActionSpec>,
    same: impl Fn(&ActionSpec, &ActionSpec) -> bool,
) -> Vec<(&'a ActionSpec, &'a ActionSpec)> {
    let mut pairs = Vec::new();
    gone.retain(|one| {
        let found = new.iter().position(|other| same(one, other));
        found.is_none_or(|index| {
            pairs.push((*one, new.remove(index)));
            false
        })
    });
    pairs
}

/// The keys of a stage beside its threshold and its actions. The principals that it restricts follow from its actions.
fn settings(stage: &Stage) -> Json {
    let mut value = json!(stage);
    if let Some(object) = value.as_object_mut() {
        object.retain(|key, _| !OTHERWISE.contains(&key.as_str()));
        if let Some(verify) = object.remove("verify") {
            // A stage that restricts nobody has no such key, and one that does has the usual word without being asked.
            if verify["demand"] != "report" {
                object.insert("verify".to_owned(), verify["demand"].clone());
            }
        }
    }
    value
}
