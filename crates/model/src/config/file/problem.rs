//! An error of a file that people write, as they are shown it.

use std::fmt::Write as _;

use serde_saphyr::Location;

/// Something that is wrong, and where.
pub(crate) struct Problem {
    pub(crate) at: Option<Location>,
    pub(crate) what: String,
}

impl Problem {
    pub(crate) fn at(at: Location, what: String) -> Self {
        Self { at: Some(at), what }
    }

    /// For people: the place, the line with a caret, and the expected form.
    pub(crate) fn render(&self, name: &str, text: &str) -> String {
        let Some(at) = self.at else { return format!("error: {name}: {}", self.what) };
        let (line, column) = (at.line(), at.column());
        let mut shown = format!("error: {}\n", self.what);
        let margin = " ".repeat(line.to_string().len());
        let source = text.lines().nth(usize::try_from(line).unwrap_or(1).saturating_sub(1)).unwrap_or_default();
        let indent = " ".repeat(usize::try_from(column).unwrap_or(1).saturating_sub(1));
        let _ = write!(shown, "{margin}--> {name}:{line}:{column}\n{margin} |\n{line} | {source}\n{margin} | {indent}^");
        shown
    }
}
