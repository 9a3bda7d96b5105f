//! A local AWS for the demo and the tests: `MiniStack`, behind a launcher that makes IAM enforcement and more true to AWS.
//! It deploys the real template, runs the real compiled functions and the real state machine, and needs neither Docker
//! nor an account. It makes its own Python virtual environment, takes a free port, and ends with the process that
//! started it.

mod error;
mod fork_server;
mod keys;
pub mod programs;
mod saved;
mod server;
pub mod venv;
pub mod walkthrough;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use aws_sdk_budgets::types::ResourceTag;
use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use guardrails_aws::clients;
use guardrails_aws::error::chain;

pub use aws_config::SdkConfig;
pub use error::Error;
pub use saved::Saved;
use server::Server;

/// The account that it is.
pub const ACCOUNT: &str = "123456789012";
/// The Region that it is deployed to.
pub const REGION: &str = "us-east-1";

/// The local AWS takes an account's number for the key of that account's root, with any secret.
const ROOT_SECRET: &str = "any";

/// The launcher takes a tag of this key on a budget for its spend.
const SPEND_TAG: &str = "local-aws:spend";

/// How to start it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The factor of the state machine's waits and retry intervals.
    pub wait_scale: f64,
    /// How long an instance stays `stopping` or `pending`.
    pub transition_seconds: f64,
    /// Where the functions call, where that is not the local AWS itself: a fault injector in front of it.
    pub functions_endpoint: Option<String>,
    /// Whether [`LocalAws::keep`] will be asked for.
    pub keep: bool,
    /// The emulator of EC2, Auto Scaling and load balancers.
    pub fleets: Fleets,
    /// The state to begin with, where that is not an empty account.
    pub saved: Option<Arc<Saved>>,
}

/// The emulator of EC2, Auto Scaling and load balancers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fleets {
    /// `MiniStack`'s: IAM is enforced, instances take time to stop, and groups terminate members that do not run.
    #[default]
    MiniStack,
    /// moto's, at an endpoint of their own: somebody else's reading of the same APIs, with Classic Load Balancers, mixed
    /// instances and more. No IAM, no time between states, and groups leave their members alone. The first start makes
    /// another virtual environment, which takes some fifteen seconds.
    Moto,
}

/// The services whose calls go to the fleets' endpoint, as the SDKs' environment variables name them.
const FLEET_VARIABLES: [&str; 4] = [
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_AUTO_SCALING",
    "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING",
    "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2",
];

impl Default for Options {
    fn default() -> Self {
        Self {
            wait_scale: 1.0,
            transition_seconds: 0.0,
            functions_endpoint: None,
            keep: false,
            fleets: Fleets::default(),
            saved: None,
        }
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
    /// Its files on disk, which the process that ends it removes.
    pub scratch: PathBuf,
    /// Its log.
    pub log: PathBuf,
}

/// Whether the virtual environment is there already. To make it takes a package index, and some ten seconds.
#[must_use]
pub fn is_installed() -> bool {
    venv::local_aws().find().is_ok_and(|found| found.is_some())
}

impl LocalAws {
    /// Starts one on a free port, and makes its virtual environment first where that is not there.
    ///
    /// # Errors
    /// When the virtual environment cannot be made, or the launcher does not come up; with what to do about it.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let started = tokio::task::spawn_blocking(move || Server::start(&options)).await;
        let server = started.map_err(|error| Error::io("starting the local AWS")(std::io::Error::other(error)))??;
        Ok(Self { server })
    }

    /// Saves its whole state, once nothing is under way any more. Functions that were running are started anew by the next call.
    ///
    /// # Errors
    /// When it does not come to rest, or has something that cannot be saved, such as the fleets of [`Fleets::Moto`].
    pub async fn save(&self) -> Result<Saved, Error> {
        if self.server.fleet_endpoint() != self.endpoint() {
            let doing = "saving the state of the local AWS".to_owned();
            return Err(Error::Call {
                doing,
                message: "the fleets are another process's, whose state cannot be saved".to_owned(),
            });
        }
        let endpoint = self.endpoint().to_owned();
        let saved = tokio::task::spawn_blocking(move || Saved::of(&endpoint)).await;
        saved.map_err(|error| Error::io("saving the state of the local AWS")(std::io::Error::other(error)))?
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
        config(self.endpoint(), REGION, access_key, secret).await
    }

    /// The configuration of clients of EC2, Auto Scaling and load balancers that are the account's root, in a Region. Where the
    /// fleets are `MiniStack`'s, it serves for everything else too.
    ///
    /// # Errors
    /// When the environment sends a service's calls to an endpoint that is not on this machine.
    pub async fn fleet_config(&self, region: &str) -> Result<SdkConfig, Error> {
        config(self.server.fleet_endpoint(), region, ACCOUNT, ROOT_SECRET).await
    }

    /// The environment in which the SDKs and the AWS CLI are this account's root, and a developer's own files do not matter.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let fleet_endpoint = self.server.fleet_endpoint();
        let fleets = FLEET_VARIABLES.into_iter().filter(|_| fleet_endpoint != self.endpoint());
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
            // `guardrails deploy` takes the programs that cargo built here.
            ("GUARDRAILS_RUNTIME", "this-machine"),
        ]
        .into_iter()
        .chain(fleets.map(|name| (name, fleet_endpoint)))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    /// A command in [`Self::environment`], without the caller's own variables for AWS.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"AWS_")) {
            command.env_remove(name);
        }
        command.envs(self.environment());
        command
    }

    /// Makes AWS Budgets say so much of `budget`, in dollars, such as `"2.31"`. Notifications whose threshold is exceeded are in
    /// alarm from then on; no alert is sent.
    ///
    /// # Errors
    /// When there is no such budget, or an amount is no number.
    pub async fn spend(&self, budget: &str, actual: &str, forecast: Option<&str>) -> Result<(), Error> {
        let refused = |message| Error::Call { doing: format!("setting the spend of the budget `{budget}`"), message };
        let value = forecast.map_or_else(|| actual.to_owned(), |forecast| format!("{actual} {forecast}"));
        let tag = ResourceTag::builder().key(SPEND_TAG).value(value).build().map_err(|error| refused(chain(&error)))?;
        let arn = format!("arn:aws:budgets::{ACCOUNT}:budget/{budget}");
        let client = aws_sdk_budgets::Client::new(&self.sdk_config().await?);
        let sent = client.tag_resource().resource_arn(arn).resource_tags(tag).send().await;
        sent.map(|_| ()).map_err(|error| refused(chain(&error)))
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

/// The endpoint is given as such, so that it wins over the environment's of single services.
async fn config(endpoint: &str, region: &str, access_key: &str, secret: &str) -> Result<SdkConfig, Error> {
    let options = clients::Options { region: Some(region.to_owned()), profile: None, endpoint_url: Some(endpoint.to_owned()) };
    let credentials = Credentials::new(access_key, secret, None, None, "guardrails-local-aws");
    let credentials = SharedCredentialsProvider::new(credentials);
    Ok(clients::load(options).await?.into_builder().credentials_provider(credentials).build())
}
