//! Finds headless clauses. Such a clause begins with `what`, `who`, `whoever` or `whatever` and stands for a noun, as in
//! `What is held comes back.`
//!
//! Three uses are plain English, and are not counted:
//!
//! - a question: `What is a facet?`
//! - a relative clause with a noun before it: `a person who approves`
//! - a question that a verb of asking or saying reports: `shows what it would do`, `what to do next`

/// How many headless clauses the sentence has.
#[must_use]
pub fn count(sentence: &str) -> usize {
    if sentence.trim_end_matches(['"', '\'', ')', '”', '’', '*', ' ']).ends_with('?') {
        return 0;
    }
    let words = words(sentence);
    let (mut found, mut reported, mut related) = (0, false, false);
    for at in 0..words.len() {
        match words[at].text.as_str() {
            "what" | "who" if is_reported(&words, at, reported) => reported = true,
            "who" if is_relative(&words, at, related) => related = true,
            "whatever" | "whoever" if concedes(&words, at) => {}
            "what" | "who" | "whatever" | "whoever" => found += 1,
            _ => {}
        }
    }
    found
}

/// A word in lower case, and whether a sign that ends a clause is between it and the next.
#[derive(Debug)]
struct Word {
    text: String,
    ends_clause: bool,
}

fn words(sentence: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for token in sentence.split_whitespace() {
        let opens = token.starts_with(['(', '"', '“', '—', '–']);
        if opens && let Some(last) = words.last_mut() {
            last.ends_clause = true;
        }
        let text = token.trim_matches(|c: char| !c.is_alphanumeric() && c != '`').to_lowercase().replace('’', "'");
        let text = text.split_once('\'').map_or(text.clone(), |(word, _)| word.to_owned());
        if text.is_empty() {
            continue;
        }
        words.push(Word { text, ends_clause: token.ends_with([',', ';', ':', ')', '—', '–', '.']) });
    }
    words
}

/// Verbs that report a question: the clause after one of them is not headless.
const REPORTING: [&str; 44] = [
    "ask",
    "asks",
    "asked",
    "asking",
    "check",
    "checks",
    "checked",
    "decide",
    "decides",
    "decided",
    "deciding",
    "determine",
    "determines",
    "explain",
    "explains",
    "explained",
    "guess",
    "know",
    "knows",
    "knew",
    "known",
    "knowing",
    "learn",
    "learns",
    "matter",
    "print",
    "prints",
    "record",
    "records",
    "say",
    "says",
    "said",
    "saying",
    "see",
    "sees",
    "seen",
    "show",
    "shows",
    "showed",
    "shown",
    "tell",
    "tells",
    "told",
    "wonder",
];
/// Words that may be between the verb and its question: `tells you what failed`, `says exactly what failed`.
const BETWEEN: [&str; 12] = ["you", "me", "us", "them", "it", "him", "her", "people", "exactly", "first", "out", "not"];

fn is_reported(words: &[Word], at: usize, already: bool) -> bool {
    if words[at].text == "what" && words.get(at + 1).is_some_and(|next| next.text == "to") && at > 0 {
        return true;
    }
    let mut before = words[..at].iter().rev().peekable();
    while before.next_if(|word| !word.ends_clause && BETWEEN.contains(&word.text.as_str())).is_some() {}
    let Some(before) = before.next() else { return false };
    let joined = matches!(before.text.as_str(), "and" | "or" | "nor") || at > 0 && words[at - 1].ends_clause;
    (!before.ends_clause && REPORTING.contains(&before.text.as_str())) || (already && joined)
}

/// Words before `who` that are no noun, so that the clause belongs to nothing.
const NO_NOUNS: [&str; 52] = [
    "about", "after", "also", "among", "and", "are", "as", "at", "be", "because", "before", "between", "but", "by", "except",
    "for", "from", "has", "have", "if", "in", "into", "is", "let", "lets", "like", "name", "names", "nor", "of", "on", "only",
    "or", "over", "so", "spares", "than", "that", "then", "through", "to", "under", "unless", "until", "was", "were", "when",
    "where", "whether", "while", "with", "without",
];

fn is_relative(words: &[Word], at: usize, already: bool) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| &words[before]) else { return false };
    if matches!(before.text.as_str(), "and" | "or" | "but" | "nor") && !before.ends_clause {
        return already;
    }
    !NO_NOUNS.contains(&before.text.as_str())
}

/// A concession has no verb of its own: `Whatever the list, it is closed.`
fn concedes(words: &[Word], at: usize) -> bool {
    const ARTICLES: [&str; 9] = ["the", "a", "an", "its", "their", "his", "her", "this", "that"];
    const VERBS: [&str; 10] = ["is", "are", "was", "were", "has", "have", "does", "do", "did", "says"];
    if !words.get(at + 1).is_some_and(|next| ARTICLES.contains(&next.text.as_str())) {
        return false;
    }
    let clause = &words[at + 1..];
    let end = clause.iter().position(|word| word.ends_clause).map_or(clause.len(), |end| end + 1);
    end <= 4 && !clause[..end].iter().any(|word| VERBS.contains(&word.text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn clauses_that_stand_for_a_noun_are_counted() {
        for sentence in [
            "What is held comes back.",
            "What was begun is never asked about again; what a later try adds is.",
            "Who deploys may do it.",
            "Whoever the stage restricts does not count.",
            "It spares who may not be restricted.",
            "A report of what was done.",
            "It is for who operates the stack.",
            "It stops what runs.",
            "The answer is what IAM gave, whatever it denies besides.",
            "A list (what it denies) is kept.",
            "It takes from whoever asks.",
            "What it may not read it says.",
        ] {
            assert!(count(sentence) > 0, "{sentence}");
        }
        assert_eq!(count("What is held, and what was put back, stays with who holds it."), 3);
    }

    #[test]
    fn questions_are_not_counted() {
        for sentence in ["What is a facet?", "Who can still launch?", "\"Who approved it, and what was shown?\""] {
            assert_eq!(count(sentence), 0, "{sentence}");
        }
    }

    #[test]
    fn relative_clauses_with_a_noun_are_not_counted() {
        for sentence in [
            "A person who approves is named.",
            "Those who mean harm find nothing.",
            "The operator, who has read the plan, approves it.",
            "Users who read it and who approve it are people.",
            "Somebody who has thousands of roles waits.",
            "An administrator who remains is enough.",
        ] {
            assert_eq!(count(sentence), 0, "{sentence}");
        }
    }

    #[test]
    fn reported_questions_are_not_counted() {
        for sentence in [
            "`plan` shows what it would do.",
            "It asks IAM and people know who can launch.",
            "An error says what failed and what to do next.",
            "Errors tell you exactly what failed.",
            "It decides who approves, and what happens then.",
            "No matter what the cause is, it comes back.",
            "A hint with what to do next.",
        ] {
            assert_eq!(count(sentence), 0, "{sentence}");
        }
    }

    #[test]
    fn concessions_without_a_verb_are_not_counted() {
        assert_eq!(count("Whatever the list, the guardrails are closed."), 0);
        assert_eq!(count("The account is the same, whatever the access key."), 0);
        assert_eq!(count("Whatever the list denies is closed."), 1);
    }
}
