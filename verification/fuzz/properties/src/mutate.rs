//! Changes of inputs that keep their shape: of JSON one value, of other texts one line. Bytes changed at random are nearly always
//! refused at the first of them, and show nothing of the code behind that.

use serde_json::{Map, Value as Json, json};

/// A generator of numbers: small, and the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (sides.max(1) as u64)).unwrap_or_default()
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }
}

/// `text` with a value or more changed, if it is JSON.
#[must_use]
pub fn json(text: &str, seed: u64) -> Option<String> {
    let mut value: Json = serde_json::from_str(text).ok()?;
    let mut dice = Dice(seed);
    for _ in 0..=dice.roll(3) {
        let donor = pick(&value, dice.0);
        let at = dice.roll(size(&value));
        change(&mut value, at, &donor, &mut dice);
    }
    Some(value.to_string())
}

/// `text` changed as JSON if it is that, and else by its lines.
#[must_use]
pub fn either(text: &str, seed: u64) -> String {
    json(text, seed).unwrap_or_else(|| lines(text, seed))
}

/// `text` with a line or more lost, doubled, moved, or changed in a word.
#[must_use]
pub fn lines(text: &str, seed: u64) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut dice = Dice(seed);
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(lines.len());
        match dice.roll(6) {
            0 if lines.len() > 1 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let other = dice.roll(lines.len());
                lines.swap(at, other);
            }
            3 => lines.insert(at, dice.pick(&WORDS).to_owned()),
            _ => lines[at] = reworded(&lines[at], &mut dice),
        }
    }
    lines.join("\n")
}

/// A line with one of its words changed.
fn reworded(line: &str, dice: &mut Dice) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    let at = dice.roll(words.len());
    let longer = format!("{}{}", words[at], dice.pick(&WORDS));
    let shorter: String = words[at].chars().skip(1).collect();
    match dice.roll(5) {
        0 => words[at] = dice.pick(&WORDS),
        1 => words[at] = &longer,
        2 => words[at] = &shorter,
        3 => drop(words.remove(at)),
        _ => words.insert(at, dice.pick(&WORDS)),
    }
    words.join(" ")
}

/// Words that mean something to one of the readers.
const WORDS: [&str; 48] = [
    "AWS Account 123456789012",
    "Budget Name: project-beta",
    "Budget Name: daily",
    "Budget Type: Cost",
    "Budgeted Amount: $2.00",
    "Budgeted Amount: $1,070.10",
    "Alert Type: ACTUAL",
    "Alert Type: FORECASTED",
    "Alert Threshold: > $1.60",
    "Alert Threshold: > $356.70",
    "ACTUAL Amount: $2.00",
    "FORECASTED Amount: $2.00",
    "AWS Budget Notification November 23, 2026",
    "This is a mock notification",
    "\r",
    "\u{a0}",
    "\u{2028}",
    "$0.005",
    "$79228162514264337593543950335",
    "$0.0000000000000000000000000000000001",
    "$99,999.99",
    "0",
    "-1",
    "1e9",
    ".5",
    "100%",
    "actual",
    "forecasted",
    "10000% actual",
    "0.001% actual",
    "33.333% actual",
    "79228162514264337593543950335 USD",
    "0.01 USD",
    "monthly",
    "daily",
    "- notify",
    "  - at: 50% actual",
    "    do: [notify]",
    "  daily:",
    "    budget: { amount: 3 USD, period: daily }",
    "    stages:",
    "pace: { share: 0.5 }",
    "operators: [arn:aws:iam::123456789012:user/ann]",
    "&a",
    "*a",
    "!!binary",
    "\"",
    "#",
];

/// Values that mean something to one of the readers, or that nobody thinks of.
fn strange(dice: &mut Dice) -> Json {
    let texts = [
        "",
        "r-",
        "r-20261123-014653-000000",
        "a/b/c",
        "/",
        "running",
        "stopped",
        "attached",
        "detached",
        "Planned",
        "Skipped",
        "Applying",
        "Applied",
        "ApplyFailed",
        "RollingBack",
        "RolledBack",
        "RollbackFailed",
        "Abandoned",
        "Opening",
        "Enforced",
        "Notified",
        "apply",
        "rollback",
        "written",
        "missing",
        "failed",
        "skipped",
        "done",
        "unfinished",
        "-009999-01-02T01:59:59Z",
        "9999-12-30T22:00:00.999999999Z",
        "2026-11-23T01:46:53Z",
        "1970-01-01T00:00:00Z",
        "100% actual",
        "10000% actual",
        "79228162514264337593543950335 USD",
        "0.01 USD",
        "daily",
        "monthly",
        "\u{0}",
        "🜚",
        "AWS Budget Notification ",
        "true",
        "Create",
        "Delete",
        "us-east-1",
        "stop-instances",
    ];
    match dice.roll(8) {
        0 => Json::Null,
        1 => json!(dice.roll(2) == 0),
        2 => dice.pick(&[json!(0), json!(1), json!(2), json!(-1), json!(u32::MAX), json!(u64::MAX), json!(i64::MIN)]),
        3 => dice.pick(&[json!(0.5), json!(1e308), json!(-1e308), json!(5e-324), json!([]), json!({})]),
        _ => json!(dice.pick(&texts)),
    }
}

/// How many values there are, the whole among them.
fn size(value: &Json) -> usize {
    1 + match value {
        Json::Array(values) => values.iter().map(size).sum(),
        Json::Object(members) => members.values().map(size).sum::<usize>(),
        _ => 0,
    }
}

/// One of the values in `value`.
fn pick(value: &Json, seed: u64) -> Json {
    let mut dice = Dice(seed);
    let mut at = dice.roll(size(value));
    let mut stack = vec![value];
    while let Some(next) = stack.pop() {
        if at == 0 {
            return next.clone();
        }
        at -= 1;
        match next {
            Json::Array(values) => stack.extend(values),
            Json::Object(members) => stack.extend(members.values()),
            _ => {}
        }
    }
    Json::Null
}

/// Changes the value number `at`, counted from the root. Says how many are left to count where it is not in here.
fn change(value: &mut Json, at: usize, donor: &Json, dice: &mut Dice) -> Option<usize> {
    let Some(mut left) = at.checked_sub(1) else {
        *value = changed(value, donor, dice);
        return None;
    };
    match value {
        Json::Array(values) => {
            for inner in values {
                left = change(inner, left, donor, dice)?;
            }
        }
        Json::Object(members) => {
            for inner in members.values_mut() {
                left = change(inner, left, donor, dice)?;
            }
        }
        _ => {}
    }
    Some(left)
}

fn changed(value: &Json, donor: &Json, dice: &mut Dice) -> Json {
    match (dice.roll(6), value) {
        (0, _) => donor.clone(),
        (1 | 2, Json::Array(values)) if !values.is_empty() => {
            let mut values = values.clone();
            let at = dice.roll(values.len());
            if dice.roll(2) == 0 {
                drop(values.remove(at));
            } else {
                values.push(values[at].clone());
            }
            Json::Array(values)
        }
        (1 | 2, Json::Object(members)) if !members.is_empty() => {
            let at = dice.roll(members.len());
            let name = members.keys().nth(at).cloned().unwrap_or_default();
            let mut rest: Map<String, Json> = members.clone();
            if dice.roll(2) == 0 {
                drop(rest.shift_remove(&name));
            } else {
                drop(rest.insert(name, strange(dice)));
            }
            Json::Object(rest)
        }
        (1 | 2, Json::Number(number)) => {
            let step = dice.pick(&[1, -1, 86_400, -86_400]);
            number.as_i64().map_or_else(|| strange(dice), |number| json!(number.saturating_add(step)))
        }
        (1 | 2, Json::String(text)) => json!(lines_or_letters(text, dice)),
        _ => strange(dice),
    }
}

fn lines_or_letters(text: &str, dice: &mut Dice) -> String {
    if text.contains('\n') {
        return lines(text, dice.0);
    }
    let mut letters: Vec<char> = text.chars().collect();
    let at = dice.roll(letters.len() + 1);
    match dice.roll(3) {
        0 => letters.insert(at, dice.pick(&['0', '9', 'a', 'z', '-', '/', '#', '@', '.', ' ', '\u{0}', 'é'])),
        1 if at < letters.len() => drop(letters.remove(at)),
        _ => letters.truncate(at),
    }
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_the_shape_and_comes_again_for_the_same_seed() {
        let text = json!({"a": [1, "two", {"three": null}], "b": "x\ny"}).to_string();
        for seed in 0..1000 {
            let changed = json(&text, seed).unwrap();
            assert!(serde_json::from_str::<Json>(&changed).is_ok(), "{changed}");
            assert_eq!(Some(changed), json(&text, seed));
            assert_eq!(lines("one two\nthree", seed), lines("one two\nthree", seed));
        }
        assert!((0..1000).any(|seed| json(&text, seed).unwrap() != text));
        assert_eq!(json("no JSON", 1), None);
    }
}
