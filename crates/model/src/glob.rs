//! IAM's patterns of texts.

/// Does `text` fit `pattern`, in which `*` is any letters and `?` any one?
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Which beginnings of the text fit the pattern so far.
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for letter in pattern {
        if letter == '*' {
            let first = fits.iter().position(|fit| *fit).unwrap_or(fits.len());
            fits[first..].fill(true);
        } else {
            for end in (1..fits.len()).rev() {
                fits[end] = fits[end - 1] && (letter == '?' || letter == text[end - 1]);
            }
            fits[0] = false;
        }
    }
    fits[text.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_stand_for_any_letters_and_question_marks_for_one() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("sts:*", "sts:AssumeRole", true),
            ("sts:Assume?ole", "sts:AssumeRole", true),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
            ("", "a", false),
            ("**a", "ba", true),
            ("?", "", false),
            ("a*c", "abc", true),
            ("a*c", "abd", false),
            ("a?c", "abc", true),
            ("a?", "a", false),
            ("a", "ab", false),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_fits_itself_and_any_part_of_it_may_be_a_star(text in "[a-z:/]{0,12}", at in 0..12_usize, to in 0..12_usize) {
            let (at, to) = (at.min(text.len()), to.min(text.len()));
            let (at, to) = (at.min(to), at.max(to));
            prop_assert!(glob(&text, &text));
            let pattern = format!("{}*{}", &text[..at], &text[to..]);
            prop_assert!(glob(&pattern, &text));
        }
    }
}
