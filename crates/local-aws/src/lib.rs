//! A local AWS for the demo and the tests: `MiniStack`, behind a launcher that makes IAM enforcement and more true to AWS.
//! It deploys the real template, runs the real compiled functions and the real state machine, and needs neither Docker
//! nor an account. It makes its own Python virtual environment, takes a free port, and ends with the process that
//! started it.

mod error;
pub mod programs;
mod server;
mod venv;
pub mod walkthrough;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use guardrails_aws::clients;

pub use aws_config::SdkConfig;
pub use error::Error;
use server::Server;

/// The account that it is.
pub const ACCOUNT: &str = "123456789012";
/// The Region that it is deployed to.
pub const REGION: &str = "us-east-1";

/// The local AWS takes an account's number for the key of that account's root, with any secret.
const ROOT_SECRET: &str = "any";

/// How to start it.
#[derive(Debug, Clone)]
pub struct Options {
    /// By what the state machine's waits and retry intervals are multiplied.
    pub wait_scale: f64,
    /// How long an instance stays `stopping` or `pending`.
    pub transition_seconds: f64,
    /// Where the functions call, where that is not the local AWS itself: a fault injector in front of it.
    pub functions_endpoint: Option<String>,
    /// Whether [`LocalAws::keep`] will be asked for.
    pub keep: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { wait_scale: 1.0, transition_seconds: 0.0, functions_endpoint: None, keep: false }
    }
}

/// A running local AWS. It ends when this is dropped.
#[derive(Debug)]
pub struct LocalAws {
    server: Server,
}

/// One that was left running.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its process: SIGTERM ends it and the functions that it runs.
    pub pid: u32,
    /// What it keeps on disk, for whoever ends it to remove.
    pub scratch: PathBuf,
    /// Its log.
    pub log: PathBuf,
}

/// Whether the virtual environment is there already. To make it takes a package index, and some ten seconds.
#[must_use]
pub fn is_installed() -> bool {
    venv::find().is_ok_and(|found| found.is_some())
}

impl LocalAws {
    /// Starts one on a free port, and makes its virtual environment first where that is not there.
    ///
    /// # Errors
    /// When the virtual environment cannot be made, or the launcher does not come up; with what to do about it.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let started = tokio::task::spawn_blocking(move || Server::start(&venv::ensure()?, &options)).await;
        let server = started.map_err(|error| Error::io("starting the local AWS")(std::io::Error::other(error)))??;
        Ok(Self { server })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// The configuration of clients that are the account's root.
    ///
    /// # Errors
    /// When the environment sends a service's calls to an endpoint that is not on this machine.
    pub async fn sdk_config(&self) -> Result<SdkConfig, Error> {
        self.sdk_config_as(ACCOUNT, ROOT_SECRET).await
    }

    /// The configuration of clients that are the owner of an access key.
    ///
    /// # Errors
    /// When the environment sends a service's calls to an endpoint that is not on this machine.
    pub async fn sdk_config_as(&self, access_key: &str, secret: &str) -> Result<SdkConfig, Error> {
        let options =
            clients::Options { region: Some(REGION.to_owned()), profile: None, endpoint_url: Some(self.endpoint().to_owned()) };
        let credentials = Credentials::new(access_key, secret, None, None, "guardrails-local-aws");
        let credentials = SharedCredentialsProvider::new(credentials);
        Ok(clients::load(options).await?.into_builder().credentials_provider(credentials).build())
    }

    /// The environment in which the SDKs and the AWS CLI are this account's root, and a developer's own files do not matter.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", ACCOUNT),
            ("AWS_SECRET_ACCESS_KEY", ROOT_SECRET),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            (clients::LOCAL_ONLY, "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// A command in [`Self::environment`], without what the caller's own has of AWS.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"AWS_")) {
            command.env_remove(name);
        }
        command.envs(self.environment());
        command
    }

    /// Where its log is.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.server.log()
    }

    /// The last lines of its log, for messages of failures.
    #[must_use]
    pub fn log_tail(&self) -> String {
        server::tail(self.log())
    }

    /// Leaves it running when this process ends. Only one that was started with [`Options::keep`] outlives it.
    #[must_use]
    pub fn keep(self) -> Kept {
        self.server.keep()
    }
}
