//! Tables in the documents that follow from a catalogue: `cargo xtask generate` writes them.

use std::fmt::Write;

use guardrails_model::config::Config;

use crate::catalog::{Catalog, CatalogError};

/// The table of actions, as Markdown.
#[must_use]
pub fn actions(catalog: &Catalog) -> String {
    let mut table = String::from("| action | what it does | what rollback puts back |\n| --- | --- | --- |\n");
    for action in catalog.entries() {
        let file = format!("crates/aws/src/actions/{}.rs", action.name.replace('-', "_"));
        let _ = writeln!(table, "| [`{}`]({file}) | {} | {} |", action.name, action.changes, action.puts_back);
    }
    table
}

/// The table of rights: the calls that each action's function may make, their use and their resources, as Markdown.
///
/// # Errors
/// When `config` holds parameters that an action does not take.
pub fn rights(catalog: &Catalog, config: &Config) -> Result<String, CatalogError> {
    let mut table = String::from("| action | used to | may call | on |\n| --- | --- | --- | --- |\n");
    for action in catalog.entries() {
        for grant in action.grants(config)? {
            let uses = grant.uses.iter().map(|used| format!("{used:?}").to_lowercase()).collect::<Vec<_>>().join(", ");
            let on = grant.why_any.map_or_else(|| grant.resources.join(" "), |why| format!("everything: {why}"));
            let under = if grant.condition.is_null() { String::new() } else { format!(", under `{}`", grant.condition) };
            let _ = writeln!(table, "| `{}` | {uses} | {} | {on}{under} |", action.name, grant.actions.join(" "));
        }
    }
    Ok(table)
}
