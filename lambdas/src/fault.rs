//! Errors as the state machine knows them: by fixed names, never by Rust's type names. An error is always returned as an
//! error, so that Lambda, SNS and the state machine see a failure.

use std::fmt;

use guardrails_aws::catalog::CatalogError;
use guardrails_aws::clients::LoadError;
use guardrails_aws::error::chain;
use guardrails_model::engine::ExecutorError;
use guardrails_model::ledger::LedgerError;
use guardrails_model::runs::RunError;
use lambda_runtime::Diagnostic;

/// The consequence of an error. The state machine's `ErrorEquals` has these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Trying again as it is may help: `Guardrails.Retryable`.
    Retryable,
    /// It was refused or cannot work; trying again does not help: `Guardrails.Failed`.
    Failed,
}

impl Kind {
    /// Its name in the logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "Retryable",
            Self::Failed => "Failed",
        }
    }
}

/// A function's error.
#[derive(Debug)]
pub struct Fault {
    /// Its consequence.
    pub kind: Kind,
    message: String,
}

impl Fault {
    /// An error that trying again does not help.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, message: message.into() }
    }

    /// An error that trying again may help.
    #[must_use]
    pub fn retryable(message: impl Into<String>) -> Self {
        Self { kind: Kind::Retryable, message: message.into() }
    }

    fn of(retryable: bool, error: &(dyn std::error::Error + 'static)) -> Self {
        Self { kind: if retryable { Kind::Retryable } else { Kind::Failed }, message: chain(error) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Diagnostic {
    fn from(fault: Fault) -> Self {
        let error_type = match fault.kind {
            Kind::Retryable => "Guardrails.Retryable",
            Kind::Failed => "Guardrails.Failed",
        };
        Diagnostic { error_type: error_type.to_owned(), error_message: fault.message }
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        Self::of(error.is_retryable(), &error)
    }
}

impl From<RunError> for Fault {
    fn from(error: RunError) -> Self {
        Self::of(error.is_retryable(), &error)
    }
}

impl From<ExecutorError> for Fault {
    fn from(error: ExecutorError) -> Self {
        Self::of(error.is_retryable(), &error)
    }
}

impl From<CatalogError> for Fault {
    fn from(error: CatalogError) -> Self {
        Self::of(false, &error)
    }
}

impl From<LoadError> for Fault {
    fn from(error: LoadError) -> Self {
        Self::of(false, &error)
    }
}
