//! `guardrails man`: writes the manual's pages, one for each command.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_mangen::Man;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::Global;
use crate::cli;
use crate::exit::Exit;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct ManPages {
    /// The folder to write to, such as `~/.local/share/man/man1`. It is made when it is not there.
    folder: PathBuf,
}

/// The pages that were written.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Pages {
    /// Their files.
    pages: Vec<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &ManPages) -> Result<Exit> {
    let folder = &args.folder;
    std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let mut pages = Vec::new();
    write(&cli::definition(), "", folder, &mut pages)?;
    let text = pages.iter().map(|page| page.display().to_string()).collect::<Vec<_>>().join("\n");
    output::result(global, &Pages { pages }, &text)?;
    Ok(Exit::Done)
}

/// The page of a command, and those of its subcommands.
fn write(command: &Command, above: &str, folder: &Path, pages: &mut Vec<PathBuf>) -> Result<()> {
    let name = if above.is_empty() { command.get_name().to_owned() } else { format!("{above}-{}", command.get_name()) };
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help" && !command.is_hide_set()) {
        write(subcommand, &name, folder, pages)?;
    }
    let page = folder.join(format!("{name}.1"));
    let mut text = Vec::new();
    let man = Man::new(command.clone().disable_help_subcommand(true)).title(&name);
    man.render(&mut text).with_context(|| format!("writing the page of {name}"))?;
    std::fs::write(&page, text).with_context(|| format!("writing {}", page.display()))?;
    pages.push(page);
    Ok(())
}
