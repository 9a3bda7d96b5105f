//! The one place where clients are made, and so the one place that says where they dial.

use std::net::IpAddr;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use crate::error::chain;

mod profile;
mod transport;

/// Set in checkouts of this project: every endpoint must then be on this machine.
pub const LOCAL_ONLY: &str = "GUARDRAILS_LOCAL_ONLY";

/// No call outlives this: leases count on it.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where to, and as whom: the options that the AWS CLI calls `--region`, `--profile` and `--endpoint-url`. An option that is not
/// given comes from the SDK's own environment variables and files.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The Region.
    pub region: Option<String>,
    /// A profile of the shared configuration files. It wins over keys in the environment.
    pub profile: Option<String>,
    /// One endpoint for all services.
    pub endpoint_url: Option<String>,
}

/// No client can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There is no endpoint.
    #[error(
        "{LOCAL_ONLY} is set, so an endpoint on this machine is needed: set AWS_ENDPOINT_URL or --endpoint-url (to reach AWS \
         from a checkout, unset {LOCAL_ONLY} or run the installed program)"
    )]
    Missing,
    /// There is one elsewhere.
    #[error("{LOCAL_ONLY} is set, so endpoints must be on this machine: `{0}` is not")]
    Elsewhere(String),
    /// There is no such profile.
    #[error("there is no profile `{name}` in the files of AWS's configuration; {known}")]
    NoProfile {
        /// The name that was asked for.
        name: String,
        /// The names that there are, and the nearest of them.
        known: String,
    },
    /// The profiles cannot be read.
    #[error("reading the files of AWS's configuration: {0}")]
    Profiles(String),
}

/// The configuration that all clients are made from.
///
/// # Errors
/// When [`LOCAL_ONLY`] is set and an endpoint is missing or not on this machine, or when there is no such profile.
pub async fn load(options: Options) -> Result<SdkConfig, LoadError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(transport::client())
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(OPERATION_TIMEOUT).build());
    let region = options.region.map(Region::new);
    if let Some(profile) = options.profile {
        let credentials = profile::credentials(&profile, region.as_ref()).await?;
        loader = loader.profile_name(profile).credentials_provider(credentials);
    }
    if let Some(region) = region {
        loader = loader.region(region);
    }
    if let Some(url) = options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let config = loader.load().await;
    if reaches_only_this_machine() {
        let of_services = std::env::vars().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_")).map(|(_, url)| url);
        check_local(config.endpoint_url(), of_services)?;
    }
    Ok(config)
}

/// Puts `body` at a presigned `url`, such as the one on which CloudFormation waits for a custom resource.
///
/// # Errors
/// When it cannot be put there; in words.
pub async fn put(url: &str, body: String) -> Result<(), String> {
    if reaches_only_this_machine() && !is_loopback(url) {
        return Err(LoadError::Elsewhere(url.to_owned()).to_string());
    }
    // Signed without a content type: the signature would not fit with one.
    let request = http::Request::builder().method("PUT").uri(url).header("content-length", body.len());
    let request = request.body(SdkBody::from(body)).map_err(|error| error.to_string())?;
    let request = HttpRequest::try_from(request).map_err(|error| error.to_string())?;
    let answer = tokio::time::timeout(OPERATION_TIMEOUT, transport::call(request)).await;
    let answer = answer.map_err(|_| format!("no answer within {} s", OPERATION_TIMEOUT.as_secs()))?;
    let status = answer.map_err(|error| chain(&error))?.status();
    if status.is_success() { Ok(()) } else { Err(format!("HTTP {}", status.as_u16())) }
}

/// Whether [`LOCAL_ONLY`] is set: then no client is made that could reach AWS itself.
#[must_use]
pub fn reaches_only_this_machine() -> bool {
    is_local_only(std::env::var(LOCAL_ONLY).ok().as_deref())
}

fn is_local_only(value: Option<&str>) -> bool {
    value.is_some_and(|value| !matches!(value, "" | "0"))
}

fn check_local(endpoint: Option<&str>, of_services: impl Iterator<Item = String>) -> Result<(), LoadError> {
    let endpoint = endpoint.ok_or(LoadError::Missing)?;
    let elsewhere = std::iter::once(endpoint.to_owned()).chain(of_services).find(|url| !is_loopback(url));
    elsewhere.map_or(Ok(()), |url| Err(LoadError::Elsewhere(url)))
}

fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkout_makes_clients_only_with_endpoint_on_this_machine() {
        let check = |endpoint: Option<&str>, others: &[&str]| check_local(endpoint, others.iter().map(|url| (*url).to_owned()));
        assert_eq!(check(None, &[]), Err(LoadError::Missing));
        assert_eq!(check(Some("http://127.0.0.1:4566"), &["http://[::1]:1", "http://localhost:2"]), Ok(()));
        for elsewhere in ["https://iam.amazonaws.com", "http://10.0.0.1", "http://127.0.0.1.example.org", "nonsense"] {
            assert_eq!(check(Some(elsewhere), &[]), Err(LoadError::Elsewhere(elsewhere.to_owned())));
            assert!(check(Some("http://127.0.0.1:4566"), &[elsewhere]).is_err());
        }
    }

    #[test]
    fn the_guard_is_on_unless_it_is_unset_or_zero() {
        assert!(is_local_only(Some("1")));
        assert!(!is_local_only(None) && !is_local_only(Some("")) && !is_local_only(Some("0")));
    }

    #[test]
    fn the_guard_is_on_in_this_very_test_run() {
        assert!(reaches_only_this_machine(), "see .cargo/config.toml");
    }
}
