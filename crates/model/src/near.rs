//! Names that are near to a misspelt one.

/// The most names that are listed.
const LISTED: usize = 12;

/// The known name that is nearest to `word`, where one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    nearest_within((word.chars().count() / 4).max(1), word, known)
}

/// The known name that is nearest to `word`, at most `bound` letters away. A low bound is for a list that is not whole.
#[must_use]
pub fn nearest_within<'a>(bound: usize, word: &str, known: &[&'a str]) -> Option<&'a str> {
    let measured = known.iter().map(|name| (distance(&word.to_lowercase(), &name.to_lowercase()), *name));
    measured.filter(|(distance, _)| *distance <= bound).min().map(|(_, name)| name)
}

/// A sentence's end about the known names: `did you mean X? There are: X, Y`.
#[must_use]
pub fn among(word: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return "there are none".to_owned();
    }
    let more = known.len().saturating_sub(LISTED);
    let listed = known.iter().take(LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    match nearest(word, known) {
        Some(name) => format!("did you mean `{name}`? There are: {listed}{more}"),
        None => format!("there are: {listed}{more}"),
    }
}

/// How many letters must be put in, taken out, changed, or swapped with the next, to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, with) in other.iter().enumerate() {
            let changed = rows[i][j] + usize::from(letter != with);
            let mut least = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == other[j - 1] && one[i - 1] == *with {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_name_is_near_and_another_is_not() {
        let known = ["notify", "stop-instances", "stop-services"];
        for (word, near) in [
            ("stop-instance", Some("stop-instances")),
            ("stop-servcies", Some("stop-services")),
            ("notfy", Some("notify")),
            ("Notify", Some("notify")),
            ("terminate", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), near, "{word}");
        }
    }

    #[test]
    fn known_names_are_listed_up_to_a_bound() {
        assert_eq!(among("stopp", &["stop", "go"]), "did you mean `stop`? There are: `stop`, `go`");
        assert_eq!(among("x", &[]), "there are none");
        let many: Vec<String> = (0..20).map(|number| format!("name-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(among("other", &many).ends_with("`name-11`, and 8 more"));
    }
}
