//! The credentials of a profile that a person named. Such a profile wins over keys in the environment, as in the AWS CLI
//! (`create_credential_resolver` of botocore/credentials.py takes the environment's provider out of the chain then).

use aws_config::Region;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};
use guardrails_model::near;

use super::{LoadError, transport};
use crate::error::chain;

/// The providers of the profile `name`. One without credentials of its own takes those of the machine, and never those of the
/// environment.
///
/// # Errors
/// When the files of AWS's configuration cannot be read, or have no such profile.
pub(super) async fn credentials(name: &str, region: Option<&Region>) -> Result<CredentialsProviderChain, LoadError> {
    let files = EnvConfigFiles::default();
    let known = aws_config::profile::load(&Fs::real(), &Env::real(), &files, Some(name.to_owned().into())).await;
    let known = known.map_err(|error| LoadError::Profiles(chain(&error)))?;
    if known.get_profile(name).is_none() {
        let names: Vec<&str> = known.profiles().collect();
        return Err(LoadError::NoProfile { name: name.to_owned(), known: near::among(name, &names) });
    }
    let region = if let Some(region) = region {
        Some(region.clone())
    } else {
        let of_profile = ProfileFileRegionProvider::builder().profile_name(name).build();
        RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(of_profile).region().await
    };
    let config = ProviderConfig::without_region().with_region(region).with_http_client(transport::client());
    let of_profile = ProfileFileCredentialsProvider::builder().configure(&config).profile_name(name).build();
    Ok(CredentialsProviderChain::first_try("Profile", of_profile)
        .or_else("EcsContainer", EcsCredentialsProvider::builder().configure(&config).build())
        .or_else("Ec2InstanceMetadata", ImdsCredentialsProvider::builder().configure(&config).build()))
}
