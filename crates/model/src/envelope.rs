//! Takes a message out of its envelope: as it is, in SNS's JSON (its keys in either letter case), in a Lambda event of SNS
//! records, or either of them wrapped by SQS.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// A message as the publisher wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// The text.
    pub text: String,
    /// The message attributes of type String.
    pub attributes: BTreeMap<String, String>,
    /// The id that SNS gave it: a second delivery of the same message has the same.
    pub id: Option<String>,
}

impl Message {
    /// SHA-256 of the message. The same words that are published again are another message, and one that is delivered again is not.
    #[must_use]
    pub fn digest(&self) -> String {
        let words = match &self.id {
            Some(id) => json!([self.text, self.attributes, id]),
            // As versions before this one made it.
            None => json!([self.text, self.attributes]),
        };
        format!("{:x}", Sha256::digest(words.to_string()))
    }
}

/// The messages in `body`, in their order; a body that is no envelope is a message itself.
#[must_use]
pub fn unwrap(body: &str) -> Vec<Message> {
    let plain = || vec![Message { text: body.to_owned(), ..Message::default() }];
    let Ok(Value::Object(object)) = serde_json::from_str(body) else { return plain() };
    if let Some(Value::Array(records)) = get(&object, "Records").filter(|records| **records != Value::Array(vec![])) {
        return records.iter().flat_map(record).collect();
    }
    envelope(&object).map_or_else(plain, |message| vec![message])
}

/// One record of a Lambda event: of SNS itself, or of a queue that SNS delivers to.
fn record(record: &Value) -> Vec<Message> {
    let inner = record.as_object().and_then(|record| match (get(record, "Sns"), get(record, "body")) {
        (Some(Value::Object(sns)), _) => envelope(sns).map(|message| vec![message]),
        (_, Some(Value::String(body))) => Some(queued(body)),
        _ => None,
    });
    inner.unwrap_or_else(|| vec![Message { text: record.to_string(), ..Message::default() }])
}

/// The body of a queue's message: an SNS envelope, or the text itself where the subscription delivers raw.
fn queued(body: &str) -> Vec<Message> {
    let inner = serde_json::from_str::<Map<String, Value>>(body).ok().and_then(|object| envelope(&object));
    vec![inner.unwrap_or_else(|| Message { text: body.to_owned(), ..Message::default() })]
}

fn envelope(object: &Map<String, Value>) -> Option<Message> {
    let text = get(object, "Message")?.as_str()?.to_owned();
    let attributes = get(object, "MessageAttributes").and_then(Value::as_object);
    let attributes = attributes.into_iter().flatten().filter_map(|(name, attribute)| {
        let attribute = attribute.as_object()?;
        let of_type_string = get(attribute, "Type").and_then(Value::as_str) == Some("String");
        let value = get(attribute, "Value").and_then(Value::as_str)?;
        of_type_string.then(|| (name.clone(), value.to_owned()))
    });
    let id = get(object, "MessageId").and_then(Value::as_str).map(str::to_owned);
    Some(Message { text, attributes: attributes.collect(), id })
}

/// The member called `name` in the letter case of AWS's documents or all in lower camel case.
fn get<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(body: &Value) -> Vec<String> {
        unwrap(&body.to_string()).into_iter().map(|message| message.text).collect()
    }

    #[test]
    fn a_message_is_found_in_each_envelope_that_aws_uses() {
        let sns = json!({"Type": "Notification", "MessageId": "m-1", "Message": "hello", "Subject": "s",
            "MessageAttributes": {"guardrail": {"Type": "String", "Value": "beta"}, "n": {"Type": "Number", "Value": "1"}}});
        let lower = json!({"type": "Notification", "message": "hello"});
        assert_eq!(texts(&sns), ["hello"]);
        assert_eq!(texts(&lower), ["hello"]);
        assert_eq!(texts(&json!({"Records": [{"EventSource": "aws:sns", "Sns": sns}, {"Sns": lower}]})), ["hello", "hello"]);
        assert_eq!(texts(&json!({"Records": [{"eventSource": "aws:sqs", "body": sns.to_string()}]})), ["hello"]);
        assert_eq!(texts(&json!({"Records": [{"eventSource": "aws:sqs", "body": "hello"}]})), ["hello"]);
        let message = &unwrap(&sns.to_string())[0];
        assert_eq!(message.id.as_deref(), Some("m-1"));
        assert_eq!(message.attributes, BTreeMap::from([("guardrail".into(), "beta".into())]));
    }

    #[test]
    fn second_alert_of_the_same_text_has_a_digest_of_its_own() {
        let of = |id: Option<&str>| Message { text: "a".into(), id: id.map(str::to_owned), ..Message::default() }.digest();
        assert_ne!(of(Some("m-1")), of(Some("m-2")));
        assert_eq!(of(Some("m-1")), of(Some("m-1")), "a second delivery is no second alert");
        assert_eq!(of(None), format!("{:x}", Sha256::digest(r#"["a",{}]"#)));
    }

    #[test]
    fn body_without_an_envelope_is_the_message_itself() {
        for body in ["plain", "", "[1]", "{\"a\":1}", "{\"Message\": 5}", "{broken"] {
            assert_eq!(unwrap(body), [Message { text: body.into(), ..Message::default() }]);
        }
        assert_eq!(texts(&json!({"Records": []})), ["{\"Records\":[]}"]);
        assert_eq!(texts(&json!({"Records": [{"s3": 1}]})), ["{\"s3\":1}"]);
    }
}
