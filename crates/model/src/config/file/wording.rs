//! The errors of the YAML reader in the file's words: each says once what was expected, with the near name where one is misspelt.

use serde_saphyr::{Error, Location};

use crate::near;

/// Its place, where the reader knows one, and its words.
pub fn words(error: &Error) -> (Option<Location>, String) {
    let mut error = error;
    while let Error::WithSnippet { error: inner, .. } | Error::AliasError { error: inner, .. } = error {
        error = inner;
    }
    (error.location().filter(|at| at.line() > 0), of(error))
}

fn of(error: &Error) -> String {
    match error {
        Error::Message { msg, .. } => msg.clone(),
        Error::Eof { .. } => "the file is empty, or ends too early".to_owned(),
        Error::Unexpected { expected, .. } => match *expected {
            "sequence start" => "expected a list: put it into brackets, such as `[first, second]`".to_owned(),
            "mapping start" => "expected keys with values, such as `{ Project: Beta }`".to_owned(),
            "string scalar" => "expected one text, and not a list or keys".to_owned(),
            other => format!("expected {other}"),
        },
        Error::InvalidScalar { ty, .. } if is_number(ty) => "expected a whole number".to_owned(),
        Error::InvalidScalar { ty, .. } => format!("expected a {ty}"),
        Error::InvalidBooleanStrict { .. } => "expected `true` or `false`".to_owned(),
        Error::NullIntoString { .. } => "expected a text, and nothing stands there".to_owned(),
        Error::SerdeUnknownField { field, expected, .. } => {
            format!("`{field}` is no key of this place; {}", near::among(field, expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("`{variant}` is not known here; {}", near::among(variant, expected))
        }
        Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        Error::SerdeInvalidType { unexpected, expected, .. } | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            let found = unexpected.strip_prefix("string ").unwrap_or(unexpected).trim_matches(['"', '`']);
            let meant = near::nearest(found, &names(expected)).map(|name| format!("; did you mean `{name}`?"));
            format!("`{found}` is not expected here: expected {expected}{}", meant.unwrap_or_default())
        }
        Error::SerdeInvalidLength { len: 0, expected, .. } => format!("the list is empty: expected {expected}"),
        Error::SerdeInvalidLength { len, expected, .. } => format!("{len} are not as many as expected: expected {expected}"),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("`{key}` stands there twice: a name stands once"),
        Error::DuplicateMappingKey { key: None, .. } => "a key stands there twice: a name stands once".to_owned(),
        other => format!("this is not YAML as it can be read here: {}", without_place(&other.to_string())),
    }
}

fn is_number(ty: &str) -> bool {
    ty.starts_with(['u', 'i']) && ty.len() > 1 && ty[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// The single words that a text has in backticks.
fn names(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')).collect()
}

/// The reader's text without its place, which is shown below it.
fn without_place(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    match line.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => rest,
        _ => line.rsplit_once(" at line ").map_or(line, |(rest, _)| rest),
    }
}
