//! `guardrails package`: one template and the functions' zip, for `aws cloudformation deploy`, `sam deploy`, or for looking at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use guardrails_template::{self as template, Limits};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{Configuration, Global, Programs};
use crate::exit::Exit;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Package {
    #[command(flatten)]
    pub(crate) file: Configuration,
    #[command(flatten)]
    pub(crate) programs: Programs,
    /// Where to write.
    #[arg(long, default_value = "guardrails-package")]
    pub(crate) out: PathBuf,
}

/// The files that were written.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Packaged<'a> {
    /// The template's file.
    template: &'a Path,
    /// The key in the bucket of each part's code.
    code: BTreeMap<&'a str, &'a str>,
}

pub(crate) fn run(global: &Global, args: &Package) -> Result<Exit> {
    template::check_stack_name(&global.stack_name)?;
    let Some(config) = output::config(args.file.path())? else { return Ok(Exit::BadInput) };
    let artifact = args.programs.pack()?;
    let key = args.programs.signed_code.as_deref().unwrap_or(&artifact.key);
    let mut template = template::render(&config, key)?;
    template::carry_code_for(&mut template, args.programs.architecture);
    let write = |name: &str, bytes: &[u8]| {
        let path = args.out.join(name);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, bytes));
        made.with_context(|| format!("writing {}", path.display())).map(|()| path)
    };
    let text = serde_json::to_string_pretty(&template)?;
    let limits = Limits::check(&template, &text)?;
    write(&artifact.key, &artifact.zip)?;
    let path = write("template.json", text.as_bytes())?;
    // Both upload a template that is too large for a request, when they are told where.
    let by_bucket = if limits.needs_bucket { " --s3-bucket BUCKET --s3-prefix guardrails" } else { "" };
    let rest = format!(
        "--template-file {} --stack-name {}{by_bucket} --capabilities {} --parameter-overrides ArtifactBucket=BUCKET \
         Architecture={} Deployer=$(aws sts get-caller-identity --query Arn --output text) NotifyEmail=YOU@EXAMPLE.COM",
        path.display(),
        global.stack_name,
        template::capability(&template),
        args.programs.architecture.name(),
    );
    let next = format!(
        "aws s3 cp --recursive {}/guardrails s3://BUCKET/guardrails\naws cloudformation deploy {rest}\nor, instead of the \
         latter: sam deploy {rest}",
        args.out.display()
    );
    let code = template::parts(&template).into_iter().map(|part| (part, key)).collect();
    let value = Packaged { template: &path, code };
    output::result(global, &value, &format!("{}\n\nTo deploy it without `guardrails deploy`:\n{next}", path.display()))?;
    output::tell(
        "WARNING: without NotifyEmail, runs, failures and alarms reach nobody until somebody subscribes to the notify topic",
    );
    Ok(Exit::Done)
}
