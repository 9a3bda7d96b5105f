//! Sends people a message on the notify topic.

use guardrails_aws::error::{Failure, FailureKind};

use crate::fault::Fault;
use crate::runtime::{Invocation, variable};

/// SNS takes ASCII subjects of under 100 characters.
const LONGEST_SUBJECT: usize = 99;
/// SNS takes messages of up to 256 KiB; e-mail readers prefer far less.
const LONGEST_TEXT: usize = 60_000;

pub(crate) async fn send(invocation: &Invocation, subject: &str, text: &str) -> Result<(), Fault> {
    let topic = variable("NOTIFY_TOPIC_ARN")?;
    let subject: String = subject.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).take(LONGEST_SUBJECT).collect();
    let client = aws_sdk_sns::Client::new(&invocation.sdk);
    let sent = client.publish().topic_arn(topic).subject(subject).message(shorten(text)).send().await;
    sent.map(|_| ()).map_err(|error| {
        let failure = Failure::of(&error);
        let message = format!("telling people on the notify topic: {}", failure.message);
        if failure.kind == FailureKind::Refused { Fault::failed(message) } else { Fault::retryable(message) }
    })
}

fn shorten(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let mut cut = String::new();
    for line in text.lines() {
        if cut.len() + line.len() >= LONGEST_TEXT {
            break;
        }
        cut.push_str(line);
        cut.push('\n');
    }
    cut.push_str("... shortened: see `guardrails status`\n");
    cut
}
