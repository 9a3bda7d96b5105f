//! Texts of a program: their bounds, and how they stand in messages for people.

use super::Breach;

/// Letters of a foreign text that a message repeats.
const REPEATED: usize = 120;
/// Bytes of a facet as the program names it.
pub(super) const LONGEST_TARGET: usize = 400;

/// The pattern of [`is_target`], for a JSON Schema.
pub(super) const TARGET: &str = "^[A-Za-z0-9_.:@=+,-]+(/[A-Za-z0-9_.:@=+,-]+)*$";
/// The pattern of a place.
pub(super) const PLACE: &str = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$";
/// The pattern of [`check`]: no control characters, and none that [`is_format`] knows. Those above U+FFFF are left out, since the
/// languages write them differently.
pub(super) const SHOWN: &str = "^[^\\u0000-\\u001F\\u007F-\\u009F\\u00AD\\u0600-\\u0605\\u061C\\u06DD\\u070F\\u180E\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\uFEFF\\uFFF9-\\uFFFB]*$";

/// A foreign text in quotation marks: cut where it is long, and without control characters.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut letters = text.chars();
    let shown: String = letters.by_ref().take(REPEATED).flat_map(char::escape_debug).collect();
    let rest = if letters.next().is_some() { "…" } else { "" };
    format!("\"{shown}{rest}\"")
}

/// May a program name a facet so? Letters, digits and `_.:@=+,-`, with single slashes between, 400 characters at most.
#[must_use]
pub fn is_target(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:@=+,-".contains(c);
    text.len() <= LONGEST_TARGET && text.split('/').all(|part| !part.is_empty() && part.chars().all(plain))
}

/// A text of 1 to `longest` characters, none of them a control character.
pub(super) fn check(name: &str, text: &str, longest: usize) -> Result<(), Breach> {
    let letters = text.chars().count();
    if letters == 0 || letters > longest {
        return Err(Breach(format!("`{name}` has {letters} characters, where 1 to {longest} are expected")));
    }
    if text.chars().any(|c| c.is_control() || is_format(c)) {
        return Err(Breach(format!("`{name}` is {}, which has control or format characters in it", quoted(text))));
    }
    Ok(())
}

/// A character that is not seen, or that changes how others are shown: Unicode's Cf, Zl and Zp.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The same of a text that may be missing.
pub(super) fn check_some(name: &str, text: Option<&String>, longest: usize) -> Result<(), Breach> {
    text.map_or(Ok(()), |text| check(name, text, longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_cut_and_escaped() {
        assert_eq!(quoted("nightly"), "\"nightly\"");
        assert_eq!(quoted("a\"b\u{1b}[2J\n"), "\"a\\\"b\\u{1b}[2J\\n\"");
        let long = quoted(&"x".repeat(9_999));
        assert!(long.chars().count() == REPEATED + 3 && long.ends_with("x…\""), "{long}");
    }

    #[test]
    fn target_is_plain_and_fits_a_facet() {
        for good in ["nightly", "db/main", "arn:aws:glue:eu-west-1:1:job/a_b", &"x".repeat(400)] {
            assert!(is_target(good), "{good}");
        }
        for bad in ["", "/", "a//b", "a/", "a b", "ä", "a\n", "a*", &"x".repeat(401)] {
            assert!(!is_target(bad), "{bad:?}");
        }
    }
}
