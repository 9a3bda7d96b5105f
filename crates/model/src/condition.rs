//! A policy's conditions, as far as they can be evaluated without a real request: the principal is known, the content of its
//! request is not.

use serde_json::Value as Json;

use crate::glob::glob;
use crate::verdict::Verdict;

/// The knowledge about a key of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It has this value.
    Is(String),
    /// No request of the kind has it.
    Absent,
    /// Only the request would say.
    Unknown,
}

/// Do all of `conditions` hold for a request of whose keys `known` says what is known? It is given them in small letters.
#[must_use]
pub fn holds(conditions: Option<&Json>, known: &dyn Fn(&str) -> Known) -> Verdict {
    let Some(conditions) = conditions else { return Verdict::Yes };
    let Some(conditions) = conditions.as_object() else { return cannot("its conditions cannot be read") };
    let mut all = Verdict::Yes;
    for (operator, keys) in conditions {
        let Some(keys) = keys.as_object() else { return cannot("its conditions cannot be read") };
        for (key, expected) in keys {
            all = all.and(one(operator, key, &strings(expected), known));
        }
    }
    all
}

fn one(operator: &str, key: &str, expected: &[String], known: &dyn Fn(&str) -> Known) -> Verdict {
    let operator = operator.to_ascii_lowercase();
    let (operator, if_exists) = operator.strip_suffix("ifexists").map_or((operator.as_str(), false), |rest| (rest, true));
    let unknown = || Verdict::Unknown(format!("it asks for {key}"));
    let actual = known(&key.to_ascii_lowercase());
    if operator == "null" {
        let wants_absent = expected.iter().any(|value| value.eq_ignore_ascii_case("true"));
        return match actual {
            Known::Is(_) => Verdict::from(!wants_absent),
            Known::Absent => Verdict::from(wants_absent),
            Known::Unknown => unknown(),
        };
    }
    let Some((matches, negated)) = comparison(operator) else { return unknown() };
    let actual = match actual {
        Known::Is(actual) => actual,
        // A key that is not there matches nothing, so a negated comparison holds.
        Known::Absent => return Verdict::from(if_exists || negated),
        Known::Unknown => return unknown(),
    };
    // A variable in it is filled in when the request comes.
    if expected.iter().any(|value| value.contains("${")) {
        return unknown();
    }
    Verdict::from(expected.iter().any(|value| matches(value, &actual)) != negated)
}

type Matches = fn(&str, &str) -> bool;

/// How an operator compares, and whether it holds when nothing matches.
fn comparison(operator: &str) -> Option<(Matches, bool)> {
    let equals: Matches = |expected, actual| expected == actual;
    let ignoring_case: Matches = |expected, actual| expected.eq_ignore_ascii_case(actual);
    Some(match operator {
        "stringequals" => (equals, false),
        "stringnotequals" => (equals, true),
        "stringequalsignorecase" | "bool" => (ignoring_case, false),
        "stringnotequalsignorecase" => (ignoring_case, true),
        "stringlike" => (glob, false),
        "stringnotlike" => (glob, true),
        "arnequals" | "arnlike" => (arn_like, false),
        "arnnotequals" | "arnnotlike" => (arn_like, true),
        _ => return None,
    })
}

/// [`glob`] for ARNs: each of the six parts for itself.
fn arn_like(pattern: &str, arn: &str) -> bool {
    let (pattern, arn): (Vec<&str>, Vec<&str>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    pattern.len() == arn.len() && pattern.iter().zip(arn).all(|(pattern, part)| glob(pattern, part))
}

/// One string, or a list of them; a Boolean or a number is written as in JSON.
pub(crate) fn strings(value: &Json) -> Vec<String> {
    let one = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    value.as_array().map_or_else(|| vec![one(value)], |values| values.iter().map(one).collect())
}

fn cannot(why: &str) -> Verdict {
    Verdict::Unknown(why.to_owned())
}
