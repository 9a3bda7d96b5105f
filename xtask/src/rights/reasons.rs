//! Grants that no call of the tests uses, and resources that are wide, each with its reason.

/// Why `role` is granted `action` though no recorded call used it.
pub fn unused(role: &str, action: &str) -> Option<&'static str> {
    let found = UNUSED.iter().find(|(of, name, _)| (*of == "*" || *of == role) && *name == action);
    found.map(|(_, _, why)| *why)
}

/// Why `role` may make `action` on any resource of its kind.
pub fn wide(role: &str, action: &str) -> Option<&'static str> {
    let found = WIDE.iter().find(|(of, name, _)| (*of == "*" || *of == role) && *name == action);
    found.map(|(_, _, why)| *why)
}

/// Role, action, reason.
const UNUSED: &[(&str, &str, &str)] = &[
    ("*", "logs:CreateLogStream", "the Lambda service writes the log with the function's role"),
    ("*", "logs:PutLogEvents", "the Lambda service writes the log with the function's role"),
];

/// Role, action, reason.
const WIDE: &[(&str, &str, &str)] = &[];
