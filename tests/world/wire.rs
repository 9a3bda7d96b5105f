//! The protocols of IAM, Auto Scaling (AWS Query) and EC2 (EC2 Query): a form comes in, XML goes out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Who is asked. Told by the version of the API, which every form carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Iam,
    Ec2,
    AutoScaling,
}

/// A call as it came over the wire.
#[derive(Debug, Clone)]
pub struct Call {
    pub service: Service,
    pub operation: String,
    form: BTreeMap<String, String>,
}

/// A status and a body.
pub type Reply = (u16, String);

/// AWS's error: status, code, message.
#[derive(Debug)]
pub struct Refusal(pub u16, pub &'static str, pub String);

impl Call {
    /// Reads a form.
    pub fn read(body: &[u8]) -> Self {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let get = |name: &str| form.get(name).map_or("", String::as_str);
        let service = match get("Version") {
            "2010-05-08" => Service::Iam,
            "2016-11-15" => Service::Ec2,
            "2011-01-01" => Service::AutoScaling,
            other => panic!("the double does not know the API version {other:?}: {form:?}"),
        };
        Self { service, operation: get("Action").to_owned(), form }
    }

    /// A parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(String::as_str)
    }

    /// A parameter that the service requires.
    pub fn require(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal(400, "MissingParameter", format!("The request must contain {name}")))
    }

    /// `name.1`, `name.2`, ...
    pub fn list(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|index| self.get(&format!("{name}.{index}"))).collect()
    }
}

/// An operation's answer, in the envelope of its service.
pub fn answer(call: &Call, result: Result<String, Refusal>) -> Reply {
    let operation = &call.operation;
    match (call.service, result) {
        (Service::Ec2, Ok(body)) => (200, format!("<{operation}Response><requestId>r</requestId>{body}</{operation}Response>")),
        (_, Ok(body)) => {
            let metadata = "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>";
            let result = format!("<{operation}Result>{body}</{operation}Result>");
            (200, format!("<{operation}Response>{result}{metadata}</{operation}Response>"))
        }
        (Service::Ec2, Err(Refusal(status, code, message))) => {
            let error = format!("<Error>{}{}</Error>", tag("Code", code), tag("Message", &message));
            (status, format!("<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>"))
        }
        (_, Err(Refusal(status, code, message))) => {
            let error = format!("{}{}{}", tag("Type", "Sender"), tag("Code", code), tag("Message", &message));
            (status, format!("<ErrorResponse><Error>{error}</Error><RequestId>r</RequestId></ErrorResponse>"))
        }
    }
}

/// The service's way to say: come back later.
pub fn throttled(service: Service) -> Refusal {
    let (status, code) = match service {
        Service::Ec2 => (503, "RequestLimitExceeded"),
        Service::Iam | Service::AutoScaling => (400, "Throttling"),
    };
    Refusal(status, code, "Rate exceeded".to_owned())
}

/// `<name>text</name>`, escaped.
pub fn tag(name: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<{name}>{text}</{name}>")
}

/// `<name><each>..</each>..</name>`.
pub fn list(name: &str, each: &str, items: impl IntoIterator<Item = String>) -> String {
    let mut xml = format!("<{name}>");
    for item in items {
        let _ = write!(xml, "<{each}>{item}</{each}>");
    }
    let _ = write!(xml, "</{name}>");
    xml
}

/// The items from the place that `marker` names, at most `size`, and the marker of the rest.
pub fn page<T>(items: Vec<T>, marker: Option<&str>, size: usize) -> (Vec<T>, Option<String>) {
    let from = marker.map_or(0, |marker| marker.parse().unwrap_or_else(|_| panic!("a marker that was never given: {marker}")));
    let next = (items.len() > from + size).then(|| (from + size).to_string());
    (items.into_iter().skip(from).take(size).collect(), next)
}
