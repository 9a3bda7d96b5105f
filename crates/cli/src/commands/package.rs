//! `guardrails package`: one template and the functions' zips, for `aws cloudformation deploy` or for looking at.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::json;

use crate::args::{Global, Package};
use crate::exit::Exit;
use crate::{artifacts, output, template};

pub(crate) fn run(global: &Global, args: &Package) -> Result<Exit> {
    let Some(config) = output::config(&args.file.file)? else { return Ok(Exit::BadInput) };
    let folder = args.functions.clone().map_or_else(artifacts::beside_this_program, Ok)?;
    let artifacts = artifacts::pack(&folder)?;
    let keys: BTreeMap<&str, String> = artifacts.iter().map(|artifact| (artifact.function, artifact.key.clone())).collect();
    let template = template::render(&config, &keys)?;
    let write = |name: &str, bytes: &[u8]| {
        let path = args.out.join(name);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, bytes));
        made.with_context(|| format!("writing {}", path.display())).map(|()| path)
    };
    for artifact in &artifacts {
        write(&artifact.key, &artifact.zip)?;
    }
    let template = write("template.json", serde_json::to_string_pretty(&template)?.as_bytes())?;
    let out = args.out.display();
    let next = format!(
        "aws s3 cp --recursive {out}/guardrails s3://BUCKET/guardrails\naws cloudformation deploy --template-file {} --stack-name \
         {} --capabilities CAPABILITY_NAMED_IAM --parameter-overrides ArtifactBucket=BUCKET \
         Deployer=$(aws sts get-caller-identity --query Arn --output text) NotifyEmail=YOU@EXAMPLE.COM",
        template.display(),
        global.stack_name
    );
    let value = json!({"template": template, "code": keys});
    output::result(global, &value, &format!("{}\n\nTo deploy it without `guardrails deploy`:\n{next}", template.display()))?;
    output::tell(
        "WARNING: without NotifyEmail, runs, failures and alarms reach nobody until somebody subscribes to the notify topic",
    );
    Ok(Exit::Done)
}
