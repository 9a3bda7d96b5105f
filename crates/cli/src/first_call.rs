//! The words for a first call to AWS that failed: each cause has its own, with the step that mends it. The SDK's own chain of causes is
//! for programmers.

use aws_config::SdkConfig;
use guardrails_aws::error::Failure;

use crate::args::Global;

/// The words and the hint, in two lines.
pub(crate) fn words(failure: &Failure, global: &Global, sdk: &SdkConfig) -> String {
    let login = global.profile().map_or_else(|| "aws sso login".to_owned(), |name| format!("aws sso login --profile {name}"));
    let said = failure.message.as_str();
    match failure.code.as_deref() {
        None if (said.contains("sso") && said.contains("token")) || said.contains("sso/cache") => {
            format!("the login of Identity Center is over, or was not made\nhint: {login}")
        }
        None if said.contains("no credentials") || said.contains("credential provider was not enabled") => {
            format!("there are no AWS credentials\nhint: aws configure, {login}, or --profile for another profile")
        }
        None if said.contains("dispatch failure") && !said.contains("credential") => {
            let at = sdk.endpoint_url().map_or_else(|| format!("AWS in {}", region(sdk)), str::to_owned);
            format!("nothing answers at {at}\nhint: --endpoint-url, AWS_ENDPOINT_URL, --region, and the network between")
        }
        Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            format!("the AWS credentials are over ({said})\nhint: {login}")
        }
        Some("InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch" | "InvalidAccessKeyId") => {
            format!("AWS does not know these credentials ({said})\nhint: --profile for another profile, or {login}")
        }
        _ => format!("{said}\nhint: --profile, --region and --endpoint-url say where AWS is asked, and as whom"),
    }
}

/// The words for a stack that is not there.
pub(crate) fn no_stack(stack: &str, account: Option<&str>, global: &Global, sdk: &SdkConfig) -> String {
    let account = account.map_or_else(|| "this account".to_owned(), |account| format!("account {account}"));
    let profile = global.profile().map(|name| format!(", profile {name}")).unwrap_or_default();
    format!(
        "there is no stack `{stack}` in {account}, Region {}{profile}\nhint: --profile, --region and --stack-name say which one is meant; \
         `guardrails deploy` makes one",
        region(sdk)
    )
}

fn region(sdk: &SdkConfig) -> &str {
    sdk.region().map_or("no Region", aws_config::Region::as_ref)
}

#[cfg(test)]
mod tests {
    use aws_config::Region;
    use clap::Parser;
    use guardrails_aws::error::FailureKind;

    use super::*;
    use crate::cli::Cli;

    fn said(code: Option<&str>, message: &str, arguments: &[&str]) -> String {
        let cli = Cli::parse_from(["guardrails", "status"].iter().chain(arguments));
        let sdk = SdkConfig::builder().region(Region::new("eu-west-1")).build();
        let failure = Failure { code: code.map(str::to_owned), message: message.to_owned(), kind: FailureKind::Unknown };
        words(&failure, &cli.global, &sdk)
    }

    #[test]
    fn each_cause_has_its_own_hint() {
        let none =
            "dispatch failure: other: the credential provider was not enabled: no credentials found in chain. Attempted: Env";
        assert!(said(None, none, &[]).starts_with("there are no AWS credentials\nhint: aws configure"));
        let cache = "dispatch failure: other: an error occurred: failed to read ~/.aws/sso/cache/3947.json: No such file";
        assert!(said(None, cache, &["--profile", "work"]).ends_with("hint: aws sso login --profile work"));
        let closed = "dispatch failure: io error: client error (Connect): tcp connect error: Connection refused";
        assert!(said(None, closed, &[]).starts_with("nothing answers at AWS in eu-west-1\n"));
        assert!(said(Some("ExpiredToken"), "ExpiredToken: over", &[]).starts_with("the AWS credentials are over"));
        assert!(said(Some("InvalidClientTokenId"), "no", &[]).starts_with("AWS does not know these credentials"));
        assert!(said(Some("AccessDenied"), "AccessDenied: no", &[]).starts_with("AccessDenied: no\nhint: --profile"));
    }

    #[test]
    fn missing_stack_is_said_with_its_account_and_region() {
        let cli = Cli::parse_from(["guardrails", "status", "--profile", "other"]);
        let sdk = SdkConfig::builder().region(Region::new("us-east-1")).build();
        let words = no_stack("beta", Some("999999999999"), &cli.global, &sdk);
        assert!(
            words.starts_with("there is no stack `beta` in account 999999999999, Region us-east-1, profile other\n"),
            "{words}"
        );
    }
}
