//! The protocols. IAM, Auto Scaling, load balancers, RDS, Redshift (AWS Query) and EC2 (EC2 Query): a form comes in, XML goes out. Services that
//! a table tells ([`super::switchable`]): JSON comes in and goes out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::things::Table;

/// The service that is asked. Told by the version of the API, which every form carries, or by a header.
#[derive(Clone, Copy)]
pub enum Service {
    Iam,
    Ec2,
    AutoScaling,
    TargetGroups,
    ClassicLoadBalancers,
    CloudTrail,
    Costs,
    /// ECS, and Application Auto Scaling.
    Ecs,
    /// Lambda, and the index of tags.
    Lambda,
    Rds,
    /// Lambda, as far as functions of the user's are called.
    Programs,
    Redshift,
    Told(&'static Table),
}

/// A call as it came over the wire.
#[derive(Clone)]
pub struct Call {
    pub service: Service,
    pub region: String,
    pub operation: String,
    /// The request, where it is JSON.
    pub json: Json,
    form: BTreeMap<String, String>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.operation, self.region)
    }
}

/// A status and a body.
pub type Reply = (u16, String);

/// AWS's error: status, code, message.
#[derive(Debug)]
pub struct Refusal(pub u16, pub &'static str, pub String);

impl Call {
    /// Reads a form that was sent to a Region.
    pub fn read(region: &str, body: &[u8]) -> Self {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let get = |name: &str| form.get(name).map_or("", String::as_str);
        let service = match get("Version") {
            "2010-05-08" => Service::Iam,
            "2016-11-15" => Service::Ec2,
            "2011-01-01" => Service::AutoScaling,
            "2015-12-01" => Service::TargetGroups,
            "2012-06-01" => Service::ClassicLoadBalancers,
            "2014-10-31" => Service::Rds,
            "2012-12-01" => Service::Redshift,
            other => panic!("the double does not know the API version {other:?}: {form:?}"),
        };
        Self { service, region: region.to_owned(), operation: get("Action").to_owned(), json: Json::Null, form }
    }

    /// Reads JSON that was sent to a Region, for an operation of a service that a table tells.
    pub fn read_json(table: &'static Table, region: &str, operation: &str, body: &[u8]) -> Self {
        let json = serde_json::from_slice(body).expect("a request in JSON");
        let (region, operation) = (region.to_owned(), operation.to_owned());
        Self { service: Service::Told(table), region, operation, json, form: BTreeMap::new() }
    }

    /// Reads a call of a service whose double knows JSON.
    pub fn read_for(service: Service, region: &str, operation: &str, body: &[u8]) -> Self {
        Self::of_json(service, region, operation, serde_json::from_slice(body).expect("a request in JSON"))
    }

    /// A call with these parameters.
    pub fn of_json(service: Service, region: &str, operation: &str, json: Json) -> Self {
        let (region, operation) = (region.to_owned(), operation.to_owned());
        Self { service, region, operation, json, form: BTreeMap::new() }
    }

    /// A call whose path names its operation, with the parameters of path and query.
    pub fn read_path(service: Service, region: &str, operation: &str, json: Json, form: BTreeMap<String, String>) -> Self {
        Self { service, region: region.to_owned(), operation: operation.to_owned(), json, form }
    }

    /// A parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(String::as_str)
    }

    /// The parameters whose names begin so, by the rest of their names.
    pub fn under(&self, prefix: &str) -> Vec<(&str, &str)> {
        self.form.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value.as_str()))).collect()
    }

    /// A parameter that the service requires.
    pub fn require(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal(400, "MissingParameter", format!("The request must contain {name}")))
    }

    /// A number, if it is given.
    pub fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let number = self.get(name).map(str::parse).transpose();
        number.map_err(|_| Refusal(400, "ValidationError", format!("{name} is no number")))
    }

    /// Does it change nothing?
    pub fn only_reads(&self) -> bool {
        ["Describe", "Get", "List", "Simulate"].iter().any(|read| self.operation.starts_with(read))
    }

    /// Does it ask for a page, or for what a filter lets through?
    pub fn is_narrowed(&self) -> bool {
        self.form.keys().any(|name| name.starts_with("Filter.") || name == "MaxResults" || name == "NextToken")
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
        (
            Service::Told(_) | Service::CloudTrail | Service::Costs | Service::Ecs | Service::Lambda | Service::Programs,
            Ok(body),
        ) => (200, body),
        (
            Service::Told(_) | Service::CloudTrail | Service::Costs | Service::Ecs | Service::Lambda | Service::Programs,
            Err(Refusal(status, code, message)),
        ) => (status, json!({"__type": code, "Message": message}).to_string()),
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
    let (status, code, message) = match service {
        Service::Ec2 => (503, "RequestLimitExceeded", "Request limit exceeded."),
        Service::Lambda => (429, "TooManyRequestsException", "Rate exceeded"),
        Service::Told(_) | Service::Ecs => (400, "ThrottlingException", "Rate exceeded"),
        Service::Programs => (429, "TooManyRequestsException", "Rate Exceeded."),
        _ => (400, "Throttling", "Rate exceeded"),
    };
    Refusal(status, code, message.to_owned())
}

/// The same by the service's own code, where it has one: Application Auto Scaling does one thing at a time with a target.
pub fn held_up(call: &Call) -> Refusal {
    if matches!(call.service, Service::Ecs) && call.operation.contains("ScalableTarget") {
        let message = "Concurrent updates caused an exception";
        return Refusal(400, "ConcurrentUpdateException", message.to_owned());
    }
    throttled(call.service)
}

/// The refusal by a Region that an organization has closed.
pub fn closed(call: &Call) -> Refusal {
    let (code, service) = match call.service {
        Service::Ec2 => ("UnauthorizedOperation", "ec2"),
        Service::AutoScaling => ("AccessDenied", "autoscaling"),
        Service::Told(table) => ("AccessDeniedException", table.service),
        Service::Ecs => ("AccessDeniedException", "ecs"),
        Service::Lambda | Service::Programs => ("AccessDeniedException", "lambda"),
        Service::Rds => ("AccessDenied", "rds"),
        Service::Redshift => ("AccessDenied", "redshift"),
        _ => ("AccessDenied", "elasticloadbalancing"),
    };
    let user = "User: arn:aws:sts::123456789012:assumed-role/guardrails/session";
    let what = format!("{user} is not authorized to perform: {service}:{}", call.operation);
    let message =
        format!("You are not authorized to perform this operation. {what} with an explicit deny in a service control policy");
    Refusal(403, code, message)
}

/// The refusal by a Region in which the account is not enabled.
pub fn not_enabled(service: Service) -> Refusal {
    match service {
        Service::Ec2 => {
            let message = "AWS was not able to validate the provided access credentials";
            Refusal(401, "AuthFailure", message.to_owned())
        }
        _ => Refusal(403, "InvalidClientTokenId", "The security token included in the request is invalid.".to_owned()),
    }
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

/// A tag with the token of the next page, if there is one.
pub fn next(name: &str, token: Option<String>) -> String {
    token.map(|token| tag(name, &token)).unwrap_or_default()
}

/// The items from the place that `marker` names, at most `size`, and the marker of the rest.
pub fn page<T>(items: Vec<T>, marker: Option<&str>, size: usize) -> (Vec<T>, Option<String>) {
    let from = marker.map_or(0, |marker| marker.parse().unwrap_or_else(|_| panic!("a marker that was never given: {marker}")));
    let next = (items.len() > from + size).then(|| (from + size).to_string());
    (items.into_iter().skip(from).take(size).collect(), next)
}
