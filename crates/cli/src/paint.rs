//! Colour, where it tells states apart: marks such as FAILED, and the states of steps and runs. Everything can be read without it.

use console::{Style, Term, colors_enabled, colors_enabled_stderr};

/// Marks that are written in capitals, and the words of states, with the way that each is shown. The longer of two stands first.
const RED: &[&str] = &["FAILED", "FAILURE", "REFUSED", "BROKEN", "apply failed", "rollback failed", "error:"];
const YELLOW: &[&str] = &[
    "COULD NOT CHECK",
    "CANNOT BE PLANNED",
    "CAN STILL LAUNCH",
    "NOT PLANNED",
    "STILL ON",
    "SKIPPED",
    "WARNING",
    "waiting for approval",
];
const GREEN: &[&str] = &["enforced", "applied", "rolled back", "holds"];

/// `text` for stdout: painted where that is a terminal, and people want colour.
pub(crate) fn data(text: &str) -> String {
    if Term::stdout().is_term() && colors_enabled() { painted(text) } else { text.to_owned() }
}

/// `text` for stderr.
pub(crate) fn talk(text: &str) -> String {
    if Term::stderr().is_term() && colors_enabled_stderr() { painted(text) } else { text.to_owned() }
}

fn painted(text: &str) -> String {
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// A line with its marks painted, and the state at its end, as in `i-1: running -> stopped: applied`.
fn line(text: &str) -> String {
    let style = |style: Style| style.force_styling(true);
    let mut text = text.to_owned();
    for (words, style) in [(RED, style(Style::new().red().bold())), (YELLOW, style(Style::new().yellow()))] {
        for word in words {
            text = marked(&text, word, &style);
        }
    }
    let green = style(Style::new().green());
    for word in GREEN {
        let state = format!(": {word}");
        if let Some(before) = text.strip_suffix(&state) {
            return format!("{before}: {}", green.apply_to(word));
        }
        if let Some((before, after)) = text.split_once(&format!("{state} at ")) {
            return format!("{before}: {} at {after}", green.apply_to(word));
        }
    }
    text
}

/// Every place where `word` stands alone.
fn marked(text: &str, word: &str, style: &Style) -> String {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_');
    let (mut done, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let alone = !is_part(before.chars().next_back().or(done.chars().next_back())) && !is_part(after.chars().next());
        done.push_str(before);
        done.push_str(&if alone { style.apply_to(word).to_string() } else { word.to_owned() });
        rest = after;
    }
    done + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the colour's number in place of its escape sequence.
    fn shown(text: &str) -> String {
        painted(text).replace("\u{1b}[0m", "}").replace("\u{1b}[1m", "").replace("\u{1b}[", "{")
    }

    #[test]
    fn marks_and_states_are_painted_and_all_else_is_plain() {
        assert_eq!(
            shown("FAILED  i-1: running -> stopped: apply failed"),
            "{31mFAILED}  i-1: running -> stopped: {31mapply failed}"
        );
        assert_eq!(shown("i-1: running -> stopped: applied"), "i-1: running -> stopped: {32mapplied}");
        assert_eq!(
            shown("beta: enforced at 100% actual; 2 in scope STILL ON"),
            "beta: {32menforced} at 100% actual; 2 in scope {33mSTILL ON}"
        );
        assert_eq!(shown("WARNING: x\ni-1 was applied to"), "{33mWARNING}: x\ni-1 was applied to");
        assert_eq!(shown("group NOT-FAILED and FAILEDOVER: applied by"), "group NOT-FAILED and FAILEDOVER: applied by");
    }

    #[test]
    fn painted_text_without_its_colours_is_the_same() {
        let text = "REFUSED a: b\nWARNING FAILED: applied\n\n  beta: rolled back at 100% actual";
        assert_eq!(console::strip_ansi_codes(&painted(text)), text);
        assert_eq!(data(text), text, "no terminal, no colour");
    }
}
