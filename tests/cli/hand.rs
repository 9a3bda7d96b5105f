//! The command in a person's hand: profiles, pipes that close, reasons, and files that are not as expected.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use crate::deployed::guardrails;

const GOOD: &str = include_str!("../../examples/guardrails.yaml");

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(guardrails()).args(arguments).current_dir(folder).env_remove("AWS_ENDPOINT_URL").output().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The access key by which a command signs its first call, with keys of another account in the environment.
fn signed_by(arguments: &[&str]) -> (Option<String>, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(&config, "[profile other]\naws_access_key_id = AKIDOFPROFILE\naws_secret_access_key = any\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
            request.push(byte[0]);
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        let length = request.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let _ = stream.read_exact(&mut vec![0; length.unwrap_or_default()]);
        let body = "<ErrorResponse><Error><Code>ValidationError</Code><Message>no stack</Message></Error></ErrorResponse>";
        // A caller that has gone away already is no failure of the server.
        let _ = write!(stream, "HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        request.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next()).map(str::to_owned)
    });
    let mut command = Command::new(guardrails());
    command.args(["status", "--region", "us-east-1", "--endpoint-url", &endpoint]).args(arguments);
    command.env("AWS_ACCESS_KEY_ID", "AKIDOFENVIRONMENT").env("AWS_SECRET_ACCESS_KEY", "any").env_remove("AWS_PROFILE");
    command.env("AWS_CONFIG_FILE", &config).env("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("none"));
    let said = err(&command.env("AWS_EC2_METADATA_DISABLED", "true").output().unwrap());
    // A command that never called leaves the server waiting: it is let go.
    let _ = std::net::TcpStream::connect(endpoint.trim_start_matches("http://"));
    (server.join().unwrap(), said)
}

#[test]
fn named_profile_wins_over_keys_in_the_environment() {
    assert_eq!(signed_by(&[]).0.as_deref(), Some("AKIDOFENVIRONMENT"));
    let (key, said) = signed_by(&["--profile", "other"]);
    assert_eq!(key.as_deref(), Some("AKIDOFPROFILE"), "{said}");
}

#[test]
fn unknown_profile_is_an_error_with_the_near_one() {
    let (key, said) = signed_by(&["--profile", "othr"]);
    assert_eq!(key, None, "AWS is not asked");
    assert!(said.contains("there is no profile `othr`") && said.contains("did you mean `other`?"), "{said}");
}

#[test]
fn closed_pipe_ends_a_command_quietly_with_its_own_code() {
    let mut explain = Command::new(guardrails());
    explain.arg("explain").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = explain.spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(b"no alert").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(3), ""), "as with a reader");

    let mut check = Command::new(guardrails());
    check.args(["check", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = check.spawn().unwrap();
    drop(child.stderr.take());
    child.stdin.take().unwrap().write_all(b"version: 2\nguardrails: {}\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(2), "no panic");
}

#[test]
fn reason_of_blanks_is_refused_before_aws_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["approve", "r-20261130-145616-7aqp61", "--yes", "--reason", ""][..],
        &["reject", "r-20261130-145616-7aqp61", "--yes", "--reason", "  "],
        &["abandon", "r-20261130-145616-7aqp61", "--yes", "--reason", "\t"],
        &["rollback", "project-beta", "--yes", "--reason", ""],
        &["rollback", "project-beta", "--yes", "--why", " "],
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(err(&output).contains("expected the reason in words"), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn file_is_taken_as_option_argument_variable_and_stdin() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.yaml"), GOOD).unwrap();
    std::fs::write(folder.path().join("bad.yaml"), "version: 2\nguardrails: {}\n").unwrap();
    for arguments in
        [&["check", "-f", "mine.yaml"][..], &["check", "mine.yaml", "-o", "json"], &["check", "-f", "bad.yaml", "mine.yaml"]]
    {
        let output = run(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", err(&output));
    }
    let mut named = Command::new(guardrails());
    let named = named.arg("check").current_dir(folder.path()).env("GUARDRAILS_FILE", "bad.yaml").output().unwrap();
    assert!(err(&named).contains("bad.yaml:1:10"), "{}", err(&named));
}

/// The file with `old` replaced is refused with these words, which are said once, and none of the reader's own.
fn refused(old: &str, new: &str, words: &str) {
    assert!(GOOD.contains(old), "{old}");
    refused_text(&GOOD.replacen(old, new, 1), words);
}

fn refused_text(text: &str, words: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guardrails.yaml"), text).unwrap();
    let output = run(folder.path(), &["check"]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: "), "{said}");
    assert_eq!(said.matches(words).count(), 1, "{words:?} once in:\n{said}");
    for raw in [
        "sequence start",
        "mapping start",
        "string scalar",
        "unknown variant",
        "unknown field",
        "DuplicateKeyPolicy",
        "u32",
        "string \"",
    ] {
        assert!(!said.contains(raw), "{raw:?} in:\n{said}");
    }
}

#[test]
fn malformed_file_is_refused_in_its_own_words() {
    refused("[arn:aws:iam::123456789012:user/finops]", "arn:aws:iam::123456789012:user/finops", "expected a list");
    refused("do: [notify]", "do: notify", "expected a list");
    refused("attach: [AmazonEC2ReadOnlyAccess]", "attach: AmazonEC2ReadOnlyAccess", "expected a list");
    refused("tag: { Project: Beta }\n    stages", "tag: Project=Beta\n    stages", "expected keys with values");
    refused("amount: 2 USD", "amount: [2]", "expected one text");
    refused("stop-instances:", "stop-instance:", "did you mean `stop-instances`?");
    refused("do: [notify]", "do: [notfy]", "did you mean `notify`?");
    refused("group: ProjectBeta", "grup: ProjectBeta", "did you mean `group`?");
    refused("guardrails:\n", "guardrail:\n", "did you mean `guardrails`?");
    refused("version: 1", "version: one", "expected a whole number");
    let twice = format!("{GOOD}{}", &GOOD[GOOD.find("  project-beta").unwrap()..]);
    refused_text(&twice, "`project-beta` stands there twice");
    refused_text("version: 1\n", "the key `guardrails` is missing");
    refused_text("\n", "the file is empty, or ends too early");
    refused_text("version: 1\nguardrails: {}\n", "`guardrails` is empty");
}

#[test]
fn file_that_cannot_be_read_says_so_and_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let missing = run(folder.path(), &["check"]);
    assert_eq!(missing.status.code(), Some(2), "{}", err(&missing));
    assert!(
        err(&missing).contains("cannot read guardrails.yaml") && err(&missing).contains("`guardrails init`"),
        "{}",
        err(&missing)
    );
    let wide: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(folder.path().join("guardrails.yaml"), [&[0xff, 0xfe], wide.as_slice()].concat()).unwrap();
    let unread = run(folder.path(), &["check"]);
    assert_eq!(unread.status.code(), Some(2));
    let said = err(&unread);
    assert!(said.contains("is not UTF-8") && said.contains("save it as UTF-8"), "{said}");
}

#[test]
fn completions_name_each_command_in_every_shell() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = run(folder.path(), &["completions", shell]);
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && script.lines().count() > 100, "{shell}: {}", err(&output));
        for command in guardrails_cli::cli::definition().get_subcommands() {
            assert!(script.contains(command.get_name()), "{shell} lacks {}", command.get_name());
        }
    }
    assert_eq!(run(folder.path(), &["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn manual_has_a_page_for_each_command_with_its_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["man", "made/man1"]);
    assert!(output.status.success(), "{}", err(&output));
    let page = |name: &str| std::fs::read_to_string(folder.path().join(format!("made/man1/{name}.1"))).unwrap();
    for command in guardrails_cli::cli::definition().get_subcommands().filter(|command| command.get_name() != "help") {
        let text = page(&format!("guardrails-{}", command.get_name()));
        assert!(text.contains(".TH") && text.contains("Exit codes"), "{text}");
    }
    assert!(page("guardrails-prices-fetch").contains("fetch") && page("guardrails").contains("rollback"));
    std::fs::write(folder.path().join("file"), "").unwrap();
    let refused = run(folder.path(), &["man", "file"]);
    assert!(!refused.status.success() && err(&refused).contains("making the folder file"), "{}", err(&refused));
}
