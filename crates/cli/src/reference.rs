//! The reference pages of the command: docs/commands.md and docs/exit-codes.md hold them. `cargo xtask generate` writes them.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::cli::definition;
use crate::exit::Exit;

/// Every subcommand with its arguments and options, as Markdown.
#[must_use]
pub fn commands() -> String {
    let definition = definition();
    let mut page = "## Options of every command\n\n".to_owned();
    page += &options(definition.get_arguments().filter(|arg| arg.is_global_set()));
    subcommands(&mut page, "guardrails", &definition);
    page
}

fn subcommands(page: &mut String, above: &str, command: &Command) {
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("{above} {}", command.get_name());
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = write!(page, "\n## {name}\n\n{}\n", sentence(&about));
        let mut own = command.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help").peekable();
        if own.peek().is_some() {
            let _ = write!(page, "\n{}", options(own));
        }
        subcommands(page, &name, command);
    }
}

fn options<'a>(all: impl Iterator<Item = &'a Arg>) -> String {
    let mut table = "| argument | meaning | when left out |\n| --- | --- | --- |\n".to_owned();
    for arg in all.filter(|arg| !arg.is_hide_set() && arg.get_id() != "version") {
        let value = || arg.get_value_names().and_then(|names| names.first()).map_or("VALUE".to_owned(), ToString::to_string);
        let name = match arg.get_long() {
            Some(long) => {
                let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
                let value = if arg.get_action().takes_values() { format!(" {}", value()) } else { String::new() };
                format!("{short}--{long}{value}")
            }
            None => value(),
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let mut meaning = sentence(&help);
        let values = arg.get_possible_values();
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        if arg.get_action().takes_values() && !values.is_empty() {
            let _ = write!(meaning, " {}.", values.join(" or "));
        }
        if let Some(variable) = arg.get_env() {
            let _ = write!(meaning, " The environment's `{}` sets it too.", variable.to_string_lossy());
        }
        let default = arg.get_default_values().first().filter(|_| arg.get_action().takes_values());
        let default = match default {
            Some(value) => format!("`{}`", value.to_string_lossy()),
            None if arg.is_required_set() => "required".to_owned(),
            None => String::new(),
        };
        let _ = writeln!(table, "| `{name}` | {} | {default} |", meaning.replace('|', "\\|"));
    }
    table
}

/// With its full stop, which clap takes off.
fn sentence(help: &str) -> String {
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    if help.is_empty() || help.ends_with(['.', '?', ')']) { help } else { format!("{help}.") }
}

/// Every exit code, as a table.
#[must_use]
pub fn exit_codes() -> String {
    let mut table = "| code | meaning | commands |\n| ---: | --- | --- |\n".to_owned();
    for exit in Exit::ALL {
        let by: Vec<String> = exit.commands().iter().map(|name| format!("`{name}`")).collect();
        let by = if by.is_empty() { "all".to_owned() } else { by.join(", ") };
        let _ = writeln!(table, "| {} | {} | {by} |", exit.code(), exit.meaning());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_has_each_command_with_its_options() {
        let page = commands();
        assert!(page.contains("\n## guardrails prices fetch\n"), "{page}");
        assert!(page.contains("| `GUARDRAIL` | "), "{page}");
        assert!(page.contains("| `--at AT` | "), "{page}");
        assert!(page.contains("| `-y, --yes` | Do not ask. |  |\n"), "{page}");
        assert!(!page.contains("runtime") && !page.contains("--help"), "hidden options and clap's own are not shown: {page}");
    }

    #[test]
    fn global_options_are_shown_once() {
        assert_eq!(commands().matches("`--stack-name STACK_NAME`").count(), 1);
    }
}
