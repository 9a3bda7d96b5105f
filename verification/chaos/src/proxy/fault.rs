//! The faults of a call.

use std::fmt;
use std::time::Duration;

use super::call::Call;
use super::http::answer;

/// The fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is refused since there were too many.
    Throttled,
    /// Its caller may not.
    Refused,
    /// The service fails inside, and did nothing.
    Failed,
    /// It takes this long.
    Slow(Duration),
    /// It is done, and the connection breaks before the answer.
    AnswerLost,
    /// The connection breaks before it arrives.
    Reset,
    /// It never arrives, and nothing says so: its caller waits for as long as it will.
    Hangs,
    /// Its caller is killed before it arrives.
    KilledBefore,
    /// Its caller is killed after it was done.
    KilledAfter,
    /// Its caller is killed, and it is done so much later.
    LandsLate(Duration),
}

impl Kind {
    /// In words, without how long.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::Failed => "failed inside",
            Self::Slow(_) => "slow",
            Self::AnswerLost => "answer lost",
            Self::Reset => "reset",
            Self::Hangs => "hangs",
            Self::KilledBefore => "killed before",
            Self::KilledAfter => "killed after",
            Self::LandsLate(_) => "killed, lands late",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow(time) | Self::LandsLate(time) => write!(f, "{} ({} ms)", self.name(), time.as_millis()),
            _ => f.write_str(self.name()),
        }
    }
}

/// The calls that a fault is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aim {
    /// This operation of this function.
    At(Call),
    /// Any call of any function to this service.
    Service(&'static str),
}

impl Aim {
    fn hits(&self, call: &Call) -> bool {
        match self {
            Self::At(aim) => aim == call,
            Self::Service(service) => call.service == *service,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(call) => call.fmt(f),
            Self::Service(service) => write!(f, "everybody: {service}"),
        }
    }
}

/// A fault: its kind, and the calls that it hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: Kind,
    /// The calls that it hits.
    pub aim: Aim,
    /// The first of them that it hits, beginning with 1.
    pub from: u32,
    /// The number of calls that it hits; nothing means until it is lifted.
    pub times: Option<u32>,
}

impl Fault {
    pub(super) fn hits(&self, call: &Call) -> bool {
        self.aim.hits(call)
    }

    /// Does it happen to the `number`-th of its calls?
    pub(super) fn is_due(&self, number: u32) -> bool {
        number >= self.from && self.times.is_none_or(|times| number - self.from < times)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at call {} of {}", self.kind, self.from, self.aim)?;
        match self.times {
            None => f.write_str(", and at all after it"),
            Some(1) => Ok(()),
            Some(times) => write!(f, ", {times} times"),
        }
    }
}

/// A refusal as the call's service words it.
pub(super) fn refusal(call: &Call, kind: Kind) -> Vec<u8> {
    let service = call.service.as_str();
    let json = matches!(service, "dynamodb" | "states" | "budgets");
    let (status, code) = match kind {
        Kind::Throttled if service == "ec2" => (503, "RequestLimitExceeded"),
        Kind::Throttled if json => (400, "ThrottlingException"),
        Kind::Throttled => (400, "Throttling"),
        Kind::Refused if service == "ec2" => (403, "UnauthorizedOperation"),
        Kind::Refused if service == "sns" => (403, "AuthorizationError"),
        Kind::Refused if json => (400, "AccessDeniedException"),
        Kind::Refused => (403, "AccessDenied"),
        _ if service == "ec2" => (500, "InternalError"),
        _ if json => (500, "InternalServerError"),
        _ => (500, "InternalFailure"),
    };
    let why = format!("injected: {kind}");
    if json {
        let body = format!(r#"{{"__type": "com.amazonaws.{service}#{code}", "message": "{why}"}}"#);
        return answer(status, "application/x-amz-json-1.0", &body);
    }
    let error = format!("<Code>{code}</Code><Message>{why}</Message>");
    let body = if service == "ec2" {
        format!("<Response><Errors><Error>{error}</Error></Errors><RequestID>injected</RequestID></Response>")
    } else {
        format!("<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>injected</RequestId></ErrorResponse>")
    };
    answer(status, "text/xml", &body)
}
