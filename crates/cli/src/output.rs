//! stdout is data, stderr is talk. Asking is talk, and needs somebody who can answer.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use console::Term;
use guardrails_aws::actions::CATALOG;
use guardrails_model::config::Config;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::args::{Consent, Format, Global};
use crate::{paint, prices};

/// The longest word of a table that is not cut, and the blanks around a cell.
const WHOLE: usize = 26;
const PADDING: usize = 2;

/// Prints a result: `value` for programs, `text` for people.
pub(crate) fn result<T: Serialize>(global: &Global, value: &T, text: &str) -> Result<()> {
    let shown = match global.output {
        Format::Text => paint::data(text.trim_end()),
        Format::Json => serde_json::to_string_pretty(value).context("writing the result as JSON")?,
    };
    data(&shown)
}

/// Writes a line of data.
pub(crate) fn data(line: &str) -> Result<()> {
    unless_closed(writeln!(io::stdout().lock(), "{line}")).context("writing to stdout")
}

/// A reader that went away, such as `head`, is no error: the command goes on, and ends as it would have.
pub(crate) fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Tells the person at the terminal something. Without a reader the command goes on, since a run on its way matters more.
pub fn tell(words: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", paint::talk(words));
}

/// So many of them.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Is a person looking at stdout?
pub(crate) fn on_terminal() -> bool {
    Term::stdout().is_term()
}

/// A table for people, as wide as the terminal. Without one, or when it is to be `wide`, each row is a line.
pub(crate) fn table(wide: bool, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let terminal = Term::stdout();
    let width = terminal.size_checked().filter(|_| !wide && terminal.is_term()).map(|(_, columns)| columns);
    fitted(header, rows.into_iter().collect(), width)
}

/// Of an ARN that is longer, so many letters are shown.
const LONGEST_ARN: usize = WHOLE;

/// An ARN is cut in its middle: its beginning says what it is of, and its end names it. Ids and names stay whole.
fn cut(cell: &str) -> String {
    let word = |word: &str| {
        let letters = word.chars().count();
        if !word.starts_with("arn:") || letters <= LONGEST_ARN {
            return word.to_owned();
        }
        let end = word.trim_end_matches([':', ',', ';', ')']);
        let name = end.rsplit(['/', ':']).next().unwrap_or_default().chars().count() + word.len() - end.len();
        let last = name.clamp(LONGEST_ARN / 2, LONGEST_ARN - "arn:".len() - 1);
        let end: String = word.chars().skip(letters - last).collect();
        format!("{}\u{2026}{end}", word.chars().take(LONGEST_ARN - last - 1).collect::<String>())
    };
    cell.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The columns that a table takes when no cell is wrapped.
fn natural(header: &[&str], rows: &[Vec<String>]) -> usize {
    let of = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str).chain(header.get(column).copied());
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default() + PADDING
    };
    (0..header.len()).map(of).sum()
}

/// A table of at most so many columns of letters. Cells wrap between words. A word of up to [`WHOLE`] letters, such as a run's id, is
/// never cut where the terminal has the room.
fn fitted(header: &[&str], mut rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    if width.is_some_and(|width| natural(header, &rows) > usize::from(width)) {
        rows = rows.into_iter().map(|row| row.iter().map(|cell| cut(cell)).collect()).collect();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    let longest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str).chain(header.get(column).copied());
        let words = cells.flat_map(str::split_whitespace).map(|word| word.chars().count());
        words.filter(|letters| *letters <= WHOLE).max().unwrap_or_default()
    };
    let least: Vec<usize> = (0..header.len()).map(|column| longest(column) + PADDING).collect();
    for row in rows {
        table.add_row(row);
    }
    if let Some(width) = width {
        table.set_width(width);
        if least.iter().sum::<usize>() <= usize::from(width) {
            let bounds = least.iter().map(|letters| u16::try_from(*letters).unwrap_or(u16::MAX));
            table.set_constraints(bounds.map(|letters| ColumnConstraint::LowerBoundary(Width::Fixed(letters))));
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
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
    let _ = write!(io::stderr().lock(), "{question} [y/N] ");
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
    let Some(mut config) = config_alone(path) else { return Ok(None) };
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
pub(crate) fn config_alone(path: &Path) -> Option<Config> {
    let text = if path == Path::new("-") { io::read_to_string(io::stdin()) } else { std::fs::read_to_string(path) };
    let named = path.display();
    let read = text.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => format!("error: {named} is not UTF-8\nhint: save it as UTF-8 text"),
        _ => format!("error: cannot read {named}: {error}\nhint: --file names the file; `guardrails init` writes a first one"),
    });
    let parsed = read.and_then(|text| CATALOG.parse(&named.to_string(), &text).map_err(|error| error.to_string()));
    parsed
        .inspect_err(|words| {
            tell(words);
            tell("nothing was done");
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows as a history has them.
    fn rows() -> Vec<Vec<String>> {
        let row = |simulated: &str| {
            [
                "2026-11-30 05:03:23".to_owned(),
                format!("r-20261130-050323-7f3k9q{simulated}"),
                "i-0abcdef0123456789: running -> stopped: applied; ec2:StopInstances 59dbff89-35bd-4eac-99ed-be587ed9d825"
                    .to_owned(),
                "budget-guardrails-stop-instances 78b4b95d-073d-4ece-9a74-9a417ba864ce".to_owned(),
            ]
        };
        [row("").to_vec(), row(" [simulated]").to_vec()].to_vec()
    }

    #[test]
    fn table_fits_its_terminal_and_cuts_no_id() {
        for width in [80, 120, 200] {
            let text = fitted(&["at (UTC)", "run", "what", "by"], rows(), Some(width));
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= usize::from(width), "{longest} of {width}:\n{text}");
            for id in ["r-20261130-050323-7f3k9q", "i-0abcdef0123456789", "2026-11-30"] {
                assert_eq!(text.matches(id).count(), 2, "{id} at {width}:\n{text}");
            }
        }
        let narrow = fitted(&["at (UTC)", "run", "what", "by"], rows(), Some(60));
        assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    }

    #[test]
    fn arn_is_cut_in_its_middle_and_only_where_room_is_short() {
        let arn = "arn:aws:sts::123456789012:assumed-role/budget-guardrails-operators/me@example.com";
        let rows = || vec![vec!["r-20261130-050323-7f3k9q".to_owned(), format!("approved by {arn}: yes")]];
        let narrow = fitted(&["run", "what"], rows(), Some(80));
        assert!(narrow.contains("r-20261130-050323-7f3k9q") && narrow.contains("arn:aws:st…me@example.com:"), "{narrow}");
        let instance = "arn:aws:ec2:us-east-1:123456789012:instance/i-0abcdef0123456789";
        assert_eq!(cut(instance), "arn:aw…i-0abcdef0123456789", "an id stays whole");
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
        for width in [Some(160), None] {
            assert!(fitted(&["run", "what"], rows(), width).contains(arn), "{width:?}");
        }
    }

    #[test]
    fn table_without_a_terminal_has_a_line_for_each_row() {
        assert_eq!(fitted(&["at (UTC)", "run", "what", "by"], rows(), None).lines().count(), 3);
    }

    #[test]
    fn closed_pipe_is_no_error_and_a_full_disk_is() {
        let of = |kind: io::ErrorKind| unless_closed(Err(kind.into()));
        assert!(of(io::ErrorKind::BrokenPipe).is_ok() && of(io::ErrorKind::StorageFull).is_err());
    }
}
