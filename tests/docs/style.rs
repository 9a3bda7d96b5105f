//! The texts of this repository keep STYLE.md, or are on the list of those that do not yet.

use std::fs;
use std::path::Path;

use guardrails_prose::debt::{Debt, LIST};
use guardrails_prose::survey::survey;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn texts_keep_the_style_or_are_on_the_shrinking_list() {
    let survey = survey(root()).unwrap();
    assert!(survey.texts.len() > 300 && survey.tests.len() > 500, "{} texts, {} tests", survey.texts.len(), survey.tests.len());
    let list = Debt::parse(&fs::read_to_string(root().join(LIST)).unwrap()).unwrap();
    let found = list.disagreements(&survey);
    assert!(found.is_empty(), "see STYLE.md\n{}", found.join("\n"));
}

#[test]
fn the_style_page_itself_is_on_no_list() {
    let list = fs::read_to_string(root().join(LIST)).unwrap();
    assert!(!list.contains("\nSTYLE.md ") && !list.contains("\nverification/prose/"), "{list}");
}
