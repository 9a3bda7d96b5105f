//! The meaning of an SDK error: may it be asked again, was it refused for good, or is its effect not known?

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardrails_model::action::{ActionError, ChangeOutcome};

/// The outcome of a failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// AWS's error code, where it gave one.
    pub code: Option<String>,
    /// For people: code and message, or the error on the way.
    pub message: String,
    /// The known effect.
    pub kind: FailureKind,
}

/// The known effect of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It was refused for good, and did nothing.
    Refused,
    /// It did nothing, and may be asked again.
    Later,
    /// It did nothing for want of capacity or quota, and may be asked again in a while.
    NoRoom,
    /// The answer was lost, or the service failed inside: it may have been done, or may yet be.
    Unknown,
}

/// Error codes by which AWS asks to come back later: the SDK's own list, and two of services that it does not know.
const THROTTLED: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "TransactionInProgressException",
    "SlowDown",
    "EC2ThrottledException",
    "ConcurrentModification",
    "ConcurrentModificationException",
];

/// Error codes of requests that did not arrive whole, or whose end nobody saw: the SDK's own list.
const TRANSIENT: &[&str] = &["RequestTimeout", "RequestTimeoutException"];

/// The meaning of one service's error codes, beyond those that all services have in common. Some come as HTTP 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    /// The target is not in a state for it now: it may be asked again.
    pub not_now: &'static [&'static str],
    /// AWS, or the account's quota, has no room now: it may be asked again in a while.
    pub no_room: &'static [&'static str],
    /// The target is not one for this change: it is left alone.
    pub not_for_it: &'static [&'static str],
}

impl Codes {
    /// No codes of its own.
    pub const NONE: Self = Self { not_now: &[], no_room: &[], not_for_it: &[] };

    /// Does the failure say that its target is not in a state for it now?
    #[must_use]
    pub fn is_not_now(&self, failure: &Failure) -> bool {
        self.not_now.iter().any(|code| failure.is(code))
    }

    /// Does the failure say that its target is not one for this change?
    #[must_use]
    pub fn is_for_another(&self, failure: &Failure) -> bool {
        self.not_for_it.iter().any(|code| failure.is(code))
    }
}

/// The answer to a call of the SDK.
pub type Answered<O, E> = Result<O, SdkError<E, HttpResponse>>;

/// An error that a service sent.
pub trait Sent: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static {}

impl<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static> Sent for E {}

/// Words by which services say that the caller has no right to a call. Each has its own code for that.
const DENIALS: &[&str] = &["AccessDenied", "UnauthorizedOperation", "AuthorizationError", "not authorized to perform"];

/// Do these words of a [`Failure`] say that the caller has no right to a call?
#[must_use]
pub fn is_denial(words: &str) -> bool {
    DENIALS.iter().any(|denial| words.contains(denial))
}

/// These words of a [`Failure`], with the right that it takes, where they name it.
#[must_use]
pub fn with_right(words: &str) -> String {
    let named = words.split_once("not authorized to perform: ").map(|(_, rest)| rest);
    let ends = |letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, ':' | '-'));
    let right = named.and_then(|rest| rest.split(ends).next()).filter(|right| right.contains(':'));
    right.map_or_else(|| words.to_owned(), |right| format!("{words}; needs the right {right}"))
}

impl Failure {
    /// A call that was not made: this refuses it for good.
    #[must_use]
    pub fn refused(message: String) -> Self {
        Self { code: None, message, kind: FailureKind::Refused }
    }

    /// Reads an SDK error.
    #[must_use]
    pub fn of<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &SdkError<E, HttpResponse>) -> Self {
        let SdkError::ServiceError(service) = error else {
            let kind = match error {
                SdkError::ConstructionFailure(_) => FailureKind::Refused,
                _ => FailureKind::Unknown,
            };
            return Self { code: None, message: chain(error), kind };
        };
        let code = service.err().code().map(str::to_owned);
        let status = service.raw().status().as_u16();
        let kind = match code.as_deref() {
            Some(code) if THROTTLED.contains(&code) => FailureKind::Later,
            Some(code) if TRANSIENT.contains(&code) => FailureKind::Unknown,
            _ if status == 429 => FailureKind::Later,
            _ if status >= 500 => FailureKind::Unknown,
            _ => FailureKind::Refused,
        };
        let said = service.err().message().unwrap_or("no message");
        let message = format!("{}: {said}", code.as_deref().unwrap_or("HTTP error without a code"));
        Self { code, message, kind }
    }

    /// The same, by the meaning of the service's own codes.
    #[must_use]
    pub fn judged(self, codes: &Codes) -> Self {
        let kind = match self.code.as_deref() {
            Some(code) if codes.no_room.contains(&code) => FailureKind::NoRoom,
            Some(code) if codes.not_now.contains(&code) => FailureKind::Later,
            _ => self.kind,
        };
        Self { kind, ..self }
    }

    /// Did AWS give this code?
    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Did AWS ask to come back later because it was asked too often?
    #[must_use]
    pub fn is_throttling(&self) -> bool {
        self.code.as_deref().is_some_and(|code| THROTTLED.contains(&code))
    }

    /// Did a policy of the account's organisation forbid it, whoever asks?
    #[must_use]
    pub fn is_out_of_bounds(&self) -> bool {
        self.kind == FailureKind::Refused && self.message.contains("explicit deny in a service control policy")
    }

    /// As the answer to a change.
    #[must_use]
    pub fn answer(self) -> ChangeOutcome {
        match self.kind {
            FailureKind::Refused => ChangeOutcome::Refused(self.message),
            FailureKind::Later => ChangeOutcome::Retry(self.message),
            FailureKind::NoRoom => ChangeOutcome::NoCapacity(self.message),
            FailureKind::Unknown => ChangeOutcome::Unknown(self.message),
        }
    }

    /// As the end of a read, which was about `doing`.
    #[must_use]
    pub fn reading(self, doing: &str) -> ActionError {
        let message = format!("{doing}: {}", self.message);
        match self.kind {
            FailureKind::Refused if self.is_out_of_bounds() => ActionError::OutOfBounds(message),
            FailureKind::Refused => ActionError::Refused(message),
            FailureKind::Later | FailureKind::NoRoom | FailureKind::Unknown => ActionError::Retryable(message),
        }
    }
}

/// An error with its causes: an SDK error says too little by itself.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut messages: Vec<String> = causes.map(ToString::to_string).collect();
    messages.dedup();
    messages.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_s_own_codes_decide_over_the_status() {
        let codes = Codes { not_now: &["Busy"], no_room: &["Full"], not_for_it: &["Odd"] };
        let failed = |code: &str| Failure { code: Some(code.to_owned()), message: String::new(), kind: FailureKind::Unknown };
        let kind = |code: &str| failed(code).judged(&codes).kind;
        assert_eq!([kind("Busy"), kind("Full"), kind("Odd")], [FailureKind::Later, FailureKind::NoRoom, FailureKind::Unknown]);
        assert!(
            codes.is_not_now(&failed("Busy")) && codes.is_for_another(&failed("Odd")) && !codes.is_for_another(&failed("Full"))
        );
    }

    #[test]
    fn denial_names_the_right_that_it_takes() {
        let words = "AccessDenied: User: ann is not authorized to perform: ec2:DescribeInstances because no policy allows it";
        assert!(is_denial(words) && !is_denial("ValidationError: no such thing"));
        assert!(with_right(words).ends_with("; needs the right ec2:DescribeInstances"), "{}", with_right(words));
        for words in ["UnauthorizedOperation: You are not authorized to perform this operation.", "not authorized to perform: it"]
        {
            assert_eq!(with_right(words), words);
        }
    }
}
