//! A budget counts the resources with its tag, and an action changes the resources with its own tags. Where these are apart, the
//! guardrail stops resources that the budget does not count, or none of those that it counts.

use super::{Guardrail, Tags, services};
use crate::near;

/// Warnings and notes about the scope of a guardrail, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes {
    /// The guardrail would change resources that its budget does not count.
    pub warnings: Vec<String>,
    /// Its budget counts more than the guardrail changes, or less than people may think.
    pub notes: Vec<String>,
}

/// Compares the scope of a guardrail's budget with the tags that its actions select by: each with the name of the action.
#[must_use]
pub fn compare(guardrail: &Guardrail, selected: &[(&str, Tags)]) -> Scopes {
    let mut found = Scopes::default();
    if services::misses_other(&guardrail.budget.service) {
        found.notes.push(
            "its budget counts instances alone; their volumes, NAT gateways and traffic are in the service `EC2 - Other`, and go on costing \
             when the instances are stopped"
                .to_owned(),
        );
    }
    let Some((key, counted)) = guardrail.budget.tag.iter().next() else { return found };
    for (action, tags) in selected {
        one(key, &counted, action, tags, &mut found);
    }
    let of_key = || selected.iter().flat_map(|(_, tags)| tags.iter()).filter(|(of, _)| *of == key);
    if of_key().next().is_some() {
        let left = counted.iter().filter(|value| !of_key().any(|(_, values)| values.contains(value)));
        found.notes.extend(left.map(|value| format!("its budget counts {key}={value} too, and no action selects that")));
    }
    found
}

fn one(key: &str, counted: &[&str], action: &str, tags: &Tags, found: &mut Scopes) {
    let tag = |value: &str| format!("{key}={value}");
    let counts = counted.iter().map(|value| tag(value)).collect::<Vec<_>>().join(" and ");
    let Some((_, values)) = tags.iter().find(|(of, _)| *of == key) else {
        let alike = tags.iter().find(|(of, _)| of.to_lowercase() == key.to_lowercase());
        let by_case = alike.map(|(of, _)| format!(" (`{of}` is another key than `{key}`: letter case counts)"));
        let meant = tags.iter().find(|(of, _)| near::nearest(of, &[key]).is_some());
        let meant = meant.map(|(of, _)| format!("; did you mean `{key}` by `{of}`?"));
        let by_case = by_case.or(meant).unwrap_or_default();
        found.warnings.push(format!(
            "its budget counts {counts}, and {action} does not select by the tag {key}: it would change what the budget does not \
             count{by_case}"
        ));
        return;
    };
    for value in values.iter().filter(|value| !counted.contains(value)) {
        let alike = counted.iter().any(|of| of.to_lowercase() == value.to_lowercase());
        let meant = near::nearest(value, counted).map(|near| format!("; did you mean `{near}`?"));
        let by_case = if alike { " (letter case counts)".to_owned() } else { meant.unwrap_or_default() };
        found.warnings.push(format!(
            "its budget counts {counts}, and {action} selects {} too: it would change what the budget does not count{by_case}",
            tag(value)
        ));
    }
    let more: Vec<&str> = tags.iter().map(|(of, _)| of).filter(|of| *of != key).collect();
    if !more.is_empty() {
        found.notes.push(format!(
            "its budget counts all of {counts}, and {action} changes only what carries {} too: a budget filters by one tag",
            more.join(" and ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Budget, Period};

    fn guardrail(tag: Tags) -> Guardrail {
        let mut budget = Budget::new("100 USD".parse().unwrap(), Period::Monthly);
        budget.tag = tag;
        Guardrail::new("beta".parse().unwrap(), budget, Vec::new())
    }

    #[test]
    fn action_within_the_budget_s_scope_is_silent() {
        let beta = Tags::from([("Project", "Beta")]);
        assert_eq!(compare(&guardrail(beta.clone()), &[("stop-instances", beta.clone())]), Scopes::default());
        assert_eq!(compare(&guardrail(Tags::default()), &[("stop-instances", beta)]), Scopes::default(), "it counts everything");
    }

    #[test]
    fn action_beside_the_budget_s_scope_is_warned_of() {
        for (tags, words) in [
            (Tags::from([("project", "beta")]), "(`project` is another key than `Project`: letter case counts)"),
            (Tags::from([("Stage", "dev")]), "does not select by the tag Project"),
            (
                Tags::from([("Project", "beta")]),
                "selects Project=beta too: it would change what the budget does not count (letter",
            ),
            (Tags::from([("Project", "Gamma")]), "selects Project=Gamma too"),
            (Tags::from([("Project", "Betta")]), "too: it would change what the budget does not count; did you mean `Beta`?"),
            (Tags::from([("Projet", "Beta")]), "; did you mean `Project` by `Projet`?"),
        ] {
            let found = compare(&guardrail(Tags::from([("Project", "Beta")])), &[("stop-instances", tags)]);
            assert_eq!(found.warnings.len(), 1, "{found:?}");
            assert!(found.warnings[0].contains(words), "{words}: {found:?}");
        }
    }

    #[test]
    fn budget_that_counts_more_than_is_changed_is_noted() {
        let many: Tags = serde_json::from_str(r#"{"Project": ["Beta", "Gamma"]}"#).unwrap();
        let found = compare(&guardrail(many), &[("stop-instances", Tags::from([("Project", "Beta"), ("Stage", "dev")]))]);
        assert!(found.warnings.is_empty(), "{found:?}");
        assert!(found.notes[0].contains("only what carries Stage too"), "{found:?}");
        assert!(found.notes[1].contains("counts Project=Gamma too, and no action selects that"), "{found:?}");
    }
}
