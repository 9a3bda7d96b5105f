//! Two values of one key, compared leaf by leaf.

use std::collections::BTreeSet;

use serde_json::Value as Json;

/// The leaves that differ, each as `path before -> now`.
pub(super) fn differing(path: &str, before: &Json, now: &Json) -> Vec<String> {
    let mut found = Vec::new();
    compare(path, Some(before), Some(now), &mut found);
    found
}

fn compare(path: &str, before: Option<&Json>, now: Option<&Json>, found: &mut Vec<String>) {
    if before == now {
        return;
    }
    let [keys_before, keys_now] = [before, now].map(|value| value.and_then(Json::as_object));
    if (keys_before.is_some() || is_none(before)) && (keys_now.is_some() || is_none(now)) {
        let keys: BTreeSet<&String> = keys_before.into_iter().chain(keys_now).flat_map(serde_json::Map::keys).collect();
        for key in &keys {
            let below = if path.is_empty() { (*key).clone() } else { format!("{path}.{key}") };
            let of = |map: Option<&serde_json::Map<String, Json>>| map.and_then(|map| map.get(*key)).cloned();
            compare(&below, of(keys_before).as_ref(), of(keys_now).as_ref(), found);
        }
        if !keys.is_empty() {
            return;
        }
    }
    if !(is_none(before) && is_none(now)) {
        found.push(format!("{path} {} -> {}", shown(before), shown(now)));
    }
}

fn is_none(value: Option<&Json>) -> bool {
    value.is_none_or(Json::is_null)
}

/// A leaf as the file has it. A key that has its default is not there.
pub(super) fn shown(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => "not set".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Array(all)) => all.iter().map(|one| shown(Some(one))).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leaves_that_differ_are_named_by_their_path() {
        let (before, now) = (json!({"a": {"b": 1, "c": [1, 2]}, "d": "x"}), json!({"a": {"b": 2, "c": [1]}, "e": {"f": true}}));
        assert_eq!(
            differing("p", &before, &now),
            ["p.a.b 1 -> 2", "p.a.c 1, 2 -> 1", "p.d x -> not set", "p.e.f not set -> true"]
        );
    }

    #[test]
    fn empty_object_that_comes_is_a_change() {
        assert_eq!(differing("p", &json!(null), &json!({})), ["p not set -> {}"]);
        assert_eq!(differing("p", &json!({"a": 1}), &json!({"a": 1})), Vec::<String>::new());
    }
}
