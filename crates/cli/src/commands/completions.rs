//! `guardrails completions`: the script by which a shell completes the command's words.

use anyhow::{Context, Result};
use clap::Args;
use clap_complete::Shell;

use crate::cli;
use crate::exit::Exit;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &Completions) -> Result<Exit> {
    let (mut script, mut definition) = (Vec::new(), cli::command());
    let name = definition.get_name().to_owned();
    clap_complete::generate(args.shell, &mut definition, name, &mut script);
    output::data(String::from_utf8(script).context("reading the script as UTF-8")?.trim_end())?;
    Ok(Exit::Done)
}
