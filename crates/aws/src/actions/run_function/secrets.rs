//! Inputs that look like secrets. The file, the ledger and the function's logs would keep them as they are written.

use serde_json::Value as Json;

/// Words of a key whose value is a secret wherever they stand in it.
const SECRET: &[&str] = &["password", "passwd", "passphrase", "secret", "token", "credential", "credentials", "apikey"];
/// Last words of a key whose value is only the name of a secret.
const NAMES: &[&str] = &["name", "arn", "id"];
/// The beginnings of secrets that their issuers mark: AWS, GitHub, Slack, and keys in PEM.
const MARKED: &[&str] = &["AKIA", "ASIA", "ghp_", "github_pat_", "xoxb-", "xoxp-", "-----BEGIN"];
/// A text that is shorter than this is a word, whatever it begins with.
const SHORTEST: usize = 16;

/// Warns of the keys of an input whose values look like secrets. The values are not repeated.
pub(super) fn warning(input: &Json) -> Option<String> {
    let mut found = Vec::new();
    collect("input", None, input, &mut found);
    (!found.is_empty()).then(|| {
        format!(
            "`{}` of run-function looks like a secret, and guardrails.yaml, the ledger and logs keep it as it is written: name a secret of \
             Secrets Manager there",
            found.join("`, `")
        )
    })
}

fn collect(place: &str, key: Option<&str>, value: &Json, found: &mut Vec<String>) {
    match value {
        Json::Object(fields) => {
            fields.iter().for_each(|(key, value)| collect(&format!("{place}.{key}"), Some(key), value, found));
        }
        Json::Array(items) => {
            let each = items.iter().enumerate();
            each.for_each(|(index, value)| collect(&format!("{place}[{index}]"), key, value, found));
        }
        Json::String(text) if is_marked(text) || (key.is_some_and(is_secret) && !is_name(text)) => found.push(place.to_owned()),
        _ => {}
    }
}

fn is_marked(text: &str) -> bool {
    text.len() >= SHORTEST && MARKED.iter().any(|begin| text.starts_with(begin))
}

/// Is it the ARN of a secret, or nothing at all?
fn is_name(text: &str) -> bool {
    text.is_empty() || text.starts_with("arn:")
}

fn is_secret(key: &str) -> bool {
    let words = words(key);
    let is_name = words.last().is_some_and(|last| NAMES.contains(&last.as_str()));
    let is_key = words.last().is_some_and(|last| last == "key");
    !is_name && (is_key || words.iter().any(|word| SECRET.contains(&word.as_str())))
}

/// The words of a key such as `dbPassword`, `db_password` or `DB-PASSWORD`.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in key.chars() {
        if !letter.is_alphanumeric() || (was_lower && letter.is_uppercase()) {
            words.push(String::new());
        }
        was_lower = letter.is_lowercase();
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn input_that_looks_like_a_secret_is_named_by_its_place() {
        for (input, place) in [
            (json!({"password": "hunter2"}), "`input.password`"),
            (json!({"db": {"dbPassword": "hunter2"}}), "`input.db.dbPassword`"),
            (json!({"SECRET_TOKENS": "x", "api-key": "y"}), "`input.SECRET_TOKENS`, `input.api-key`"),
            (json!({"tokens": [{"token": ["a"]}]}), "`input.tokens[0].token[0]`"),
            (json!({"who": "AKIAIOSFODNN7EXAMPLE"}), "`input.who`"),
            (json!("-----BEGIN PRIVATE KEY-----"), "`input`"),
        ] {
            let words = warning(&input).unwrap_or_default();
            assert!(words.starts_with(place), "{input}: {words}");
            assert!(["hunter2", "AKIA", "BEGIN"].iter().all(|secret| !words.contains(secret)), "{words}");
        }
    }

    #[test]
    fn input_that_names_a_secret_or_is_none_is_not_warned_of() {
        for input in [
            json!(null),
            json!({"keep": ["nightly"], "monkey": "x", "max_tokens": 500, "keys": 3}),
            json!({"secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db", "secret_name": "db", "password": ""}),
            json!({"who": "AKIA", "project": "Beta"}),
        ] {
            assert_eq!(warning(&input), None, "{input}");
        }
    }
}
