//! The findings of doctor: the parts that it looked at, and their state. A part that could not be looked at never counts as well.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardrails_aws::error::Failure;
use schemars::JsonSchema;
use serde::Serialize;

use crate::exit::Exit;

/// How bad a finding is; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    /// A guardrail does not work, or fails without anybody being told.
    Failure,
    /// It could not be looked at: a failure may be hidden there.
    CouldNotCheck,
    /// It works, and is not as it should be.
    Warning,
    /// Worth knowing; nothing to be done.
    Note,
}

impl Severity {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Failure => "FAILURE",
            Self::CouldNotCheck => "COULD NOT CHECK",
            Self::Warning => "WARNING",
            Self::Note => "note",
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Finding {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// The part that was looked at.
    pub(crate) checked: String,
    /// Its state.
    pub(crate) found: String,
    /// The consequence.
    pub(crate) means: String,
    /// The remedy, for the operator.
    pub(crate) remedy: String,
}

/// All that was seen of one part of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Sheet {
    /// The part.
    pub(crate) area: &'static str,
    /// The parts that are as they should be.
    pub(crate) well: Vec<String>,
    /// The parts that are not, or could not be looked at.
    pub(crate) findings: Vec<Finding>,
}

impl Sheet {
    pub(crate) fn new(area: &'static str) -> Self {
        Self { area, well: Vec::new(), findings: Vec::new() }
    }

    pub(super) fn well(&mut self, checked: impl Into<String>) {
        self.well.push(checked.into());
    }

    pub(super) fn failure(&mut self, checked: &str, found: impl Into<String>, means: &str, remedy: impl Into<String>) {
        self.add(Severity::Failure, checked, found.into(), means, remedy.into());
    }

    pub(super) fn warning(&mut self, checked: &str, found: impl Into<String>, means: &str, remedy: impl Into<String>) {
        self.add(Severity::Warning, checked, found.into(), means, remedy.into());
    }

    pub(super) fn note(&mut self, checked: &str, found: impl Into<String>, means: &str, remedy: impl Into<String>) {
        self.add(Severity::Note, checked, found.into(), means, remedy.into());
    }

    pub(super) fn could_not_check(&mut self, checked: &str, found: impl Into<String>, means: &str, remedy: impl Into<String>) {
        self.add(Severity::CouldNotCheck, checked, found.into(), means, remedy.into());
    }

    fn add(&mut self, severity: Severity, checked: &str, found: String, means: &str, remedy: String) {
        self.findings.push(Finding { severity, checked: checked.to_owned(), found, means: means.to_owned(), remedy });
    }

    /// The value that was read, or none when it could not be: that is then said.
    pub(super) fn read<'a, T>(&mut self, checked: &str, read: &'a Read<T>) -> Option<&'a T> {
        match read {
            Ok(value) => Some(value),
            Err(unread) => {
                self.could_not_check(checked, &unread.why, "whether it is as it should be is not known", unread.remedy());
                None
            }
        }
    }
}

/// The value that was read, or why it could not be.
pub(super) type Read<T> = Result<T, Unread>;

/// Something could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    /// The permission that reading it takes.
    pub(super) needs: &'static str,
    /// AWS's words.
    pub(super) why: String,
}

impl Unread {
    pub(super) fn new(needs: &'static str, why: impl Into<String>) -> Self {
        Self { needs, why: why.into() }
    }

    pub(super) fn of<E>(needs: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        move |error| Self::new(needs, Failure::of(&error).message)
    }

    fn remedy(&self) -> String {
        let denied = ["AccessDenied", "AuthorizationError", "NotAuthorized", "Unauthorized", "not authorized"];
        if denied.iter().any(|words| self.why.contains(words)) {
            format!("let who runs doctor do {}, and run it again", self.needs)
        } else {
            format!("run doctor again; if it stays so, see whether {} works here at all", self.needs)
        }
    }
}

/// The content of an answer; none where the service says, by one of the codes `absent`, that there is no such thing.
pub(super) fn found<T, E>(answer: Result<T, SdkError<E, HttpResponse>>, absent: &[&str], needs: &'static str) -> Read<Option<T>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code().is_some_and(|code| absent.contains(&code)) => Ok(None),
        Err(error) => Err(Unread::of(needs)(error)),
    }
}

/// The exit code of all findings: that of a failure above all, then that of a part that could not be checked and may hide one.
pub(super) fn exit(sheets: &[Sheet]) -> Exit {
    match sheets.iter().flat_map(|sheet| &sheet.findings).map(|finding| finding.severity).min() {
        Some(Severity::Failure) => Exit::Unwell,
        Some(Severity::CouldNotCheck) => Exit::NotChecked,
        Some(Severity::Warning) => Exit::Warned,
        Some(Severity::Note) | None => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worst_finding_decides_and_unchecked_part_is_never_well() {
        let mut sheet = Sheet::new("test");
        assert_eq!(exit(&[sheet.clone()]), Exit::Done);
        sheet.note("a", "b", "c", "d");
        assert_eq!(exit(&[sheet.clone()]), Exit::Done);
        sheet.warning("a", "b", "c", "d");
        assert_eq!(exit(&[Sheet::new("other"), sheet.clone()]), Exit::Warned);
        assert_eq!(sheet.read("a", &Err::<(), _>(Unread::new("sns:GetTopicAttributes", "AccessDenied: no"))), None);
        assert_eq!(exit(&[sheet.clone(), Sheet::new("other")]), Exit::NotChecked);
        assert!(sheet.well.is_empty());
        sheet.failure("a", "b", "c", "d");
        assert_eq!(exit(&[sheet]), Exit::Unwell);
    }

    #[test]
    fn a_missing_permission_is_named() {
        for why in ["AccessDeniedException: no", "AuthorizationError: no", "AccessDenied: x is not authorized to perform it"] {
            let remedy = Unread::new("sns:GetTopicAttributes", why).remedy();
            assert!(remedy.contains("let who runs doctor do sns:GetTopicAttributes"), "{remedy}");
        }
        assert!(!Unread::new("sns:GetTopicAttributes", "InternalError: oops").remedy().contains("let who runs doctor"));
    }
}
