//! The text of a first guardrails.yaml, with comments for a person who has not read the documents.

use std::fmt::Write as _;

use guardrails_model::config::Amount;
use guardrails_model::ids::GuardrailName;

use super::tag::Chosen;

/// The name of a guardrail whose tag gives none.
const FIRST: &str = "first-guardrail";
/// The most letters of a name that is made of a tag.
const LONGEST: usize = 40;
/// Words that YAML takes for something else than text.
const NOT_TEXT: &[&str] = &["true", "false", "yes", "no", "on", "off", "null", "y", "n"];

/// The parts of a first file.
pub(super) struct Draft<'a> {
    pub(super) name: &'a GuardrailName,
    pub(super) operator: Option<&'a str>,
    pub(super) note: Option<&'a str>,
    pub(super) chosen: &'a Chosen,
    pub(super) amount: &'a Amount,
}

/// The value of a tag as the name of a guardrail.
pub(super) fn name(value: &str) -> GuardrailName {
    let letters: String =
        value.to_lowercase().chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    let words: Vec<&str> = letters.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(LONGEST).collect();
    let name = name.trim_matches('-').parse().or_else(|_| FIRST.parse());
    name.unwrap_or_else(|_| unreachable!("`{FIRST}` is a name"))
}

impl Draft<'_> {
    pub(super) fn text(&self) -> String {
        let Self { name, amount, .. } = self;
        let (operators, tag) = (self.operators(), self.tag());
        let counted = self.chosen.counted().map_or_else(
            || "Nothing carries this tag yet: tag your resources with it, or write your own tag here and below.".to_owned(),
            |counted| format!("Now {counted} carry it."),
        );
        let others: Vec<String> = self.chosen.others.iter().map(|(tag, count)| format!("{} ({count})", plain(tag))).collect();
        let others = if others.is_empty() { String::new() } else { format!("\n      # Other tags here: {}.", others.join(", ")) };
        let actions = self.actions(&tag);
        format!(
            "version: 1

# The people and roles that run the guardrails. No guardrail restricts them, so that they can always roll back.
{operators}

guardrails:
  {name}:
    budget:
      # Set this to the sum that the project may spend in a month.
      amount: {amount}
      period: monthly
      # The budget counts the cost of resources with this tag. AWS Budgets sees a tag after it is activated as a cost
      # allocation tag, in the Billing console. {counted}{others}
      tag: {tag}
    stages:
      # At 80% of the amount the subscribers get a message. Nothing is changed.
      - at: 80% actual
        do: [notify]
      # At 100% these actions stop the resources with the tag, in every Region. `guardrails rollback {name}` starts them again.
      - at: 100% actual
        # Remove the `#` to have each stop wait for a person's approval.
        # approval: {{}}
        do:
{actions}"
        )
    }

    fn operators(&self) -> String {
        let Some(arn) = self.operator else {
            return "# Name at least one user or role, such as arn:aws:iam::123456789012:user/finops.\noperators: []".to_owned();
        };
        let note = self.note.map(|note| format!("# This one is yours: {}.\n", plain(note))).unwrap_or_default();
        format!("{note}operators: [{}]", quoted(arn))
    }

    fn tag(&self) -> String {
        let (key, value) = &self.chosen.tag;
        format!("{{ {}: {} }}", quoted(key), quoted(value))
    }

    /// A line for each action on a kind that carries the tag.
    fn actions(&self, tag: &str) -> String {
        let mut lines = String::new();
        let mut named: Vec<&str> = Vec::new();
        for (kind, _) in &self.chosen.kinds {
            if !named.contains(&kind.action) {
                named.push(kind.action);
                let _ = writeln!(lines, "          # {}", kind.does);
                let _ = writeln!(lines, "          - {}: {{ tag: {tag} }}", kind.action);
            }
        }
        if named.is_empty() {
            let _ = writeln!(lines, "          # Stops EC2 instances. Their disks stay, and go on costing.");
            let _ = writeln!(lines, "          - stop-instances: {{ tag: {tag} }}");
        }
        lines
    }
}

/// Words for a comment, which is one line.
fn plain(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text as YAML takes it for text.
fn quoted(text: &str) -> String {
    let begins = text.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/.:@+=".contains(&byte));
    if begins && is_plain && !text.ends_with(':') && !NOT_TEXT.contains(&text.to_lowercase().as_str()) {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use guardrails_aws::actions::CATALOG;

    use super::*;
    use crate::tagged::Tagged;

    fn text(resources: &[Tagged], tag: Option<(&str, &str)>, operator: Option<&str>) -> String {
        let chosen = Chosen::of(resources, tag.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let (name, amount) = (name(&chosen.tag.1), "100 USD".parse().unwrap());
        Draft { name: &name, operator, note: Some("a role"), chosen: &chosen, amount: &amount }.text()
    }

    #[test]
    fn file_is_read_whatever_the_tag_is_made_of() {
        let arn = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0f@x+y=z";
        for tag in
            [("Project", "Beta"), ("0471", "0471"), ("Yes", "no"), ("a: b", "\"x\" # y"), ("cost center", "é/ü"), ("k:", "*&!")]
        {
            let text = text(&[], Some(tag), Some(arn));
            let config = CATALOG.parse("guardrails.yaml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(config.operators, [arn]);
            let guardrail = config.guardrails.into_values().next().unwrap();
            assert_eq!(guardrail.budget.tag.iter().collect::<Vec<_>>(), [(tag.0, vec![tag.1])], "{text}");
        }
    }

    #[test]
    fn each_kind_that_carries_the_tag_gets_its_action_once() {
        let one = |kind: &str| Tagged {
            kind: kind.to_owned(),
            region: "us-east-1".parse().unwrap(),
            tags: vec![("Project".to_owned(), "Beta".to_owned())],
        };
        let text = text(&["rds:cluster", "rds:db", "lambda:function", "redshift:cluster"].map(one), None, None);
        let config = CATALOG.parse("guardrails.yaml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let stages = config.guardrails.into_values().next().unwrap().stages;
        let actions: Vec<&str> = stages[1].waves.iter().flatten().map(|action| action.name.as_str()).collect();
        assert_eq!(actions, ["stop-databases", "pause-clusters", "stop-functions"], "{text}");
        assert!(text.contains("Now 1 DB instance, 1 DB cluster, 1 Redshift cluster, 1 Lambda function carry it."), "{text}");
    }

    #[test]
    fn name_is_made_of_letters_that_a_guardrail_takes() {
        for (value, expected) in [("Beta", "beta"), ("Cost Center / 12", "cost-center-12"), ("é", FIRST), ("--", FIRST)] {
            assert_eq!(name(value).as_str(), expected, "{value}");
        }
    }
}
