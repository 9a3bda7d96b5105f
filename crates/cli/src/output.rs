//! stdout is data, stderr is talk. Asking is talk, and needs somebody who can answer.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use comfy_table::{ContentArrangement, Table, presets};
use guardrails_aws::actions::CATALOG;
use guardrails_model::config::Config;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::args::{Consent, Format, Global};
use crate::prices;

/// Prints a result: `value` for programs, `text` for people.
pub(crate) fn result<T: Serialize>(global: &Global, value: &T, text: &str) -> Result<()> {
    let shown = match global.output {
        Format::Text => text.trim_end().to_owned(),
        Format::Json => serde_json::to_string_pretty(value).context("writing the result as JSON")?,
    };
    writeln!(std::io::stdout().lock(), "{shown}").context("writing to stdout")
}

/// Tells the person at the terminal something.
pub(crate) fn tell(words: &str) {
    eprintln!("{words}");
}

/// So many of them.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A table for people.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// Asks whether to go on. With `--yes` nobody is asked; without a terminal nobody can be.
pub(crate) fn agreed(consent: &Consent, question: &str) -> Result<bool> {
    if consent.yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        tell("Nothing was done: there is no terminal to ask on. hint: look at what is shown above, then add --yes");
        return Ok(false);
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("reading the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Shows that something is under way: moving on a terminal, a line for each change elsewhere.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { bar, last: String::new() }
    }

    /// Shows the present activity.
    pub(crate) fn show(&mut self, words: &str) {
        if self.last == words {
            return;
        }
        words.clone_into(&mut self.last);
        match &self.bar {
            Some(bar) => bar.set_message(words.to_owned()),
            None => tell(words),
        }
    }

    /// Something that happened, and stays on the screen.
    pub(crate) fn log(&self, words: &str) {
        match &self.bar {
            Some(bar) => bar.println(words),
            None => tell(words),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Reads `guardrails.yaml` and the price list that it names. An error in either is shown with its place; `None` then.
pub(crate) fn config(path: &Path) -> Result<Option<Config>> {
    let Some(mut config) = config_alone(path)? else { return Ok(None) };
    if let Some(named) = &config.price_file {
        let Some(list) = prices::read(&prices::beside(path, named))? else { return Ok(None) };
        if let Err(why) = list.deployable() {
            tell(&format!("error: {named}: {why}"));
            tell("nothing was done");
            return Ok(None);
        }
        prices::tell_age(&list);
        config.prices = Some(list);
    }
    Ok(Some(config))
}

/// The same without the price list, whose file may not be there yet.
pub(crate) fn config_alone(path: &Path) -> Result<Option<Config>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        anyhow!(
            "cannot read {}: {error}\nhint: name the file with --file; examples/guardrails.yaml is one to begin with",
            path.display()
        )
    })?;
    match CATALOG.parse(&path.display().to_string(), &text) {
        Ok(config) => Ok(Some(config)),
        Err(error) => {
            tell(&error.to_string());
            tell("nothing was done");
            Ok(None)
        }
    }
}
