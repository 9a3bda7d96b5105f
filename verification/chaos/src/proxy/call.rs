//! A function's request: its caller and its operation.

use std::fmt;

use super::http::Request;

/// Operations that begin so read only. Everything else is taken for a change.
const READS: &[&str] = &["Describe", "Get", "List", "BatchGet", "Query", "Scan", "Lookup"];

/// A call of a function's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The function's name without its stack's.
    pub function: String,
    /// The service, as signatures name it.
    pub service: String,
    /// The operation.
    pub operation: String,
}

impl Call {
    /// Reads a request, and the port by which its process is known.
    pub(super) fn read(request: &Request) -> (Self, Option<u16>) {
        let (function, port) = caller(request.header("user-agent"));
        let service = request.header("authorization").split('/').nth(3).unwrap_or("unsigned").to_owned();
        (Self { function, service, operation: operation(request) }, port)
    }

    /// May it change anything?
    #[must_use]
    pub fn is_change(&self) -> bool {
        !READS.iter().any(|verb| self.operation.starts_with(verb))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}: {} {}", self.function, self.service, self.operation))
    }
}

/// A function's process calls itself `<stack>-<function>+<port>`: see harness/faults.py of the launcher.
fn caller(agent: &str) -> (String, Option<u16>) {
    let mut names = agent.split_whitespace().filter_map(|word| word.strip_prefix("app/"));
    let Some((name, port)) = names.next().and_then(|name| name.split_once('+')) else { return ("unknown".to_owned(), None) };
    let function = name.strip_prefix(super::STACK).and_then(|name| name.strip_prefix('-')).unwrap_or(name);
    (function.to_owned(), port.parse().ok())
}

/// JSON protocols name it in a header, the Query protocols in the body.
fn operation(request: &Request) -> String {
    if let Some((_, operation)) = request.header("x-amz-target").rsplit_once('.') {
        return operation.to_owned();
    }
    let mut parameters = request.body().split('&');
    parameters.find_map(|parameter| parameter.strip_prefix("Action=")).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)], body: &str) -> Request {
        let signed = "AWS4-HMAC-SHA256 Credential=ASIA1/20261123/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
        let mut all =
            vec![("authorization", signed), ("user-agent", "aws-sdk-rust/1 app/budget-guardrails-stop-instances+4321 os/x")];
        all.extend(headers);
        Request::new("POST", "/", &all, body)
    }

    #[test]
    fn call_is_known_by_function_service_and_operation() {
        let (call, port) = Call::read(&request(&[], "Action=StopInstances&InstanceId.1=i-1"));
        assert_eq!(call.to_string(), "stop-instances: ec2 StopInstances");
        assert_eq!(port, Some(4321));
        assert!(call.is_change());
        let (call, _) = Call::read(&request(&[("x-amz-target", "DynamoDB_20120810.BatchGetItem")], "{}"));
        assert_eq!(call.operation, "BatchGetItem");
        assert!(!call.is_change());
    }
}
