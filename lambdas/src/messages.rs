//! Sends people a message on the notify topic.

use guardrails_aws::error::{Failure, FailureKind};

use crate::fault::Fault;
use crate::runtime::{Invocation, variable};

/// SNS takes ASCII subjects of under 100 characters.
const LONGEST_SUBJECT: usize = 99;
/// SNS takes messages of up to 256 KiB; e-mail readers prefer far less.
const LONGEST_TEXT: usize = 60_000;
/// The end of a text gets so many of them.
const LONGEST_END: usize = 10_000;

/// A subject that SNS takes. One that is too long ends before a `; ` or `, `: half of a number would be another number.
fn in_subject(text: &str) -> String {
    let ascii: String = text.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
    if ascii.len() <= LONGEST_SUBJECT {
        return ascii;
    }
    let most = &ascii[..LONGEST_SUBJECT];
    let end = most.rfind("; ").max(most.rfind(", ")).unwrap_or(LONGEST_SUBJECT);
    most[..end].to_owned()
}

pub(crate) async fn send(invocation: &Invocation, subject: &str, text: &str) -> Result<(), Fault> {
    let topic = variable("NOTIFY_TOPIC_ARN")?;
    let subject = in_subject(subject);
    let client = aws_sdk_sns::Client::new(&invocation.sdk);
    let sent = client.publish().topic_arn(topic).subject(subject).message(shorten(text)).send().await;
    sent.map(|_| ()).map_err(|error| {
        let failure = Failure::of(&error);
        let message = format!("telling people on the notify topic: {}", failure.message);
        if failure.kind == FailureKind::Refused { Fault::failed(message) } else { Fault::retryable(message) }
    })
}

/// Leaves whole lines out of the middle: a message begins with how it stands, and ends with what to do next.
fn shorten(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    let begin = fitting(lines.iter(), LONGEST_TEXT - LONGEST_END);
    let end = lines.len() - fitting(lines[begin..].iter().rev(), LONGEST_END);
    let middle = format!("... {} lines are left out: see `guardrails status`", end - begin);
    let shown = lines[..begin].iter().copied().chain([middle.as_str()]).chain(lines[end..].iter().copied());
    shown.fold(String::new(), |text, line| text + line + "\n")
}

/// How many of `lines` have no more than `allowance` bytes together.
fn fitting<'a>(lines: impl Iterator<Item = &'a &'a str>, room: usize) -> usize {
    let ends = lines.scan(0, |size, line| {
        *size += line.len() + 1;
        Some(*size)
    });
    ends.take_while(|end| *end <= room).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_is_never_cut_within_a_number() {
        let long =
            "Budget Guardrails: project-beta: apply failed at 100% actual in 2026-11; 12 in scope STILL ON, $1240.25 an hour";
        assert_eq!(
            in_subject(long),
            "Budget Guardrails: project-beta: apply failed at 100% actual in 2026-11; 12 in scope STILL ON"
        );
        assert_eq!(in_subject("b\u{e9}ta: enforced, $1 an hour"), "b ta: enforced, $1 an hour");
        assert_eq!(in_subject(&"x".repeat(200)), "x".repeat(99));
    }

    #[test]
    fn a_message_that_is_too_long_keeps_its_beginning_and_its_end() {
        let middle = "x".repeat(99) + "\n";
        let text = format!("how it stands\n{}what to do next\n", middle.repeat(10_000));
        let short = shorten(&text);
        assert!(short.len() <= LONGEST_TEXT + 100, "{}", short.len());
        assert!(short.starts_with("how it stands\n") && short.ends_with("what to do next\n"));
        assert!(short.contains("lines are left out: see `guardrails status`"));
        assert_eq!(shorten("short\n"), "short\n");
    }
}
