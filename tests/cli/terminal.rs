//! The command on a terminal: tables fit its width, and states have a colour.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::deployed::guardrails;

const ARN: &str = "arn:aws:ec2:us-east-1:123456789012:instance/i-0abcdef012345678";

/// The output of a command on a terminal of so many columns.
fn on_terminal(columns: u16, folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    tcsetwinsize(&terminal, Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let inner = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = Command::new(guardrails());
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .env("TERM", "xterm-256color")
        .envs(variables.iter().copied());
    let child = command.stdin(Stdio::null()).stdout(inner).stderr(Stdio::null()).spawn().unwrap();
    // The command holds the terminal's inner end: without it the reading ends.
    drop(command);
    let reader = std::thread::spawn(move || {
        let (mut text, mut bytes, mut terminal) = (Vec::new(), [0; 4096], File::from(terminal));
        // Linux answers with an error, once the inner end is closed.
        while let Ok(length @ 1..) = terminal.read(&mut bytes) {
            text.extend_from_slice(&bytes[..length]);
        }
        String::from_utf8(text).unwrap().replace("\r\n", "\n")
    });
    child.wait_with_output().unwrap();
    reader.join().unwrap()
}

/// A program whose answers name an ARN and an id, so that a table has them.
fn contract(columns: u16, more: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    // Another process writes it. A file that this one has open for writing is busy as long as a test forks beside it.
    let text = format!("#!/bin/sh\ncat > /dev/null\necho i-0abcdef0123456789 {ARN} >&2\nexit 1\n");
    let mut writing = Command::new("sh");
    writing.args(["-c", "printf %s \"$1\" > program && chmod 755 program", "sh", &text]).current_dir(folder.path());
    assert!(writing.status().unwrap().success());
    let arguments = [&["contract", "--program", "./program"], more].concat();
    on_terminal(columns, folder.path(), &arguments, variables)
}

#[test]
fn table_fits_terminals_of_60_80_and_120_columns() {
    for columns in [60_u16, 80, 120] {
        let text = contract(columns, &[], &[("NO_COLOR", "1")]);
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(columns)), "{columns}:\n{text}");
        assert!(text.lines().count() > 5 && text.contains("BROKEN"), "{text}");
        assert!(text.contains("i-0abcdef0123456789"), "an id is never cut, at {columns}:\n{text}");
        assert!(text.contains('\u{2026}'), "an ARN is cut in its middle:\n{text}");
        assert!(!text.contains(ARN), "{text}");
    }
}

#[test]
fn guardrails_table_at_60_columns_is_as_designed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guardrails.yaml"), include_str!("../../examples/guardrails.yaml")).unwrap();
    let text = on_terminal(60, folder.path(), &["check"], &[("NO_COLOR", "1")]);
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("guardrail budget at is does") && words.contains("project-beta"), "{text}");
}

#[test]
fn wide_table_has_names_whole() {
    assert!(contract(60, &["--wide"], &[]).contains(ARN));
}

#[test]
fn state_has_a_colour_unless_no_color_is_set() {
    assert!(contract(120, &[], &[]).contains("\u{1b}[31m"), "BROKEN is red");
    assert!(!contract(120, &[], &[("NO_COLOR", "1")]).contains('\u{1b}'));
}
