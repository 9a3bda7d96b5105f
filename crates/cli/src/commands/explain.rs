//! `guardrails explain`: how is an alert read? The same code decides in the master function.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use guardrails_model::decide::{Explained, explain};
use guardrails_model::envelope;

use crate::exit::Exit;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A raw body, an SNS envelope, a Lambda event of SNS, or one wrapped by SQS; stdin for `-` or when left out.
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
}

pub(crate) fn run(args: &Explain) -> Result<Exit> {
    let mut bytes = Vec::new();
    if args.file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("reading stdin")?;
    } else {
        bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    }
    // A body that is not UTF-8 is no alert; it is shown as far as it can be.
    let body = String::from_utf8_lossy(&bytes);
    let explained: Vec<Explained> = envelope::unwrap(&body).iter().map(explain).collect();
    for one in &explained {
        output::data(&serde_json::to_string(one)?)?;
    }
    let unknown = explained.iter().any(|one| matches!(one, Explained::Unknown { .. }));
    Ok(if unknown { Exit::Unknown } else { Exit::Done })
}
